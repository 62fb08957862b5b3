//! What is told on an object whose status has no conditions: an event when it changes.

use super::Report;
use crate::operator::reconcile::Reconciler;
use crate::routing::SourceKey;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Tells what is wrong with an object, or that nothing is any more. Only its metadata is read; one that is gone needs no
/// event.
pub(super) async fn write<K>(
    reconciler: &Reconciler,
    place: &SourceKey,
    report: Option<&Report>,
) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(reconciler.client.clone(), &place.namespace);
    let object: PartialObjectMeta<K> = match api.get_metadata_opt(&place.name).await {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(()),
        // The right is missing, and that is told where rights are; to ask again would not help.
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(()),
        Err(error) => return Err(error),
    };
    let about = object.object_ref(&());
    match report {
        Some((reason, message)) => reconciler.events.warn(&about, reason, message).await,
        None => reconciler.events.tell(&about, "Accepted", "what was wrong with it is put right").await,
    }
    Ok(())
}
