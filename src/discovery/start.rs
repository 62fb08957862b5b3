//! Discovery as a value: its tasks are started, and how far it is can be asked.

use super::draft::Drafts;
use super::last_good::{self, Identity, LastGood, Notes, Saved};
use super::status::Kinds;
use super::watches::{Change, Feed};
use super::writer::Writer;
use super::{DiscoveryConfig, Namespaces, file, kinds};
use crate::routing::{Routes, SourceKind, Table};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How long the first lists may take before the last good table stands in for those that are not complete. An API server
/// that refuses is not waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Discovery at work.
#[derive(Debug, Clone)]
pub struct Discovery {
    generation: watch::Receiver<u64>,
    table: Arc<Table>,
    kinds: Kinds,
    drafts: Drafts,
}

impl Discovery {
    /// Where copies of the index are to be had, to see what would be.
    pub fn drafts(&self) -> &Drafts {
        &self.drafts
    }

    /// Waits until the first complete table is published. Ends early, with `false`, when discovery ends.
    pub async fn ready(&mut self) -> bool {
        let table = self.table.clone();
        self.generation.wait_for(|_| table.load().is_complete()).await.is_ok()
    }

    /// The generation of the newest published table.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.clone()
    }

    /// How current the table is, kind by kind.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }
}

/// Starts the watches and the writer; they end with `shutdown`.
pub(super) fn start(config: DiscoveryConfig, table: Arc<Table>, shutdown: &CancellationToken) -> Discovery {
    let (changes, receiver) = mpsc::unbounded_channel();
    let drafts = Drafts::new(changes.clone());
    let (published, generation) = watch::channel(0);
    let watched: BTreeSet<SourceKind> = match &config.client {
        // Environments too: without their notes, a host that is being created would be told to be nobody's.
        Some(_) => kinds::KINDS.iter().map(|kind| kind.source).collect(),
        None => BTreeSet::new(),
    };
    let missing: BTreeSet<_> =
        watched.iter().copied().chain(config.routes.as_ref().map(|_| SourceKind::File)).collect();
    let kinds = Kinds::new(&missing);
    let spawn = Spawner(shutdown.clone());
    let last_good = last_good(&config);
    if let Some(client) = config.client {
        if let Some(uses) = config.uses {
            spawn.spawn(super::uses::keep(client.clone(), uses, table.clone()));
        }
        let notes = last_good.clone().map(|last_good| {
            let (notes, receiver) = mpsc::unbounded_channel();
            spawn.spawn(last_good::keep(last_good, watched, kinds.clone(), receiver));
            notes
        });
        let (namespaces, shared) = (config.namespaces, config.shared);
        let (kinds, shutdown, notes) = (kinds.clone(), shutdown.clone(), Notes(notes));
        Feed { client, namespaces, changes: changes.clone(), notes, kinds, shared, shutdown }.start();
    }
    if let Some(path) = config.routes {
        let send = move |contributions, problems| changes.send(Change::File(contributions, problems)).is_ok();
        spawn.spawn(file::watch_file(path, send));
    }
    let mut routes = Routes::new(config.domain);
    routes.set_locality(config.locality);
    let writer = Writer::new(routes, config.endpoint_policy, config.certificates, missing, kinds.clone());
    spawn.spawn(writer.run(receiver, fallback(last_good, kinds.clone()), table.clone(), published));
    Discovery { generation, table, kinds, drafts }
}

/// Starts tasks that end with discovery.
struct Spawner(CancellationToken);

impl Spawner {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.clone().run_until_cancelled_owned(task));
    }
}

/// The file, and what it must be of. A file of routes alone is its own last good table.
fn last_good(config: &DiscoveryConfig) -> Option<LastGood> {
    let last_good = config.last_good.clone().filter(|_| config.client.is_some())?;
    let namespaces = match &config.namespaces {
        Namespaces::All => "all".to_owned(),
        Namespaces::One(namespace) => format!("{namespace} alone"),
    };
    let of = Identity { cluster: last_good.cluster, namespaces, domain: config.domain.to_string() };
    Some(LastGood { path: last_good.path, of })
}

/// Waits until it is clear that the API server does not answer in time; gives what is on disk then.
async fn fallback(last_good: Option<LastGood>, kinds: Kinds) -> Option<Saved> {
    let last_good = last_good?;
    tokio::select! {
        () = tokio::time::sleep(PATIENCE) => {}
        () = kinds.away() => {}
    }
    let file = last_good.path.display().to_string();
    let read = tokio::task::spawn_blocking(move || last_good::read(&last_good)).await;
    match read {
        Ok(Ok(Some(saved))) => {
            let (objects, as_of) = (saved.objects, saved.as_of.to_string());
            tracing::warn!(
                file,
                objects,
                as_of,
                "the API server does not answer in time; the last good table stands in"
            );
            Some(saved)
        }
        Ok(Ok(None)) => {
            tracing::info!(file, "the API server does not answer in time, and there is no last good table");
            None
        }
        Ok(Err(error)) => {
            tracing::error!(file, %error, "the last good table is not used; the gateway is ready when the API server answers");
            kinds.refused(format!("the last good table {file} is not used: {error}"));
            None
        }
        Err(error) => {
            tracing::error!(file, %error, "reading the last good table was cut off");
            None
        }
    }
}
