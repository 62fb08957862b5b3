//! How current the table is, kind by kind: what readiness, the pages and the metrics are told.

use crate::routing::SourceKind;
use crate::telemetry::metrics;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// The most characters of somebody else's error that are told.
const MAX_ERROR: usize = 300;

/// Where what is known of a kind comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere yet.
    Missing,
    /// From the last good table, which told the truth at this time.
    Disk(Timestamp),
    /// From a complete list and the watch after it.
    Live,
}

/// A watch that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// What the first failure said.
    pub error: String,
}

/// What is known of a kind, and how current it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindStatus {
    /// Which kind.
    pub kind: SourceKind,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether the API server cannot be asked now.
    pub failing: Option<Failing>,
}

impl KindStatus {
    /// The time since which changes may have been missed; `None` while it is current, or missing altogether.
    pub fn stale_since(&self) -> Option<Timestamp> {
        match self.origin {
            Origin::Missing => None,
            Origin::Disk(as_of) => Some(as_of),
            Origin::Live => self.failing.as_ref().map(|failing| failing.since),
        }
    }
}

impl fmt::Display for KindStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Missing => write!(f, "{}: missing", self.kind)?,
            Origin::Disk(as_of) => {
                write!(f, "{}: from disk, as of {as_of:.0} ({} s ago)", self.kind, age(as_of))?;
            }
            Origin::Live => write!(f, "{}: live", self.kind)?,
        }
        match &self.failing {
            Some(Failing { since, error }) => {
                write!(f, "; the API server cannot be asked since {since:.0} ({} s ago): {error}", age(*since))
            }
            None => Ok(()),
        }
    }
}

/// Whole seconds since `time`; 0 where the clock was set back.
fn age(time: Timestamp) -> i64 {
    (Timestamp::now().as_second() - time.as_second()).max(0)
}

/// The status of all kinds that a table is made of, shared by the watches, the writer and those who ask.
#[derive(Debug, Clone)]
pub struct Kinds(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    kinds: BTreeMap<SourceKind, KindStatus>,
    refused: Option<String>,
}

impl Kinds {
    /// These kinds, all missing.
    pub(super) fn new(required: &BTreeSet<SourceKind>) -> Self {
        let missing = |kind: &SourceKind| KindStatus { kind: *kind, origin: Origin::Missing, failing: None };
        let kinds: BTreeMap<_, _> = required.iter().map(|kind| (*kind, missing(kind))).collect();
        kinds.values().for_each(tell);
        Self(Arc::new(watch::Sender::new(State { kinds, refused: None })))
    }

    /// All kinds, and how current each is.
    pub fn all(&self) -> Vec<KindStatus> {
        self.0.borrow().kinds.values().cloned().collect()
    }

    /// `Ok` when every kind is there, if only from disk; else a sentence that names the missing ones.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.0.borrow();
        let missing = || state.kinds.values().filter(|status| status.origin == Origin::Missing);
        let names: Vec<String> = missing().map(|status| status.kind.to_string()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut said =
            format!("the first complete route table is not there yet: not listed so far: {}", names.join(", "));
        if let Some(failing) = missing().find_map(|status| status.failing.as_ref()) {
            said.push_str(&format!("; the API server cannot be asked: {}", failing.error));
        }
        if let Some(refused) = &state.refused {
            said.push_str(&format!("; {refused}"));
        }
        Err(said)
    }

    /// Whether every kind is live and its watch works.
    pub(super) fn is_current(&self) -> bool {
        self.0.borrow().kinds.values().all(|status| status.origin == Origin::Live && status.failing.is_none())
    }

    /// Ends once no missing kind can be had from the API server: it is away.
    pub(super) async fn away(&self) {
        let is_away = |state: &State| {
            let mut missing = state.kinds.values().filter(|status| status.origin == Origin::Missing).peekable();
            missing.peek().is_some() && missing.all(|status| status.failing.is_some())
        };
        let mut changes = self.0.subscribe();
        let _ended = changes.wait_for(is_away).await;
    }

    /// The API server answered a question about `kind`; whether it did not before.
    pub(super) fn answered(&self, kind: SourceKind) -> bool {
        self.change(kind, |status| status.failing.take().is_some())
    }

    /// A question about `kind` failed; whether this is news.
    pub(super) fn failed(&self, kind: SourceKind, error: &str) -> bool {
        self.change(kind, |status| {
            let news = status.failing.is_none();
            if news {
                let error = error.chars().take(MAX_ERROR).collect::<String>().escape_debug().to_string();
                status.failing = Some(Failing { since: Timestamp::now(), error });
            }
            news
        })
    }

    /// Takes what the writer knows: the kinds whose list is not complete, and those that disk stands in for.
    pub(super) fn settle(&self, unlisted: &BTreeSet<SourceKind>, from_disk: &BTreeMap<SourceKind, Timestamp>) {
        let kinds: Vec<SourceKind> = self.0.borrow().kinds.keys().copied().collect();
        for kind in kinds {
            let origin = match (unlisted.contains(&kind), from_disk.get(&kind)) {
                (false, _) => Origin::Live,
                (true, Some(as_of)) => Origin::Disk(*as_of),
                (true, None) => Origin::Missing,
            };
            self.change(kind, |status| {
                if matches!((status.origin, origin), (Origin::Disk(_), Origin::Live)) {
                    tracing::info!(%kind, "listed by the API server; the last good table is not needed any more");
                }
                std::mem::replace(&mut status.origin, origin) != origin
            });
        }
    }

    /// The last good table was refused, for this reason.
    pub(super) fn refused(&self, why: String) {
        self.0.send_modify(|state| state.refused = Some(why));
    }

    fn change(&self, kind: SourceKind, change: impl FnOnce(&mut KindStatus) -> bool) -> bool {
        self.0.send_if_modified(|state| {
            state.kinds.get_mut(&kind).is_some_and(|status| {
                let changed = change(status);
                if changed {
                    tell(status);
                }
                changed
            })
        })
    }
}

fn tell(status: &KindStatus) {
    let stale_since = status.stale_since().map(|time| time.as_second());
    let current = status.origin == Origin::Live && status.failing.is_none();
    metrics::kind_currency(&status.kind, current, stale_since);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_tells_where_it_comes_from_and_since_when_it_may_be_wrong() {
        let unlisted = BTreeSet::from([SourceKind::Service, SourceKind::Environment]);
        let kinds = Kinds::new(&unlisted);
        assert!(kinds.ready().unwrap_err().contains("not listed so far: Service, Environment"));
        kinds.failed(SourceKind::Service, "connection refused\n");
        assert!(!kinds.failed(SourceKind::Service, "again"));
        let as_of = Timestamp::now();
        kinds.settle(&unlisted, &BTreeMap::from([(SourceKind::Service, as_of)]));
        let said = kinds.ready().unwrap_err();
        assert!(said.ends_with("not listed so far: Environment"), "{said}");
        kinds.refused("the file is damaged".to_owned());
        assert!(kinds.ready().unwrap_err().ends_with("; the file is damaged"));
        let service = kinds.all().into_iter().find(|status| status.kind == SourceKind::Service).unwrap();
        assert_eq!(service.stale_since(), Some(as_of));
        assert!(service.to_string().contains("Service: from disk, as of "), "{service}");
        assert!(service.to_string().ends_with(r"connection refused\n"), "{service}");
        kinds.settle(&BTreeSet::new(), &BTreeMap::new());
        assert!(kinds.ready().is_ok() && !kinds.is_current());
        assert!(kinds.answered(SourceKind::Service) && !kinds.answered(SourceKind::Service));
        assert!(kinds.is_current());
    }
}
