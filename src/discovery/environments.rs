//! An Environment: why its host may not answer.

use crate::model::{EnvironmentKey, reasons};
use crate::resources::{ConditionType, Environment};
use crate::routing::EnvironmentNote;
use kube::ResourceExt;

/// The key of an Environment, if its name is one of ours.
pub(super) fn key(environment: &Environment) -> Option<EnvironmentKey> {
    EnvironmentKey::from_object_name(&environment.name_any())
}

/// What is known about an environment.
pub(super) fn translate(environment: &Environment) -> Option<EnvironmentNote> {
    let key = key(environment)?;
    let note = |ready, reason: &str, message: &str| EnvironmentNote {
        key,
        ready,
        reason: reason.into(),
        message: message.into(),
        wakes: environment.status.iter().filter_map(|status| status.life.as_ref()).any(|life| life.wakes_on_request),
    };
    if environment.metadata.deletion_timestamp.is_some() {
        return Some(note(false, reasons::DELETING, "the environment is being deleted"));
    }
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    Some(match ready {
        Some(condition) => note(condition.status == "True", &condition.reason, &condition.message),
        None => note(false, reasons::CREATING, "the environment was asked for and is being created"),
    })
}
