{{- define "argocd-image-updater.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "argocd-image-updater.fullname" -}}
{{- $name := include "argocd-image-updater.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "argocd-image-updater.configName" -}}
{{- default (printf "%s-config" (include "argocd-image-updater.fullname" .)) .Values.config.name -}}
{{- end -}}

{{- define "argocd-image-updater.secretName" -}}
{{- default (printf "%s-secret" (include "argocd-image-updater.fullname" .)) .Values.secret.name -}}
{{- end -}}

{{- define "argocd-image-updater.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "argocd-image-updater.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "argocd-image-updater.selectorLabels" -}}
app.kubernetes.io/name: {{ include "argocd-image-updater.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object; the context is a dict with root and component. */}}
{{- define "argocd-image-updater.labels" -}}
{{ include "argocd-image-updater.selectorLabels" .root }}
app.kubernetes.io/part-of: argocd-image-updater
app.kubernetes.io/component: {{ .component | default "controller" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The data of the ConfigMap: every key that has a value. */}}
{{- define "argocd-image-updater.config" -}}
{{- range $key, $value := omit .Values.config "create" "name" "registries" }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{- $key }}: {{ toString $value | quote }}
{{ end }}
{{- end }}
{{- end -}}
