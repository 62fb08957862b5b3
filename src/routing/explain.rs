//! Why a request goes where it goes, for people. It asks the same table by the same code as the request would.

use super::{Answer, HostRoutes, Match, Passage, RequestView, Rule, Snapshot, has_dot_segments};
use serde::Serialize;
use std::sync::Arc;

/// How a request is routed, and why.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The host, canonical.
    pub host: String,
    /// The path that was matched.
    pub path: String,
    /// The decision in a sentence.
    pub decision: String,
    /// The rule that takes the request.
    pub winner: Option<ExplainedRule>,
    /// The rules that could have, in the order in which they were asked.
    pub losers: Vec<Loser>,
    /// What the winner's filters do to the request, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// What comes of the request behind these filters, or the refusal that goes before every rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ExplainedAnswer>,
    /// Where the winner leads.
    pub backends: Vec<ExplainedBackend>,
    /// The environment whose host it is: `<user>-<class>`.
    pub environment: Option<String>,
    /// What is known about that environment.
    pub environment_state: Option<String>,
    /// What has no effect, where it concerns this host.
    pub problems: Vec<String>,
    /// The generation of the table that was asked.
    pub generation: u64,
}

/// A rule, for people.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedRule {
    /// Its name: source and place.
    pub name: String,
    /// The host that it was claimed for.
    pub host: String,
    /// What it wants of a request.
    pub matches: String,
}

/// What comes of a request behind the filters of its rule, or before any rule is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExplainedAnswer {
    /// It goes to a backend like this.
    #[serde(rename_all = "camelCase")]
    Forwarded {
        /// The Host field.
        host: String,
        /// Path and query.
        path: String,
    },
    /// The client is sent elsewhere.
    #[serde(rename_all = "camelCase")]
    Redirected {
        /// The status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// The client is refused.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// The status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// The gateway answers a preflight.
    #[serde(rename_all = "camelCase")]
    Preflight {
        /// The origin that it allows.
        allowed_origin: Option<String>,
    },
}

/// A rule that did not get the request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loser {
    /// The rule.
    #[serde(flatten)]
    pub rule: ExplainedRule,
    /// Why it did not.
    pub reason: String,
}

/// A cluster of endpoints, for people.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedBackend {
    /// Namespace, Service and port.
    pub cluster: String,
    /// Its share in relation to the others.
    pub weight: u32,
    /// Why it leads nowhere, where the Service or its port is not there.
    pub unresolved: Option<String>,
    /// Its endpoints.
    pub endpoints: Vec<ExplainedEndpoint>,
}

/// An endpoint, for people.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedEndpoint {
    /// Address and port.
    pub address: String,
    /// The pod behind it.
    pub pod: Option<String>,
    /// `ready`, `draining` or `not ready`.
    pub state: &'static str,
    /// Whether it may get this request.
    pub usable: bool,
    /// Whether it failed so often that it is left alone for a while. Only who forwards requests knows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ejected: bool,
    /// Failures since its last good answer. Only who forwards requests knows.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Requests under way to it. Only who forwards requests knows.
    #[serde(skip_serializing_if = "is_zero")]
    pub active: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Snapshot {
    /// How this request would be routed, and why.
    pub fn explain(&self, request: &RequestView<'_>) -> Explanation {
        let refused = refusal(request);
        let found = self.find(request);
        let (winner, decision) = match (&refused, &found) {
            (Some(why), _) => (None, format!("the gateway refuses it with 400 before any rule is asked: {why}")),
            (None, Match::Rule(rule)) => (Some(*rule), format!("{} takes it", rule.name)),
            (None, Match::NoRule) => {
                (None, format!("{} is known, but none of its rules takes this request", request.host))
            }
            (None, Match::Personal(key, _)) => (
                None,
                format!(
                    "no route: {} belongs to {}'s environment of class {}, which has none",
                    request.host, key.user, key.class
                ),
            ),
            (None, Match::NoHost) => (None, format!("no route: nobody has the host {}", request.host)),
        };
        let key = winner.and_then(|rule| rule.environment.clone()).or_else(|| self.personal(request.host));
        let note = key.as_ref().and_then(|key| self.environment(key));
        let (winning, losers) = match &refused {
            Some(_) => (None, Vec::new()),
            None => self.asked(request, winner),
        };
        let expired = key.as_ref().and_then(|key| self.expired(key));
        let expired = expired.map(|note| format!("Expired: at {}: {}", note.at, note.message));
        Explanation {
            host: request.host.to_owned(),
            path: request.path.to_owned(),
            decision,
            winner: winner.zip(winning).map(|(rule, host)| describe(host, rule)),
            losers,
            filters: winner.map(|rule| rule.filters.iter().map(ToString::to_string).collect()).unwrap_or_default(),
            outcome: match refused {
                Some(reason) => Some(ExplainedAnswer::Refused { status: 400, reason }),
                None => winner.and_then(|rule| outcome(rule, request)),
            },
            backends: winner.map(|rule| backends(rule)).unwrap_or_default(),
            environment: key.as_ref().map(ToString::to_string),
            environment_state: expired.or_else(|| note.map(|note| format!("{}: {}", note.reason, note.message))),
            problems: self.problems_at(request.host, winner, key.as_ref().map(|key| key.object_name()).as_deref()),
            generation: self.generation,
        }
    }

    /// The host in which the winner was found, and every other rule that could have got the request.
    fn asked(&self, request: &RequestView<'_>, winner: Option<&Arc<Rule>>) -> (Option<&Arc<HostRoutes>>, Vec<Loser>) {
        let is_winner = |rule: &Arc<Rule>| winner.is_some_and(|winner| Arc::ptr_eq(winner, rule));
        let (mut winning, mut decided, mut losers) = (None, None::<&Arc<HostRoutes>>, Vec::new());
        for host in self.candidates(request.host) {
            if let Some(decided) = decided {
                let reason = format!("its host {} is wider than {}", host.host, decided.host);
                let lost = |rule: &Arc<Rule>| Loser { rule: describe(host, rule), reason: reason.clone() };
                losers.extend(host.rules().iter().map(lost));
                continue;
            }
            for (rule, mismatch) in host.judged(request) {
                if is_winner(rule) {
                    winning = Some(host);
                    continue;
                }
                let reason = match (mismatch, winner) {
                    (Some(mismatch), _) => mismatch.to_string(),
                    (None, Some(winner)) if winner.priority > rule.priority => format!(
                        "it matches, but {} ({}) has a higher priority: {} over {}",
                        winner.name, winner.matcher, winner.priority, rule.priority
                    ),
                    (None, Some(winner)) => {
                        format!("it matches, but {} ({}) is more specific or older", winner.name, winner.matcher)
                    }
                    (None, None) => "it matches".to_owned(),
                };
                losers.push(Loser { rule: describe(host, rule), reason });
            }
            decided = (winning.is_some() || host.decides()).then_some(host);
        }
        (winning, losers)
    }

    /// The problems that name this host, and those of the source that would answer it.
    fn problems_at(&self, host: &str, winner: Option<&Arc<Rule>>, service: Option<&str>) -> Vec<String> {
        let names_host = |problem: &super::Problem| problem.host.as_ref().is_some_and(|claim| claim.takes(host));
        let of_service = |problem: &super::Problem| service.is_some_and(|name| &*problem.source.name == name);
        // Of what the winner's source has besides, only what is about no other host.
        let of_winner = |problem: &super::Problem| {
            problem.host.is_none() && winner.is_some_and(|rule| rule.name.source == problem.source)
        };
        let concerned = self.problems().filter(|p| names_host(p) || of_service(p) || of_winner(p));
        concerned.map(ToString::to_string).collect()
    }
}

/// Why a gateway answers such a request itself, whatever the rules are: as far as a table's view of it shows that.
fn refusal(request: &RequestView<'_>) -> Option<String> {
    if has_dot_segments(request.path) {
        return Some("its path has dot segments, plain or encoded; name the path that they lead to".to_owned());
    }
    let name = request.headers.keys().find(|name| name.as_str().contains('_'))?;
    Some(format!("the name of its field {name} has an underscore, which some backends take for a hyphen"))
}

fn describe(host: &HostRoutes, rule: &Rule) -> ExplainedRule {
    ExplainedRule { name: rule.name.to_string(), host: host.host.to_string(), matches: rule.matcher.to_string() }
}

/// What the rule's filters make of the request: by the code that makes it so.
fn outcome(rule: &Rule, request: &RequestView<'_>) -> Option<ExplainedAnswer> {
    if rule.filters.is_empty() {
        return None;
    }
    let mut headers = request.headers.clone();
    let mut passage = Passage::new(request, request.host);
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Some(match passage.through(&rule.filters, &mut headers) {
        Ok(()) => ExplainedAnswer::Forwarded {
            host: passage.host.into_owned(),
            path: match passage.query {
                Some(query) => format!("{}?{query}", passage.path),
                None => passage.path.into_owned(),
            },
        },
        Err(Answer::Redirect { status, location }) => {
            ExplainedAnswer::Redirected { status: status.as_u16(), location: text(&location) }
        }
        Err(Answer::Refuse { status, reason }) => {
            ExplainedAnswer::Refused { status: status.as_u16(), reason: reason.into_owned() }
        }
        Err(Answer::Preflight(told)) => {
            ExplainedAnswer::Preflight { allowed_origin: told.get(http::header::ACCESS_CONTROL_ALLOW_ORIGIN).map(text) }
        }
    })
}

fn backends(rule: &Rule) -> Vec<ExplainedBackend> {
    let explain = |backend: &super::BackendRef| {
        let set = backend.cluster.endpoints();
        let usable = |endpoint: &Arc<super::Endpoint>| set.usable().iter().any(|one| Arc::ptr_eq(one, endpoint));
        let endpoints = set.all().map(|endpoint| ExplainedEndpoint {
            address: endpoint.address.to_string(),
            pod: endpoint.pod.as_ref().map(ToString::to_string),
            state: endpoint.state.as_str(),
            usable: usable(endpoint),
            ejected: endpoint.load.is_ejected(),
            failures: endpoint.load.failures(),
            active: endpoint.load.active(),
        });
        ExplainedBackend {
            cluster: backend.cluster.name.to_string(),
            weight: backend.weight,
            unresolved: backend.unresolved.as_deref().map(str::to_owned),
            endpoints: endpoints.collect(),
        }
    };
    rule.backends.iter().map(explain).collect()
}
