//! Who gets which host: zones of classes first, then what sources ask for.

use super::Routes;
use crate::model::{ClassName, HostPattern, Hostname};
use crate::routing::{Claims, ClassHosts, HostClaim, PersonalHosts, Problem, ProblemReason, SourceKey, SourceKind};
use std::collections::BTreeSet;

impl Routes {
    /// Of patterns that may make the same host, the oldest keeps its own (by name, if of one age).
    pub(super) fn decide_patterns(&mut self) {
        let mut by_age: Vec<&ClassHosts> = self.classes.values().collect();
        by_age.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        let mut kept: Vec<PersonalHosts> = Vec::new();
        let mut problems: Vec<(SourceKey, Vec<Problem>)> = Vec::new();
        for class in by_age {
            let source = class_source(&class.name);
            let refuse = |reason, message| Problem { source: source.clone(), host: None, reason, message };
            let pattern = spelled(&class.pattern, &self.domain);
            let older = kept.iter().find(|older| spelled(&older.pattern, &self.domain).overlaps(&pattern));
            let found = match (older, class.pattern.zone(&self.domain)) {
                (Some(older), _) => vec![refuse(
                    ProblemReason::HostPatternTaken,
                    format!(
                        "the host pattern {} may make hosts of class {}, which is older and has {}; give this class a pattern of its own",
                        class.pattern, older.class, older.pattern
                    ),
                )],
                (None, Err(error)) => vec![refuse(ProblemReason::Invalid, error.to_string())],
                (None, Ok(zone)) => {
                    let (pattern, domain) = (class.pattern.clone(), self.domain.clone());
                    kept.push(PersonalHosts { class: class.name.clone(), pattern, domain, zone });
                    Vec::new()
                }
            };
            problems.push((source, found));
        }
        let before = self.own_problems.keys().filter(|source| source.kind == SourceKind::Class);
        let gone: Vec<_> =
            before.filter(|source| !problems.iter().any(|(known, _)| known == *source)).cloned().collect();
        self.next.patterns = kept.into();
        self.next.names += 1;
        problems.extend(gone.into_iter().map(|source| (source, Vec::new())));
        for (source, found) in problems {
            self.set_problems(&source, found);
        }
    }

    pub(super) fn unclaim(&mut self, source: &SourceKey) -> BTreeSet<HostClaim> {
        let Some(applied) = self.contributions.get_mut(source) else { return BTreeSet::new() };
        let hosts = applied.groups.iter_mut().flat_map(|group| std::mem::take(&mut group.hosts));
        let hosts: BTreeSet<HostClaim> = hosts.collect();
        for host in &hosts {
            if let Some(claimants) = self.claimants.get_mut(host) {
                claimants.remove(source);
                if claimants.is_empty() {
                    self.claimants.remove(host);
                }
            }
        }
        hosts
    }

    /// Gives a source the hosts that it may have; gives these hosts. What it may not have becomes its problems.
    pub(super) fn claim(&mut self, source: &SourceKey) -> BTreeSet<HostClaim> {
        let Some(applied) = self.contributions.get(source) else { return BTreeSet::new() };
        let mut refused = Vec::new();
        let groups = applied.contribution.groups.iter();
        let granted: Vec<Vec<HostClaim>> =
            groups.map(|group| self.granted(source, &group.claims, &mut refused)).collect();
        for host in granted.iter().flatten() {
            self.claimants.entry(host.clone()).or_default().insert(source.clone());
        }
        let touched = granted.iter().flatten().cloned().collect();
        if let Some(applied) = self.contributions.get_mut(source) {
            applied.groups.iter_mut().zip(granted).for_each(|(group, hosts)| group.hosts = hosts);
            applied.refused = refused;
        }
        self.gather_problems(source);
        touched
    }

    /// The hosts of `claims` that a source gets; what it does not get is added to `refused`.
    fn granted(&self, source: &SourceKey, claims: &Claims, refused: &mut Vec<Problem>) -> Vec<HostClaim> {
        let refusal = |host, reason, message| Problem { source: source.clone(), host, reason, message };
        let asked: Vec<HostClaim> = match claims {
            Claims::Personal(key) => {
                let hosts = self.next.patterns.iter().find(|hosts| hosts.class == key.class);
                return match hosts.map(|hosts| hosts.pattern.host(&key.user, &self.domain)) {
                    Some(Ok(host)) => vec![HostClaim::Exact(host)],
                    Some(Err(error)) => {
                        refused.push(refusal(None, ProblemReason::Invalid, error.to_string()));
                        Vec::new()
                    }
                    None => {
                        let message = format!("there is no valid class {}, so {key} has no host", key.class);
                        refused.push(refusal(None, ProblemReason::ClassUnknown, message));
                        Vec::new()
                    }
                };
            }
            Claims::Challenge { hosts, personal: true } => {
                return hosts.iter().cloned().map(HostClaim::Exact).collect();
            }
            Claims::Challenge { hosts, personal: false } => hosts.iter().cloned().map(HostClaim::Exact).collect(),
            Claims::Named(claims) => claims.clone(),
        };
        let reserved = |claim: &HostClaim| self.next.patterns.iter().find(|hosts| claim.touches(&hosts.zone));
        let mut granted = Vec::with_capacity(asked.len());
        for claim in asked {
            match reserved(&claim) {
                None => granted.push(claim),
                Some(hosts) => {
                    let message = format!(
                        "{claim} touches the zone {}, which belongs to the environments of class {}; choose a host outside of it",
                        hosts.zone, hosts.class
                    );
                    refused.push(refusal(Some(claim), ProblemReason::HostReserved, message));
                }
            }
        }
        granted
    }
}

/// The source under which a class's problems are kept.
fn class_source(class: &ClassName) -> SourceKey {
    SourceKey { kind: SourceKind::Class, namespace: "".into(), name: class.as_str().into() }
}

/// The pattern with the domain put in: one class may write out what another calls `{domain}`, and mean the same hosts.
fn spelled(pattern: &HostPattern, domain: &Hostname) -> HostPattern {
    // One that makes no host under this domain is refused for that; here it is compared as it stands.
    pattern.as_str().replace("{domain}", domain.as_str()).parse().unwrap_or_else(|_| pattern.clone())
}
