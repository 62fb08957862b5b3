//! Certificates and TLS options: where they go, and what refuses in their place.

use super::super::{Remark, Severity};
use super::objects::{Object, Objects};
use serde_json::{Value, json};

/// Says what to do with the `tls` of a route; gives the filter that refuses where it asked for client certificates.
pub(super) fn refusal(
    objects: &Objects,
    user: &Object,
    tls: Option<&Value>,
    remarks: &mut Vec<Remark>,
) -> Option<Value> {
    let tls = tls.filter(|tls| !tls.is_null())?;
    if let Some(secret) = tls.get("secretName").and_then(Value::as_str).filter(|name| !name.is_empty()) {
        let message = format!(
            "the certificate is in the Secret {}/{secret}: name it in spec.tls of an Ingress there, or give it to the gateway as its default certificate",
            user.namespace
        );
        remarks.push(user.remark(Severity::Note, "spec.tls.secretName", message));
    }
    if tls.get("certResolver").and_then(Value::as_str).is_some_and(|name| !name.is_empty()) {
        let message = "certificates are not asked for by the gateway; let cert-manager make them";
        remarks.push(user.remark(Severity::NoCounterpart, "spec.tls.certResolver", message));
    }
    for (name, _) in tls.as_object().into_iter().flatten() {
        let message = match name.as_str() {
            "secretName" | "certResolver" | "options" => continue,
            "domains" => "a certificate is served for the names that are in it",
            "store" => "there is one set of certificates for all; each is served for the names that are in it",
            _ => "it has no effect here",
        };
        remarks.push(user.remark(Severity::NoCounterpart, &format!("spec.tls.{name}"), message));
    }
    let options = tls.get("options");
    let text = |name: &str| options.and_then(|options| options.get(name)).and_then(Value::as_str);
    let named = text("name").filter(|name| !name.is_empty()).map(|name| {
        let namespace = text("namespace").unwrap_or(&user.namespace);
        (objects.find("TLSOption", namespace, name), format!("{namespace}/{name}"))
    });
    by_options(objects, user, "spec.tls.options", named, remarks)
}

/// The same for an Ingress, whose annotation names its options as `NAMESPACE-NAME@kubernetescrd`.
pub(super) fn refusal_of_annotation(
    objects: &Objects,
    user: &Object,
    name: Option<&str>,
    remarks: &mut Vec<Remark>,
) -> Option<Value> {
    let named = name.filter(|name| !["", "default"].contains(name)).map(|name| {
        let (id, provider) = name.split_once('@').unwrap_or((name, "kubernetescrd"));
        let found = objects.of_kind("TLSOption").find(|known| format!("{}-{}", known.namespace, known.name) == id);
        (found.filter(|_| provider == "kubernetescrd"), name.to_owned())
    });
    by_options(objects, user, "metadata.annotations router.tls.options", named, remarks)
}

/// By the options that are named, or else by those that are called `default`.
fn by_options(
    objects: &Objects,
    user: &Object,
    field: &str,
    named: Option<(Option<&Object>, String)>,
    remarks: &mut Vec<Remark>,
) -> Option<Value> {
    let default = || objects.of_kind("TLSOption").find(|option| option.name == "default");
    let found = named.as_ref().map_or_else(default, |(found, _)| *found);
    match (found, named) {
        (Some(option), _) if asks_for_certificates(option) => {
            let message = "it asks for client certificates, which the gateway does not; let a proxy before it do so";
            remarks.push(option.remark(Severity::Refused, "spec.clientAuth", message));
            Some(refuse())
        }
        (Some(_), _) | (None, None) => None,
        (None, Some((_, name))) => {
            let message =
                format!("the TLSOption {name} is not among the files, and it may ask for client certificates");
            remarks.push(user.remark(Severity::Refused, field, message));
            Some(refuse())
        }
    }
}

fn asks_for_certificates(option: &Object) -> bool {
    let kind = option.spec().pointer("/clientAuth/clientAuthType").and_then(Value::as_str).unwrap_or("NoClientCert");
    !matches!(kind, "" | "NoClientCert" | "RequestClientCert")
}

fn refuse() -> Value {
    json!({"refuse": {"status": 403, "reason": "This route asked for client certificates, which this gateway does not."}})
}

/// Remarks the objects that have no routes in them.
pub(super) fn remarks(objects: &Objects, remarks: &mut Vec<Remark>) {
    for object in &objects.all {
        let (severity, field, message) = match object.kind.as_str() {
            "TLSStore" => {
                store(object, remarks);
                continue;
            }
            "TLSOption" => {
                (Severity::NoCounterpart, "spec", "versions and ciphers of TLS are the gateway's own: TLS 1.2 and 1.3")
            }
            "ServersTransport" | "ServersTransportTCP" => (
                Severity::NoCounterpart,
                "spec",
                "connections to backends are plain HTTP with the gateway's own deadlines",
            ),
            "IngressRouteTCP" | "IngressRouteUDP" | "MiddlewareTCP" => (
                Severity::NoCounterpart,
                "spec",
                "the gateway forwards HTTP; a Service of type LoadBalancer leads other protocols to pods",
            ),
            "IngressRoute" | "Ingress" | "IngressClass" | "Middleware" | "TraefikService" | "Service" => continue,
            _ => (Severity::NoCounterpart, "", "this kind is not known"),
        };
        remarks.push(object.remark(severity, field, message));
    }
}

fn store(object: &Object, remarks: &mut Vec<Remark>) {
    let spec = object.spec();
    if let Some(secret) = spec.pointer("/defaultCertificate/secretName").and_then(Value::as_str) {
        let message = format!("start the gateway with --default-certificate {}/{secret}", object.namespace);
        remarks.push(object.remark(Severity::Note, "spec.defaultCertificate", message));
    }
    if spec.get("defaultGeneratedCert").is_some() {
        let message =
            "certificates are not asked for by the gateway; let cert-manager make one and give it as the default";
        remarks.push(object.remark(Severity::NoCounterpart, "spec.defaultGeneratedCert", message));
    }
    for (index, item) in spec.get("certificates").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let secret = item.get("secretName").and_then(Value::as_str).unwrap_or_default();
        let message = format!("name the Secret {}/{secret} in spec.tls of an Ingress there", object.namespace);
        remarks.push(object.remark(Severity::Note, &format!("spec.certificates[{index}]"), message));
    }
}
