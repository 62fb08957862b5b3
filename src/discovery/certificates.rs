//! Which certificate each server name gets: by the Ingresses that name a Secret, by the Secrets of the namespace that is
//! trusted with certificates, and the default one.

use super::secrets;
use crate::routing::{HostClaim, Problem, ProblemReason, Routes, SourceKey, SourceKind};
use crate::telemetry::metrics;
use crate::tls::{Assigned, CertificateName, Certificates, Pair};
use k8s_openapi::api::core::v1::Secret;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A message names at most so many hosts.
const MAX_SHOWN: usize = 5;

/// The identity of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretKey {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.into(), name: name.into() })
            }
            Some(_) | None => Err(format!("{} is no Secret; give it as NAMESPACE/NAME", crate::model::shown(text))),
        }
    }
}

/// Where certificates come from, and where they go.
#[derive(Debug, Clone, Default)]
pub struct CertificateConfig {
    /// What serves them.
    pub store: Arc<Certificates>,
    /// The namespace whose labelled Secrets serve every host of their certificates, people's too, and whose ACME challenges
    /// may be for hosts of people. Whoever may write there may take a certificate for anybody's host.
    pub namespace: Option<String>,
    /// The certificate for names that no other one is for.
    pub default: Option<SecretKey>,
}

/// A Secret that an Ingress names, and for which of its hosts; for all of them where it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsReference {
    pub(super) secret: SecretKey,
    pub(super) hosts: Option<Vec<HostClaim>>,
}

/// Every TLS Secret, and who names it.
#[derive(Debug, Default)]
pub(super) struct CertificateIndex {
    config: CertificateConfig,
    secrets: HashMap<SecretKey, Held>,
    /// By source, with its age.
    references: BTreeMap<SourceKey, (i64, Vec<TlsReference>)>,
    listed: BTreeSet<SecretKey>,
    changed: bool,
}

/// What is known of a Secret.
#[derive(Debug, Default)]
struct Held {
    /// The newest certificate that could be used. It stays when the Secret turns bad or vanishes.
    good: Option<Arc<Pair>>,
    /// What is wrong with the Secret now.
    fault: Option<String>,
    /// Whether it is there.
    present: bool,
    labelled: bool,
}

impl CertificateIndex {
    pub(super) fn new(config: CertificateConfig) -> Self {
        // The default certificate may be missing from the first.
        Self { config, changed: true, ..Self::default() }
    }

    /// The namespace that is trusted with certificates of people's hosts.
    pub(super) fn trusted(&self) -> Option<&str> {
        self.config.namespace.as_deref()
    }

    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.listed.clear();
    }

    /// A list names this Secret.
    pub(super) fn list(&mut self, secret: &Secret) {
        self.listed.insert(secrets::key(secret));
        self.put(secret);
    }

    /// A list is complete: what it has not named is gone.
    pub(super) fn end(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let gone: Vec<SecretKey> = self.secrets.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| self.remove(key));
        self.changed = true;
    }

    /// A Secret is new, or changed.
    pub(super) fn put(&mut self, secret: &Secret) {
        let held = self.secrets.entry(secrets::key(secret)).or_default();
        held.present = true;
        held.labelled = secrets::is_labelled(secret);
        match secrets::translate(secret) {
            Ok(pair) => {
                held.good = Some(Arc::new(pair));
                held.fault = None;
            }
            Err(error) => held.fault = Some(error.to_string()),
        }
        self.changed = true;
    }

    /// A Secret is gone.
    pub(super) fn remove(&mut self, key: &SecretKey) {
        if let Some(held) = self.secrets.get_mut(key) {
            held.present = false;
            held.fault = Some("it is gone".to_owned());
            self.changed = true;
        }
    }

    /// Takes the Secrets that a source names now. An Ingress that names none, and named none, changes nothing here.
    pub(super) fn refer(&mut self, source: &SourceKey, created: i64, references: Vec<TlsReference>) {
        let before = match references.is_empty() {
            true => self.references.remove(source),
            false => self.references.insert(source.clone(), (created, references)),
        };
        self.changed |= before.is_some() || self.references.contains_key(source);
    }

    /// Hosts may have been given to others.
    pub(super) fn hosts_changed(&mut self) {
        self.changed = true;
    }

    /// Assigns all names anew, if anything has changed that may matter for it.
    pub(super) fn settle(&mut self, routes: &mut Routes) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let mut by_age: Vec<(&SourceKey, &i64, &Vec<TlsReference>)> =
            self.references.iter().map(|(source, (created, references))| (source, created, references)).collect();
        by_age.sort_by_key(|(source, created, _)| (**created, *source));
        let mut out = Outcome::default();
        for (source, _, references) in by_age {
            let granted = routes.hosts_of(source);
            for reference in references {
                self.assign_reference(routes, source, &granted, reference, &mut out);
            }
        }
        self.assign_labelled(&mut out);
        if let Some(key) = &self.config.default
            && let Some(pair) = self.usable(key, &secret_source(key), "it is the default certificate", &mut out)
        {
            out.assigned.give_default(&pair);
        }
        // What is gone, and served by nobody any more, is not kept.
        self.secrets.retain(|key, held| held.present || out.used.contains(key));
        let expiries = out.used.iter().filter_map(|key| Some((key, self.secrets.get(key)?.good.as_ref()?)));
        metrics::certificates(expiries.map(|(key, pair)| (key.to_string(), pair.not_after.as_second())));
        self.config.store.assign(out.assigned);
        routes.set_certificate_problems(out.problems);
    }

    fn assign_reference(
        &self,
        routes: &Routes,
        source: &SourceKey,
        granted: &BTreeSet<HostClaim>,
        reference: &TlsReference,
        out: &mut Outcome,
    ) {
        let TlsReference { secret, hosts } = reference;
        let Some(pair) = self.usable(secret, source, "spec.tls names it", out) else { return };
        let wanted =
            |name: &CertificateName| hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|host| names_host(host, name)));
        let mut bare = Vec::new();
        for claim in granted {
            let mut names = common(routes, claim, &pair.names).filter(&wanted).peekable();
            let asked = hosts.as_ref().is_none_or(|hosts| hosts.contains(claim));
            if names.peek().is_none() && asked && *claim != HostClaim::Any {
                bare.push(claim.to_string());
            }
            names.for_each(|name| out.assigned.give(&name, &pair));
        }
        if !bare.is_empty() {
            let message = format!(
                "the certificate in Secret {secret} is for {}, not for {}; the Secret needs one that is",
                shown(pair.names.iter().map(ToString::to_string)),
                shown(bare.into_iter())
            );
            out.tell(source, ProblemReason::CertificateUnusable, message);
        }
    }

    /// Every name of the certificates in labelled Secrets of the trusted namespace; of two for one name, the one that has
    /// begun, and then the one that ends later.
    fn assign_labelled(&self, out: &mut Outcome) {
        let labelled =
            self.secrets.iter().filter(|(key, held)| held.labelled && self.trusted() == Some(&*key.namespace));
        let mut pairs: Vec<(&SecretKey, Arc<Pair>)> = Vec::new();
        for (key, _) in labelled {
            let why = "it serves every host that it was issued for";
            if let Some(pair) = self.usable(key, &secret_source(key), why, out) {
                pairs.push((key, pair));
            }
        }
        let now = jiff::Timestamp::now();
        pairs.sort_by_key(|(key, pair)| (pair.not_before > now, Reverse(pair.not_after), *key));
        for (_, pair) in &pairs {
            pair.names.iter().for_each(|name| out.assigned.give(name, pair));
        }
    }

    /// The certificate of a Secret. What is wrong with it becomes a problem of `owner`, and of the Secret.
    fn usable(&self, key: &SecretKey, owner: &SourceKey, why: &str, out: &mut Outcome) -> Option<Arc<Pair>> {
        let Some(held) = self.secrets.get(key) else {
            let message =
                format!("there is no Secret {key} of type {} ({why}); make it, or name another", secrets::TYPE);
            out.tell(owner, ProblemReason::CertificateUnusable, message);
            return None;
        };
        out.used.insert(key.clone());
        let (reason, message) = match (&held.good, &held.fault) {
            (None, fault) => {
                let fault = fault.as_deref().unwrap_or("it holds no certificate");
                (ProblemReason::CertificateUnusable, format!("Secret {key} cannot be used ({why}): {fault}"))
            }
            (Some(_), Some(fault)) => {
                let message = format!(
                    "Secret {key} cannot be used ({why}): {fault}; the certificate that it held before is served on"
                );
                (ProblemReason::CertificateOutdated, message)
            }
            (Some(pair), None) if pair.not_after < jiff::Timestamp::now() => {
                let message = format!("the certificate in Secret {key} ended at {}; renew it", pair.not_after);
                (ProblemReason::CertificateOutdated, message)
            }
            (Some(pair), None) if pair.not_before > jiff::Timestamp::now() => {
                let message = format!(
                    "the certificate in Secret {key} begins only at {}, and clients refuse it until then; check the clock of whoever issued it, or issue one that begins now",
                    pair.not_before
                );
                (ProblemReason::CertificateOutdated, message)
            }
            (Some(pair), None) => return Some(pair.clone()),
        };
        out.tell(owner, reason, message.clone());
        let own = secret_source(key);
        if own != *owner {
            out.tell(&own, reason, message);
        }
        held.good.clone()
    }
}

/// What an assignment comes to.
#[derive(Debug, Default)]
struct Outcome {
    assigned: Assigned,
    problems: BTreeMap<SourceKey, Vec<Problem>>,
    /// The Secrets that somebody named.
    used: BTreeSet<SecretKey>,
}

impl Outcome {
    fn tell(&mut self, source: &SourceKey, reason: ProblemReason, message: String) {
        let told = self.problems.entry(source.clone()).or_default();
        let problem = Problem { source: source.clone(), host: None, reason, message };
        // Two Ingresses may name one Secret.
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
}

/// The source under which a Secret's problems are told.
fn secret_source(key: &SecretKey) -> SourceKey {
    SourceKey { kind: SourceKind::Secret, namespace: key.namespace.clone(), name: key.name.clone() }
}

/// Whether a host of `spec.tls` stands for `name`.
fn names_host(host: &HostClaim, name: &CertificateName) -> bool {
    match (host, name) {
        (HostClaim::OneLabel(parent), CertificateName::Wildcard(of)) => parent == of,
        (_, CertificateName::Exact(name)) => host.takes(name.as_str()),
        (HostClaim::Exact(_) | HostClaim::Wildcard(_) | HostClaim::Any, CertificateName::Wildcard(_)) => false,
    }
}

/// The names that are both the source's and the certificate's: a certificate makes nobody the owner of a host, and a host
/// makes no certificate valid.
fn common<'a>(
    routes: &'a Routes,
    claim: &'a HostClaim,
    names: &'a [CertificateName],
) -> impl Iterator<Item = CertificateName> + 'a {
    names.iter().filter_map(move |name| match (claim, name) {
        (HostClaim::Exact(host), name) => name.covers(host).then(|| CertificateName::Exact(host.clone())),
        (HostClaim::OneLabel(_) | HostClaim::Wildcard(_), CertificateName::Exact(host)) => {
            claim.takes(host.as_str()).then(|| name.clone())
        }
        (HostClaim::OneLabel(parent) | HostClaim::Wildcard(parent), CertificateName::Wildcard(of)) => {
            (parent == of).then(|| name.clone())
        }
        // Who answers all hosts gets the certificates of those that are nobody's.
        (HostClaim::Any, CertificateName::Exact(host)) => {
            routes.is_free(&HostClaim::Exact(host.clone())).then(|| name.clone())
        }
        (HostClaim::Any, CertificateName::Wildcard(parent)) => {
            routes.is_free(&HostClaim::OneLabel(parent.clone())).then(|| name.clone())
        }
    })
}

fn shown(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(MAX_SHOWN);
    let first: Vec<String> = names.into_iter().take(MAX_SHOWN).collect();
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

#[cfg(test)]
mod tests;
