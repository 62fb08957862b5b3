//! `GET /me`: who calls, and what the caller may do.

use super::input::Query;
use super::problem::Problem;
use crate::identity::{Action, Caller, Scope};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallerView {
    /// Who it is, the same for ever and unlike everybody else.
    #[schema(example = "issuer/entra/3a0c2b4e")]
    pub subject: String,
    /// Who it is, for people.
    #[schema(example = "Haima Z.")]
    pub name: String,
    /// Whose environments are meant by "mine"; null where the caller is no user.
    #[schema(example = "haimaz")]
    pub user: Option<String>,
    /// `viewer`, `user`, `team-admin` or `admin`.
    #[schema(example = "user")]
    pub role: String,
    /// The teams that the caller belongs to.
    pub teams: Vec<String>,
    /// What the credential is for: `read`, `deploy`, `delete`, `tokens`, `administer`.
    #[schema(example = json!(["read", "deploy"]))]
    pub scopes: Vec<String>,
    /// By what the caller is known: `data-folder`, `token/ID`, `issuer/NAME`, `kubernetes` or `certificate`.
    #[schema(example = "issuer/entra")]
    pub through: String,
    /// Whether everybody's environments are within reach.
    pub reaches_everyone: bool,
    /// Until when the credential holds (RFC 3339), where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What the caller may do, in words.
    #[schema(example = json!(["list environments", "deploy an environment"]))]
    pub may: Vec<String>,
}

impl CallerView {
    fn of(caller: &Caller) -> Self {
        // A scope of which the role may do nothing is none that the caller has.
        let of_use = |scope: &Scope| {
            let by_role = |action: &Action| action.scope() == *scope && action.role() <= caller.role;
            caller.scopes.has(*scope) && Action::ALL.iter().any(by_role)
        };
        let may = Action::ALL.into_iter().filter(|action| caller.may_ever(*action).is_ok());
        Self {
            subject: caller.subject.clone(),
            name: caller.name.clone(),
            user: caller.user.as_ref().map(ToString::to_string),
            role: caller.role.to_string(),
            teams: caller.teams.iter().map(ToString::to_string).collect(),
            scopes: Scope::ALL.iter().filter(|scope| of_use(scope)).map(ToString::to_string).collect(),
            through: caller.through.to_string(),
            reaches_everyone: caller.reaches_everyone(),
            expires_at: caller.expires_at.map(|at| at.to_string()),
            may: may.map(|action| action.phrase().to_owned()).collect(),
        }
    }
}

/// Who calls, and what the caller may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "people", responses(
    (status = 200, body = CallerView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(Extension(caller): Extension<Caller>, query: Query) -> Result<Json<CallerView>, Problem> {
    query.done()?;
    Ok(Json(CallerView::of(&caller)))
}
