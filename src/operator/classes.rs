//! The classes: which are valid, which host pattern is whose, and the status that tells it.

use super::plan::Refusal;
use super::reconcile::Reconciler;
use super::rollout::{ClassVersion, condition};
use crate::model::{HostPattern, Hostname, did_you_mean, reasons, shown};
use crate::resources::{Class, ConditionType, EnvironmentClass, EnvironmentClassStatus, RolloutStatus, set_condition};
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// All classes, each with what is to be thought of it.
#[derive(Debug, Default)]
pub struct ClassBook {
    verdicts: BTreeMap<String, (Arc<EnvironmentClass>, Verdict)>,
}

/// A class that can be used, or why it cannot.
type Verdict = Result<Arc<Class>, Refusal>;

impl ClassBook {
    /// Judges `classes` together: where two host patterns could make one host, the older class keeps it.
    pub fn judge(mut classes: Vec<Arc<EnvironmentClass>>, domain: &Hostname) -> Self {
        let age = |class: &EnvironmentClass| class.creation_timestamp().map(|time| time.0);
        classes.sort_by_key(|class| (age(class), class.name_any()));
        let mut verdicts = BTreeMap::new();
        let mut kept: Vec<Arc<Class>> = Vec::new();
        for wire in classes {
            let verdict = verdict(&wire, &kept, domain);
            if let Ok(class) = &verdict {
                kept.push(class.clone());
            }
            verdicts.insert(wire.name_any(), (wire, verdict));
        }
        Self { verdicts }
    }

    /// The class `name`, if environments of it can be brought up.
    pub fn class(&self, name: &str) -> Result<Arc<Class>, Refusal> {
        match self.verdicts.get(name) {
            Some((_, Ok(class))) => Ok(class.clone()),
            Some((_, Err(refusal))) => {
                let reason = if refusal.reason == "HostPatternTaken" { reasons::HOST_CONFLICT } else { refusal.reason };
                Err(Refusal { reason, message: format!("class {name}: {}", refusal.message) })
            }
            None => {
                let hint = did_you_mean(name, self.verdicts.keys().map(String::as_str));
                Err(Refusal {
                    reason: reasons::CLASS_NOT_FOUND,
                    message: format!("there is no class {}{hint}", shown(name)),
                })
            }
        }
    }

    /// The class `name` as it is now, whatever is to be thought of it.
    pub fn version(&self, name: &str) -> Option<ClassVersion> {
        let (wire, _) = self.verdicts.get(name)?;
        Some(ClassVersion { uid: wire.uid()?, generation: wire.metadata.generation? })
    }

    /// All classes as they stand in the cluster.
    pub fn wires(&self) -> impl Iterator<Item = &Arc<EnvironmentClass>> {
        self.verdicts.values().map(|(wire, _)| wire)
    }

    /// Whether environments of `class` may render otherwise by this book than by `before`.
    pub fn changed_since(&self, before: &Self, class: &str) -> bool {
        let state = |book: &Self| {
            let (wire, verdict) = book.verdicts.get(class)?;
            Some((
                wire.metadata.uid.clone(),
                wire.metadata.generation,
                wire.spec.clone(),
                verdict.as_ref().err().cloned(),
            ))
        };
        state(self) != state(before)
    }
}

fn verdict(wire: &EnvironmentClass, kept: &[Arc<Class>], domain: &Hostname) -> Verdict {
    let class = Class::try_from(wire);
    let class = class.map_err(|error| Refusal { reason: reasons::INVALID_CLASS, message: error.to_string() })?;
    match kept.iter().find(|older| overlap(&older.host, &class.host, domain)) {
        None => Ok(Arc::new(class)),
        Some(winner) => {
            let message = format!(
                "spec.host: {} could make a host that {} of the older class {} makes too; choose another prefix or zone",
                class.host, winner.host, winner.name
            );
            Err(Refusal { reason: "HostPatternTaken", message })
        }
    }
}

/// Whether two patterns overlap under `domain`. One may name the domain by `{domain}` and the other by its letters.
fn overlap(a: &HostPattern, b: &HostPattern, domain: &Hostname) -> bool {
    let whole = |pattern: &HostPattern| pattern.as_str().replace("{domain}", domain.as_str()).parse::<HostPattern>();
    match (whole(a), whole(b)) {
        (Ok(a), Ok(b)) => a.overlaps(&b),
        _ => a.overlaps(b),
    }
}

/// Keeps every class's status, whenever the book changes.
pub async fn keep(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let (mut book, mut rights) = (reconciler.classes.subscribe(), reconciler.rights.clone());
    loop {
        let current = book.borrow_and_update().clone();
        let complete = write_all(&reconciler, &current).await;
        // A right that is missing is told on the classes too: an environment's own status may be what cannot be written.
        let right = async {
            if rights.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let again = if complete { Duration::from_secs(300) } else { Duration::from_secs(2) };
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = book.changed() => if changed.is_err() { return },
            () = right => {}
            // A roll-out goes on; what many environments tell is written together.
            () = reconciler.rollouts.changed.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(again) => {}
        }
    }
}

/// How long what environments tell of a roll-out is gathered before it is written.
const GATHER: Duration = Duration::from_secs(1);

/// Writes the statuses that differ. Returns whether all could be written, and all that they tell was known.
async fn write_all(reconciler: &Reconciler, book: &ClassBook) -> bool {
    let api: Api<EnvironmentClass> = Api::all(reconciler.client.clone());
    // Asked before anything is counted. A manager that takes over may find every environment done: nobody would say so again.
    let is_listed = reconciler.is_all_listed();
    let mut complete = is_listed;
    let missing = reconciler.missing_right();
    for (wire, verdict) in book.verdicts.values() {
        let refusal = verdict.as_ref().err().or(missing.as_ref());
        let name = wire.name_any();
        let version = book.version(&name);
        // No roll-out is told before every environment is known.
        let rollout = match (verdict, &version) {
            (Ok(class), Some(version)) if is_listed => reconciler.rollout_status(class, version).map(Box::new),
            _ => wire.status.as_ref().and_then(|status| status.rollout.clone()),
        };
        let status = status(wire, refusal, rollout);
        if wire.metadata.deletion_timestamp.is_some() || wire.status.as_ref() == Some(&status) {
            continue;
        }
        // Not those that have expired: they are written one by one elsewhere.
        let patch = Patch::Merge(serde_json::json!({ "status": {
            "observedGeneration": status.observed_generation,
            "conditions": status.conditions,
            "rollout": status.rollout,
        }}));
        if let Err(error) = api.patch_status(&name, &PatchParams::default(), &patch).await {
            complete = complete && is_gone(&error);
            tracing::warn!(class = name, %error, "the class's status could not be written");
            continue;
        }
        let was_refused = wire.status.as_ref().is_some_and(|before| before.conditions == status.conditions);
        if let Some(refusal) = refusal.filter(|_| !was_refused) {
            reconciler.events.warn(&wire.object_ref(&()), refusal.reason, &refusal.message).await;
        }
    }
    complete
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn status(
    wire: &EnvironmentClass,
    refusal: Option<&Refusal>,
    rollout: Option<Box<RolloutStatus>>,
) -> EnvironmentClassStatus {
    let generation = wire.metadata.generation.unwrap_or_default();
    let mut status = wire.status.clone().unwrap_or_default();
    status.observed_generation = Some(generation);
    let said = match refusal {
        Some(refusal) => (false, refusal.reason, refusal.message.as_str()),
        None => (true, "Accepted", "environments of this class can be deployed"),
    };
    set_condition(&mut status.conditions, ConditionType::Ready, said, generation);
    match &rollout {
        Some(rollout) => {
            let (complete, reason, message) = condition(rollout);
            let said = (complete, reason, message.as_str());
            set_condition(&mut status.conditions, ConditionType::RolledOut, said, generation);
        }
        None => status.conditions.retain(|condition| condition.type_ != ConditionType::RolledOut.as_str()),
    }
    status.rollout = rollout;
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::shipped::{SHIPPED, parse};

    fn shipped(index: usize, second: i64) -> EnvironmentClass {
        let mut class = parse(SHIPPED[index].1).unwrap();
        let time = jiff::Timestamp::from_second(1_000_000_000 + second).unwrap();
        class.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
        class
    }

    fn domain() -> Hostname {
        "localhost".parse().unwrap()
    }

    #[test]
    fn the_older_class_keeps_a_host_pattern() {
        let old = shipped(0, 1);
        let mut new = shipped(1, 2);
        new.spec.host = "front{user}.int.localhost".to_owned();
        let book = ClassBook::judge(vec![Arc::new(new), Arc::new(old)], &domain());
        assert!(book.class("integration").is_ok());
        let refusal = book.class("staging").unwrap_err();
        assert_eq!(refusal.reason, "HostConflict");
        assert!(refusal.message.contains("older class integration"), "{}", refusal.message);
    }

    #[test]
    fn an_unknown_class_names_the_nearest() {
        let book = ClassBook::judge((0..4).map(|i| Arc::new(shipped(i, 1))).collect(), &domain());
        let refusal = book.class("integraton").unwrap_err();
        assert_eq!(refusal.reason, "ClassNotFound");
        assert!(refusal.message.contains("did you mean \"integration\"?"), "{}", refusal.message);
        for (name, _) in SHIPPED {
            assert!(book.class(name.trim_end_matches(".yaml")).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_status_is_the_same_when_nothing_changed() {
        let mut class = shipped(0, 1);
        class.status = Some(status(&class, None, None));
        assert_eq!(status(&class, None, None), class.status.clone().unwrap());
    }
}
