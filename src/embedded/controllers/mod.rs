//! Deployments, ReplicaSets, EndpointSlices and garbage collection, as plain clients of the API.
//!
//! Each controller keeps what it needs of the cluster in a cache that a watch feeds ([`informer`]), learns by events which
//! objects to look at, and looks at each by itself, never twice at once ([`queue`]). What to do is decided by a pure `plan`
//! in each folder; the rest carries it out. They serve the embedded API only: a real control plane brings its own.

mod claim;
mod deployment;
mod endpointslice;
mod expectations;
mod garbage;
mod informer;
#[cfg(test)]
mod integration;
mod ownership;
mod pods;
mod queue;
mod replicaset;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::informer::Informer;

/// Under which name the controllers own fields.
const FIELD_MANAGER: &str = "kube-controller-manager";
/// How long a controller that broke waits before it starts anew.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Why one look at one object did not succeed. It is tried again, with a pause that grows.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The object changed since it was read.
    #[error("{what} changed meanwhile")]
    Conflict {
        /// Which.
        what: String,
    },
    /// A write was answered and its event has not come yet.
    #[error("{what} is not in the cache yet")]
    NotSeenYet {
        /// What was written.
        what: String,
    },
    /// The API refused.
    #[error("{what}: {source}")]
    Api {
        /// What was tried.
        what: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// An object makes no sense.
    #[error("{what} cannot be carried out: {why}")]
    Invalid {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
}

impl ControllerError {
    fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        move |source| match &source {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict { what: what.into() },
            _ => Self::Api { what: what.into(), source: Box::new(source) },
        }
    }

    /// Whether it is the ordinary course of things, and the next look will most likely succeed.
    fn is_passing(&self) -> bool {
        match self {
            Self::Conflict { .. } | Self::NotSeenYet { .. } => true,
            Self::Api { .. } | Self::Invalid { .. } => false,
        }
    }
}

/// The caches that controllers share.
#[derive(Clone)]
struct Informers {
    deployments: Arc<Informer<Deployment>>,
    replica_sets: Arc<Informer<ReplicaSet>>,
    pods: Arc<Informer<Pod>>,
    services: Arc<Informer<Service>>,
    slices: Arc<Informer<EndpointSlice>>,
}

/// Runs all controllers until `shutdown`. One that breaks is told in the log and starts anew.
pub async fn run(client: Client, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let round = shutdown.child_token();
        let mut tasks = start(&client, &round);
        // All tasks run until they are told to end; the first that ends by itself ends the round for all, since they share
        // caches.
        let ended = tasks.join_next().await;
        round.cancel();
        // A task that still waits for its first list would wait for ever.
        tasks.shutdown().await;
        if shutdown.is_cancelled() {
            return;
        }
        match ended {
            Some(Err(error)) => tracing::error!(%error, "a controller broke; all start anew"),
            Some(Ok(name)) => tracing::error!(name, "a controller ended by itself; all start anew"),
            None => tracing::error!("there are no controllers; all start anew"),
        }
        tokio::select! {
            () = tokio::time::sleep(RESTART_PAUSE) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Starts every task of one round. A task gives its name when it ends.
fn start(client: &Client, shutdown: &CancellationToken) -> JoinSet<&'static str> {
    let informers = Informers {
        deployments: Arc::new(Informer::new(ownership::owner_index)),
        replica_sets: Arc::new(Informer::new(ownership::owner_index)),
        pods: Arc::new(Informer::new(pods::index)),
        services: Arc::new(Informer::new(|_| Vec::new())),
        slices: Arc::new(Informer::new(endpointslice::index)),
    };
    let mut tasks = JoinSet::new();
    // Subscriptions come before the watches, so that nobody misses an event.
    deployment::start(client, &informers, shutdown, &mut tasks);
    replicaset::start(client, &informers, shutdown, &mut tasks);
    endpointslice::start(client, &informers, shutdown, &mut tasks);
    garbage::start(client, shutdown, &mut tasks);
    tasks.spawn(Arc::clone(&informers.deployments).watch(Api::all(client.clone()), shutdown.clone()));
    tasks.spawn(Arc::clone(&informers.replica_sets).watch(Api::all(client.clone()), shutdown.clone()));
    tasks.spawn(Arc::clone(&informers.pods).watch(Api::all(client.clone()), shutdown.clone()));
    tasks.spawn(Arc::clone(&informers.services).watch(Api::all(client.clone()), shutdown.clone()));
    tasks.spawn(Arc::clone(&informers.slices).watch(Api::all(client.clone()), shutdown.clone()));
    tasks
}
