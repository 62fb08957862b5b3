//! What the route table would be if something were applied, for the management API.

use crate::api::{PreviewObjects, Previewed, RoutePreview};
use crate::discovery::{Draft, Drafts};
use futures::future::BoxFuture;
use kube::ResourceExt as _;

/// Drafts of discovery's index.
pub(super) struct Preview(pub(super) Drafts);

impl RoutePreview for Preview {
    fn preview(&self, objects: PreviewObjects) -> BoxFuture<'_, Option<Previewed>> {
        Box::pin(async move {
            let draft = self.0.draft().await?;
            // A class concerns every source of the index.
            tokio::task::spawn_blocking(move || applied(draft, &objects)).await.ok()
        })
    }
}

fn applied(mut draft: Draft, objects: &PreviewObjects) -> Previewed {
    let before = draft.snapshot();
    for class in &objects.classes {
        draft.class(class);
    }
    for service in &objects.services {
        draft.service(service);
    }
    let foreign = |draft: &mut Draft| {
        let left = objects.ingresses.iter().filter(|ingress| draft.ingress(ingress).is_none());
        left.map(|ingress| format!("{}/{}", ingress.namespace().unwrap_or_default(), ingress.name_any())).collect()
    };
    let not_ours = foreign(&mut draft);
    Previewed { before, after: draft.snapshot(), not_ours }
}
