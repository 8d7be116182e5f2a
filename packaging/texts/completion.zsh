#compdef tocsin
# Completion of tocsin for zsh.

# _tocsin_config prints the configuration's file: -config, or where tocsin looks.
_tocsin_config() {
	local i=${words[(I)-config]}
	if (( i > 0 && i < CURRENT - 1 )); then
		print -r -- ${words[i + 1]}
	elif [[ -e config.yaml ]]; then
		print config.yaml
	else
		print /etc/tocsin/config.yaml
	fi
}

# _tocsin_sinks completes the names of the sinks in it.
_tocsin_sinks() {
	local -a sinks
	sinks=(${(f)"$(sed -n '/^notify:/,/^[a-z]/ s/^[^#]*name: *["'\'']\{0,1\}\([a-z0-9-]*\).*/\1/p' "$(_tocsin_config)" 2>/dev/null)"})
	compadd -a sinks
}

# _tocsin_ids completes the ids of deliveries in the state that a verb is for.
_tocsin_ids() {
	local -A states=(retry failed cancel waiting)
	local -a ids
	ids=(${(f)"$(tocsin deliveries -config "$(_tocsin_config)" -n 50 -state "${states[$1]}" list 2>/dev/null | sed '1d; s/ .*//')"})
	compadd -a ids
}

_tocsin() {
	local curcontext=$curcontext state line
	local -a commands
	commands=(
	{{- range .}}
		{{quote (printf "%s:%s" .Name .Summary)}}
	{{- end}}
	)
	_arguments -C '1: :->command' '*:: :->arguments'
	case $state in
	command) _describe command commands ;;
	arguments)
		case ${words[1]} in
		{{- range .}}
		{{.Name}})
			_arguments -S \
			{{- range .Flags}}
				{{if .Values}}{{quote (printf "-%s[%s]:%s:(%s)" .Name (bracket .Text) .Name (join .Values))}}
				{{- else if eq .Arg "FILE"}}{{quote (printf "-%s[%s]:file:_files" .Name (bracket .Text))}}
				{{- else if eq .Arg "DIR"}}{{quote (printf "-%s[%s]:folder:_files -/" .Name (bracket .Text))}}
				{{- else if eq .Arg "SINK"}}{{quote (printf "-%s[%s]:sink:_tocsin_sinks" .Name (bracket .Text))}}
				{{- else if .Arg}}{{quote (printf "-%s[%s]:%s: " .Name (bracket .Text) .Arg)}}
				{{- else}}{{quote (printf "-%s[%s]" .Name (bracket .Text))}}
				{{- end}} \
			{{- end}}
				{{if .Verbs}}{{quote (printf "1: :(%s)" (join .Verbs))}} '2:id:_tocsin_ids ${line[1]}'
				{{- else if eq .Takes "SINK"}}'1:sink:_tocsin_sinks'
				{{- else if eq .Takes "DIR"}}'1:folder:_files -/'
				{{- else if .Takes}}'*:file:_files'
				{{- else}}'-h[show the flags]'
				{{- end}}
			;;
		{{- end}}
		esac
		;;
	esac
}

_tocsin "$@"
