//! `GET /routes`: the table of the gateway, a rule in each line, with what has no effect beside it.

use super::input::Query;
use super::paging;
use super::problem::Problem;
use super::{Shared, known};
use crate::model::ClassName;
use crate::routing::{HostRoutes, Rule, SourceKey, SourceKind};
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

/// The most characters of a filter.
const MOST_CHARS: usize = 253;
/// The most problems that are told with a page.
const MOST_PROBLEMS: usize = 100;

/// A rule of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteView {
    /// The host, as it was claimed.
    #[schema(example = "fronthaimaz.int.localhost")]
    pub host: String,
    /// What it wants of a request.
    pub matches: String,
    /// The object that it comes from.
    pub source: SourceView,
    /// Its place among the rules of that object, from 0.
    pub place: usize,
    /// What goes before the order by specificity.
    pub priority: i64,
    /// What happens to requests on their way.
    pub filters: Vec<String>,
    /// Where it leads.
    pub backends: Vec<BackendView>,
    /// The environment that it belongs to.
    pub environment: Option<String>,
}

/// The object that a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// Its kind; `file` for a file of routes.
    #[schema(example = "Service")]
    pub kind: String,
    /// Its namespace; empty where there is none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Where a rule leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendView {
    /// Namespace, Service and port.
    pub cluster: String,
    /// Its share in relation to the others.
    pub weight: u32,
    /// How many of its endpoints may get a request now.
    pub usable_endpoints: usize,
    /// Why it leads nowhere, where the Service or its port is not there.
    pub unresolved: Option<String>,
}

/// Something that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteProblem {
    /// The object that it is about.
    pub source: SourceView,
    /// The host that it is about, if it is about one.
    pub host: Option<String>,
    /// What kind of problem it is, in a word.
    #[schema(example = "HostConflict")]
    pub reason: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A page of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteList {
    /// The rules, by host and then in the order in which they are asked.
    pub items: Vec<RouteView>,
    /// The first hundred problems that the filters leave in.
    pub problems: Vec<RouteProblem>,
    /// How many hosts the whole table has.
    pub hosts: usize,
    /// The generation of the table.
    pub generation: u64,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The table of the gateway, a page at a time.
#[utoipa::path(get, path = "/api/v1/routes", tag = "routing", params(
    ("host" = Option<String>, Query, description = "only hosts that hold this text", min_length = 1, max_length = 253, pattern = "^[a-z0-9.*-]+$"),
    ("kind" = Option<String>, Query, description = "only rules from this kind of object, like Service, Ingress or file", pattern = "^[A-Za-z]{1,32}$"),
    ("namespace" = Option<String>, Query, description = "only rules from objects of this namespace", pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"),
    ("class" = Option<String>, Query, description = "only rules of environments of this class", pattern = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"),
    ("sort" = Option<String>, Query, pattern = "^-?host$", description = "the order: by host; backwards with a minus"),
    ("limit" = Option<usize>, Query, description = "the most hosts of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
), responses(
    (status = 200, body = RouteList, headers(("Link" = Option<String>, description = "the next page"))),
))]
pub(super) async fn list(State(state): Shared, uri: Uri, mut query: Query) -> Result<Response, Problem> {
    let filter = Filter::take(&mut query);
    let down = query.choice("sort", &["host", "-host"], |text| match text {
        "host" => Some(false),
        "-host" => Some(true),
        _ => None,
    });
    let down = down.unwrap_or_default();
    let page = paging::Asked::take(&mut query);
    query.done()?;
    let page = page.check::<String>(format!("routes {filter:?} {down}"))?;
    if let Some(class) = &filter.class {
        known::class(&state, class, "?class").await?;
    }
    let snapshot = state.table.load();
    let after = page.after.as_deref();
    let (hosts, more) = first(snapshot.hosts().filter(|host| filter.takes_host(host)), after, page.limit, down);
    let next = hosts.last().filter(|_| more).and_then(|(name, _)| page.next(name));
    let items = hosts.iter().flat_map(|(name, host)| {
        host.rules().iter().filter(|rule| filter.takes(rule)).map(|rule| RouteView::of(name, rule))
    });
    let problems = snapshot.problems().filter(|problem| {
        filter.takes_source(&problem.source)
            && filter.class.is_none()
            && filter
                .host
                .as_ref()
                .is_none_or(|text| problem.host.as_ref().is_some_and(|host| host.to_string().contains(text.as_str())))
    });
    let list = RouteList {
        items: items.collect(),
        problems: problems.take(MOST_PROBLEMS).map(RouteProblem::of).collect(),
        hosts: snapshot.host_count(),
        generation: snapshot.generation(),
        next: next.clone(),
    };
    Ok(paging::answer(list, next.as_deref(), &uri))
}

/// The first hosts by name after one of them, and whether there are more; the last ones before it where the order is turned round.
/// The table has no order, so only as many are held as a page needs.
fn first<'h>(
    hosts: impl Iterator<Item = &'h Arc<HostRoutes>>,
    after: Option<&str>,
    limit: usize,
    down: bool,
) -> (Vec<(String, &'h Arc<HostRoutes>)>, bool) {
    let mut held: BTreeMap<String, &Arc<HostRoutes>> = BTreeMap::new();
    let is_before = |a: &str, b: &str| if down { a > b } else { a < b };
    for host in hosts {
        let name = host.host.to_string();
        if after.is_some_and(|after| !is_before(after, &name)) {
            continue;
        }
        let last = if down { held.first_key_value() } else { held.last_key_value() };
        if held.len() <= limit || last.is_some_and(|(last, _)| is_before(&name, last)) {
            held.insert(name, host);
            if held.len() > limit + 1 {
                if down {
                    held.pop_first()
                } else {
                    held.pop_last()
                };
            }
        }
    }
    let more = held.len() > limit;
    let held = held.into_iter();
    let mut page: Vec<_> = if down { held.rev().collect() } else { held.collect() };
    page.truncate(limit);
    (page, more)
}

/// Which rules are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter {
    host: Option<String>,
    kind: Option<SourceKind>,
    namespace: Option<String>,
    class: Option<ClassName>,
}

/// A text that is part of a host.
struct Part(String);

impl FromStr for Part {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let sane = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'*' | b'-');
        let fits = (1..=MOST_CHARS).contains(&text.len()) && text.bytes().all(sane);
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(()) }
    }
}

impl Filter {
    fn take(query: &mut Query) -> Self {
        let kinds = SourceKind::ALL.map(|kind| kind.to_string());
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let kind = |text: &str| SourceKind::ALL.into_iter().find(|kind| kind.to_string().eq_ignore_ascii_case(text));
        let namespace = |text: &String| {
            let sane = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            (1..=63).contains(&text.len()) && text.bytes().all(sane) && !text.starts_with('-') && !text.ends_with('-')
        };
        Self {
            host: query.take::<Part>("host", "a part of a host name").map(|part| part.0),
            kind: query.choice("kind", &kinds, kind),
            namespace: query.take_checked("namespace", "the name of a namespace", namespace),
            class: query.take("class", "the name of a class"),
        }
    }

    fn takes_host(&self, host: &HostRoutes) -> bool {
        self.host.as_ref().is_none_or(|text| host.host.to_string().contains(text.as_str()))
            && host.rules().iter().any(|rule| self.takes(rule))
    }

    fn takes(&self, rule: &Rule) -> bool {
        self.takes_source(&rule.name.source)
            && self.class.as_ref().is_none_or(|class| rule.environment.as_ref().is_some_and(|key| key.class == *class))
    }

    fn takes_source(&self, source: &SourceKey) -> bool {
        self.kind.is_none_or(|kind| source.kind == kind)
            && self.namespace.as_ref().is_none_or(|namespace| *source.namespace == **namespace)
    }
}

impl SourceView {
    /// How a source is told.
    pub(super) fn of(source: &SourceKey) -> Self {
        Self { kind: source.kind.to_string(), namespace: source.namespace.to_string(), name: source.name.to_string() }
    }
}

impl RouteProblem {
    /// How a problem is told.
    pub(super) fn of(problem: &crate::routing::Problem) -> Self {
        Self {
            source: SourceView::of(&problem.source),
            host: problem.host.as_ref().map(ToString::to_string),
            reason: problem.reason.as_str().to_owned(),
            message: problem.message.clone(),
        }
    }
}

impl RouteView {
    /// How a rule of a host is told.
    pub(super) fn of(host: &str, rule: &Rule) -> Self {
        let backends = rule.backends.iter().map(|backend| BackendView {
            cluster: backend.cluster.name.to_string(),
            weight: backend.weight,
            usable_endpoints: backend.cluster.endpoints().usable().len(),
            unresolved: backend.unresolved.as_ref().map(ToString::to_string),
        });
        Self {
            host: host.to_owned(),
            matches: rule.matcher.to_string(),
            source: SourceView::of(&rule.name.source),
            place: rule.name.index,
            priority: rule.priority,
            filters: rule.filters.iter().map(ToString::to_string).collect(),
            backends: backends.collect(),
            environment: rule.environment.as_ref().map(ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{BackendSpec, Claims, Contribution, HostClaim, Routes, RuleSpec, SourceKind};

    #[test]
    fn a_page_holds_the_least_hosts_behind_its_cursor() {
        let mut routes = Routes::new("localhost".parse().unwrap());
        for name in ["d", "a", "c", "b"] {
            let source = SourceKey { kind: SourceKind::File, namespace: "".into(), name: name.into() };
            let claims = Claims::Named(vec![HostClaim::parse(&format!("{name}.test")).unwrap()]);
            let to = BackendSpec::Address {
                address: "127.0.0.1:1".parse().unwrap(),
                protocol: Default::default(),
                weight: 1,
            };
            let rules = vec![RuleSpec { backends: vec![to], ..RuleSpec::default() }];
            routes.apply(Contribution::of_one_group(source, 0, claims, rules));
        }
        let snapshot = routes.snapshot();
        let names = |after, limit, down| {
            let (hosts, more) = first(snapshot.hosts(), after, limit, down);
            (hosts.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), more)
        };
        assert_eq!(names(None, 2, false), (vec!["a.test".into(), "b.test".into()], true));
        assert_eq!(names(Some("b.test"), 2, false), (vec!["c.test".into(), "d.test".into()], false));
        assert_eq!(names(Some("d.test"), 2, false), (vec![], false));
        assert_eq!(names(None, 3, true), (vec!["d.test".into(), "c.test".into(), "b.test".into()], true));
        assert_eq!(names(Some("b.test"), 3, true), (vec!["a.test".into()], false));
    }
}
