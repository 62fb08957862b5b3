//! The gateway's addresses in the status of our Ingresses, for people, ExternalDNS and cert-manager.

use super::reconcile::Reconciler;
use crate::cluster::Told;
use crate::model::{Hostname, shown};
use crate::resources::labels::INGRESS_FIELD_MANAGER;
use crate::routing::{SourceKey, SourceKind};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The shortest time between two looks.
const PACE: Duration = Duration::from_secs(1);
/// How often the Service's own addresses are asked for.
const POLL: Duration = Duration::from_secs(10);
/// How often what was written is compared with what is seen.
const PERIOD: Duration = Duration::from_secs(300);

/// Which addresses Ingresses tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Publish {
    /// None.
    #[default]
    Nothing,
    /// These.
    Addresses(Vec<PublishAddress>),
    /// Those that the cluster gave to this Service, by namespace and name.
    Service(String, String),
}

/// An address of the gateway, as the world knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublishAddress {
    /// An IP address.
    Ip(IpAddr),
    /// A name.
    Name(Hostname),
}

impl PublishAddress {
    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

impl FromStr for PublishAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        text.parse().map(Self::Name).map_err(|_| format!("{} is neither an IP address nor a host name", shown(text)))
    }
}

impl PublishAddress {
    fn json(&self) -> Value {
        match self {
            Self::Ip(ip) => json!({ "ip": ip }),
            Self::Name(name) => json!({ "hostname": name.as_str() }),
        }
    }
}

/// What Ingresses carry of ours.
type Written = BTreeMap<SourceKey, Vec<PublishAddress>>;

/// Keeps the addresses until `shutdown`.
pub async fn keep(reconciler: Arc<Reconciler>, publish: Publish, shutdown: CancellationToken) {
    let mut changes = reconciler.changes.clone();
    let mut written: Option<(Instant, Written)> = None;
    loop {
        if reconciler.table.load().is_complete() {
            if written.as_ref().is_none_or(|(since, _)| since.elapsed() > PERIOD) {
                let found = shutdown.run_until_cancelled(written_before(&reconciler)).await.flatten();
                written = found.map(|found| (Instant::now(), found));
            }
            if let Some((_, written)) = &mut written
                && let Some(addresses) = addresses(&reconciler, &publish).await
            {
                bring_up_to_date(&reconciler, &addresses, written).await;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PACE) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(POLL) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// The Ingresses whose addresses this field manager owns, and what they are.
async fn written_before(reconciler: &Reconciler) -> Option<Written> {
    let Told::All(ingresses) = reconciler.shared.ingresses.subscribe(None).next().await? else { return None };
    let ours = ingresses.iter().filter(|ingress| is_ours(ingress));
    Some(ours.map(|ingress| (key(ingress), told(ingress))).collect())
}

fn key(ingress: &Ingress) -> SourceKey {
    let (namespace, name) = (ingress.namespace().unwrap_or_default().into(), ingress.name_any().into());
    SourceKey { kind: SourceKind::Ingress, namespace, name }
}

fn is_ours(ingress: &Ingress) -> bool {
    ingress.managed_fields().iter().any(|fields| {
        let text = serde_json::to_string(&fields.fields_v1).unwrap_or_default();
        // A field manager that owns nothing any more keeps no entry, but for the status itself.
        fields.manager.as_deref() == Some(INGRESS_FIELD_MANAGER) && text.contains("f:ingress")
    })
}

fn told(ingress: &Ingress) -> Vec<PublishAddress> {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = balancer.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.ip.as_deref().or(entry.hostname.as_deref())?.parse().ok()).collect()
}

/// The addresses to be told; none at all while they cannot be had.
async fn addresses(reconciler: &Reconciler, publish: &Publish) -> Option<Vec<PublishAddress>> {
    let (namespace, name) = match publish {
        Publish::Nothing => return Some(Vec::new()),
        Publish::Addresses(addresses) => return Some(addresses.clone()),
        Publish::Service(namespace, name) => (namespace, name),
    };
    let api: Api<Service> = Api::namespaced(reconciler.client.clone(), namespace);
    let service = api.get_opt(name).await.inspect_err(|error| {
        tracing::warn!(%namespace, service = %name, %error, "the addresses of the gateway's Service cannot be read");
    });
    let status = service.ok()?.and_then(|service| service.status?.load_balancer?.ingress).unwrap_or_default();
    Some(status.iter().filter_map(|entry| entry.ip.as_deref().or(entry.hostname.as_deref())?.parse().ok()).collect())
}

/// Writes the addresses where they are not yet, and takes them back where the Ingress is not ours any more.
async fn bring_up_to_date(reconciler: &Reconciler, addresses: &[PublishAddress], written: &mut Written) {
    let ours: Vec<SourceKey> = reconciler.table.load().ingresses().cloned().collect();
    let over: Vec<SourceKey> = written.keys().filter(|key| ours.binary_search(key).is_err()).cloned().collect();
    let wanted = ours.into_iter().map(|key| (key, addresses)).chain(over.into_iter().map(|key| (key, &[][..])));
    for (key, wanted) in wanted {
        if written.get(&key).map_or(&[][..], Vec::as_slice) == wanted {
            continue;
        }
        match write(reconciler, &key, wanted).await {
            Ok(()) if wanted.is_empty() => {
                written.remove(&key);
            }
            Ok(()) => {
                written.insert(key, wanted.to_vec());
            }
            Err(error) => {
                let SourceKey { namespace, name, .. } = &key;
                tracing::warn!(%namespace, ingress = %name, %error, "the gateway's address could not be told on an Ingress");
            }
        }
    }
}

/// Applies the status: without addresses, what this field manager owns of it is taken away. An Ingress that is gone needs
/// nothing.
async fn write(reconciler: &Reconciler, key: &SourceKey, addresses: &[PublishAddress]) -> Result<(), kube::Error> {
    let api: Api<Ingress> = Api::namespaced(reconciler.client.clone(), &key.namespace);
    let entries: Vec<Value> = addresses.iter().map(PublishAddress::json).collect();
    let status = if entries.is_empty() { json!({}) } else { json!({ "loadBalancer": { "ingress": entries } }) };
    let name = &*key.name;
    let object = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name }, "status": status,
    });
    let params = PatchParams::apply(INGRESS_FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(&object)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_or_a_name() {
        assert_eq!("10.0.0.1".parse(), Ok(PublishAddress::Ip("10.0.0.1".parse().unwrap())));
        assert_eq!("fd00::1".parse(), Ok(PublishAddress::Ip("fd00::1".parse().unwrap())));
        assert_eq!("Gw.example.com".parse(), Ok(PublishAddress::Name("gw.example.com".parse().unwrap())));
        assert!("10.0.0.1:80".parse::<PublishAddress>().unwrap_err().contains("neither"));
    }

    #[test]
    fn an_ingress_that_carries_our_addresses_is_known_by_its_managed_fields() {
        let with = |manager: &str, fields: Value| -> Ingress {
            serde_json::from_value(json!({
                "metadata": {"name": "a", "managedFields": [{"manager": manager, "operation": "Apply", "fieldsV1": fields}]},
                "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "gw.test"}]}},
            }))
            .unwrap()
        };
        let owned = json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}});
        assert!(is_ours(&with(INGRESS_FIELD_MANAGER, owned.clone())) && !is_ours(&with("nginx", owned.clone())));
        assert!(!is_ours(&with(INGRESS_FIELD_MANAGER, json!({}))));
        assert_eq!(told(&with("x", owned)).len(), 2);
    }
}
