//! The management API: environments, classes and `explain` under `/api/v1`, for people, pipelines and the command line.
//!
//! Every call but `openapi.json` needs a caller that is known, and that may do it (`rules`). Every error is a problem document (RFC 9457) with a stable code.

mod access;
mod actions;
mod answers;
mod audit;
mod bulk;
mod certificates;
mod change;
mod class_changes;
mod class_mark;
mod classes;
mod cluster;
mod cors;
mod costs;
mod dns;
mod environment_view;
mod environments;
mod etag;
mod events;
mod explain;
mod generations;
mod idempotency;
mod input;
mod json;
mod known;
mod life_bounds;
mod login;
mod logs;
mod me;
mod news_stream;
mod openapi;
mod paging;
mod pod_resources;
mod pod_status;
mod pods;
mod preview;
mod problem;
mod put_environment;
mod quantity;
mod quotas;
mod rate_limits;
mod request_id;
mod revisions;
mod routes;
mod rules;
mod seen;
mod serve;
mod store;
mod times;
mod tls;
mod token;
mod tokens;
mod usage;
mod verbs;
mod version;
mod watch;
mod webhooks;
mod wish;

pub use actions::ExtendInput;
pub use audit::{AuditList, AuditRecord, ChainView, Note, close_interrupted};
pub use bulk::{BulkExtendInput, BulkInput, BulkItem, BulkOutcome, BulkResult, Selector};
pub use certificates::{CertificateLookup, CertificateView};
pub use class_changes::{ClassChange, ClassTouch, HostChange};
pub use classes::{ClassList, ClassView, ParameterView};
pub use costs::{CostList, CostView};
pub use dns::{DnsChange, DnsCheck, DnsConfirmation, DnsPlan, DnsRefusal, DnsReport, DnsSet, DnsTrouble, DnsZonePlan};
pub use environment_view::{ConditionView, EnvironmentList, EnvironmentView, LifeView};
pub use events::{EventList, EventView};
pub use explain::{ExplainRequest, ExplainResponse, HeaderField};
pub use generations::{GenerationState, GenerationView};
pub use login::{LoginOption, LoginOptions};
pub use me::CallerView;
pub use openapi::document as openapi_document;
pub use paging::{DEFAULT_LIMIT, MAX_LIMIT};
pub use pod_resources::PodResources;
pub use pods::{MetricsView, PodList, PodView};
pub use preview::{PreviewInput, PreviewObjects, PreviewResult, Previewed, RoutePreview};
pub use problem::{Code, FieldError, Problem};
pub use put_environment::EnvironmentInput;
pub use quotas::{AmountView, ClassUse, QuotaList, UserUse};
pub use request_id::RequestId;
pub use revisions::{ParameterChange, RevisionDiff, RevisionList, RevisionView, RollbackInput};
pub use routes::{BackendView, RouteList, RouteProblem, RouteView, SourceView};
pub use seen::{News, NewsKind, Seen};
pub use serve::{ServeLimits, serve};
pub use tls::{Peer, TlsFiles, TlsFilesError, TlsFromFiles};
pub use token::{Token, TokenError};
pub use tokens::{MintedView, TokenInput, TokenList, TokenView};
pub use usage::AccessView;
pub use version::VersionView;
pub use watch::{ChangeKind, EnvironmentChange};
pub use webhooks::{DeliveryList, DeliveryView, WebhookCreated, WebhookEvent, WebhookInput, WebhookList, WebhookView};

use crate::cluster::rights::Held;
use crate::config::Prices;
use crate::identity::CurrentAccess;
use crate::model::{Clock, Hostname};
use crate::routing;
use crate::store::Store;
use access::Guard;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// The most bytes of a request's body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// All that the management API works with.
#[derive(Clone)]
pub struct ApiState {
    /// The cluster.
    pub client: kube::Client,
    /// The namespace in which the environments live.
    pub namespace: String,
    /// What is known of the environments and classes.
    pub seen: Arc<Seen>,
    /// The domain that `{domain}` of host patterns stands for.
    pub domain: Hostname,
    /// The route table of the gateway, for `explain`.
    pub table: Arc<routing::Table>,
    /// What the table would be, if.
    pub preview: Option<Arc<dyn RoutePreview>>,
    /// Which certificate the gateway presents for a host.
    pub certificates: Option<Arc<dyn CertificateLookup>>,
    /// The rights that are missing in the cluster.
    pub rights: tokio::sync::watch::Receiver<Held>,
    /// What the owner of the data folder presents.
    pub token: Token,
    /// By what other callers are known, and how often somebody may call.
    pub access: CurrentAccess,
    /// Names under which the API may be called, beside addresses and `localhost`.
    pub hosts: Vec<Hostname>,
    /// What is known of DNS, where the manager has a file of it.
    pub dns: Option<crate::dns::Desk>,
    /// The ports under which people reach the gateway: plain HTTP, HTTPS.
    pub url: (Option<u16>, Option<u16>),
    /// What is remembered.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Who tells webhooks, and where they may lead.
    pub webhooks: crate::webhooks::Sender,
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
    let guarded = environment_routes()
        .route("/environments", get(environments::list))
        .route("/environments:delete", post(bulk::delete))
        .route("/environments:restart", post(bulk::restart))
        .route("/environments:sleep", post(bulk::sleep))
        .route("/environments:wake", post(bulk::wake))
        .route("/environments:extend", post(bulk::extend))
        .route("/events", get(news_stream::stream))
        .route("/classes", get(classes::list))
        .route("/classes/{name}", get(classes::show).put(class_changes::put).delete(class_changes::delete))
        .route("/quotas", get(quotas::show))
        .route("/routes", get(routes::list))
        .route("/routes:preview", post(preview::preview))
        .route("/dns/plan", get(dns::plan))
        .route("/dns:verify", post(dns::verify))
        .route("/dns:confirm", post(dns::confirm))
        .route("/explain", post(explain::explain))
        .route("/audit", get(audit::list))
        .route("/audit/chain", get(audit::verify))
        .route("/costs", get(costs::list))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{id}", get(webhooks::show).put(webhooks::change).delete(webhooks::delete))
        .route("/webhooks/{id}/deliveries", get(webhooks::deliveries))
        .route("/webhooks/{id}/deliveries/{delivery}/@resend", post(webhooks::resend))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/me", get(me::show))
        .route("/version", get(version::show))
        // Inside of the guard: only what a known caller may do is begun.
        .route_layer(from_fn_with_state(state.clone(), audit::record))
        // What was answered before is not begun again.
        .route_layer(from_fn_with_state(state.clone(), idempotency::once))
        .route_layer(from_fn_with_state(Arc::new(Guard::new(state.clone())), access::guard));
    let open = Router::new().route("/openapi.json", get(openapi::show)).route("/login", get(login::show));
    let routes = Router::new()
        .nest("/api/v1", guarded.merge(open))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(state.clone(), cors::origins))
        .layer(from_fn_with_state(state.clone(), access::refuse_foreign_host))
        .layer(from_fn(request_id::name))
        .with_state(state);
    // Before the routes are asked: a layer would come behind them.
    Router::new().fallback_service(routes.map_request(verbs::rewrite))
}

/// What one environment has. A verb at the end of a path has a segment of its own here: `verbs` says why.
fn environment_routes() -> Router<Arc<ApiState>> {
    const ONE: &str = "/environments/{user}/{class}";
    let at = |rest: &str| format!("{ONE}{rest}");
    Router::new()
        .route(ONE, get(environments::show).put(put_environment::put).delete(environments::delete))
        .route(&at("/@restart"), post(actions::restart))
        .route(&at("/@sleep"), post(actions::sleep))
        .route(&at("/@wake"), post(actions::wake))
        .route(&at("/@pin"), post(actions::pin))
        .route(&at("/@unpin"), post(actions::unpin))
        .route(&at("/@extend"), post(actions::extend))
        .route(&at("/@rollback"), post(revisions::rollback))
        .route(&at("/revisions"), get(revisions::list))
        .route(&at("/revisions/{number}/diff"), get(revisions::diff))
        .route(&at("/generations/{number}"), get(generations::show))
        .route(&at("/generations/{number}/@wait"), get(generations::wait))
        .route(&at("/pods"), get(pods::list))
        .route(&at("/logs"), get(logs::stream))
        .route(&at("/events"), get(events::list))
        .route(&at("/access"), get(usage::show))
        .route(&at("/watch"), get(watch::stream))
}

#[cfg(test)]
mod tests;
