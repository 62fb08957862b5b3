//! `GET /quotas`: how much environments take, and how much they may.

use super::input::Query;
use super::paging::{self, By, Orders, Page, Whole};
use super::problem::{Code, Problem};
use super::{ApiState, Shared};
use crate::identity::Caller;
use crate::model::{EnvironmentKey, UserId, shown_bytes, shown_cpu};
use crate::resources::{Allowance, Class, Taken};
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Environments, and what they request of CPU and memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AmountView {
    /// How many environments; null where there is no bound.
    pub environments: Option<i64>,
    /// CPU, like 500m or 2; null where there is no bound.
    #[schema(example = "500m")]
    pub cpu: Option<String>,
    /// Memory, like 64Mi; null where there is no bound.
    #[schema(example = "64Mi")]
    pub memory: Option<String>,
}

/// What the environments of a class take, and may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassUse {
    /// The class.
    #[schema(example = "integration")]
    pub class: String,
    /// What its environments take.
    pub used: AmountView,
    /// What they may take.
    pub most: AmountView,
    /// What all environments of a user may take who makes one of this class.
    pub most_per_user: AmountView,
}

/// What the environments of a user take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserUse {
    /// Whose they are.
    #[schema(example = "haimaz")]
    pub user: String,
    /// What they take, of all classes together.
    pub used: AmountView,
}

/// Quotas and use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaList {
    /// The classes, by name: all of them, on every page.
    pub classes: Vec<ClassUse>,
    /// The users who have environments.
    pub users: Vec<UserUse>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

static ORDERS: Orders<(String, Taken)> = Orders {
    first: By { word: "name", place: |(user, _)| (0, user.clone()) },
    down: false,
    more: &[By { word: "environments", place: |(user, taken)| (whole(taken.environments), user.clone()) }],
};

/// How much environments take, and how much they may: of classes as a whole, and of the people whose environments the caller
/// may see. One that sleeps takes as much: it may wake at any time.
#[utoipa::path(get, path = "/api/v1/quotas", tag = "quotas", params(
    ("user" = Option<String>, Query, description = "only what this user's environments take"),
    ("sort" = Option<String>, Query, pattern = "^-?(name|environments)$", description = "the order of the users: by name, or by how many environments they have; backwards with a minus"),
    ("limit" = Option<usize>, Query, description = "the most users of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
), responses(
    (status = 200, body = QuotaList, headers(("Link" = Option<String>, description = "the next page"))),
))]
pub(super) async fn show(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let user = query.take::<UserId>("user", "a user id: 1 to 32 letters and digits");
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    state.seen.complete().await?;
    let book = Book::of(&state);
    let mut classes: BTreeMap<&str, Taken> =
        book.classes.keys().map(|name| (name.as_str(), Taken::default())).collect();
    let mut users: BTreeMap<String, Taken> = BTreeMap::new();
    if let Some(user) = user.as_ref().filter(|user| caller.reaches(user)) {
        users.insert(user.to_string(), Taken::default());
    }
    for item in state.seen.all(|_| true) {
        let Some((name, class)) = book.classes.get_key_value(item.key.class.as_str()) else { continue };
        *classes.entry(name).or_default() += class.takes;
        let asked = user.as_ref().is_none_or(|user| *user == item.key.user);
        if asked && caller.reaches(&item.key.user) {
            *users.entry(item.key.user.to_string()).or_default() += class.takes;
        }
    }
    let of_class = |(name, used): (&str, Taken)| {
        let quota = book.classes.get(name).map(|known| known.class.quota).unwrap_or_default();
        let (used, most) = (AmountView::of_taken(used), AmountView::of_allowance(&quota.of_class));
        ClassUse { class: name.to_owned(), used, most, most_per_user: AmountView::of_allowance(&quota.of_user) }
    };
    let of_user = |(user, used)| UserUse { user, used: AmountView::of_taken(used) };
    let Page { items, next } = asked.cut(&format!("quotas {user:?}"), users.into_iter().collect())?;
    let list = QuotaList {
        classes: classes.into_iter().map(of_class).collect(),
        users: items.into_iter().map(of_user).collect(),
        next: next.clone(),
    };
    Ok(paging::answer(list, next.as_deref(), &uri))
}

/// Refuses one environment too many. The operator has the last word: two that come at the same time may both pass here.
pub(super) fn admit(state: &Arc<ApiState>, class: &Class, key: &EnvironmentKey) -> Result<(), Problem> {
    if !class.quota.is_bound() {
        return Ok(());
    }
    let book = Book::of(state);
    let own = Taken::by_one(class);
    let (mut of_user, mut of_class) = (own, own);
    for item in state.seen.all(|item| item.key != *key && (item.key.user == key.user || item.key.class == key.class)) {
        let Some(known) = book.classes.get(item.key.class.as_str()) else { continue };
        if item.key.user == key.user {
            of_user += known.takes;
        }
        if item.key.class == key.class {
            of_class += known.takes;
        }
    }
    match class.quota.refusal(key.class.as_str(), key.user.as_str(), of_user, of_class) {
        Some(said) => Err(Problem::new(Code::QuotaExceeded, said)),
        None => Ok(()),
    }
}

/// The classes that can be used, each with what one environment of it takes.
struct Book {
    classes: BTreeMap<String, Known>,
}

struct Known {
    class: Class,
    takes: Taken,
}

impl Book {
    fn of(state: &ApiState) -> Self {
        let classes = state.seen.classes().into_iter().filter_map(|wire| Class::try_from(&*wire).ok());
        let known = |class: Class| (class.name.to_string(), Known { takes: Taken::by_one(&class), class });
        Self { classes: classes.map(known).collect() }
    }
}

impl AmountView {
    fn of_taken(taken: Taken) -> Self {
        Self {
            environments: Some(whole(taken.environments)),
            cpu: Some(shown_cpu(taken.cpu)),
            memory: Some(shown_bytes(taken.memory)),
        }
    }

    fn of_allowance(most: &Allowance) -> Self {
        Self {
            environments: most.environments.map(whole),
            cpu: most.cpu.map(shown_cpu),
            memory: most.memory.map(shown_bytes),
        }
    }
}

fn whole(count: i128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
