# Completion of tocsin for fish.

# The configuration's file: -config, or where tocsin looks.
function __tocsin_config
    set -l words (commandline -opc)
    if set -l i (contains -i -- -config $words); and set -q words[(math $i + 1)]
        echo $words[(math $i + 1)]
    else if test -e config.yaml
        echo config.yaml
    else
        echo /etc/tocsin/config.yaml
    end
end

# The names of the sinks in it.
function __tocsin_sinks
    sed -n '/^notify:/,/^[a-z]/ s/^[^#]*name: *["\']\{0,1\}\([a-z0-9-]*\).*/\1/p' (__tocsin_config) 2>/dev/null
end

# The ids of deliveries in a state, or of all.
function __tocsin_ids
    tocsin deliveries -config (__tocsin_config) -n 50 -state "$argv[1]" list 2>/dev/null | sed '1d; s/ .*//'
end

complete -c tocsin -f
complete -c tocsin -n __fish_use_subcommand -a help -d 'Shows the commands'
{{range .}}{{$name := .Name}}
complete -c tocsin -n __fish_use_subcommand -a {{.Name}} -d {{quote .Summary}}
{{- range .Flags}}
complete -c tocsin -n '__fish_seen_subcommand_from {{$name}}' -o {{.Name}} -d {{quote .Text}}
	{{- if .Values}} -x -a '{{join .Values}}'
	{{- else if eq .Arg "FILE"}} -r -F
	{{- else if eq .Arg "DIR"}} -x -a '(__fish_complete_directories)'
	{{- else if eq .Arg "SINK"}} -x -a '(__tocsin_sinks)'
	{{- else if .Arg}} -x
	{{- end}}
{{- end}}
{{- if .Verbs}}
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}; and not __fish_seen_subcommand_from {{join .Verbs}}' -a '{{join .Verbs}}'
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}; and __fish_seen_subcommand_from show' -a '(__tocsin_ids "")'
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}; and __fish_seen_subcommand_from retry' -a '(__tocsin_ids failed)'
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}; and __fish_seen_subcommand_from cancel' -a '(__tocsin_ids waiting)'
{{- else if eq .Takes "SINK"}}
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}' -a '(__tocsin_sinks)'
{{- else if eq .Takes "DIR"}}
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}' -a '(__fish_complete_directories)'
{{- else if .Takes}}
complete -c tocsin -n '__fish_seen_subcommand_from {{.Name}}' -F
{{- end}}
{{end}}
