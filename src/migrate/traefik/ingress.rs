//! Ingress: one that uses nothing of Traefik's own stays an Ingress, with our class; the rest becomes routes.

use super::super::{Remark, Severity};
use super::matching::{Syntax, translate};
use super::middleware::Filters;
use super::objects::{Object, Objects};
use super::rule;
use super::service::Backends;
use super::{Options, Route};
use serde_json::{Value, json};

const PREFIX: &str = "traefik.ingress.kubernetes.io/";
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// An Ingress that is Traefik's, and the routes that it would become.
pub(super) struct Translated<'o> {
    pub(super) object: &'o Object,
    pub(super) routes: Vec<Route>,
    /// Whether it uses what an Ingress alone does not say.
    pub(super) needs_routes: bool,
    /// What is said if it becomes routes.
    pub(super) remarks: Vec<Remark>,
}

/// Translates all of them.
pub(super) fn all<'o>(objects: &'o Objects, options: &Options, remarks: &mut Vec<Remark>) -> Vec<Translated<'o>> {
    let mut found = Vec::new();
    for object in objects.of_kind("Ingress") {
        let named =
            object.spec().get("ingressClassName").and_then(Value::as_str).or(object.annotation(CLASS_ANNOTATION));
        match named {
            Some(class) if class != options.ingress_class => {
                let message = format!("its class is {class}, not {}; it is left as it is", options.ingress_class);
                remarks.push(object.remark(Severity::Note, "spec.ingressClassName", message));
            }
            Some(_) | None => found.push(one(objects, object, options)),
        }
    }
    found
}

/// The same Ingress for our class, without what was Traefik's.
pub(super) fn of_our_class(object: &Object, class: &str) -> Value {
    let mut value = object.value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| ["name", "namespace", "labels", "annotations"].contains(&name.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            let is_other = |name: &str| !name.starts_with(PREFIX) && name != CLASS_ANNOTATION;
            annotations.retain(|name, _| is_other(name) && name != "kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    if let Some(spec) = value.get_mut("spec") {
        super::middleware::put(spec, "ingressClassName", json!(class));
    }
    value
}

fn one<'o>(objects: &'o Objects, object: &'o Object, options: &Options) -> Translated<'o> {
    let mut remarks = Vec::new();
    let needs_routes = object.annotations().any(|(name, _)| name.starts_with(PREFIX));
    let paths = paths(object);
    let mut routes = Vec::new();
    for path in &paths {
        routes.extend(route(objects, object, options, path, &mut remarks));
    }
    if needs_routes {
        other_annotations(object, &mut remarks);
        if object.spec().get("tls").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            let message = "its certificates stay where they are: keep an Ingress with spec.tls for them, or give a default certificate";
            remarks.push(object.remark(Severity::Note, "spec.tls", message));
        }
    }
    Translated { object, routes, needs_routes, remarks }
}

/// A path of an Ingress: its rule in Traefik's language, its priority, its backend.
struct Path<'o> {
    place: String,
    rule: String,
    priority: Option<i64>,
    backend: Option<&'o Value>,
}

/// As Traefik's provider writes the rules.
fn paths(object: &Object) -> Vec<Path<'_>> {
    let spec = object.spec();
    let mut found = Vec::new();
    let rules = spec.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        let host = rule.get("host").and_then(Value::as_str).unwrap_or_default();
        let paths = rule.pointer("/http/paths").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (at, path) in paths.iter().enumerate() {
            let mut parts = Vec::new();
            if !host.is_empty() {
                parts.push(format!("Host(`{host}`)"));
            }
            let text = path.get("path").and_then(Value::as_str).filter(|text| !text.is_empty());
            let matcher = match path.get("pathType").and_then(Value::as_str) {
                Some("Exact") => "Path",
                Some("Prefix") => "PathPrefix",
                _ => object.annotation(&format!("{PREFIX}router.pathmatcher")).unwrap_or("PathPrefix"),
            };
            parts.extend(text.map(|text| format!("{matcher}(`{text}`)")));
            if parts.is_empty() {
                parts.push("PathPrefix(`/`)".to_owned());
            }
            let place = format!("spec.rules[{index}].http.paths[{at}]");
            found.push(Path { place, rule: parts.join(" && "), priority: None, backend: path.get("backend") });
        }
    }
    if let Some(backend) = spec.get("defaultBackend") {
        // Behind everything else.
        let (place, rule) = ("spec.defaultBackend".to_owned(), "PathPrefix(`/`)".to_owned());
        found.push(Path { place, rule, priority: Some(i64::from(i32::MIN)), backend: Some(backend) });
    }
    found
}

fn route(
    objects: &Objects,
    object: &Object,
    options: &Options,
    path: &Path<'_>,
    remarks: &mut Vec<Remark>,
) -> Option<Route> {
    let annotation = |name: &str| object.annotation(&format!("{PREFIX}{name}"));
    let is_path_2 = annotation("router.rulesyntax") == Some("v2");
    let syntax = if is_path_2 { Syntax::V2 } else { Syntax::V3 };
    let matching = match rule::parse(&path.rule).and_then(|expression| translate(&expression, syntax)) {
        Ok(matching) => matching,
        Err(error) => {
            remarks.push(object.remark(Severity::Mistake, &path.place, error.to_string()));
            return None;
        }
    };
    let mut filters = Filters::default();
    for name in annotation("router.middlewares").into_iter().flat_map(|list| list.split(',')).map(str::trim) {
        if !name.is_empty() {
            filters.add_joined(objects, name, object, "metadata.annotations router.middlewares");
        }
    }
    remarks.append(&mut filters.remarks);
    let mut list = filters.filters;
    let backend = path.backend.and_then(|backend| backend.get("service"));
    let backends =
        backend.map(|service| service_of(objects, object, service, &path.place, remarks)).unwrap_or_default();
    if backend.is_none() {
        let message = "its backend is no Service; the route refuses";
        remarks.push(object.remark(Severity::NoCounterpart, &format!("{}.backend", path.place), message));
    }
    if backends.is_empty() && !list.iter().any(|filter| filter.get("refuse").is_some()) {
        list.push(json!({"refuse": {"status": 503, "reason": "No service of this route could be migrated."}}));
    }
    let has_tls = annotation("router.tls") == Some("true");
    let entry_points: Vec<&str> =
        annotation("router.entrypoints").into_iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    let schemes = options.schemes(&entry_points, has_tls, |name| {
        let message =
            format!("whether the entry point {name} speaks TLS is not known; say --entrypoint {name}=https if it does");
        remarks.push(object.remark(Severity::Note, "metadata.annotations router.entrypoints", message));
    });
    let given =
        annotation("router.priority").and_then(|text| text.parse::<i64>().ok()).filter(|priority| *priority != 0);
    let length = i64::try_from(path.rule.len()).unwrap_or(i64::MAX);
    Some(Route {
        origin: format!("{}: Ingress {}/{} {}: {}", object.file, object.namespace, object.name, path.place, path.rule),
        hosts: matching.hosts,
        wanted: matching.wanted,
        schemes,
        priority: path.priority.or(given).unwrap_or(length),
        guarded: filters.guards,
        filters: list,
        backends,
    })
}

/// The backend, with what the annotations of its Service say.
fn service_of(
    objects: &Objects,
    object: &Object,
    service: &Value,
    place: &str,
    remarks: &mut Vec<Remark>,
) -> Vec<Value> {
    let name = service.get("name").and_then(Value::as_str).unwrap_or_default();
    let number = service.pointer("/port/number").or_else(|| service.pointer("/port/name")).cloned();
    let mut as_listed = json!({"name": name, "port": number});
    if let Some(known) = objects.find("Service", &object.namespace, name) {
        if let Some(scheme) = known.annotation(&format!("{PREFIX}service.serversscheme")) {
            super::middleware::put(&mut as_listed, "scheme", json!(scheme));
        }
        for (name, _) in known.annotations().filter(|(name, _)| name.starts_with(PREFIX)) {
            if name.ends_with("service.middlewares") {
                let message =
                    "a service's own middlewares are not translated, and they may guard it; put them to the route";
                remarks.push(known.remark(Severity::Refused, name, message));
                return Vec::new();
            }
            if !name.ends_with("serversscheme") {
                remarks.push(known.remark(Severity::NoCounterpart, name, "it has no effect here"));
            }
        }
    }
    let backends = Backends::read(objects, object, Some(&json!([as_listed])), &format!("{place}.backend.service"));
    remarks.extend(backends.remarks);
    backends.backends
}

fn other_annotations(object: &Object, remarks: &mut Vec<Remark>) {
    const DONE: [&str; 6] = [
        "router.entrypoints",
        "router.middlewares",
        "router.priority",
        "router.rulesyntax",
        "router.pathmatcher",
        "router.tls",
    ];
    for (name, _) in object.annotations() {
        let Some(short) = name.strip_prefix(PREFIX).filter(|short| !DONE.contains(short)) else { continue };
        let message = match short {
            "router.tls.certresolver" => "certificates are not asked for by the gateway; let cert-manager make them",
            "router.tls.options" => {
                "versions and ciphers of TLS are the gateway's own, and it asks for no client certificates"
            }
            _ => "it has no effect here",
        };
        remarks.push(object.remark(Severity::NoCounterpart, name, message));
    }
}
