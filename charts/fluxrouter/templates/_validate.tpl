{{/* What the schema cannot say: values that contradict each other fail here, with the remedy. */}}
{{- define "fluxrouter.validate" -}}
{{- $tls := .Values.tls -}}
{{- if and (eq $tls.mode "secret") (not $tls.existingSecret) -}}
{{- fail "tls.existingSecret: tls.mode is `secret`; name the Secret with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and (ne $tls.mode "secret") $tls.existingSecret -}}
{{- fail (printf "tls.existingSecret: tls.mode is `%s`, so it would not be used; set tls.mode=secret, or leave it out" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "certManager") (not $tls.issuer.name) -}}
{{- fail "tls.issuer.name: tls.mode is `certManager`; name the Issuer, or a ClusterIssuer with tls.issuer.kind" -}}
{{- end -}}
{{- if and (eq $tls.mode "none") (or .Values.operator.enabled .Values.test.enabled) -}}
{{- fail "tls.mode: `none` would send tokens in plain text; choose another, or set operator.enabled=false and test.enabled=false" -}}
{{- end -}}
{{- if and .Values.store.url .Values.store.existingSecret -}}
{{- fail "store.url: store.existingSecret names the store already; give one of them" -}}
{{- end -}}
{{- if and (include "fluxrouter.hasValkey" .) (or .Values.store.caSecret .Values.store.certificateSecret (eq .Values.store.durability "replicated")) -}}
{{- fail "store: the trial's Valkey has neither TLS nor replicas; name a store, by store.existingSecret or store.url" -}}
{{- end -}}
{{- if and .Values.server.credentialsSecret .Values.server.credentials -}}
{{- fail "server.credentials: server.credentialsSecret takes their place; move them into it" -}}
{{- end -}}
{{- if not (or .Values.server.credentialsSecret (include "fluxrouter.credentials" .)) -}}
{{- fail "server.credentials: without operator and test nobody may call; give an entry, or server.credentialsSecret" -}}
{{- end -}}
{{- if and .Values.server.edge.enabled (eq .Values.server.transport "grpc") -}}
{{- fail "server.transport: the edge runs inside of Envoy; leave server.transport=grpc out, or set server.edge.enabled=false" -}}
{{- end -}}
{{- if gt (int .Values.server.autoscaling.minReplicas) (int .Values.server.autoscaling.maxReplicas) -}}
{{- fail "server.autoscaling.maxReplicas: is less than minReplicas; raise it" -}}
{{- end -}}
{{- end }}
