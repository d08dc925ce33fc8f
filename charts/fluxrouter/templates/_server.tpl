{{/* What `fluxrouter serve` is told in every pod, whatever its role. */}}
{{- define "fluxrouter.commonEnv" -}}
- {name: FLUXROUTER_METRICS_LISTEN, value: "0.0.0.0:9464"}
- {name: FLUXROUTER_DATA_DIR, value: /var/lib/fluxrouter}
- {name: FLUXROUTER_LOG_FORMAT, value: json}
- {name: FLUXROUTER_LOG_LEVEL, value: {{ .Values.log.level }}}
- name: FLUXROUTER_STORE
  {{- if .Values.store.url }}
  value: {{ .Values.store.url | quote }}
  {{- else if .Values.store.existingSecret }}
  valueFrom:
    secretKeyRef: {name: {{ .Values.store.existingSecret }}, key: {{ .Values.store.existingSecretKey }}}
  {{- else }}
  valueFrom:
    secretKeyRef: {name: {{ include "fluxrouter.generatedSecret" . }}, key: store-url}
  {{- end }}
{{- with .Values.store }}
{{- if .caSecret }}
- {name: FLUXROUTER_STORE_CA, value: /etc/fluxrouter/store-ca/ca.crt}
{{- end }}
{{- if .certificateSecret }}
- {name: FLUXROUTER_STORE_CERT, value: /etc/fluxrouter/store-certificate/tls.crt}
- {name: FLUXROUTER_STORE_KEY, value: /etc/fluxrouter/store-certificate/tls.key}
{{- end }}
{{- if eq .durability "replicated" }}
- {name: FLUXROUTER_DURABILITY, value: replicated}
- {name: FLUXROUTER_STORE_REPLICAS, value: {{ .replicas | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* What store and ledger want to see of certificates; for every role. */}}
{{- define "fluxrouter.commonMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /var/lib/fluxrouter}
{{- if .Values.store.caSecret }}
- {name: store-ca, mountPath: /etc/fluxrouter/store-ca, readOnly: true}
{{- end }}
{{- if .Values.store.certificateSecret }}
- {name: store-certificate, mountPath: /etc/fluxrouter/store-certificate, readOnly: true}
{{- end }}
{{- if .Values.ledger.filesSecret }}
- {name: ledger-files, mountPath: /etc/fluxrouter/ledger, readOnly: true}
{{- end }}
{{- end }}

{{- define "fluxrouter.commonVolumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if .Values.store.caSecret }}
- name: store-ca
  secret: {secretName: {{ .Values.store.caSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- if .Values.store.certificateSecret }}
- name: store-certificate
  secret: {secretName: {{ .Values.store.certificateSecret }}, defaultMode: 0440}
{{- end }}
{{- if .Values.ledger.filesSecret }}
- name: ledger-files
  secret: {secretName: {{ .Values.ledger.filesSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* And where it takes calls: the servers, and the ledger's own where that is a file. */}}
{{- define "fluxrouter.serveEnv" -}}
{{ include "fluxrouter.commonEnv" . }}
- {name: FLUXROUTER_LISTEN, value: "0.0.0.0:50051"}
- {name: FLUXROUTER_CREDENTIALS_FILE, value: /etc/fluxrouter/credentials/credentials.yaml}
{{- if ne .Values.tls.mode "none" }}
- {name: FLUXROUTER_TLS_CERT, value: /etc/fluxrouter/tls/tls.crt}
- {name: FLUXROUTER_TLS_KEY, value: /etc/fluxrouter/tls/tls.key}
{{- end }}
- {name: FLUXROUTER_DRAIN_PAUSE_SECONDS, value: {{ .Values.server.drain.leaveSeconds | quote }}}
- {name: FLUXROUTER_DRAIN_GRACE_SECONDS, value: {{ .Values.server.drain.graceSeconds | quote }}}
{{- end }}

{{- define "fluxrouter.postgresEnv" -}}
- name: FLUXROUTER_LEDGER_URL
  valueFrom:
    secretKeyRef: {name: {{ .Values.ledger.existingSecret }}, key: {{ .Values.ledger.existingSecretKey }}}
{{- end }}

{{- define "fluxrouter.servePorts" -}}
ports:
  - {name: grpc, containerPort: 50051}
  - {name: metrics, containerPort: 9464}
{{- end }}

{{/*
A start may wait for the store. A pod is ready while it can decide, so readiness asks for the store;
liveness does not: a restart mends no store.
*/}}
{{- define "fluxrouter.serveProbes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{- define "fluxrouter.serveMounts" -}}
{{ include "fluxrouter.commonMounts" . }}
- {name: credentials, mountPath: /etc/fluxrouter/credentials, readOnly: true}
{{- if ne .Values.tls.mode "none" }}
- {name: tls, mountPath: /etc/fluxrouter/tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "fluxrouter.serveVolumes" -}}
{{ include "fluxrouter.commonVolumes" . }}
- name: credentials
  {{- if .Values.server.credentialsSecret }}
  secret: {secretName: {{ .Values.server.credentialsSecret }}, defaultMode: 0440}
  {{- else }}
  configMap: {name: {{ include "fluxrouter.name" . }}-credentials}
  {{- end }}
{{- if ne .Values.tls.mode "none" }}
{{ include "fluxrouter.tlsVolume" . }}
{{- end }}
{{- end }}

{{/* "true" where the server asks the cluster whose a token is. */}}
{{- define "fluxrouter.reviewsTokens" -}}
{{- $asks := or .Values.operator.enabled .Values.test.enabled .Values.server.credentialsSecret -}}
{{- range .Values.server.credentials }}{{ if .serviceAccount }}{{ $asks = true }}{{ end }}{{ end -}}
{{- if $asks }}true{{ end -}}
{{- end }}

{{/* Who may call: no secret, only hashes and names of ServiceAccounts. */}}
{{- define "fluxrouter.credentials" -}}
{{- $namespace := .Release.Namespace -}}
{{- $name := include "fluxrouter.name" . -}}
{{- if .Values.operator.enabled }}
- {name: operator, scopes: [control, read], serviceAccount: {{ $namespace }}/{{ $name }}-operator}
{{- end }}
{{- if .Values.test.enabled }}
- {name: helm-test, scopes: [control, route, meter, read], serviceAccount: {{ $namespace }}/{{ $name }}-test}
{{- end }}
{{- with .Values.server.credentials }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether the server's pods are given a token for the cluster: for reviews and for their Secret. */}}
{{- define "fluxrouter.serveUsesToken" -}}
{{- if or (include "fluxrouter.reviewsTokens" .) (include "fluxrouter.generates" .) -}}
true
{{- else -}}
false
{{- end -}}
{{- end }}
