//! The description of the API (OpenAPI 3.1), made from the code. `deploy/openapi.json` is its copy.

mod complete;

use super::dns;
use super::{
    actions, audit, bulk, class_changes, classes, costs, environments, events, explain, generations, login, logs, me,
    news_stream, pods, preview, put_environment, quotas, revisions, routes, seen, tokens, usage, version, watch,
    webhooks,
};
use axum::Json;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Doorstep",
        description = "Personal environments on demand. Every error is a problem document (RFC 9457) with a stable code.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "http://127.0.0.1:8081", description = "where doorstep up listens")),
    paths(
        environments::list,
        environments::show,
        put_environment::put,
        environments::delete,
        actions::restart,
        actions::sleep,
        actions::wake,
        actions::pin,
        actions::unpin,
        actions::extend,
        revisions::rollback,
        revisions::list,
        revisions::diff,
        generations::show,
        generations::wait,
        bulk::delete,
        bulk::restart,
        bulk::sleep,
        bulk::wake,
        bulk::extend,
        pods::list,
        logs::stream,
        events::list,
        usage::show,
        watch::stream,
        news_stream::stream,
        classes::list,
        classes::show,
        class_changes::put,
        class_changes::delete,
        quotas::show,
        routes::list,
        preview::preview,
        dns::plan,
        dns::verify,
        dns::confirm,
        explain::explain,
        audit::list,
        audit::verify,
        costs::list,
        webhooks::list,
        webhooks::create,
        webhooks::show,
        webhooks::change,
        webhooks::delete,
        webhooks::deliveries,
        webhooks::resend,
        login::show,
        me::show,
        tokens::list,
        tokens::create,
        tokens::revoke,
        version::show,
    ),
    components(schemas(seen::News, environments::SortField, super::problem::Problem)),
    tags(
        (name = "environments", description = "One person's environments"),
        (name = "classes", description = "What environments of a class look like"),
        (name = "quotas", description = "What environments take, and may"),
        (name = "routing", description = "How the gateway routes"),
        (name = "dns", description = "The records that lead to the gateway"),
        (name = "people", description = "Who calls, and with what"),
        (name = "audit", description = "What was done by whom"),
        (name = "webhooks", description = "Who is told of what happens to environments"),
        (name = "about", description = "The installation itself"),
    ),
    security(("token" = [])),
    modifiers(&BearerToken),
)]
struct Description;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("the text of the file api-token in the data folder".to_owned());
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description of the API.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = serde_json::to_value(Description::openapi()).unwrap_or_default();
        complete::complete(&mut document);
        document
    });
    &DOCUMENT
}

/// `GET /openapi.json`, for everybody.
pub(super) async fn show() -> Json<&'static Value> {
    Json(document())
}
