//! A changed class rolls through its environments: a few at a time, and no further after the first failures.
//!
//! Who is where stands in the status of each environment: by which generation of its class it runs, and whether it has come up
//! with it. So the roll-out goes on where it was when another manager takes over.

use super::decide::Decision;
use super::look::Look;
use super::reconcile::Reconciler;
use super::world::EnvironmentId;
use crate::model::reasons;
use crate::resources::{Class, ConditionType, Environment, EnvironmentRollout, RolloutStatus};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The most names of failures that a class's status tells.
const TOLD: usize = 20;

/// A class as it was at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassVersion {
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
}

impl ClassVersion {
    fn is_that_of(&self, rollout: &EnvironmentRollout) -> bool {
        rollout.class_uid == self.uid && rollout.class_generation == self.generation
    }

    /// An environment that runs by this version.
    pub fn with(&self, succeeded: Option<bool>) -> EnvironmentRollout {
        EnvironmentRollout { class_uid: self.uid.clone(), class_generation: self.generation, succeeded }
    }
}

/// Whether an environment may be changed now.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// It is changed, or has nothing to change; this is to be told of it.
    Go(EnvironmentRollout),
    /// It stays as it is for now: why, in a sentence.
    Wait(String),
}

/// The environments whose turn it is, and whom to tell when that changes.
#[derive(Debug, Default)]
pub struct Rollouts {
    /// Whose turn was given and is not told in a status yet.
    given: Mutex<HashSet<EnvironmentId>>,
    /// Something changed that the statuses of classes tell.
    pub changed: Notify,
}

impl Rollouts {
    /// The turn of an environment is told in its status, or it is gone.
    pub fn settle(&self, id: &EnvironmentId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<EnvironmentId>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an environment brings to its turn.
pub struct Comer<'a> {
    pub id: &'a EnvironmentId,
    pub environment: &'a Environment,
    /// Whether its pods are to be made by another template than now.
    pub changes: bool,
    /// Whether its owner has asked for other parameters: that is a deploy, and no part of the roll-out.
    pub deploys: bool,
    /// Whether a failure would take something away: it serves now.
    pub serves: bool,
}

impl Reconciler {
    /// Whether it is the environment's turn to be changed to `version` of its class.
    pub fn turn(&self, comer: &Comer<'_>, class: &Class, version: &ClassVersion) -> Turn {
        let status = comer.environment.status.as_ref();
        let before = status.and_then(|status| status.rollout.as_ref());
        if let Some(before) = before.filter(|before| version.is_that_of(before)) {
            return Turn::Go(before.clone());
        }
        // A person's own deploy waits for nobody, and where nothing serves there is nothing to lose.
        if !comer.changes || comer.deploys || !comer.serves {
            return Turn::Go(version.with(Some(true)));
        }
        let mut given = self.rollouts.lock();
        if given.contains(comer.id) {
            return Turn::Go(version.with(None));
        }
        let count = self.count(class.name.as_str(), version);
        let in_flight = count.in_flight.iter().chain(given.iter().filter(|id| self.is_of(id, class.name.as_str())));
        let in_flight = in_flight.collect::<HashSet<_>>().len();
        if count.failed.len() >= class.rollout.max_failures {
            let first = count.failed.first().map_or_else(String::new, ToString::to_string);
            return Turn::Wait(format!(
                "the changed class {} is not rolled out here, as it was stopped by the failure of {first}",
                class.name
            ));
        }
        if in_flight >= class.rollout.max_in_flight {
            return Turn::Wait(format!("the changed class {} is rolled out here when its turn has come", class.name));
        }
        given.insert(comer.id.clone());
        Turn::Go(version.with(None))
    }

    fn is_of(&self, id: &EnvironmentId, class: &str) -> bool {
        self.world.environments.one(id, &id.name).is_some_and(|environment| environment.spec.class == class)
    }

    /// Where the environments of a class are.
    fn count(&self, class: &str, version: &ClassVersion) -> Count {
        let mut count = Count::default();
        self.world.environments.each(|id, environment| {
            if environment.spec.class != class || environment.metadata.deletion_timestamp.is_some() {
                return;
            }
            let id = id.clone();
            let rollout = environment.status.as_ref().and_then(|status| status.rollout.as_ref());
            match rollout.filter(|rollout| version.is_that_of(rollout)).map(|rollout| rollout.succeeded) {
                Some(Some(true)) => count.done += 1,
                Some(Some(false)) => count.failed.push(id),
                Some(None) => count.in_flight.push(id),
                None => count.pending.push(id),
            }
        });
        count.failed.sort();
        count.pending.sort();
        count
    }

    /// What is to be told of an environment that cannot be what its changed class makes of it. Where it served, that is a
    /// failure of the change.
    pub fn refused_turn(&self, environment: &Environment, version: &ClassVersion) -> EnvironmentRollout {
        let before = environment.status.as_ref().and_then(|status| status.rollout.as_ref());
        let same = before.filter(|before| version.is_that_of(before)).cloned();
        same.unwrap_or_else(|| version.with(Some(!serves(environment))))
    }

    /// The turn of an environment stands in its status now. Where that changes something, the next ones are woken.
    pub fn turn_is_told(
        &self,
        id: &EnvironmentId,
        before: Option<&EnvironmentRollout>,
        after: Option<&EnvironmentRollout>,
        look: &Look<'_>,
    ) {
        let Some(after) = after.filter(|after| before != Some(*after)) else { return };
        self.rollouts.settle(id);
        self.rollouts.changed.notify_one();
        if let (Some(plan), Some(version), Some(_)) = (look.plan, look.version, after.succeeded) {
            self.wake_next(&plan.class, version);
        }
    }

    /// What the status of a class tells of its roll-out; `None` while it has no environments.
    pub fn rollout_status(&self, class: &Class, version: &ClassVersion) -> Option<RolloutStatus> {
        let count = self.count(class.name.as_str(), version);
        let (done, in_flight, pending, failed) =
            (count.done, count.in_flight.len(), count.pending.len(), count.failed.len());
        let total = done + in_flight + pending + failed;
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        (total > 0).then(|| RolloutStatus {
            generation: version.generation,
            total: number(total),
            done: number(done),
            in_flight: number(in_flight),
            pending: number(pending),
            failed: number(failed),
            failures: count.failed.iter().take(TOLD).map(ToString::to_string).collect(),
            stopped: failed >= class.rollout.max_failures && pending > 0,
        })
    }

    /// Wakes those of a class that wait for their turn, as many as there may be places.
    fn wake_next(&self, class: &Class, version: &ClassVersion) {
        let count = self.count(class.name.as_str(), version);
        count.pending.into_iter().take(class.rollout.max_in_flight).for_each(|id| self.queue.push(id));
    }
}

/// The environments of a class.
#[derive(Default)]
struct Count {
    done: usize,
    failed: Vec<EnvironmentId>,
    in_flight: Vec<EnvironmentId>,
    pending: Vec<EnvironmentId>,
}

/// What is to be told of an environment whose turn it was, when this is said of it.
pub fn outcome(rollout: EnvironmentRollout, decision: &Decision) -> EnvironmentRollout {
    let succeeded = match rollout.succeeded {
        Some(true) => Some(true),
        None | Some(false) if decision.ready => Some(true),
        None if is_failure(decision) => Some(false),
        other => other,
    };
    EnvironmentRollout { succeeded, ..rollout }
}

/// Whether it has not come up, and hardly will.
fn is_failure(decision: &Decision) -> bool {
    const FAILURES: [&str; 9] = [
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerError",
        "CreateContainerConfigError",
        "RunContainerError",
        reasons::POD_FAILED,
        reasons::REPLICA_FAILURE,
    ];
    decision.stalled.is_some() || FAILURES.contains(&decision.reason.as_ref())
}

/// Whether requests to it succeed now.
pub fn serves(environment: &Environment) -> bool {
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|c| c.type_ == ConditionType::Ready.as_str() && c.status == "True")
}

/// Whether it is said to serve soon.
pub fn is_on_the_way(environment: &Environment) -> bool {
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    ready.is_some_and(|ready| reasons::ON_THE_WAY.contains(&ready.reason.as_str()))
}

/// The condition that tells how far a roll-out is.
pub fn condition(status: &RolloutStatus) -> (bool, &'static str, String) {
    let RolloutStatus { total, done, in_flight, pending, failed, .. } = status;
    if status.stopped {
        let names = status.failures.join(", ");
        let said = format!(
            "stopped: {failed} of {total} environments failed ({names}), {pending} stay as they were; change the class to go on"
        );
        return (false, "Stopped", said);
    }
    if *pending > 0 || *in_flight > 0 {
        return (
            false,
            reasons::ROLLING_OUT,
            format!("{done} of {total} environments are done, {in_flight} under way, {pending} wait"),
        );
    }
    if *failed > 0 {
        let said = format!("{failed} of {total} environments failed: {}", status.failures.join(", "));
        return (false, "Failed", said);
    }
    (true, "Complete", format!("all {total} environments run by this class"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn decision(ready: bool, reason: &'static str, stalled: Option<&'static str>) -> Decision {
        Decision {
            ready,
            progressing: !ready,
            stalled: stalled.map(Cow::Borrowed),
            reason: reason.into(),
            message: String::new(),
            waits_for_table: false,
        }
    }

    #[test]
    fn an_outcome_is_known_once_it_serves_or_hardly_will() {
        let version = ClassVersion { uid: "u".into(), generation: 2 };
        let told = |before, decision: Decision| outcome(version.with(before), &decision).succeeded;
        assert_eq!(told(None, decision(false, "Starting", None)), None);
        assert_eq!(told(None, decision(true, "Serving", None)), Some(true));
        assert_eq!(told(None, decision(false, "CrashLoopBackOff", None)), Some(false));
        assert_eq!(told(None, decision(false, "NotReady", Some("ProgressDeadlineExceeded"))), Some(false));
        // One that comes up late is no failure any more; one that was done has its own troubles.
        assert_eq!(told(Some(false), decision(true, "Serving", None)), Some(true));
        assert_eq!(told(Some(true), decision(false, "CrashLoopBackOff", None)), Some(true));
    }

    #[test]
    fn the_condition_tells_how_far_it_is_and_what_failed() {
        let mut status = RolloutStatus { total: 9, done: 4, in_flight: 2, pending: 3, ..RolloutStatus::default() };
        assert_eq!(condition(&status).1, "RollingOut");
        (status.failed, status.in_flight, status.stopped) = (2, 0, true);
        status.failures = vec!["default/a-x".into()];
        let (ok, reason, said) = condition(&status);
        assert!(!ok && reason == "Stopped" && said.contains("default/a-x") && said.contains("3 stay"), "{said}");
        assert_eq!(condition(&RolloutStatus { total: 9, done: 9, ..RolloutStatus::default() }).1, "Complete");
    }
}
