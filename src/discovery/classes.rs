//! An EnvironmentClass: the hosts of its environments.

use crate::resources::{Class, EnvironmentClass};
use crate::routing::ClassHosts;
use kube::ResourceExt;

/// The hosts of a class; `None` while it is not valid, which the operator tells on the class itself.
pub(super) fn translate(class: &EnvironmentClass) -> Option<ClassHosts> {
    let created = class.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second());
    let checked = Class::try_from(class).ok()?;
    Some(ClassHosts { name: checked.name, pattern: checked.host, created })
}
