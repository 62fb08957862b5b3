//! `GET /login`: with whom people may log in. It is open: who has no token yet has to read it.

use super::Shared;
use super::input::Query;
use super::problem::Problem;
use crate::identity::{Login, Presents};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// With whom people may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginOptions {
    /// The issuers; none where people log in with tokens that they were given.
    pub items: Vec<LoginOption>,
}

/// An issuer with which people may log in. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginOption {
    /// Its short name.
    #[schema(example = "entra")]
    pub name: String,
    /// The issuer.
    #[schema(example = "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0")]
    pub issuer: String,
    /// Where its discovery document is.
    pub discovery: String,
    /// The id of the client that the command line is.
    pub client_id: String,
    /// What is asked for.
    #[schema(example = json!(["openid", "profile"]))]
    pub scopes: Vec<String>,
    /// Which token is presented to this API: `access-token` or `id-token`.
    #[schema(example = "access-token")]
    pub presents: String,
    /// The host of the loopback address to which the browser comes back: `127.0.0.1` or `localhost`.
    #[schema(example = "127.0.0.1")]
    pub redirect_host: String,
}

impl LoginOption {
    fn of(login: &Login) -> Self {
        let presents = match login.settings.presents {
            Presents::AccessToken => "access-token",
            Presents::IdToken => "id-token",
        };
        Self {
            name: login.name.to_string(),
            issuer: login.issuer.clone(),
            discovery: login.discovery.clone(),
            client_id: login.settings.client_id.clone(),
            scopes: login.settings.scopes.clone(),
            presents: presents.to_owned(),
            redirect_host: if login.settings.redirect_to_localhost { "localhost" } else { "127.0.0.1" }.to_owned(),
        }
    }
}

/// With whom people may log in. It needs no token.
#[utoipa::path(get, path = "/api/v1/login", tag = "people", security(()), responses(
    (status = 200, body = LoginOptions),
))]
pub(super) async fn show(State(state): Shared, query: Query) -> Result<Json<LoginOptions>, Problem> {
    query.done()?;
    Ok(Json(LoginOptions { items: state.access.load().logins.iter().map(LoginOption::of).collect() }))
}
