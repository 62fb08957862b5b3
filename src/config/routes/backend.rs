//! Where a rule of the file leads, and how long it may take.

use super::super::fields::{Fields, Mistakes};
use crate::model::{parse_duration, shown};
use crate::routing::{BackendSpec, MOST_WAIT, PortName, Protocol, ServiceKey, Timeouts};
use serde_json::Value;
use std::time::Duration;

/// Reads a backend: an address, or a port of a Service.
pub(super) fn read(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<BackendSpec> {
    let fields = Fields::of(value, path, &["address", "service", "port", "protocol", "weight"], mistakes);
    let protocol = protocol(&fields, mistakes);
    let weight = weight(&fields, mistakes);
    let has = |name: &str| fields.value(name).is_some();
    match (has("address"), has("service")) {
        (true, false) => {
            if has("port") {
                mistakes.add(&fields.path("port"), "it goes with a service; an address has its port in it");
            }
            let text = fields.text("address", mistakes)?;
            let wrong = |_| format!("{} is not an address with a port, like 127.0.0.1:9000", shown(text));
            let address = mistakes.check(&fields.path("address"), text.parse().map_err(wrong))?;
            Some(BackendSpec::Address { address, protocol: protocol.unwrap_or_default(), weight })
        }
        (false, true) => {
            let text = fields.text("service", mistakes)?;
            let service = mistakes.check(&fields.path("service"), service(text));
            let port = port(&fields, mistakes);
            Some(BackendSpec::ServicePort { service: service?, port: port?, protocol, weight })
        }
        (true, true) => {
            mistakes.add(path, "it has both address and service; exactly one is needed");
            None
        }
        (false, false) => {
            if value.is_object() {
                let wanted = "it is missing; give an address with a port, like 127.0.0.1:9000, or service and port";
                mistakes.add(&fields.path("address"), wanted);
            }
            None
        }
    }
}

/// `NAMESPACE/NAME`.
fn service(text: &str) -> Result<ServiceKey, String> {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain)
    };
    match text.split_once('/') {
        Some((namespace, name)) if is_label(namespace) && is_label(name) => {
            Ok(ServiceKey { namespace: namespace.into(), name: name.into() })
        }
        Some(_) | None => Err(format!("{} is not a Service, like default/shop: NAMESPACE/NAME", shown(text))),
    }
}

fn port(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<PortName> {
    let place = fields.path("port");
    let parsed = match fields.value("port") {
        None => Err("it is missing; give the Service's port by number or name"),
        Some(Value::String(name)) if !name.is_empty() => Ok(PortName::Name(name.as_str().into())),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
            number.map(PortName::Number).ok_or("a port is a number from 1 to 65535, or a name")
        }
    };
    mistakes.check(&place, parsed)
}

fn protocol(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Protocol> {
    match fields.text("protocol", mistakes)? {
        "http1" => Some(Protocol::Http1),
        "h2c" => Some(Protocol::H2c),
        other => {
            mistakes.add(&fields.path("protocol"), format!("{} is not known; known are http1, h2c", shown(other)));
            None
        }
    }
}

fn weight(fields: &Fields<'_>, mistakes: &mut Mistakes) -> u32 {
    let Some(value) = fields.value("weight") else { return 1 };
    let weight = value.as_u64().and_then(|weight| u32::try_from(weight).ok()).filter(|weight| *weight <= 1_000_000);
    let wrong = "a weight is a whole number from 0 to 1000000";
    mistakes.check(&fields.path("weight"), weight.ok_or(wrong)).unwrap_or(1)
}

/// Reads deadlines.
pub(super) fn timeouts(path: &str, value: &Value, mistakes: &mut Mistakes) -> Timeouts {
    let fields = Fields::of(value, path, &["responseHead", "attempt", "idle", "wait"], mistakes);
    let wait = wait(&fields, mistakes);
    let mut duration = |name: &str| {
        let text = fields.text(name, mistakes)?;
        let wrong = format!("{} is not a duration, like 500ms, 30s or 5m", shown(text));
        mistakes.check(&fields.path(name), parse_duration(text).ok_or(wrong))
    };
    let (response_head, attempt) = (duration("responseHead"), duration("attempt"));
    Timeouts { response_head, attempt, idle: duration("idle"), wait }
}

/// How long a request without content may wait for an endpoint: unlike the others it may be nothing.
fn wait(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Duration> {
    let value = fields.value("wait")?;
    let given = match value {
        Value::Number(number) if number.as_u64() == Some(0) => Some(Duration::ZERO),
        Value::String(text) if matches!(text.as_str(), "0" | "0s" | "0ms") => Some(Duration::ZERO),
        Value::String(text) => parse_duration(text),
        _ => None,
    };
    let wrong = "it should be a duration of at most 60s, like 5s or 500ms, or 0 for not at all";
    mistakes.check(&fields.path("wait"), given.filter(|wait| *wait <= MOST_WAIT).ok_or(wrong))
}
