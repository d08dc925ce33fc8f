{{/* What every pod has; takes (list $ $componentValues). */}}
{{- define "fluxrouter.pod" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
enableServiceLinks: false # its variables would look like our settings
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* What every container has. */}}
{{- define "fluxrouter.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "fluxrouter.ourImage" -}}
image: {{ include "fluxrouter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/*
The container that fills the Secret of the release where it is empty, and copies the certificate to
where the pod reads it: a mounted Secret would show it a minute later only.
*/}}
{{- define "fluxrouter.fillSecret" -}}
- name: fill-secret
  {{- include "fluxrouter.ourImage" . | nindent 2 }}
  command:
    - fluxrouter
    - fill-secret
    - {{ include "fluxrouter.generatedSecret" . }}
    - --namespace={{ .Release.Namespace }}
    {{- if eq .Values.tls.mode "generated" }}
    {{- range (include "fluxrouter.dnsNames" . | trim | splitList "\n") }}
    - --dns={{ . }}
    {{- end }}
    - --copy-to=/etc/fluxrouter/tls
    {{- end }}
    {{- if include "fluxrouter.hasValkey" . }}
    - --store={{ include "fluxrouter.name" . }}-valkey.{{ .Release.Namespace }}.svc:6379
    {{- end }}
  {{- include "fluxrouter.container" . | nindent 2 }}
  resources:
    requests: {cpu: 50m, memory: 64Mi}
    limits: {memory: 128Mi}
  {{- if eq .Values.tls.mode "generated" }}
  volumeMounts:
    - {name: tls, mountPath: /etc/fluxrouter/tls}
  {{- end }}
{{- end }}

{{/* The volume `tls`: copies of the generated certificate, or the Secret itself. */}}
{{- define "fluxrouter.tlsVolume" -}}
- name: tls
  {{- if eq .Values.tls.mode "generated" }}
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
  {{- else }}
  secret:
    secretName: {{ include "fluxrouter.tlsSecret" . }}
    defaultMode: 0440
  {{- end }}
{{- end }}
