{{/* Labels of every object. */}}
{{- define "kube-smcroute.labels" -}}
app.kubernetes.io/name: kube-smcroute
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels that the pods of a component, which is the argument, are found by. */}}
{{- define "kube-smcroute.selector" -}}
app.kubernetes.io/name: kube-smcroute
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* A map in YAML of the first one and the second one, which may be null. What
both have is that of the first. */}}
{{- define "kube-smcroute.merged" -}}
{{ merge (index . 0) (index . 1 | default dict) | toYaml }}
{{- end }}

{{- define "kube-smcroute.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* A role's rules, which the files of the project's own generator have. */}}
{{- define "kube-smcroute.rules" -}}
rules:
{{ (fromYaml .).rules | toYaml }}
{{- end }}

{{/* The ConfigMap with the agents' smcroute.conf, if there is to be one. */}}
{{- define "kube-smcroute.configMap" -}}
{{- if and .Values.agent.conf .Values.agent.existingConfigMap }}
{{- fail "agent.conf and agent.existingConfigMap are both set: expected one of them, the text itself or the ConfigMap that has it" }}
{{- end }}
{{- if .Values.agent.conf }}kube-smcroute-agent-conf{{ else }}{{ .Values.agent.existingConfigMap | default "" }}{{ end }}
{{- end }}
