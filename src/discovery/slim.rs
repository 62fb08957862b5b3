//! What is taken off an object before anything else is done with it: all that no translation reads.

use super::secrets;
use crate::resources::{ConditionType, Environment, EnvironmentClass, EnvironmentClassStatus, EnvironmentLife};
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The domains whose annotations some translation reads, subdomains included.
const ANNOTATION_DOMAINS: [&str; 4] = ["doorstep.dev", "kubernetes.io", "k8s.io", "cert-manager.io"];

/// Whole objects stand in the annotations of kubectl.
const KUBECTL: &str = "kubectl.kubernetes.io";

/// Keeps identity, age, labels, and the annotations of the domains that are read.
pub(super) fn metadata(metadata: &mut ObjectMeta) {
    let all = std::mem::take(metadata);
    *metadata = ObjectMeta {
        name: all.name,
        namespace: all.namespace,
        uid: all.uid,
        generation: all.generation,
        creation_timestamp: all.creation_timestamp,
        deletion_timestamp: all.deletion_timestamp,
        labels: all.labels,
        annotations: all.annotations.map(|mut annotations| {
            annotations.retain(|key, _| is_read(key));
            annotations
        }),
        ..ObjectMeta::default()
    };
}

fn is_read(annotation: &str) -> bool {
    let domain = annotation.split_once('/').map_or("", |(domain, _)| domain);
    let within = |known: &str| domain.strip_suffix(known).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'));
    domain != KUBECTL && ANNOTATION_DOMAINS.iter().any(|known| within(known))
}

/// The status of a Service is the cloud's business.
pub(super) fn service(service: &mut Service) {
    service.status = None;
}

/// Of the pod behind an endpoint, only its kind and name are read.
pub(super) fn slice(slice: &mut EndpointSlice) {
    for endpoint in &mut slice.endpoints.iter_mut().flatten() {
        endpoint.deprecated_topology = None;
        if let Some(target) = &mut endpoint.target_ref {
            (target.uid, target.resource_version, target.api_version) = (None, None, None);
        }
    }
}

/// The addresses in its status are ours to write, not to read.
pub(super) fn ingress(ingress: &mut Ingress) {
    ingress.status = None;
}

/// All of its specification is read but the parameters, of which we take none.
pub(super) fn ingress_class(class: &mut IngressClass) {
    if let Some(spec) = &mut class.spec {
        spec.parameters = None;
    }
}

/// Of a Secret only the certificate and its key are kept, whatever else it holds.
pub(super) fn secret(secret: &mut Secret) {
    secret.string_data = None;
    if let Some(data) = &mut secret.data {
        data.retain(|name, _| [secrets::CHAIN, secrets::KEY].contains(&name.as_str()));
    }
}

/// A class is checked as a whole, so its whole specification stays. Of its status, the environments that have expired do.
pub(super) fn class(class: &mut EnvironmentClass) {
    let expired = class.status.take().map(|status| status.expired).filter(|expired| !expired.is_empty());
    class.status = expired.map(|expired| EnvironmentClassStatus { expired, ..Default::default() });
}

/// The condition `Ready` tells why a host may not answer, and its life whether a request wakes it.
pub(super) fn environment(environment: &mut Environment) {
    environment.spec.parameters.clear();
    if let Some(status) = environment.status.take() {
        let ready = |condition: &_| is_ready(condition);
        let mut conditions = status.conditions;
        conditions.retain(ready);
        let life = status.life.filter(|life| life.wakes_on_request);
        let life = life.map(|_| EnvironmentLife { wakes_on_request: true, ..Default::default() });
        environment.status = Some(crate::resources::EnvironmentStatus { conditions, life, ..Default::default() });
    }
}

fn is_ready(condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition) -> bool {
    condition.type_ == ConditionType::Ready.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_of_others_and_managed_fields_are_taken_off() {
        let mut service: Service = serde_json::from_value(json!({
            "metadata": {
                "name": "a", "namespace": "default", "resourceVersion": "7", "labels": {"team": "x"},
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"manager": "x", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
                "annotations": {
                    "doorstep.dev/host": "a.test", "kubernetes.io/ingress.class": "doorstep",
                    "service.kubernetes.io/topology-mode": "Auto",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}", "evildoorstep.dev/x": "1", "bare": "1",
                },
            },
        }))
        .unwrap();
        metadata(&mut service.metadata);
        let expected = json!({
            "name": "a", "namespace": "default", "labels": {"team": "x"}, "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {
                "doorstep.dev/host": "a.test", "kubernetes.io/ingress.class": "doorstep",
                "service.kubernetes.io/topology-mode": "Auto",
            },
        });
        assert_eq!(serde_json::to_value(&service.metadata).unwrap(), expected);
    }
}
