//! The small Kubernetes API: storage, verbs, watches.
