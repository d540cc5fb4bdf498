{{/*
What the chart of an app includes to have the gateway in its Pods. The app's chart has this one as a dependency, with
`role: sidecar`:

    metadata:
      labels: {{- include "sallyport.sidecar.podLabels" .Subcharts.sallyport | nindent 8 }}
      annotations: {{- include "sallyport.sidecar.podAnnotations" .Subcharts.sallyport | nindent 8 }}
    spec:
      initContainers: {{- include "sallyport.sidecar.initContainer" .Subcharts.sallyport | nindent 8 }}
      volumes: {{- include "sallyport.sidecar.volumes" .Subcharts.sallyport | nindent 8 }}

examples/helm/orders is such a chart.
*/}}

{{- define "sallyport.sidecar.podLabels" -}}
sallyport-sidecar: {{ .Values.sidecar.label | quote }}
{{- end }}

{{/* Rolls out new Pods with a changed configuration; nothing with rolloutOnConfigChange: false. */}}
{{- define "sallyport.sidecar.podAnnotations" -}}
{{- default "{}" (include "sallyport.checksums" . | trim) }}
{{- end }}

{{- define "sallyport.sidecar.initContainer" -}}
- name: sallyport
  image: {{ include "sallyport.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # Makes it a sidecar: it starts before the app and stops after it, and Jobs still complete.
  restartPolicy: Always
  args: [start, --config, /etc/sallyport/config/sallyport.yaml]
  {{- range $field := list "env" "envFrom" }}
  {{- with get $.Values $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  # All containers of a Pod share its ports. Few apps use these two.
  ports:
    - name: sallyport-http
      containerPort: {{ include "sallyport.port" (list . "public") }}
    - name: sallyport-admin
      containerPort: {{ include "sallyport.port" (list . "admin") }}
  {{- /* The app starts once the startup probe has passed, so that must not depend on the app. Readiness counts for the whole Pod. */}}
  {{- include "sallyport.probes" (dict "port" "sallyport-admin" "ready" "/readyz?include=upstream") | nindent 2 }}
  resources:
    {{- toYaml .Values.sidecar.resources | nindent 4 }}
  # On the container, not on the Pod: the Pod's settings are the app's.
  securityContext:
    {{- include "sallyport.user" . | nindent 4 }}
    {{- include "sallyport.containerSecurityContext" . | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    {{- include "sallyport.volumeMounts" (list . "sallyport-") | nindent 4 }}
{{- end }}

{{- define "sallyport.sidecar.volumes" -}}
{{- include "sallyport.volumes" (list . "sallyport-") }}
{{- end }}
