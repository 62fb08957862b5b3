//! Which cluster is meant, and a client of it whose credentials are renewed.

use super::renewing::Renewing;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::path::PathBuf;
use tokio::sync::watch;

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

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nothing says where a cluster is.
    #[error(
        "no cluster was found: neither does this run in one, nor is there a kubeconfig; give one with --kubeconfig ({0})"
    )]
    NotFound(String),
    /// A kubeconfig cannot be used. The errors of these files tell their own sources, so they are taken as texts.
    #[error("the kubeconfig {} cannot be used: {why}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A client of a cluster.
#[derive(Clone)]
pub struct Connected {
    /// The client.
    pub client: Client,
    /// Where the API server is: what tells one cluster from another while it is away.
    pub url: String,
    /// Counts the answers 403: somebody may have taken a right away.
    pub forbidden: watch::Receiver<u64>,
}

/// A client of the cluster that is meant. What says where that is has to be there and whole; the API server, and whoever
/// gives the credentials, may still be away: each request asks for them anew.
pub async fn connect(access: &ClusterAccess) -> Result<Option<Connected>, AccessError> {
    let Some(config) = read(access).await? else { return Ok(None) };
    let (count, forbidden) = watch::channel(0);
    let (namespace, url) = (config.default_namespace, config.cluster_url.to_string());
    let client = Client::new(Renewing::new(access.clone(), count), namespace);
    Ok(Some(Connected { client, url, forbidden }))
}

/// What is written about the cluster now.
pub(super) async fn read(access: &ClusterAccess) -> Result<Option<Config>, AccessError> {
    match access {
        ClusterAccess::None => Ok(None),
        ClusterAccess::Inferred => {
            let config = Config::infer().await.map_err(|error| AccessError::NotFound(error.to_string()))?;
            Ok(Some(config))
        }
        ClusterAccess::Kubeconfig(path) => {
            let wrong = |error: KubeconfigError| AccessError::Kubeconfig { path: path.clone(), why: error.to_string() };
            let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Ok(Some(config.map_err(wrong)?))
        }
    }
}
