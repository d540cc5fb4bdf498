{{/* What the objects for the proxies of `authorizer` share. */}}

{{- define "sallyport.authorizerHost" -}}
{{- default (first (include "sallyport.hosts" . | fromYamlArray)) .Values.authorizer.host }}
{{- end }}

{{/* Headers that apps get besides Authorization, as YAML: `authorizer.identityHeaders`, or those of all routes. */}}
{{- define "sallyport.identityHeaders" -}}
{{- $names := .Values.authorizer.identityHeaders }}
{{- if not $names }}
{{- range .Values.config.routes }}
{{- $names = concat $names (keys (default dict .identityHeaders)) }}
{{- end }}
{{- end }}
{{- toYaml (uniq $names | sortAlpha) }}
{{- end }}

{{- define "sallyport.authorizerUrl" -}}
{{- printf "http://%s-authorizer.%s.svc.cluster.local:%s" (include "sallyport.fullname" .) .Release.Namespace (include "sallyport.port" (list . "authorizer")) }}
{{- end }}
