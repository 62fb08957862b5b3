//! EndpointSlices.

use super::super::json;
use super::super::schema::FieldError;
use super::{invalid, port, required, unsupported};
use serde_json::Value;
use std::net::IpAddr;

const TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];

pub(super) fn validate(slice: &Value, old: Option<&Value>, loopback: bool, errors: &mut Vec<FieldError>) {
    let kind = json::text(slice, "/addressType");
    if kind.is_empty() {
        errors.push(required("addressType", ""));
    } else if !TYPES.contains(&kind) {
        errors.push(unsupported("addressType", kind, &TYPES));
    }
    super::unchanged(slice, old, "addressType", errors);
    for (index, endpoint) in json::items(slice, "/endpoints").iter().enumerate() {
        let addresses = json::items(endpoint, "/addresses");
        if addresses.is_empty() {
            errors.push(required(&format!("endpoints[{index}].addresses"), "must contain at least 1 address"));
        }
        for (place, address) in addresses.iter().enumerate() {
            let address = address.as_str().unwrap_or_default();
            if let Some(why) = wrong_address(kind, address, loopback) {
                let path = format!("endpoints[{index}].addresses[{place}]");
                errors.push(invalid(&path, &format!("Invalid value: \"{address}\": {why}")));
            }
        }
    }
    for (index, found) in json::items(slice, "/ports").iter().enumerate() {
        port(&format!("ports[{index}].port"), found.get("port"), errors);
    }
}

fn wrong_address(kind: &str, address: &str, loopback: bool) -> Option<&'static str> {
    if kind == "FQDN" {
        return None;
    }
    let parsed = match (kind, address.parse::<IpAddr>()) {
        ("IPv4", Ok(IpAddr::V6(_)) | Err(_)) => return Some("must be a valid IPv4 address"),
        ("IPv6", Ok(IpAddr::V4(_)) | Err(_)) => return Some("must be a valid IPv6 address"),
        (_, Err(_)) => return Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        (_, Ok(parsed)) => parsed,
    };
    let link_local = match parsed {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if parsed.is_unspecified() {
        Some("may not be unspecified (0.0.0.0 or ::)")
    } else if parsed.is_loopback() && !loopback {
        Some("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    } else if link_local {
        Some("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    } else if parsed.is_multicast() {
        Some("may not be in the multicast range (224.0.0.0/4, ff00::/8)")
    } else {
        None
    }
}
