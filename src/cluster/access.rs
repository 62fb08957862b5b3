//! Which cluster is meant, and what is written about it now.

use super::kubeconfig::{self, AccessError};
use kube::Config;
use std::path::PathBuf;

/// Which cluster is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterAccess {
    /// None: routes come from a file alone.
    None,
    /// The cluster that this process runs in, or the current one of the user's kubeconfig.
    Inferred,
    /// The current one of this kubeconfig.
    Kubeconfig(PathBuf),
}

/// What is written about the cluster now.
pub(super) async fn read(access: &ClusterAccess) -> Result<Option<Config>, AccessError> {
    match access {
        ClusterAccess::None => Ok(None),
        ClusterAccess::Inferred => Ok(Some(kubeconfig::inferred().await?)),
        ClusterAccess::Kubeconfig(path) => Ok(Some(kubeconfig::of_file(path).await?)),
    }
}
