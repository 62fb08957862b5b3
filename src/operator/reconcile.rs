//! One look at one environment: what should be there is made so, and what is there is told.
//!
//! Deletion needs nothing from here: every object that we write names its Environment as its owner, and the garbage
//! collector removes it. We hold nothing outside of the cluster, so there is no finalizer to wait for.

use super::apply::Settled;
use super::classes::ClassBook;
use super::decide::{Decision, Route};
use super::events::Events;
use super::look::Look;
use super::plan::{Refusal, plan};
use super::queue::Queue;
use super::render::render;
use super::rollout::{Rollouts, outcome};
use super::status::{Figures, status};
use super::uses::Uses;
use super::world::{EnvironmentId, World};
use super::{Namespaces, OperatorConfig, PublicUrl, Workload};
use crate::cluster::SharedKinds;
use crate::cluster::rights::{Held, refused};
use crate::gateways::Gateways;
use crate::model::{Clock, Hostname, between, reasons};
use crate::resources::{Environment, labels};
use crate::routing::{Match, RequestView, Table};
use jiff::Timestamp;
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
    /// What the process hears of it.
    pub shared: SharedKinds,
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
    /// What time it is for the life of environments.
    pub clock: Clock,
    /// What gateways tell of their use.
    pub uses: Uses,
    /// How changed classes roll through them.
    pub rollouts: Rollouts,
    /// The gateways of other processes.
    pub gateways: Option<Gateways>,
    pub(super) workload: Workload,
    url: PublicUrl,
    /// The environments that are there: the end of each is told once.
    known: Mutex<HashSet<EnvironmentId>>,
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
            shared: config.shared,
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
            clock: config.clock,
            uses: Uses::default(),
            rollouts: Rollouts::default(),
            gateways: config.gateways,
            workload: config.workload,
            url: config.url,
            known: Mutex::default(),
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
                self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
                self.reconcile(id, &environment).await
            }
            Some(_) => Ok(None),
            None => return self.forget(id),
        };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match result {
            Ok(next) => {
                failures.remove(id);
                // By the wall clock, which may be set meanwhile: so it is asked again after a while in any case.
                next.map_or(PERIOD, |next| between(self.clock.now(), next).min(PERIOD))
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

    /// One look. Returns when the life of the environment asks for the next one.
    async fn reconcile(&self, id: &EnvironmentId, environment: &Environment) -> Result<Option<Timestamp>, kube::Error> {
        let classes = self.classes.borrow().clone();
        let class = classes.class(&environment.spec.class).ok();
        let living = class.as_ref().map(|class| self.living(id, environment, class));
        if let (Some(class), Some(living)) = (&class, &living) {
            if let Some(why) = &living.expired {
                return self.expire(id, environment, class, (living, why)).await.map(|()| None);
            }
            if living.wake {
                match self.wake(id, environment).await {
                    Ok(()) => return Ok(living.next),
                    Err(error) => {
                        tracing::warn!(environment = %id, %error, "a sleeping environment could not be woken");
                    }
                }
            }
        }
        let version = classes.version(&environment.spec.class);
        let look = Look { living: living.as_ref(), version: version.as_ref(), ..Look::default() };
        let rendered = plan(environment, &classes, &self.domain).and_then(|plan| {
            self.admit(id, environment, &plan, &classes)?;
            let rendered = render(&plan, environment, self.workload, &self.domain)?;
            Ok((plan, rendered))
        });
        match rendered {
            Ok((plan, rendered)) => {
                self.bring_up(id, environment, &Look { plan: Some(&plan), ..look }, rendered).await?;
            }
            // Nothing is lost: what ran before goes on.
            Err(refusal) => self.refuse(id, environment, &look, &refusal).await?,
        }
        Ok(living.and_then(|living| living.next))
    }

    pub(super) async fn refuse(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        look: &Look<'_>,
        refusal: &Refusal,
    ) -> Result<(), kube::Error> {
        let answering = self.world.pods.all_whole(id).iter().filter(|pod| super::pods::trouble(pod).is_none()).count();
        // The host comes from the class: without it, nobody reaches the pods.
        let still = match refusal.reason {
            reasons::CLASS_NOT_FOUND => "what was deployed before runs on, and no host leads to it",
            _ => "what was deployed before goes on",
        };
        let still = (answering > 0).then_some(still);
        let decision = Decision::refused(refusal, still);
        let rollout = look.version.map(|version| self.refused_turn(environment, version));
        self.conclude(id, environment, &decision, &Look { plan: None, rollout, ..*look }).await
    }

    /// Writes the status by `decision`.
    pub async fn conclude(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        decision: &Decision,
        look: &Look<'_>,
    ) -> Result<(), kube::Error> {
        let blocked = self.blocked(decision);
        let decision = blocked.as_ref().unwrap_or(decision);
        let (before, plan) = (environment.status.as_ref(), look.plan);
        let ready = self.world.pods.all_whole(id).iter().filter(|pod| super::pods::trouble(pod).is_none()).count();
        let rollout = look.rollout.clone().map(|rollout| outcome(rollout, decision));
        let figures = Figures {
            // A host stays told while what was deployed before runs on.
            host: plan.map(|plan| plan.host.to_string()).or_else(|| before?.host.clone()),
            url: plan.map_or_else(|| before?.url.clone(), |plan| self.url.of(&plan.host)),
            revision: self.own_revisions(id, environment).last().map(|newest| newest.number()),
            replicas: look.replicas().or_else(|| before?.replicas),
            ready_replicas: Some(i32::try_from(ready).unwrap_or(i32::MAX)),
            life: look.living.map(|living| living.told.clone()).or_else(|| before?.life.clone()),
            rollout: rollout.clone().or_else(|| before?.rollout.clone()),
        };
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if decision.waits_for_table {
                waiting.insert(id.clone())
            } else {
                waiting.remove(id)
            };
        }
        if let Some(living) = look.living {
            self.tell_life(environment, living).await;
        }
        let status = status(environment, decision, figures);
        match self.say(id, environment, &status).await {
            // It was deleted meanwhile; the watch will tell.
            Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(()),
            other => other?,
        }
        self.turn_is_told(id, before.and_then(|before| before.rollout.as_ref()), rollout.as_ref(), look);
        Ok(())
    }

    /// Whether the table leads from the host that the status tells to a ready endpoint of this environment.
    pub fn is_routed(&self, id: &EnvironmentId, environment: &Environment) -> bool {
        let host = environment.status.as_ref().and_then(|status| status.host.as_deref()).unwrap_or_default();
        matches!(self.route(id, host), Route::To(pods) if !pods.is_empty())
    }

    /// What the gateway would do now with a request to `host`, which the environment says is its own.
    pub(super) fn route(&self, id: &EnvironmentId, host: &str) -> Route {
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

    /// The same through every gateway. Who was ready is not asked again: what it leads to may change, and it stays ready.
    pub(super) fn route_through_all(&self, id: &EnvironmentId, environment: &Environment, host: &str) -> Route {
        let route = self.route(id, host);
        let (Route::To(pods), Some(gateways)) = (&route, &self.gateways) else { return route };
        if pods.is_empty() || was_ready(environment) {
            return route;
        }
        match gateways.behind(host, &crate::gateways::endpoints(&self.table, host)) {
            Some(who) => Route::Behind(who),
            None => route,
        }
    }

    fn forget(&self, id: &EnvironmentId) {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
            self.wake_refused();
        }
        self.uses.forget(id);
        self.rollouts.settle(id);
        self.rollouts.changed.notify_one();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.settled.forget(id);
    }
}

/// What the API server refuses for good is for the administrator to see; what may pass at the next try is not.
pub(super) fn refusal_of(error: &kube::Error) -> Option<Refusal> {
    let kube::Error::Api(answer) = error else { return None };
    if let Some(message) = refused(&answer.message).filter(|_| answer.code == 403) {
        return Some(Refusal { reason: reasons::MISSING_RIGHT, message });
    }
    let for_good = matches!(answer.code, 400 | 403 | 405 | 413 | 415 | 422);
    for_good.then(|| Refusal {
        reason: reasons::APPLY_REFUSED,
        message: format!("the cluster refuses what the class makes of it: {}", answer.message),
    })
}

/// Whether it was ready already as it is asked for now.
fn was_ready(environment: &Environment) -> bool {
    let Some(status) = &environment.status else { return false };
    let ready = status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && status.observed_generation == environment.metadata.generation
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
