//! Where a rule of the file leads, and how long it may take.

use super::super::fields::{Fields, Mistakes};
use crate::model::shown;
use crate::routing::{BackendSpec, Protocol, Timeouts};
use serde_json::Value;
use std::time::Duration;

/// Reads a backend.
pub(super) fn read(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<BackendSpec> {
    let fields = Fields::of(value, path, &["address", "protocol", "weight"], mistakes);
    let address = match fields.text("address", mistakes) {
        Some(text) => {
            let wrong = |_| format!("{} is not an address with a port, like 127.0.0.1:9000", shown(text));
            mistakes.check(&fields.path("address"), text.parse().map_err(wrong))
        }
        None => {
            if value.is_object() && fields.value("address").is_none() {
                mistakes
                    .add(&fields.path("address"), "it is missing; give an address with a port, like 127.0.0.1:9000");
            }
            None
        }
    };
    let protocol = match fields.text("protocol", mistakes) {
        None | Some("http1") => Protocol::Http1,
        Some("h2c") => Protocol::H2c,
        Some(other) => {
            mistakes.add(&fields.path("protocol"), format!("{} is not known; known are http1, h2c", shown(other)));
            Protocol::Http1
        }
    };
    let weight = match fields.value("weight") {
        None => 1,
        Some(value) => {
            let weight =
                value.as_u64().and_then(|weight| u32::try_from(weight).ok()).filter(|weight| *weight <= 1_000_000);
            let wrong = "a weight is a whole number from 0 to 1000000";
            mistakes.check(&fields.path("weight"), weight.ok_or(wrong)).unwrap_or(1)
        }
    };
    Some(BackendSpec::Address { address: address?, protocol, weight })
}

/// Reads deadlines.
pub(super) fn timeouts(path: &str, value: &Value, mistakes: &mut Mistakes) -> Timeouts {
    let fields = Fields::of(value, path, &["responseHead", "idle"], mistakes);
    let mut duration = |name: &str| {
        let text = fields.text(name, mistakes)?;
        let wrong = format!("{} is not a duration, like 500ms, 30s or 5m", shown(text));
        mistakes.check(&fields.path(name), parse_duration(text).ok_or(wrong))
    };
    Timeouts { response_head: duration("responseHead"), idle: duration("idle") }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis).filter(|duration| !duration.is_zero())
}
