//! The file of routes: `routes`, each with hosts and rules. `config/routes` holds an example.

use super::fields::{Fields, Mistakes, join, kind};
use super::{ConfigErrors, parse_yaml};
use crate::model::shown;
use crate::routing::{
    BackendSpec, Claims, Contribution, HostClaim, Matcher, PathMatch, Protocol, RuleSpec, SourceKey, SourceKind,
    Timeouts, ValueMatch, whole,
};
use http::{HeaderName, Method};
use serde_json::Value;
use std::time::Duration;

/// Reads the text of a file of routes. `file` names it in messages and in `explain`.
pub fn read_routes(text: &str, file: &str) -> Result<Vec<Contribution>, ConfigErrors> {
    let document = parse_yaml(text, file)?;
    let mut mistakes = Mistakes::default();
    let top = Fields::of(&document, "", &["routes"], &mut mistakes);
    let routes = top.some_list("routes", &mut mistakes);
    let contributions =
        routes.iter().enumerate().map(|(index, (path, value))| route(file, index, path, value, &mut mistakes));
    let contributions: Vec<Contribution> = contributions.collect();
    mistakes.finish(file, contributions)
}

fn route(file: &str, index: usize, path: &str, value: &Value, mistakes: &mut Mistakes) -> Contribution {
    let fields = Fields::of(value, path, &["hosts", "rules"], mistakes);
    let mut hosts = Vec::new();
    for (path, host) in fields.some_list("hosts", mistakes) {
        let parsed = host.as_str().ok_or_else(|| format!("it is {}; it should be a host name", kind(host)));
        let parsed = parsed.and_then(|host| HostClaim::parse(host).map_err(|error| error.to_string()));
        hosts.extend(mistakes.check(&path, parsed));
    }
    let rules = fields.some_list("rules", mistakes);
    let rules = rules.iter().map(|(path, value)| rule(path, value, mistakes)).collect();
    let source =
        SourceKey { kind: SourceKind::File, namespace: "".into(), name: format!("{file} routes[{index}]").into() };
    // In the order of the file; against the cluster's objects, a file is the older one.
    let created = i64::MIN.saturating_add(i64::try_from(index).unwrap_or(i64::MAX));
    Contribution::of_one_group(source, created, Claims::Named(hosts), rules)
}

fn rule(path: &str, value: &Value, mistakes: &mut Mistakes) -> RuleSpec {
    let fields = Fields::of(value, path, &["match", "backends", "timeouts"], mistakes);
    let matcher = match fields.value("match") {
        Some(value) => matcher(&fields.path("match"), value, mistakes),
        None => Matcher::any(),
    };
    let backends = fields.some_list("backends", mistakes);
    let backends: Vec<_> = backends.iter().filter_map(|(path, value)| backend(path, value, mistakes)).collect();
    let timeouts = match fields.value("timeouts") {
        Some(value) => timeouts(&fields.path("timeouts"), value, mistakes),
        None => Timeouts::default(),
    };
    RuleSpec { matcher, backends, timeouts }
}

fn matcher(path: &str, value: &Value, mistakes: &mut Mistakes) -> Matcher {
    let fields = Fields::of(value, path, &["path", "method", "headers", "query"], mistakes);
    let mut matcher = Matcher::any();
    if let Some(value) = fields.value("path") {
        matcher.path = path_match(&fields.path("path"), value, mistakes).unwrap_or(matcher.path);
    }
    if let Some(method) = fields.text("method", mistakes) {
        let parsed = method.parse::<Method>().map_err(|_| format!("{} is not a method; GET is one", shown(method)));
        matcher.method = mistakes.check(&fields.path("method"), parsed);
    }
    let headers = pairs(&fields, "headers", mistakes).into_iter().filter_map(|(path, name, wanted)| {
        let parsed = name.parse::<HeaderName>().map_err(|_| format!("{} is not a field's name", shown(name)));
        Some((mistakes.check(&path, parsed)?, wanted))
    });
    matcher.headers = headers.collect();
    matcher.query =
        pairs(&fields, "query", mistakes).into_iter().map(|(_, name, wanted)| (name.into(), wanted)).collect();
    matcher
}

fn path_match(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<PathMatch> {
    const KINDS: [&str; 3] = ["exact", "prefix", "regex"];
    let fields = Fields::of(value, path, &KINDS, mistakes);
    let given: Vec<&str> = KINDS.into_iter().filter(|name| fields.value(name).is_some()).collect();
    let [name] = given[..] else {
        mistakes.add(path, format!("it has {} of {}; exactly one is needed", given.len(), KINDS.join(", ")));
        return None;
    };
    let (place, text) = (fields.path(name), fields.text(name, mistakes)?);
    if name == "regex" {
        let compiled =
            whole(text).map_err(|error| format!("{} is no regular expression: {}", shown(text), last_line(&error)));
        return mistakes.check(&place, compiled).map(PathMatch::Regex);
    }
    if !text.starts_with('/') {
        mistakes
            .add(&place, format!("{} does not begin with a slash; {} would", shown(text), shown(&format!("/{text}"))));
        return None;
    }
    Some(if name == "exact" { PathMatch::Exact(text.into()) } else { PathMatch::prefix(text) })
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
        let wanted = match value {
            Value::String(text) => Some(ValueMatch::Exact(text.as_str().into())),
            Value::Object(_) => {
                let fields = Fields::of(value, &place, &["regex"], mistakes);
                let text = fields.text("regex", mistakes).unwrap_or_default();
                let compiled = whole(text)
                    .map_err(|error| format!("{} is no regular expression: {}", shown(text), last_line(&error)));
                mistakes.check(&fields.path("regex"), compiled).map(ValueMatch::Regex)
            }
            other => {
                mistakes.add(&place, format!("it is {}; it should be a text in quotes, or {{regex: …}}", kind(other)));
                None
            }
        };
        found.extend(wanted.map(|wanted| (place, name.as_str(), wanted)));
    }
    found
}

fn backend(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<BackendSpec> {
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

fn timeouts(path: &str, value: &Value, mistakes: &mut Mistakes) -> Timeouts {
    let fields = Fields::of(value, path, &["responseHead", "idle"], mistakes);
    let mut duration = |name: &str| {
        let text = fields.text(name, mistakes)?;
        let wrong = format!("{} is not a duration, like 500ms, 30s or 5m", shown(text));
        mistakes.check(&fields.path(name), parse_duration(text).ok_or(wrong))
    };
    Timeouts { response_head: duration("responseHead"), idle: duration("idle"), ..Timeouts::default() }
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

fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read() {
        let routes = read_routes(include_str!("../../config/routes/example.yaml"), "example.yaml").unwrap();
        assert_eq!(routes.len(), 2);
        assert_eq!(routes[0].groups[0].rules.len(), 3);
    }

    #[test]
    fn all_mistakes_are_told_each_with_its_place() {
        let text = r#"
routes:
- hosts: ["not a host"]
  rules:
  - match: {path: {prefix: no-slash}}
    backends: [{address: "127.0.0.1:9000"}]
- hosts: [a.example.test]
  ruels: []
  rules:
  - match: {path: {regex: "("}, headers: {x: 1}}
    backends: [{address: "127.0.0.1", weight: -1}]
    timeouts: {idle: soon}
"#;
        let said = read_routes(text, "routes.yaml").unwrap_err().to_string();
        for part in [
            "routes.yaml has 8 mistakes",
            "routes[0].hosts[0]: \"not a host\" is not a host name",
            "routes[0].rules[0].match.path.prefix: \"no-slash\" does not begin with a slash; \"/no-slash\" would",
            "routes[1].ruels: the field \"ruels\" is not known; did you mean \"rules\"?",
            "routes[1].rules[0].match.path.regex: \"(\" is no regular expression: unclosed group",
            "routes[1].rules[0].match.headers.x: it is a number",
            "routes[1].rules[0].backends[0].address: \"127.0.0.1\" is not an address with a port",
            "routes[1].rules[0].backends[0].weight: a weight is a whole number",
            "routes[1].rules[0].timeouts.idle: \"soon\" is not a duration",
        ] {
            assert!(said.contains(part), "no «{part}» in {said}");
        }
    }

    #[test]
    fn what_is_no_list_of_routes_is_refused() {
        for (text, part) in [
            ("", "routes"),
            ("routes: 1", "should be a list"),
            ("routes: [", "no valid YAML"),
            ("routes: []\nroutes: []", "no valid YAML"),
            ("a: &a [x, x, x]\nb: &b [*a, *a, *a]\nroutes: *b", "not known"),
        ] {
            let said = read_routes(text, "f").unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
