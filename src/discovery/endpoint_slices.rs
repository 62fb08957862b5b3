//! An EndpointSlice: addresses with their states.

use super::EndpointPolicy;
use crate::resources::labels;
use crate::routing::{
    EndpointState, Hints, Problem, ProblemReason, Slice, SliceAddress, SliceKey, SourceKey, SourceKind,
};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt;
use std::net::IpAddr;

/// The key of a slice.
pub(super) fn key(slice: &EndpointSlice) -> SliceKey {
    SliceKey { namespace: slice.namespace().unwrap_or_default().into(), name: slice.name_any().into() }
}

/// The source under which a slice's problems are told.
pub(super) fn source(key: &SliceKey) -> SourceKey {
    SourceKey { kind: SourceKind::EndpointSlice, namespace: key.namespace.clone(), name: key.name.clone() }
}

/// The slice as the table needs it, if it belongs to a Service; and the addresses that are refused.
pub(super) fn translate(slice: &EndpointSlice, policy: EndpointPolicy) -> (Option<Slice>, Vec<Problem>) {
    let Some(service) = slice.labels().get(labels::SERVICE_NAME) else { return (None, Vec::new()) };
    let mut problems = Vec::new();
    let mut refuse = |message: String| {
        let source = source(&key(slice));
        problems.push(Problem { source, host: None, reason: ProblemReason::EndpointRefused, message });
    };
    let mut addresses = Vec::new();
    if slice.address_type == "FQDN" {
        refuse("its addresses are names; requests are sent to IP addresses only".to_owned());
    } else {
        for endpoint in slice.endpoints.iter().flatten() {
            for text in &endpoint.addresses {
                match checked(text, policy) {
                    Ok(ip) => {
                        let (pod, state, hints) = (pod(endpoint), state(endpoint), hints(endpoint));
                        addresses.push(SliceAddress { ip, pod, state, hints });
                    }
                    Err(message) => refuse(message),
                }
            }
        }
    }
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        let number = u16::try_from(port.port?).ok()?;
        Some((port.name.clone().unwrap_or_default().into(), number))
    });
    (Some(Slice { service: service.as_str().into(), ports: ports.collect(), addresses }), problems)
}

fn checked(text: &str, policy: EndpointPolicy) -> Result<IpAddr, String> {
    let shown = crate::model::shown(text);
    let ip: IpAddr = text.parse().map_err(|_| format!("the endpoint {shown} is not an IP address"))?;
    match policy.refusal(ip) {
        Some(why) => Err(format!("the endpoint {shown} is refused: {why}")),
        None => Ok(ip.to_canonical()),
    }
}

fn pod(endpoint: &Endpoint) -> Option<Box<str>> {
    let target = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"))?;
    target.name.as_deref().map(Into::into)
}

/// The most zones or nodes of a hint that are read; the API server allows eight.
const MOST_HINTS: usize = 8;

/// For whom the control plane means it, by the Service's `trafficDistribution`.
fn hints(endpoint: &Endpoint) -> Hints {
    let Some(hints) = &endpoint.hints else { return Hints::default() };
    let zones = hints.for_zones.iter().flatten().map(|zone| zone.name.as_str().into());
    let nodes = hints.for_nodes.iter().flatten().map(|node| node.name.as_str().into());
    Hints { zones: zones.take(MOST_HINTS).collect(), nodes: nodes.take(MOST_HINTS).collect() }
}

/// `ready` and `serving` count as true where they are absent (discovery.k8s.io/v1, EndpointConditions).
fn state(endpoint: &Endpoint) -> EndpointState {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let ready = conditions.ready.unwrap_or(true);
    let serving = conditions.serving.unwrap_or(true);
    match (ready, serving, conditions.terminating.unwrap_or(false)) {
        (true, _, _) => EndpointState::Ready,
        (false, true, true) => EndpointState::Draining,
        (false, _, _) => EndpointState::NotReady,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(endpoints: &serde_json::Value) -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": {"name": "a-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "a"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": endpoints,
        }))
        .unwrap()
    }

    #[test]
    fn conditions_become_states() {
        let conditions = [
            (json!({}), EndpointState::Ready),
            (json!({"ready": true, "serving": true, "terminating": false}), EndpointState::Ready),
            (json!({"ready": false, "serving": true, "terminating": true}), EndpointState::Draining),
            (json!({"ready": false, "serving": false, "terminating": true}), EndpointState::NotReady),
            (json!({"ready": false}), EndpointState::NotReady),
            (json!({"ready": false, "terminating": true}), EndpointState::Draining),
            (json!({"ready": null, "serving": null, "terminating": null}), EndpointState::Ready),
        ];
        for (conditions, expected) in conditions {
            let one = slice(&json!([{"addresses": ["10.0.0.1"], "conditions": conditions}]));
            let (translated, _) = translate(&one, EndpointPolicy::default());
            assert_eq!(translated.unwrap().addresses[0].state, expected);
        }
    }

    #[test]
    fn hints_are_read() {
        let hinted =
            json!([{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "n"}]}}]);
        let (translated, _) = translate(&slice(&hinted), EndpointPolicy::default());
        let hints = &translated.unwrap().addresses[0].hints;
        assert_eq!((&*hints.zones[0], &*hints.nodes[0]), ("a", "n"));
    }

    #[test]
    fn a_bad_address_loses_only_itself() {
        let mixed =
            slice(&json!([{"addresses": ["169.254.169.254"]}, {"addresses": ["10.0.0.1"]}, {"addresses": ["x"]}]));
        let (translated, problems) = translate(&mixed, EndpointPolicy::default());
        assert_eq!((translated.unwrap().addresses.len(), problems.len()), (1, 2));
    }
}
