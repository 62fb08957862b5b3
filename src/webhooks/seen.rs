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
    /// A digest of the parameters that were asked for.
    pub parameters: String,
    /// A digest of what its pods were asked to be: the parameters, and when they were to be made anew last.
    pub pods: String,
    /// The number of its newest revision.
    pub revision: Option<i64>,
    /// Whether its status is about what is asked of it now, and not about what was asked before.
    pub settled: bool,
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
    /// The look at an environment that looked like `was` before. A status that is about what was asked before says nothing of how it
    /// does: who pins or extends one that is ready does not make it less so. What its pods are to be has to be the same, though.
    pub(super) fn after(self, was: Option<&Self>) -> Self {
        let Some(was) = was.filter(|was| was.uid == self.uid && !self.settled) else { return self };
        let same_pods = was.pods == self.pods;
        Self { ready: same_pods && was.ready, failed: same_pods && was.failed, revision: was.revision, ..self }
    }

    /// Whether nothing differs from `was` by which it is decided what happened. What is only told along may differ.
    pub(super) fn same(&self, was: &Self) -> bool {
        let told_along = |seen: &Self| Self {
            // Once it was settled it stays so, as far as the same is asked of it.
            settled: seen.settled || was.settled,
            expires_at: None,
            url: None,
            message: String::new(),
            ..seen.clone()
        };
        told_along(self) == told_along(was)
    }

    /// Whether something else is asked of it than of `was`, or other pods came of the same: of a change of its class. A change of a
    /// class that leaves its pods as they are is none of the environment.
    fn is_changed(&self, was: &Self) -> bool {
        // One that was kept before there were digests of parameters has none.
        let asked = !was.parameters.is_empty() && was.parameters != self.parameters;
        // The first revision after a change of the parameters came of that change, which was told.
        asked || (was.settled && was.revision.is_some() && was.revision != self.revision)
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
    let blank = Seen::default();
    let before = was.unwrap_or(&blank);
    // Other pods may be ready before anybody saw that the older ones were not any more.
    let other_pods = before.revision.is_some() && before.revision != now.revision;
    let happened = [
        (Created, was.is_none()),
        (Changed, was.is_some_and(|was| now.is_changed(was))),
        (Woken, before.asleep && !now.asleep),
        (Ready, now.ready && (!before.ready || other_pods)),
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
        let (parameters, pods) = ("a".to_owned(), "a".to_owned());
        let mut seen =
            Seen { uid: "1".to_owned(), parameters, pods, revision: Some(1), settled: true, ..Seen::default() };
        edit(&mut seen);
        seen
    }

    /// What is told of looks that follow one on the other, as it is published.
    fn told(looks: impl IntoIterator<Item = Seen>) -> Vec<HappeningKind> {
        let (mut last, mut told) = (None::<Seen>, Vec::new());
        for look in looks {
            let look = look.after(last.as_ref());
            told.extend(changes(last.as_ref(), Some(&look)));
            if last.as_ref().is_none_or(|last| !look.same(last)) {
                last = Some(look);
            }
        }
        told
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
        assert_eq!(changes(Some(&ready), Some(&seen(|seen| seen.parameters = "b".to_owned()))), [Changed]);
        assert_eq!(changes(Some(&warned), Some(&seen(|seen| (seen.ready, seen.expired) = (true, true)))), [Expired]);
        assert_eq!(changes(Some(&ready), None), [Deleted]);
    }

    #[test]
    fn a_deploy_is_one_change_and_makes_it_ready_once() {
        let ready = seen(|seen| seen.ready = true);
        let asked = seen(|seen| {
            (seen.parameters, seen.pods) = ("b".to_owned(), "b".to_owned());
            // The status is still that of before.
            (seen.settled, seen.ready) = (false, false);
        });
        let rolling = Seen { settled: true, revision: Some(2), ..asked.clone() };
        let again = Seen { ready: true, ..rolling.clone() };
        assert_eq!(
            told([ready.clone(), asked.clone(), rolling.clone(), again.clone()]),
            [Created, Ready, Changed, Ready]
        );
        assert_eq!(
            told([ready.clone(), asked, again.clone()]),
            [Created, Ready, Changed, Ready],
            "looks may be missed"
        );
        assert_eq!(told([ready, again]), [Created, Ready, Changed, Ready]);
    }

    #[test]
    fn a_pin_or_an_extension_is_no_change_and_makes_nothing_ready_or_failed() {
        for ready in [true, false] {
            let before = seen(|seen| (seen.ready, seen.failed) = (ready, !ready));
            let unseen = seen(|seen| seen.settled = false);
            let first = if ready { Ready } else { Failed };
            assert_eq!(told([before.clone(), unseen, before]), [Created, first]);
        }
    }

    #[test]
    fn pods_that_are_made_anew_are_ready_again_and_no_change() {
        let ready = seen(|seen| seen.ready = true);
        let asked = seen(|seen| (seen.pods, seen.settled) = ("a, anew".to_owned(), false));
        let again = Seen { settled: true, ready: true, ..asked.clone() };
        assert_eq!(told([ready, asked, again]), [Created, Ready, Ready]);
    }

    #[test]
    fn a_class_changes_those_environments_whose_pods_it_changes() {
        let ready = seen(|seen| seen.ready = true);
        // Nothing of this one differs: its class was given another description, or more time to live.
        assert_eq!(told([ready.clone(), ready.clone()]), [Created, Ready]);
        let rolling = seen(|seen| seen.revision = Some(2));
        let again = seen(|seen| (seen.revision, seen.ready) = (Some(2), true));
        assert_eq!(told([ready.clone(), rolling, again.clone()]), [Created, Ready, Changed, Ready]);
        assert_eq!(told([ready, again]), [Created, Ready, Changed, Ready], "the look between may be missed");
    }

    #[test]
    fn what_an_older_version_kept_is_no_change() {
        let kept: Seen = serde_json::from_str(r#"{"uid": "1", "wish": "5f", "ready": true}"#).unwrap();
        let now = seen(|seen| seen.ready = true);
        assert_eq!(changes(Some(&kept), Some(&now)), []);
        assert!(!now.same(&kept), "it is kept anew");
    }

    #[test]
    fn one_that_was_made_anew_in_between_was_deleted() {
        let old = seen(|seen| seen.ready = true);
        let new = seen(|seen| (seen.uid, seen.ready) = ("2".to_owned(), true));
        assert_eq!(changes(Some(&old), Some(&new)), [Deleted, Created, Ready]);
    }
}
