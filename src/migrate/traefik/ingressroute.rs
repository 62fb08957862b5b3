//! IngressRoute: one route of ours for each of its routes.

use super::super::{Remark, Severity};
use super::matching::{Hosts, Matching, Syntax, at_least, translate};
use super::middleware::Filters;
use super::objects::{Object, Objects};
use super::rule;
use super::service::Backends;
use super::{Options, Route, Schemes, tls};
use serde_json::{Value, json};

/// Translates all of them.
pub(super) fn all(objects: &Objects, options: &Options, remarks: &mut Vec<Remark>) -> Vec<Route> {
    let mut routes = Vec::new();
    for object in objects.of_kind("IngressRoute") {
        let spec = object.spec();
        if let Some(class) = objects.foreign_class(object, &options.ingress_class) {
            let message = format!("its class is {class}, not {}; it is left as it is", options.ingress_class);
            remarks.push(object.remark(Severity::Note, "spec.ingressClassName", message));
            continue;
        }
        other_fields(object, "spec", spec, &FIELDS, remarks);
        for name in object.annotations_of_others() {
            remarks.push(object.remark(Severity::Note, name, super::OTHERS));
        }
        let schemes = schemes(object, options, remarks);
        let refusal = tls::refusal(objects, object, spec.get("tls"), remarks);
        if spec.get("parentRefs").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            let message =
                "routes below routes are not translated; write the parent's matchers and middlewares into this one";
            remarks.push(object.remark(Severity::Mistake, "spec.parentRefs", message));
            continue;
        }
        let list = spec.get("routes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() {
            remarks.push(object.remark(Severity::Mistake, "spec.routes", "it has no routes"));
        }
        for (index, route) in list.iter().enumerate() {
            let reader = Reader { objects, options, object, place: format!("spec.routes[{index}]"), remarks };
            routes.extend(reader.route(route, schemes, refusal.as_ref()));
        }
    }
    routes
}

/// By the documentation a router with `tls` takes HTTPS alone, and one without takes what its entry points are for.
fn schemes(object: &Object, options: &Options, remarks: &mut Vec<Remark>) -> Schemes {
    let spec = object.spec();
    let names: Vec<&str> = super::middleware::texts(spec, "entryPoints");
    let has_tls = spec.get("tls").is_some_and(|tls| !tls.is_null());
    if names.is_empty() && !has_tls {
        remarks.push(object.remark(Severity::Note, "spec.entryPoints", super::NO_ENTRY_POINT));
    }
    options.schemes(&names, has_tls, |name| {
        let message =
            format!("whether the entry point {name} speaks TLS is not known; say --entrypoint {name}=https if it does");
        remarks.push(object.remark(Severity::Note, "spec.entryPoints", message));
    })
}

const FIELDS: [&str; 5] = ["ingressClassName", "entryPoints", "routes", "tls", "parentRefs"];
const ROUTE_FIELDS: [&str; 6] = ["match", "kind", "priority", "syntax", "services", "middlewares"];

/// Remarks each field of `value` that is none of `known`.
fn other_fields(object: &Object, place: &str, value: &Value, known: &[&str], remarks: &mut Vec<Remark>) {
    for (name, _) in value.as_object().into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str())) {
        let message = match name.as_str() {
            "observability" => "what is logged, counted and traced is said for the whole gateway",
            _ => "it has no effect here",
        };
        remarks.push(object.remark(Severity::NoCounterpart, &format!("{place}.{name}"), message));
    }
}

struct Reader<'r> {
    objects: &'r Objects,
    options: &'r Options,
    object: &'r Object,
    place: String,
    remarks: &'r mut Vec<Remark>,
}

impl Reader<'_> {
    fn route(mut self, route: &Value, schemes: Schemes, refusal: Option<&Value>) -> Option<Route> {
        let text = route.get("match").and_then(Value::as_str).unwrap_or_default();
        other_fields(self.object, &self.place, route, &ROUTE_FIELDS, self.remarks);
        if let Some(kind) = route.get("kind").and_then(Value::as_str).filter(|kind| !["", "Rule"].contains(kind)) {
            let message = format!("{kind} is no kind of a route; Traefik knows Rule alone, and leaves this one out");
            self.remarks.push(self.object.remark(Severity::Mistake, &self.field("kind"), message));
            return None;
        }
        let mut filters = self.filters(route, schemes, refusal);
        let mut backends = Backends::read(self.objects, self.object, route.get("services"), &self.field("services"));
        if let Some(remark) = backends.guarded.take() {
            filters.refuse(403, "A middleware of this route's service could not be migrated.", remark);
        }
        self.remarks.append(&mut filters.remarks);
        self.remarks.append(&mut backends.remarks);
        let matching = self.matching(text, self.syntax(route), &mut filters)?;
        let answers = filters.filters.iter().any(|filter| filter.get("refuse").is_some());
        if backends.backends.is_empty() && !answers {
            // Without it a wider route would take these requests.
            let refusal = json!({"refuse": {"status": 503, "reason": "No service of this route could be migrated."}});
            filters.filters.push(refusal);
        }
        // By its length, as Traefik has it, unless it says something.
        let priority = match route.get("priority").and_then(Value::as_i64) {
            None | Some(0) => i64::try_from(text.len()).unwrap_or(i64::MAX),
            Some(priority) => priority,
        };
        let Object { file, namespace, name, .. } = self.object;
        Some(Route {
            origin: format!("{file}: IngressRoute {namespace}/{name} {}: {text}", self.place),
            hosts: matching.hosts,
            wanted: matching.wanted,
            schemes,
            priority,
            guarded: filters.guards,
            filters: filters.filters,
            backends: backends.backends,
        })
    }

    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    fn filters(&mut self, route: &Value, schemes: Schemes, refusal: Option<&Value>) -> Filters {
        let mut filters = Filters::of(schemes);
        filters.filters.extend(refusal.cloned());
        filters.guards = refusal.is_some();
        for (index, reference) in route.get("middlewares").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let part = |name: &str| reference.get(name).and_then(Value::as_str);
            let namespace = part("namespace").unwrap_or(&self.object.namespace);
            let place = self.field(&format!("middlewares[{index}]"));
            filters.add(self.objects, namespace, part("name").unwrap_or_default(), self.object, &place);
        }
        if route.get("services").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            let message = "it names no service; what its middlewares do not answer is refused";
            self.remarks.push(self.object.remark(Severity::Note, &self.field("services"), message));
        }
        filters
    }

    /// What the route takes, as far as it can be said; where that is not all of it, `filters` refuse.
    fn matching(&mut self, text: &str, syntax: Syntax, filters: &mut Filters) -> Option<Matching> {
        let read = rule::parse(text).map_err(|error| (error, None)).and_then(|expression| {
            translate(&expression, syntax).map_err(|error| (error, at_least(&expression, syntax)))
        });
        let matching = match read {
            Ok(matching) => matching,
            Err((error, rest)) => {
                self.remarks.push(self.object.remark(Severity::Mistake, &self.field("match"), error.to_string()));
                filters.refuse_unread(self.object, &self.field("match"), rest.is_some());
                self.remarks.append(&mut filters.remarks);
                rest.filter(|_| filters.guards)?
            }
        };
        if matching.hosts == Hosts::These(Default::default()) {
            let message = "no host can match this rule; it is left out";
            self.remarks.push(self.object.remark(Severity::Note, &self.field("match"), message));
            return None;
        }
        Some(matching)
    }

    fn syntax(&self, route: &Value) -> Syntax {
        match (route.get("syntax").and_then(Value::as_str), self.is_of_version_2()) {
            (Some("v2"), _) | (None, true) => Syntax::V2,
            (Some(_), _) => Syntax::V3,
            (None, false) => self.options.syntax,
        }
    }

    /// Objects of the old group were written for version 2.
    fn is_of_version_2(&self) -> bool {
        let version = self.object.value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        version.starts_with("traefik.containo.us/")
    }
}
