{{/* What a schema cannot say: each sentence names the value to change. */}}

{{/* Seconds of a duration such as 10s, 1m30s or 250ms, rounded up. */}}
{{- define "sallyport.seconds" -}}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+(ms|s|m|h|d)" (toString .) -1 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $sum = addf $sum (mulf (regexFind "^[0-9.]+" . | float64) (get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit)) }}
{{- end }}
{{- ceil $sum }}
{{- end }}

{{- define "sallyport.checks" -}}
{{- $values := .Values }}
{{- $config := include "sallyport.config" . | fromYaml }}
{{- if not $values.existingConfigMap }}
{{- range list "publicOrigin" "upstreams" "routes" }}
{{- if not (get $config .) }}
{{- fail (printf "config.%s is missing: say what the gateway is for, or name a ConfigMap with sallyport.yaml in existingConfigMap" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $values.redis.url $values.redis.urlKey }}
{{- fail "redis.url and redis.urlKey are both set: choose one" }}
{{- end }}
{{- if and (or $values.redis.passwordKey $values.redis.existingSecret) (not (dig "store" "redis" "url" "" $config)) }}
{{- fail "redis.url is missing: where is Redis? (Or name the key of the Secret that has the whole URL in redis.urlKey.)" }}
{{- end }}
{{- if and (dig "store" "redis" "url" "" $values.config) (or $values.redis.url $values.redis.urlKey) }}
{{- fail "config.store.redis.url and redis.url are both set: choose one" }}
{{- end }}
{{- if regexMatch "^[a-z+]+://[^/@]*:[^/@]+@" $values.redis.url }}
{{- fail "redis.url has a password in it, which everyone can read who can read this release: put it into a Secret, and name that in redis.existingSecret and redis.passwordKey" }}
{{- end }}
{{- if eq $values.role "ingress" }}
{{- include "sallyport.ingressChecks" (list . $config) }}
{{- end }}
{{- end }}

{{- define "sallyport.ingressChecks" -}}
{{- $ := index . 0 }}
{{- $config := index . 1 }}
{{- $values := $.Values }}
{{- $replicas := ternary $values.autoscaling.maxReplicas $values.replicas $values.autoscaling.enabled | int }}
{{- if and (gt $replicas 1) (not $values.existingConfigMap) (not (get $config "store")) }}
{{- fail "several replicas need one store: set redis.url, or replicas: 1 (or config.store.memory: {}, if there are no sessions)" }}
{{- end }}
{{- $needed := add (include "sallyport.seconds" (dig "shutdown" "delay" "0s" $config) | int) (include "sallyport.seconds" (dig "shutdown" "timeout" "0s" $config) | int) 5 }}
{{- if lt (int $values.terminationGracePeriodSeconds) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds is %d: config.shutdown.delay, config.shutdown.timeout and 5 s to exit need %d" (int $values.terminationGracePeriodSeconds) $needed) }}
{{- end }}
{{- if $values.authorizer.enabled }}
{{- if not (or (include "sallyport.port" (list $ "authorizer")) (include "sallyport.port" (list $ "grpcAuthorizer"))) }}
{{- fail "authorizer.enabled needs config.listeners.authorizer: { address: 0.0.0.0:4180, peers: [addresses of the Pods of your proxy] }, or for Envoy config.listeners.grpcAuthorizer" }}
{{- end }}
{{- $asked := ternary "grpcAuthorizer" "authorizer" (eq $values.authorizer.proxy "envoy-gateway") }}
{{- if and $values.authorizer.proxy (not (include "sallyport.port" (list $ $asked))) }}
{{- fail (printf "authorizer.proxy %s asks on config.listeners.%s, which is missing" $values.authorizer.proxy $asked) }}
{{- end }}
{{- if and $values.authorizer.proxy (not (include "sallyport.authorizerHost" $)) }}
{{- fail "authorizer.host is missing, and there is no config.publicOrigin to take it from" }}
{{- end }}
{{- end }}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs is missing: name the Gateway that the route belongs to" }}
{{- end }}
{{- if and (eq $values.authorizer.proxy "envoy-gateway") $values.authorizer.enabled (not $values.authorizer.parentRefs) }}
{{- fail "authorizer.parentRefs is missing: name the Gateway that the routes belong to" }}
{{- end }}
{{- end }}
