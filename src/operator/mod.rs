//! An Environment becomes a Deployment and a Service, and its status tells how it is.
//!
//! [`run`] is the room's door. `watch` keeps the caches of `world` and names in `queue` what has to be looked at;
//! `reconcile` looks at one environment: `plan` (may it exist?), `render` (what should be there?), `apply` (make it so),
//! `decide` (what is to be said of it?), `status` (say it). Beside these: how long it lives and when it sleeps (`life`, by
//! what gateways tell in `uses`), whether there is room for it (`quota`), and how a changed class reaches it (`rollout`).

mod apply;
mod classes;
mod compare;
mod decide;
mod events;
mod life;
mod look;
mod plan;
mod pods;
mod publish;
mod queue;
mod quota;
mod reconcile;
mod render;
mod report;
mod restart;
mod revisions;
mod rights;
mod rollout;
mod shipped;
mod status;
mod uses;
mod watch;
mod workload;
mod world;

pub use publish::{Publish, PublishAddress};
pub use restart::take_back_ready;
pub use shipped::{InstallError, SHIPPED, install_shipped};
pub use workload::Workload;

use crate::cluster::SharedKinds;
use crate::cluster::rights::Held;
use crate::gateways::Gateways;
use crate::model::{Clock, Hostname};
use crate::routing::Table;
use reconcile::Reconciler;
use std::sync::Arc;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many environments are looked at, at the same time.
const CONCURRENCY: usize = 32;

/// What the operator works with.
#[derive(Clone)]
pub struct OperatorConfig {
    /// The cluster.
    pub client: kube::Client,
    /// What the process hears of the cluster.
    pub shared: SharedKinds,
    /// Where environments live.
    pub namespaces: Namespaces,
    /// The domain of all hosts.
    pub domain: Hostname,
    /// The route table: whether a request would succeed.
    pub table: Arc<Table>,
    /// The generation of the published snapshot. A change wakes what waits for the table.
    pub changes: channel::Receiver<u64>,
    /// The rights that are missing in the cluster.
    pub rights: channel::Receiver<Held>,
    /// The gateways of other processes, which have to lead there too before anything is ready.
    pub gateways: Option<Gateways>,
    /// What runs in a pod.
    pub workload: Workload,
    /// How the gateway is reached from outside.
    pub url: PublicUrl,
    /// Which addresses Ingresses tell.
    pub publish: Publish,
    /// What time it is for the life of environments.
    pub clock: Clock,
}

/// Where environments live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// In every namespace.
    All,
    /// In this one.
    One(String),
}

/// The gateway's ports as people see them; `None` where it is not reached by that scheme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublicUrl {
    /// Port of plain HTTP.
    pub http_port: Option<u16>,
    /// Port of HTTPS.
    pub https_port: Option<u16>,
}

impl PublicUrl {
    /// Where `host` is opened: by HTTP where that is served, else by HTTPS; the scheme's own port is left out.
    pub fn of(&self, host: &Hostname) -> Option<String> {
        match (self.http_port, self.https_port) {
            (Some(80), _) => Some(format!("http://{host}/")),
            (Some(port), _) => Some(format!("http://{host}:{port}/")),
            (None, Some(443)) => Some(format!("https://{host}/")),
            (None, Some(port)) => Some(format!("https://{host}:{port}/")),
            (None, None) => None,
        }
    }
}

/// Runs the operator until `shutdown`. What is being written then is finished first.
pub async fn run(config: OperatorConfig, shutdown: CancellationToken) {
    let publish = config.publish.clone();
    let reconciler = Arc::new(Reconciler::new(config));
    let weak = Arc::downgrade(&reconciler);
    reconciler.clock.on_set(move || {
        if let Some(reconciler) = weak.upgrade() {
            reconciler.world.environments.ids().into_iter().for_each(|id| reconciler.queue.push(id));
        }
    });
    let mut tasks = JoinSet::new();
    watch::start(&reconciler, &shutdown, &mut tasks);
    tasks.spawn(classes::keep(reconciler.clone(), shutdown.clone()));
    tasks.spawn(rights::keep(reconciler.clone(), shutdown.clone()));
    tasks.spawn(report::keep(reconciler.clone(), shutdown.clone()));
    tasks.spawn(publish::keep(reconciler.clone(), publish, shutdown.clone()));
    tasks.spawn(uses::keep(reconciler.clone(), shutdown.clone()));
    tasks.spawn(uses::tidy(reconciler.clone(), shutdown.clone()));
    tasks.spawn(life::graves::tidy(reconciler.clone(), shutdown.clone()));
    for _ in 0..CONCURRENCY {
        tasks.spawn(reconcile::work(reconciler.clone(), shutdown.clone()));
    }
    // A task that panicked is told by the runtime's own log line; the others go on, and the caller's shutdown ends them.
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the operator ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PublicUrl;

    #[test]
    fn a_url_leaves_out_the_port_of_its_scheme() {
        let host = "fronthaimaz.int.localhost".parse().unwrap();
        let url = |http_port, https_port| PublicUrl { http_port, https_port }.of(&host);
        assert_eq!(url(Some(8080), Some(8443)).as_deref(), Some("http://fronthaimaz.int.localhost:8080/"));
        assert_eq!(url(Some(80), None).as_deref(), Some("http://fronthaimaz.int.localhost/"));
        assert_eq!(url(None, Some(443)).as_deref(), Some("https://fronthaimaz.int.localhost/"));
        assert_eq!(url(None, None), None);
    }
}
