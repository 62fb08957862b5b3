//! Why an environment is ready or not, in a word: what the operator says, and what it passes on from the kubelet.

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $word:literal;)+) => {
        $($(#[$doc])+ pub const $name: &str = $word;)+

        /// All of them.
        pub const OURS: &[&str] = &[$($name),+];
    };
}

reasons! {
    /// The API server took the Deployment or the Service for wrong.
    APPLY_REFUSED = "ApplyRefused";
    /// It sleeps: nothing of it runs, everything is kept.
    ASLEEP = "Asleep";
    /// There is no such class.
    CLASS_NOT_FOUND = "ClassNotFound";
    /// Its container ended with an error.
    CRASHING = "Crashing";
    /// Its objects are being made.
    CREATING = "Creating";
    /// It is being deleted.
    DELETING = "Deleting";
    /// Its host belongs to somebody else.
    HOST_CONFLICT = "HostConflict";
    /// Its class has mistakes.
    INVALID_CLASS = "InvalidClass";
    /// Its objects would have names that Kubernetes takes for none.
    INVALID_NAME = "InvalidName";
    /// Its parameters are not those that its class wants.
    INVALID_PARAMETERS = "InvalidParameters";
    /// The manager lacks a right in the cluster.
    MISSING_RIGHT = "MissingRight";
    /// Its pods run, and their readiness probes fail.
    NOT_READY = "NotReady";
    /// The operator has not seen it yet.
    PENDING = "Pending";
    /// Its pod failed as a whole.
    POD_FAILED = "PodFailed";
    /// Its roll-out makes no progress.
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded";
    /// There would be more environments, or more of the cluster in use, than its class lets.
    QUOTA_EXCEEDED = "QuotaExceeded";
    /// No pod of it can be made.
    REPLICA_FAILURE = "ReplicaFailure";
    /// Its pods are being replaced.
    ROLLING_OUT = "RollingOut";
    /// Somebody asked for no pods.
    SCALED_TO_ZERO = "ScaledToZero";
    /// It serves.
    SERVING = "Serving";
    /// Its pods start.
    STARTING = "Starting";
    /// No node takes its pod.
    UNSCHEDULABLE = "Unschedulable";
}

/// Those with which endpoints may come soon.
pub const ON_THE_WAY: [&str; 4] = [CREATING, STARTING, ROLLING_OUT, NOT_READY];

/// The kubelet's words for containers and pods, which are passed on. It is free to have more of them.
pub const KUBELETS: &[&str] = &[
    "Completed",
    "ContainerCannotRun",
    "ContainerStatusUnknown",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "Error",
    "Evicted",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "NodeLost",
    "OOMKilled",
    "PostStartHookError",
    "PreCreateHookError",
    "PreStartHookError",
    "Preempting",
    "RegistryUnavailable",
    "RunContainerError",
    "SignatureValidationFailed",
    "StartError",
];
