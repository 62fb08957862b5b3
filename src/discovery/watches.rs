//! One watch per kind, from the API server to the writer's queue.

use super::Namespaces;
use super::patience::patience;
use crate::resources::{Environment, EnvironmentClass};
use crate::routing::{Contribution, Problem};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// What a watch or a file tells the writer.
pub(super) enum Change {
    Services(Event<Service>),
    Slices(Event<EndpointSlice>),
    Classes(Event<EnvironmentClass>),
    Environments(Event<Environment>),
    File(Vec<Contribution>, Vec<Problem>),
}

/// Starts the watches of all kinds.
pub(super) fn start(
    client: &Client,
    namespaces: &Namespaces,
    changes: &UnboundedSender<Change>,
    shutdown: &CancellationToken,
) {
    spawn(in_namespaces::<Service>(client, namespaces), Change::Services, changes, shutdown);
    spawn(in_namespaces::<EndpointSlice>(client, namespaces), Change::Slices, changes, shutdown);
    spawn(in_namespaces::<Environment>(client, namespaces), Change::Environments, changes, shutdown);
    spawn(Api::<EnvironmentClass>::all(client.clone()), Change::Classes, changes, shutdown);
}

fn in_namespaces<K>(client: &Client, namespaces: &Namespaces) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespaces {
        Namespaces::All => Api::all(client.clone()),
        Namespaces::One(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

fn spawn<K>(api: Api<K>, wrap: fn(Event<K>) -> Change, changes: &UnboundedSender<Change>, shutdown: &CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let events = watch(api, watcher::Config::default()).backoff(patience());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(forward(events, wrap, changes.clone())));
}

async fn forward<K>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    wrap: fn(Event<K>) -> Change,
    changes: UnboundedSender<Change>,
) where
    K: Resource<DynamicType = ()>,
{
    let kind = K::kind(&());
    let mut failing = false;
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(%kind, "the watch is back");
                }
                if changes.send(wrap(event)).is_err() {
                    return;
                }
            }
            // Told once, not at each attempt: an API server may be away for days, and the table stays as it is.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%kind, %error, "the watch failed and is tried again; the last table stays in use");
            }
            Err(_) => {}
        }
    }
}
