//! The Headers middleware: fields, security headers, CORS.

use super::super::Severity;
use super::middleware::{Filters, put, texts};
use super::objects::Object;
use serde_json::{Map, Value, json};

/// Adds what `spec` does to `into`.
pub(super) fn translate(into: &mut Filters, object: &Object, spec: &Value) {
    cors(into, object, spec);
    request(into, object, spec);
    let mut response = Changes::of(spec.get("customResponseHeaders"));
    response.drop_unchangeable(into, object, "customResponseHeaders");
    security(&mut response, spec, into.plain);
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

    /// Leaves out what no filter changes, with a line for each.
    fn drop_unchangeable(&mut self, into: &mut Filters, object: &Object, list: &str) {
        let kept = |name: &str| name.parse().is_ok_and(|name| !crate::routing::is_changeable(&name));
        let names: Vec<String> = self.set.keys().chain(&self.remove).filter(|name| kept(name)).cloned().collect();
        for name in names {
            self.set.remove(&name);
            self.remove.retain(|removed| *removed != name);
            let field = format!("spec.headers.{list}.{name}");
            into.remarks.push(object.remark(Severity::NoCounterpart, &field, "no filter changes this field"));
        }
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
    changes.drop_unchangeable(into, object, "customRequestHeaders");
    into.filters.extend(changes.filter("requestHeaders"));
}

fn security(response: &mut Changes, spec: &Value, is_plain: bool) {
    let flag = |name: &str| spec.get(name).and_then(Value::as_bool) == Some(true);
    let text = |name: &str| spec.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // To a client of plain HTTP it is not sent, unless that is forced (RFC 6797, section 7.2).
    let is_sent = !is_plain || flag("forceSTSHeader");
    if let Some(seconds) = spec.get("stsSeconds").and_then(Value::as_u64).filter(|seconds| *seconds > 0 && is_sent) {
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

fn cors(into: &mut Filters, object: &Object, spec: &Value) {
    let mut cors = json!({});
    for (theirs, ours) in [
        ("accessControlAllowOriginList", "origins"),
        ("accessControlAllowOriginListRegex", "originsRegex"),
        ("accessControlAllowMethods", "methods"),
        ("accessControlAllowHeaders", "headers"),
        ("accessControlExposeHeaders", "expose"),
    ] {
        // A regular expression may have a comma; of the rest, each item may be a list.
        let parts = |text: &'_ str| -> Vec<String> {
            match ours {
                "originsRegex" => vec![text.to_owned()],
                _ => text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            }
        };
        let list: Vec<String> = texts(spec, theirs).into_iter().flat_map(parts).collect();
        if !list.is_empty() {
            put(&mut cors, ours, json!(list));
        }
    }
    for (theirs, ours) in [("accessControlAllowCredentials", "credentials"), ("addVaryHeader", "vary")] {
        if spec.get(theirs).and_then(Value::as_bool) == Some(true) {
            put(&mut cors, ours, json!(true));
        }
    }
    if let Some(seconds) = spec.get("accessControlMaxAge").filter(|seconds| !seconds.is_null()) {
        match seconds.as_u64() {
            Some(seconds) => put(&mut cors, "maxAgeSeconds", json!(seconds)),
            None => {
                let message =
                    "it is no number of seconds from 0 on; a browser decides itself how long the answer holds";
                let field = "spec.headers.accessControlMaxAge";
                into.remarks.push(object.remark(Severity::NoCounterpart, field, message));
            }
        }
    }
    if cors == json!({}) {
        return;
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
