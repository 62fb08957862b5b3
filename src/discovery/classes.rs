//! An EnvironmentClass: the hosts of its environments, and those of them that have expired.

use crate::model::{ClassName, EnvironmentKey};
use crate::resources::{Class, EnvironmentClass};
use crate::routing::{ClassHosts, ExpiredNote};
use kube::ResourceExt;

/// The hosts of a class; `None` while it is not valid, which the operator tells on the class itself.
pub(super) fn translate(class: &EnvironmentClass) -> Option<ClassHosts> {
    let created = class.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second());
    let checked = Class::try_from(class).ok()?;
    Some(ClassHosts { name: checked.name, pattern: checked.host, created })
}

/// The environments of a class that have expired, as its status tells them. What is told of others is passed over.
pub(super) fn expired(name: &ClassName, class: &EnvironmentClass) -> Vec<ExpiredNote> {
    let told = class.status.iter().flat_map(|status| status.expired.values());
    let note = |expired: &crate::resources::Expired| {
        let key = EnvironmentKey::new(expired.user.parse().ok()?, name.clone());
        let (at, message) = (expired.expired_at.0.to_string().into(), expired.message.as_str().into());
        Some(ExpiredNote { key, at, message })
    };
    told.filter_map(note).collect()
}
