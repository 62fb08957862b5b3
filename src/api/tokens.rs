//! `GET`, `POST /tokens` and `DELETE /tokens/{id}`: tokens that are made here.

use super::audit::Note;
use super::input::{Query, json_object, kind_of, refuse_unknown};
use super::json::pointer;
use super::paging::{self, Asked};
use super::problem::{Code, FieldError, Problem};
use super::{ApiState, Shared, store};
use crate::identity::{Action, Caller, NotMinted, Role, Scope, Scopes, Wish, mint};
use crate::model::{parse_duration, shown};
use crate::store::{TokenFilter, TokenOrder, TokenPlace, TokenRecord, TokenState};
use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode, Uri};
use axum::response::Response;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The most characters of a token's name.
const MAX_NAME: usize = 128;

/// What is wanted of a new token. All but the name may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenInput {
    /// What it is for, in words.
    #[schema(example = "nightly tests", min_length = 1, max_length = 128)]
    pub name: String,
    /// `viewer`, `user`, `team-admin` or `admin`, and not more than one's own; one's own when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "user")]
    pub role: Option<String>,
    /// What it may be used for: `read`, `deploy`, `delete`, `tokens`, `administer`; all that one's own may when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["read", "deploy"]))]
    pub scopes: Option<Vec<String>>,
    /// How long it lives, like `720h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "720h")]
    pub lifetime: Option<String>,
}

/// A token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its id, by which it is revoked. It is no secret.
    #[schema(example = "t3f9a01c2b4e5")]
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The caller that its calls are of.
    pub subject: String,
    /// Its role.
    #[schema(example = "user")]
    pub role: String,
    /// What it may be used for.
    #[schema(example = json!(["read", "deploy"]))]
    pub scopes: Vec<String>,
    /// Whose environments are "mine" with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When (RFC 3339).
    pub created_at: String,
    /// When it ends (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was used last, to the minute (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// When it was revoked (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    pub state: String,
}

/// A page of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// The tokens.
    pub items: Vec<TokenView>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A new token with its text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MintedView {
    /// The token itself. It is told now and never again.
    #[schema(example = "dst_…")]
    pub token: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: TokenView,
}

impl TokenView {
    pub(super) fn of(record: &TokenRecord, now: Timestamp) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let grant = &record.grant;
        let role = grant.role.as_str();
        let scopes: Vec<Scope> = grant.scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
        Self {
            id: record.id.clone(),
            name: grant.name.clone(),
            subject: grant.subject.clone(),
            role: role.to_owned(),
            scopes: Scopes::of(scopes).names(),
            user: grant.user.clone(),
            created_by: record.created_by.clone(),
            created_at: record.created_at.to_string(),
            expires_at: time(record.expires_at),
            last_used_at: time(record.last_used_at),
            revoked_at: time(record.revoked_at),
            state: record.state(now).as_str().to_owned(),
        }
    }
}

/// Whether `caller` sees and revokes everybody's tokens.
fn administers(caller: &Caller) -> bool {
    caller.role == Role::Admin && caller.may_ever(Action::ReadAudit).is_ok()
}

/// One's own tokens, a page at a time; an administrator may ask for everybody's.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "people", params(
    ("all" = Option<bool>, Query, description = "everybody's, for an administrator"),
    ("state" = Option<String>, Query, pattern = "^(active|expired|revoked)$", description = "only those that are active, expired or revoked"),
    ("sort" = Option<String>, Query, pattern = "^-?(name|created)$", description = "the order: by name, or by age; backwards with a minus"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
), responses(
    (status = 200, body = TokenList, headers(("Link" = Option<String>, description = "the next page"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a mistake in the query", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let all = query.switch("all").unwrap_or_default();
    let words = TokenState::ALL.map(TokenState::as_str);
    let wanted = query.choice("state", &words, |text| TokenState::ALL.into_iter().find(|state| state.as_str() == text));
    let sort = query.choice("sort", &["name", "-name", "created", "-created"], |text| match text {
        "name" => Some((TokenOrder::Name, false)),
        "-name" => Some((TokenOrder::Name, true)),
        "created" => Some((TokenOrder::Created, false)),
        "-created" => Some((TokenOrder::Created, true)),
        _ => None,
    });
    let asked = Asked::take(&mut query);
    query.done()?;
    if all && !administers(&caller) {
        return Err(Problem::new(Code::Forbidden, "only an administrator sees everybody's tokens"));
    }
    let page = asked.check::<TokenPlace>(format!("tokens {all} {wanted:?} {sort:?}"))?;
    let (now, (order, down)) = (state.clock.now(), sort.unwrap_or_default());
    let subject = (!all).then(|| caller.subject.clone());
    let filter =
        TokenFilter { subject, state: wanted.map(|state| (state, now)), order, down, behind: page.after.clone() };
    // One more than asked for tells whether there is another page.
    let limit = u32::try_from(page.limit).unwrap_or(u32::MAX).saturating_add(1);
    let mut records = state.store.tokens().list(&filter, limit).await.map_err(|error| store::problem(&error))?;
    let more = records.len() > page.limit;
    records.truncate(page.limit);
    let next = records.last().filter(|_| more).and_then(|last| page.next(&TokenPlace::of(last)));
    let items = records.iter().map(|record| TokenView::of(record, now)).collect();
    Ok(paging::answer(TokenList { items, next: next.clone() }, next.as_deref(), &uri))
}

/// Makes a token. Its text is in the answer, and is told never again. It is never worth more than who makes it.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "people", request_body = TokenInput, responses(
    (status = 201, description = "it was made", body = MintedView, headers(("Location" = String, description = "its path"))),
    (status = 400, description = "no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "it would be worth more than the caller", body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "mistakes in the wish; all are told", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Extension<Note>, Json<MintedView>), Problem> {
    query.done()?;
    let wish = wish(&json_object(request).await?)?;
    let (access, now) = (state.access.load(), state.clock.now());
    let made = mint(&state.store, &caller, wish, access.tokens, &access.teams, now).await;
    let made = made.map_err(|error| match &error {
        NotMinted::Role { .. } | NotMinted::Scopes { .. } => Problem::new(Code::Forbidden, error.to_string()),
        NotMinted::Lifetime { .. } => Problem::invalid(vec![FieldError::new("/lifetime", error.to_string())]),
        NotMinted::NoEntropy(_) => Problem::new(Code::StoreUnavailable, error.to_string()),
        NotMinted::Store(error) => store::problem(error),
    })?;
    let record = TokenView::of(&made.record, now);
    let note = noted(&record);
    let place = [(LOCATION, format!("/api/v1/tokens/{}", record.id))];
    Ok((StatusCode::CREATED, place, note, Json(MintedView { token: made.text, record })))
}

/// Revokes a token, at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "people", params(
    ("id" = String, Path, description = "its id, not its text"),
), responses(
    (status = 204, description = "it is revoked"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "the caller has no such token", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn revoke(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Query,
) -> Result<(StatusCode, Extension<Note>), Problem> {
    query.done()?;
    let no_such = || Problem::new(Code::NoSuchToken, format!("you have no token {}", shown_id(&id)));
    let found = find(&state, &id).await?.ok_or_else(no_such)?;
    // Whether somebody else has it is not told.
    if found.grant.subject != caller.subject && !administers(&caller) {
        return Err(no_such());
    }
    let now = state.clock.now();
    state.store.tokens().revoke(&id, now).await.map_err(|error| store::problem(&error))?;
    let revoked = TokenRecord { revoked_at: found.revoked_at.or(Some(now)), ..found };
    Ok((StatusCode::NO_CONTENT, noted(&TokenView::of(&revoked, now))))
}

async fn find(state: &ApiState, id: &str) -> Result<Option<TokenRecord>, Problem> {
    state.store.tokens().find(id).await.map_err(|error| store::problem(&error))
}

/// What the audit keeps of a token: all but its text.
fn noted(record: &TokenView) -> Extension<Note> {
    Extension(Note { after: serde_json::to_value(record).ok(), said: None })
}

/// An id for a message; somebody may have given the token itself, which must not stand in logs.
fn shown_id(id: &str) -> String {
    if id.starts_with(crate::identity::PREFIX) {
        return "with this text as its id; the id of a token begins with t and is in GET /tokens".to_owned();
    }
    shown(id)
}

/// The wish of a body, or all that is wrong with it.
fn wish(body: &Map<String, Value>) -> Result<Wish, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &["name", "role", "scopes", "lifetime"], &mut errors);
    let name = match text(body, "name", &mut errors) {
        Some(name)
            if !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control) =>
        {
            name.trim()
        }
        given => {
            if given.is_some() || !body.contains_key("name") {
                let said = format!("name is needed: what the token is for, in 1 to {MAX_NAME} characters");
                errors.push(FieldError::new("/name", said));
            }
            ""
        }
    };
    let role = text(body, "role", &mut errors);
    let role = role.and_then(|role| told("/role", role.parse::<Role>(), &mut errors));
    let lifetime = text(body, "lifetime", &mut errors).and_then(|text| {
        let wrong = || format!("lifetime is {}; it has to be a duration like 720h", shown(text));
        told("/lifetime", parse_duration(text).ok_or_else(wrong), &mut errors)
    });
    let scopes = scopes(body.get("scopes"), &mut errors);
    if errors.is_empty() {
        Ok(Wish { name: name.to_owned(), role, scopes, lifetime })
    } else {
        Err(Problem::invalid(errors))
    }
}

fn scopes(value: Option<&Value>, errors: &mut Vec<FieldError>) -> Option<Scopes> {
    let items = match value {
        None => return None,
        Some(Value::Array(items)) if !items.is_empty() => items,
        Some(Value::Array(_)) => {
            errors.push(FieldError::new("/scopes", "scopes is empty; leave it out for all that you may"));
            return None;
        }
        Some(other) => {
            let said = format!("scopes is {}; it has to be a list", kind_of(other));
            errors.push(FieldError::new("/scopes", said));
            return None;
        }
    };
    let mut scopes = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = pointer("/scopes", &index.to_string());
        match item {
            Value::String(text) => scopes.extend(told(&at, text.parse::<Scope>(), errors)),
            other => errors.push(FieldError::new(at, format!("a scope is a string, not {}", kind_of(other)))),
        }
    }
    Some(Scopes::of(scopes))
}

fn text<'b>(body: &'b Map<String, Value>, name: &str, errors: &mut Vec<FieldError>) -> Option<&'b str> {
    match body.get(name)? {
        Value::String(text) => Some(text),
        other => {
            let said = format!("{name} is {}; it has to be a string", kind_of(other));
            errors.push(FieldError::new(pointer("", name), said));
            None
        }
    }
}

fn told<T, E: ToString>(at: &str, result: Result<T, E>, errors: &mut Vec<FieldError>) -> Option<T> {
    result.map_err(|error| errors.push(FieldError::new(at, error.to_string()))).ok()
}
