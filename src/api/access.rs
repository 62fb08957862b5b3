//! Who may call: a bearer token, and a `Host` that is this machine's.

use super::problem::{Code, Problem};
use super::{ApiState, Shared};
use crate::model::{Hostname, shown};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Lets a request through that has the token.
pub(super) async fn require_token(State(state): Shared, request: Request, next: Next) -> Response {
    match refusal(&state, request.headers()) {
        None => next.run(request).await,
        Some(detail) => Problem::new(Code::Unauthorized, detail).into_response(),
    }
}

fn refusal(state: &Arc<ApiState>, headers: &HeaderMap) -> Option<&'static str> {
    let Some(field) = headers.get(AUTHORIZATION) else {
        return Some("the request has no token; send Authorization: Bearer with the text of the file api-token");
    };
    let credentials = field.to_str().ok().and_then(|text| text.split_once(' '));
    match credentials {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            let right = state.token.verify(token.trim());
            (!right).then_some("the token is wrong; the right one is in the file api-token of the data folder")
        }
        _ => Some("the Authorization field is not of the form Bearer <token>"),
    }
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
