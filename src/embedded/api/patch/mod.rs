//! The three patches of a Kubernetes API: JSON merge patch, JSON patch, strategic merge patch.

mod json;
mod merge;
mod strategic;
#[cfg(test)]
mod tests;

pub use json::json_patch;
pub use merge::merge_patch;
pub use strategic::strategic_merge_patch;

/// Why a patch cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is no patch of its type.
    #[error("error decoding patch: {0}")]
    Malformed(String),
    /// The patch does not fit the object (RFC 6902: a missing path, a failed test).
    #[error("{0}")]
    DoesNotApply(String),
}
