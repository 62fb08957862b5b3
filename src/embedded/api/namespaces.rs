//! Namespaces: those that are always there, and the emptying of those that go.

use super::failure::Outcome;
use super::service::Api;
use super::store::{Change, ObjectKey};
use super::verbs;
use std::sync::Arc;
use std::time::Duration;

/// The namespaces that are made at the start and may not be deleted.
pub(crate) const ALWAYS: [&str; 2] = ["default", "kube-system"];

/// How long to wait before what is left in a namespace is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// Deletes everything in a namespace, and then the namespace, in a task of its own.
pub(crate) fn empty(api: &Arc<Api>, namespace: &str) {
    let (api, namespace) = (api.clone(), namespace.to_owned());
    tokio::spawn(async move {
        loop {
            match emptied(&api, &namespace).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(failure) => tracing::warn!(namespace, said = failure.message, "a namespace cannot be emptied"),
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = api.closing.cancelled() => return,
            }
        }
    });
}

/// Continues with the namespaces that were on their way out when the program ended.
pub(crate) fn resume(api: &Arc<Api>) {
    let Some(kind) = api.registry.by_kind("", "Namespace") else { return };
    for (key, object) in &api.store.snapshot(kind.storage).1 {
        if object.value.pointer("/metadata/deletionTimestamp").is_some() {
            empty(api, &key.name);
        }
    }
}

async fn emptied(api: &Arc<Api>, namespace: &str) -> Outcome<bool> {
    let mut left = false;
    for kind in api.registry.namespaced() {
        let (_, objects) = api.store.snapshot(kind.storage);
        for (key, object) in objects.iter().filter(|(key, _)| key.namespace == namespace) {
            left = true;
            if object.value.pointer("/metadata/deletionTimestamp").is_none() {
                verbs::delete::remove_for_namespace(api, kind, key).await?;
            }
        }
    }
    if left {
        return Ok(false);
    }
    let Some(kind) = api.registry.by_kind("", "Namespace") else { return Ok(true) };
    let key = ObjectKey { namespace: String::new(), name: namespace.to_owned() };
    let Some(found) = api.store.object(kind.storage, &key) else { return Ok(true) };
    let finalizers = super::json::items(&found.value, "/metadata/finalizers");
    if !finalizers.is_empty() {
        return Ok(false);
    }
    let change = Change::Remove(found.value.clone());
    Ok(api.store.write(kind.storage, key, Some(found.revision), change).await.is_ok())
}
