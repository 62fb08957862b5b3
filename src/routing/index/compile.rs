//! From what a source says to rules: names are resolved, and what leads nowhere is told.

use super::Routes;
use crate::routing::{
    BackendRef, BackendSpec, CHALLENGE_PATH, Claims, Cluster, ClusterName, Contribution, Endpoint, Filter, HostGroup,
    PathMatch, PortName, Problem, ProblemReason, Protocol, Rule, RuleName, RuleSpec, Tier, Timeouts,
};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Routes {
    /// The rules of each group, and what is wrong with them.
    pub(super) fn compile(&mut self, contribution: &Contribution) -> (Vec<Vec<Arc<Rule>>>, Vec<Problem>) {
        let mut groups = Vec::with_capacity(contribution.groups.len());
        let mut flaws: BTreeSet<(ProblemReason, Box<str>)> = BTreeSet::new();
        let mut index = 0;
        for group in &contribution.groups {
            let environment = match &group.claims {
                Claims::Personal(key) => Some(key.clone()),
                Claims::Named(_) | Claims::Challenge { .. } => None,
            };
            let mut rules = Vec::with_capacity(group.rules.len());
            for spec in &group.rules {
                let name = RuleName { source: contribution.source.clone(), index };
                index += 1;
                let Some(tier) = tier(group, spec) else {
                    let message = format!(
                        "a challenge answers exact paths under {CHALLENGE_PATH} alone, not «{}»",
                        spec.matcher.path
                    );
                    flaws.insert((ProblemReason::Invalid, message.into()));
                    continue;
                };
                let backends = self.backends(spec);
                if backends.is_empty() && !spec.filters.iter().any(Filter::may_answer) {
                    continue;
                }
                let missing = backends.iter().filter_map(|backend| backend.unresolved.clone());
                flaws.extend(missing.map(|why| (ProblemReason::BackendNotFound, why)));
                rules.push(Arc::new(Rule {
                    name,
                    tier,
                    matcher: spec.matcher.clone(),
                    priority: spec.priority,
                    filters: spec.filters.clone().into(),
                    backends: backends.into(),
                    timeouts: Timeouts { wait: spec.timeouts.wait.or_else(|| self.ports.wait(spec)), ..spec.timeouts },
                    environment: environment.clone(),
                }));
            }
            groups.push(rules);
        }
        let source = &contribution.source;
        let problem =
            |(reason, message)| Problem { source: source.clone(), host: None, reason, message: String::from(message) };
        (groups, flaws.into_iter().map(problem).collect())
    }

    fn backends(&mut self, spec: &RuleSpec) -> Vec<BackendRef> {
        let to = |cluster, weight: &u32| BackendRef { cluster, weight: *weight, unresolved: None };
        let resolve = |backend: &BackendSpec| match backend {
            BackendSpec::Service { cluster, slice_port, protocol, weight } => {
                to(self.services.cluster(cluster, slice_port, *protocol), weight)
            }
            BackendSpec::Address { address, protocol, weight } => to(fixed(*address, *protocol), weight),
            BackendSpec::Nowhere { why } => {
                let (namespace, service, port) = ("".into(), "nowhere".into(), PortName::Number(0));
                let cluster = Arc::new(Cluster::new(ClusterName { namespace, service, port }, Protocol::default()));
                BackendRef { cluster, weight: 1, unresolved: Some(why.clone()) }
            }
            BackendSpec::ServicePort { service, port, protocol, weight } => {
                let name = |port| {
                    let (namespace, service) = (service.namespace.clone(), service.name.clone());
                    ClusterName { namespace, service, port }
                };
                let found = self.ports.resolve(service, port);
                match found.and_then(|found| Ok((found, found.spoken(service, *protocol)?))) {
                    Ok((found, protocol)) => {
                        // By its number, however it was asked for: all rules that lead there share the cluster.
                        let cluster = name(PortName::Number(found.number));
                        to(self.services.cluster(&cluster, &found.name, protocol), weight)
                    }
                    Err(why) => {
                        let cluster = Arc::new(Cluster::new(name(port.clone()), protocol.unwrap_or_default()));
                        BackendRef { cluster, weight: *weight, unresolved: Some(why.into()) }
                    }
                }
            }
        };
        spec.backends.iter().map(resolve).collect()
    }
}

/// The tier of a rule in its group; none for one that its group may not have.
fn tier(group: &HostGroup, spec: &RuleSpec) -> Option<Tier> {
    match &group.claims {
        Claims::Personal(_) | Claims::Named(_) => Some(group.tier),
        Claims::Challenge { .. } => match &spec.matcher.path {
            PathMatch::Exact(path) if path.starts_with(CHALLENGE_PATH) => Some(Tier::Challenge),
            PathMatch::Exact(_) | PathMatch::Begins(_) | PathMatch::Prefix(_) | PathMatch::Regex(_) => None,
        },
    }
}

/// A cluster of one address that never changes.
fn fixed(address: std::net::SocketAddr, protocol: Protocol) -> Arc<Cluster> {
    let service = address.ip().to_string().into();
    let name = ClusterName { namespace: "".into(), service, port: PortName::Number(address.port()) };
    let cluster = Cluster::new(name, protocol);
    cluster.replace([Endpoint::new(address)]);
    Arc::new(cluster)
}
