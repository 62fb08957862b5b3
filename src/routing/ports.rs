//! The ports of the Services that the cluster told of, and the sources whose rules name one of them.

use super::{
    BackendSpec, Contribution, KnownService, PortName, Protocol, RuleSpec, ServiceKey, ServicePort, SourceKey,
};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

/// A message names at most so many ports of a Service.
const MAX_SHOWN: usize = 12;

/// Every Service that was told of, and who asks for its ports.
#[derive(Debug, Clone, Default)]
pub(super) struct Ports {
    known: HashMap<ServiceKey, KnownService>,
    users: HashMap<ServiceKey, BTreeSet<SourceKey>>,
}

impl Ports {
    /// Takes a Service as it is now, or its end; gives the sources whose rules lead elsewhere by that.
    pub(super) fn set(&mut self, key: &ServiceKey, service: Option<KnownService>) -> Vec<SourceKey> {
        if self.known.get(key) == service.as_ref() {
            return Vec::new();
        }
        match service {
            Some(service) => self.known.insert(key.clone(), service),
            None => self.known.remove(key),
        };
        self.users.get(key).into_iter().flatten().cloned().collect()
    }

    /// The keys of all Services.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        self.known.keys()
    }

    /// Remembers which Services a source asks for by port.
    pub(super) fn enter(&mut self, contribution: &Contribution) {
        for key in asked(contribution) {
            self.users.entry(key.clone()).or_default().insert(contribution.source.clone());
        }
    }

    /// Forgets it.
    pub(super) fn leave(&mut self, contribution: &Contribution) {
        for key in asked(contribution) {
            if let Some(users) = self.users.get_mut(key) {
                users.remove(&contribution.source);
                if users.is_empty() {
                    self.users.remove(key);
                }
            }
        }
    }

    /// The port that is meant, or a sentence that says what is missing and what there is.
    pub(super) fn resolve(&self, key: &ServiceKey, port: &PortName) -> Result<&ServicePort, String> {
        let ports = match self.known.get(key) {
            Some(KnownService::Ports(ports)) => ports,
            Some(KnownService::ExternalName) => {
                return Err(format!(
                    "the Service {key} is of type ExternalName, which has no endpoints; requests are sent to pods only"
                ));
            }
            None => return Err(format!("there is no Service {key}; make it, or name another")),
        };
        let meant = ports.iter().find(|known| match port {
            PortName::Number(number) => known.number == *number,
            PortName::Name(name) => known.name == *name,
        });
        meant.ok_or_else(|| format!("the Service {key} has no port {port}; it has {}", Shown(ports)))
    }
}

impl ServicePort {
    /// What its endpoints speak, unless the rule says it; or a sentence that says why nothing can be sent there.
    pub(super) fn spoken(&self, service: &ServiceKey, said: Option<Protocol>) -> Result<Protocol, String> {
        match (&self.unspoken, said) {
            (Some(unspoken), None) => Err(format!(
                "port {} of the Service {service} speaks {unspoken} (appProtocol), and requests are sent in the clear; name a port that speaks HTTP/1.1 or h2c",
                self.number
            )),
            (_, said) => Ok(said.unwrap_or(self.protocol)),
        }
    }
}

impl Ports {
    /// How long a request to a rule may wait for an endpoint, by the first of its Services that says so.
    pub(super) fn wait(&self, rule: &RuleSpec) -> Option<Duration> {
        rule.backends.iter().find_map(|backend| match backend {
            BackendSpec::ServicePort { service, port, .. } => self.resolve(service, port).ok()?.wait,
            BackendSpec::Service { .. } | BackendSpec::Nowhere { .. } | BackendSpec::Address { .. } => None,
        })
    }
}

/// The Services that a contribution names together with a port.
fn asked(contribution: &Contribution) -> impl Iterator<Item = &ServiceKey> {
    contribution.groups.iter().flat_map(|group| &group.rules).flat_map(|rule| &rule.backends).filter_map(|backend| {
        match backend {
            BackendSpec::ServicePort { service, .. } => Some(service),
            BackendSpec::Service { .. } | BackendSpec::Nowhere { .. } | BackendSpec::Address { .. } => None,
        }
    })
}

/// Some ports, for a sentence.
struct Shown<'p>(&'p [ServicePort]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, port) in self.0.iter().take(MAX_SHOWN).enumerate() {
            let before = if index == 0 { "" } else { ", " };
            match &*port.name {
                "" => write!(f, "{before}{}", port.number)?,
                name => write!(f, "{before}{} ({name})", port.number)?,
            }
        }
        if self.0.len() > MAX_SHOWN { write!(f, " and {} more", self.0.len() - MAX_SHOWN) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
