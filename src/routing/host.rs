//! The rules of one host, in the order of precedence.

use super::matcher::{Identity, ParsedQuery};
use super::{HostClaim, Mismatch, Problem, ProblemReason, RequestView, Rule, Tier};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The rules of one host. The first that takes a request gets it.
#[derive(Debug)]
pub struct HostRoutes {
    /// The host, as it was claimed.
    pub host: HostClaim,
    rules: Box<[Arc<Rule>]>,
}

impl HostRoutes {
    /// Sorts `rules` (each with its source's age) and drops those whose match an older source has already; what was
    /// dropped is returned as problems.
    pub(super) fn new(host: HostClaim, rules: Vec<(i64, Arc<Rule>)>) -> (Self, Vec<Problem>) {
        let mut keyed: Vec<_> = rules.into_iter().map(|(created, rule)| (precedence(created, &rule), rule)).collect();
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut kept: Vec<Arc<Rule>> = Vec::with_capacity(keyed.len());
        let mut problems = Vec::new();
        let mut taken: HashMap<(Tier, Identity<'_>), &Rule> = HashMap::with_capacity(keyed.len());
        for (_, rule) in &keyed {
            match taken.entry((rule.tier, rule.matcher.identity())) {
                Entry::Occupied(older) if older.get().name.source != rule.name.source => {
                    problems.push(conflict(&host, rule, older.get()));
                    continue;
                }
                // Twice in one source: the first in it wins by its place, and is nobody else's loss.
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(rule);
                }
            }
            kept.push(Arc::clone(rule));
        }
        (Self { host, rules: kept.into() }, problems)
    }

    /// The rule that takes the request.
    pub fn find(&self, request: &RequestView<'_>) -> Option<&Arc<Rule>> {
        let query = ParsedQuery::of(request);
        self.rules.iter().find(|rule| rule.matcher.judge(request, &query).is_none())
    }

    /// Whether a request that none of these rules takes is nobody else's: not so where there are only answers to ACME
    /// challenges, which stand beside whatever answers the host.
    pub fn decides(&self) -> bool {
        self.rules.last().is_some_and(|rule| rule.tier != Tier::Challenge)
    }

    /// The rules in the order of precedence.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Each rule with what it did not like about the request.
    pub(super) fn judged<'s>(
        &'s self,
        request: &'s RequestView<'_>,
    ) -> impl Iterator<Item = (&'s Arc<Rule>, Option<Mismatch<'s>>)> {
        let query = ParsedQuery::of(request);
        self.rules.iter().map(move |rule| (rule, rule.matcher.judge(request, &query)))
    }
}

/// The tier, then the priority, then the Gateway API's order for HTTPRoute rules: path, method, number of fields, number of
/// query parameters (and of other conditions), then the older source, then its name, then the place in it.
fn precedence(created: i64, rule: &Rule) -> impl Ord + use<> {
    let matcher = &rule.matcher;
    (
        rule.tier,
        Reverse(rule.priority),
        Reverse(matcher.path.rank()),
        Reverse(matcher.method.is_some()),
        Reverse(matcher.headers.len()),
        Reverse(matcher.query.len()),
        Reverse(matcher.conditions.len()),
        created,
        rule.name.clone(),
    )
}

fn conflict(host: &HostClaim, loser: &Rule, winner: &Rule) -> Problem {
    let goes_first = if winner.priority > loser.priority { "has a higher priority" } else { "is older" };
    let message = format!(
        "{host} ({}) is answered by {}, which {goes_first}; give this one another host or another match",
        loser.matcher, winner.name.source
    );
    Problem {
        source: loser.name.source.clone(),
        host: Some(host.clone()),
        reason: ProblemReason::HostConflict,
        message,
    }
}
