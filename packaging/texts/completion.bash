# Completion of tocsin for bash.

# _tocsin_config prints the configuration's file: -config, or where tocsin looks.
_tocsin_config() {
	local i
	for ((i = 1; i < COMP_CWORD - 1; i++)); do
		if [[ ${COMP_WORDS[i]} == -config || ${COMP_WORDS[i]} == --config ]]; then
			printf '%s\n' "${COMP_WORDS[i + 1]}"
			return
		fi
	done
	if [[ -e config.yaml ]]; then echo config.yaml; else echo /etc/tocsin/config.yaml; fi
}

# _tocsin_sinks prints the names of the sinks in it.
_tocsin_sinks() {
	sed -n '/^notify:/,/^[a-z]/ s/^[^#]*name: *["'\'']\{0,1\}\([a-z0-9-]*\).*/\1/p' "$(_tocsin_config)" 2>/dev/null
}

# _tocsin_ids prints the ids of deliveries in a state, or of all.
_tocsin_ids() {
	tocsin deliveries -config "$(_tocsin_config)" -n 50 -state "$1" list 2>/dev/null | sed '1d; s/ .*//'
}

_tocsin_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"); }
_tocsin_files() {
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

_tocsin() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_tocsin_words '{{range .}}{{.Name}} {{end}}help'
		return
	fi
	case ${COMP_WORDS[1]} in
{{- range .}}
	{{.Name}})
		case $before in
		{{- range .Flags}}{{if .Arg}}
		-{{.Name}} | --{{.Name}})
			{{- if eq .Arg "FILE"}}
			_tocsin_files -f
			{{- else if eq .Arg "DIR"}}
			_tocsin_files -d
			{{- else if eq .Arg "SINK"}}
			_tocsin_words "$(_tocsin_sinks)"
			{{- else if .Values}}
			_tocsin_words '{{range .Values}}{{.}} {{end}}'
			{{- end}}
			return
			;;
		{{- end}}{{end}}
		{{- if eq .Takes "ID"}}
		show) _tocsin_words "$(_tocsin_ids '')" && return ;;
		retry) _tocsin_words "$(_tocsin_ids failed)" && return ;;
		cancel) _tocsin_words "$(_tocsin_ids waiting)" && return ;;
		{{- end}}
		esac
		if [[ $cur == -* ]]; then
			_tocsin_words '{{range .Flags}}-{{.Name}} {{end}}-h'
			return
		fi
		{{- if .Verbs}}
		_tocsin_words '{{range .Verbs}}{{.}} {{end}}'
		{{- else if eq .Takes "SINK"}}
		_tocsin_words "$(_tocsin_sinks)"
		{{- else if eq .Takes "DIR"}}
		_tocsin_files -d
		{{- else if .Takes}}
		_tocsin_files -f
		{{- end}}
		;;
{{- end}}
	esac
}
complete -F _tocsin tocsin
