//! An Environment: why its host may not answer.

use crate::model::EnvironmentKey;
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
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    if environment.metadata.deletion_timestamp.is_some() {
        let message = "the environment is being deleted".into();
        return Some(EnvironmentNote { key, ready: false, reason: "Deleting".into(), message });
    }
    Some(match ready {
        Some(condition) => EnvironmentNote {
            key,
            ready: condition.status == "True",
            reason: condition.reason.as_str().into(),
            message: condition.message.as_str().into(),
        },
        None => {
            let message = "the environment was asked for and is being created".into();
            EnvironmentNote { key, ready: false, reason: "Creating".into(), message }
        }
    })
}
