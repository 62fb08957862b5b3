//! Who owns an object: reading and making owner references.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};

/// The reference to the controller of an object, if it has one.
pub fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// A reference that makes `owner` the controller, and that holds back its foreground deletion.
pub fn controlled_by<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.name_any(),
        uid: owner.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The group of the objects in a namespace that nobody controls.
pub fn orphans(namespace: &str) -> String {
    format!("orphans/{namespace}")
}

/// Groups objects by the identity of their controller.
pub fn owner_index<K: ResourceExt>(object: &K) -> Vec<String> {
    match controller_of(object.meta()) {
        Some(owner) => vec![owner.uid.clone()],
        None => vec![orphans(&object.namespace().unwrap_or_default())],
    }
}

/// The name of the controller, where it is of the given kind.
pub fn controller_named<'m>(metadata: &'m ObjectMeta, kind: &str) -> Option<&'m str> {
    controller_of(metadata).filter(|owner| owner.kind == kind).map(|owner| owner.name.as_str())
}
