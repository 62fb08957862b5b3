//! The keeper: it remembers what the live watches say, and writes it down in the background when all of it is complete.

use super::{LastGood, LastGoodError, Note, Objects, file};
use crate::discovery::status::Kinds;
use crate::routing::SourceKind;
use crate::telemetry::metrics;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two writes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Notes are gathered for so long, so that a busy cluster does not wake this task for each of its changes.
const GATHER: Duration = Duration::from_millis(100);
/// A write may take this part of the time, so that a large table that changes all the time does not keep a core busy.
const REST: u32 = 50;
/// After a write that failed, as on a full disk.
const AGAIN: Duration = Duration::from_secs(10);
/// How often a file that did not change is told to be true still.
const CONFIRM: Duration = Duration::from_secs(60);

/// Takes notes until they end, and writes at most once a second, off the threads that do anything else.
/// Nothing is written before the lists of all `required` kinds are complete.
pub(in crate::discovery) async fn keep(
    last_good: LastGood,
    required: BTreeSet<SourceKind>,
    kinds: Kinds,
    mut notes: UnboundedReceiver<Note>,
) {
    let now = Instant::now();
    let mut keeper = Keeper {
        last_good,
        objects: Objects::new(),
        changed: false,
        failing: false,
        next: now,
        confirm: now + CONFIRM,
    };
    let mut queue = Vec::new();
    loop {
        let complete = required.iter().all(|kind| keeper.objects.contains_key(kind));
        let (write, confirm) = (complete && keeper.changed, complete && !keeper.changed);
        tokio::select! {
            count = notes.recv_many(&mut queue, 1024) => {
                if count == 0 {
                    return;
                }
                for note in queue.drain(..) {
                    keeper.changed |= keeper.take(note);
                }
                sleep(GATHER).await;
            }
            () = sleep_until(keeper.next), if write => keeper.write().await,
            () = sleep_until(keeper.confirm), if confirm => keeper.confirm(&kinds).await,
        }
    }
}

struct Keeper {
    last_good: LastGood,
    objects: Objects,
    /// Whether the file does not hold all of it.
    changed: bool,
    /// Whether the last write failed, which was told then.
    failing: bool,
    next: Instant,
    confirm: Instant,
}

impl Keeper {
    /// Whether it is news.
    fn take(&mut self, note: Note) -> bool {
        match note {
            Note::List(kind, listed) => {
                let news = self.objects.get(&kind) != Some(&listed);
                self.objects.insert(kind, listed);
                news
            }
            Note::Put(kind, name, json) => {
                let Some(listed) = self.objects.get_mut(&kind) else { return false };
                let news = listed.get(&name) != Some(&json);
                listed.insert(name, json);
                news
            }
            Note::Remove(kind, name) => {
                self.objects.get_mut(&kind).is_some_and(|listed| listed.remove(&name).is_some())
            }
        }
    }

    async fn write(&mut self) {
        let (began, last_good, objects) = (Instant::now(), self.last_good.clone(), std::mem::take(&mut self.objects));
        let written = tokio::task::spawn_blocking(move || {
            let written = file::write(&last_good, &objects);
            (objects, written)
        });
        let Ok((objects, written)) = written.await else {
            tracing::error!("writing the last good table was cut off; the file stays as it is");
            return;
        };
        self.objects = objects;
        let took = began.elapsed();
        self.next = Instant::now() + INTERVAL.max(took * REST);
        self.confirm = Instant::now() + CONFIRM;
        match written {
            Ok(bytes) => {
                metrics::last_good_written(bytes);
                self.changed = false;
                if std::mem::take(&mut self.failing) {
                    tracing::info!(file = %self.last_good.path.display(), "the last good table is written again");
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &LastGoodError) {
        metrics::last_good_write_failed();
        self.next = Instant::now() + AGAIN;
        // Told once, not at each attempt: a disk may be full for days.
        if !std::mem::replace(&mut self.failing, true) {
            let file = self.last_good.path.display();
            tracing::error!(%file, %error, "the last good table cannot be written; a start without the API server would know an older one, or none");
        }
    }

    async fn confirm(&mut self, kinds: &Kinds) {
        self.confirm = Instant::now() + CONFIRM;
        if !kinds.is_current() {
            return;
        }
        let last_good = self.last_good.clone();
        let confirmed = tokio::task::spawn_blocking(move || file::confirm(&last_good)).await;
        if !matches!(confirmed, Ok(Ok(()))) {
            // Somebody took it away.
            self.changed = true;
        }
    }
}

#[cfg(test)]
mod tests;
