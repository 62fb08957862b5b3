//! What a rule of the file does to requests and responses.

use super::super::fields::{Fields, Mistakes, join, kind};
use super::expression;
use super::matcher::{parse_scheme, range};
use crate::model::shown;
use crate::routing::{
    Cors, FieldChanges, Filter, PathChange, Redirect, RedirectStatus, Target, anywhere, is_changeable,
};
use http::{HeaderName, HeaderValue, StatusCode, uri::Authority, uri::PathAndQuery};
use regex::Regex;
use serde_json::Value;

const KINDS: [&str; 12] = [
    "allowClients",
    "refuse",
    "redirect",
    "requestHeaders",
    "responseHeaders",
    "replacePath",
    "replacePathRegex",
    "stripPrefix",
    "stripPrefixRegex",
    "addPrefix",
    "host",
    "cors",
];

/// Reads a filter: an object with one field, which is its kind.
pub(super) fn read(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Filter> {
    let fields = Fields::of(value, path, &KINDS, mistakes);
    let given: Vec<&str> = KINDS.into_iter().filter(|name| fields.value(name).is_some()).collect();
    let [name] = given[..] else {
        if value.is_object() {
            mistakes.add(path, format!("it has {} filters; a step of the list is exactly one", given.len()));
        }
        return None;
    };
    let (place, value) = (fields.path(name), fields.value(name)?);
    match name {
        "allowClients" => allow(&place, value, mistakes),
        "refuse" => refuse(&place, value, mistakes),
        "redirect" => redirect(&place, value, mistakes).map(Filter::Redirect),
        "requestHeaders" => changes(&place, value, true, mistakes).map(Filter::RequestFields),
        "responseHeaders" => changes(&place, value, false, mistakes).map(Filter::ResponseFields),
        "replacePath" => path_text(&place, value, mistakes).map(PathChange::Replace).map(Filter::Path),
        "replacePathRegex" => replace_regex(&place, value, mistakes).map(Filter::Path),
        "stripPrefix" => {
            let prefixes = fields.some_list(name, mistakes);
            let prefixes = prefixes.iter().filter_map(|(path, value)| path_text(path, value, mistakes));
            Some(Filter::Path(PathChange::StripPrefix(prefixes.collect())))
        }
        "stripPrefixRegex" => {
            let found = expressions(&fields, name, mistakes);
            Some(Filter::Path(PathChange::StripPrefixRegex(found)))
        }
        "addPrefix" => path_text(&place, value, mistakes).map(PathChange::AddPrefix).map(Filter::Path),
        "host" => host(&place, value, mistakes).map(Filter::Host),
        _ => cors(&place, value, mistakes).map(Filter::Cors),
    }
}

/// A list of ranges, or `{ranges: […], status: …}`.
fn allow(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Filter> {
    let as_object = match value {
        Value::Array(_) => serde_json::json!({ "ranges": value }),
        _ => value.clone(),
    };
    let fields = Fields::of(&as_object, place, &["ranges", "status"], mistakes);
    let before = mistakes.count();
    let ranges = fields.some_list("ranges", mistakes);
    let ranges = ranges.iter().filter_map(|(path, value)| range(path, value, mistakes)).collect();
    let status = status(&fields, StatusCode::FORBIDDEN, mistakes);
    (mistakes.count() == before).then_some(Filter::AllowClients { ranges, status })
}

fn refuse(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Filter> {
    let fields = Fields::of(value, place, &["status", "reason"], mistakes);
    let reason = fields.text("reason", mistakes).unwrap_or("This is refused by the rule that takes it.");
    Some(Filter::Refuse { status: status(&fields, StatusCode::FORBIDDEN, mistakes), reason: reason.into() })
}

/// The status of a refusal.
fn status(fields: &Fields<'_>, otherwise: StatusCode, mistakes: &mut Mistakes) -> StatusCode {
    let Some(value) = fields.value("status") else { return otherwise };
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
    let status =
        number.filter(|number| (400..600).contains(number)).and_then(|number| StatusCode::from_u16(number).ok());
    let wrong = "the status of a refusal is a number from 400 to 599";
    mistakes.check(&fields.path("status"), status.ok_or(wrong)).unwrap_or(otherwise)
}

fn redirect(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Redirect> {
    const NAMES: [&str; 7] = ["scheme", "host", "port", "path", "regex", "replacement", "status"];
    let fields = Fields::of(value, place, &NAMES, mistakes);
    let status = redirect_status(&fields, mistakes);
    if fields.value("regex").is_some() || fields.value("replacement").is_some() {
        for name in ["scheme", "host", "port", "path"].into_iter().filter(|name| fields.value(name).is_some()) {
            mistakes.add(&fields.path(name), "beside regex and replacement, which make the whole URL, it has no place");
        }
        let regex = needed(&fields, "regex", mistakes)?;
        let replacement = needed(&fields, "replacement", mistakes)?.into();
        let regex = mistakes.check(&fields.path("regex"), expression(regex, anywhere))?;
        return Some(Redirect { target: Target::Regex { regex, replacement }, status });
    }
    let scheme = fields.text("scheme", mistakes);
    let scheme = scheme.and_then(|text| mistakes.check(&fields.path("scheme"), parse_scheme(text)));
    let host = fields.value("host").and_then(|value| self::host(&fields.path("host"), value, mistakes));
    let host = host.map(|host| String::from_utf8_lossy(host.as_bytes()).into());
    let port = fields.value("port").and_then(|value| {
        let number = value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        mistakes.check(&fields.path("port"), number.ok_or("a port is a number from 1 to 65535"))
    });
    let path = fields.value("path").and_then(|value| path_text(&fields.path("path"), value, mistakes));
    if NAMES.iter().take(4).all(|name| fields.value(name).is_none()) {
        mistakes.add(place, "it says nothing of where to; give scheme, host, port or path, or regex and replacement");
        return None;
    }
    Some(Redirect { target: Target::Parts { scheme, host, port, path }, status })
}

fn redirect_status(fields: &Fields<'_>, mistakes: &mut Mistakes) -> RedirectStatus {
    let status = match fields.value("status") {
        None => Some(RedirectStatus::Temporary),
        Some(Value::String(text)) if text == "temporary" => Some(RedirectStatus::Temporary),
        Some(Value::String(text)) if text == "permanent" => Some(RedirectStatus::Permanent),
        Some(value) => match value.as_u64() {
            Some(301) => Some(RedirectStatus::Fixed(StatusCode::MOVED_PERMANENTLY)),
            Some(302) => Some(RedirectStatus::Fixed(StatusCode::FOUND)),
            Some(303) => Some(RedirectStatus::Fixed(StatusCode::SEE_OTHER)),
            Some(307) => Some(RedirectStatus::Fixed(StatusCode::TEMPORARY_REDIRECT)),
            Some(308) => Some(RedirectStatus::Fixed(StatusCode::PERMANENT_REDIRECT)),
            Some(_) | None => None,
        },
    };
    let wrong =
        "the status of a redirection is 301, 302, 303, 307 or 308; or temporary or permanent, which go by the method";
    mistakes.check(&fields.path("status"), status.ok_or(wrong)).unwrap_or(RedirectStatus::Temporary)
}

fn needed<'v>(fields: &Fields<'v>, name: &str, mistakes: &mut Mistakes) -> Option<&'v str> {
    if fields.value(name).is_none() {
        mistakes.add(&fields.path(name), "it is missing; regex and replacement go together");
    }
    fields.text(name, mistakes)
}

fn replace_regex(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<PathChange> {
    let fields = Fields::of(value, place, &["regex", "replacement"], mistakes);
    let regex = needed(&fields, "regex", mistakes)?;
    let replacement = needed(&fields, "replacement", mistakes)?;
    let regex = mistakes.check(&fields.path("regex"), expression(regex, anywhere))?;
    let is_part = replacement.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
    let wrong = || {
        format!(
            "{} is not a part of a path: no spaces, ? or #, and other characters percent-encoded",
            shown(replacement)
        )
    };
    mistakes.check(&fields.path("replacement"), is_part.then_some(()).ok_or_else(wrong))?;
    Some(PathChange::ReplaceRegex { regex, replacement: replacement.into() })
}

fn expressions(fields: &Fields<'_>, name: &str, mistakes: &mut Mistakes) -> Box<[Regex]> {
    let list = fields.some_list(name, mistakes);
    let compiled = list.iter().filter_map(|(path, value)| {
        let text = value.as_str().ok_or_else(|| format!("it is {}; it should be a text", kind(value)));
        mistakes.check(path, text.and_then(|text| expression(text, anywhere)))
    });
    compiled.collect()
}

/// A path as it would be sent.
fn path_text(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Box<str>> {
    let text = value.as_str().ok_or_else(|| format!("it is {}; it should be a text", kind(value)));
    let parsed = text.and_then(|text| {
        let is_path = text.starts_with('/') && !text.contains(['?', '#']) && text.parse::<PathAndQuery>().is_ok();
        let wrong = || format!("{} is not a path: it begins with a slash and has no spaces, ? or #", shown(text));
        if is_path { Ok(text.into()) } else { Err(wrong()) }
    });
    mistakes.check(place, parsed)
}

/// A host, and a port if it is to have one.
fn host(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<HeaderValue> {
    let text = value.as_str().ok_or_else(|| format!("it is {}; it should be a host", kind(value)));
    let parsed = text.and_then(|text| {
        let is_host = text.parse::<Authority>().is_ok() && !text.contains('@');
        let value = HeaderValue::from_str(text).ok().filter(|_| is_host);
        value.ok_or_else(|| format!("{} is not a host, like a.example.test or a.example.test:8080", shown(text)))
    });
    mistakes.check(place, parsed)
}

fn changes(place: &str, value: &Value, secret: bool, mistakes: &mut Mistakes) -> Option<FieldChanges> {
    let fields = Fields::of(value, place, &["set", "add", "remove"], mistakes);
    let removed = fields.list("remove", mistakes);
    let remove =
        removed.iter().filter_map(|(path, value)| field_name(path, value.as_str().unwrap_or_default(), mistakes));
    let remove = remove.collect();
    let set = values(&fields, "set", secret, mistakes);
    let add = values(&fields, "add", secret, mistakes);
    let changes = FieldChanges { remove, set, add };
    let empty = ["set", "add", "remove"].iter().all(|name| fields.value(name).is_none()) && value.is_object();
    if empty {
        mistakes.add(place, "it changes nothing; give set, add or remove");
    }
    Some(changes)
}

fn values(fields: &Fields<'_>, name: &str, secret: bool, mistakes: &mut Mistakes) -> Box<[(HeaderName, HeaderValue)]> {
    let Some(value) = fields.value(name) else { return Box::default() };
    let place = fields.path(name);
    let Some(object) = value.as_object() else {
        mistakes.add(&place, format!("it is {}; it should be an object of names and values", kind(value)));
        return Box::default();
    };
    let read = object.iter().filter_map(|(name, value)| {
        let place = join(&place, name);
        let name = field_name(&place, name, mistakes)?;
        let parsed = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        // Not the value: it may be a secret.
        let mut parsed =
            mistakes.check(&place, parsed.ok_or("its value should be a text in quotes of printable characters"))?;
        parsed.set_sensitive(secret);
        Some((name, parsed))
    });
    read.collect()
}

fn field_name(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<HeaderName> {
    let parsed = match text.parse::<HeaderName>() {
        Ok(name) if is_changeable(&name) => Ok(name),
        Ok(name) if name == http::header::HOST => Err("the filter host changes it".to_owned()),
        Ok(name) => {
            Err(format!("{name} frames the message, is for one hop alone, or has an underscore; no filter changes it"))
        }
        Err(_) => Err(format!("{} is not a field's name", shown(text))),
    };
    mistakes.check(place, parsed)
}

fn cors(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Cors> {
    const NAMES: [&str; 8] =
        ["origins", "originsRegex", "methods", "headers", "expose", "credentials", "maxAgeSeconds", "vary"];
    let fields = Fields::of(value, place, &NAMES, mistakes);
    let mut texts = |name: &str| -> Box<[Box<str>]> {
        let list = fields.list(name, mistakes);
        let texts = list.iter().filter_map(|(path, value)| {
            let text = value.as_str().filter(|text| HeaderValue::from_str(text).is_ok() && !text.contains(','));
            mistakes.check(path, text.map(Box::from).ok_or("it should be a text of printable characters without comma"))
        });
        texts.collect()
    };
    let (origins, methods, headers, expose) = (texts("origins"), texts("methods"), texts("headers"), texts("expose"));
    let origins_regex = match fields.value("originsRegex") {
        Some(_) => expressions(&fields, "originsRegex", mistakes),
        None => Box::default(),
    };
    let mut flag = |name: &str| match fields.value(name) {
        None => false,
        Some(value) => {
            let wrong = || format!("it is {}; it should be true or false", kind(value));
            mistakes.check(&fields.path(name), value.as_bool().ok_or_else(wrong)).unwrap_or_default()
        }
    };
    let (credentials, vary) = (flag("credentials"), flag("vary"));
    let max_age_seconds = fields.value("maxAgeSeconds").and_then(|value| {
        mistakes.check(&fields.path("maxAgeSeconds"), value.as_u64().ok_or("it should be a whole number of seconds"))
    });
    Some(Cors { origins, origins_regex, methods, headers, expose, credentials, max_age_seconds, vary })
}
