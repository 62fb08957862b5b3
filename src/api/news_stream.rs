//! `GET /events`: what happens to environments, as it happens (server-sent events of the HTML standard). Whoever comes back with
//! `Last-Event-ID` hears what was missed, or an event `reset` where that is not known any more.

use super::Shared;
use super::environments::Filter;
use super::input::Query;
use super::problem::Problem;
use super::seen::{Heard, News, Seen};
use crate::identity::Caller;
use crate::model::{ClassName, EnvironmentKey, UserId};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How often something is sent where nothing happens, so that both sides see that the other one is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest that a caller may ask a stream to last.
const MAX_SECONDS: u64 = 86_400;

/// What happens to environments within the caller's reach, from now on or from the event that `Last-Event-ID` names.
///
/// Each event has an `id`, a name like `environment.ready`, and one News as its data. An event `reset` says that events were
/// missed which cannot be told any more: read the list of environments again.
#[utoipa::path(get, path = "/api/v1/events", tag = "environments", params(
    ("Last-Event-ID" = Option<String>, Header, description = "the id of the last event that was heard"),
    ("user" = Option<String>, Query, description = "only this user's", pattern = "^[A-Za-z0-9]{1,32}$"),
    ("class" = Option<String>, Query, description = "only those of this class", pattern = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"),
    ("timeout" = Option<u64>, Query, description = "end the stream after so many seconds", minimum = 1, maximum = 86400),
), responses(
    (status = 200, description = "events, each with a News as its data", body = String, content_type = "text/event-stream"),
))]
pub(super) async fn stream(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = Filter {
        user: query.take::<UserId>("user", "a user id: 1 to 32 letters and digits"),
        class: query.take::<ClassName>("class", "the name of a class"),
        reach: caller.reach.clone(),
        ..Filter::default()
    };
    let limit = timeout(&mut query);
    query.done()?;
    state.seen.complete().await?;
    let last = headers.get(LAST_EVENT_ID).map(|field| field.to_str().unwrap_or("?").to_owned());
    // Whoever comes back may have to hear of the last environment of a class that is gone since.
    if last.is_none() {
        filter.known(&state, "?").await?;
    }
    let listener = Listener::new(state.seen.clone(), filter, last.as_deref());
    let end = state.shutdown.clone().cancelled_owned();
    let parts = futures::stream::unfold(listener, |mut listener| async move {
        let part = listener.next().await?;
        Some((Ok::<_, Infallible>(part), listener))
    });
    let body = Body::from_stream(until(parts, limit, end));
    Ok(([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], body).into_response())
}

/// The time after which a caller wants a stream to end.
pub(super) fn timeout(query: &mut Query) -> Option<Duration> {
    let wanted = "a number of seconds from 1 to 86400";
    let seconds = query.take_checked("timeout", wanted, |seconds: &u64| (1..=MAX_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs)
}

/// A stream that ends with the program, and after the time that its caller set.
pub(super) fn until<T>(
    stream: impl futures::Stream<Item = T>,
    limit: Option<Duration>,
    end: impl Future<Output = ()>,
) -> impl futures::Stream<Item = T> {
    use futures::StreamExt as _;
    let over = async move {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let ended = async move {
        let (end, over) = (std::pin::pin!(end), std::pin::pin!(over));
        futures::future::select(end, over).await;
    };
    stream.take_until(ended)
}

/// Somebody who listens.
struct Listener {
    seen: Arc<Seen>,
    filter: Filter,
    waiting: VecDeque<Bytes>,
    heard: Heard,
    heartbeat: tokio::time::Interval,
}

impl Listener {
    fn new(seen: Arc<Seen>, filter: Filter, last: Option<&str>) -> Self {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = seen.feed().listen(last);
        let mut waiting = VecDeque::new();
        match heard.missed.take() {
            // Whoever comes back from here hears all that follows, even where nothing has happened yet.
            Some(missed) => {
                waiting.push_back(place(&heard.place, missed.is_empty()));
                waiting.extend(missed.iter().filter(|news| wanted(&filter, news)).map(|news| told(news)));
            }
            None => waiting.push_back(reset(&heard.place)),
        }
        Self { seen, filter, waiting, heard, heartbeat }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.waiting.pop_front() {
                return Some(part);
            }
            tokio::select! {
                news = self.heard.next.recv() => match news {
                    Ok(news) if wanted(&self.filter, &news) => return Some(told(&news)),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        self.heard = self.seen.feed().listen(None);
                        return Some(reset(&self.heard.place));
                    }
                    Err(RecvError::Closed) => return None,
                },
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}

fn wanted(filter: &Filter, news: &News) -> bool {
    EnvironmentKey::from_object_name(&news.environment.name).is_some_and(|key| {
        filter.reach.has(&key.user)
            && filter.user.as_ref().is_none_or(|user| *user == key.user)
            && filter.class.as_ref().is_none_or(|class| *class == key.class)
    })
}

/// JSON has no line end inside, so the data is one line.
fn told(news: &News) -> Bytes {
    let data = serde_json::to_string(news).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", news.id, news.kind.as_str()).into()
}

/// The beginning of a stream. The place goes with it only where nothing older follows.
fn place(place: &str, newest: bool) -> Bytes {
    let id = if newest { format!("id: {place}\n") } else { String::new() };
    format!("retry: 2000\n{id}: listening\n\n").into()
}

fn reset(place: &str) -> Bytes {
    format!("id: {place}\nevent: reset\ndata: {{\"reason\":\"events were missed; read the environments again\"}}\n\n")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_names_the_place_from_which_all_follows() {
        assert_eq!(
            reset("a-1"),
            "id: a-1\nevent: reset\ndata: {\"reason\":\"events were missed; read the environments again\"}\n\n"
        );
        assert!(!place("a-1", false).windows(3).any(|part| part == b"id:"));
    }
}
