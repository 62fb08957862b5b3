//! Who calls, and whether they may: before any handler runs.

use super::problem::{Code, Problem};
use super::rate_limits::RateLimits;
use super::rules::{self, Ruled};
use super::tls::Peer;
use super::{ApiState, Shared, audit, verbs};
use crate::identity::{Access, Action, Caller, Refused};
use crate::model::{ClassName, EnvironmentKey, Hostname, UserId, shown};
use crate::telemetry::metrics::{self, CallerRefused};
use arc_swap::ArcSwap;
use axum::RequestExt as _;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HOST, RETRY_AFTER};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What stands before every guarded call.
pub(super) struct Guard {
    state: Arc<ApiState>,
    limits: ArcSwap<RateLimits>,
}

impl Guard {
    pub(super) fn new(state: Arc<ApiState>) -> Self {
        let limits = ArcSwap::from_pointee(RateLimits::new(&state.access.load().limits));
        Self { state, limits }
    }

    /// The limits by which calls are counted; begun anew where the identity file says others.
    fn limits(&self, access: &Access) -> Arc<RateLimits> {
        let current = self.limits.load_full();
        if current.is_by(&access.limits) {
            return current;
        }
        let fresh = Arc::new(RateLimits::new(&access.limits));
        self.limits.store(fresh.clone());
        fresh
    }

    /// Who calls, if somebody is known and does not call too often.
    async fn caller(&self, presented: Presented, peer: Option<Peer>) -> Result<Caller, Box<Response>> {
        let refuse = |code: Code, said: String| Box::new(Problem::new(code, said).into_response());
        let address = peer.as_ref().map(|peer| peer.address.ip());
        let token = presented.as_ref().ok().and_then(Option::as_deref);
        let access = self.state.access.load();
        let limits = self.limits(&access);
        limits.may_try(address, token, Instant::now()).map_err(too_many)?;
        let certificate = peer.as_ref().and_then(|peer| peer.certificate.as_deref());
        let known = match (&presented, certificate) {
            (Err(said), _) => Err(Refused::Unknown((*said).to_owned())),
            // A token is presented on purpose; a certificate goes with every connection.
            (Ok(Some(token)), _) => self.by_token(&access, token).await,
            (Ok(None), Some(der)) => access.identity.by_certificate(der).unwrap_or_else(|| {
                Err(Refused::Unknown("nobody is known by a client certificate here; send a token".to_owned()))
            }),
            (Ok(None), None) => Err(Refused::Unknown(NO_TOKEN.to_owned())),
        };
        let now = Instant::now();
        let caller = known.map_err(|refused| {
            let (code, reason) = match &refused {
                Refused::Unknown(_) => {
                    limits.failed(address, now);
                    (Code::Unauthorized, CallerRefused::Unknown)
                }
                Refused::NoRole(_) => {
                    limits.failed(address, now);
                    (Code::Forbidden, CallerRefused::Forbidden)
                }
                Refused::Undecided(_) => (Code::IdentityUnavailable, CallerRefused::Undecided),
            };
            metrics::caller_refused(reason);
            refuse(code, refused.to_string())
        })?;
        if let Some(token) = token {
            limits.right(token, now);
        }
        limits.caller(&caller.subject, &caller.through, now).map_err(too_many)?;
        Ok(caller)
    }

    async fn by_token(&self, access: &Access, token: &str) -> Result<Caller, Refused> {
        if self.state.token.verify(token) {
            return Ok(Caller::local());
        }
        access.identity.caller(token).await
    }
}

const NO_TOKEN: &str =
    "the request has no token; send Authorization: Bearer with a token, like the text of the file api-token";

/// Lets a request through whose caller is known and may do it. The handler finds the [`Caller`] as an extension.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    // Taken out: a body is not to be shared while others are asked.
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.clone());
    let caller = match guard.caller(presented(request.headers()), peer).await {
        Ok(caller) => caller,
        Err(refusal) => return *refusal,
    };
    match allowed(&caller, &mut request).await {
        Ok(action) => drop(request.extensions_mut().insert(action)),
        Err(refusal) => {
            let refused = audit::Refused::of(&refusal, caller);
            audit::refused(&guard.state, &mut request, refused).await;
            return *refusal;
        }
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The bearer token of a request, if it has an Authorization field; or what is wrong with that.
type Presented = Result<Option<String>, &'static str>;

fn presented(headers: &HeaderMap) -> Presented {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err("the request has two Authorization fields; send one");
    }
    match field.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim().to_owned())),
        _ => Err("the Authorization field is not of the form Bearer <token>"),
    }
}

fn too_many(wait: Duration) -> Box<Response> {
    metrics::caller_refused(CallerRefused::TooMany);
    let seconds = wait.as_secs_f64().ceil().max(1.0);
    let said = format!("there were too many calls; try again in {seconds} s");
    let mut response = Problem::new(Code::TooManyRequests, said).into_response();
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    Box::new(response)
}

/// What `request` asks for, if `caller` may do it.
async fn allowed(caller: &Caller, request: &mut Request) -> Result<Action, Box<Response>> {
    let refuse = |code: Code, said: String| Err(Box::new(Problem::new(code, said).into_response()));
    let route = request.extensions().get::<MatchedPath>().map(|matched| matched.as_str().to_owned());
    let route = route.unwrap_or_default();
    let parameters = match request.extract_parts::<RawPathParams>().await {
        Ok(parameters) => parameters,
        Err(error) => return refuse(Code::Malformed, error.to_string()),
    };
    let path = verbs::outside(route.strip_prefix("/api/v1").unwrap_or(&route));
    let action = match rules::rule(request.method().as_str(), &path) {
        Ruled::Is(action) => action,
        Ruled::OtherMethods(methods) => return Err(Box::new(other_methods(request, &methods))),
        Ruled::Unknown => {
            let path = shown(&verbs::outside(request.uri().path()));
            return refuse(
                Code::NoSuchPath,
                format!("the API has no path {path}; /api/v1/openapi.json lists all of them"),
            );
        }
    };
    let key = match key(&parameters) {
        Ok(key) => key,
        Err(said) => return refuse(Code::Malformed, said),
    };
    caller.may(action, key.as_ref()).map(|()| action).or_else(|denied| {
        metrics::caller_refused(CallerRefused::Forbidden);
        refuse(Code::Forbidden, denied.to_string())
    })
}

fn other_methods(request: &Request, methods: &[&str]) -> Response {
    let said = format!(
        "{} has no method {}; the Allow field names those it has",
        shown(&verbs::outside(request.uri().path())),
        request.method()
    );
    let mut response = Problem::new(Code::MethodNotAllowed, said).into_response();
    let head = if methods.contains(&"GET") { ",HEAD" } else { "" };
    if let Ok(allow) = HeaderValue::from_str(&format!("{}{head}", methods.join(","))) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The environment that the path names, if it names one, read as [`super::input::EnvironmentPath`] reads it.
fn key(parameters: &RawPathParams) -> Result<Option<EnvironmentKey>, String> {
    let value = |wanted: &str| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let Some(user) = value("user") else { return Ok(None) };
    let user = user.parse::<UserId>().map_err(|error| error.to_string())?;
    let class = value("class").unwrap_or_default();
    let class = class.parse::<ClassName>().map_err(|error| error.to_string())?;
    Ok(Some(EnvironmentKey::new(user, class)))
}

/// Refuses a `Host` that is a name of elsewhere: neither an address, nor `localhost`, nor one that the API was told. A page of another site may let its own name point to this machine
/// (DNS rebinding); it cannot make a browser send an address or `localhost`.
pub(super) async fn refuse_foreign_host(State(state): Shared, request: Request, next: Next) -> Response {
    let authority = match request.headers().get(HOST) {
        Some(host) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        None => request.uri().authority().cloned(),
    };
    match authority {
        Some(authority) if is_local(authority.host()) || is_known(&state.hosts, authority.host()) => {
            next.run(request).await
        }
        Some(authority) => {
            let host = shown(authority.host());
            Problem::new(
                Code::ForeignHost,
                format!(
                    "the Host is {host}; call the API by its address, as localhost, or by a name given with --api-host"
                ),
            )
            .into_response()
        }
        None => Problem::new(Code::ForeignHost, "the request has no Host that can be read").into_response(),
    }
}

fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost")
}

/// Whether `host`, in any case and with or without the dot of a full name, is one of `hosts`.
fn is_known(hosts: &[Hostname], host: &str) -> bool {
    host.parse::<Hostname>().is_ok_and(|host| hosts.contains(&host))
}

#[cfg(test)]
mod tests {
    use super::{is_known, is_local};

    #[test]
    fn a_name_that_was_told_is_known_in_every_spelling() {
        let hosts = ["doorstep-manager.doorstep.svc".parse().unwrap()];
        for known in
            ["doorstep-manager.doorstep.svc", "Doorstep-Manager.doorstep.SVC", "doorstep-manager.doorstep.svc."]
        {
            assert!(is_known(&hosts, known), "{known}");
        }
        for foreign in
            ["doorstep-manager.doorstep", "a.doorstep-manager.doorstep.svc", "doorstep-manager.doorstep.svc..", ""]
        {
            assert!(!is_known(&hosts, foreign), "{foreign}");
        }
    }

    #[test]
    fn addresses_and_localhost_are_local_and_names_are_not() {
        for local in ["localhost", "LOCALHOST", "api.localhost", "127.0.0.1", "10.1.2.3", "[::1]"] {
            assert!(is_local(local), "{local}");
        }
        for foreign in ["example.com", "localhost.example.com", "notlocalhost", "127.0.0.1.example.com", ""] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
