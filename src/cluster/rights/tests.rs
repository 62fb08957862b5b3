//! The list, its sentences, and the refusals that they are recognised by.

use super::*;
use std::collections::BTreeSet;

fn missing(role: Role, resource: &str, verb: Verb, namespace: Option<&str>) -> Missing {
    let right =
        RIGHTS.iter().find(|it| it.role == role && it.resource == resource && it.verbs.contains(&verb)).unwrap();
    Missing { right, verb, namespace: namespace.map(str::to_owned) }
}

#[test]
fn each_verb_of_each_resource_stands_once_for_a_role_and_a_place() {
    let mut seen = BTreeSet::new();
    for right in RIGHTS {
        for verb in right.verbs {
            let key = (right.role, right.place, right.group, right.resource, *verb);
            assert!(seen.insert(key), "{key:?} stands twice");
        }
    }
}

#[test]
fn the_gateway_writes_its_marks_alone_and_nobody_touches_rights() {
    for right in RIGHTS {
        assert!(right.group != "rbac.authorization.k8s.io", "{right:?}");
        let writes = right.verbs.iter().any(|verb| !matches!(verb, Verb::Get | Verb::List | Verb::Watch));
        let is_mark = right.resource == "environmentuses";
        assert!(!writes || right.role == Role::Manager || is_mark, "the gateway writes its marks alone: {right:?}");
    }
}

#[test]
fn the_sentence_says_what_where_what_for_and_how() {
    let said = missing(Role::Gateway, "endpointslices", Verb::List, None).to_string();
    assert_eq!(
        said,
        "the ServiceAccount may not list endpointslices.discovery.k8s.io in all namespaces; it is not known which pods \
         answer; grant it with a ClusterRole that has apiGroups [\"discovery.k8s.io\"], resources [endpointslices], verbs [list]"
    );
    let said = missing(Role::Manager, "pods/log", Verb::Get, Some("team")).to_string();
    assert!(said.starts_with("the ServiceAccount may not get pods/log in the namespace team; logs"), "{said}");
    let said = missing(Role::Manager, "environmentclasses", Verb::Watch, None).to_string();
    assert!(said.starts_with("the ServiceAccount may not watch environmentclasses.doorstep.dev; no class"), "{said}");
}

#[test]
fn a_refusal_of_the_api_server_becomes_the_same_sentence_and_others_do_not() {
    let message = "pods \"a\" is forbidden: User \"system:serviceaccount:d:doorstep-manager\" cannot get resource \
                   \"pods/log\" in API group \"\" in the namespace \"team\"";
    assert_eq!(refused(message).unwrap(), missing(Role::Manager, "pods/log", Verb::Get, Some("team")).to_string());
    let quota = "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5";
    assert_eq!(refused(quota), None);
}

#[test]
fn a_right_is_asked_for_where_it_is_needed_and_once() {
    let gateways = ["doorstep", "team"].map(str::to_owned).into();
    let one = Scope { watched: Some("team".to_owned()), gateways, ..Scope::default() };
    assert_eq!(one.namespaces(Place::Gateways), [Some("doorstep".to_owned())], "the other one is looked at anyway");
    assert_eq!(Scope { watched: None, ..one.clone() }.namespaces(Place::Gateways), [], "as all are");
    assert_eq!(one.namespaces(Place::Tokens), []);
    assert_eq!(Scope { tokens: true, ..one }.namespaces(Place::Tokens), [None]);
}
