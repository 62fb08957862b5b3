//! Labels and annotations, field managers and finalizers, as they are spelled in the cluster.

/// Label: whose environment an object belongs to.
pub const USER: &str = "doorstep.dev/user";
/// Label: of which class the environment is.
pub const CLASS: &str = "doorstep.dev/class";
/// Label: hash of a revision's content, on `ControllerRevision` objects and on pods.
pub const REVISION: &str = "doorstep.dev/revision";
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

/// The field manager of the operator's server-side applies.
pub const OPERATOR_FIELD_MANAGER: &str = "doorstep-operator";
/// The field manager of writes by the management API.
pub const API_FIELD_MANAGER: &str = "doorstep-api";
