//! The store of a running manager: opened before anything else, kept in order while it runs, and left last.

use super::follow::Follow;
use super::measure::Measure;
use crate::api;
use crate::cluster::SharedKinds;
use crate::config::{self, Prices};
use crate::model::{Clock, earlier};
use crate::store::{Store, StoreError, StoreUrl};
use crate::webhooks::{Allowed, Schedule, Sender, Worker, WorkerConfig};
use anyhow::Result;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often calls of dead processes are looked for.
const LOOK: Duration = Duration::from_secs(15);
/// How often what is over is forgotten.
const TIDY: Duration = Duration::from_secs(3600);
/// How often the outbox is looked at, when nobody says that there is something in it.
const OUTBOX: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);
/// How long deliveries that are done with, and tokens that have ended, can be looked at.
const DONE_WITH: Duration = Duration::from_secs(14 * 86_400);
/// How long the use of a day can be asked for.
const USE: Duration = Duration::from_secs(400 * 86_400);

/// What the store is to be, and what belongs to it.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where it is; none: the file of the data folder.
    pub url: Option<StoreUrl>,
    /// For how many days the audit is kept.
    pub audit_days: u16,
    /// The networks to which webhooks may lead, beside public addresses.
    pub webhook_allow: Vec<IpNet>,
    /// The file of prices.
    pub prices: Option<PathBuf>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { url: None, audit_days: 400, webhook_allow: Vec::new(), prices: None }
    }
}

/// The open store, with what reads and writes it.
pub(super) struct Kept {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) sender: Sender,
    pub(super) prices: Option<Arc<Prices>>,
    /// Counts up whenever there is something in the outbox.
    pub(super) outbox: watch::Sender<u64>,
    audit_days: u16,
    tasks: TaskTracker,
    /// Ends what says that this process lives: after the last call has ended.
    last: CancellationToken,
}

/// Opens it. What keeps a manager from starting is told with what would help.
pub(super) async fn open(options: &StoreOptions, folder: &Path, clock: Clock) -> Result<Kept> {
    let prices = options.prices.as_deref().map(read_prices).transpose()?.map(Arc::new);
    let sender = Sender::new(Allowed(options.webhook_allow.clone()))?;
    let url = options.url.clone().unwrap_or_else(|| StoreUrl::in_folder(folder));
    let store = Box::pin(Store::open(&url)).await?;
    tracing::info!(store = store.place(), "the store is open");
    let (audit_days, outbox) = (options.audit_days, watch::Sender::new(0));
    let (tasks, last) = (TaskTracker::new(), CancellationToken::new());
    Ok(Kept { store, clock, sender, prices, outbox, audit_days, tasks, last })
}

fn read_prices(file: &Path) -> Result<Prices> {
    let name = file.display().to_string();
    let read = config::read_file(file).and_then(|text| config::read_prices(&text, &name));
    read.map_err(|errors| anyhow::anyhow!("{errors}"))
}

impl Kept {
    /// Starts what keeps it in order and what it is for, until `end`.
    pub(super) fn start(&self, client: &kube::Client, kinds: &SharedKinds, namespace: &str, end: &CancellationToken) {
        let store = || self.store.clone();
        self.tasks.spawn(store().keep_alive(self.last.clone()));
        let upkeep = Upkeep {
            store: store(),
            clock: self.clock.clone(),
            audit_days: self.audit_days,
            client: client.clone(),
            namespace: namespace.to_owned(),
        };
        self.tasks.spawn(upkeep.run(end.clone()));
        let environments = kinds.environments.subscribe(Some(namespace));
        let (clock, news) = (self.clock.clone(), self.outbox.clone());
        let classes = kube::Api::all(client.clone());
        let follow = Follow { store: store(), clock, environments, classes, news };
        self.tasks.spawn(follow.run(end.clone()));
        let (pods, namespace) = (kinds.pods.clone(), namespace.to_owned());
        let measure = Measure { store: store(), clock: self.clock.clone(), pods, namespace };
        self.tasks.spawn(measure.run(end.clone()));
        let config = WorkerConfig {
            store: store(),
            sender: self.sender.clone(),
            schedule: Schedule::default(),
            clock: self.clock.clone(),
            pause: OUTBOX,
        };
        self.tasks.spawn(Worker::new(config, self.outbox.subscribe()).run(end.clone()));
    }

    /// Waits for what was started to end, and leaves the store.
    pub(super) async fn end(self) {
        self.last.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await;
    }
}

/// What keeps a store in order.
struct Upkeep {
    store: Store,
    clock: Clock,
    audit_days: u16,
    /// For what became of calls whose process died.
    client: kube::Client,
    namespace: String,
}

impl Upkeep {
    async fn run(self, end: CancellationToken) {
        let (mut look, mut tidy) = (tokio::time::interval(LOOK), tokio::time::interval(TIDY));
        loop {
            let done = tokio::select! {
                () = end.cancelled() => return,
                _ = look.tick() => self.close_interrupted().await,
                _ = tidy.tick() => self.tidy().await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "the store could not be kept in order; it is tried again");
            }
        }
    }

    async fn close_interrupted(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        api::close_interrupted(&self.store, &self.client, &self.namespace, now).await.map(drop)
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        let (store, now) = (&self.store, self.clock.now());
        let (over, mut removed) = (earlier(now, DAY * u32::from(self.audit_days)), 0);
        loop {
            match store.audit().retain(over, now).await? {
                0 => break,
                some => removed += some,
            }
        }
        if removed > 0 {
            tracing::info!(removed, days = self.audit_days, "records of the audit went, as their time was over");
        }
        store.idempotency().forget(now).await?;
        store.tokens().forget(earlier(now, DONE_WITH)).await?;
        store.webhooks().forget(earlier(now, DONE_WITH)).await?;
        store.usage().forget(earlier(now, USE).to_zoned(TimeZone::UTC).date()).await?;
        Ok(())
    }
}
