//! The file of routes: `routes`, each with hosts and rules. `config/routes` holds an example.

mod backend;
mod filter;
mod matcher;

use super::fields::{Fields, Mistakes, kind};
use super::{ConfigErrors, parse_yaml};
use crate::model::shown;
use crate::routing::{Claims, Contribution, Filter, HostClaim, Matcher, RuleSpec, SourceKey, SourceKind, Timeouts};
use regex::Regex;
use serde_json::Value;

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
        let parsed = parsed.and_then(|host| match host {
            "*" => Ok(HostClaim::Any),
            host => HostClaim::parse(host).map_err(|error| error.to_string()),
        });
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
    let fields = Fields::of(value, path, &["match", "priority", "filters", "backends", "timeouts"], mistakes);
    let matcher = match fields.value("match") {
        Some(value) => matcher::read(&fields.path("match"), value, mistakes),
        None => Matcher::any(),
    };
    let priority = match fields.value("priority") {
        None => 0,
        Some(value) => {
            let wrong = || format!("it is {}; a priority is a whole number, and higher ones go first", kind(value));
            mistakes.check(&fields.path("priority"), value.as_i64().ok_or_else(wrong)).unwrap_or_default()
        }
    };
    let filters = fields.list("filters", mistakes);
    let filters: Vec<_> = filters.iter().filter_map(|(path, value)| filter::read(path, value, mistakes)).collect();
    // A rule that answers itself leads nowhere; a filter with a mistake is told already.
    let answers = filters.iter().any(Filter::may_answer) || fields.value("filters").is_some_and(|_| filters.is_empty());
    let backends = if answers { fields.list("backends", mistakes) } else { fields.some_list("backends", mistakes) };
    let backends: Vec<_> = backends.iter().filter_map(|(path, value)| backend::read(path, value, mistakes)).collect();
    let timeouts = match fields.value("timeouts") {
        Some(value) => backend::timeouts(&fields.path("timeouts"), value, mistakes),
        None => Timeouts::default(),
    };
    RuleSpec { matcher, priority, filters, backends, timeouts }
}

/// A regular expression by `compile`, or a sentence that says where it is none.
fn expression(text: &str, compile: impl Fn(&str) -> Result<Regex, regex::Error>) -> Result<Regex, String> {
    compile(text).map_err(|error| {
        let said = error.to_string();
        let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{} is no regular expression: {last}", shown(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read() {
        let routes = read_routes(include_str!("../../../config/routes/example.yaml"), "example.yaml").unwrap();
        assert_eq!(routes.len(), 3);
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
    fn filters_and_conditions_are_read() {
        let text = r#"
routes:
- hosts: [a.example.test]
  rules:
  - priority: 40
    match:
      scheme: https
      method: [GET, HEAD]
      client: [10.0.0.0/8, "2001:db8::1"]
      any: [{path: {begins: /a}}, {host: {regex: "[a-z]+\\..*"}}]
      not: [{headers: {x-internal: "1"}}]
    filters:
    - requestHeaders: {set: {x-a: b}, remove: [x-c]}
    - stripPrefix: [/a]
    - cors: {origins: ["https://app.test"], methods: [GET], maxAgeSeconds: 5}
    backends: [{address: "127.0.0.1:9000"}]
  - filters: [{redirect: {scheme: https, status: permanent}}]
  - match: {path: {exact: /closed}}
    filters: [{refuse: {status: 403, reason: closed}}]
"#;
        let routes = read_routes(text, "f").unwrap();
        let rule = &routes[0].groups[0].rules[0];
        assert_eq!((rule.priority, rule.filters.len()), (40, 3));
        let told = "path under /, (method GET or method HEAD), scheme https, client in 10.0.0.0/8, 2001:db8::1/128, \
                    not field x-internal = \"1\", (path begins with /a or host matches [a-z]+\\..*)";
        assert_eq!(rule.matcher.to_string(), told);
        assert_eq!(routes[0].groups[0].rules[2].filters[0].to_string(), "refuse with 403: closed");
    }

    #[test]
    fn a_rule_says_how_long_a_request_waits_for_an_endpoint() {
        let read = |wait: &str| {
            let backends = r#"[{address: "127.0.0.1:1"}]"#;
            let rule = format!("{{backends: {backends}, timeouts: {{wait: {wait}}}}}");
            let routes = read_routes(&format!("routes: [{{hosts: [a.test], rules: [{rule}]}}]"), "f");
            routes.map(|routes| routes[0].groups[0].rules[0].timeouts.wait)
        };
        let seconds = |seconds| Some(std::time::Duration::from_secs(seconds));
        for (text, wait) in [("0", seconds(0)), ("0s", seconds(0)), ("5s", seconds(5)), ("1m", seconds(60))] {
            assert_eq!(read(text).unwrap(), wait, "{text}");
        }
        for bad in ["61s", "5", "soon", "-1", "[]"] {
            assert!(read(bad).unwrap_err().to_string().contains("timeouts.wait: it should be a duration"), "{bad}");
        }
    }

    #[test]
    fn a_filter_with_a_mistake_is_told_with_its_place() {
        for (filter, part) in [
            ("{}", "filters[0]: it has 0 filters"),
            ("{stripPrefix: [a]}", "filters[0].stripPrefix[0]: \"a\" is not a path"),
            ("{redirect: {}}", "filters[0].redirect: it says nothing of where to"),
            ("{redirect: {scheme: https, status: 200}}", "filters[0].redirect.status"),
            ("{redirect: {regex: x, host: a}}", "filters[0].redirect.replacement: it is missing"),
            ("{allowClients: [10.0.0.0/33]}", "filters[0].allowClients.ranges[0]: it should be an address or a range"),
            ("{allowClients: []}", "filters[0].allowClients.ranges: at least one is needed"),
            ("{requestHeaders: {set: {Host: x}}}", "the filter host changes it"),
            ("{requestHeaders: {set: {content-length: x}}}", "frames the message"),
            ("{requestHeaders: {set: {x-token: \"top\\nsecret\"}}}", "its value should be a text"),
            ("{replacePathRegex: {regex: x, replacement: /a b}}", "is not a part of a path"),
            ("{host: a/b}", "is not a host"),
            ("{refuse: {status: 200}}", "a number from 400 to 599"),
            ("{rewrite: /}", "the field \"rewrite\" is not known"),
        ] {
            let text = format!("routes: [{{hosts: [a.test], rules: [{{filters: [{filter}]}}]}}]");
            let said = read_routes(&text, "f").unwrap_err().to_string();
            assert!(said.contains(part) && !said.contains("secret"), "{filter}: {said}");
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
