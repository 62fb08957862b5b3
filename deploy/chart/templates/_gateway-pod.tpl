{{/* The gateway's pod, alike in a Deployment and a DaemonSet. */}}
{{- define "doorstep.gateway.pod" -}}
metadata:
  labels:
    {{- include "doorstep.labels" . | nindent 4 }}
    app.kubernetes.io/component: gateway
    {{- with .Values.gateway.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: gateway
    {{- with .Values.gateway.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "doorstep.gateway.serviceAccountName" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "doorstep.gateway.grace" . }}
  {{- with include "doorstep.placement" (dict "root" . "role" .Values.gateway) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- if and .Values.gateway.topologySpread.enabled (eq .Values.gateway.kind "Deployment") }}
  topologySpreadConstraints:
    {{- include "doorstep.topologySpread" (dict "role" .Values.gateway "selector" (include "doorstep.gateway.selectorLabels" .)) | trim | nindent 4 }}
  {{- end }}
  containers:
    - name: gateway
      image: {{ include "doorstep.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [/doorstep]
      args:
        - gateway
        - --http={{ .Values.listenAddress }}:{{ .Values.gateway.ports.http }}
        - --https={{ .Values.listenAddress }}:{{ .Values.gateway.ports.https }}
        - --admin={{ .Values.listenAddress }}:{{ .Values.gateway.ports.admin }}
        - --domain={{ .Values.domain }}
        - --access-log={{ .Values.gateway.accessLog }}
        - --shutdown-delay={{ .Values.gateway.shutdownDelaySeconds }}
        - --drain={{ .Values.gateway.drainSeconds }}
        {{- if .Values.namespaced }}
        - --namespace={{ include "doorstep.environments.namespace" . }}
        {{- end }}
        {{- with include "doorstep.routes.argument" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with include "doorstep.certificateArguments" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range .Values.gateway.extraArgs }}
        - {{ . | quote }}
        {{- end }}
      env:
        # A folder below the mount, as the mount itself belongs to root.
        - name: DOORSTEP_DATA
          value: /var/lib/doorstep/data
        - name: DOORSTEP_LOG
          value: {{ .Values.log | quote }}
        - name: POD_IP
          valueFrom:
            fieldRef:
              fieldPath: status.podIP
        - name: DOORSTEP_NODE
          valueFrom:
            fieldRef:
              fieldPath: spec.nodeName
        # From Kubernetes 1.35 on a pod has its node's zone as a label; before that it is empty, and hints are not used.
        - name: DOORSTEP_ZONE
          valueFrom:
            fieldRef:
              fieldPath: metadata.labels['topology.kubernetes.io/zone']
        {{- with .Values.gateway.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: http
          containerPort: {{ .Values.gateway.ports.http }}
          protocol: TCP
          {{- if and (eq .Values.gateway.kind "DaemonSet") .Values.gateway.hostPorts.http }}
          hostPort: {{ .Values.gateway.hostPorts.http }}
          {{- end }}
        - name: https
          containerPort: {{ .Values.gateway.ports.https }}
          protocol: TCP
          {{- if and (eq .Values.gateway.kind "DaemonSet") .Values.gateway.hostPorts.https }}
          hostPort: {{ .Values.gateway.hostPorts.https }}
          {{- end }}
        - name: admin
          containerPort: {{ .Values.gateway.ports.admin }}
          protocol: TCP
          {{- if and (eq .Values.gateway.kind "DaemonSet") .Values.gateway.hostPorts.admin }}
          hostPort: {{ .Values.gateway.hostPorts.admin }}
          {{- end }}
      # Ready with the first complete table. Alive as long as it answers: an API server that is away restarts nothing.
      readinessProbe:
        httpGet:
          path: /readyz
          port: admin
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      livenessProbe:
        httpGet:
          path: /livez
          port: admin
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      resources:
        {{- toYaml .Values.gateway.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/doorstep
        {{- with include "doorstep.routes.mount" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    - name: data
      emptyDir:
        sizeLimit: {{ .Values.gateway.dataSizeLimit }}
    {{- with include "doorstep.routes.volume" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}
