//! Labels and annotations, field managers and finalizers, as they are spelled in the cluster.

/// Label: whose environment an object belongs to.
pub const USER: &str = "doorstep.dev/user";
/// Label: of which class the environment is.
pub const CLASS: &str = "doorstep.dev/class";
/// Label: hash of a revision's content, on `ControllerRevision` objects and on pods.
pub const REVISION: &str = "doorstep.dev/revision";
/// Annotation of a Deployment and a Service: hash of all that was rendered of it.
pub const RENDERING: &str = "doorstep.dev/rendering";
/// Annotation of a pod template: when its pods were asked to be made anew.
pub const RESTARTED_AT: &str = "doorstep.dev/restarted-at";
/// Label: who manages an object (Kubernetes recommended labels).
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "doorstep";
/// Label of an EndpointSlice: the Service it belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Annotation of a shared Service: the host names it answers, separated by commas.
pub const HOST: &str = "doorstep.dev/host";
/// Annotation of a shared Service: the port (name or number) behind its hosts, where it has several.
pub const PORT: &str = "doorstep.dev/port";
/// Annotation of a Service: how long a request without content may wait for an endpoint, like `5s`, `500ms` or `0`.
pub const WAIT: &str = "doorstep.dev/wait";

/// Annotation of an Ingress: what its endpoints speak (`http1` or `h2c`), whatever the Service's port says.
pub const BACKEND_PROTOCOL: &str = "doorstep.dev/backend-protocol";
/// Annotation of an Ingress: how long the head of a response may take.
pub const RESPONSE_TIMEOUT: &str = "doorstep.dev/response-timeout";
/// Annotation of an Ingress: how long one endpoint may take for the head of a response, before a request that may be repeated goes to another one.
pub const ATTEMPT_TIMEOUT: &str = "doorstep.dev/attempt-timeout";
/// Annotation of an Ingress: how long nothing may move on a stream.
pub const IDLE_TIMEOUT: &str = "doorstep.dev/idle-timeout";
/// Label of a TLS Secret in the namespace of certificates: it serves the hosts that it was issued for, people's too.
pub const CERTIFICATE: &str = "doorstep.dev/certificate";

/// The controller that an IngressClass of ours names.
pub const INGRESS_CONTROLLER: &str = "doorstep.dev/gateway";
/// Annotation of an Ingress: its class, before there was a field for it.
pub const OLD_INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
/// Annotation of an IngressClass: it is that of Ingresses without one.
pub const DEFAULT_INGRESS_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// Label of the Ingresses by which cert-manager answers ACME challenges.
pub const ACME_SOLVER: &str = "acme.cert-manager.io/http01-solver";

/// Annotation of an Environment: the call of the management API with an `Idempotency-Key` that changed it last. It is written with the
/// change, so that whoever does the call of a dead process anew sees that it was done.
pub const LAST_CALL: &str = "doorstep.dev/last-call";

/// Annotation of an EnvironmentClass: since when the management API is taking it away. For a minute from then on, no environment of it is made.
pub const GOING: &str = "doorstep.dev/going";

/// The field manager of a gateway's marks of use.
pub const GATEWAY_FIELD_MANAGER: &str = "doorstep-gateway";
/// The field manager of what is told in the status of Ingresses.
pub const INGRESS_FIELD_MANAGER: &str = "doorstep-ingress";
/// The field manager of what is told of DNS in the status of Environments.
pub const DNS_FIELD_MANAGER: &str = "doorstep-dns";
/// The field manager of the operator's server-side applies.
pub const OPERATOR_FIELD_MANAGER: &str = "doorstep-operator";
/// The field manager of writes by the management API.
pub const API_FIELD_MANAGER: &str = "doorstep-api";
