{{- define "type" }}
## {{ .Name }}

{{ regexReplaceAll "(?m)^\\+kubebuilder:.*$" .Doc "" | trim | replace "\t" "    " }}
{{ if .Members }}
| field | what it is |
|---|---|
{{ range .Members -}}
| `{{ .Name }}`<br>{{ template "fieldType" . }} | {{ template "fieldDoc" . }} |
{{ end -}}
{{ end -}}
{{- end -}}

{{- define "fieldType" -}}
{{ markdownRenderType .Type }}
{{- if has "Optional: {}" .Validation }}, optional{{ end -}}
{{- end -}}

{{- define "fieldDoc" -}}
{{- if eq .Name "metadata" -}}
as for every Kubernetes object
{{- else -}}
{{ regexReplaceAll "\n\n+" .Doc "<br>" | replace "\n" " " | replace "|" "\\|" | replace "*" "\\*" }}
{{- end -}}
{{- if .Default }} Default: `{{ .Default | replace "{ " "{" | replace " }" "}" | replace "type:" "type: " }}`.{{ end -}}
{{- end -}}
