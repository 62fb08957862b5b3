//! The management API: environments, classes and `explain` under `/api/v1`, for people, pipelines and the command line.
//!
//! Every call but `openapi.json` needs a caller that is known, and that may do it (`rules`). Every error is a problem document (RFC 9457) with a stable code.

mod access;
mod audit;
mod certificates;
mod classes;
mod cluster;
mod cors;
mod environment_view;
mod environments;
mod events;
mod explain;
mod input;
mod login;
mod logs;
mod me;
mod openapi;
mod pod_status;
mod pods;
mod problem;
mod put_environment;
mod quantity;
mod rate_limits;
mod rules;
mod store;
mod tls;
mod token;
mod version;
mod watch;

pub use audit::{Note, close_interrupted};
pub use certificates::{CertificateLookup, CertificateView};
pub use classes::{ClassList, ClassView, ParameterView};
pub use environment_view::{ConditionView, EnvironmentList, EnvironmentView};
pub use events::{EventList, EventView};
pub use explain::{ExplainRequest, ExplainResponse, HeaderField};
pub use login::{LoginOption, LoginOptions};
pub use me::CallerView;
pub use openapi::document as openapi_document;
pub use pods::{MetricsView, PodList, PodView};
pub use problem::{Code, FieldError, Problem};
pub use put_environment::EnvironmentInput;
pub use tls::{Peer, TlsFiles, TlsFilesError, TlsListener};
pub use token::{Token, TokenError};
pub use version::VersionView;
pub use watch::{ChangeKind, EnvironmentChange};

use crate::cluster::rights::Held;
use crate::config::Prices;
use crate::identity::Access;
use crate::model::{Clock, Hostname};
use crate::routing;
use crate::store::Store;
use crate::webhooks;
use access::Guard;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The most bytes of a request's body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// All that the management API works with.
#[derive(Clone)]
pub struct ApiState {
    /// The cluster.
    pub client: kube::Client,
    /// The namespace in which the environments live.
    pub namespace: String,
    /// The domain that `{domain}` of host patterns stands for.
    pub domain: Hostname,
    /// The route table of the gateway, for `explain`.
    pub table: Arc<routing::Table>,
    /// Which certificate the gateway presents for a host.
    pub certificates: Option<Arc<dyn CertificateLookup>>,
    /// The rights that are missing in the cluster.
    pub rights: tokio::sync::watch::Receiver<Held>,
    /// What the owner of the data folder presents.
    pub token: Token,
    /// By what other callers are known, and how often somebody may call.
    pub access: Arc<Access>,
    /// Names under which the API may be called, beside addresses and `localhost`.
    pub hosts: Vec<Hostname>,
    /// The ports under which people reach the gateway: plain HTTP, HTTPS.
    pub url: (Option<u16>, Option<u16>),
    /// What is remembered.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Who tells webhooks, and where they may lead.
    pub webhooks: webhooks::Sender,
    /// Counts up whenever there is something for webhooks.
    pub outbox: tokio::sync::watch::Sender<u64>,
    /// What things cost, where that is known.
    pub prices: Option<Arc<Prices>>,
    /// Ends the streams (`watch`, `logs?follow`) that would otherwise hold up a shutdown.
    pub shutdown: CancellationToken,
}

type Shared = axum::extract::State<Arc<ApiState>>;

/// The management API. Whoever binds it decides who can reach it: loopback only, unless TLS is before it.
pub fn router(state: ApiState) -> Router {
    let state = Arc::new(state);
    let guarded = Router::new()
        .route("/environments", get(environments::list))
        .route(
            "/environments/{user}/{class}",
            get(environments::show).put(put_environment::put).delete(environments::delete),
        )
        .route("/environments/{user}/{class}/pods", get(pods::list))
        .route("/environments/{user}/{class}/logs", get(logs::stream))
        .route("/environments/{user}/{class}/events", get(events::list))
        .route("/environments/{user}/{class}/watch", get(watch::stream))
        .route("/classes", get(classes::list))
        .route("/classes/{name}", get(classes::show))
        .route("/explain", post(explain::explain))
        .route("/me", get(me::show))
        .route("/version", get(version::show))
        // Inside of the guard: only what a known caller may do is begun.
        .route_layer(from_fn_with_state(state.clone(), audit::record))
        .route_layer(from_fn_with_state(Arc::new(Guard::new(state.clone())), access::guard));
    let open = Router::new().route("/openapi.json", get(openapi::show)).route("/login", get(login::show));
    Router::new()
        .nest("/api/v1", guarded.merge(open))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(state.clone(), cors::origins))
        .layer(from_fn_with_state(state.clone(), access::refuse_foreign_host))
        .with_state(state)
}

#[cfg(test)]
mod tests;
