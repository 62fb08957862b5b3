//! Writes the file of routes, and says for each rule where it comes from.

use super::super::{Remark, Severity};
use super::matching::{Hosts, covers};
use super::{Route, Schemes};
use crate::routing::HostClaim;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Paths that may be read in two ways: dots, doubled slashes, and letters that need no escape. Traefik cleans them before it
/// looks for a router; here they are forwarded as they came, so a host with a guarded route refuses them.
const AMBIGUOUS: &str =
    ".*(?://|/\\.{1,2}(?:/|$)|\\\\|%(?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aA]|5[fF]|6[1-9a-fA-F]|7[0-9aA]|7[eE])).*";

/// The file of routes; empty without routes.
pub(super) fn routes(routes: &[Route], remarks: &mut Vec<Remark>) -> String {
    let known = known_hosts(routes);
    let mut text = String::new();
    if let Some((hosts, origin)) = guarded_hosts(routes) {
        let reason = "This spelling of the path might pass by a rule that guards it.";
        let rule = json!({
            "priority": i64::MAX,
            "match": {"path": {"regex": AMBIGUOUS}},
            "filters": [{"refuse": {"status": 400, "reason": reason}}],
        });
        entry(&mut text, &origin, &hosts, rule, remarks);
    }
    for route in routes {
        let hosts: Vec<String> = match &route.hosts {
            Hosts::Any => std::iter::once("*").chain(known.iter().copied()).map(str::to_owned).collect(),
            Hosts::These(these) => {
                let narrower = known.iter().filter(|host| these.iter().any(|wide| covers(wide, host)));
                let hosts: Vec<String> = narrower.map(|host| (*host).to_owned()).collect();
                // A name that is none is told by the reader, with its place.
                if hosts.is_empty() { these.iter().cloned().collect() } else { hosts }
            }
        };
        entry(&mut text, &route.origin, &hosts, rule(route), remarks);
    }
    match text.is_empty() {
        true => text,
        false => format!(
            "# Written by doorstep migrate traefik. Start the gateway with --routes and this file.\nroutes:\n{text}"
        ),
    }
}

/// YAML documents.
pub(super) fn documents(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(yaml).collect();
    texts.join("---\n")
}

/// Whether one of `some` may take a host that one of `others` may take.
pub(super) fn share_hosts(some: &[Route], others: &[Route]) -> bool {
    let meet = |a: &Hosts, b: &Hosts| match (a, b) {
        (Hosts::Any, _) | (_, Hosts::Any) => true,
        (Hosts::These(a), Hosts::These(b)) => a.iter().any(|a| b.iter().any(|b| covers(a, b) || covers(b, a))),
    };
    some.iter().any(|a| others.iter().any(|b| meet(&a.hosts, &b.hosts)))
}

fn names(hosts: &Hosts) -> impl Iterator<Item = &str> {
    let these = match hosts {
        Hosts::Any => None,
        Hosts::These(these) => Some(these),
    };
    these.into_iter().flatten().map(String::as_str)
}

/// The hosts that have a guarded route and some route that asks for a path, with a line that says why they are named.
fn guarded_hosts(routes: &[Route]) -> Option<(Vec<String>, String)> {
    let by_path = |route: &&Route| Value::Object(route.wanted.clone()).to_string().contains("\"path\":");
    let asking: Vec<Route> = routes.iter().filter(by_path).cloned().collect();
    let mut hosts = BTreeSet::new();
    for route in routes.iter().filter(|route| route.guarded && share_hosts(std::slice::from_ref(route), &asking)) {
        match &route.hosts {
            Hosts::Any => drop(hosts.insert("*".to_owned())),
            Hosts::These(these) => hosts.extend(these.iter().filter(|host| is_host(host)).cloned()),
        }
    }
    if hosts.contains("*") {
        hosts.extend(known_hosts(routes).into_iter().map(str::to_owned));
    }
    let origin =
        "These hosts have routes that keep clients out. A path that can be read in two ways must not pass by them.";
    (!hosts.is_empty()).then(|| (hosts.into_iter().collect(), origin.to_owned()))
}

/// The hosts that some route names.
fn known_hosts(routes: &[Route]) -> BTreeSet<&str> {
    routes.iter().flat_map(|route| names(&route.hosts)).filter(|host| is_host(host)).collect()
}

/// Whether our reader takes it: what it does not take must not spoil the routes that are written for all hosts.
fn is_host(host: &str) -> bool {
    HostClaim::parse(host).is_ok()
}

fn rule(route: &Route) -> Value {
    let mut wanted = route.wanted.clone();
    match route.schemes {
        Schemes::Http => drop(wanted.insert("scheme".to_owned(), json!("http"))),
        Schemes::Https => drop(wanted.insert("scheme".to_owned(), json!("https"))),
        Schemes::Both => {}
    }
    let mut rule = Map::new();
    rule.insert("priority".to_owned(), json!(route.priority));
    if !wanted.is_empty() {
        rule.insert("match".to_owned(), Value::Object(wanted));
    }
    if !route.filters.is_empty() {
        rule.insert("filters".to_owned(), json!(route.filters));
    }
    if !route.backends.is_empty() {
        rule.insert("backends".to_owned(), json!(route.backends));
    }
    Value::Object(rule)
}

/// Adds a route, if our own reader takes it; what it does not like is a mistake of the manifest, and then the route refuses.
fn entry(text: &mut String, origin: &str, hosts: &[String], rule: Value, remarks: &mut Vec<Remark>) {
    let whole = |rule: &Value| yaml(&json!([{"hosts": hosts, "rules": [rule]}]));
    let mut written = whole(&rule);
    if let Err(errors) = crate::config::read_routes(&format!("routes:\n{written}"), "routes.yaml") {
        let file = origin.split(": ").next().unwrap_or_default().to_owned();
        let object = origin.split(": ").nth(1).unwrap_or_default().to_owned();
        let message = format!("what comes of it is no route: {errors}");
        remarks.push(Remark { severity: Severity::Mistake, file, object, field: String::new(), message });
        let mut refusing = rule;
        super::middleware::put(
            &mut refusing,
            "filters",
            json!([{"refuse": {"status": 503, "reason": "This route could not be migrated."}}]),
        );
        super::middleware::put(&mut refusing, "backends", json!([]));
        written = whole(&refusing);
        if crate::config::read_routes(&format!("routes:\n{written}"), "routes.yaml").is_err() {
            return;
        }
    }
    text.push_str(&format!("# {}\n{written}", plain(origin)));
}

/// One line of printable characters: a comment must not end before its end.
fn plain(text: &str) -> String {
    let printable = |c: char| if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.chars().take(400).map(printable).collect()
}

fn yaml(value: &Value) -> String {
    // Plain data has no form that cannot be written.
    let mut text = serde_saphyr::to_string(value).unwrap_or_default();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
