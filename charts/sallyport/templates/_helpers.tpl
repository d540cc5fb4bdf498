{{/* Names, labels, the configuration, and what follows from it. */}}

{{- define "sallyport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for the longest suffix that an object adds. */}}
{{- define "sallyport.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "sallyport.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sallyport.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the Pods of the ingress role. */}}
{{- define "sallyport.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sallyport.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: ingress
{{- end }}

{{/* Labels of an object. Takes (list $ COMPONENT). */}}
{{- define "sallyport.labels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "sallyport.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sallyport.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "sallyport.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "sallyport.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "sallyport.configMapName" -}}
{{- default (printf "%s-%s" (include "sallyport.fullname" .) (ternary "sidecar" "config" (eq .Values.role "sidecar"))) .Values.existingConfigMap }}
{{- end }}

{{/* The configuration, as YAML: `config` over the defaults of the role. */}}
{{- define "sallyport.config" -}}
{{- $isSidecar := eq .Values.role "sidecar" }}
{{- $config := deepCopy .Values.config }}
{{- $defaults := dict "version" 1 }}
{{- $admin := dict "address" (ternary "0.0.0.0:10090" "0.0.0.0:9090" $isSidecar) }}
{{- if and (not $isSidecar) .Values.existingSecret }}
{{- $_ := set $admin "tokenFile" "/etc/sallyport/secrets/admin-token" }}
{{- end }}
{{- $public := dict "address" (ternary "0.0.0.0:10080" "0.0.0.0:8080" $isSidecar) }}
{{- $_ := set $defaults "listeners" (dict "public" $public "admin" $admin) }}
{{- $_ := set $defaults "shutdown" (ternary (dict "delay" "0s" "timeout" "5s") (dict "delay" "10s" "timeout" "25s") $isSidecar) }}
{{- if $isSidecar }}
{{- $_ := set $defaults "acceptWarnings" (list "admin/no-token") }}
{{- if not (hasKey $config "store") }}{{ $_ := set $defaults "store" (dict "memory" dict) }}{{ end }}
{{- else if and .Values.existingSigningKeys (not (dig "upstreamToken" "keys" false $config)) }}
{{- $_ := set $defaults "upstreamToken" (dict "keys" (dict "directory" "/etc/sallyport/keys")) }}
{{- end }}
{{- with .Values.redis }}
{{- $directory := ternary "/etc/sallyport/redis" "/etc/sallyport/secrets" (ne .existingSecret "") }}
{{- $redis := dict }}
{{- if .url }}{{ $_ := set $redis "url" .url }}{{ end }}
{{- if .urlKey }}{{ $_ := set $redis "url" (printf "${file:%s/%s}" $directory .urlKey) }}{{ end }}
{{- if .passwordKey }}{{ $_ := set $redis "passwordFile" (printf "%s/%s" $directory .passwordKey) }}{{ end }}
{{- if $redis }}{{ $_ := set $defaults "store" (dict "redis" $redis) }}{{ end }}
{{- end }}
{{- toYaml (merge $config $defaults) }}
{{- end }}

{{/* The port of a listener; nothing where it is not configured. Takes (list $ NAME). */}}
{{- define "sallyport.port" -}}
{{- $config := include "sallyport.config" (index . 0) | fromYaml }}
{{- $name := index . 1 }}
{{- $address := dig "listeners" $name "address" "" $config }}
{{- if $address }}
{{- $port := regexFind "[0-9]+$" $address }}
{{- if or (not $port) (hasPrefix "127." $address) (hasPrefix "[::1]" $address) (hasPrefix "localhost:" $address) }}
{{- fail (printf "config.listeners.%s.address is %s: it must be reachable from outside of the Pod, and end in a port, such as 0.0.0.0:8080" $name $address) }}
{{- end }}
{{- $port }}
{{- end }}
{{- end }}

{{/* The public origins, as YAML: one list, also of one. */}}
{{- define "sallyport.origins" -}}
{{- $origin := .Values.config.publicOrigin }}
{{- if kindIs "slice" $origin }}{{ toYaml $origin }}{{ else if $origin }}{{ toYaml (list $origin) }}{{ else }}[]{{ end }}
{{- end }}

{{/* The hosts of the public origins, as YAML. */}}
{{- define "sallyport.hosts" -}}
{{- $hosts := list }}
{{- range include "sallyport.origins" . | fromYamlArray }}
{{- $hosts = append $hosts (regexReplaceAll ":[0-9]+$" (urlParse .).host "") }}
{{- end }}
{{- toYaml (uniq $hosts) }}
{{- end }}

{{/* The annotation that rolls out new Pods with a changed configuration. */}}
{{- define "sallyport.checksums" -}}
{{- if and .Values.rolloutOnConfigChange (not .Values.existingConfigMap) }}
checksum/config: {{ printf "%s%s" (include "sallyport.config" .) (toYaml .Values.configFiles) | sha256sum }}
{{- end }}
{{- end }}

{{/* Mounts of the gateway's container. Takes (list $ PREFIX), the beginning of their names. */}}
{{- define "sallyport.volumeMounts" -}}
{{- $ := index . 0 }}
{{- $prefix := index . 1 -}}
# Whole directories, never subPath: a subPath mount is not updated when its source changes.
- name: {{ $prefix }}config
  mountPath: /etc/sallyport/config
  readOnly: true
{{- if eq $.Values.role "ingress" }}
{{- if $.Values.existingSecret }}
- name: {{ $prefix }}secrets
  mountPath: /etc/sallyport/secrets
  readOnly: true
{{- end }}
{{- if $.Values.existingSigningKeys }}
- name: {{ $prefix }}keys
  mountPath: /etc/sallyport/keys
  readOnly: true
{{- end }}
{{- end }}
{{- if $.Values.redis.existingSecret }}
- name: {{ $prefix }}redis
  mountPath: /etc/sallyport/redis
  readOnly: true
{{- end }}
{{- range $index, $mount := $.Values.mounts }}
- name: {{ $prefix }}mount-{{ $index }}
  mountPath: {{ $mount.path }}
  readOnly: true
{{- end }}
{{- with $.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volumes of those mounts. Takes the same. */}}
{{- define "sallyport.volumes" -}}
{{- $ := index . 0 }}
{{- $prefix := index . 1 -}}
{{- /* 0440 in decimal: YAML 1.1 and 1.2 read a leading 0 differently. An app's Pod has no fsGroup that fits, so 0444 there. */ -}}
{{- $mode := ternary 292 288 (eq $.Values.role "sidecar") -}}
- name: {{ $prefix }}config
  configMap:
    name: {{ include "sallyport.configMapName" $ }}
{{- if eq $.Values.role "ingress" }}
{{- with $.Values.existingSecret }}
- name: {{ $prefix }}secrets
  secret:
    secretName: {{ . }}
    defaultMode: {{ $mode }}
{{- end }}
{{- with $.Values.existingSigningKeys }}
- name: {{ $prefix }}keys
  secret:
    secretName: {{ . }}
    defaultMode: {{ $mode }}
{{- end }}
{{- end }}
{{- with $.Values.redis.existingSecret }}
- name: {{ $prefix }}redis
  secret:
    secretName: {{ . }}
    defaultMode: {{ $mode }}
{{- end }}
{{- range $index, $mount := $.Values.mounts }}
- name: {{ $prefix }}mount-{{ $index }}
{{- if $mount.secret }}
  secret:
    secretName: {{ $mount.secret }}
    defaultMode: {{ $mode }}
{{- else }}
  configMap:
    name: {{ $mount.configMap }}
{{- end }}
{{- end }}
{{- with $.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the gateway's container may do, in both roles. */}}
{{- define "sallyport.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Who runs the gateway, in both roles. */}}
{{- define "sallyport.user" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The probes of the gateway's container. Takes (dict "port" NAME "ready" PATH). */}}
{{- define "sallyport.probes" -}}
startupProbe:
  httpGet: { path: /startupz, port: {{ .port }} }
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: { path: {{ .ready | quote }}, port: {{ .port }} }
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
# Does not depend on Redis: restarting every Pod does not repair Redis.
livenessProbe:
  httpGet: { path: /livez, port: {{ .port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
