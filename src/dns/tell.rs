//! How it went, told where people look: the condition `DNSReady` of each Environment, and events.

use super::SetState;
use super::run::States;
use super::wanted::{Subject, Wanted};
use super::watch::Seen;
use crate::cluster::BoundedRecorder;
use crate::resources::{ConditionType, Environment, EnvironmentClass, labels, set_condition};
use k8s_openapi::api::core::v1::{ObjectReference, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Reporter};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The shortest time between two rounds.
const PACE: Duration = Duration::from_millis(200);
/// A note longer than this would be refused by the API server.
const MAX_NOTE_CHARS: usize = 1000;
/// The same for the action, in bytes; a character of ours has at most three of them.
const MAX_ACTION_CHARS: usize = 128 / 3;
/// The most characters of a condition's message.
const MAX_MESSAGE_CHARS: usize = 4096;

/// What is to be told of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) is_ready: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Writes what is told.
pub(super) struct Teller {
    client: Client,
    recorder: BoundedRecorder,
    /// The reason that was told last of each subject.
    told: BTreeMap<Subject, &'static str>,
}

/// Tells, with each change of what is wanted, seen or done.
pub(super) async fn tell(
    mut teller: Teller,
    mut seen: watch::Receiver<Option<Arc<Seen>>>,
    mut wanted: watch::Receiver<Option<Arc<Wanted>>>,
    mut states: watch::Receiver<States>,
) {
    loop {
        let now = (seen.borrow_and_update().clone(), wanted.borrow_and_update().clone());
        let states_now = states.borrow_and_update().clone();
        if let (Some(seen), Some(wanted)) = now {
            teller.round(&seen, &wanted, &states_now).await;
        }
        tokio::time::sleep(PACE).await;
        let is_open = tokio::select! {
            changed = seen.changed() => changed.is_ok(),
            changed = wanted.changed() => changed.is_ok(),
            changed = states.changed() => changed.is_ok(),
        };
        if !is_open {
            return;
        }
    }
}

/// What is to be told of everybody for whom it is known.
pub(super) fn verdicts(wanted: &Wanted, states: &States) -> BTreeMap<Subject, Told> {
    let mut verdicts: BTreeMap<Subject, Told> = BTreeMap::new();
    let mut unknown: BTreeSet<&Subject> = BTreeSet::new();
    let known: BTreeMap<_, _> = states.values().flat_map(|states| states.iter()).collect();
    for (key, subjects) in &wanted.subjects {
        let told = known.get(key).map(|state| of_state(state));
        for subject in subjects {
            match &told {
                None => drop(unknown.insert(subject)),
                // The worst of several sets is told.
                Some(told) => match verdicts.get_mut(subject) {
                    Some(before) if before.is_ready && !told.is_ready => *before = told.clone(),
                    Some(before) if before.is_ready && before.message != told.message => {
                        before.message = format!("{}; {}", before.message, told.message);
                    }
                    Some(_) => {}
                    None => drop(verdicts.insert(subject.clone(), told.clone())),
                },
            }
        }
    }
    for subject in unknown {
        if verdicts.get(subject).is_some_and(|told| told.is_ready) {
            verdicts.remove(subject);
        }
    }
    for (subject, trouble) in &wanted.troubles {
        let told = Told { is_ready: false, reason: trouble.reason, message: trouble.said.clone() };
        verdicts.insert(subject.clone(), told);
    }
    verdicts
}

fn of_state(state: &SetState) -> Told {
    match state {
        SetState::Resolves(said) => Told { is_ready: true, reason: "Resolves", message: said.clone() },
        SetState::Written { said, is_enough: true } => {
            Told { is_ready: true, reason: "Written", message: said.clone() }
        }
        SetState::Written { said, is_enough: false } => {
            Told { is_ready: false, reason: "NotResolvedYet", message: said.clone() }
        }
        SetState::Failed { reason, said } => Told { is_ready: false, reason, message: said.clone() },
    }
}

impl Teller {
    pub(super) fn new(client: Client) -> Self {
        let name = labels::DNS_FIELD_MANAGER.to_owned();
        let reporter = Reporter { controller: name.clone(), instance: Some(name) };
        Self { recorder: BoundedRecorder::new(client.clone(), reporter), client, told: BTreeMap::new() }
    }

    async fn round(&mut self, seen: &Seen, wanted: &Wanted, states: &States) {
        let verdicts = verdicts(wanted, states);
        for ((namespace, name), environment) in &seen.environments {
            let subject = Subject::Environment { namespace: namespace.clone(), name: name.clone() };
            let told = verdicts.get(&subject);
            let is_wanted = wanted.troubles.contains_key(&subject)
                || wanted.subjects.values().any(|subjects| subjects.contains(&subject));
            if told.is_none() && is_wanted {
                continue;
            }
            if let Err(error) = self.write(environment, told).await {
                tracing::warn!(environment = %format!("{namespace}/{name}"), %error, "how DNS is could not be told");
            }
        }
        for (subject, told) in &verdicts {
            let before = self.told.insert(subject.clone(), told.reason);
            // What went well at once is no news on a class or a Service.
            if before == Some(told.reason) || (before.is_none() && told.is_ready) || told.reason == "NotResolvedYet" {
                continue;
            }
            if let Some(about) = about(subject, seen) {
                self.publish(&about, told).await;
            }
        }
        self.told.retain(|subject, _| verdicts.contains_key(subject));
    }

    /// Writes the condition if it is not what stands there, or takes it away.
    async fn write(&self, environment: &Environment, told: Option<&Told>) -> Result<(), kube::Error> {
        let before: &[Condition] = environment.status.as_ref().map_or(&[], |status| &status.conditions);
        let kind = ConditionType::DnsReady;
        let there = before.iter().find(|condition| condition.type_ == kind.as_str());
        let conditions = match (told, there) {
            (None, None) => return Ok(()),
            (None, Some(_)) => Vec::new(),
            (Some(told), there) => {
                let mut conditions = there.cloned().into_iter().collect();
                let generation = environment.metadata.generation.unwrap_or_default();
                let message: String = told.message.chars().take(MAX_MESSAGE_CHARS).collect();
                set_condition(&mut conditions, kind, (told.is_ready, told.reason, &message), generation);
                if there == conditions.first() {
                    return Ok(());
                }
                conditions
            }
        };
        let patch = json!({
            "apiVersion": Environment::api_version(&()), "kind": Environment::kind(&()),
            "metadata": {"name": environment.name_any()},
            "status": {"conditions": conditions},
        });
        let namespace = environment.namespace().unwrap_or_default();
        let api: Api<Environment> = Api::namespaced(self.client.clone(), &namespace);
        let params = PatchParams::apply(labels::DNS_FIELD_MANAGER).force();
        match api.patch_status(&environment.name_any(), &params, &Patch::Apply(&patch)).await {
            // It was deleted meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop),
        }
    }

    async fn publish(&self, about: &ObjectReference, told: &Told) {
        let type_ = if told.is_ready { EventType::Normal } else { EventType::Warning };
        let event = Event {
            type_,
            reason: if told.is_ready { "DNSReady".to_owned() } else { format!("DNS{}", told.reason) },
            note: Some(told.message.chars().take(MAX_NOTE_CHARS).collect()),
            // Events that differ in their notes alone would be counted as one.
            action: told.message.chars().take(MAX_ACTION_CHARS).collect(),
            secondary: None,
        };
        if let Err(error) = self.recorder.next().publish(&event, about).await {
            tracing::warn!(object = about.name, %error, "an event of DNS could not be written");
        }
    }
}

/// The object that an event is about.
fn about(subject: &Subject, seen: &Seen) -> Option<ObjectReference> {
    match subject {
        Subject::Environment { namespace, name } => {
            let environment = seen.environments.get(&(namespace.clone(), name.clone()))?;
            Some(environment.object_ref(&()))
        }
        Subject::Class(name) => {
            let class: &EnvironmentClass = seen.classes.get(name)?;
            Some(class.object_ref(&()))
        }
        Subject::Service { namespace, name } => Some(ObjectReference {
            api_version: Some(Service::api_version(&()).into_owned()),
            kind: Some(Service::kind(&()).into_owned()),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            ..ObjectReference::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Kind;

    #[test]
    fn the_worst_of_several_sets_is_told_and_nothing_before_all_are_known() {
        let name: crate::dns::RecordName = "a.x".parse().unwrap();
        let subject = Subject::Environment { namespace: "n".into(), name: "a-k".into() };
        let mut wanted = Wanted::default();
        for kind in [Kind::A, Kind::Aaaa] {
            wanted.subjects.entry((name.clone(), kind)).or_default().insert(subject.clone());
        }
        let resolves = SetState::Resolves("a.x resolves to 10.0.0.1".to_owned());
        let failed = SetState::Failed { reason: "Throttled", said: "too many calls".to_owned() };
        let told = |sets: Vec<(Kind, SetState)>| {
            let states = sets.into_iter().map(|(kind, state)| ((name.clone(), kind), state)).collect();
            let states = States::from([("x".parse().unwrap(), Arc::new(states))]);
            verdicts(&wanted, &states).get(&subject).map(|told| (told.is_ready, told.reason))
        };
        assert_eq!(told(vec![(Kind::A, resolves.clone())]), None);
        assert_eq!(told(vec![(Kind::A, resolves.clone()), (Kind::Aaaa, failed.clone())]), Some((false, "Throttled")));
        assert_eq!(told(vec![(Kind::A, failed), (Kind::Aaaa, resolves.clone())]), Some((false, "Throttled")));
        assert_eq!(told(vec![(Kind::A, resolves.clone()), (Kind::Aaaa, resolves)]), Some((true, "Resolves")));
    }
}
