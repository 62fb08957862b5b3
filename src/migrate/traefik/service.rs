//! Services of a route as backends.

use super::super::{Remark, Severity};
use super::objects::{Object, Objects};
use serde_json::{Value, json};

/// Where a route leads, and what is said about it.
#[derive(Debug, Default)]
pub(super) struct Backends {
    pub(super) backends: Vec<Value>,
    pub(super) remarks: Vec<Remark>,
    /// A service has middlewares of its own, which may guard it.
    pub(super) guarded: Option<Remark>,
    shares: Vec<f64>,
    nested: bool,
}

/// Where in nested lists a service stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Its part of all requests, as far as the lists above it say.
    share: f64,
    depth: usize,
}

/// A TraefikService may name others.
const MAX_NESTING: usize = 8;
/// The most that comes of the services of a route: lists of lists could go on for ever.
const MAX_PARTS: usize = 1000;

impl Backends {
    /// Reads `services`, a list of `object`.
    pub(super) fn read(objects: &Objects, object: &Object, services: Option<&Value>, field: &str) -> Self {
        let mut read = Self::default();
        let services = services.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        read.list(objects, object, services, field, Place { share: 1.0, depth: 0 });
        read.settle();
        read
    }

    fn list(&mut self, objects: &Objects, object: &Object, services: &[Value], field: &str, at: Place) {
        let weight = |service: &Value| service.get("weight").and_then(Value::as_f64).unwrap_or(1.0);
        let total: f64 = services.iter().map(weight).sum();
        for (index, service) in services.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let share = if at.depth == 0 { weight(service) } else { at.share * weight(service) / total.max(1.0) };
            self.one(objects, object, service, &field, Place { share, ..at });
        }
    }

    fn one(&mut self, objects: &Objects, object: &Object, service: &Value, field: &str, at: Place) {
        let text = |name: &str| service.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("name").unwrap_or_default();
        let namespace = text("namespace").unwrap_or(&object.namespace);
        if name.contains('@') {
            let message = format!("{name} is a service of Traefik itself or of another provider");
            return self.remark(object, Severity::NoCounterpart, field, message);
        }
        if namespace != object.namespace {
            let message = format!(
                "{namespace}/{name} is in another namespace, which Traefik refuses unless it has allowCrossNamespace; here it answers, so take the route out if it should not"
            );
            self.remark(object, Severity::Note, &format!("{field}.namespace"), message);
        }
        if text("kind") == Some("TraefikService") {
            return self.traefik_service(objects, object, (namespace, name), field, at);
        }
        if let Some(kind) = text("kind").filter(|kind| *kind != "Service") {
            let message = format!("{kind} is no kind of a service; Service and TraefikService are");
            return self.remark(object, Severity::Mistake, &format!("{field}.kind"), message);
        }
        self.other_fields(object, service, field);
        let port = match service.get("port") {
            Some(Value::Number(number)) => json!(number),
            Some(Value::String(text)) => text.parse::<u16>().map_or_else(|_| json!(text), |number| json!(number)),
            Some(_) | None => {
                let message = "the port is missing; give the Service's port by number or name";
                return self.remark(object, Severity::Mistake, &format!("{field}.port"), message);
            }
        };
        if name.is_empty() {
            return self.remark(object, Severity::Mistake, &format!("{field}.name"), "the name is missing");
        }
        let known = objects.find("Service", namespace, name);
        if known.and_then(|known| known.spec().get("type")).and_then(Value::as_str) == Some("ExternalName") {
            let message = "the Service is of type ExternalName, which has no endpoints; requests are sent to pods alone, so this backend answers 503";
            self.remark(object, Severity::NoCounterpart, field, message);
        }
        let protocol = match text("scheme").unwrap_or_else(|| implied_scheme(known, &port)) {
            "http" => None,
            "h2c" => Some("h2c"),
            other => {
                let message = format!("the scheme {other} to backends is not spoken; the backend is left out");
                return self.remark(object, Severity::NoCounterpart, &format!("{field}.scheme"), message);
            }
        };
        let mut backend = json!({"service": format!("{namespace}/{name}"), "port": port});
        if let Some(protocol) = protocol {
            super::middleware::put(&mut backend, "protocol", json!(protocol));
        }
        self.backends.push(backend);
        self.shares.push(at.share);
    }

    fn traefik_service(
        &mut self,
        objects: &Objects,
        user: &Object,
        (namespace, name): (&str, &str),
        field: &str,
        at: Place,
    ) {
        self.nested = true;
        if self.backends.len() + self.remarks.len() > MAX_PARTS {
            return self.remark(user, Severity::Mistake, field, "the route leads to too many services");
        }
        let Some(object) = objects.find("TraefikService", namespace, name).filter(|_| at.depth < MAX_NESTING) else {
            let message =
                format!("the TraefikService {namespace}/{name} is not among the files, or it leads to itself");
            return self.remark(user, Severity::Mistake, field, message);
        };
        let below = Place { depth: at.depth + 1, ..at };
        let spec = object.spec();
        const KINDS: [&str; 4] = ["weighted", "mirroring", "highestRandomWeight", "failover"];
        let is_one = |name: &str| spec.get(name).is_some_and(|kind| !kind.is_null());
        if !KINDS.into_iter().any(is_one) {
            self.remark(object, Severity::Mistake, "spec", format!("it has none of {}", KINDS.join(", ")));
        }
        for (kind, place) in [("weighted", "services"), ("highestRandomWeight", "services")] {
            if let Some(Value::Array(services)) = spec.get(kind).and_then(|spec| spec.get(place)) {
                self.list(objects, object, services, &format!("spec.{kind}.{place}"), below);
                if kind == "highestRandomWeight" || spec.pointer("/weighted/sticky").is_some() {
                    let message = "a client is not kept to one backend; each request goes by weight";
                    self.remark(object, Severity::NoCounterpart, &format!("spec.{kind}"), message);
                }
            }
        }
        if let Some(mirroring) = spec.get("mirroring") {
            self.one(objects, object, mirroring, "spec.mirroring", below);
            self.remark(
                object,
                Severity::NoCounterpart,
                "spec.mirroring.mirrors",
                "requests are not mirrored; the main service gets them",
            );
        }
        if let Some(service) = spec.pointer("/failover/service") {
            self.one(objects, object, service, "spec.failover.service", below);
            self.remark(
                object,
                Severity::NoCounterpart,
                "spec.failover.fallback",
                "there is no second service for errors; the first gets all",
            );
        }
    }

    fn other_fields(&mut self, object: &Object, service: &Value, field: &str) {
        const DONE: [&str; 11] = [
            "name",
            "kind",
            "namespace",
            "port",
            "scheme",
            "weight",
            "passHostHeader",
            "mirrors",
            "mirrorBody",
            "maxBodySize",
            "middlewares",
        ];
        if service.get("middlewares").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            let message =
                "a service's own middlewares are not translated, and they may guard it; put them to the route";
            self.guarded = Some(object.remark(Severity::Refused, &format!("{field}.middlewares"), message));
        }
        if service.get("passHostHeader").and_then(Value::as_bool) == Some(false) {
            let message = "the backend gets the client's Host; a filter host can give it a fixed one";
            self.remark(object, Severity::NoCounterpart, &format!("{field}.passHostHeader"), message);
        }
        for name in service
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
            .filter(|name| !DONE.contains(&name.as_str()))
        {
            let message = match name.as_str() {
                "strategy" => "requests go to the less busy of two endpoints, whatever the strategy was",
                "responseForwarding" => "what a backend sends is passed on at once",
                "nativeLB" | "nodePortLB" => "requests go to the pods themselves, by the Service's EndpointSlices",
                "sticky" => "a client is not kept to one endpoint; each request goes to the less busy one",
                "healthCheck" | "passiveHealthCheck" => {
                    "readiness comes from the cluster, and broken endpoints are found by their failures"
                }
                "serversTransport" => "connections to backends are plain HTTP with the gateway's own deadlines",
                _ => "it has no effect here",
            };
            self.remark(object, Severity::NoCounterpart, &format!("{field}.{name}"), message);
        }
    }

    fn remark(&mut self, object: &Object, severity: Severity, field: &str, message: impl Into<String>) {
        self.remarks.push(object.remark(severity, field, message));
    }

    /// Writes the weights: as they were, or of a thousand where lists were nested.
    fn settle(&mut self) {
        if self.backends.len() < 2 {
            return;
        }
        let total: f64 = self.shares.iter().sum();
        for (backend, share) in self.backends.iter_mut().zip(&self.shares) {
            let of_a_thousand = (share / total.max(f64::MIN_POSITIVE) * 1000.0).round();
            // However small a share is, it is one.
            let least = if *share > 0.0 { 1.0 } else { 0.0 };
            let weight = if self.nested { of_a_thousand.max(least) } else { *share };
            // A weight is a whole number from 0 to a million, so nothing is lost.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped first")]
            let weight = weight.clamp(0.0, 1_000_000.0) as u32;
            super::middleware::put(backend, "weight", json!(weight));
        }
    }
}

/// The scheme of a backend that says nothing of it: Traefik goes by the number and the name of the Service's port.
pub(super) fn implied_scheme(service: Option<&Object>, port: &Value) -> &'static str {
    let mut ports =
        service.and_then(|service| service.spec().get("ports")).and_then(Value::as_array).into_iter().flatten();
    let known = ports.find(|known| known.get("port") == Some(port) || known.get("name") == Some(port));
    let number = known.and_then(|known| known.get("port")).unwrap_or(port);
    let name = known.and_then(|known| known.get("name")).unwrap_or(port);
    let is_https = number.as_u64() == Some(443) || name.as_str().is_some_and(|name| name.starts_with("https"));
    if is_https { "https" } else { "http" }
}
