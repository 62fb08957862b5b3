//! What is asked of DNS from outside: the plan, whether names resolve, and the confirmation of a plan that was refused.

use super::keeper::look;
use super::settings::Settings;
use super::wanted::{SharedService, Wanted};
use super::watch::{Seen, place};
use super::{Keeper, KeeperConfig, Plan, ProviderError, RecordSet, Refused, SetState};
use crate::model::{Hostname, shown};
use crate::resources::{Environment, EnvironmentClass, labels};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ConfigMap that holds, by zone, which deletions were confirmed last.
const CONFIRMATIONS: &str = "doorstep-dns";
/// How many objects are asked for at a time.
const PAGE: u32 = 500;
/// How many sets are asked for at the same time.
const QUESTIONS: usize = 16;

/// Where what records depend on is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The namespace of the environments; all when not given.
    pub environments: Option<String>,
    /// The namespace of shared Services; all when not given.
    pub watched: Option<String>,
    /// The namespace in which confirmations are kept.
    pub own: String,
}

/// DNS, as the management API and the leader know it.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    settings: Settings,
    domain: Hostname,
    scope: Scope,
    zones: Vec<KeeperConfig>,
    /// One plan at a time: each lists every zone.
    turn: tokio::sync::Mutex<()>,
}

/// Why a question to DNS has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The cluster does not say what is desired.
    #[error("the cluster does not tell what should be in the zones: {0}")]
    Cluster(#[from] kube::Error),
    /// There is no plan to be confirmed by that name.
    #[error("no refused plan has the fingerprint {}; it may have changed meanwhile, doorstep dns plan shows the newest", shown(.0))]
    NoSuchPlan(String),
}

/// The plan of one zone.
#[derive(Debug)]
pub struct ZonePlan {
    /// The zone.
    pub zone: Hostname,
    /// What would be done, or why that is not known.
    pub plan: Result<Plan, ProviderError>,
    /// It is not carried out before somebody confirms it.
    pub refused: Option<Refused>,
}

/// How one set is.
#[derive(Debug)]
pub struct SetCheck {
    /// The set.
    pub set: RecordSet,
    /// Whether it resolves.
    pub state: SetState,
}

impl Desk {
    /// The desk for the zones of `settings`, each with its keeper.
    pub fn new(client: Client, settings: Settings, domain: Hostname, scope: Scope, zones: Vec<KeeperConfig>) -> Self {
        let turn = tokio::sync::Mutex::default();
        Self { inner: Arc::new(Inner { client, settings, domain, scope, zones, turn }) }
    }

    /// The file of DNS.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The domain of all hosts.
    pub fn domain(&self) -> &Hostname {
        &self.inner.domain
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    pub(super) fn zones(&self) -> &[KeeperConfig] {
        &self.inner.zones
    }

    /// What should be in the zones now, by one look at the cluster.
    pub async fn wanted(&self) -> Result<Wanted, DeskError> {
        let Inner { client, scope, .. } = &*self.inner;
        let classes = all(&Api::<EnvironmentClass>::all(client.clone())).await?;
        let environments: Api<Environment> = match &scope.environments {
            None => Api::all(client.clone()),
            Some(namespace) => Api::namespaced(client.clone(), namespace),
        };
        let services: Api<Service> = match &scope.watched {
            None => Api::all(client.clone()),
            Some(namespace) => Api::namespaced(client.clone(), namespace),
        };
        let seen = Seen {
            classes: classes.into_iter().map(|class| (class.name_any(), Arc::new(class))).collect(),
            environments: all(&environments)
                .await?
                .into_iter()
                .map(|environment| (place(&environment), Arc::new(environment)))
                .collect(),
            services: metadata(&services)
                .await?
                .iter()
                .filter_map(|service| Some((place(service), SharedService::of(service)?)))
                .collect(),
        };
        Ok(seen.wanted(self))
    }

    /// What would be done in each zone now. Nothing is changed.
    pub async fn plan(&self) -> Result<(Vec<ZonePlan>, Wanted), DeskError> {
        let _turn = self.inner.turn.lock().await;
        let wanted = self.wanted().await?;
        let mut plans = Vec::new();
        for config in &self.inner.zones {
            let zone = config.zone.clone();
            let of_zone = wanted.zones.get(&zone).cloned().unwrap_or_default();
            let plan = Keeper::new(config.clone()).plan(&of_zone).await;
            let confirmed = self.confirmed(&zone).await;
            let refused =
                plan.as_ref().ok().and_then(|plan| config.guard.check(&zone, plan, confirmed.as_deref()).err());
            plans.push(ZonePlan { zone, plan, refused });
        }
        Ok((plans, wanted))
    }

    /// Whether every desired set resolves. Nobody is asked for a listing.
    pub async fn verify(&self) -> Result<(Vec<SetCheck>, Wanted), DeskError> {
        let wanted = self.wanted().await?;
        let mut checks = Vec::new();
        for config in &self.inner.zones {
            let sets: Vec<RecordSet> =
                wanted.zones.get(&config.zone).map(|zone| zone.desired.iter().cloned().collect()).unwrap_or_default();
            let of_zone = futures::stream::iter(sets).map(|set| async move {
                let state = look(&config.verifier, &config.authority, &set).await;
                SetCheck { set, state }
            });
            checks.extend(of_zone.buffered(QUESTIONS).collect::<Vec<_>>().await);
        }
        Ok((checks, wanted))
    }

    /// Confirms the refused plan with this fingerprint: exactly its deletions, of which the leader then makes use.
    pub async fn confirm(&self, fingerprint: &str) -> Result<Refused, DeskError> {
        let (plans, _) = self.plan().await?;
        let refused =
            plans.into_iter().filter_map(|plan| plan.refused).find(|refused| refused.fingerprint == fingerprint);
        let refused = refused.ok_or_else(|| DeskError::NoSuchPlan(fingerprint.to_owned()))?;
        let data = BTreeMap::from([(refused.zone.to_string(), fingerprint.to_owned())]);
        let patch = json!({"data": data});
        let api = self.confirmations();
        match api.patch(CONFIRMATIONS, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let mut map = ConfigMap { data: Some(data), ..ConfigMap::default() };
                map.metadata.name = Some(CONFIRMATIONS.to_owned());
                map.labels_mut().insert(labels::MANAGED_BY.to_owned(), labels::MANAGED_BY_VALUE.to_owned());
                api.create(&PostParams::default(), &map).await?;
            }
            patched => drop(patched?),
        }
        Ok(refused)
    }

    /// The deletions that somebody confirmed last for `zone`.
    pub(super) async fn confirmed(&self, zone: &Hostname) -> Option<String> {
        match self.confirmations().get_opt(CONFIRMATIONS).await {
            Ok(map) => map?.data?.remove(zone.as_str()),
            Err(error) => {
                tracing::warn!(%zone, %error, "it cannot be read what was confirmed");
                None
            }
        }
    }

    fn confirmations(&self) -> Api<ConfigMap> {
        Api::namespaced(self.inner.client.clone(), &self.inner.scope.own)
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zones: BTreeMap<&str, &KeeperConfig> =
            self.inner.zones.iter().map(|zone| (zone.zone.as_str(), zone)).collect();
        f.debug_struct("Desk").field("zones", &zones.keys()).finish_non_exhaustive()
    }
}

async fn all<K>(api: &Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let (mut found, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = api.list(&params).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

async fn metadata(api: &Api<Service>) -> Result<Vec<PartialObjectMeta<Service>>, kube::Error> {
    let (mut found, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = api.list_metadata(&params).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}
