//! Fields of another type than the schemas have. The API server refuses such an object, so it is in no cluster; read with
//! such a field left out, it could be open where its author meant a guard.

use Type::{Flag, List, Map, Port, Text, TextMap, Texts, Whole};
use serde_json::Value;

/// What a field should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Whole,
    Flag,
    /// A number, or a name.
    Port,
    Map,
    List,
    Texts,
    TextMap,
}

/// By kind, the places of fields below `spec`; `*` stands for each item of a list. Only what is translated.
const FIELDS: [(&str, &str, Type); 80] = [
    ("IngressRoute", "entryPoints", Texts),
    ("IngressRoute", "ingressClassName", Text),
    ("IngressRoute", "parentRefs", List),
    ("IngressRoute", "tls", Map),
    ("IngressRoute", "tls/secretName", Text),
    ("IngressRoute", "tls/certResolver", Text),
    ("IngressRoute", "tls/options", Map),
    ("IngressRoute", "tls/options/name", Text),
    ("IngressRoute", "tls/options/namespace", Text),
    ("IngressRoute", "routes", List),
    ("IngressRoute", "routes/*", Map),
    ("IngressRoute", "routes/*/match", Text),
    ("IngressRoute", "routes/*/kind", Text),
    ("IngressRoute", "routes/*/priority", Whole),
    ("IngressRoute", "routes/*/syntax", Text),
    ("IngressRoute", "routes/*/middlewares", List),
    ("IngressRoute", "routes/*/middlewares/*", Map),
    ("IngressRoute", "routes/*/middlewares/*/name", Text),
    ("IngressRoute", "routes/*/middlewares/*/namespace", Text),
    ("IngressRoute", "routes/*/services", List),
    ("TraefikService", "weighted", Map),
    ("TraefikService", "weighted/services", List),
    ("TraefikService", "highestRandomWeight", Map),
    ("TraefikService", "highestRandomWeight/services", List),
    ("TraefikService", "failover", Map),
    ("TLSOption", "clientAuth", Map),
    ("TLSOption", "clientAuth/clientAuthType", Text),
    ("Ingress", "ingressClassName", Text),
    ("Ingress", "defaultBackend", Map),
    ("Ingress", "tls", List),
    ("Ingress", "rules", List),
    ("Ingress", "rules/*", Map),
    ("Ingress", "rules/*/host", Text),
    ("Ingress", "rules/*/http", Map),
    ("Ingress", "rules/*/http/paths", List),
    ("Ingress", "rules/*/http/paths/*", Map),
    ("Ingress", "rules/*/http/paths/*/path", Text),
    ("Ingress", "rules/*/http/paths/*/pathType", Text),
    ("Ingress", "rules/*/http/paths/*/backend", Map),
    ("Middleware", "addPrefix/prefix", Text),
    ("Middleware", "stripPrefix/prefixes", Texts),
    ("Middleware", "stripPrefixRegex/regex", Texts),
    ("Middleware", "replacePath/path", Text),
    ("Middleware", "replacePathRegex/regex", Text),
    ("Middleware", "replacePathRegex/replacement", Text),
    ("Middleware", "redirectScheme/scheme", Text),
    ("Middleware", "redirectScheme/port", Port),
    ("Middleware", "redirectScheme/permanent", Flag),
    ("Middleware", "redirectRegex/regex", Text),
    ("Middleware", "redirectRegex/replacement", Text),
    ("Middleware", "redirectRegex/permanent", Flag),
    ("Middleware", "ipAllowList/sourceRange", Texts),
    ("Middleware", "ipAllowList/rejectStatusCode", Whole),
    ("Middleware", "ipWhiteList/sourceRange", Texts),
    ("Middleware", "chain/middlewares", List),
    ("Middleware", "chain/middlewares/*", Map),
    ("Middleware", "chain/middlewares/*/name", Text),
    ("Middleware", "chain/middlewares/*/namespace", Text),
    ("Middleware", "headers/customRequestHeaders", TextMap),
    ("Middleware", "headers/customResponseHeaders", TextMap),
    ("Middleware", "headers/accessControlAllowCredentials", Flag),
    ("Middleware", "headers/accessControlAllowHeaders", Texts),
    ("Middleware", "headers/accessControlAllowMethods", Texts),
    ("Middleware", "headers/accessControlAllowOriginList", Texts),
    ("Middleware", "headers/accessControlAllowOriginListRegex", Texts),
    ("Middleware", "headers/accessControlExposeHeaders", Texts),
    ("Middleware", "headers/accessControlMaxAge", Whole),
    ("Middleware", "headers/addVaryHeader", Flag),
    ("Middleware", "headers/allowedHosts", Texts),
    ("Middleware", "headers/stsSeconds", Whole),
    ("Middleware", "headers/stsIncludeSubdomains", Flag),
    ("Middleware", "headers/stsPreload", Flag),
    ("Middleware", "headers/forceSTSHeader", Flag),
    ("Middleware", "headers/frameDeny", Flag),
    ("Middleware", "headers/contentTypeNosniff", Flag),
    ("Middleware", "headers/browserXssFilter", Flag),
    ("Middleware", "headers/customFrameOptionsValue", Text),
    ("Middleware", "headers/contentSecurityPolicy", Text),
    ("Middleware", "headers/referrerPolicy", Text),
    ("Middleware", "headers/permissionsPolicy", Text),
];

/// Where services stand, and what they have.
const SERVICES: [(&str, &str); 5] = [
    ("IngressRoute", "routes/*/services/*"),
    ("TraefikService", "weighted/services/*"),
    ("TraefikService", "highestRandomWeight/services/*"),
    ("TraefikService", "mirroring"),
    ("TraefikService", "failover/service"),
];
const SERVICE_FIELDS: [(&str, Type); 8] = [
    ("name", Text),
    ("namespace", Text),
    ("kind", Text),
    ("port", Port),
    ("scheme", Text),
    ("weight", Whole),
    ("passHostHeader", Flag),
    ("middlewares", List),
];

/// The first field of `spec` that has another type than it should, and what is wrong.
pub(super) fn fault(kind: &str, spec: &Value) -> Option<(String, String)> {
    if let Err(fault) = check(spec, "spec", Map) {
        return Some(fault);
    }
    let is_map_of_kind = spec.as_object().filter(|_| kind == "Middleware").into_iter().flatten();
    let kinds = is_map_of_kind.map(|(name, value)| check(value, &format!("spec.{name}"), Map));
    let fields =
        FIELDS.iter().filter(|(of, ..)| *of == kind).map(|(_, place, wanted)| visit(spec, place, "spec", *wanted));
    let services = SERVICES.iter().filter(|(of, _)| *of == kind).flat_map(|(_, place)| {
        let each =
            SERVICE_FIELDS.iter().map(move |(name, wanted)| visit(spec, &format!("{place}/{name}"), "spec", *wanted));
        std::iter::once(visit(spec, place, "spec", Map)).chain(each)
    });
    kinds.chain(fields).chain(services).find_map(Result::err)
}

/// Checks the fields at `rest`, seen from `value`, which stands at `place`.
fn visit(value: &Value, rest: &str, place: &str, wanted: Type) -> Result<(), (String, String)> {
    let (first, next) = rest.split_once('/').unwrap_or((rest, ""));
    let go_on = |value: &Value, place: &str| match next {
        "" => check(value, place, wanted),
        next => visit(value, next, place, wanted),
    };
    match (first, value) {
        ("*", Value::Array(items)) => {
            items.iter().enumerate().try_for_each(|(index, item)| go_on(item, &format!("{place}[{index}]")))
        }
        ("*", _) => Ok(()),
        (name, value) => value.get(name).map_or(Ok(()), |value| go_on(value, &format!("{place}.{name}"))),
    }
}

fn check(value: &Value, place: &str, wanted: Type) -> Result<(), (String, String)> {
    let (is_it, name) = match wanted {
        Text => (value.is_string(), "a text"),
        Whole => (value.is_i64() || value.is_u64(), "a whole number"),
        Flag => (value.is_boolean(), "true or false"),
        Port => (value.is_string() || value.is_u64(), "a number or a name"),
        Map => (value.is_object(), "a map of fields"),
        List => (value.is_array(), "a list"),
        Texts => (value.as_array().is_some_and(|items| items.iter().all(Value::is_string)), "a list of texts"),
        TextMap => (value.as_object().is_some_and(|map| map.values().all(Value::is_string)), "a map of texts"),
    };
    if is_it || value.is_null() {
        return Ok(());
    }
    let message = format!("it should be {name}; the API server refuses such an object, so all of it is left out");
    Err((place.to_owned(), message))
}
