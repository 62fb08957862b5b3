//! The formats of a schema that a Kubernetes API server checks.

use serde_json::Value;

/// Whether a text is of the named format. Formats that nobody checks fit.
pub(crate) fn text_fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => is_uuid(text),
        "byte" => is_base64(text),
        _ => true,
    }
}

/// Whether a number is in the range of the named format.
pub(crate) fn number_fits(format: &str, number: &Value) -> bool {
    let within = |least: f64, most: f64| number.as_f64().is_some_and(|number| (least..=most).contains(&number));
    match format {
        "int32" => within(f64::from(i32::MIN), f64::from(i32::MAX)),
        "int64" => {
            number.is_i64() || number.as_f64().is_some_and(|number| number.fract() == 0.0 && number.abs() < 9.2e18)
        }
        "uint16" => within(0.0, f64::from(u16::MAX)),
        "uint32" => within(0.0, f64::from(u32::MAX)),
        _ => true,
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_base64(text: &str) -> bool {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}
