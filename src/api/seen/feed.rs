//! The newest news, kept for those who come back, and handed to those who listen.

use super::Item;
use super::news::{News, NewsKind};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many are kept: each is an environment as it was then, some kilobytes.
const KEPT: usize = 2048;
/// How many a listener may be behind before it is told that it missed some.
const BEHIND: usize = 1024;

/// The stream of news of one manager.
#[derive(Debug)]
pub struct Feed {
    /// By chance, so that a place in another manager's stream, or in that of an earlier run, is known to be one.
    run: String,
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<News>>,
}

#[derive(Debug)]
struct Kept {
    /// The number of the newest.
    newest: u64,
    /// Each as its JSON, which takes a third of the room: few of them are ever asked for again.
    ring: VecDeque<Box<str>>,
}

/// What somebody hears who begins to listen.
#[derive(Debug)]
pub struct Heard {
    /// What was missed since the place that was named; none where that cannot be told any more.
    pub missed: Option<Vec<Arc<News>>>,
    /// The place from which everything follows.
    pub place: String,
    /// What follows.
    pub next: broadcast::Receiver<Arc<News>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        let kept = Mutex::new(Kept { newest: 0, ring: VecDeque::new() });
        Self { run: format!("{:016x}", fastrand::u64(..)), kept, sender: broadcast::Sender::new(BEHIND) }
    }

    pub(super) fn publish(&self, kind: NewsKind, item: &Item) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.newest += 1;
        let id = format!("{}-{}", self.run, kept.newest);
        let news = News { id, at: format!("{:.3}", Timestamp::now()), kind, environment: item.view() };
        if kept.ring.len() == KEPT {
            kept.ring.pop_front();
        }
        kept.ring.push_back(serde_json::to_string(&news).unwrap_or_default().into());
        // Nobody may listen.
        let _listeners = self.sender.send(Arc::new(news));
    }

    /// Begins to listen: from the place `last` on, or from now on.
    pub fn listen(&self, last: Option<&str>) -> Heard {
        // Under the lock, so that nothing falls between what is kept and what follows.
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.sender.subscribe();
        let missed = match last {
            None => Some(Vec::new()),
            Some(last) => self.number(last).filter(|number| *number <= kept.newest).and_then(|number| {
                let missing = usize::try_from(kept.newest - number).ok()?;
                let skip = kept.ring.len().checked_sub(missing)?;
                let missed = kept.ring.iter().skip(skip).map(|news| serde_json::from_str(news).map(Arc::new));
                // One that cannot be read again is one that cannot be told.
                missed.collect::<Result<_, _>>().ok()
            }),
        };
        Heard { missed, place: format!("{}-{}", self.run, kept.newest), next }
    }

    /// The number of a place in this very stream.
    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.run)?.strip_prefix('-')?.parse().ok()
    }
}
