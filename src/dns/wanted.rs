//! What should be in the zones, by what the cluster holds: a pure function.

use super::settings::{Mode, Settings};
use super::{Desired, Kind, RecordName, RecordSet, SetKey, Ttl, Values, ZoneWanted, longest_zone};
use crate::model::{EnvironmentKey, HostPattern, Hostname, RecordTarget};
use crate::resources::{Environment, EnvironmentClass, labels};
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whom a record is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An Environment.
    Environment {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A class, for the one record of all its environments.
    Class(String),
    /// A shared Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment { namespace, name } => write!(f, "Environment {namespace}/{name}"),
            Self::Class(name) => write!(f, "EnvironmentClass {name}"),
            Self::Service { namespace, name } => write!(f, "Service {namespace}/{name}"),
        }
    }
}

/// Why a subject has no record at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// For programs.
    pub reason: &'static str,
    /// For people.
    pub said: String,
}

/// What should be in the zones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By zone; each zone of the settings is there.
    pub zones: BTreeMap<Hostname, ZoneWanted>,
    /// Whom each set is for.
    pub subjects: BTreeMap<SetKey, BTreeSet<Subject>>,
    /// Who has no record, and why.
    pub troubles: BTreeMap<Subject, Trouble>,
}

/// A shared Service: where it stands, and the hosts that its annotation claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The annotation.
    pub hosts: String,
}

impl SharedService {
    /// Reads it from an object's metadata; `None` for a Service without hosts of its own.
    pub fn of(object: &impl ResourceExt) -> Option<Self> {
        let hosts = object.annotations().get(labels::HOST)?.clone();
        Some(Self { namespace: object.namespace()?, name: object.name_any(), hosts })
    }
}

/// What the cluster holds.
#[derive(Debug, Default)]
pub struct Sight<'s> {
    /// The classes.
    pub classes: Vec<&'s EnvironmentClass>,
    /// The environments.
    pub environments: Vec<&'s Environment>,
    /// The shared Services.
    pub services: Vec<&'s SharedService>,
}

/// How the records of a class are.
struct ClassRecords {
    host: HostPattern,
    zone: Hostname,
    mode: Mode,
    target: Option<RecordTarget>,
    ttl: Ttl,
}

/// What should be in the zones of `settings`.
pub fn wanted(settings: &Settings, domain: &Hostname, sight: &Sight<'_>) -> Wanted {
    let mut wanted = Wanted::default();
    for zone in &settings.zones {
        wanted.zones.entry(zone.zone.clone()).or_default();
    }
    let classes: BTreeMap<String, ClassRecords> = sight
        .classes
        .iter()
        .filter_map(|class| Some((class.name_any(), records_of(class, settings, domain)?)))
        .collect();
    for (name, class) in &classes {
        if class.mode == Mode::Wildcard {
            wanted.add(&RecordName::wildcard(class.zone.clone()), class, &Subject::Class(name.clone()));
        }
    }
    for environment in &sight.environments {
        wanted.add_environment(environment, &classes, domain);
    }
    let reserved: Vec<&Hostname> = classes.values().map(|class| &class.zone).collect();
    for service in &sight.services {
        wanted.add_service(service, settings, &reserved);
    }
    wanted
}

/// A class whose pattern or records cannot be read has none; its environments keep what they have.
fn records_of(class: &EnvironmentClass, settings: &Settings, domain: &Hostname) -> Option<ClassRecords> {
    let host: HostPattern = class.spec.host.parse().ok()?;
    let zone = host.zone(domain).ok()?;
    let own = class.spec.dns.clone().unwrap_or_default();
    if !own.mistakes().is_empty() {
        return None;
    }
    let defaults = &settings.defaults;
    let mode = own.mode.as_deref().map_or(Some(defaults.mode), Mode::parse)?;
    let target = match own.target.as_slice() {
        [] => defaults.target.clone(),
        texts => Some(RecordTarget::parse(texts.iter().map(String::as_str)).ok()?),
    };
    let ttl = own.ttl_seconds.map_or(Some(defaults.ttl), |ttl| Ttl::try_from(ttl).ok())?;
    Some(ClassRecords { host, zone, mode, target, ttl })
}

impl Wanted {
    fn add_environment(
        &mut self,
        environment: &Environment,
        classes: &BTreeMap<String, ClassRecords>,
        domain: &Hostname,
    ) {
        let Some(namespace) = environment.namespace() else { return };
        let name = environment.name_any();
        let subject = Subject::Environment { namespace, name: name.clone() };
        let Some(class) = classes.get(&environment.spec.class) else {
            // Nothing is known of where it should lead to, and what was there before goes on.
            return self.keep(environment);
        };
        if environment.metadata.deletion_timestamp.is_some() {
            return;
        }
        // The name and the spec say the same, or nobody may have the host.
        let key = EnvironmentKey::from_object_name(&name)
            .filter(|key| key.user.as_str() == environment.spec.user && key.class.as_str() == environment.spec.class);
        let Some(key) = key else { return };
        match class.mode {
            Mode::Nothing => {}
            Mode::Wildcard => self.add(&RecordName::wildcard(class.zone.clone()), class, &subject),
            Mode::Record => {
                if let Ok(host) = class.host.host(&key.user, domain) {
                    self.add(&host.into(), class, &subject);
                }
            }
        }
    }

    fn keep(&mut self, environment: &Environment) {
        let host = environment.status.as_ref().and_then(|status| status.host.as_deref());
        let Some(host) = host.and_then(|host| host.parse::<Hostname>().ok()) else { return };
        let above = host.parent().and_then(|parent| parent.parse().ok()).map(RecordName::wildcard);
        for name in above.into_iter().chain([RecordName::from(host)]) {
            if let Some(zone) = longest_zone(&name, self.zones.keys()).cloned() {
                self.zones.entry(zone).or_default().kept.insert(name);
            }
        }
    }

    fn add_service(&mut self, service: &SharedService, settings: &Settings, reserved: &[&Hostname]) {
        let subject = Subject::Service { namespace: service.namespace.clone(), name: service.name.clone() };
        let defaults = &settings.defaults;
        for host in service.hosts.split(',').map(str::trim) {
            // What is no host is told by the route table, on the Service.
            let Ok(name) = host.parse::<RecordName>() else { continue };
            // Personal zones are people's: no Service has a host there. Other zones are somebody else's business.
            let is_personal = reserved.iter().any(|zone| name.is_in(zone));
            if is_personal || longest_zone(&name, self.zones.keys()).is_none() {
                continue;
            }
            self.add_name(&name, defaults.target.as_ref(), defaults.ttl, &subject);
        }
    }

    fn add(&mut self, name: &RecordName, class: &ClassRecords, subject: &Subject) {
        self.add_name(name, class.target.as_ref(), class.ttl, subject);
    }

    fn add_name(&mut self, name: &RecordName, target: Option<&RecordTarget>, ttl: Ttl, subject: &Subject) {
        if let Err(trouble) = self.try_add(name, target, ttl, subject) {
            self.troubles.entry(subject.clone()).or_insert(trouble);
        }
    }

    fn try_add(
        &mut self,
        name: &RecordName,
        target: Option<&RecordTarget>,
        ttl: Ttl,
        subject: &Subject,
    ) -> Result<(), Trouble> {
        let trouble = |reason, said: String| Trouble { reason, said };
        let zone = longest_zone(name, self.zones.keys()).cloned();
        let zone = zone.ok_or_else(|| {
            let zones: Vec<String> = self.zones.keys().map(ToString::to_string).collect();
            trouble("NoZone", format!("{name} is in none of the zones of the file of DNS: {}", zones.join(", ")))
        })?;
        let target = target.ok_or_else(|| {
            let said = format!("it is not said where {name} leads to; give defaults.target in the file of DNS, or spec.dns.target in the class");
            trouble("NoTarget", said)
        })?;
        for values in values_of(target) {
            if values.kind() == Kind::Cname && name.to_string() == zone.as_str() {
                let said =
                    format!("{name} is the top of its zone, where no CNAME may stand; give addresses as its target");
                return Err(trouble("NoCnameAtApex", said));
            }
            if values == Values::Cname(name.clone()) {
                return Err(trouble("LeadsToItself", format!("{name} would be a CNAME of itself")));
            }
            let set = RecordSet { name: name.clone(), ttl, values };
            let key = (name.clone(), set.kind());
            let desired: &mut Desired = &mut self.zones.entry(zone.clone()).or_default().desired;
            desired.add(set).map_err(|clash| trouble("Contradiction", clash.to_string()))?;
            self.subjects.entry(key).or_default().insert(subject.clone());
        }
        Ok(())
    }
}

fn values_of(target: &RecordTarget) -> Vec<Values> {
    match target {
        RecordTarget::Addresses(addresses) => Values::of_addresses(addresses.iter().copied()),
        RecordTarget::Name(name) => vec![Values::Cname(name.clone().into())],
    }
}

#[cfg(test)]
mod tests;
