//! How far a generation of an environment is: the monitor that a 202 names, and `:wait`, which answers when it is decided.
//!
//! Both say what Ready says: a generation has succeeded when a request to the host is answered by it.

use super::environment_view::EnvironmentView;
use super::input::{EnvironmentPath, NumberPath, Query};
use super::problem::{Code, Problem};
use super::{ApiState, Shared, environments};
use crate::model::EnvironmentKey;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

/// How long `:wait` waits when nothing is said.
const DEFAULT_WAIT: u64 = 30;
/// The longest that it waits.
const MAX_WAIT: u64 = 300;

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GenerationState {
    /// The work goes on.
    Progressing,
    /// A request to the host is answered by it.
    Ready,
    /// It sleeps, as was asked for or as its class says.
    Asleep,
    /// It will not get ready by itself.
    Failed,
    /// Something else was asked for since.
    Superseded,
    /// The environment is being deleted.
    Deleting,
}

/// A generation of an environment: what was asked for at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GenerationView {
    /// The environment.
    #[schema(example = "haimaz-integration")]
    pub name: String,
    /// Which generation.
    pub generation: i64,
    /// How far it is.
    pub state: GenerationState,
    /// Whether nothing more will happen to it by itself.
    pub done: bool,
    /// Why it is so, in a word.
    #[schema(example = "Starting")]
    pub reason: String,
    /// Why it is so, in a sentence.
    pub message: String,
    /// Where to open the environment.
    pub url: Option<String>,
}

/// How far a generation of an environment is. This is the status monitor that an answer of 202 names.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/generations/{number}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("number" = i64, Path, description = "the generation", minimum = 1),
), responses(
    (status = 200, body = GenerationView),
    (status = 404, description = "no such environment or generation", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    NumberPath(number): NumberPath,
    query: Query,
) -> Result<Json<GenerationView>, Problem> {
    query.done()?;
    let view = EnvironmentView::of(&environments::find(&state, &key).await?);
    Ok(Json(GenerationView::of(&view, number)?))
}

/// Waits until it is decided what becomes of a generation, or until the time is over; then `done` is false.
///
/// It is ready only when every replica of the gateway leads requests to it.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/generations/{number}:wait", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("number" = i64, Path, description = "the generation", minimum = 1),
    ("timeout" = Option<u64>, Query, description = "how many seconds to wait; 30 when not given", minimum = 0, maximum = 300),
), responses(
    (status = 200, description = "done tells whether it is decided", body = GenerationView),
    (status = 404, description = "no such environment or generation, or the environment was deleted meanwhile", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn wait(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    NumberPath(number): NumberPath,
    mut query: Query,
) -> Result<Json<GenerationView>, Problem> {
    let wanted = "a number of seconds from 0 to 300";
    let limit = query.take_checked("timeout", wanted, |seconds: &u64| *seconds <= MAX_WAIT).unwrap_or(DEFAULT_WAIT);
    query.done()?;
    let end = Instant::now() + Duration::from_secs(limit);
    decided(&state, &key, number, end).await.map(Json)
}

async fn decided(state: &ApiState, key: &EnvironmentKey, number: i64, end: Instant) -> Result<GenerationView, Problem> {
    // Before the first look, so that nothing falls in between.
    let mut news = state.seen.feed().listen(None).next;
    loop {
        let view = EnvironmentView::of(&environments::find(state, key).await?);
        let generation = GenerationView::of(&view, number)?;
        if generation.done {
            return Ok(generation);
        }
        let about = async {
            loop {
                match news.recv().await {
                    Ok(told) if told.environment.name != key.object_name() => {}
                    // Some were missed: whatever they were, it is looked again.
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            about = timeout_at(end, about) => if about.is_err() { return Ok(generation) },
            () = state.shutdown.cancelled() => return Ok(generation),
        }
    }
}

impl GenerationView {
    /// How far the generation `number` is, by what is told of the environment.
    fn of(view: &EnvironmentView, number: i64) -> Result<Self, Problem> {
        if number > view.generation {
            let (name, newest) = (&view.name, view.generation);
            let said = format!("{name} has no generation {number}; the newest is {newest}");
            return Err(Problem::new(Code::NoSuchGeneration, said));
        }
        let state = match view {
            view if view.deleting => GenerationState::Deleting,
            view if number < view.generation => GenerationState::Superseded,
            view if view.ready => GenerationState::Ready,
            view if view.stalled => GenerationState::Failed,
            view if view.is_at_rest() => GenerationState::Asleep,
            _ => GenerationState::Progressing,
        };
        let (reason, message) = match state {
            GenerationState::Superseded => {
                let said = format!("generation {} was asked for since", view.generation);
                ("Superseded".to_owned(), said)
            }
            _ => (view.reason.clone(), view.message.clone()),
        };
        let done = match state {
            GenerationState::Progressing | GenerationState::Deleting => false,
            GenerationState::Ready
            | GenerationState::Asleep
            | GenerationState::Failed
            | GenerationState::Superseded => true,
        };
        Ok(Self { name: view.name.clone(), generation: number, state, done, reason, message, url: view.url.clone() })
    }
}
