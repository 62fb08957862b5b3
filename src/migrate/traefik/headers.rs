//! The Headers middleware: fields, security headers, CORS.

use super::super::Severity;
use super::middleware::{Filters, put, texts};
use super::objects::Object;
use serde_json::{Map, Value, json};

/// Adds what `spec` does to `into`.
pub(super) fn translate(into: &mut Filters, object: &Object, spec: &Value) {
    cors(into, spec);
    request(into, object, spec);
    let mut response = Changes::of(spec.get("customResponseHeaders"));
    security(&mut response, spec);
    into.filters.extend(response.filter("responseHeaders"));
    guards(into, object, spec);
}

/// Fields to set and to remove. An empty value removes, as Traefik has it.
#[derive(Default)]
struct Changes {
    set: Map<String, Value>,
    remove: Vec<String>,
}

impl Changes {
    fn of(fields: Option<&Value>) -> Self {
        let mut changes = Self::default();
        for (name, value) in fields.and_then(Value::as_object).into_iter().flatten() {
            match value.as_str().unwrap_or_default() {
                "" => changes.remove.push(name.to_ascii_lowercase()),
                value => changes.set(name, value),
            }
        }
        changes
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.set.insert(name.to_ascii_lowercase(), Value::String(value.into()));
    }

    fn filter(self, kind: &str) -> Option<Value> {
        let mut changes = json!({});
        if !self.set.is_empty() {
            put(&mut changes, "set", Value::Object(self.set));
        }
        if !self.remove.is_empty() {
            put(&mut changes, "remove", json!(self.remove));
        }
        (changes != json!({})).then(|| json!({ kind: changes }))
    }
}

fn request(into: &mut Filters, object: &Object, spec: &Value) {
    let mut changes = Changes::of(spec.get("customRequestHeaders"));
    if let Some(Value::String(host)) = changes.set.remove("host") {
        into.filters.push(json!({"host": host}));
    }
    let kept = |name: &str| name.parse().is_ok_and(|name| !crate::routing::is_changeable(&name));
    let names: Vec<String> = changes.set.keys().chain(&changes.remove).filter(|name| kept(name)).cloned().collect();
    for name in names {
        changes.set.remove(&name);
        changes.remove.retain(|removed| *removed != name);
        let field = format!("spec.headers.customRequestHeaders.{name}");
        into.remarks.push(object.remark(Severity::NoCounterpart, &field, "no filter changes this field"));
    }
    into.filters.extend(changes.filter("requestHeaders"));
}

fn security(response: &mut Changes, spec: &Value) {
    let flag = |name: &str| spec.get(name).and_then(Value::as_bool) == Some(true);
    let text = |name: &str| spec.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(seconds) = spec.get("stsSeconds").and_then(Value::as_u64).filter(|seconds| *seconds > 0) {
        let domains = if flag("stsIncludeSubdomains") { "; includeSubDomains" } else { "" };
        let preload = if flag("stsPreload") { "; preload" } else { "" };
        response.set("strict-transport-security", format!("max-age={seconds}{domains}{preload}"));
    }
    let switched = [
        ("frameDeny", "x-frame-options", "DENY"),
        ("contentTypeNosniff", "x-content-type-options", "nosniff"),
        ("browserXssFilter", "x-xss-protection", "1; mode=block"),
    ];
    for (name, field, value) in switched.into_iter().filter(|(name, ..)| flag(name)) {
        let _ = name;
        response.set(field, value);
    }
    let given = [
        ("customFrameOptionsValue", "x-frame-options"),
        ("customBrowserXSSValue", "x-xss-protection"),
        ("contentSecurityPolicy", "content-security-policy"),
        ("contentSecurityPolicyReportOnly", "content-security-policy-report-only"),
        ("referrerPolicy", "referrer-policy"),
        ("permissionsPolicy", "permissions-policy"),
    ];
    for (name, field) in given {
        if let Some(value) = text(name) {
            response.set(field, value);
        }
    }
}

fn cors(into: &mut Filters, spec: &Value) {
    let mut cors = json!({});
    for (theirs, ours) in [
        ("accessControlAllowOriginList", "origins"),
        ("accessControlAllowOriginListRegex", "originsRegex"),
        ("accessControlAllowMethods", "methods"),
        ("accessControlAllowHeaders", "headers"),
        ("accessControlExposeHeaders", "expose"),
    ] {
        let list = texts(spec, theirs);
        if !list.is_empty() {
            put(&mut cors, ours, json!(list));
        }
    }
    if cors == json!({}) {
        return;
    }
    for (theirs, ours) in [("accessControlAllowCredentials", "credentials"), ("addVaryHeader", "vary")] {
        if spec.get(theirs).and_then(Value::as_bool) == Some(true) {
            put(&mut cors, ours, json!(true));
        }
    }
    if let Some(seconds) = spec.get("accessControlMaxAge").and_then(Value::as_u64) {
        put(&mut cors, "maxAgeSeconds", json!(seconds));
    }
    into.filters.push(json!({"cors": cors}));
}

/// What is left: `allowedHosts` guards, the rest has no effect.
fn guards(into: &mut Filters, object: &Object, spec: &Value) {
    const DONE: [&str; 23] = [
        "customRequestHeaders",
        "customResponseHeaders",
        "stsSeconds",
        "stsIncludeSubdomains",
        "stsPreload",
        "forceSTSHeader",
        "frameDeny",
        "contentTypeNosniff",
        "browserXssFilter",
        "customFrameOptionsValue",
        "customBrowserXSSValue",
        "contentSecurityPolicy",
        "contentSecurityPolicyReportOnly",
        "referrerPolicy",
        "permissionsPolicy",
        "accessControlAllowOriginList",
        "accessControlAllowOriginListRegex",
        "accessControlAllowMethods",
        "accessControlAllowHeaders",
        "accessControlExposeHeaders",
        "accessControlAllowCredentials",
        "addVaryHeader",
        "accessControlMaxAge",
    ];
    if !texts(spec, "allowedHosts").is_empty() {
        let message = "a rule takes its own hosts alone here; write the route for them, then take the refusal out";
        let remark = object.remark(Severity::Refused, "spec.headers.allowedHosts", message);
        into.refuse(403, "The list of hosts of this route could not be migrated.", remark);
    }
    let known: Vec<&str> = DONE.into_iter().chain(["allowedHosts"]).collect();
    into.note_other(object, spec, "spec.headers", &known);
}
