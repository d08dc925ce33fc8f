{{/* What every policy begins with; takes (list $ "component"). */}}
{{- define "fluxrouter.policy" -}}
{{- $root := index . 0 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "fluxrouter.name" $root }}-{{ index . 1 }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "fluxrouter.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "fluxrouter.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{/* A peer: the pods of a component; takes (list $ "component"). */}}
{{- define "fluxrouter.peer" -}}
- podSelector:
    matchLabels: {{- include "fluxrouter.selector" . | nindent 6 }}
{{- end }}

{{/* Outgoing rules to ports anywhere, one rule for all of them. */}}
{{- define "fluxrouter.egressPorts" -}}
{{- with . }}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}

{{- define "fluxrouter.egressDns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* What `fluxrouter serve` reaches in any role: names, store and database. */}}
{{- define "fluxrouter.serveEgress" -}}
{{- $policy := .Values.networkPolicy -}}
{{ include "fluxrouter.egressDns" . }}
{{- if include "fluxrouter.hasValkey" . }}
- to:
    {{- include "fluxrouter.peer" (list . "valkey") | nindent 4 }}
  ports: [{port: valkey}]
{{- else }}
{{- include "fluxrouter.egressPorts" $policy.storePorts }}
{{- end }}
{{- if .Values.ledger.existingSecret }}
{{- include "fluxrouter.egressPorts" $policy.ledgerPorts }}
{{- end }}
{{- end }}

{{/* Who may scrape. */}}
{{- define "fluxrouter.scrapeIngress" -}}
{{- with .Values.networkPolicy.scrapers }}
- from: {{- toYaml . | nindent 4 }}
  ports: [{port: metrics}]
{{- end }}
{{- end }}

{{/* Who may call gRPC and HTTP, and who may scrape. */}}
{{- define "fluxrouter.serveIngress" -}}
- from:
    {{- include "fluxrouter.peer" (list . "operator") | nindent 4 }}
    {{- include "fluxrouter.peer" (list . "test") | nindent 4 }}
    {{- with .Values.networkPolicy.clients }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports: [{port: grpc}]
{{- include "fluxrouter.scrapeIngress" . }}
{{- end }}
