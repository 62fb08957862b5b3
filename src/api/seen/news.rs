//! What is news about an environment: the difference of two sights of it.

use crate::api::environment_view::EnvironmentView;
use crate::resources::LifePhase;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened to an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum NewsKind {
    /// It was asked for.
    #[serde(rename = "environment.created")]
    Created,
    /// Something else is asked of it.
    #[serde(rename = "environment.changed")]
    Changed,
    /// It is on its way, or not ready any more: the reason is another one.
    #[serde(rename = "environment.progressing")]
    Progressing,
    /// A request to its host succeeds.
    #[serde(rename = "environment.ready")]
    Ready,
    /// It will not get better by itself.
    #[serde(rename = "environment.failed")]
    Failed,
    /// It sleeps: nothing of it runs, everything is kept.
    #[serde(rename = "environment.asleep")]
    Asleep,
    /// It was woken.
    #[serde(rename = "environment.woken")]
    Woken,
    /// It will expire.
    #[serde(rename = "environment.warned")]
    Warned,
    /// Its lifetime has ended; it is being deleted.
    #[serde(rename = "environment.expired")]
    Expired,
    /// It is being deleted.
    #[serde(rename = "environment.deleting")]
    Deleting,
    /// It is gone.
    #[serde(rename = "environment.deleted")]
    Deleted,
}

impl NewsKind {
    /// The name of the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "environment.created",
            Self::Changed => "environment.changed",
            Self::Progressing => "environment.progressing",
            Self::Ready => "environment.ready",
            Self::Failed => "environment.failed",
            Self::Asleep => "environment.asleep",
            Self::Woken => "environment.woken",
            Self::Warned => "environment.warned",
            Self::Expired => "environment.expired",
            Self::Deleting => "environment.deleting",
            Self::Deleted => "environment.deleted",
        }
    }
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct News {
    /// Its place in the stream, for `Last-Event-ID`.
    #[schema(example = "5f3a9c1e-17")]
    pub id: String,
    /// When the manager saw it (RFC 3339).
    pub at: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: NewsKind,
    /// The environment, as it was then.
    pub environment: EnvironmentView,
}

/// What happened between two sights of an environment, in the order in which it is told.
pub(super) fn between(before: Option<&EnvironmentView>, after: Option<&EnvironmentView>) -> Vec<NewsKind> {
    let (before, after) = match (before, after) {
        (_, None) => return vec![NewsKind::Deleted],
        (None, Some(after)) => {
            let states = [(NewsKind::Created, true), (NewsKind::Ready, after.ready), (NewsKind::Asleep, asleep(after))];
            return states.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect();
        }
        (Some(before), Some(after)) => (before, after),
    };
    let again = after.generation != before.generation;
    let mut news = Vec::new();
    if again && !after.deleting {
        news.push(NewsKind::Changed);
    }
    if asleep(before) && !asleep(after) {
        news.push(NewsKind::Woken);
    }
    news.extend(state(before, after, again));
    if asleep(after) && !asleep(before) {
        news.push(NewsKind::Asleep);
    }
    if warned_at(after).is_some() && warned_at(after) != warned_at(before) {
        news.push(NewsKind::Warned);
    }
    if expired(after) && !expired(before) {
        news.push(NewsKind::Expired);
    }
    news
}

/// What is new about whether it can be used.
fn state(before: &EnvironmentView, after: &EnvironmentView, again: bool) -> Option<NewsKind> {
    if after.deleting {
        (!before.deleting).then_some(NewsKind::Deleting)
    } else if after.ready {
        (!before.ready || again).then_some(NewsKind::Ready)
    } else if after.stalled {
        (!before.stalled || after.reason != before.reason).then_some(NewsKind::Failed)
    } else {
        (after.reason != before.reason || before.ready).then_some(NewsKind::Progressing)
    }
}

/// Whether it sleeps; one that will expire soon may sleep as well.
fn asleep(environment: &EnvironmentView) -> bool {
    environment.life.as_ref().is_some_and(|life| life.asleep_since.is_some())
}

fn warned_at(environment: &EnvironmentView) -> Option<&str> {
    environment.life.as_ref().and_then(|life| life.warned_at.as_deref())
}

fn expired(environment: &EnvironmentView) -> bool {
    environment.life.as_ref().is_some_and(|life| life.phase == LifePhase::Expired.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::environment_view::LifeView;
    use crate::resources::{Environment, EnvironmentSpec};

    fn view(edit: impl FnOnce(&mut EnvironmentView, &mut LifeView)) -> EnvironmentView {
        let mut view = EnvironmentView::of(&Environment::new("a-x", EnvironmentSpec::default()));
        let mut life = LifeView {
            phase: "Active".to_owned(),
            expires_at: None,
            last_used_at: None,
            warned_at: None,
            asleep_since: None,
            wakes_on_request: false,
            message: String::new(),
        };
        edit(&mut view, &mut life);
        view.life = Some(life);
        view
    }

    fn told(before: &EnvironmentView, after: &EnvironmentView) -> Vec<NewsKind> {
        between(Some(before), Some(after))
    }

    #[test]
    fn each_turn_of_a_life_is_told_once() {
        use NewsKind::{Asleep, Created, Deleting, Expired, Ready, Warned, Woken};
        let ready = view(|view, _| view.ready = true);
        let since = || Some("2026-03-01T00:00:00Z".to_owned());
        let asleep = view(|view, life| {
            view.reason = "Asleep".to_owned();
            (life.phase, life.asleep_since) = ("Asleep".to_owned(), since());
        });
        let warned = view(|view, life| {
            view.ready = true;
            (life.phase, life.warned_at) = ("Expiring".to_owned(), since());
        });
        let again = view(|view, life| {
            view.ready = true;
            (life.phase, life.warned_at) = ("Expiring".to_owned(), Some("2026-03-02T00:00:00Z".to_owned()));
        });
        let expired = view(|view, life| {
            view.ready = true;
            (life.phase, life.warned_at) = ("Expired".to_owned(), since());
        });
        let going = view(|view, life| {
            view.deleting = true;
            life.phase = "Expired".to_owned();
        });
        assert_eq!(between(None, Some(&asleep)), [Created, Asleep]);
        assert_eq!(told(&ready, &asleep), [NewsKind::Progressing, Asleep]);
        assert_eq!(told(&asleep, &asleep), []);
        assert_eq!(told(&asleep, &ready), [Woken, Ready]);
        assert_eq!(told(&ready, &warned), [Warned]);
        assert_eq!(told(&warned, &warned), []);
        assert_eq!(told(&warned, &again), [Warned], "a second warning is one of its own");
        assert_eq!(told(&warned, &ready), [], "it was extended");
        assert_eq!(told(&warned, &expired), [Expired]);
        assert_eq!(told(&warned, &going), [Deleting, Expired], "both where one was not seen alone");
    }

    #[test]
    fn one_that_sleeps_and_will_expire_is_not_woken() {
        let since = || Some("2026-03-01T00:00:00Z".to_owned());
        let asleep = view(|_, life| (life.phase, life.asleep_since) = ("Asleep".to_owned(), since()));
        let both = view(|_, life| {
            (life.phase, life.asleep_since, life.warned_at) = ("Expiring".to_owned(), since(), since());
        });
        assert_eq!(told(&asleep, &both), [NewsKind::Warned]);
    }
}
