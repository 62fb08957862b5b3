//! What every cluster holds: its first namespaces, the definitions of our kinds, and the API's own Service.

use super::EmbeddedError;
use super::kinds::Kind;
use super::service::Api;
use super::store::{Change, ObjectKey};
use super::verbs::{now, stamp_new};
use super::{json, namespaces};
use serde_json::{Value, json};

/// Makes what is missing, and brings the definitions up to this program's.
pub(crate) async fn ensure(api: &Api) -> Result<(), EmbeddedError> {
    for name in namespaces::ALWAYS {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        put(api, "", "Namespace", namespace, false).await?;
    }
    let definitions: Vec<Value> = api.registry.all().filter_map(|kind| definition(kind)).collect();
    for definition in definitions {
        put(api, "apiextensions.k8s.io", "CustomResourceDefinition", definition, true).await?;
    }
    Ok(())
}

fn definition(kind: &Kind) -> Option<Value> {
    let mut definition = serde_json::to_value(kind.definition.as_ref()?).ok()?;
    let names = definition.pointer("/spec/names").cloned().unwrap_or_default();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()});
    json::set(
        &mut definition,
        &["status"],
        json!({
            "acceptedNames": names,
            "storedVersions": [kind.info.version],
            "conditions": [
                condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            ],
        }),
    );
    json::set(&mut definition, &["apiVersion"], "apiextensions.k8s.io/v1");
    json::set(&mut definition, &["kind"], "CustomResourceDefinition");
    json::set_default(&mut definition, &["spec", "conversion"], json!({"strategy": "None"}));
    Some(definition)
}

async fn put(api: &Api, group: &str, kind: &str, object: Value, renew: bool) -> Result<(), EmbeddedError> {
    let failed = |why: String| EmbeddedError::FirstObjects(why);
    let kind = api.registry.by_kind(group, kind).ok_or_else(|| failed(format!("no kind {kind}")))?;
    let name = json::text(&object, "/metadata/name").to_owned();
    let key = ObjectKey { namespace: String::new(), name };
    let found = api.store.object(kind.storage, &key);
    let (expected, object) = match found {
        Some(found) if !renew || found.value.get("spec") == object.get("spec") => return Ok(()),
        Some(found) => {
            let mut renewed = found.value.clone();
            let spec = object.get("spec").cloned().unwrap_or_default();
            json::set(&mut renewed, &["spec"], spec);
            let generation = json::integer(&renewed, "/metadata/generation").unwrap_or(1) + 1;
            json::set(&mut renewed, &["metadata", "generation"], generation);
            (Some(found.revision), renewed)
        }
        None => {
            let mut object = object;
            stamp_new(kind, &mut object);
            (None, object)
        }
    };
    let written = api.store.write(kind.storage, key, expected, Change::Put(object)).await;
    written.map(drop).map_err(|error| failed(format!("{error:?}")))
}
