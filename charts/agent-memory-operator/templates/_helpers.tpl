{{- define "amo.labels" -}}
app.kubernetes.io/name: agent-memory-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: agent-memory-operator
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "amo.selector" -}}
app.kubernetes.io/name: agent-memory-operator
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "amo.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- /* Names are fixed: Leases, the handed-over principals and the tenant's RoleBindings name them. One release a cluster. */ -}}
{{- define "amo.name" -}}agent-memory-operator-{{ . }}{{- end -}}
