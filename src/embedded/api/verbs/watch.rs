//! Watch: what happens to objects, as it happens.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::kinds::Kind;
use super::super::present;
use super::super::request::{Call, Form};
use super::super::response::{self, Body};
use super::super::selector::Selector;
use super::super::service::{Api, Target};
use super::super::store::{Event, EventType, Object};
use super::super::table::Table;
use super::read;
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a watch that asked for bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// Bytes after which a chunk of events is sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// Answers with a stream of events.
pub(crate) fn watch(api: &Arc<Api>, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let form = read::form(call)?;
    let selector = Selector::read(&target.kind.info, target.namespace.as_deref(), target.name.as_deref(), &call.query)?;
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let initial = initial(call, bookmarks)?;
    let changed = api.store.changed();
    let asked = read::newer_than(api, call.query.text("resourceVersion"))?;
    let (position, first) = match (initial, asked) {
        (Initial::Events { marked }, _) | (Initial::Legacy { marked }, None | Some(0)) => {
            let (revision, objects) = api.store.snapshot(target.kind.storage);
            let chosen = objects.iter().filter(|(key, _)| selector.key_matches(key)).map(|(_, object)| object.clone());
            let chosen = chosen.filter(|object| selector.content_matches(&object.value)).collect();
            (revision, First { objects: chosen, marked })
        }
        (Initial::Legacy { .. }, Some(revision)) => (revision, First::default()),
    };
    let timeout = call.query.number("timeoutSeconds")?;
    let timeout = timeout.unwrap_or_else(|| fastrand::u64(1800..3600)).max(1);
    let now = Instant::now();
    let watcher = Watcher {
        api: api.clone(),
        kind: target.kind.clone(),
        selector,
        form,
        changed,
        position,
        first: Some(first),
        bookmarks,
        next_bookmark: now + BOOKMARK_EVERY,
        ends: now + Duration::from_secs(timeout),
        over: false,
        columns_told: false,
    };
    let chunks = stream::unfold(watcher, |mut watcher| async move { Some((Ok(watcher.chunk().await?), watcher)) });
    Ok(response::stream("application/json", chunks))
}

/// What comes before the events.
enum Initial {
    /// `sendInitialEvents`: all objects, then a bookmark that says so.
    Events { marked: bool },
    /// As it ever was: all objects where no resource version is given.
    Legacy { marked: bool },
}

fn initial(call: &Call, bookmarks: bool) -> Outcome<Initial> {
    let refuse = |field: &str, why: &str| Err(Failure::invalid_options("ListOptions", field, why));
    let matching = call.query.text("resourceVersionMatch");
    match call.query.get("sendInitialEvents") {
        None if !matching.is_empty() => refuse(
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        None => Ok(Initial::Legacy { marked: false }),
        Some(_) if matching != "NotOlderThan" => refuse(
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        Some("true" | "1" | "") if !bookmarks => {
            refuse("allowWatchBookmarks", "Forbidden: sendInitialEvents requires setting allowWatchBookmarks to true")
        }
        Some("true" | "1" | "") => Ok(Initial::Events { marked: true }),
        Some(_) => Ok(Initial::Legacy { marked: false }),
    }
}

#[derive(Default)]
struct First {
    objects: Vec<Arc<Object>>,
    /// Whether a bookmark tells that these were all.
    marked: bool,
}

struct Watcher {
    api: Arc<Api>,
    kind: Arc<Kind>,
    selector: Selector,
    form: Form,
    changed: watch::Receiver<u64>,
    /// Everything up to this revision was told.
    position: u64,
    first: Option<First>,
    bookmarks: bool,
    next_bookmark: Instant,
    ends: Instant,
    over: bool,
    columns_told: bool,
}

impl Watcher {
    /// The next events as lines of JSON; `None` when the watch is over.
    async fn chunk(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        if let Some(first) = self.first.take() {
            self.first_events(&first, &mut out);
        }
        while out.is_empty() {
            if self.over {
                return None;
            }
            self.changed.borrow_and_update();
            match self.api.store.since(self.kind.storage, self.position) {
                Ok((events, revision)) => self.write_events(&events, revision, &mut out),
                Err(compacted) => {
                    let said = format!("too old resource version: {} ({})", self.position, compacted.oldest);
                    self.write("ERROR", Failure::expired(said).to_value().to_string().as_bytes(), &mut out);
                    self.over = true;
                }
            }
            if out.is_empty() && !self.over {
                self.wait(&mut out).await;
            }
        }
        Some(Bytes::from(out))
    }

    fn first_events(&mut self, first: &First, out: &mut Vec<u8>) {
        for object in &first.objects {
            self.write_object("ADDED", object, out);
        }
        if first.marked {
            self.bookmark(true, out);
        }
    }

    fn write_events(&mut self, events: &[Arc<Event>], revision: u64, out: &mut Vec<u8>) {
        for event in events {
            self.position = event.revision;
            if let Some((event_type, object)) = self.seen(event) {
                self.write_object(event_type, &object, out);
            }
            if out.len() > CHUNK_BYTES {
                return;
            }
        }
        self.position = self.position.max(revision);
    }

    /// How an event looks through the selector: an object that leaves it is gone for this watcher.
    fn seen(&self, event: &Event) -> Option<(&'static str, Arc<Object>)> {
        if !self.selector.key_matches(&event.key) {
            return None;
        }
        let matched = |object: &Arc<Object>| self.selector.content_matches(&object.value);
        let before = event.previous.as_ref().is_some_and(matched);
        match (event.event_type, before, matched(&event.object)) {
            (EventType::Added, _, true) | (EventType::Modified, false, true) => Some(("ADDED", event.object.clone())),
            (EventType::Modified, true, true) => Some(("MODIFIED", event.object.clone())),
            (EventType::Modified, true, false) | (EventType::Deleted, true, _) => {
                Some(("DELETED", event.object.clone()))
            }
            (EventType::Added | EventType::Modified, _, false) | (EventType::Deleted, false, _) => None,
        }
    }

    async fn wait(&mut self, out: &mut Vec<u8>) {
        let wake = self.ends.min(if self.bookmarks { self.next_bookmark } else { self.ends });
        tokio::select! {
            changed = self.changed.changed() => self.over |= changed.is_err(),
            () = self.api.closing.cancelled() => self.over = true,
            () = tokio::time::sleep_until(wake) => {
                self.over = Instant::now() >= self.ends;
                self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                if self.bookmarks {
                    self.bookmark(false, out);
                }
            }
        }
    }

    fn bookmark(&mut self, initial_end: bool, out: &mut Vec<u8>) {
        let info = &self.kind.info;
        let mut bookmark = json!({
            "kind": info.kind, "apiVersion": info.api_version(),
            "metadata": {"resourceVersion": self.position.to_string(), "creationTimestamp": Value::Null},
        });
        if initial_end {
            json::set(&mut bookmark, &["metadata", "annotations", "k8s.io/initial-events-end"], "true");
        }
        let object = match self.form {
            Form::Object => bookmark,
            Form::Metadata => present::metadata(&bookmark),
            Form::Table(include) => Table::new(&self.kind, include).finish(&self.position.to_string(), None, None),
        };
        self.write("BOOKMARK", object.to_string().as_bytes(), out);
    }

    fn write_object(&mut self, event_type: &str, object: &Object, out: &mut Vec<u8>) {
        let wire = match self.form {
            Form::Table(include) => {
                let mut table = Table::new(&self.kind, include);
                table.row(&object.value);
                if std::mem::replace(&mut self.columns_told, true) {
                    table.without_columns();
                }
                Bytes::from(table.finish(&object.revision.to_string(), None, None).to_string())
            }
            form @ (Form::Object | Form::Metadata) => present::object(&self.kind, form, object),
        };
        self.write(event_type, &wire, out);
    }

    fn write(&self, event_type: &str, object: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(event_type.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        out.extend_from_slice(object);
        out.extend_from_slice(b"}\n");
    }
}
