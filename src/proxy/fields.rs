//! Fields that are for one hop only, and those that tell a backend where a request came from.

use super::connection::Client;
use super::request::{Checked, Upgrade};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// The id of a request, from the client or made here.
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken from a client.
const REQUEST_ID_CHARS: usize = 128;

/// Whether some Connection line names `option`.
pub(super) fn connection_names(headers: &HeaderMap, option: &str) -> bool {
    options(headers).any(|named| named.eq_ignore_ascii_case(option))
}

/// All names in all Connection lines.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::CONNECTION).iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// Whether a field is for one hop only, whatever Connection says (RFC 9110, section 7.6.1).
fn is_for_one_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "http2-settings" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade"
    )
}

/// Removes what is for one hop only.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none of them: one look over the names costs less than a search for each.
    if !headers.keys().any(is_for_one_hop) {
        return;
    }
    if headers.contains_key(header::CONNECTION) {
        // The names are collected first: a line may name Connection itself.
        let named: Vec<HeaderName> = options(headers)
            .filter(|name| !name.eq_ignore_ascii_case("close") && !name.eq_ignore_ascii_case("keep-alive"))
            .filter_map(|name| name.parse().ok())
            .collect();
        for name in named {
            // What frames, routes or authenticates a message is not for the sender to take away.
            let kept = [header::HOST, header::CONTENT_LENGTH, header::AUTHORIZATION, header::COOKIE];
            if !kept.contains(&name) {
                headers.remove(name);
            }
        }
        headers.remove(header::CONNECTION);
    }
    headers.remove(&HTTP2_SETTINGS);
    headers.remove(&KEEP_ALIVE);
    headers.remove(&PROXY_CONNECTION);
    headers.remove(header::TE);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::UPGRADE);
}

/// Whether a field is for gateways alone to set and not among those that this one sets itself, which replace a client's. Backends
/// take such fields for the truth about who asks and for what; `Proxy` is what CGI makes `HTTP_PROXY` of.
pub(super) fn is_foreign(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'x') => match name.strip_prefix("x-forwarded-") {
            Some(rest) => !matches!(rest, "for" | "proto" | "host" | "port"),
            None => matches!(name, "x-original-url" | "x-rewrite-url"),
        },
        Some(b'f') => name == "forwarded",
        Some(b'p') => name == "proxy",
        Some(_) | None => false,
    }
}

fn remove_foreign(headers: &mut HeaderMap) {
    let foreign: Vec<HeaderName> = headers.keys().filter(|name| is_foreign(name)).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
}

/// Leaves of trailers what may come behind content: not how a message is framed or routed, and not who sent it (RFC 9110,
/// section 6.5.1). Some backends make no difference between them and the fields of the head.
pub(super) fn check_trailers(trailers: &mut HeaderMap) {
    let is_for_heads = |name: &&HeaderName| {
        let text = name.as_str();
        let is_own = [&X_REAL_IP, &X_REQUEST_ID, &KEEP_ALIVE, &PROXY_CONNECTION, &HTTP2_SETTINGS].contains(name);
        let is_heads = [
            header::AUTHORIZATION,
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::COOKIE,
            header::HOST,
            header::PROXY_AUTHORIZATION,
            header::SET_COOKIE,
            header::TE,
            header::TRAILER,
            header::TRANSFER_ENCODING,
            header::UPGRADE,
        ];
        is_own || is_heads.contains(name) || is_foreign(name) || text.starts_with("x-forwarded-") || text.contains('_')
    };
    let gone: Vec<HeaderName> = trailers.keys().filter(is_for_heads).cloned().collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// Makes a client's fields those for the backend.
pub(super) fn to_backend(headers: &mut HeaderMap, checked: &Checked, client: &Client, request_id: &HeaderValue) {
    let takes_trailers = headers.get_all(header::TE).iter().any(|te| {
        te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")))
    });
    remove_hop_by_hop(headers);
    if checked.has_foreign {
        remove_foreign(headers);
    }
    join_cookies(headers);
    headers.insert(header::HOST, checked.host_value.clone());
    headers.insert(&X_FORWARDED_FOR, client.peer_value.clone());
    headers.insert(&X_REAL_IP, client.peer_value.clone());
    headers.insert(&X_FORWARDED_HOST, checked.host_value.clone());
    headers.insert(&X_FORWARDED_PORT, client.port_value.clone());
    headers.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(if client.tls { "https" } else { "http" }));
    headers.insert(&X_REQUEST_ID, request_id.clone());
    match (&checked.upgrade, takes_trailers) {
        (Some(upgrade), _) => ask_for_upgrade(headers, upgrade),
        (None, true) => {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
        (None, false) => {}
    }
}

fn ask_for_upgrade(headers: &mut HeaderMap, upgrade: &Upgrade) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    match upgrade {
        Upgrade::Field(value) => {
            headers.insert(header::UPGRADE, value.clone());
        }
        Upgrade::ExtendedConnect => {
            use base64::Engine;
            let key = base64::engine::general_purpose::STANDARD.encode(fastrand::u128(..).to_ne_bytes());
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            if let Ok(key) = HeaderValue::try_from(key) {
                headers.insert(header::SEC_WEBSOCKET_KEY, key);
            }
        }
    }
}

/// Says that content of unknown length follows: hyper sends none with methods that seldom have any, unless it is told so.
pub(super) fn tell_content(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// HTTP/2 may send a cookie in crumbs; HTTP/1 has one field (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether a Content-Length is written as everybody reads it: digits, and no leading zero.
pub(super) fn is_plain_length(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.iter().all(u8::is_ascii_digit) && (bytes.len() == 1 || bytes.first().is_some_and(|first| *first != b'0'))
}

/// Whether a backend's fields say in one way where its content ends: by no transfer coding but chunked, once. hyper takes others as well; a
/// client would get content in a coding that it is not told of.
pub(super) fn is_framed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return true };
    codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked")
}

/// Writes a length that is said several times, or as a list of equal numbers, once (RFC 9110, section 8.6).
fn say_length_once(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && is_plain_length(first) {
        return;
    }
    let number = first.to_str().ok().and_then(|text| text.split(',').next()?.trim().parse::<u64>().ok());
    match number {
        Some(number) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(number))),
        None => drop(headers.remove(header::CONTENT_LENGTH)),
    }
}

/// Makes a backend's fields those for the client.
pub(super) fn to_client(headers: &mut HeaderMap, status: StatusCode) {
    let has_none = matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT);
    if has_none || headers.contains_key(header::TRANSFER_ENCODING) {
        // Beside a transfer coding, and where there can be no content, a length is void (RFC 9112, section 6.3; RFC 9110, section 8.6); sent on it would
        // frame the message wrongly.
        headers.remove(header::CONTENT_LENGTH);
    }
    say_length_once(headers);
    remove_hop_by_hop(headers);
}

/// The request's id: the client's, if it is one, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let valid = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_CHARS).contains(&bytes.len())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'='))
    };
    if let Some(given) = headers.get(&X_REQUEST_ID).filter(valid) {
        return given.clone();
    }
    HeaderValue::from_bytes(&hexadecimal(fastrand::u128(..))).unwrap_or(HeaderValue::from_static("0"))
}

/// All 32 digits of a number. Each request gets one, and the formatter takes several times as long.
fn hexadecimal(number: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(number.to_be_bytes()) {
        *pair = [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn every_connection_line_is_heeded_whatever_its_case() {
        let mut headers = map(&[
            ("connection", "X-One, close"),
            ("Connection", "x-two,host,Content-Length"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("host", "a"),
            ("content-length", "3"),
            ("keep-alive", "timeout=5"),
        ]);
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-three"]);
    }

    #[test]
    fn a_length_beside_a_transfer_coding_is_not_sent_on() {
        let mut headers = map(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
        to_client(&mut headers, StatusCode::OK);
        assert!(headers.is_empty());
    }

    #[test]
    fn cookie_crumbs_become_one_field() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
        join_cookies(&mut headers);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn an_id_is_kept_only_if_it_is_one() {
        assert_eq!(request_id(&map(&[("x-request-id", "abc-1")])), "abc-1");
        for bad in ["", "a b", "a\"b", "<a>"] {
            assert_eq!(request_id(&map(&[("x-request-id", bad)])).len(), 32, "{bad}");
        }
        for number in [0, 0x0123_4567_89ab_cdef, u128::MAX, u128::MAX - 0xf0] {
            assert_eq!(std::str::from_utf8(&hexadecimal(number)).unwrap(), format!("{number:032x}"));
        }
    }
}
