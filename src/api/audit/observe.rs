//! How what a call is about looks in the cluster: before a call, and after one that was cut off.

use crate::resources::{Environment, EnvironmentClass};
use crate::store::Target;
use kube::Api;
use serde_json::Value;

/// The wish for what `target` names, `null` where there is no such thing; nothing where it names nothing in the cluster, or the
/// cluster does not answer.
pub(super) async fn observed(client: &kube::Client, namespace: &str, target: &Target) -> Option<Value> {
    let found = match (&target.user, &target.class) {
        (Some(user), Some(class)) => {
            let api: Api<Environment> = Api::namespaced(client.clone(), namespace);
            let found = api.get_opt(&format!("{user}-{class}")).await.ok()?;
            found.map(|object| serde_json::to_value(&object.spec))
        }
        (None, Some(class)) => {
            let api: Api<EnvironmentClass> = Api::all(client.clone());
            let found = api.get_opt(class).await.ok()?;
            found.map(|object| serde_json::to_value(&object.spec))
        }
        (_, None) => return None,
    };
    Some(found.transpose().ok()?.unwrap_or(Value::Null))
}
