//! The API as a service: a request comes in, the verb is found, an answer goes out.

use super::defaults::ServiceAddresses;
use super::failure::{Failure, Outcome};
use super::kinds::{Kind, Registry, Subresource};
use super::node_backend::NodeBackend;
use super::request::{BODY_LIMIT, Call};
use super::response::Body;
use super::store::{ObjectKey, Store};
use super::{discovery, metrics, openapi_documents, review, verbs};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;

/// All that the verbs work on.
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) node: RwLock<Option<Arc<dyn NodeBackend>>>,
    pub(crate) allow_loopback_endpoints: bool,
    pub(crate) addresses: ServiceAddresses,
    /// Cancelled when the server ends; streams end then.
    pub(crate) closing: CancellationToken,
}

impl Api {
    pub(crate) fn node(&self) -> Option<Arc<dyn NodeBackend>> {
        self.node.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a path names among the objects.
pub(crate) struct Target {
    pub(crate) kind: Arc<Kind>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey { namespace: self.namespace.clone().unwrap_or_default(), name: self.name.clone().unwrap_or_default() }
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// Answers one request.
pub(crate) async fn answer<B>(api: Arc<Api>, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Failure::too_large(BODY_LIMIT).into(),
        Err(error) => {
            return Failure::bad_request(format!("the body of the request cannot be read: {error}")).into();
        }
    };
    let call = Call::new(head.method, &head.uri, head.headers, body);
    route(&api, call).await.unwrap_or_else(Response::from)
}

async fn route(api: &Arc<Api>, call: Call) -> Outcome<Response<Body>> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] | ["healthz" | "livez" | "readyz" | "version" | "api" | "apis"] | ["livez" | "readyz", _] | ["api", _] => {
            discovery::answer(api, &call, &segments)
        }
        ["openapi", ..] => openapi_documents::answer(&call, &segments),
        ["apis", _] | ["apis", _, _] => discovery::answer(api, &call, &segments),
        ["apis", "metrics.k8s.io", _, rest @ ..] => metrics::answer(api, &call, rest).await,
        ["apis", group @ ("authorization.k8s.io" | "authentication.k8s.io"), _, resource] => {
            review::answer(&call, group, resource)
        }
        ["api", version, rest @ ..] => object(api, &call, "", version, rest).await,
        ["apis", group, version, rest @ ..] => object(api, &call, group, version, rest).await,
        _ => Err(Failure::no_such_path()),
    }
}

/// Finds the verb for a path under a group and version.
async fn object(api: &Arc<Api>, call: &Call, group: &str, version: &str, rest: &[&str]) -> Outcome<Response<Body>> {
    let target = target(&api.registry, group, version, rest)?;
    match (&target.name, target.subresource.as_deref()) {
        (None, _) => collection(api, call, &target).await,
        (Some(_), None) => single(api, call, &target).await,
        (Some(_), Some(subresource)) => part(api, call, &target, subresource).await,
    }
}

fn target(registry: &Registry, group: &str, version: &str, rest: &[&str]) -> Outcome<Target> {
    let (namespace, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => (None, rest),
        ["namespaces", namespace, inner @ ..] => (Some((*namespace).to_owned()), inner),
        other => (None, other),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some((*name).to_owned()), None),
        [plural, name, subresource] => (*plural, Some((*name).to_owned()), Some((*subresource).to_owned())),
        _ => return Err(Failure::no_such_path()),
    };
    let kind = registry.find(group, version, plural).ok_or_else(Failure::no_such_path)?.clone();
    if kind.info.namespaced != namespace.is_some() && (name.is_some() || namespace.is_some()) {
        return Err(Failure::no_such_path());
    }
    Ok(Target { kind, namespace, name, subresource })
}

async fn collection(api: &Arc<Api>, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    match call.method {
        Method::GET if call.query.flag("watch") => verbs::watch::watch(api, call, target),
        Method::GET => verbs::read::list(api, call, target),
        Method::POST if target.kind.info.namespaced && target.namespace.is_none() => Err(Failure::method_not_allowed()),
        Method::POST => verbs::create::create(api, call, target).await,
        Method::DELETE => verbs::delete::delete_collection(api, call, target).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

async fn single(api: &Arc<Api>, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    match call.method {
        Method::GET if call.query.flag("watch") => verbs::watch::watch(api, call, target),
        Method::GET => verbs::read::get(api, call, target),
        Method::PUT => verbs::update::update(api, call, target, verbs::Part::Main).await,
        Method::PATCH => verbs::update::patch(api, call, target, verbs::Part::Main).await,
        Method::DELETE => verbs::delete::delete(api, call, target).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

async fn part(api: &Arc<Api>, call: &Call, target: &Target, name: &str) -> Outcome<Response<Body>> {
    let served = target.kind.info.subresources.iter().find(|subresource| subresource.as_str() == name);
    let Some(served) = served else { return Err(not_served(target, name)) };
    match (served, &call.method) {
        (Subresource::Status, &Method::GET) => verbs::read::get(api, call, target),
        (Subresource::Status, &Method::PUT) => verbs::update::update(api, call, target, verbs::Part::Status).await,
        (Subresource::Status, &Method::PATCH) => verbs::update::patch(api, call, target, verbs::Part::Status).await,
        (Subresource::Finalize, &Method::PUT) => verbs::update::update(api, call, target, verbs::Part::Main).await,
        (Subresource::Scale, &Method::GET) => verbs::scale::get(api, call, target),
        (Subresource::Scale, &Method::PUT | &Method::PATCH) => verbs::scale::change(api, call, target).await,
        (Subresource::Log, &Method::GET) => verbs::logs::logs(api, call, target).await,
        (Subresource::Binding, &Method::POST) => verbs::binding::bind(api, call, target).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

/// What a real cluster has and this one has not is told apart from what nobody has.
fn not_served(target: &Target, name: &str) -> Failure {
    let pod = target.kind.info.is("", "Pod");
    match name {
        "exec" | "attach" | "portforward" | "proxy" | "ephemeralcontainers" | "eviction" | "resize" if pod => {
            Failure::not_implemented(format!("pods/{name} is not served by the embedded cluster"))
        }
        _ => Failure::no_such_path(),
    }
}

/// The API as a tower service, for clients in this process.
#[derive(Clone)]
pub(crate) struct InProcess(pub(crate) Arc<Api>);

impl tower::Service<Request<kube::client::Body>> for InProcess {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let api = self.0.clone();
        Box::pin(async move {
            // A caller that goes away in the middle of a write leaves no half-made one: the write is in its own task.
            Ok(answer(api, request).await)
        })
    }
}

/// `200 OK` unless something was made.
pub(crate) fn created(made: bool) -> StatusCode {
    if made { StatusCode::CREATED } else { StatusCode::OK }
}
