//! A client of the cluster that is meant, whose credentials are renewed.

use super::access::{self, ClusterAccess};
use super::kubeconfig::AccessError;
use super::renewing::Renewing;
use kube::Client;
use tokio::sync::watch;

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
    let Some(config) = access::read(access).await? else { return Ok(None) };
    let (count, forbidden) = watch::channel(0);
    let (namespace, url) = (config.default_namespace, config.cluster_url.to_string());
    let client = Client::new(Renewing::new(access.clone(), count), namespace);
    Ok(Some(Connected { client, url, forbidden }))
}
