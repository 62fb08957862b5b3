//! Which replicas of the gateway there are.

use super::Place;
use crate::cluster::shared::{Feeder, SharedKinds, watch};
use crate::cluster::{Shared, shared::of_services};
use crate::resources::labels::SERVICE_NAME;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The places of gateways, and the EndpointSlices of those that are Services.
#[derive(Debug)]
pub struct Replicas {
    places: Vec<Place>,
    /// By namespace.
    slices: BTreeMap<String, Arc<Shared<EndpointSlice>>>,
}

impl Replicas {
    /// Those at `places`. What `kinds` hears of the namespace `watched`, or of all, is used; for a Service elsewhere a watch of
    /// its own is begun, which ends with `end`.
    pub fn new(
        places: Vec<Place>,
        kinds: &SharedKinds,
        watched: Option<&str>,
        client: &Client,
        end: &CancellationToken,
    ) -> Self {
        let mut slices = BTreeMap::new();
        for (namespace, _) in services(&places) {
            if watched.is_none_or(|watched| watched == namespace) {
                slices.insert(namespace, kinds.slices.clone());
            } else if !slices.contains_key(&namespace) {
                let shared = Shared::new();
                let api = Api::namespaced(client.clone(), &namespace);
                let feed = watch(
                    Feeder::new(&shared, of_services(services(&places))),
                    api,
                    watcher::Config::default().labels(SERVICE_NAME),
                );
                tokio::spawn(end.clone().run_until_cancelled_owned(feed));
                slices.insert(namespace, shared);
            }
        }
        Self { places, slices }
    }

    /// The URLs of all gateways; none while that is not known.
    pub(super) fn urls(&self) -> Option<Vec<String>> {
        let mut found = BTreeSet::new();
        for place in &self.places {
            match place {
                Place::Url(url) => drop(found.insert(url.clone())),
                Place::Service { namespace, name, port } => {
                    let slices = self.slices.get(namespace)?.all(Some(namespace))?;
                    let of_service = |slice: &&Arc<EndpointSlice>| slice.labels().get(SERVICE_NAME) == Some(name);
                    found.extend(slices.iter().filter(of_service).flat_map(|slice| ready(slice, *port)));
                }
            }
        }
        Some(found.into_iter().collect())
    }
}

/// The Services among the places of gateways, by namespace and name.
pub fn services(places: &[Place]) -> BTreeSet<(String, String)> {
    let service = |place: &Place| match place {
        Place::Url(_) => None,
        Place::Service { namespace, name, .. } => Some((namespace.clone(), name.clone())),
    };
    places.iter().filter_map(service).collect()
}

fn ready(slice: &EndpointSlice, port: u16) -> Vec<String> {
    let endpoints = slice.endpoints.iter().flatten();
    let ready = endpoints
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true));
    let addresses = ready.flat_map(|endpoint| &endpoint.addresses).filter_map(|text| text.parse().ok());
    addresses.map(|ip| format!("http://{}", SocketAddr::new(ip, port))).collect()
}
