//! Ingress: one that uses nothing of Traefik's own stays an Ingress, with our class; the rest becomes routes.

use super::super::{Remark, Severity};
use super::matching::{Syntax, at_least, translate};
use super::middleware::Filters;
use super::objects::{CLASS_ANNOTATION, Object, Objects};
use super::rule;
use super::service::{Backends, implied_scheme};
use super::{Options, Route, Schemes, tls};
use serde_json::{Value, json};

const PREFIX: &str = "traefik.ingress.kubernetes.io/";

/// An Ingress that is Traefik's, and the routes that it would become.
pub(super) struct Translated<'o> {
    pub(super) object: &'o Object,
    pub(super) routes: Vec<Route>,
    /// Whether it uses what an Ingress alone does not say.
    pub(super) needs_routes: bool,
    /// What is said of it, whatever it becomes.
    pub(super) remarks: Vec<Remark>,
    /// What is said besides if it becomes routes.
    pub(super) of_routes: Vec<Remark>,
}

/// Translates all of them.
pub(super) fn all<'o>(objects: &'o Objects, options: &Options, remarks: &mut Vec<Remark>) -> Vec<Translated<'o>> {
    let mut found = Vec::new();
    for object in objects.of_kind("Ingress") {
        match objects.foreign_class(object, &options.ingress_class) {
            Some(class) => {
                let message = format!("its class is {class}, not {}; it is left as it is", options.ingress_class);
                remarks.push(object.remark(Severity::Note, "spec.ingressClassName", message));
            }
            None => found.push(one(objects, object, options)),
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
    let (mut remarks, mut of_routes) = (Vec::new(), Vec::new());
    let syntax = match said(object, "router.rulesyntax") {
        Some("v2") => Syntax::V2,
        Some(_) => Syntax::V3,
        None => options.syntax,
    };
    let paths = paths(object, syntax);
    let is_own = object.annotations().any(|(name, _)| name.starts_with(PREFIX));
    let needs_routes = is_own || paths.iter().any(|path| is_special(objects, object, path));
    let refusal = has_tls(object)
        .then(|| tls::refusal_of_annotation(objects, object, said(object, "router.tls.options"), &mut remarks))
        .flatten();
    let mut routes = Vec::new();
    for path in &paths {
        let reader = Reader { objects, object, options, syntax, refusal: refusal.as_ref() };
        routes.extend(reader.route(path, &mut remarks));
    }
    other_annotations(object, &mut remarks);
    if said(object, "router.entrypoints").is_none() && !has_tls(object) {
        of_routes.push(object.remark(Severity::Note, "metadata.annotations", super::NO_ENTRY_POINT));
    }
    let spec = object.spec();
    if spec.get("tls").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        let message = "its certificates stay where they are: keep an Ingress with spec.tls for them, or give a default certificate";
        of_routes.push(object.remark(Severity::Note, "spec.tls", message));
    }
    for name in object.annotations_of_others() {
        of_routes.push(object.remark(Severity::Note, name, super::OTHERS));
    }
    if spec.get("defaultBackend").is_some() && has_rules(object) {
        let message = "Traefik takes no default backend beside rules, and neither does the file of routes";
        of_routes.push(object.remark(Severity::Note, "spec.defaultBackend", message));
    }
    Translated { object, routes, needs_routes, remarks, of_routes }
}

/// The value of one of Traefik's annotations: it reads their names in any case.
fn said<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    let is_it = |key: &str| key.strip_prefix(PREFIX).is_some_and(|short| short.eq_ignore_ascii_case(name));
    object.annotations().find(|(key, _)| is_it(key)).and_then(|(_, value)| value.as_str())
}

/// A router has TLS if anything is said of it.
fn has_tls(object: &Object) -> bool {
    let below =
        |key: &str| key.strip_prefix(PREFIX).is_some_and(|short| short.to_ascii_lowercase().starts_with("router.tls."));
    said(object, "router.tls").is_some_and(|text| text != "false") || object.annotations().any(|(key, _)| below(key))
}

fn has_rules(object: &Object) -> bool {
    object.spec().get("rules").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty())
}

/// Whether Traefik takes from a path's Service what an Ingress does not say, and a route does.
fn is_special(objects: &Objects, object: &Object, path: &Path<'_>) -> bool {
    let Some(service) = path.backend.and_then(|backend| backend.get("service")) else { return false };
    let name = service.get("name").and_then(Value::as_str).unwrap_or_default();
    let known = objects.find("Service", &object.namespace, name);
    let port = service.pointer("/port/number").or_else(|| service.pointer("/port/name")).unwrap_or(&Value::Null);
    let says = |name: &str| known.is_some_and(|known| said(known, name).is_some());
    says("service.serversscheme") || says("service.middlewares") || implied_scheme(known, port) != "http"
}

/// A path of an Ingress: its rule in Traefik's language, its priority, its backend.
struct Path<'o> {
    place: String,
    rule: String,
    priority: Option<i64>,
    backend: Option<&'o Value>,
}

/// As Traefik's provider writes the rules.
fn paths(object: &Object, syntax: Syntax) -> Vec<Path<'_>> {
    let spec = object.spec();
    let mut found = Vec::new();
    let rules = spec.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        let host = rule.get("host").and_then(Value::as_str).unwrap_or_default();
        let paths = rule.pointer("/http/paths").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (at, path) in paths.iter().enumerate() {
            let mut parts = Vec::new();
            match (host.strip_prefix("*."), syntax) {
                _ if host.is_empty() => {}
                (Some(parent), Syntax::V2) => {
                    parts.push(format!("HostRegexp({})", quoted(&format!("{{subdomain:[a-zA-Z0-9-]+}}.{parent}"))));
                }
                (Some(_) | None, _) => parts.push(format!("Host({})", quoted(host))),
            }
            let text = path.get("path").and_then(Value::as_str).filter(|text| !text.is_empty());
            let matcher = match path.get("pathType").and_then(Value::as_str) {
                Some("Exact") => "Path",
                Some("Prefix") => "PathPrefix",
                _ => said(object, "router.pathmatcher").unwrap_or("PathPrefix"),
            };
            parts.extend(text.map(|text| format!("{matcher}({})", quoted(text))));
            if parts.is_empty() {
                parts.push("PathPrefix(`/`)".to_owned());
            }
            let place = format!("spec.rules[{index}].http.paths[{at}]");
            found.push(Path { place, rule: parts.join(" && "), priority: None, backend: path.get("backend") });
        }
    }
    if let Some(backend) = spec.get("defaultBackend").filter(|_| !has_rules(object)) {
        // Behind everything else.
        let (place, rule) = ("spec.defaultBackend".to_owned(), "PathPrefix(`/`)".to_owned());
        found.push(Path { place, rule, priority: Some(i64::from(i32::MIN)), backend: Some(backend) });
    }
    found
}

/// A text of the rule language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Reader<'o> {
    objects: &'o Objects,
    object: &'o Object,
    options: &'o Options,
    syntax: Syntax,
    refusal: Option<&'o Value>,
}

impl Reader<'_> {
    fn route(&self, path: &Path<'_>, remarks: &mut Vec<Remark>) -> Option<Route> {
        let object = self.object;
        let schemes = self.schemes(remarks);
        let mut filters = Filters::of(schemes);
        filters.filters.extend(self.refusal.cloned());
        filters.guards = self.refusal.is_some();
        for name in list(said(object, "router.middlewares")) {
            filters.add_joined(self.objects, name, object, "metadata.annotations router.middlewares");
        }
        let read = rule::parse(&path.rule).map_err(|error| (error, None)).and_then(|expression| {
            translate(&expression, self.syntax).map_err(|error| (error, at_least(&expression, self.syntax)))
        });
        let matching = match read {
            Ok(matching) => matching,
            Err((error, rest)) => {
                remarks.push(object.remark(Severity::Mistake, &path.place, error.to_string()));
                filters.refuse_unread(object, &path.place, rest.is_some());
                remarks.append(&mut filters.remarks);
                rest.filter(|_| filters.guards)?
            }
        };
        remarks.append(&mut filters.remarks);
        let mut list = filters.filters;
        let backend = path.backend.and_then(|backend| backend.get("service"));
        let backends =
            backend.map(|service| service_of(self.objects, object, service, &path.place, remarks)).unwrap_or_default();
        if backend.is_none() {
            let message = "its backend is no Service; the route refuses";
            remarks.push(object.remark(Severity::NoCounterpart, &format!("{}.backend", path.place), message));
        }
        if backends.is_empty() && !list.iter().any(|filter| filter.get("refuse").is_some()) {
            list.push(json!({"refuse": {"status": 503, "reason": "No service of this route could be migrated."}}));
        }
        let given =
            said(object, "router.priority").and_then(|text| text.parse::<i64>().ok()).filter(|priority| *priority != 0);
        let length = i64::try_from(path.rule.len()).unwrap_or(i64::MAX);
        let Object { file, namespace, name, .. } = object;
        Some(Route {
            origin: format!("{file}: Ingress {namespace}/{name} {}: {}", path.place, path.rule),
            hosts: matching.hosts,
            wanted: matching.wanted,
            schemes,
            priority: path.priority.or(given).unwrap_or(length),
            guarded: filters.guards,
            filters: list,
            backends,
        })
    }

    fn schemes(&self, remarks: &mut Vec<Remark>) -> Schemes {
        let names: Vec<&str> = list(said(self.object, "router.entrypoints")).collect();
        self.options.schemes(&names, has_tls(self.object), |name| {
            let message = format!(
                "whether the entry point {name} speaks TLS is not known; say --entrypoint {name}=https if it does"
            );
            remarks.push(self.object.remark(Severity::Note, "metadata.annotations router.entrypoints", message));
        })
    }
}

/// The items of an annotation.
fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|list| list.split(',')).map(str::trim).filter(|item| !item.is_empty())
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
        if let Some(scheme) = said(known, "service.serversscheme") {
            super::middleware::put(&mut as_listed, "scheme", json!(scheme));
        }
        for (name, _) in known.annotations().filter(|(name, _)| name.starts_with(PREFIX)) {
            let short = name.to_ascii_lowercase();
            if short.ends_with("service.middlewares") {
                let message =
                    "a service's own middlewares are not translated, and they may guard it; put them to the route";
                remarks.push(known.remark(Severity::Refused, name, message));
                return Vec::new();
            }
            let message = match short.strip_prefix(PREFIX).unwrap_or_default() {
                "service.serversscheme" => continue,
                "service.passhostheader" if known.annotation(name) == Some("true") => continue,
                "service.passhostheader" => "the backend gets the client's Host; a filter host can give it a fixed one",
                "service.nativelb" | "service.nodeportlb" => "requests go to the pods themselves",
                "service.serverstransport" => "connections to backends are plain HTTP with the gateway's own deadlines",
                sticky if sticky.starts_with("service.sticky") => "a client is not kept to one endpoint",
                _ => "it has no effect here",
            };
            remarks.push(known.remark(Severity::NoCounterpart, name, message));
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
        let Some(short) = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
        let message = match short.as_str() {
            short if DONE.contains(&short) => continue,
            "router.tls.certresolver" => "certificates are not asked for by the gateway; let cert-manager make them",
            "router.tls.options" => "versions and ciphers of TLS are the gateway's own: TLS 1.2 and 1.3",
            _ => "it has no effect here",
        };
        remarks.push(object.remark(Severity::NoCounterpart, name, message));
    }
}
