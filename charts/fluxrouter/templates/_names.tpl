{{/* The release's name, or what replaces it; all names begin with it. */}}
{{- define "fluxrouter.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- .Values.fullnameOverride | default $name | trunc 45 | trimSuffix "-" -}}
{{- end }}

{{/* Names of objects without a namespace say which release they belong to. */}}
{{- define "fluxrouter.clusterName" -}}
{{ .Release.Namespace }}-{{ include "fluxrouter.name" . }}
{{- end }}

{{- define "fluxrouter.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The address of the servers inside of the cluster. */}}
{{- define "fluxrouter.host" -}}
{{ include "fluxrouter.name" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{/* "true" where the chart runs the store itself. */}}
{{- define "fluxrouter.hasValkey" -}}
{{- if not (or .Values.store.url .Values.store.existingSecret) }}true{{ end -}}
{{- end }}

{{- define "fluxrouter.generatedSecret" -}}
{{ include "fluxrouter.name" . }}-generated
{{- end }}

{{/* "true" where pods make what is secret by themselves, at their first start. */}}
{{- define "fluxrouter.generates" -}}
{{- if or (include "fluxrouter.hasValkey" .) (eq .Values.tls.mode "generated") }}true{{ end -}}
{{- end }}

{{/* The Secret with tls.crt, tls.key and ca.crt; empty for plain text. */}}
{{- define "fluxrouter.tlsSecret" -}}
{{- if eq .Values.tls.mode "generated" -}}
{{ include "fluxrouter.generatedSecret" . }}
{{- else if eq .Values.tls.mode "certManager" -}}
{{ include "fluxrouter.name" . }}-tls
{{- else if eq .Values.tls.mode "secret" -}}
{{ .Values.tls.existingSecret }}
{{- end -}}
{{- end }}

{{/* All names under which the servers are called, one a line. */}}
{{- define "fluxrouter.dnsNames" -}}
{{- $root := . -}}
{{- range $suffix := list "" "-headless" "-ledger" -}}
{{- $service := printf "%s%s" (include "fluxrouter.name" $root) $suffix }}
{{ $service }}
{{ $service }}.{{ $root.Release.Namespace }}
{{ $service }}.{{ $root.Release.Namespace }}.svc
{{ $service }}.{{ $root.Release.Namespace }}.svc.cluster.local
{{- end }}
localhost
{{- range .Values.tls.extraDnsNames }}
{{ . }}
{{- end }}
{{- end }}
