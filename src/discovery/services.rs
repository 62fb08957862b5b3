//! A Service: a personal one by its labels, a shared one by its annotation, or none of our business.

use crate::model::{EnvironmentKey, shown};
use crate::resources::labels;
use crate::routing::{
    BackendSpec, Claims, ClusterName, Contribution, HostClaim, KnownService, MOST_WAIT, PortName, Problem,
    ProblemReason, Protocol, RuleSpec, ServiceKey, SourceKey, SourceKind, Timeouts,
};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use kube::ResourceExt;
use std::time::Duration;

/// The most hosts that one annotation may name.
const MAX_HOSTS: usize = 64;

/// The key of a Service.
pub(super) fn source(service: &Service) -> SourceKey {
    SourceKey {
        kind: SourceKind::Service,
        namespace: service.namespace().unwrap_or_default().into(),
        name: service.name_any().into(),
    }
}

/// The key under which its ports are known.
pub(super) fn key(service: &Service) -> ServiceKey {
    key_of(&source(service))
}

/// The same, of a source that is a Service.
pub(super) fn key_of(source: &SourceKey) -> ServiceKey {
    ServiceKey { namespace: source.namespace.clone(), name: source.name.clone() }
}

/// What rules that name one of its ports need to know of it.
pub(super) fn known(service: &Service) -> KnownService {
    if is_external(service) {
        return KnownService::ExternalName;
    }
    let ports = service.spec.iter().filter_map(|spec| spec.ports.as_ref()).flatten();
    // An ingress forwards HTTP: a port of another transport may have the same number, and is not meant.
    let tcp = ports.filter(|port| is_tcp(port));
    let wait = service.annotations().get(labels::WAIT).and_then(|text| wait(text));
    let known = tcp.filter_map(|port| {
        let name = port.name.as_deref().unwrap_or_default().into();
        let number = u16::try_from(port.port).ok()?;
        let unspoken = unspoken(port).map(|unspoken| shown(unspoken).into());
        Some(crate::routing::ServicePort { name, number, protocol: protocol(port), unspoken, wait })
    });
    KnownService::Ports(known.collect())
}

/// What a Service contributes, and what is wrong with it.
pub(super) fn translate(service: &Service) -> (Option<Contribution>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut refuse = |reason, message: String| {
        problems.push(Problem { source: source(service), host: None, reason, message });
    };
    let annotations = service.annotations();
    let claims = match (service.labels().get(labels::USER), service.labels().get(labels::CLASS)) {
        (Some(user), Some(class)) => match owner(service, user, class) {
            Ok(key) => Some(Claims::Personal(key)),
            Err(message) => {
                refuse(ProblemReason::ForeignLabels, message);
                None
            }
        },
        (None, None) => annotations.get(labels::HOST).and_then(|hosts| {
            let (claims, mistakes) = named(hosts);
            mistakes.into_iter().for_each(|message| refuse(ProblemReason::Invalid, message));
            (!claims.is_empty()).then_some(Claims::Named(claims))
        }),
        (Some(_), None) | (None, Some(_)) => {
            let (user, class) = (labels::USER, labels::CLASS);
            refuse(
                ProblemReason::ForeignLabels,
                format!("it has only one of the labels {user} and {class}; give it both or none"),
            );
            None
        }
    };
    let Some(claims) = claims else { return (None, problems) };
    let port = match port(service, annotations.get(labels::PORT).map(String::as_str)) {
        Ok(port) => port,
        Err(message) => {
            refuse(ProblemReason::Invalid, message);
            return (None, problems);
        }
    };
    let wait = annotations.get(labels::WAIT).and_then(|text| {
        let parsed = wait(text);
        if parsed.is_none() {
            let message = format!(
                "annotation {}: {} is not a time of at most 60 s, like 5s, 500ms or 0; the gateway's own is used",
                labels::WAIT,
                shown(text)
            );
            refuse(ProblemReason::Invalid, message);
        }
        parsed
    });
    let timeouts = Timeouts { wait, ..Timeouts::default() };
    let rules = vec![RuleSpec { backends: vec![backend(service, port)], timeouts, ..RuleSpec::default() }];
    let created = service.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second());
    (Some(Contribution::of_one_group(source(service), created, claims, rules)), problems)
}

/// How long a request may wait, as the annotation says it: `5s`, `500ms`, `1m`; a number alone is of seconds.
fn wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    let wait = match unit {
        "" | "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (wait <= MOST_WAIT).then_some(wait)
}

/// The labels must say what the name says, so that nobody takes a host by labelling an object.
fn owner(service: &Service, user: &str, class: &str) -> Result<EnvironmentKey, String> {
    let user = user.parse().map_err(|error| format!("label {}: {error}", labels::USER))?;
    let class = class.parse().map_err(|error| format!("label {}: {error}", labels::CLASS))?;
    let key = EnvironmentKey::new(user, class);
    if key.object_name() == service.name_any() {
        return Ok(key);
    }
    Err(format!(
        "its labels claim the environment {key}, whose Service has the name {}; name it so, or take the labels off",
        key.object_name()
    ))
}

fn named(hosts: &str) -> (Vec<HostClaim>, Vec<String>) {
    let (mut claims, mut mistakes) = (Vec::new(), Vec::new());
    let mut texts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
    for text in texts.by_ref().take(MAX_HOSTS) {
        match HostClaim::parse(text) {
            Ok(claim) => claims.push(claim),
            Err(error) => mistakes.push(format!("annotation {}: {error}", labels::HOST)),
        }
    }
    if texts.next().is_some() {
        mistakes
            .push(format!("annotation {}: it names more than {MAX_HOSTS} hosts; the rest is ignored", labels::HOST));
    }
    if claims.is_empty() && mistakes.is_empty() {
        mistakes.push(format!("annotation {}: it is empty; name a host, like dg.example.com", labels::HOST));
    }
    (claims, mistakes)
}

/// The port that was asked for, else the one named `http`, else the only one or the first. Of TCP, and none that speaks TLS.
fn port<'s>(service: &'s Service, wanted: Option<&str>) -> Result<&'s ServicePort, String> {
    if is_external(service) {
        return Err("it is of type ExternalName, which has no endpoints; requests are sent to pods only".to_owned());
    }
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let ports: Vec<&ServicePort> = ports.iter().filter(|port| is_tcp(port)).collect();
    let Some(wanted) = wanted else {
        let http = ports.iter().find(|port| port.name.as_deref() == Some("http"));
        let spoken = ports.iter().find(|port| unspoken(port).is_none());
        let port = http.or(spoken).or(ports.first()).ok_or_else(|| "it has no port of TCP; give it one".to_owned())?;
        return in_the_clear(port);
    };
    let is_wanted = |port: &&&ServicePort| port.name.as_deref() == Some(wanted) || port.port.to_string() == wanted;
    let port = ports.iter().find(is_wanted).ok_or_else(|| {
        let known: Vec<String> =
            ports.iter().map(|port| port.name.clone().unwrap_or_else(|| port.port.to_string())).collect();
        format!("annotation {}: it has no port {}; it has {}", labels::PORT, shown(wanted), known.join(", "))
    })?;
    in_the_clear(port)
}

/// The port, unless its endpoints speak what the gateway does not.
fn in_the_clear(port: &ServicePort) -> Result<&ServicePort, String> {
    match unspoken(port) {
        None => Ok(port),
        Some(unspoken) => Err(format!(
            "its port {} speaks {} (appProtocol), and requests are sent in the clear; choose one that speaks HTTP/1.1 or h2c by {}",
            port.port,
            shown(unspoken),
            labels::PORT
        )),
    }
}

fn is_tcp(port: &ServicePort) -> bool {
    port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
}

fn is_external(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName")
}

fn protocol(port: &ServicePort) -> Protocol {
    match port.app_protocol.as_deref() {
        // Kubernetes' own name, and what meshes and gateways call the same.
        Some("kubernetes.io/h2c" | "h2c" | "grpc" | "http2") => Protocol::H2c,
        Some(_) | None => Protocol::Http1,
    }
}

/// The `appProtocol` of a port that expects TLS. Of others that are not known HTTP/1.1 is tried.
fn unspoken(port: &ServicePort) -> Option<&str> {
    const OVER_TLS: [&str; 6] = ["https", "tls", "ssl", "grpcs", "wss", "kubernetes.io/wss"];
    let said = port.app_protocol.as_deref()?;
    OVER_TLS.iter().any(|known| said.eq_ignore_ascii_case(known)).then_some(said)
}

fn backend(service: &Service, port: &ServicePort) -> BackendSpec {
    let number = u16::try_from(port.port).unwrap_or_default();
    let cluster = ClusterName {
        namespace: service.namespace().unwrap_or_default().into(),
        service: service.name_any().into(),
        port: PortName::Number(number),
    };
    let slice_port = port.name.clone().unwrap_or_default().into();
    BackendSpec::Service { cluster, slice_port, protocol: protocol(port), weight: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(name: &str, mut metadata: serde_json::Value, spec: &serde_json::Value) -> Service {
        metadata["name"] = name.into();
        metadata["namespace"] = "default".into();
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn ports() -> serde_json::Value {
        json!({"ports": [{"name": "admin", "port": 9000}, {"name": "http", "port": 80, "appProtocol": "kubernetes.io/h2c"}]})
    }

    fn refusal(service: &Service) -> String {
        let (contribution, problems) = translate(service);
        assert!(contribution.is_none());
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_personal_service_has_its_labels_in_its_name() {
        let labels = json!({"labels": {"doorstep.dev/user": "haimaz", "doorstep.dev/class": "integration"}});
        let (own, _) = translate(&service("haimaz-integration", labels.clone(), &ports()));
        let own = own.unwrap();
        assert!(matches!(&own.groups[0].claims, Claims::Personal(key) if key.object_name() == "haimaz-integration"));
        assert!(
            matches!(&own.groups[0].rules[0].backends[0], BackendSpec::Service { protocol: Protocol::H2c, slice_port, .. } if &**slice_port == "http")
        );
        assert!(refusal(&service("thief", labels, &ports())).contains("whose Service has the name haimaz-integration"));
        let half = json!({"labels": {"doorstep.dev/user": "haimaz"}});
        assert!(refusal(&service("haimaz-integration", half, &ports())).contains("only one of the labels"));
        let foreign = json!({"labels": {"doorstep.dev/user": "a-b", "doorstep.dev/class": "integration"}});
        assert!(refusal(&service("a-b-integration", foreign, &ports())).contains("no hyphen"));
    }

    #[test]
    fn a_shared_service_loses_only_the_hosts_that_are_none() {
        let hosts = json!({"annotations": {"doorstep.dev/host": "dg.example.com, *.dg.example.com, -bad", "doorstep.dev/port": "9000"}});
        let (contribution, problems) = translate(&service("dg", hosts, &ports()));
        let Claims::Named(claims) = &contribution.unwrap().groups[0].claims else { panic!("named") };
        assert_eq!((claims.len(), problems.len()), (2, 1));
        let port = json!({"annotations": {"doorstep.dev/host": "a.test", "doorstep.dev/port": "nope"}});
        assert!(refusal(&service("dg", port, &ports())).contains("it has admin, http"));
        let external = json!({"type": "ExternalName", "externalName": "metadata.google.internal"});
        let host = json!({"annotations": {"doorstep.dev/host": "a.test"}});
        assert!(refusal(&service("dg", host, &external)).contains("ExternalName"));
        let long = json!({"annotations": {"doorstep.dev/host": "x".repeat(65_536)}});
        assert!(refusal(&service("dg", long, &ports())).len() < 300);
    }

    #[test]
    fn a_port_that_expects_tls_or_is_none_of_tcp_is_not_chosen() {
        let host = json!({"annotations": {"doorstep.dev/host": "a.test"}});
        let chosen = |ports: &serde_json::Value| translate(&service("dg", host.clone(), &json!({"ports": ports}))).0;
        let names = |ports: &serde_json::Value| match &chosen(ports).unwrap().groups[0].rules[0].backends[0] {
            BackendSpec::Service { cluster, protocol, .. } => (cluster.port.to_string(), *protocol),
            other => panic!("{other:?}"),
        };
        let udp = json!({"name": "dns", "port": 53, "protocol": "UDP"});
        let tls = json!({"name": "secure", "port": 443, "appProtocol": "HTTPS"});
        let rpc = json!({"name": "rpc", "port": 90, "appProtocol": "grpc"});
        let odd = json!({"name": "odd", "port": 91, "appProtocol": "example.com/odd"});
        assert_eq!(names(&json!([udp, tls, rpc])), ("90".to_owned(), Protocol::H2c));
        assert_eq!(names(&json!([udp, odd])), ("91".to_owned(), Protocol::Http1));
        assert!(chosen(&json!([udp])).is_none());
        let told = refusal(&service("dg", host.clone(), &json!({"ports": [tls]})));
        assert!(told.contains("its port 443 speaks \"HTTPS\" (appProtocol)"), "{told}");
    }

    #[test]
    fn how_long_a_request_waits_is_said_by_annotation_and_a_mistake_loses_only_that() {
        let with = |wait: &str| {
            let annotations =
                json!({"annotations": {"doorstep.dev/host": "dg.example.com", "doorstep.dev/wait": wait}});
            let (contribution, problems) = translate(&service("dg", annotations, &ports()));
            (contribution.unwrap().groups[0].rules[0].timeouts.wait, problems.len())
        };
        for (text, millis) in [("5s", 5000), ("0", 0), ("3", 3000), ("250ms", 250), ("1m", 60_000)] {
            assert_eq!(with(text), (Some(Duration::from_millis(millis)), 0), "{text}");
        }
        for wrong in ["", "61s", "-1s", "5 s", "1h", "s", "99999999999999999999", "18446744073709551615m"] {
            assert_eq!(with(wrong), (None, 1), "{wrong}");
        }
    }

    #[test]
    fn other_services_are_none_of_our_business() {
        let (contribution, problems) = translate(&service("kubernetes", json!({}), &ports()));
        assert!(contribution.is_none() && problems.is_empty());
    }
}
