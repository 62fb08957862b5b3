//! An Ingress (networking.k8s.io/v1): rules by host and path, a default backend, and the Secrets of its certificates.

mod challenge;
mod settings;

use super::certificates::{SecretKey, TlsReference};
use crate::model::shown;
use crate::routing::{
    BackendSpec, Claims, Contribution, HostClaim, HostGroup, Matcher, PathMatch, PortName, Problem, ProblemReason,
    RuleSpec, ServiceKey, SourceKey, SourceKind, Tier,
};
use k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend, IngressSpec};
use kube::ResourceExt;
use settings::Settings;

/// The most paths of one Ingress: each is asked in turn, by every request to its hosts.
const MAX_PATHS: usize = 1000;
/// The longest path.
const MAX_PATH_BYTES: usize = 4096;
/// The most problems that are told of one Ingress.
const MAX_PROBLEMS: usize = 16;

/// The key of an Ingress.
pub(super) fn source(ingress: &Ingress) -> SourceKey {
    SourceKey {
        kind: SourceKind::Ingress,
        namespace: ingress.namespace().unwrap_or_default().into(),
        name: ingress.name_any().into(),
    }
}

/// What an Ingress of ours says.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) contribution: Contribution,
    pub(super) problems: Vec<Problem>,
    pub(super) tls: Vec<TlsReference>,
}

/// Translates an Ingress. What cannot be read loses only itself. `trusted` is the namespace whose ACME challenges may be
/// for hosts of people.
pub(super) fn translate(ingress: &Ingress, trusted: Option<&str>) -> Translated {
    let source = source(ingress);
    let created = ingress.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second());
    if let Some((host, rule)) = challenge::of(ingress) {
        let personal = trusted == Some(&*source.namespace);
        let claims = Claims::Challenge { hosts: vec![host], personal };
        let groups = vec![HostGroup { claims, rules: vec![rule], tier: Tier::default() }];
        let contribution = Contribution { source, created, groups };
        return Translated { contribution, problems: Vec::new(), tls: Vec::new() };
    }
    let mut mistakes = Mistakes::default();
    let settings = Settings::of(ingress, &mut mistakes);
    let empty = IngressSpec::default();
    let spec = ingress.spec.as_ref().unwrap_or(&empty);
    let reader = Reader { namespace: &source.namespace, settings };
    let groups = reader.groups(spec, &mut mistakes);
    let tls = tls(&source.namespace, spec, &mut mistakes);
    let problems = mistakes.into_problems(&source);
    Translated { contribution: Contribution { source, created, groups }, problems, tls }
}

/// What is wrong, each with its place.
#[derive(Debug, Default)]
struct Mistakes {
    told: Vec<String>,
    more: usize,
}

impl Mistakes {
    fn add(&mut self, place: &str, message: &str) {
        if self.told.len() < MAX_PROBLEMS {
            self.told.push(format!("{place}: {message}"));
        } else {
            self.more += 1;
        }
    }

    fn into_problems(mut self, source: &SourceKey) -> Vec<Problem> {
        if self.more > 0 {
            self.told.push(format!("{} more mistakes", self.more));
        }
        let problem = |message| Problem { source: source.clone(), host: None, reason: ProblemReason::Invalid, message };
        self.told.into_iter().map(problem).collect()
    }
}

struct Reader<'i> {
    namespace: &'i str,
    settings: Settings,
}

impl Reader<'_> {
    /// The rules by host, in the order in which hosts are first named; then, for all of its hosts, the rules without a host
    /// and the default backend.
    fn groups(&self, spec: &IngressSpec, mistakes: &mut Mistakes) -> Vec<HostGroup> {
        let mut hosts: Vec<(HostClaim, Vec<RuleSpec>)> = Vec::new();
        let mut left = MAX_PATHS;
        for (index, rule) in spec.rules.iter().flatten().enumerate() {
            let claim = match claim(rule.host.as_deref()) {
                Ok(claim) => claim,
                Err(message) => {
                    mistakes.add(&format!("spec.rules[{index}].host"), &message);
                    continue;
                }
            };
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            let rules = self.rules(index, paths, &mut left, mistakes);
            match hosts.iter_mut().find(|(known, _)| *known == claim) {
                Some((_, known)) => known.extend(rules),
                None => hosts.push((claim, rules)),
            }
        }
        let of_all_hosts = hosts.iter().find(|(claim, _)| *claim == HostClaim::Any).map(|(_, rules)| rules.clone());
        let named: Vec<HostClaim> =
            hosts.iter().map(|(claim, _)| claim).filter(|claim| **claim != HostClaim::Any).cloned().collect();
        let group = |claims, rules, tier| HostGroup { claims: Claims::Named(claims), rules, tier };
        let mut groups: Vec<HostGroup> =
            hosts.into_iter().map(|(claim, rules)| group(vec![claim], rules, Tier::Host)).collect();
        if let Some(rules) = of_all_hosts {
            groups.push(group(named.clone(), rules, Tier::AllHosts));
        }
        if let Some(backend) = &spec.default_backend {
            let rule = self.rule(Matcher::any(), "spec.defaultBackend", backend);
            let everywhere = named.into_iter().chain([HostClaim::Any]).collect();
            groups.push(group(everywhere, vec![rule], Tier::Default));
        }
        groups
    }

    fn rules<'p>(
        &self,
        index: usize,
        paths: impl Iterator<Item = &'p HTTPIngressPath>,
        left: &mut usize,
        mistakes: &mut Mistakes,
    ) -> Vec<RuleSpec> {
        let mut rules = Vec::new();
        for (number, path) in paths.enumerate() {
            let place = format!("spec.rules[{index}].http.paths[{number}]");
            if *left == 0 {
                mistakes.add(
                    &place,
                    &format!("an Ingress may have {MAX_PATHS} paths; this one and all after it are ignored"),
                );
                break;
            }
            *left -= 1;
            match path_match(path) {
                Ok(matched) => {
                    let matcher = Matcher { path: matched, ..Matcher::any() };
                    rules.push(self.rule(matcher, &place, &path.backend));
                }
                Err((field, message)) => mistakes.add(&format!("{place}.{field}"), &message),
            }
        }
        rules
    }

    /// A rule that leads to `backend`. Where that cannot be had, the rule keeps its place and leads nowhere: its requests
    /// must not fall to a wider rule that was not meant for them.
    fn rule(&self, matcher: Matcher, place: &str, backend: &IngressBackend) -> RuleSpec {
        let backend =
            self.backend(backend).unwrap_or_else(|why| BackendSpec::Nowhere { why: format!("{place}: {why}").into() });
        let (backends, timeouts) = (vec![backend], self.settings.timeouts);
        RuleSpec { matcher, priority: 0, filters: Vec::new(), backends, timeouts }
    }

    fn backend(&self, backend: &IngressBackend) -> Result<BackendSpec, String> {
        if let Some(resource) = &backend.resource {
            let (kind, name) = (shown(&resource.kind), shown(&resource.name));
            return Err(format!("a resource ({kind} {name}) cannot be a backend; name a Service"));
        }
        let Some(service) = &backend.service else { return Err("it names no Service".to_owned()) };
        let port = service.port.as_ref();
        let port = match (port.and_then(|port| port.number), port.and_then(|port| port.name.as_deref())) {
            (_, Some(name)) if !name.is_empty() => PortName::Name(name.into()),
            (Some(number), _) => {
                let number = u16::try_from(number).ok().filter(|number| *number > 0);
                PortName::Number(number.ok_or("the Service's port is not between 1 and 65535")?)
            }
            (None, _) => return Err("it names no port of the Service".to_owned()),
        };
        let key = ServiceKey { namespace: self.namespace.into(), name: service.name.as_str().into() };
        Ok(BackendSpec::ServicePort { service: key, port, protocol: self.settings.protocol, weight: 1 })
    }
}

/// The host of a rule; all hosts where it has none. `*.parent` takes one label, unlike the Gateway API's.
fn claim(host: Option<&str>) -> Result<HostClaim, String> {
    match host {
        None | Some("") => Ok(HostClaim::Any),
        Some(host) => match host.strip_prefix("*.") {
            Some(parent) => parent.parse().map(HostClaim::OneLabel),
            None => host.parse().map(HostClaim::Exact),
        }
        .map_err(|error| error.to_string()),
    }
}

/// What a path takes, or the field that is wrong and why. `ImplementationSpecific` is a prefix here.
fn path_match(path: &HTTPIngressPath) -> Result<PathMatch, (&'static str, String)> {
    let text = path.path.as_deref().unwrap_or_default();
    let is_exact = match path.path_type.as_str() {
        "Exact" => true,
        "Prefix" | "ImplementationSpecific" => false,
        other => {
            let known = "it is one of Exact, Prefix and ImplementationSpecific";
            return Err(("pathType", format!("{} is not known; {known}", shown(other))));
        }
    };
    if text.is_empty() && !is_exact {
        return Ok(PathMatch::prefix("/"));
    }
    if let Some(fault) = path_fault(text) {
        return Err(("path", format!("{} {fault}", shown(text))));
    }
    Ok(if is_exact { PathMatch::Exact(text.into()) } else { PathMatch::prefix(text) })
}

/// Why no request has such a path.
fn path_fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("does not begin with a slash");
    }
    if path.len() > MAX_PATH_BYTES {
        return Some("is too long");
    }
    let sent = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
    (!path.bytes().all(sent)).then_some("has characters that no request's path has; write them percent-encoded")
}

/// The Secrets that hold the certificates, all in the Ingress's own namespace.
fn tls(namespace: &str, spec: &IngressSpec, mistakes: &mut Mistakes) -> Vec<TlsReference> {
    let mut references = Vec::new();
    for (index, tls) in spec.tls.iter().flatten().enumerate() {
        // Without a Secret it only says that TLS is wanted; every host has it.
        let Some(name) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let mut hosts = Vec::new();
        for (number, host) in tls.hosts.iter().flatten().enumerate() {
            match claim(Some(host)) {
                Ok(claim) => hosts.push(claim),
                Err(message) => mistakes.add(&format!("spec.tls[{index}].hosts[{number}]"), &message),
            }
        }
        let secret = SecretKey { namespace: namespace.into(), name: name.into() };
        let all_hosts = tls.hosts.as_ref().is_none_or(Vec::is_empty);
        references.push(TlsReference { secret, hosts: (!all_hosts).then_some(hosts) });
    }
    references
}

#[cfg(test)]
mod tests;
