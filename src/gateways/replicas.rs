//! Which gateways there are: those whose URL is given, and the pods of Services, as a watch tells.

use super::Place;
use crate::cluster::shared::{self, Feeder, plain};
use crate::cluster::{Shared, SharedKinds, Subscription, Told as Word};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The label of an EndpointSlice that names its Service.
const SERVICE: &str = crate::resources::labels::SERVICE_NAME;
/// The longest name of a pod that is told.
const LONGEST_NAME: usize = 253;

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    /// The URL of its admin port, without a slash at its end.
    pub(super) url: String,
    /// Its pod, where that is known.
    pod: Option<String>,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pod {
            Some(pod) => write!(f, "{pod} ({})", self.url),
            None => f.write_str(&self.url),
        }
    }
}

/// Where gateways are, and who is there.
pub(super) struct Replicas {
    places: Vec<(Place, Told)>,
}

enum Told {
    /// The one that its URL names.
    This,
    /// The pods of a Service; none before they were listed.
    Watched(watch::Receiver<Option<BTreeSet<Replica>>>),
}

/// By whom it is heard of EndpointSlices.
pub struct Hears<'h> {
    /// What the process hears of the cluster.
    pub kinds: &'h SharedKinds,
    /// The namespace of which that is; all when not given.
    pub namespace: Option<&'h str>,
    /// For Services elsewhere.
    pub client: &'h kube::Client,
}

impl Hears<'_> {
    /// The slices of the Service `name`, and maybe of others. One that the process does not hear of anyway is watched for it.
    fn of(&self, namespace: &str, name: &str, shutdown: &CancellationToken) -> Subscription<EndpointSlice> {
        if self.namespace.is_none_or(|heard| heard == namespace) {
            return self.kinds.slices.subscribe(Some(namespace));
        }
        let shared = Shared::new();
        let feeder = Feeder::new(&shared, |slice| Some(plain(slice)));
        let config = watcher::Config::default().labels(&format!("{SERVICE}={name}"));
        let feed = shared::watch(feeder, Api::namespaced(self.client.clone(), namespace), config);
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(feed));
        shared.subscribe(None)
    }
}

impl Replicas {
    /// Begins to follow the Services among `places`; it ends with `shutdown`.
    pub(super) fn follow(places: &[Place], hears: &Hears<'_>, shutdown: &CancellationToken) -> Self {
        let places = places.iter().map(|place| {
            let told = match place {
                Place::Url(_) => Told::This,
                Place::Service { namespace, name, port } => {
                    let (sender, receiver) = watch::channel(None);
                    let slices = hears.of(namespace, name, shutdown);
                    let keep = keep(slices, name.clone(), *port, sender);
                    tokio::spawn(shutdown.clone().run_until_cancelled_owned(keep));
                    Told::Watched(receiver)
                }
            };
            (place.clone(), told)
        });
        Self { places: places.collect() }
    }

    /// All that are there now. A Service without any is a mistake or a gateway that is still to come: nobody would answer.
    pub(super) fn all(&self) -> Result<Vec<Replica>, String> {
        let mut found = BTreeSet::new();
        for (place, told) in &self.places {
            match told {
                Told::This => drop(found.insert(Replica { url: place.to_string(), pod: None })),
                Told::Watched(told) => match &*told.borrow() {
                    None => return Err(format!("the cluster does not tell which gateways there are ({place})")),
                    Some(pods) if pods.is_empty() => {
                        return Err(format!("no gateway is there: {place} has no ready pod"));
                    }
                    Some(pods) => found.extend(pods.iter().cloned()),
                },
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Follows the slices of one Service. What was known stays while they cannot be asked for.
async fn keep(
    mut heard: Subscription<EndpointSlice>,
    name: String,
    port: u16,
    told: watch::Sender<Option<BTreeSet<Replica>>>,
) {
    let is_of_it = |slice: &EndpointSlice| slice.labels().get(SERVICE) == Some(&name);
    let entry = |slice: &EndpointSlice| (slice.metadata.name.clone(), replicas(slice, port));
    let mut slices = BTreeMap::new();
    while let Some(word) = heard.next().await {
        match word {
            Word::All(all) => {
                slices = all.iter().filter(|slice| is_of_it(slice)).map(|slice| entry(slice)).collect();
            }
            Word::Put(slice) if is_of_it(&slice) => slices.extend([entry(&slice)]),
            Word::Put(slice) | Word::Gone(slice) => drop(slices.remove(&slice.metadata.name)),
        }
        told.send_replace(Some(slices.values().flatten().cloned().collect()));
    }
}

/// The gateways of a slice: all that serve, those on their way out too, as requests still reach them.
fn replicas(slice: &EndpointSlice, port: u16) -> BTreeSet<Replica> {
    let serving = slice.endpoints.iter().flatten().filter(|endpoint| serves(endpoint));
    let replica = |endpoint: &Endpoint| {
        let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
        Some(Replica { url: format!("http://{}", SocketAddr::new(ip, port)), pod: pod(endpoint) })
    };
    serving.filter_map(replica).collect()
}

/// `ready` says nothing where a Service publishes pods that are not.
fn serves(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    conditions.serving.or(conditions.ready).unwrap_or(true)
}

fn pod(endpoint: &Endpoint) -> Option<String> {
    let name = endpoint.target_ref.as_ref()?.name.as_deref()?;
    let is_plain = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.');
    (is_plain && name.len() <= LONGEST_NAME).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn those_that_serve_are_asked_whatever_the_service_publishes() {
        let endpoint = |address: &str, conditions: serde_json::Value| json!({"addresses": [address], "conditions": conditions, "targetRef": {"kind": "Pod", "name": "gateway-a"}});
        let slice = serde_json::from_value(json!({
            "metadata": {"name": "a"}, "addressType": "IPv4",
            "endpoints": [
                endpoint("10.0.0.1", json!({"ready": true, "serving": true})),
                endpoint("10.0.0.2", json!({"ready": true, "serving": false})),
                endpoint("10.0.0.3", json!({"ready": false, "serving": true, "terminating": true})),
                endpoint("10.0.0.4", json!({})),
                {"addresses": ["fd00::5"], "targetRef": {"kind": "Pod", "name": "no\nname"}},
                {"addresses": ["no address"]},
            ],
        }));
        let told: Vec<String> = replicas(&slice.unwrap(), 9090).iter().map(Replica::to_string).collect();
        let wanted = [
            "gateway-a (http://10.0.0.1:9090)",
            "gateway-a (http://10.0.0.3:9090)",
            "gateway-a (http://10.0.0.4:9090)",
            "http://[fd00::5]:9090",
        ];
        assert_eq!(told, wanted);
    }
}
