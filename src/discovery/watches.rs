//! One watch per kind, from the API server to the writer's queue.

use super::Namespaces;
use super::draft::Draft;
use super::kinds::Watched;
use super::last_good::Notes;
use super::patience::patience;
use super::secrets;
use super::status::Kinds;
use crate::cluster::SharedKinds;
use crate::cluster::shared::Feeder;
use crate::resources::{Environment, EnvironmentClass};
use crate::routing::{Contribution, Problem, SourceKind};
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What a watch or a file tells the writer.
pub(super) enum Change {
    Services(Event<Service>),
    Slices(Event<EndpointSlice>),
    Classes(Event<EnvironmentClass>),
    Environments(Event<Environment>),
    IngressClasses(Event<IngressClass>),
    Ingresses(Event<Ingress>),
    Secrets(Event<Secret>),
    File(Vec<Contribution>, Vec<Problem>),
    /// Somebody asks what would be, if.
    Draft(oneshot::Sender<Draft>),
}

/// All that the watches have in common.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) client: Client,
    pub(super) namespaces: Namespaces,
    /// The writer's queue.
    pub(super) changes: UnboundedSender<Change>,
    /// The keeper's.
    pub(super) notes: Notes,
    pub(super) kinds: Kinds,
    /// For those in this process who want to know of the same kinds.
    pub(super) shared: Option<SharedKinds>,
    pub(super) shutdown: CancellationToken,
}

impl Feed {
    /// Starts the watches of all kinds.
    pub(super) fn start(&self) {
        self.spawn::<Service>(in_namespaces);
        self.spawn::<EndpointSlice>(in_namespaces);
        self.spawn::<Environment>(in_namespaces);
        self.spawn::<EnvironmentClass>(|client, _| Api::all(client));
        self.spawn::<Ingress>(in_namespaces);
        self.spawn::<IngressClass>(|client, _| Api::all(client));
        self.spawn::<Secret>(in_namespaces);
    }

    fn spawn<K: Watched>(&self, api: fn(Client, &Namespaces) -> Api<K>) {
        let api = api(self.noting::<K>(), &self.namespaces);
        let events = move || watch(api.clone(), selection(K::SOURCE)).backoff(patience()).boxed();
        let feeder = self.shared.as_ref().and_then(K::feeder);
        tokio::spawn(self.shutdown.clone().run_until_cancelled_owned(forward(events, feeder, self.clone())));
    }

    /// The client, noting each time that the API server answers for this kind. A watch that begins again tells nobody by
    /// itself, and the next change may be days away.
    fn noting<K: Watched>(&self) -> Client {
        let (client, kinds) = (self.client.clone(), self.kinds.clone());
        let noting = tower::service_fn(move |request| {
            let (client, kinds) = (client.clone(), kinds.clone());
            async move {
                let response = client.send(request).await?;
                if response.status().is_success() && kinds.answered(K::SOURCE) {
                    tracing::info!(kind = %K::SOURCE, "the API server answers again");
                }
                Ok::<_, kube::Error>(response)
            }
        });
        Client::new(noting, self.client.default_namespace())
    }

    /// Hands over what a watch says; `false` when nobody listens any more. A list is held back in `listed` until it is
    /// complete: the table never has a half of one.
    pub(super) fn take<K: Watched>(&self, event: Event<K>, listed: &mut Vec<K>) -> bool {
        match event {
            Event::Init => {
                listed.clear();
                true
            }
            Event::InitApply(object) => {
                listed.push(object);
                true
            }
            Event::InitDone => {
                let objects = std::mem::take(listed);
                self.notes.list(K::SOURCE, &objects);
                let all = objects.into_iter().map(Event::InitApply);
                let mut events = std::iter::once(Event::Init).chain(all).chain([Event::InitDone]);
                events.all(|event| self.changes.send(K::change(event)).is_ok())
            }
            Event::Apply(object) => {
                self.notes.put(K::SOURCE, &object);
                self.changes.send(K::change(Event::Apply(object))).is_ok()
            }
            Event::Delete(object) => {
                self.notes.remove(K::SOURCE, &object);
                self.changes.send(K::change(Event::Delete(object))).is_ok()
            }
        }
    }
}

fn in_namespaces<K>(client: Client, namespaces: &Namespaces) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespaces {
        Namespaces::All => Api::all(client),
        Namespaces::One(namespace) => Api::namespaced(client, namespace),
    }
}

/// Which objects of a kind are asked for.
fn selection(kind: SourceKind) -> watcher::Config {
    let all = watcher::Config::default();
    // Other Secrets are none of our business, and not to be held in memory.
    if kind == SourceKind::Secret { all.fields(&format!("type={}", secrets::TYPE)) } else { all }
}

/// Whether the table can be complete without the right to read these: every other route is served without them.
fn is_optional(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::Secret | SourceKind::IngressClass)
}

fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 403)
}

/// Hands over all that the watch says, and begins it anew whenever somebody asks for a list of now.
async fn forward<K: Watched>(
    watch: impl Fn() -> BoxStream<'static, Result<Event<K>, watcher::Error>>,
    mut feeder: Option<Feeder<K, K::Kept>>,
    feed: Feed,
) {
    let mut listed = Vec::new();
    let mut told_none = false;
    let mut events = watch();
    loop {
        let event = tokio::select! {
            () = renewed(&mut feeder) => {
                events = watch();
                continue;
            }
            event = events.next() => event,
        };
        match event {
            None => return,
            Some(Ok(event)) => {
                told_none = true;
                if let Some(feeder) = &mut feeder {
                    feeder.take(event.clone());
                }
                if !feed.take(event.modify(K::slim), &mut listed) {
                    return;
                }
            }
            // Told once, not at each attempt: an API server may be away for days, and the table stays as it is.
            Some(Err(error)) => {
                if is_optional(K::SOURCE) && is_forbidden(&error) && !std::mem::replace(&mut told_none, true) {
                    for event in [Event::Init, Event::InitDone] {
                        if !feed.take(event, &mut listed) {
                            return;
                        }
                    }
                }
                if feed.kinds.failed(K::SOURCE, &error.to_string()) {
                    tracing::warn!(kind = %K::SOURCE, %error, "the watch failed and is tried again; the last table stays in use");
                }
            }
        }
    }
}

/// Waits until somebody asks for a list of now; for ever where nobody can.
async fn renewed<K: Watched>(feeder: &mut Option<Feeder<K, K::Kept>>) {
    match feeder {
        Some(feeder) => feeder.renewed().await,
        None => std::future::pending().await,
    }
}
