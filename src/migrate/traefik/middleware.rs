//! Middlewares as filters. One that guards a route and has no counterpart becomes a refusal: never an open route.

use super::super::{Remark, Severity};
use super::Schemes;
use super::headers;
use super::objects::{Object, Objects};
use serde_json::{Value, json};

/// What becomes of the middlewares of a route.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) filters: Vec<Value>,
    pub(super) remarks: Vec<Remark>,
    /// Whether some filter keeps clients out.
    pub(super) guards: bool,
    /// Whether the route takes plain HTTP alone.
    pub(super) plain: bool,
}

/// A chain may name chains.
const MAX_CHAIN: usize = 8;
/// The most that comes of the middlewares of a route: chains of chains could go on for ever.
const MAX_PARTS: usize = 256;

impl Filters {
    /// Those of a route for `schemes`.
    pub(super) fn of(schemes: Schemes) -> Self {
        Self { plain: schemes == Schemes::Http, ..Self::default() }
    }

    /// The route refuses: what would guard it has no counterpart.
    pub(super) fn refuse(&mut self, status: u16, reason: &str, remark: Remark) {
        self.filters.push(json!({"refuse": {"status": status, "reason": reason}}));
        self.guards = true;
        self.remarks.push(remark);
    }

    /// The rule that these would have guarded cannot be said whole: all that it may take is refused, if that can be said.
    pub(super) fn refuse_unread(&mut self, user: &Object, field: &str, can_be_said: bool) {
        if self.guards && can_be_said {
            let message = "it guards what cannot be told from the rest of its hosts, so that rest refuses too; write the rule in another way";
            let remark = user.remark(Severity::Refused, field, message);
            self.filters.clear();
            self.refuse(503, "The rule of this route could not be migrated.", remark);
        }
    }

    /// Adds the Middleware `namespace/name`, which `user` names in `field`.
    pub(super) fn add(&mut self, objects: &Objects, namespace: &str, name: &str, user: &Object, field: &str) {
        self.nested(objects, (namespace, name), (user, field), 0);
    }

    /// Adds one that an annotation or a route names as `NAMESPACE-NAME@kubernetescrd`.
    pub(super) fn add_joined(&mut self, objects: &Objects, joined: &str, user: &Object, field: &str) {
        let (id, provider) = joined.split_once('@').unwrap_or((joined, "kubernetescrd"));
        let found = objects.of_kind("Middleware").find(|known| format!("{}-{}", known.namespace, known.name) == id);
        match found.filter(|_| provider == "kubernetescrd") {
            Some(known) => self.add(objects, &known.namespace, &known.name, user, field),
            None => self.missing(joined, user, field),
        }
    }

    fn missing(&mut self, name: &str, user: &Object, field: &str) {
        let message = format!(
            "the middleware {name} is not among the files, and it may guard the route; give its file too, or take it out"
        );
        let remark = user.remark(Severity::Refused, field, message);
        self.refuse(403, "A middleware of this route was not among the files that were migrated.", remark);
    }

    fn nested(&mut self, objects: &Objects, (namespace, name): (&str, &str), user: (&Object, &str), depth: usize) {
        if name.contains('@') {
            return self.add_joined(objects, name, user.0, user.1);
        }
        let Some(middleware) = objects.find("Middleware", namespace, name) else {
            return self.missing(&format!("{namespace}/{name}"), user.0, user.1);
        };
        let parts: Vec<(&String, &Value)> = middleware.spec().as_object().into_iter().flatten().collect();
        if self.filters.len() + self.remarks.len() > MAX_PARTS {
            if !self.filters.iter().any(|filter| filter.get("refuse").is_some()) {
                let remark = middleware.remark(Severity::Refused, "spec", "a route has too many middlewares");
                self.refuse(403, "The middlewares of this route could not be migrated.", remark);
            }
            return;
        }
        if parts.len() != 1 || depth > MAX_CHAIN {
            let what = if depth > MAX_CHAIN {
                "its chains are nested too deep, or in a circle"
            } else {
                "a Middleware has exactly one kind"
            };
            let remark = middleware.remark(Severity::Refused, "spec", what);
            return self.refuse(403, "A middleware of this route cannot be read.", remark);
        }
        for (kind, spec) in parts {
            if kind == "chain" {
                self.note_other(middleware, spec, "spec.chain", &["middlewares"]);
                for next in spec.get("middlewares").and_then(Value::as_array).into_iter().flatten() {
                    let text = |field: &str| next.get(field).and_then(Value::as_str);
                    let place = (text("namespace").unwrap_or(namespace), text("name").unwrap_or_default());
                    self.nested(objects, place, (middleware, "spec.chain"), depth + 1);
                }
            } else {
                self.one(middleware, kind, spec);
            }
        }
    }

    fn one(&mut self, object: &Object, kind: &str, spec: &Value) {
        let field = format!("spec.{kind}");
        let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default();
        self.note_other(object, spec, &field, &known_fields(kind, spec));
        match kind {
            "addPrefix" if text("prefix").is_empty() => {
                let remark = object.remark(Severity::Mistake, "spec.addPrefix.prefix", "it is empty; give a path");
                self.refuse(503, "A middleware of this route cannot be read.", remark);
            }
            "addPrefix" => self.filters.push(json!({"addPrefix": slashed(text("prefix"))})),
            "stripPrefix" => {
                let prefixes: Vec<String> =
                    texts(spec, "prefixes").into_iter().map(|prefix| slashed(prefix.trim())).collect();
                self.filters.push(json!({"stripPrefix": prefixes}));
            }
            "stripPrefixRegex" => self.filters.push(json!({"stripPrefixRegex": texts(spec, "regex")})),
            "replacePath" => self.filters.push(json!({"replacePath": slashed(text("path"))})),
            "replacePathRegex" => self
                .filters
                .push(json!({"replacePathRegex": {"regex": text("regex"), "replacement": text("replacement")}})),
            "redirectScheme" => {
                let mut redirect = json!({"scheme": text("scheme"), "status": status(spec)});
                let port = spec.get("port").map(|port| port.as_str().map_or_else(|| port.to_string(), str::to_owned));
                if let Some(port) = port.filter(|port| !port.is_empty()) {
                    // What is no port is told by our own reader.
                    put(&mut redirect, "port", port.parse::<u16>().map_or_else(|_| json!(port), |port| json!(port)));
                }
                self.filters.push(json!({"redirect": redirect}));
            }
            "redirectRegex" => self.filters.push(json!({"redirect": {
                "regex": text("regex"), "replacement": text("replacement"), "status": status(spec)
            }})),
            "ipAllowList" | "ipWhiteList" => self.allow(object, spec, &field),
            "headers" => headers::translate(self, object, spec),
            _ => self.without_counterpart(object, kind, &field),
        }
    }

    fn allow(&mut self, object: &Object, spec: &Value, field: &str) {
        if spec.get("ipStrategy").is_some_and(|strategy| !strategy.is_null() && *strategy != json!({})) {
            let message = "clients are known by the address of their connection here, not by X-Forwarded-For";
            let remark = object.remark(Severity::Refused, &format!("{field}.ipStrategy"), message);
            return self.refuse(403, "The list of clients of this route could not be migrated.", remark);
        }
        let status = spec.get("rejectStatusCode").and_then(Value::as_u64).unwrap_or(403);
        self.filters.push(json!({"allowClients": {"ranges": texts(spec, "sourceRange"), "status": status}}));
        self.guards = true;
    }

    fn without_counterpart(&mut self, object: &Object, kind: &str, field: &str) {
        let (guards, message) = match kind {
            "basicAuth" | "digestAuth" | "forwardAuth" => (
                true,
                "the gateway asks nobody who he is; let the backend or a proxy before it do so, then take the refusal out",
            ),
            "plugin" => (true, "what a plugin does is not known, and it may guard the route"),
            "rateLimit" | "inFlightReq" => {
                (false, "the gateway does not limit rates by rule; its limits per backend hold for all")
            }
            "buffering" => (false, "content is streamed and not buffered; a backend limits its size itself"),
            "retry" => (false, "the gateway repeats by itself what may be repeated, on another endpoint"),
            "circuitBreaker" => (false, "the gateway watches endpoints by itself"),
            "compress" => (false, "responses are not compressed; a backend compresses them itself"),
            "errors" => (false, "a backend's error pages go to the client as they are"),
            "contentType" => (false, "a backend's Content-Type is never guessed"),
            "passTLSClientCert" => {
                // A backend that believes these fields must not get a client's own.
                let names = ["x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info"];
                self.filters.push(json!({"requestHeaders": {"remove": names}}));
                (
                    false,
                    "client certificates are not asked for, so none is passed on, and a client's own fields are removed",
                )
            }
            "grpcWeb" => (false, "gRPC-Web is not translated"),
            "encodedCharacters" => (true, "encoded characters of paths are not judged, and this may guard the route"),
            _ => (true, "this kind of middleware is not known, and it may guard the route"),
        };
        if guards {
            let remark = object.remark(Severity::Refused, field, message);
            self.refuse(403, "What guards this route has no counterpart in this gateway.", remark);
        } else {
            self.remarks.push(object.remark(Severity::NoCounterpart, field, message));
        }
    }

    /// Remarks each field of `spec` that is none of `known`.
    pub(super) fn note_other(&mut self, object: &Object, spec: &Value, field: &str, known: &[&str]) {
        for name in
            spec.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| !known.contains(&name.as_str()))
        {
            self.remarks.push(object.remark(
                Severity::NoCounterpart,
                &format!("{field}.{name}"),
                "it has no effect here",
            ));
        }
    }
}

/// The fields of a kind of middleware that are translated, or told where they are; all of `spec` where the kind is told as a
/// whole.
fn known_fields<'s>(kind: &str, spec: &'s Value) -> Vec<&'s str> {
    match kind {
        "addPrefix" => vec!["prefix"],
        "stripPrefix" => vec!["prefixes"],
        "stripPrefixRegex" => vec!["regex"],
        "replacePath" => vec!["path"],
        "replacePathRegex" => vec!["regex", "replacement"],
        "redirectScheme" => vec!["scheme", "port", "permanent"],
        "redirectRegex" => vec!["regex", "replacement", "permanent"],
        "ipAllowList" | "ipWhiteList" => vec!["sourceRange", "ipStrategy", "rejectStatusCode"],
        _ => spec.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect(),
    }
}

/// Traefik goes by the method: 302 or 307, 301 or 308.
fn status(spec: &Value) -> &'static str {
    if spec.get("permanent").and_then(Value::as_bool) == Some(true) { "permanent" } else { "temporary" }
}

/// The texts of a list.
pub(super) fn texts<'v>(spec: &'v Value, name: &str) -> Vec<&'v str> {
    spec.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Sets a field of an object.
pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn slashed(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}
