//! What of an environment matters to those who are told, and what happened between two looks at it.

use crate::model::HappeningKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How an environment looks. It is kept as JSON: a field that is added later has to have a default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seen {
    /// The object's own name, which the next environment of the same user and class does not have.
    pub uid: String,
    /// A digest of what was asked for: parameters and the class's revision.
    pub wish: String,
    /// Whether a request succeeds.
    pub ready: bool,
    /// Whether it does not come up, or does not answer any more.
    pub failed: bool,
    /// Whether it sleeps.
    pub asleep: bool,
    /// Whether its lifetime has ended.
    pub expired: bool,
    /// When it was warned last.
    pub warned_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Where it is opened.
    pub url: Option<String>,
    /// What is to be said of it, in a sentence.
    pub message: String,
}

impl Seen {
    /// Whether nothing differs by which it is decided what happened. What is only told along may differ.
    pub(super) fn same(&self, other: &Self) -> bool {
        let told_along = |seen: &Self| Self { expires_at: None, url: None, message: String::new(), ..seen.clone() };
        told_along(self) == told_along(other)
    }
}

/// What happened between two looks, in the order in which it is told.
pub fn changes(was: Option<&Seen>, now: Option<&Seen>) -> Vec<HappeningKind> {
    use HappeningKind::{Asleep, Changed, Created, Deleted, Expired, Failed, Ready, Warned, Woken};
    let (was, now) = match (was, now) {
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec![Deleted],
        (None, Some(now)) => (None, now),
        // Deleted and made anew while nobody looked.
        (Some(was), Some(now)) if was.uid != now.uid => return [vec![Deleted], changes(None, Some(now))].concat(),
        (Some(was), Some(now)) => (Some(was), now),
    };
    let blank = Seen { wish: now.wish.clone(), ..Seen::default() };
    let before = was.unwrap_or(&blank);
    let happened = [
        (Created, was.is_none()),
        (Changed, before.wish != now.wish),
        (Woken, before.asleep && !now.asleep),
        (Ready, now.ready && !before.ready),
        (Failed, now.failed && !before.failed),
        (Asleep, now.asleep && !before.asleep),
        (Warned, now.warned_at.is_some() && now.warned_at != before.warned_at),
        (Expired, now.expired && !before.expired),
    ];
    happened.into_iter().filter(|(_, happened)| *happened).map(|(kind, _)| kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use HappeningKind::*;

    fn seen(edit: impl FnOnce(&mut Seen)) -> Seen {
        let mut seen = Seen { uid: "1".to_owned(), wish: "a".to_owned(), ..Seen::default() };
        edit(&mut seen);
        seen
    }

    #[test]
    fn each_change_is_told_once() {
        let new = seen(|_| {});
        let ready = seen(|seen| seen.ready = true);
        let warned = seen(|seen| (seen.ready, seen.warned_at) = (true, Some(Timestamp::UNIX_EPOCH)));
        let asleep = seen(|seen| seen.asleep = true);
        assert_eq!(changes(None, Some(&new)), [Created]);
        assert_eq!(changes(None, Some(&ready)), [Created, Ready]);
        assert_eq!(changes(Some(&new), Some(&ready)), [Ready]);
        assert_eq!(changes(Some(&ready), Some(&ready)), []);
        assert_eq!(changes(Some(&ready), Some(&warned)), [Warned]);
        assert_eq!(changes(Some(&ready), Some(&asleep)), [Asleep]);
        assert_eq!(changes(Some(&asleep), Some(&ready)), [Woken, Ready]);
        assert_eq!(changes(Some(&ready), Some(&seen(|seen| seen.failed = true))), [Failed]);
        assert_eq!(changes(Some(&ready), Some(&seen(|seen| seen.wish = "b".to_owned()))), [Changed]);
        assert_eq!(changes(Some(&warned), Some(&seen(|seen| (seen.ready, seen.expired) = (true, true)))), [Expired]);
        assert_eq!(changes(Some(&ready), None), [Deleted]);
    }

    #[test]
    fn one_that_was_made_anew_in_between_was_deleted() {
        let old = seen(|seen| seen.ready = true);
        let new = seen(|seen| (seen.uid, seen.ready) = ("2".to_owned(), true));
        assert_eq!(changes(Some(&old), Some(&new)), [Deleted, Created, Ready]);
    }
}
