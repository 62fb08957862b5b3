//! Which objects a controller may count as its own: those it controls and selects, and orphans that it selects.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::api::{Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::ownership::{controlled_by, controller_of};
use super::{ControllerError, FIELD_MANAGER};

/// What is to be done with an object that may be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Ours,
    Adopt,
    Release,
    NotOurs,
}

/// Decides for one object. Nothing is adopted by an owner on its way out, and nothing that is itself on its way out.
fn decide<K: ResourceExt>(object: &K, owner_uid: &str, owner_goes: bool, selected: bool) -> Claim {
    match controller_of(object.meta()) {
        Some(controller) if controller.uid != owner_uid => Claim::NotOurs,
        Some(_) if selected => Claim::Ours,
        Some(_) if owner_goes => Claim::NotOurs,
        Some(_) => Claim::Release,
        None if owner_goes || !selected || object.meta().deletion_timestamp.is_some() => Claim::NotOurs,
        None => Claim::Adopt,
    }
}

/// Reads a selector of a spec.
pub fn selector(selector: &LabelSelector, what: &str) -> Result<Selector, ControllerError> {
    let invalid = |why: String| ControllerError::Invalid { what: what.to_owned(), why };
    Selector::try_from(selector.clone()).map_err(|error| invalid(error.to_string()))
}

/// Gives those of `candidates` that belong to `owner`, adopting and releasing where the labels say so.
pub async fn claim<O, K>(
    client: &Client,
    owner: &O,
    selector: &Selector,
    candidates: Vec<Arc<K>>,
) -> Result<Vec<Arc<K>>, ControllerError>
where
    O: Resource<DynamicType = ()>,
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let uid = owner.uid().unwrap_or_default();
    let owner_goes = owner.meta().deletion_timestamp.is_some();
    let mut ours = Vec::with_capacity(candidates.len());
    for object in candidates {
        match decide(&*object, &uid, owner_goes, selector.matches(object.labels())) {
            Claim::Ours => ours.push(object),
            Claim::NotOurs => {}
            Claim::Adopt => {
                let mut owners = object.owner_references().to_vec();
                owners.push(controlled_by(owner));
                ours.push(Arc::new(set_owners(client, &*object, owners).await?));
            }
            Claim::Release => {
                let owners = object.owner_references().iter().filter(|owner| owner.uid != uid).cloned().collect();
                set_owners(client, &*object, owners).await?;
            }
        }
    }
    Ok(ours)
}

async fn set_owners<K>(client: &Client, object: &K, owners: Vec<OwnerReference>) -> Result<K, ControllerError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let patch = json!({ "metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "ownerReferences": owners,
    }});
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(&object.name_any(), &parameters, &Patch::Merge(patch)).await.map_err(ControllerError::api(format!(
        "owner of {} {}",
        K::kind(&()),
        object.name_any()
    )))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    fn pod(controller: Option<&str>) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.owner_references = controller.map(|uid| {
            vec![OwnerReference { uid: uid.to_owned(), controller: Some(true), ..OwnerReference::default() }]
        });
        pod
    }

    #[test]
    fn orphans_are_adopted_and_those_no_longer_selected_released() {
        assert_eq!(decide(&pod(Some("me")), "me", false, true), Claim::Ours);
        assert_eq!(decide(&pod(Some("me")), "me", false, false), Claim::Release);
        assert_eq!(decide(&pod(Some("another")), "me", false, true), Claim::NotOurs);
        assert_eq!(decide(&pod(None), "me", false, true), Claim::Adopt);
        assert_eq!(decide(&pod(None), "me", true, true), Claim::NotOurs);
        assert_eq!(decide(&pod(None), "me", false, false), Claim::NotOurs);
    }
}
