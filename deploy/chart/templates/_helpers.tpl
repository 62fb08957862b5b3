{{/* Names, labels and the parts that both roles' pods share. */}}

{{- define "doorstep.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "doorstep.gateway.fullname" -}}{{ include "doorstep.fullname" . }}-gateway{{- end }}
{{- define "doorstep.manager.fullname" -}}{{ include "doorstep.fullname" . }}-manager{{- end }}

{{- define "doorstep.gateway.serviceAccountName" -}}
{{- if .Values.gateway.serviceAccount.create -}}
{{- default (include "doorstep.gateway.fullname" .) .Values.gateway.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.gateway.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "doorstep.manager.serviceAccountName" -}}
{{- if .Values.manager.serviceAccount.create -}}
{{- default (include "doorstep.manager.fullname" .) .Values.manager.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.manager.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* The namespace in which environments are made. */}}
{{- define "doorstep.environments.namespace" -}}
{{- default .Release.Namespace .Values.namespace -}}
{{- end }}

{{- define "doorstep.manager.tokenSecretName" -}}
{{- default (printf "%s-api-token" (include "doorstep.fullname" .)) .Values.manager.token.existingSecret -}}
{{- end }}

{{/* The names under which the API may be called, one a line. */}}
{{- define "doorstep.manager.names" -}}
{{- $service := printf "%s.%s" (include "doorstep.manager.fullname" .) .Release.Namespace -}}
{{- concat (list (include "doorstep.manager.fullname" .) $service (printf "%s.svc" $service) (printf "%s.svc.%s" $service .Values.clusterDomain)) .Values.manager.hosts | join "\n" -}}
{{- end }}

{{/* The Secret by which the API is served by TLS; empty: it is served in the clear. */}}
{{- define "doorstep.manager.tlsSecretName" -}}
{{- with .Values.manager.tls -}}
{{- if .secretName -}}
{{- .secretName -}}
{{- else if .issuer.name -}}
{{- include "doorstep.manager.fullname" $ }}-tls
{{- end -}}
{{- end -}}
{{- end }}

{{/* Whether the store is a file on a volume, which one pod at a time may have; empty: not. */}}
{{- define "doorstep.manager.onVolume" -}}
{{- if and .Values.manager.store.persistence.enabled (not .Values.manager.store.existingSecret) -}}yes{{- end -}}
{{- end }}

{{- define "doorstep.manager.claimName" -}}
{{- default (include "doorstep.manager.fullname" .) .Values.manager.store.persistence.existingClaim -}}
{{- end }}

{{/* The ConfigMap of the file of routes; empty: there is none. */}}
{{- define "doorstep.routes.configMapName" -}}
{{- if .Values.routes.file -}}
{{- include "doorstep.fullname" . }}-routes
{{- else -}}
{{- .Values.routes.existingConfigMap -}}
{{- end -}}
{{- end }}

{{/* Which routes there are beside the cluster's; the gateways serve them and the managers explain them. */}}
{{- define "doorstep.routes.argument" -}}
{{- if include "doorstep.routes.configMapName" . }}
- --routes=/etc/doorstep/routes/{{ .Values.routes.key }}
{{- end }}
{{- end }}

{{- define "doorstep.routes.mount" -}}
{{- if include "doorstep.routes.configMapName" . }}
# Not by subPath: a changed file is to be seen.
- name: routes
  mountPath: /etc/doorstep/routes
  readOnly: true
{{- end }}
{{- end }}

{{- define "doorstep.routes.volume" -}}
{{- with include "doorstep.routes.configMapName" . }}
- name: routes
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}

{{- define "doorstep.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "doorstep.labels" -}}
{{ include "doorstep.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: doorstep
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "doorstep.gateway.selectorLabels" -}}
{{ include "doorstep.selectorLabels" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "doorstep.manager.selectorLabels" -}}
{{ include "doorstep.selectorLabels" . }}
app.kubernetes.io/component: manager
{{- end }}

{{- define "doorstep.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* Which certificates there are beside those that Ingresses name; both roles have to know. */}}
{{- define "doorstep.certificateArguments" -}}
{{- with .Values.certificates.namespace }}
- --certificate-namespace={{ . }}
{{- end }}
{{- with .Values.certificates.default }}
- --default-certificate={{ . }}
{{- end }}
{{- end }}

{{/* How a Deployment is updated. One that is made anew has no bounds, and the API server takes none of it. Takes the values. */}}
{{- define "doorstep.updateStrategy" -}}
type: {{ .type }}
{{- if and (eq .type "RollingUpdate") .rollingUpdate }}
rollingUpdate:
  {{- toYaml .rollingUpdate | nindent 2 }}
{{- end }}
{{- end }}

{{/* How long a manager goes on after SIGTERM. On a volume there is no other one that could be called meanwhile. */}}
{{- define "doorstep.manager.shutdownDelay" -}}
{{- if include "doorstep.manager.onVolume" . -}}0{{- else -}}{{ .Values.manager.shutdownDelaySeconds }}{{- end -}}
{{- end }}

{{/* How many seconds a gateway's pod gets: the delay, the drain, and a moment to end. */}}
{{- define "doorstep.gateway.grace" -}}
{{- add (int .Values.gateway.shutdownDelaySeconds) (int .Values.gateway.drainSeconds) 5 -}}
{{- end }}

{{/* Spread over zones and nodes; a roll-out's new pods are counted apart from the old. Takes {role, selector}. */}}
{{- define "doorstep.topologySpread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $.role.topologySpread.whenUnsatisfiable }}
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- $.selector | nindent 6 }}
{{- end }}
{{- end }}

{{/* Where a pod may run, and how its image is had. Takes {root, role}. */}}
{{- define "doorstep.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .role.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .role.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .role.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .role.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
