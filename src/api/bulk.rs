//! Verbs for many environments at once: those that a selector names, within the caller's reach. A dry run lists what would
//! happen, and the same call without it does it.

use super::actions::{act, extension};
use super::audit::Note;
use super::environments::{Filter, remove};
use super::etag::Conditions;
use super::input::{Query, json_object, kind_of, refuse_unknown};
use super::json::pointer;
use super::problem::{Code, FieldError, Problem};
use super::seen::Item;
use super::wish::Verb;
use super::{ApiState, Shared};
use crate::identity::Caller;
use crate::model::{ClassName, UserId};
use axum::extract::{Request, State};
use axum::{Extension, Json};
use futures::StreamExt as _;
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

/// How many are changed at the same time.
const AT_ONCE: usize = 8;

/// Which environments are meant. What is not given leaves all in; at least one has to be given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// This user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "haimaz", pattern = "^[A-Za-z0-9]{1,32}$")]
    pub user: Option<String>,
    /// Those of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "integration", pattern = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$")]
    pub class: Option<String>,
    /// Those that are ready, or are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ready: Option<bool>,
    /// Those that do not get better by themselves, or the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stalled: Option<bool>,
    /// Those whose reason is this word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Za-z]{1,64}$")]
    pub reason: Option<String>,
    /// All of them: has to be said where nothing else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub all: Option<bool>,
}

/// Many environments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BulkInput {
    /// Which ones.
    pub selector: Selector,
    /// Whether it is only told what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// Many environments, and how long they are to be kept: one of `by` and `until`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BulkExtendInput {
    /// Which ones.
    pub selector: Selector,
    /// Whether it is only told what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// This much longer than each would be kept, like 90m, 12h or 14d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "24h", pattern = "^[1-9][0-9]{0,3}(s|m|h|d)$")]
    pub by: Option<String>,
    /// Until this time at least (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
}

/// What becomes of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkOutcome {
    /// It would be changed.
    Planned,
    /// It was changed.
    Done,
    /// It was so already.
    Unchanged,
    /// It was not changed; `problem` says why.
    Failed,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkItem {
    /// The environment.
    #[schema(example = "haimaz-integration")]
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// Of which class it is.
    pub class: String,
    /// What becomes of it.
    pub outcome: BulkOutcome,
    /// Why it was not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What becomes of all of them, by user and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkResult {
    /// Whether it was only told what would happen.
    pub dry_run: bool,
    /// The environments.
    pub items: Vec<BulkItem>,
}

/// The answer, and what the audit keeps of it.
type Answered = (Extension<Note>, Json<BulkResult>);

/// The names of the environments by what became of them: short, as there may be thousands.
fn noted(dry_run: bool, items: &[BulkItem]) -> Note {
    let mut after = BTreeMap::<String, Vec<&str>>::new();
    for item in items {
        let outcome = serde_json::to_value(item.outcome).unwrap_or_default();
        after.entry(outcome.as_str().unwrap_or_default().to_owned()).or_default().push(&item.name);
    }
    let said = dry_run.then(|| "nothing was changed: it was a dry run".to_owned());
    Note { after: Some(serde_json::json!(after)), said }
}

/// What is done to each.
#[derive(Debug, Clone, PartialEq)]
enum Deed {
    Delete,
    Verb(Verb),
}

macro_rules! bulk_call {
    ($(#[$doc:meta])* $name:ident, $path:literal, $deed:expr) => {
        $(#[$doc])*
        ///
        /// With `dryRun`, it is told which environments it would be, and nothing is changed.
        #[utoipa::path(post, path = $path, tag = "environments", request_body = BulkInput, responses(
            (status = 200, description = "what becomes of each", body = BulkResult),
        ))]
        pub(super) async fn $name(
            State(state): Shared,
            Extension(caller): Extension<Caller>,
            query: Query,
            request: Request,
        ) -> Result<Answered, Problem> {
            query.done()?;
            let body = json_object(request).await?;
            run(&state, &caller, &body, &[], $deed).await
        }
    };
}

bulk_call!(
    /// Deletes the environments that are selected.
    delete, "/api/v1/environments:delete", Deed::Delete
);
bulk_call!(
    /// Makes the pods of the environments that are selected anew.
    restart, "/api/v1/environments:restart", Deed::Verb(Verb::Restart)
);
bulk_call!(
    /// Sends the environments that are selected to sleep.
    sleep, "/api/v1/environments:sleep", Deed::Verb(Verb::Sleep)
);
bulk_call!(
    /// Wakes the environments that are selected.
    wake, "/api/v1/environments:wake", Deed::Verb(Verb::Wake)
);

/// Keeps the environments that are selected longer.
///
/// With `dryRun`, it is told which environments it would be, and nothing is changed.
#[utoipa::path(post, path = "/api/v1/environments:extend", tag = "environments", request_body = BulkExtendInput, responses(
    (status = 200, description = "what becomes of each", body = BulkResult),
))]
pub(super) async fn extend(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Answered, Problem> {
    query.done()?;
    let body = json_object(request).await?;
    let extension = extension(&body, "", &["selector", "dryRun"])?;
    run(&state, &caller, &body, &["by", "until"], Deed::Verb(Verb::Extend(extension))).await
}

async fn run(
    state: &ApiState,
    caller: &Caller,
    body: &Map<String, Value>,
    others: &[&str],
    deed: Deed,
) -> Result<Answered, Problem> {
    let (mut filter, dry_run) = read(body, others)?;
    filter.reach.clone_from(&caller.reach);
    state.seen.complete().await?;
    filter.known(state, "/selector/").await?;
    let chosen = state.seen.all(|item| filter.takes(item) && !item.standing().deleting);
    let deed = &deed;
    let work = futures::stream::iter(chosen).map(|item| async move {
        let outcome = if dry_run { Ok(BulkOutcome::Planned) } else { one(state, &item, deed).await };
        BulkItem::of(&item, outcome)
    });
    // In their order, some at a time: many that are slow do not add up.
    let items: Vec<BulkItem> = work.buffered(AT_ONCE).collect().await;
    let note = Extension(noted(dry_run, &items));
    Ok((note, Json(BulkResult { dry_run, items })))
}

async fn one(state: &ApiState, item: &Arc<Item>, deed: &Deed) -> Result<BulkOutcome, Problem> {
    let written = match deed {
        Deed::Delete => remove(state, &item.key, &Conditions::default()).await.map(|_| true)?,
        Deed::Verb(verb) => match act(state, &item.key, &Conditions::default(), verb).await {
            Ok((_, written)) => written,
            // It is kept for longer than that already.
            Err(problem) if *problem.code == *Code::NothingToExtend.as_str() => false,
            Err(problem) => return Err(problem),
        },
    };
    Ok(if written { BulkOutcome::Done } else { BulkOutcome::Unchanged })
}

impl BulkItem {
    fn of(item: &Item, outcome: Result<BulkOutcome, Problem>) -> Self {
        let (outcome, problem) = match outcome {
            Ok(outcome) => (outcome, None),
            Err(problem) => (BulkOutcome::Failed, Some(problem)),
        };
        let spec = &item.object.spec;
        Self { name: item.object.name_any(), user: spec.user.clone(), class: spec.class.clone(), outcome, problem }
    }
}

/// The selector and the dry run of a body.
fn read(body: &Map<String, Value>, others: &[&str]) -> Result<(Filter, bool), Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &[&["selector", "dryRun"], others].concat(), &mut errors);
    let dry_run = switch(body, "", "dryRun", &mut errors).unwrap_or(false);
    let mut filter = Filter::default();
    match body.get("selector") {
        Some(Value::Object(fields)) => {
            let known = ["user", "class", "ready", "stalled", "reason", "all"];
            refuse_unknown(fields, "/selector", &known, &mut errors);
            filter = Filter {
                user: text::<UserId>(fields, "user", "a user id", &mut errors),
                class: text::<ClassName>(fields, "class", "the name of a class", &mut errors),
                ready: switch(fields, "/selector", "ready", &mut errors),
                stalled: switch(fields, "/selector", "stalled", &mut errors),
                reason: text::<Word>(fields, "reason", "a word like Starting", &mut errors).map(|word| word.0),
                ..Filter::default()
            };
            let all = switch(fields, "/selector", "all", &mut errors).unwrap_or(false);
            if filter == Filter::default() && !all && errors.is_empty() {
                let said =
                    "the selector leaves all environments in; say so with {\"all\": true}, or name a user or a class";
                errors.push(FieldError::new("/selector", said));
            }
        }
        Some(other) => {
            errors
                .push(FieldError::new("/selector", format!("selector is {}; it has to be an object", kind_of(other))));
        }
        None => errors.push(FieldError::new("/selector", "selector is missing; give one like {\"user\": \"haimaz\"}")),
    }
    if errors.is_empty() { Ok((filter, dry_run)) } else { Err(Problem::invalid(errors)) }
}

/// The reason of a status.
struct Word(String);

impl FromStr for Word {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphabetic());
        if fits { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

fn text<T: FromStr>(fields: &Map<String, Value>, name: &str, wanted: &str, errors: &mut Vec<FieldError>) -> Option<T> {
    let value = fields.get(name)?;
    let read = value.as_str().and_then(|text| text.parse().ok());
    if read.is_none() {
        let given = value.as_str().map_or_else(|| kind_of(value).to_owned(), crate::model::shown);
        errors.push(FieldError::new(pointer("/selector", name), format!("{name} is {given}; it has to be {wanted}")));
    }
    read
}

fn switch(fields: &Map<String, Value>, at: &str, name: &str, errors: &mut Vec<FieldError>) -> Option<bool> {
    let value = fields.get(name)?;
    if value.as_bool().is_none() {
        let said = format!("{name} is {}; it has to be true or false", kind_of(value));
        errors.push(FieldError::new(pointer(at, name), said));
    }
    value.as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nobody_selects_everything_by_leaving_something_out() {
        let told = |body: Value| read(body.as_object().unwrap(), &[]).map_err(|problem| problem.detail);
        assert!(told(json!({"selector": {}})).unwrap_err().contains("\"all\": true"));
        assert!(told(json!({"selector": {"usr": "a"}})).unwrap_err().contains("did you mean \"user\"?"));
        assert!(told(json!({"dryRun": true})).unwrap_err().contains("selector is missing"));
        assert!(told(json!({"selector": {"user": "a-b"}})).unwrap_err().contains("a user id"));
        assert!(told(json!({"selector": {"ready": "yes"}})).unwrap_err().contains("true or false"));
        let (filter, dry_run) = told(json!({"selector": {"user": "Haimaz"}, "dryRun": true})).unwrap();
        assert_eq!((filter.user.unwrap().as_str(), dry_run), ("haimaz", true));
        assert!(told(json!({"selector": {"all": true}})).is_ok());
    }
}
