//! Slices from Services and pods.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn service(target: &serde_json::Value) -> Service {
    serde_json::from_value(json!({
        "metadata": { "name": "web", "namespace": "d", "uid": "service", "labels": { "doorstep.dev/user": "haimaz" } },
        "spec": { "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": target }] },
    }))
    .unwrap()
}

fn pod(name: &str, ready: bool, port: u16) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "d", "uid": name, "labels": { "app": "web" } },
        "spec": {
            "nodeName": "n",
            "containers": [{ "name": "c", "ports": [{ "name": "web", "containerPort": port }] }],
        },
        "status": {
            "phase": "Running", "podIP": "127.1.0.1",
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        },
    }))
    .unwrap()
}

fn terminating(mut pod: Pod) -> Pod {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    pod.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    pod
}

/// Applies a plan to the slices.
fn apply(service: &Service, pods: &[Pod], slices: &mut Vec<Arc<EndpointSlice>>) -> Vec<Step> {
    let pods: Vec<Arc<Pod>> = pods.iter().cloned().map(Arc::new).collect();
    let steps = plan(service, &pods, slices);
    for step in steps.clone() {
        match step {
            Step::Create(slice) => {
                assert!(slices.iter().all(|other| other.name_any() != slice.name_any()), "a name is used twice");
                slices.push(Arc::new(slice));
            }
            Step::Update(slice) => {
                slices.retain(|other| other.name_any() != slice.name_any());
                slices.push(Arc::new(slice));
            }
            Step::Delete { name, .. } => slices.retain(|other| other.name_any() != name),
        }
    }
    steps
}

fn conditions(slices: &[Arc<EndpointSlice>]) -> Vec<(bool, bool, bool)> {
    let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
    let conditions = endpoints.map(|endpoint| endpoint.conditions.clone().unwrap());
    conditions.map(|c| (c.ready.unwrap(), c.serving.unwrap(), c.terminating.unwrap())).collect()
}

#[test]
fn a_service_without_pods_has_one_empty_slice_and_keeps_it_when_pods_come() {
    let (service, mut slices) = (service(&json!("web")), Vec::new());
    apply(&service, &[], &mut slices);
    assert_eq!(slices.len(), 1);
    let name = slices[0].name_any();
    assert!(name.starts_with("web-"), "{name}");
    assert!(apply(&service, &[], &mut slices).is_empty(), "nothing to write for nothing new");
    apply(&service, &[pod("a", true, 3000)], &mut slices);
    assert_eq!((slices.len(), slices[0].name_any()), (1, name));
    let port = &slices[0].ports.as_ref().unwrap()[0];
    assert_eq!((port.name.as_deref(), port.port, port.protocol.as_deref()), (Some("http"), Some(3000), Some("TCP")));
    assert_eq!(slices[0].labels()["doorstep.dev/user"], "haimaz");
    assert_eq!(slices[0].owner_references()[0].uid, "service");
}

#[test]
fn conditions_tell_ready_serving_and_terminating_apart() {
    let (mut service, mut slices) = (service(&json!(3000)), Vec::new());
    for (pod, expected) in [
        (pod("a", true, 1), (true, true, false)),
        (pod("a", false, 1), (false, false, false)),
        (terminating(pod("a", true, 1)), (false, true, true)),
        (terminating(pod("a", false, 1)), (false, false, true)),
    ] {
        apply(&service, &[pod], &mut slices);
        assert_eq!(conditions(&slices), [expected]);
    }
    service.spec.as_mut().unwrap().publish_not_ready_addresses = Some(true);
    apply(&service, &[pod("a", false, 1)], &mut slices);
    assert_eq!(conditions(&slices), [(true, false, false)]);
}

#[test]
fn finished_pods_and_pods_without_an_address_are_left_out() {
    let (service, mut slices) = (service(&json!("web")), Vec::new());
    let (mut finished, mut unborn) = (pod("a", true, 1), pod("b", true, 1));
    finished.status.as_mut().unwrap().phase = Some("Succeeded".to_owned());
    unborn.status.as_mut().unwrap().pod_ip = None;
    apply(&service, &[finished, unborn], &mut slices);
    assert!(conditions(&slices).is_empty());
}

#[test]
fn pods_with_other_numbers_for_a_named_port_have_slices_of_their_own() {
    let (service, mut slices) = (service(&json!("web")), Vec::new());
    apply(&service, &[pod("a", true, 3000), pod("b", true, 4000), pod("c", true, 4000)], &mut slices);
    let mut ports: Vec<_> = slices
        .iter()
        .map(|slice| (slice.ports.as_ref().unwrap()[0].port.unwrap(), slice.endpoints.as_ref().unwrap().len()))
        .collect();
    ports.sort();
    assert_eq!(ports, [(3000, 1), (4000, 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn whatever_comes_and_goes_every_pod_is_in_exactly_one_slice_of_at_most_a_hundred(
        rounds in prop::collection::vec(prop::collection::btree_set(0_u32..260, 0..260), 1..5)
    ) {
        let (service, mut slices) = (service(&json!("web")), Vec::new());
        for round in rounds {
            let pods: Vec<Pod> = round.iter().map(|number| pod(&format!("p{number}"), true, 3000)).collect();
            apply(&service, &pods, &mut slices);
            let mut found: Vec<String> =
                slices.iter().flat_map(|slice| slice.endpoints.iter().flatten()).map(uid).collect();
            let mut expected: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
            prop_assert!(slices.iter().all(|slice| slice.endpoints.as_ref().unwrap().len() <= MAX_ENDPOINTS));
            prop_assert!(slices.len() == 1 || slices.iter().all(|slice| !slice.endpoints.as_ref().unwrap().is_empty()));
            prop_assert!(apply(&service, &pods, &mut slices).is_empty());
        }
    }
}
