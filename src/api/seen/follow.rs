//! What the two watches tell.

use super::Seen;
use crate::cluster::{Subscription, Told};
use crate::model::EnvironmentKey;
use crate::resources::{Environment, EnvironmentClass};
use kube::ResourceExt as _;
use std::sync::Arc;

/// How many kinds are watched.
pub(super) const KINDS: usize = 2;

/// Follows the environments.
pub(super) async fn environments(seen: Arc<Seen>, mut told: Subscription<Environment>) {
    let mut first = true;
    while let Some(told) = told.next().await {
        match told {
            Told::All(objects) => {
                seen.replace(&objects, first);
                seen.note_list(&mut first);
            }
            Told::Put(object) => seen.note(object),
            Told::Gone(object) => {
                if let Some(key) = EnvironmentKey::from_object_name(&object.name_any()) {
                    seen.forget(&key, object.uid().as_deref());
                }
            }
        }
    }
}

/// Follows the classes.
pub(super) async fn classes(seen: Arc<Seen>, mut told: Subscription<EnvironmentClass>) {
    let mut first = true;
    while let Some(told) = told.next().await {
        match told {
            Told::All(classes) => {
                seen.replace_classes(classes);
                seen.note_list(&mut first);
            }
            Told::Put(class) => seen.note_class(class),
            Told::Gone(class) => seen.forget_class(&class.name_any()),
        }
    }
}
