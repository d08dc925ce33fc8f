{{/*
What selects the pods of a component. It never changes: selectors of Deployments cannot be edited.
Takes (list $ "component").
*/}}
{{- define "fluxrouter.selector" -}}
app.kubernetes.io/name: fluxrouter
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* What describes an object; takes (list $ "component"). */}}
{{- define "fluxrouter.labels" -}}
{{- $root := index . 0 -}}
{{ include "fluxrouter.selector" . }}
app.kubernetes.io/part-of: fluxrouter
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The labels of a pod; takes (list $ "component"). */}}
{{- define "fluxrouter.podLabels" -}}
{{ include "fluxrouter.selector" . }}
{{- with (index . 0).Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
