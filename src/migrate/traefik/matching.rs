//! A rule of Traefik as hosts and a `match` of a file of routes.

use super::expressions::{is_template, template, whole_of};
use super::rule::{Expression, RuleError};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The version of Traefik's rule language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syntax {
    /// Of Traefik 2: several values, templates.
    V2,
    /// Of Traefik 3.
    #[default]
    V3,
}

/// The hosts that a rule may take: as many as it could at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Any.
    Any,
    /// These: names and `*.parent`.
    These(BTreeSet<String>),
}

/// What a matcher wants.
type Translated = Result<Map<String, Value>, String>;

/// A rule, translated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matching {
    /// Its hosts.
    pub(super) hosts: Hosts,
    /// Its `match`; empty for all requests.
    pub(super) wanted: Map<String, Value>,
}

/// Translates a rule.
pub(super) fn translate(expression: &Expression, syntax: Syntax) -> Result<Matching, RuleError> {
    let hosts = hosts(expression);
    let mut conjunction = Conjunction::default();
    let conjuncts = match expression {
        Expression::All(all) => all.as_slice(),
        other => std::slice::from_ref(other),
    };
    for conjunct in conjuncts {
        let is_said_by_hosts =
            is_exact_host(conjunct, syntax) && matches!(&hosts, Hosts::These(these) if !these.is_empty());
        if is_said_by_hosts {
            // The rule is written for these hosts and no others. It still has to look like a matcher.
            matcher(conjunct, syntax)?;
        } else {
            conjunction.add(condition(conjunct, syntax)?);
        }
    }
    Ok(Matching { hosts, wanted: conjunction.0 })
}

/// What a rule that cannot be translated takes at most, without the parts that cannot be said; nothing where that could be
/// any host.
pub(super) fn at_least(expression: &Expression, syntax: Syntax) -> Option<Matching> {
    let conjuncts = match expression {
        Expression::All(all) => all.as_slice(),
        other => std::slice::from_ref(other),
    };
    let read: Vec<Expression> =
        conjuncts.iter().filter(|conjunct| condition(conjunct, syntax).is_ok()).cloned().collect();
    let matching = translate(&Expression::All(read), syntax).ok()?;
    matches!(&matching.hosts, Hosts::These(these) if !these.is_empty()).then_some(matching)
}

/// Whether it is a Host matcher of plain names: then the hosts of the whole are at most its own.
fn is_exact_host(expression: &Expression, syntax: Syntax) -> bool {
    let Expression::Matcher { name, arguments, .. } = expression else { return false };
    let is_host = name == "Host" || (name == "HostHeader" && syntax == Syntax::V2);
    is_host && arguments.iter().all(|host| !host.contains('*'))
}

fn hosts(expression: &Expression) -> Hosts {
    match expression {
        Expression::All(all) => all.iter().map(hosts).fold(Hosts::Any, Hosts::and),
        Expression::Any(any) => {
            let mut all = any.iter().map(hosts);
            let first = all.next().unwrap_or(Hosts::Any);
            all.fold(first, Hosts::or)
        }
        Expression::Not(_) => Hosts::Any,
        Expression::Matcher { name, arguments, .. } => match name.as_str() {
            "Host" | "HostHeader" if !arguments.iter().any(|host| host == "*") => {
                Hosts::These(arguments.iter().map(|host| canonical(host)).collect())
            }
            _ => Hosts::Any,
        },
    }
}

fn canonical(host: &str) -> String {
    host.to_ascii_lowercase().trim_end_matches('.').to_owned()
}

impl Hosts {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, hosts) | (hosts, Self::Any) => hosts,
            (Self::These(a), Self::These(b)) => {
                let within = |some: &BTreeSet<String>, others: &BTreeSet<String>| -> Vec<String> {
                    some.iter().filter(|host| others.iter().any(|other| covers(other, host))).cloned().collect()
                };
                Self::These(within(&a, &b).into_iter().chain(within(&b, &a)).collect())
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::These(mut a), Self::These(b)) => {
                a.extend(b);
                Self::These(a)
            }
        }
    }
}

/// Whether `wide`, a name or `*.parent`, has all of `narrow`.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    wide == narrow
        || wide.strip_prefix('*').is_some_and(|parent| narrow.len() > parent.len() && narrow.ends_with(parent))
}

/// Conditions that must all hold, as one `match`. What finds its place taken goes to `all`.
#[derive(Default)]
struct Conjunction(Map<String, Value>);

impl Conjunction {
    fn add(&mut self, condition: Map<String, Value>) {
        let is_free = |map: &Map<String, Value>| {
            condition.iter().all(|(field, value)| match (field.as_str(), map.get(field), value) {
                (_, None, _) | ("not" | "all", _, _) => true,
                ("headers" | "query", Some(Value::Object(known)), Value::Object(new)) => {
                    new.keys().all(|name| !known.contains_key(name))
                }
                _ => false,
            })
        };
        let target = if is_free(&self.0) { condition } else { wrapped("all", &condition) };
        for (field, value) in target {
            match (self.0.get_mut(&field), value) {
                (Some(Value::Object(known)), Value::Object(new)) => known.extend(new),
                (Some(Value::Array(known)), Value::Array(new)) => known.extend(new),
                (Some(_), _) => {}
                (None, value) => drop(self.0.insert(field, value)),
            }
        }
    }
}

fn wrapped(word: &str, condition: &Map<String, Value>) -> Map<String, Value> {
    object(word, json!([condition]))
}

fn object(field: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(field.to_owned(), value)])
}

fn condition(expression: &Expression, syntax: Syntax) -> Result<Map<String, Value>, RuleError> {
    match expression {
        Expression::All(all) => {
            let mut conjunction = Conjunction::default();
            for one in all {
                conjunction.add(condition(one, syntax)?);
            }
            Ok(conjunction.0)
        }
        Expression::Any(any) => {
            let any: Vec<_> = any.iter().map(|one| condition(one, syntax)).collect::<Result<_, _>>()?;
            Ok(object("any", json!(any)))
        }
        Expression::Not(inner) => Ok(wrapped("not", &condition(inner, syntax)?)),
        Expression::Matcher { .. } => matcher(expression, syntax),
    }
}

fn matcher(expression: &Expression, syntax: Syntax) -> Result<Map<String, Value>, RuleError> {
    let Expression::Matcher { name, arguments, at } = expression else { return condition(expression, syntax) };
    let values: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let translated = match syntax {
        Syntax::V3 => version_3(name, &values),
        Syntax::V2 => version_2(name, &values),
    };
    let translated = translated.map_err(|message| RuleError { at: *at, message: format!("{name}: {message}") })?;
    Ok(translated)
}

fn version_3(name: &str, values: &[&str]) -> Translated {
    Ok(match (name, values) {
        ("Host", ["*"]) => Map::new(),
        ("Host", [host]) => object("host", host_value(host)),
        ("HostRegexp", [regex]) => object("host", looked_for(regex)?),
        ("Path", [path]) => exactly(slashed(path)?),
        ("PathPrefix", [path]) => begins(slashed(path)?),
        ("PathRegexp", [regex]) => object("path", looked_for(regex)?),
        ("Method", [method]) => object("method", json!(method.to_ascii_uppercase())),
        ("Header", [key, value]) => named("headers", key, json!(value)),
        ("HeaderRegexp", [key, regex]) => named("headers", key, looked_for(regex)?),
        ("Query" | "QueryRegexp", [key]) => named("query", key, json!("")),
        ("Query", [key, value]) => named("query", key, json!(value)),
        ("QueryRegexp", [key, regex]) => named("query", key, looked_for(regex)?),
        ("ClientIP", [range]) => object("client", json!([range])),
        (
            "Host" | "HostRegexp" | "Path" | "PathPrefix" | "PathRegexp" | "Method" | "Header" | "HeaderRegexp"
            | "Query" | "QueryRegexp" | "ClientIP",
            _,
        ) => return Err(format!("it has {} values; several values are of version 2 (--syntax v2)", values.len())),
        ("Headers" | "HeadersRegexp" | "HostHeader", _) => {
            return Err("this matcher is of version 2 of the language (--syntax v2)".to_owned());
        }
        _ => return Err("no such matcher is known".to_owned()),
    })
}

fn version_2(name: &str, values: &[&str]) -> Translated {
    let one_of = |each: &dyn Fn(&str) -> Translated| match values {
        [only] => each(only),
        several => Ok(object("any", json!(several.iter().map(|value| each(value)).collect::<Result<Vec<_>, _>>()?))),
    };
    let pairs = |field: &str, value: &dyn Fn(&str) -> Result<Value, String>| -> Translated {
        let mut all = Conjunction::default();
        for pair in values.chunks(2) {
            let [key, wanted] = pair else { return Err("a value is missing to the last name".to_owned()) };
            all.add(named(field, key, value(wanted)?));
        }
        Ok(all.0)
    };
    match name {
        "Host" | "HostHeader" => one_of(&|host| Ok(object("host", host_value(host)))),
        "HostRegexp" => one_of(&|host| {
            let regex = format!("(?i){}", template(host, '.')?);
            Ok(object("host", json!({"regex": compiled(regex)?})))
        }),
        "Path" => one_of(&|path| match is_template(path) {
            true => Ok(object("path", json!({"regex": compiled(template(slashed(path)?, '/')?)?}))),
            false => Ok(exactly(slashed(path)?)),
        }),
        "PathPrefix" => one_of(&|path| match is_template(path) {
            true => {
                Ok(object("path", json!({"regex": compiled(format!("{}(?s:.*)", template(slashed(path)?, '/')?))?})))
            }
            false => Ok(begins(slashed(path)?)),
        }),
        "Method" => one_of(&|method| Ok(object("method", json!(method.to_ascii_uppercase())))),
        "Headers" => {
            pairs("headers", &|value| Ok(if value.is_empty() { json!({"regex": "(?s:.*)"}) } else { json!(value) }))
        }
        "HeadersRegexp" => pairs("headers", &looked_for),
        "ClientIP" => one_of(&|range| Ok(object("client", json!([range])))),
        "Query" => {
            let mut all = Conjunction::default();
            for pair in values {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let value = match is_template(value) {
                    true => json!({"regex": compiled(template(value, '&')?)?}),
                    false => json!(value),
                };
                all.add(named("query", key, value));
            }
            Ok(all.0)
        }
        "PathRegexp" | "Header" | "HeaderRegexp" | "QueryRegexp" => {
            Err("this matcher is of version 3 of the language".to_owned())
        }
        _ => Err("no such matcher is known".to_owned()),
    }
}

/// A name, or for `*.parent` every name of one label more.
fn host_value(host: &str) -> Value {
    let host = canonical(host);
    match host.strip_prefix("*.") {
        Some(parent) => json!({"regex": format!("[^.]+\\.{}", regex::escape(parent))}),
        None => json!(host),
    }
}

/// Traefik's PathPrefix is to the byte.
fn begins(path: &str) -> Map<String, Value> {
    match encoded(path) {
        Some(regex) => object("path", json!({"regex": format!("{regex}(?s:.*)")})),
        None if path == "/" => Map::new(),
        None => object("path", json!({"begins": path})),
    }
}

fn exactly(path: &str) -> Map<String, Value> {
    match encoded(path) {
        Some(regex) => object("path", json!({"regex": regex})),
        None => object("path", json!({"exact": path})),
    }
}

/// The expression of a path with characters that a request should have percent-encoded: Traefik decodes them before it compares.
fn encoded(path: &str) -> Option<String> {
    let is_sent = |c: char| c.is_ascii_graphic() && !"\"<>^`{|}\\".contains(c);
    if path.chars().all(is_sent) {
        return None;
    }
    let mut regex = String::new();
    for c in path.chars() {
        let text = c.to_string();
        if is_sent(c) {
            regex.push_str(&regex::escape(&text));
        } else {
            let bytes: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            // Some clients send a bar or a brace as it is.
            let raw = if c.is_ascii_graphic() { format!("{}|", regex::escape(&text)) } else { String::new() };
            regex.push_str(&format!("(?i:{raw}{bytes})"));
        }
    }
    Some(regex)
}

fn named(field: &str, name: &str, value: Value) -> Map<String, Value> {
    let name = if field == "headers" { name.to_ascii_lowercase() } else { name.to_owned() };
    object(field, Value::Object(object(&name, value)))
}

fn slashed(path: &str) -> Result<&str, String> {
    if path.starts_with('/') { Ok(path) } else { Err(format!("the path {path} does not begin with a slash")) }
}

fn looked_for(regex: &str) -> Result<Value, String> {
    Ok(json!({"regex": compiled(whole_of(regex))?}))
}

/// The expression, if it is one by our reader too.
fn compiled(regex: String) -> Result<String, String> {
    match crate::routing::whole(&regex) {
        Ok(_) => Ok(regex),
        Err(error) => {
            let said = error.to_string();
            Err(format!("{regex} is no regular expression here: {}", said.lines().last().unwrap_or_default().trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::traefik::rule::parse;

    fn told(rule: &str, syntax: Syntax) -> (Vec<String>, Value) {
        let Matching { hosts, wanted } = translate(&parse(rule).unwrap(), syntax).unwrap();
        let hosts = match hosts {
            Hosts::Any => vec!["*".to_owned()],
            Hosts::These(these) => these.into_iter().collect(),
        };
        (hosts, Value::Object(wanted))
    }

    #[test]
    fn hosts_are_taken_out_where_they_say_it_all() {
        let v3 = |rule| told(rule, Syntax::V3);
        assert_eq!(v3("Host(`A.test`) && Path(`/x`)"), (vec!["a.test".into()], json!({"path": {"exact": "/x"}})));
        let (hosts, wanted) = v3("(Host(`a.test`) && Path(`/x`)) || Host(`b.test`)");
        assert_eq!(hosts, ["a.test", "b.test"]);
        assert_eq!(wanted, json!({"any": [{"host": "a.test", "path": {"exact": "/x"}}, {"host": "b.test"}]}));
        assert_eq!(v3("!Host(`a.test`)"), (vec!["*".into()], json!({"not": [{"host": "a.test"}]})));
        let (hosts, wanted) = v3("Host(`*.a.test`) && Host(`x.a.test`)");
        assert_eq!((hosts, wanted), (vec!["x.a.test".into()], json!({"host": {"regex": "[^.]+\\.a\\.test"}})));
        assert_eq!(v3("Host(`*`)"), (vec!["*".into()], json!({})));
    }

    #[test]
    fn two_of_a_kind_must_both_hold() {
        let (_, wanted) =
            told("PathPrefix(`/a`) && PathPrefix(`/a/b`) && !Method(`GET`) && !Method(`PUT`)", Syntax::V3);
        let expected = json!({"path": {"begins": "/a"}, "all": [{"path": {"begins": "/a/b"}}], "not": [{"method": "GET"}, {"method": "PUT"}]});
        assert_eq!(wanted, expected);
    }

    #[test]
    fn version_2_has_several_values_and_templates() {
        let v2 = |rule| told(rule, Syntax::V2).1;
        assert_eq!(told("Host(`a.test`, `b.test`)", Syntax::V2).0, ["a.test", "b.test"]);
        assert_eq!(v2("PathPrefix(`/u/{id:[0-9]+}`)"), json!({"path": {"regex": "/u/(?:[0-9]+)(?s:.*)"}}));
        assert_eq!(v2("Query(`a=1`, `b=2`)"), json!({"query": {"a": "1", "b": "2"}}));
        assert_eq!(v2("Method(`get`, `PUT`)"), json!({"any": [{"method": "GET"}, {"method": "PUT"}]}));
        let error = translate(&parse("Headers(`a`, `b`)").unwrap(), Syntax::V3).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
