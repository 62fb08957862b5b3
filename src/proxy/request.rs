//! Checks the head of a request: what cannot be read in one way only is refused.

use super::connection::Client;
use super::fields;
use super::refusal::{BadRequest, Refusal};
use crate::routing::has_dot_segments;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts};

/// What the rest of the way needs to know of a checked head.
#[derive(Debug)]
pub(super) struct Checked {
    /// Canonical: lower case, no port, no trailing dot.
    pub(super) host: Box<str>,
    /// The Host field to forward: the canonical host, and the port if the client gave one.
    pub(super) host_value: HeaderValue,
    /// What the client wants to upgrade to.
    pub(super) upgrade: Option<Upgrade>,
    /// Whether there are fields that only a gateway may set, beside those that this one sets itself.
    pub(super) has_foreign: bool,
}

/// The most fields of a head, not counting the crumbs of an HTTP/2 cookie. Of HTTP/1, hyper takes no more either.
const MOST_FIELDS: usize = 100;

/// An upgrade that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// By HTTP/1.1's Upgrade field, with its value.
    Field(HeaderValue),
    /// A WebSocket by HTTP/2's extended CONNECT (RFC 8441).
    ExtendedConnect,
}

/// Checks a head. `has_two_lengths`: its bytes had a Content-Length beside Transfer-Encoding, which hyper drops.
pub(super) fn check(parts: &Parts, has_two_lengths: bool, client: &Client) -> Result<Checked, Refusal> {
    let upgrade = check_method_and_target(parts)?;
    check_framing(parts, has_two_lengths).map_err(Refusal::BadRequest)?;
    if client.activity.heads() > client.worker.limits.http2_heads {
        return Err(Refusal::HeadTooLarge);
    }
    let has_foreign = check_names(&parts.headers)?;
    let (host, host_value) = host(parts).map_err(Refusal::BadRequest)?;
    if client.sni.as_deref().is_some_and(|sni| sni != &*host) {
        return Err(Refusal::Misdirected);
    }
    let upgrade = match upgrade {
        Some(upgrade) => Some(upgrade),
        None => field_upgrade(parts).map_err(Refusal::BadRequest)?,
    };
    Ok(Checked { host, host_value, upgrade, has_foreign })
}

/// Tells whether some field is for gateways alone to set.
fn check_names(headers: &HeaderMap) -> Result<bool, Refusal> {
    let crumbs = || headers.get_all(header::COOKIE).iter().count();
    if headers.len() > MOST_FIELDS && headers.len() - crumbs() > MOST_FIELDS {
        return Err(Refusal::HeadTooLarge);
    }
    let mut has_foreign = false;
    for name in headers.keys() {
        if name.as_str().as_bytes().contains(&b'_') {
            return Err(Refusal::BadRequest(BadRequest::Underscore));
        }
        has_foreign |= fields::is_foreign(name);
    }
    Ok(has_foreign)
}

fn check_method_and_target(parts: &Parts) -> Result<Option<Upgrade>, Refusal> {
    if parts.method == Method::CONNECT {
        let protocol = parts.extensions.get::<hyper::ext::Protocol>();
        return match protocol {
            Some(protocol) if protocol.as_str() == "websocket" => match has_dot_segments(parts.uri.path()) {
                true => Err(Refusal::BadRequest(BadRequest::DotSegments)),
                false => Ok(Some(Upgrade::ExtendedConnect)),
            },
            Some(_) | None => Err(Refusal::Connect),
        };
    }
    let is_http = parts.uri.scheme_str().is_none_or(|scheme| scheme == "http" || scheme == "https");
    let path = parts.uri.path();
    match is_http && path.starts_with('/') {
        true if has_dot_segments(path) => Err(Refusal::BadRequest(BadRequest::DotSegments)),
        true => Ok(None),
        false => Err(Refusal::BadRequest(BadRequest::Target)),
    }
}

fn check_framing(parts: &Parts, has_two_lengths: bool) -> Result<(), BadRequest> {
    if parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| !fields::is_plain_length(length)) {
        return Err(BadRequest::Length);
    }
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some()
        || parts.version != Version::HTTP_11
        || !coding.as_bytes().eq_ignore_ascii_case(b"chunked")
    {
        return Err(BadRequest::TransferCoding);
    }
    if has_two_lengths || parts.headers.contains_key(header::CONTENT_LENGTH) {
        return Err(BadRequest::TwoLengths);
    }
    Ok(())
}

/// The host, from the Host field and the target's authority, which must not differ.
fn host(parts: &Parts) -> Result<(Box<str>, HeaderValue), BadRequest> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(BadRequest::HostRepeated);
    }
    let from_field = field.map(|value| split(value.as_bytes())).transpose()?;
    let from_target = parts.uri.authority().map(Authority::as_str).map(|text| split(text.as_bytes())).transpose()?;
    let (name, port) = match (from_field, from_target) {
        (Some(a), Some(b)) if !a.0.eq_ignore_ascii_case(b.0) || a.1 != b.1 => return Err(BadRequest::HostDiffers),
        // HTTP/1.1 wants the field even beside an absolute target (RFC 9112, section 3.2).
        (None, _) if parts.version < Version::HTTP_2 => return Err(BadRequest::HostMissing),
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(BadRequest::HostMissing),
    };
    let host: Box<str> = name.to_ascii_lowercase().into();
    let as_it_is = |value: &&HeaderValue| port.is_none() && value.as_bytes() == host.as_bytes();
    let value = match (field.filter(as_it_is), port) {
        (Some(value), _) => value.clone(),
        (None, None) => HeaderValue::from_str(&host).map_err(|_| BadRequest::HostInvalid)?,
        (None, Some(port)) => HeaderValue::try_from(format!("{host}:{port}")).map_err(|_| BadRequest::HostInvalid)?,
    };
    Ok((host, value))
}

/// Splits `host[:port]`; the host loses one trailing dot.
fn split(bytes: &[u8]) -> Result<(&str, Option<u16>), BadRequest> {
    let text = std::str::from_utf8(bytes).map_err(|_| BadRequest::HostInvalid)?;
    let (name, port) = match text.rfind(':').map(|at| text.split_at(at)) {
        Some((name, port)) if !port.contains(']') => (name, port.get(1..)),
        Some(_) | None => (text, None),
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| BadRequest::HostInvalid)?)
        }
        Some(_) => return Err(BadRequest::HostInvalid),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if is_host(name) { Ok((name, port)) } else { Err(BadRequest::HostInvalid) }
}

fn is_host(name: &str) -> bool {
    if let Some(inner) = name.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let mut length_of_label = 0;
    for byte in name.bytes() {
        match byte {
            b'.' if length_of_label == 0 => return false,
            b'.' => length_of_label = 0,
            b'-' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' if length_of_label < 63 => length_of_label += 1,
            _ => return false,
        }
    }
    length_of_label > 0 && name.len() <= 253
}

/// The upgrade that an HTTP/1.1 client asks for. `h2c` is not forwarded: the request is served as it is.
fn field_upgrade(parts: &Parts) -> Result<Option<Upgrade>, BadRequest> {
    let mut values = parts.headers.get_all(header::UPGRADE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if parts.version != Version::HTTP_11 {
        return Ok(None);
    }
    if !fields::connection_names(&parts.headers, "upgrade") {
        return Err(BadRequest::StrayUpgrade);
    }
    let several = values.next().is_some() || value.as_bytes().contains(&b',');
    let is_h2c = value.as_bytes().eq_ignore_ascii_case(b"h2c");
    if several || is_h2c || has_content(&parts.headers) {
        return Ok(None);
    }
    Ok(Some(Upgrade::Field(value.clone())))
}

/// Whether content follows the head. An upgrade with content is served without the upgrade.
fn has_content(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(fields: &[&str], target: &str) -> Result<(String, String), BadRequest> {
        let mut request = http::Request::builder().uri(target);
        for field in fields {
            request = request.header("host", *field);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        host(&parts).map(|(host, value)| (host.into(), value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn every_spelling_of_a_host_is_one_host() {
        for spelling in ["a.b", "A.b", "a.B.", "a.b:"] {
            assert_eq!(canonical(&[spelling], "/").unwrap(), ("a.b".into(), "a.b".into()), "{spelling}");
        }
        assert_eq!(canonical(&["A.b.:080"], "/").unwrap(), ("a.b".into(), "a.b:80".into()));
        assert_eq!(canonical(&["[::1]:80"], "/").unwrap().0, "[::1]");
        assert_eq!(canonical(&["a.b"], "http://A.b/").unwrap().0, "a.b");
    }

    #[test]
    fn hosts_that_two_readers_might_read_differently_are_refused() {
        let differs = ["http://c.d/", "http://a.b:81/"];
        for target in differs {
            assert_eq!(canonical(&["a.b"], target), Err(BadRequest::HostDiffers), "{target}");
        }
        assert_eq!(canonical(&["a", "a"], "/"), Err(BadRequest::HostRepeated));
        assert_eq!(canonical(&[], "/"), Err(BadRequest::HostMissing));
        assert_eq!(canonical(&[], "http://a/"), Err(BadRequest::HostMissing));
        for bad in ["", ".", "a..b", "a b", "a/b", "u@a", "a:b", "a:99999", "a,b", "[::1", "a_b", "a:+1", "é"] {
            assert_eq!(canonical(&[bad], "/"), Err(BadRequest::HostInvalid), "{bad}");
        }
    }
}
