//! One look at one environment: what should be there is made so, and what is there is told.
//!
//! Deletion needs nothing from here: every object that we write names its Environment as its owner, and the garbage
//! collector removes it. We hold nothing outside of the cluster, so there is no finalizer to wait for.

use super::apply::{Applied, Settled};
use super::classes::ClassBook;
use super::decide::{Decision, Route, Sight, decide};
use super::events::Events;
use super::plan::{Plan, Refusal, plan};
use super::queue::Queue;
use super::render::{Rendered, render};
use super::revisions::numbers;
use super::rights::MISSING_RIGHT;
use super::status::{Figures, status};
use super::world::{EnvironmentId, World};
use super::{Namespaces, OperatorConfig, PublicUrl, Workload};
use crate::cluster::rights::{Held, refused};
use crate::model::Hostname;
use crate::resources::{Environment, labels};
use crate::routing::{Match, RequestView, Table};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::{Resource, ResourceExt};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Without any event, an environment is looked at this often.
const PERIOD: Duration = Duration::from_secs(300);
/// The first wait after an error; it doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest wait after an error.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// All that a look at an environment needs.
pub struct Reconciler {
    /// The cluster.
    pub client: kube::Client,
    /// Where environments live.
    pub namespaces: Namespaces,
    /// What was seen of it.
    pub world: World,
    /// What has to be looked at.
    pub queue: Queue,
    /// The classes as they were judged last.
    pub classes: watch::Sender<Arc<ClassBook>>,
    /// Where events go.
    pub events: Events,
    /// What the API server writes otherwise than we do.
    pub settled: Settled,
    /// Environments that only wait for the route table.
    pub waiting: Mutex<HashSet<EnvironmentId>>,
    /// The domain of all hosts.
    pub domain: Hostname,
    /// The route table.
    pub table: Arc<Table>,
    /// The generation of its published snapshot.
    pub changes: watch::Receiver<u64>,
    /// The rights that are missing.
    pub rights: watch::Receiver<Held>,
    workload: Workload,
    url: PublicUrl,
    /// How many kinds have not been listed yet.
    unlisted: watch::Sender<usize>,
    /// Errors in a row.
    failures: Mutex<HashMap<EnvironmentId, u32>>,
}

impl Reconciler {
    /// A reconciler that has seen nothing yet.
    pub fn new(config: OperatorConfig) -> Self {
        Self {
            events: Events::new(config.client.clone()),
            client: config.client,
            namespaces: config.namespaces,
            world: World::default(),
            queue: Queue::default(),
            classes: watch::Sender::new(Arc::default()),
            settled: Settled::default(),
            waiting: Mutex::default(),
            domain: config.domain,
            table: config.table,
            changes: config.changes,
            rights: config.rights,
            workload: config.workload,
            url: config.url,
            unlisted: watch::Sender::new(super::watch::KINDS),
            failures: Mutex::default(),
        }
    }

    /// One more kind has been listed.
    pub fn listed(&self) {
        self.unlisted.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Whether every kind has been listed.
    pub fn is_all_listed(&self) -> bool {
        *self.unlisted.borrow() == 0
    }

    /// Waits until every kind has been listed.
    async fn all_listed(&self) {
        // The sender is ours, so the channel is never closed.
        let _ = self.unlisted.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Looks at `id`, and asks for the next look.
    async fn look(&self, id: &EnvironmentId) {
        let result = match self.world.environments.one(id, &id.name) {
            Some(environment) if environment.metadata.deletion_timestamp.is_none() => {
                self.reconcile(id, &environment).await
            }
            Some(_) => Ok(()),
            None => return self.forget(id),
        };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match result {
            Ok(()) => {
                failures.remove(id);
                PERIOD
            }
            Err(error) => {
                let count = failures.entry(id.clone()).or_default();
                let wait = (FIRST_RETRY * 2_u32.saturating_pow(*count)).min(MAX_RETRY);
                *count = (*count + 1).min(16);
                tracing::warn!(environment = %id, %error, retry_in = ?wait, "the environment could not be brought on");
                wait
            }
        };
        drop(failures);
        self.queue.push_at(id.clone(), Instant::now() + wait);
    }

    async fn reconcile(&self, id: &EnvironmentId, environment: &Environment) -> Result<(), kube::Error> {
        let classes = self.classes.borrow().clone();
        let planned = plan(environment, &classes, &self.domain);
        let rendered = planned.and_then(|plan| {
            let rendered = render(&plan, environment, self.workload, &self.domain)?;
            Ok((plan, rendered))
        });
        match rendered {
            Ok((plan, rendered)) => self.bring_up(id, environment, &plan, &rendered).await,
            // Nothing is lost: what ran before goes on.
            Err(refusal) => self.refuse(id, environment, &refusal).await,
        }
    }

    async fn bring_up(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        plan: &Plan,
        rendered: &Rendered,
    ) -> Result<(), kube::Error> {
        let owner = environment.uid().unwrap_or_default();
        let (deployment, service) = tokio::join!(
            self.apply::<Deployment>(id, &owner, &rendered.deployment, &self.world.deployments),
            self.apply::<Service>(id, &owner, &rendered.service, &self.world.services),
        );
        let (deployment, service) = match (deployment, service) {
            (Ok(deployment), Ok(service)) => (deployment, service),
            (Err(error), _) | (_, Err(error)) => {
                if let Some(refusal) = refusal_of(&error) {
                    self.refuse(id, environment, &refusal).await?;
                }
                return Err(error);
            }
        };
        let (Some(current), Some(_)) = (deployment.object(), service.object()) else {
            return self.conclude(id, environment, &Decision::waiting_for_removal(), Some(plan)).await;
        };
        let recorded = self.record(id, environment, plan, &rendered.revision).await?;
        let about = environment.object_ref(&());
        if let Some(new) = &recorded {
            let reason = if new.number == 1 { "Created" } else { "Deployed" };
            self.events.tell(&about, reason, &format!("revision {}: {}", new.number, new.changes)).await;
        } else {
            self.tell_repair(&about, "Deployment", &deployment).await;
        }
        if recorded.is_none_or(|new| new.number > 1) {
            self.tell_repair(&about, "Service", &service).await;
        }
        let sight = Sight {
            revision: &rendered.revision,
            numbers: &numbers(&self.own_revisions(id, environment)),
            replicas: rendered.replicas,
            deployment: Some(current),
            pods: &self.world.pods.all(id),
            route: self.route(id, plan.host.as_str()),
        };
        let decision = decide(&sight);
        self.conclude(id, environment, &decision, Some(plan)).await
    }

    async fn tell_repair<K: ResourceExt>(
        &self,
        about: &k8s_openapi::api::core::v1::ObjectReference,
        kind: &str,
        applied: &Applied<K>,
    ) {
        let note = match applied {
            Applied::Created(object) => format!("{kind} {} was gone and is made again", object.name_any()),
            Applied::Repaired(object, field) => format!("{kind} {}: {field} is put right again", object.name_any()),
            Applied::Unchanged(_) | Applied::Updated(_) | Applied::Leaving => return,
        };
        self.events.tell(about, "Repaired", &note).await;
    }

    async fn refuse(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        refusal: &Refusal,
    ) -> Result<(), kube::Error> {
        let answering = self.world.pods.all(id).iter().filter(|pod| super::pods::trouble(pod).is_none()).count();
        // The host comes from the class: without it, nobody reaches the pods.
        let still = match refusal.reason {
            "ClassNotFound" => "what was deployed before runs on, and no host leads to it",
            _ => "what was deployed before goes on",
        };
        let still = (answering > 0).then_some(still);
        self.conclude(id, environment, &Decision::refused(refusal, still), None).await
    }

    /// Writes the status by `decision`.
    pub async fn conclude(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        decision: &Decision,
        plan: Option<&Plan>,
    ) -> Result<(), kube::Error> {
        let blocked = self.blocked(decision);
        let decision = blocked.as_ref().unwrap_or(decision);
        let before = environment.status.as_ref();
        let ready = self.world.pods.all(id).iter().filter(|pod| super::pods::trouble(pod).is_none()).count();
        let figures = Figures {
            // A host stays told while what was deployed before runs on.
            host: plan.map(|plan| plan.host.to_string()).or_else(|| before?.host.clone()),
            url: plan.map_or_else(|| before?.url.clone(), |plan| self.url.of(&plan.host)),
            revision: self.own_revisions(id, environment).last().map(|newest| newest.revision),
            replicas: plan.map(|plan| plan.class.spec.replicas).or_else(|| before?.replicas),
            ready_replicas: Some(i32::try_from(ready).unwrap_or(i32::MAX)),
        };
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if decision.waits_for_table {
                waiting.insert(id.clone())
            } else {
                waiting.remove(id)
            };
        }
        let status = status(environment, decision, figures);
        match self.say(id, environment, &status).await {
            // It was deleted meanwhile; the watch will tell.
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
            other => other,
        }
    }

    /// Whether the table leads from the host that the status tells to a ready endpoint of this environment.
    pub fn is_routed(&self, id: &EnvironmentId, environment: &Environment) -> bool {
        let host = environment.status.as_ref().and_then(|status| status.host.as_deref()).unwrap_or_default();
        matches!(self.route(id, host), Route::To(pods) if !pods.is_empty())
    }

    /// What the gateway would do now with a request to `host`, which the environment says is its own.
    fn route(&self, id: &EnvironmentId, host: &str) -> Route {
        let table = self.table.load();
        let (method, headers) = (http::Method::GET, http::HeaderMap::new());
        let request = RequestView::new(host, "/", &method, &headers);
        match table.find(&request) {
            Match::Rule(rule) => {
                let source = &rule.name.source;
                let ours = rule.environment.is_some() && *source.namespace == *id.namespace && *source.name == *id.name;
                if !ours {
                    return Route::Foreign(rule.name.to_string());
                }
                let pods = rule.backends.iter().flat_map(|backend| {
                    let endpoints = backend.cluster.endpoints();
                    endpoints.ready().iter().map(|e| e.pod.as_deref().map(str::to_owned)).collect::<Vec<_>>()
                });
                Route::To(pods.collect())
            }
            Match::NoRule | Match::Personal(..) | Match::NoHost => Route::Missing,
        }
    }

    fn forget(&self, id: &EnvironmentId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.settled.forget(id);
    }
}

/// What the API server refuses for good is for the administrator to see; what may pass at the next try is not.
fn refusal_of(error: &kube::Error) -> Option<Refusal> {
    let kube::Error::Api(answer) = error else { return None };
    if let Some(message) = refused(&answer.message).filter(|_| answer.code == 403) {
        return Some(Refusal { reason: MISSING_RIGHT, message });
    }
    let for_good = matches!(answer.code, 400 | 403 | 405 | 413 | 415 | 422);
    for_good.then(|| Refusal {
        reason: "ApplyRefused",
        message: format!("the cluster refuses what the class makes of it: {}", answer.message),
    })
}

/// The life of one worker: environment after environment.
pub async fn work(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = reconciler.all_listed() => {}
    }
    loop {
        let id = tokio::select! {
            () = shutdown.cancelled() => return,
            id = reconciler.queue.pop() => id,
        };
        reconciler.look(&id).await;
        reconciler.queue.finish(&id);
    }
}

/// The labels by which everything of an environment is found.
pub fn selector() -> String {
    format!("{},{}", labels::USER, labels::CLASS)
}
