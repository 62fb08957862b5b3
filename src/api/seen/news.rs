//! What is news about an environment: the difference of two sights of it.

use crate::api::environment_view::EnvironmentView;
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

/// What happened between two sights of an environment.
pub(super) fn between(before: Option<&EnvironmentView>, after: Option<&EnvironmentView>) -> Vec<NewsKind> {
    let (before, after) = match (before, after) {
        (_, None) => return vec![NewsKind::Deleted],
        (None, Some(after)) if after.ready => return vec![NewsKind::Created, NewsKind::Ready],
        (None, Some(_)) => return vec![NewsKind::Created],
        (Some(before), Some(after)) => (before, after),
    };
    let mut news = Vec::new();
    if after.generation != before.generation && !after.deleting {
        news.push(NewsKind::Changed);
    }
    let again = after.generation != before.generation;
    if after.deleting {
        if !before.deleting {
            news.push(NewsKind::Deleting);
        }
    } else if after.ready && (!before.ready || again) {
        news.push(NewsKind::Ready);
    } else if after.stalled && (!before.stalled || after.reason != before.reason) {
        news.push(NewsKind::Failed);
    } else if !after.ready && !after.stalled && (after.reason != before.reason || before.ready) {
        news.push(NewsKind::Progressing);
    }
    news
}
