//! What runs in a pod.

/// What runs in a pod: the class's image, or its local command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// The class's pod template as it is.
    Image,
    /// The class's `local` section in the place of the container's command, arguments and folder; its variables beside
    /// those of the container.
    Local,
}
