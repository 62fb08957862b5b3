//! From a Service and its pods to the slices it should have, and the fewest writes from those it has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerPort, ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use super::{MANAGED_BY, MANAGED_BY_VALUE, SERVICE_NAME};
use crate::embedded::controllers::ownership::controlled_by;
use crate::embedded::controllers::pods::{is_finished, is_ready, is_terminating};

/// A slice has no more endpoints than this.
const MAX_ENDPOINTS: usize = 100;
/// Label of the slices of a Service without an address of its own.
const HEADLESS: &str = "service.kubernetes.io/headless";

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A slice that is not there.
    Create(EndpointSlice),
    /// A slice that is there, as it should be.
    Update(EndpointSlice),
    /// A slice that nothing is left for.
    Delete {
        /// Its name.
        name: String,
        /// Its identity.
        uid: Option<String>,
    },
}

/// The labels that pods must have; none where the Service's endpoints are someone else's business.
pub fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref()?;
    let external = spec.type_.as_deref() == Some("ExternalName");
    spec.selector.as_ref().filter(|selector| !selector.is_empty() && !external)
}

/// Whether two states of a pod make different endpoints.
pub fn differ(before: &Pod, after: &Pod) -> bool {
    let relevant = |pod: &Pod| {
        let status = pod.status.as_ref();
        (
            (status.and_then(|status| status.pod_ip.clone()), status.and_then(|status| status.pod_ips.clone())),
            (is_ready(pod), is_terminating(pod), is_finished(pod)),
            pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        )
    };
    before.labels() != after.labels() || relevant(before) != relevant(after)
}

/// The writes that bring `existing` to what `service` and the `pods` that it selects ask for.
pub fn plan(service: &Service, pods: &[Arc<Pod>], existing: &[Arc<EndpointSlice>]) -> Vec<Step> {
    let families = families(service);
    let mut steps = Vec::new();
    for family in &families {
        let of_family: Vec<&EndpointSlice> =
            existing.iter().map(|slice| &**slice).filter(|slice| slice.address_type == *family).collect();
        steps.extend(plan_family(service, pods, family, &of_family));
    }
    let strays = existing.iter().filter(|slice| !families.contains(&slice.address_type));
    steps.extend(strays.map(|slice| deletion(slice)));
    steps
}

fn families(service: &Service) -> Vec<String> {
    let given = service.spec.as_ref().and_then(|spec| spec.ip_families.clone()).unwrap_or_default();
    if given.is_empty() { vec!["IPv4".to_owned()] } else { given }
}

fn deletion(slice: &EndpointSlice) -> Step {
    Step::Delete { name: slice.name_any(), uid: slice.uid() }
}

fn plan_family(service: &Service, pods: &[Arc<Pod>], family: &str, existing: &[&EndpointSlice]) -> Vec<Step> {
    // Pods whose named ports have different numbers need slices of their own.
    let mut by_ports: BTreeMap<String, (Vec<EndpointPort>, Vec<Endpoint>)> = BTreeMap::new();
    for pod in pods {
        if let Some(endpoint) = endpoint(service, pod, family) {
            let ports = ports(service, pod);
            by_ports.entry(port_key(&ports)).or_insert_with(|| (ports, Vec::new())).1.push(endpoint);
        }
    }
    if by_ports.is_empty() {
        // One empty slice says that the Service was looked at.
        by_ports.insert(String::new(), (Vec::new(), Vec::new()));
    }
    let mut free: Vec<&EndpointSlice> = Vec::new();
    let mut of_ports: HashMap<String, Vec<&EndpointSlice>> = HashMap::new();
    for slice in existing.iter().filter(|slice| slice.metadata.deletion_timestamp.is_none()) {
        let key = port_key(slice.ports.as_deref().unwrap_or_default());
        if by_ports.contains_key(&key) { of_ports.entry(key).or_default().push(slice) } else { free.push(slice) }
    }
    let mut wanted: Vec<(Option<&EndpointSlice>, Vec<EndpointPort>, Vec<Endpoint>)> = Vec::new();
    for (key, (ports, endpoints)) in by_ports {
        let (filled, unused) = fill(endpoints, &of_ports.remove(&key).unwrap_or_default());
        free.extend(unused);
        wanted.extend(filled.into_iter().map(|(slice, endpoints)| (slice, ports.clone(), endpoints)));
    }
    let mut taken: Vec<String> = existing.iter().map(|slice| slice.name_any()).collect();
    let mut steps = Vec::new();
    for (slice, ports, endpoints) in wanted {
        // A slice that would go is rewritten rather than another made.
        let slice = slice.or_else(|| free.pop());
        steps.extend(write(service, family, slice, ports, endpoints, &mut taken));
    }
    steps.extend(free.into_iter().map(deletion));
    steps
}

type Filled<'s> = Vec<(Option<&'s EndpointSlice>, Vec<Endpoint>)>;

/// Distributes endpoints over slices with the same ports: each stays where it is, the rest where there is room, then new
/// slices. Gives the slices that are empty then, too.
fn fill<'s>(endpoints: Vec<Endpoint>, slices: &[&'s EndpointSlice]) -> (Filled<'s>, Vec<&'s EndpointSlice>) {
    let mut left: BTreeMap<String, Endpoint> =
        endpoints.into_iter().map(|endpoint| (uid(&endpoint), endpoint)).collect();
    let mut filled: Filled<'s> = Vec::new();
    for slice in slices {
        let stay: Vec<Endpoint> =
            slice.endpoints.iter().flatten().filter_map(|endpoint| left.remove(&uid(endpoint))).collect();
        filled.push((Some(slice), stay));
    }
    // Fullest first, so that slices run empty instead of all being half full.
    filled.sort_by_key(|(_, endpoints)| std::cmp::Reverse(endpoints.len()));
    let mut left = left.into_values();
    for (_, endpoints) in &mut filled {
        let room = MAX_ENDPOINTS.saturating_sub(endpoints.len());
        endpoints.extend(left.by_ref().take(room));
    }
    loop {
        let more: Vec<Endpoint> = left.by_ref().take(MAX_ENDPOINTS).collect();
        if more.is_empty() && !filled.is_empty() {
            break;
        }
        filled.push((None, more));
    }
    let keep_one_empty = filled.iter().all(|(_, endpoints)| endpoints.is_empty());
    let mut unused = Vec::new();
    let mut kept: Filled<'s> = Vec::new();
    for (slice, endpoints) in filled {
        match slice {
            Some(slice) if endpoints.is_empty() && !(keep_one_empty && kept.is_empty()) => unused.push(slice),
            slice => kept.push((slice, endpoints)),
        }
    }
    (kept, unused)
}

fn uid(endpoint: &Endpoint) -> String {
    endpoint.target_ref.as_ref().and_then(|target| target.uid.clone()).unwrap_or_default()
}

/// The write for one slice, if it is not as it should be.
fn write(
    service: &Service,
    family: &str,
    slice: Option<&EndpointSlice>,
    ports: Vec<EndpointPort>,
    endpoints: Vec<Endpoint>,
    taken: &mut Vec<String>,
) -> Option<Step> {
    let labels = labels(service);
    let Some(before) = slice else {
        let name = free_name(service, family, &port_key(&ports), taken);
        taken.push(name.clone());
        let metadata = ObjectMeta {
            name: Some(name),
            generate_name: Some(format!("{}-", service.name_any())),
            namespace: service.namespace(),
            labels: Some(labels),
            owner_references: Some(vec![controlled_by(service)]),
            ..ObjectMeta::default()
        };
        let address_type = family.to_owned();
        return Some(Step::Create(EndpointSlice {
            metadata,
            address_type,
            endpoints: Some(endpoints),
            ports: Some(ports),
        }));
    };
    let same = before.endpoints.as_deref().unwrap_or_default() == endpoints
        && port_key(before.ports.as_deref().unwrap_or_default()) == port_key(&ports)
        && *before.labels() == labels;
    if same {
        return None;
    }
    let mut after = before.clone();
    after.metadata.labels = Some(labels);
    after.metadata.owner_references = Some(vec![controlled_by(service)]);
    after.metadata.managed_fields = None;
    (after.endpoints, after.ports) = (Some(endpoints), Some(ports));
    Some(Step::Update(after))
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let reserved = [SERVICE_NAME, MANAGED_BY, HEADLESS];
    let own = service.labels().iter().filter(|(name, _)| !reserved.contains(&name.as_str()));
    let mut labels: BTreeMap<String, String> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    labels.insert(SERVICE_NAME.to_owned(), service.name_any());
    labels.insert(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned());
    if service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

/// A name that follows from what the slice is for, so that a cache that does not have it yet makes no second one.
fn free_name(service: &Service, family: &str, ports: &str, taken: &[String]) -> String {
    let base = service.name_any();
    let name = |number: usize| {
        let identity = format!("{}\n{family}\n{ports}\n{number}", service.uid().unwrap_or_default());
        let hash: String = Sha256::digest(identity).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        format!("{base}-{hash}")
    };
    (0..).map(name).find(|name| !taken.contains(name)).unwrap_or_default()
}

fn port_key(ports: &[EndpointPort]) -> String {
    let mut keys: Vec<String> = ports.iter().map(|port| format!("{port:?}")).collect();
    keys.sort();
    keys.concat()
}

/// The endpoint of a pod, if it has one: with an address of this family, and not finished.
fn endpoint(service: &Service, pod: &Pod, family: &str) -> Option<Endpoint> {
    if is_finished(pod) {
        return None;
    }
    let status = pod.status.as_ref()?;
    let addresses = status.pod_ips.iter().flatten().map(|address| address.ip.as_str()).chain(status.pod_ip.as_deref());
    let address = addresses.into_iter().find(|address| address.contains(':') == (family == "IPv6"))?;
    let spec = pod.spec.as_ref();
    let (serving, terminating) = (is_ready(pod), is_terminating(pod));
    let published = service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses).unwrap_or(false);
    let own_name = spec.filter(|spec| spec.subdomain.as_ref() == Some(&service.name_any()));
    Some(Endpoint {
        addresses: vec![address.to_owned()],
        conditions: Some(EndpointConditions {
            ready: Some(published || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: own_name.and_then(|spec| spec.hostname.clone()).filter(|name| !name.is_empty()),
        node_name: spec.and_then(|spec| spec.node_name.clone()).filter(|name| !name.is_empty()),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.namespace(),
            name: Some(pod.name_any()),
            uid: pod.uid(),
            ..ObjectReference::default()
        }),
        ..Endpoint::default()
    })
}

/// The Service's ports as this pod has them. A named port that the pod does not have is left out.
fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let resolve = |port: &ServicePort| {
        let number = target(port, pod)?;
        let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
        Some(EndpointPort {
            // The name is there even where it is empty, as the API wants it.
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(number),
            protocol: Some(protocol),
            app_protocol: port.app_protocol.clone(),
        })
    };
    ports.filter_map(resolve).collect()
}

fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) if name.is_empty() => Some(port.port),
        Some(IntOrString::String(name)) => {
            let protocol = |given: &Option<String>| given.clone().unwrap_or_else(|| "TCP".to_owned());
            let same = |candidate: &&ContainerPort| {
                candidate.name.as_ref() == Some(name) && protocol(&candidate.protocol) == protocol(&port.protocol)
            };
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let mut candidates = containers.flat_map(|container| container.ports.iter().flatten());
            candidates.find(same).map(|found| found.container_port)
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
