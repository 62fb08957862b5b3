//! What a rule of the file wants of a request.

use super::super::fields::{Fields, Mistakes, join, kind};
use super::expression;
use crate::model::shown;
use crate::routing::{Condition, MAX_DEPTH, Matcher, PathMatch, Scheme, ValueMatch, whole};
use http::{HeaderName, Method};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

const FIELDS: [&str; 10] = ["path", "method", "headers", "query", "scheme", "host", "client", "all", "any", "not"];

/// Reads a `match`.
pub(super) fn read(path: &str, value: &Value, mistakes: &mut Mistakes) -> Matcher {
    nested(path, value, 0, mistakes)
}

fn nested(path: &str, value: &Value, depth: usize, mistakes: &mut Mistakes) -> Matcher {
    let mut matcher = Matcher::any();
    if depth > MAX_DEPTH {
        mistakes.add(path, format!("it is nested deeper than {MAX_DEPTH}"));
        return matcher;
    }
    let fields = Fields::of(value, path, &FIELDS, mistakes);
    let mut conditions = Vec::new();
    if let Some(value) = fields.value("path") {
        matcher.path = path_match(&fields.path("path"), value, mistakes).unwrap_or(matcher.path);
    }
    match fields.value("method") {
        Some(Value::Array(_)) => {
            let methods = fields.list("method", mistakes);
            let known = methods.iter().filter_map(|(path, value)| method(path, value, mistakes));
            conditions.push(Condition::Any(known.map(Condition::Method).collect()));
        }
        Some(value) => matcher.method = method(&fields.path("method"), value, mistakes),
        None => {}
    }
    let headers = pairs(&fields, "headers", mistakes).into_iter().filter_map(|(path, name, wanted)| {
        let parsed = name.parse::<HeaderName>().map_err(|_| format!("{} is not a field's name", shown(name)));
        Some((mistakes.check(&path, parsed)?, wanted))
    });
    matcher.headers = headers.collect();
    matcher.query =
        pairs(&fields, "query", mistakes).into_iter().map(|(_, name, wanted)| (name.into(), wanted)).collect();
    conditions.extend(scheme(&fields, mistakes).map(Condition::Scheme));
    if let Some(value) = fields.value("host") {
        conditions.extend(value_match(&fields.path("host"), value, mistakes).map(Condition::Host));
    }
    if fields.value("client").is_some() {
        let ranges = fields.some_list("client", mistakes);
        let ranges = ranges.iter().filter_map(|(path, value)| range(path, value, mistakes));
        conditions.push(Condition::Client(ranges.collect()));
    }
    let mut of = |name: &str| -> Vec<Condition> {
        let nested_matches = fields.list(name, mistakes);
        nested_matches.iter().map(|(path, value)| Condition::of(nested(path, value, depth + 1, mistakes))).collect()
    };
    conditions.extend(of("all"));
    let any = of("any");
    conditions.extend(of("not").into_iter().map(|condition| Condition::Not(Box::new(condition))));
    if fields.value("any").is_some() {
        conditions.push(Condition::Any(any.into()));
    }
    matcher.conditions = conditions.into();
    matcher
}

fn method(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Method> {
    let text = value.as_str().ok_or_else(|| format!("it is {}; it should be a text", kind(value)));
    let parsed = text
        .and_then(|text| text.parse::<Method>().map_err(|_| format!("{} is not a method; GET is one", shown(text))));
    mistakes.check(path, parsed)
}

fn scheme(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Scheme> {
    let text = fields.text("scheme", mistakes)?;
    mistakes.check(&fields.path("scheme"), parse_scheme(text))
}

/// `http` or `https`.
pub(super) fn parse_scheme(text: &str) -> Result<Scheme, String> {
    match text {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        other => Err(format!("{} is not known; known are http, https", shown(other))),
    }
}

/// A range of addresses, or one address.
pub(super) fn range(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<IpNet> {
    let wrong = || "it should be an address or a range, like 10.0.0.0/8 or 2001:db8::1".to_owned();
    let parsed = value.as_str().and_then(parse_range).ok_or_else(wrong);
    mistakes.check(path, parsed)
}

fn parse_range(text: &str) -> Option<IpNet> {
    match text.contains('/') {
        true => text.parse::<IpNet>().ok().map(|range| range.trunc()),
        false => text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())),
    }
}

fn path_match(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<PathMatch> {
    const KINDS: [&str; 4] = ["exact", "prefix", "begins", "regex"];
    let fields = Fields::of(value, path, &KINDS, mistakes);
    let given: Vec<&str> = KINDS.into_iter().filter(|name| fields.value(name).is_some()).collect();
    let [name] = given[..] else {
        mistakes.add(path, format!("it has {} of {}; exactly one is needed", given.len(), KINDS.join(", ")));
        return None;
    };
    let (place, text) = (fields.path(name), fields.text(name, mistakes)?);
    if name == "regex" {
        return mistakes.check(&place, expression(text, whole)).map(PathMatch::Regex);
    }
    if !text.starts_with('/') {
        mistakes
            .add(&place, format!("{} does not begin with a slash; {} would", shown(text), shown(&format!("/{text}"))));
        return None;
    }
    Some(match name {
        "exact" => PathMatch::Exact(text.into()),
        "begins" => PathMatch::Begins(text.into()),
        _ => PathMatch::prefix(text),
    })
}

/// `name: value` pairs, where a value is a text or `{regex: …}`.
fn pairs<'v>(fields: &Fields<'v>, name: &str, mistakes: &mut Mistakes) -> Vec<(String, &'v str, ValueMatch)> {
    let Some(value) = fields.value(name) else { return Vec::new() };
    let place = fields.path(name);
    let Some(object) = value.as_object() else {
        mistakes.add(&place, format!("it is {}; it should be an object of names and values", kind(value)));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in object {
        let place = join(&place, name);
        found.extend(value_match(&place, value, mistakes).map(|wanted| (place, name.as_str(), wanted)));
    }
    found
}

/// A text, or `{regex: …}`.
fn value_match(place: &str, value: &Value, mistakes: &mut Mistakes) -> Option<ValueMatch> {
    match value {
        Value::String(text) => Some(ValueMatch::Exact(text.as_str().into())),
        Value::Object(_) => {
            let fields = Fields::of(value, place, &["regex"], mistakes);
            let text = fields.text("regex", mistakes).unwrap_or_default();
            mistakes.check(&fields.path("regex"), expression(text, whole)).map(ValueMatch::Regex)
        }
        other => {
            mistakes.add(place, format!("it is {}; it should be a text in quotes, or {{regex: …}}", kind(other)));
            None
        }
    }
}
