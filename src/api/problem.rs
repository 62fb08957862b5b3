//! Problem documents (RFC 9457): every error of the API is one, with a code that never changes its meaning.

use super::verbs;
use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What went wrong, for programs. The spelling on the wire is [`Code::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No token, or a wrong one.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// Who calls cannot be decided now: an issuer's keys, the cluster or the store are away.
    IdentityUnavailable,
    /// The caller, or the address, called too often.
    TooManyRequests,
    /// The `Host` is not one of ours: perhaps a page of another site that had its name point here.
    ForeignHost,
    /// The API has no such path.
    NoSuchPath,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is larger than [`super::MAX_BODY_BYTES`].
    BodyTooLarge,
    /// The body does not come fast enough.
    BodyTooSlow,
    /// The head is larger than it may be.
    HeadTooLarge,
    /// The head does not come fast enough.
    HeadTooSlow,
    /// All connections that there may be have a call under way.
    TooManyConnections,
    /// The body is not JSON, or the query or path cannot be read.
    Malformed,
    /// Something in the request is wrong; `errors` has all of it.
    Invalid,
    /// What is there is not what `If-Match` or `If-None-Match` asks for.
    PreconditionFailed,
    /// The `Idempotency-Key` was used with another request.
    IdempotencyKeyReused,
    /// The call with this `Idempotency-Key` is still running.
    IdempotencyKeyRunning,
    /// There is no such class.
    UnknownClass,
    /// The class itself is wrong; an administrator has to mend it.
    UnusableClass,
    /// Environments use the class, so it stays.
    ClassInUse,
    /// More time is asked for an environment that nothing ends.
    NothingToExtend,
    /// The environment would take more than the quota of its class lets.
    QuotaExceeded,
    /// There is no such environment.
    NoSuchEnvironment,
    /// The environment has no such revision.
    NoSuchRevision,
    /// The environment has no such generation yet.
    NoSuchGeneration,
    /// The environment has no such pod.
    NoSuchPod,
    /// The environment is being deleted.
    EnvironmentDeleting,
    /// Somebody else changed the same object at the same time.
    Conflict,
    /// The cluster does not answer.
    ClusterUnavailable,
    /// The cluster refused, or answered something that makes no sense.
    ClusterRefused,
    /// The manager lacks a right in the cluster; the sentence names it.
    MissingRight,
    /// The manager writes no DNS records.
    NoDns,
    /// The store does not answer, or does not take what it is to keep.
    StoreUnavailable,
    /// The caller has no such token.
    NoSuchToken,
    /// There is no such webhook.
    NoSuchWebhook,
    /// The webhook has no such delivery that could be sent again.
    NoSuchDelivery,
    /// There are as many webhooks as there may be.
    TooManyWebhooks,
}

impl Code {
    /// All codes, for the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Unauthorized,
        Self::Forbidden,
        Self::IdentityUnavailable,
        Self::TooManyRequests,
        Self::ForeignHost,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::HeadTooLarge,
        Self::HeadTooSlow,
        Self::TooManyConnections,
        Self::Malformed,
        Self::Invalid,
        Self::PreconditionFailed,
        Self::IdempotencyKeyReused,
        Self::IdempotencyKeyRunning,
        Self::UnknownClass,
        Self::UnusableClass,
        Self::ClassInUse,
        Self::QuotaExceeded,
        Self::NothingToExtend,
        Self::NoSuchEnvironment,
        Self::NoSuchRevision,
        Self::NoSuchGeneration,
        Self::NoSuchPod,
        Self::EnvironmentDeleting,
        Self::Conflict,
        Self::ClusterUnavailable,
        Self::ClusterRefused,
        Self::MissingRight,
        Self::NoDns,
        Self::StoreUnavailable,
        Self::NoSuchToken,
        Self::NoSuchWebhook,
        Self::NoSuchDelivery,
        Self::TooManyWebhooks,
    ];

    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::IdentityUnavailable => "identity-unavailable",
            Self::TooManyRequests => "too-many-requests",
            Self::ForeignHost => "foreign-host",
            Self::NoSuchPath => "no-such-path",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::HeadTooLarge => "head-too-large",
            Self::HeadTooSlow => "head-too-slow",
            Self::TooManyConnections => "too-many-connections",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::PreconditionFailed => "precondition-failed",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::IdempotencyKeyRunning => "idempotency-key-running",
            Self::UnknownClass => "unknown-class",
            Self::UnusableClass => "unusable-class",
            Self::ClassInUse => "class-in-use",
            Self::QuotaExceeded => "quota-exceeded",
            Self::NothingToExtend => "nothing-to-extend",
            Self::NoSuchEnvironment => "no-such-environment",
            Self::NoSuchRevision => "no-such-revision",
            Self::NoSuchGeneration => "no-such-generation",
            Self::NoSuchPod => "no-such-pod",
            Self::EnvironmentDeleting => "environment-deleting",
            Self::Conflict => "conflict",
            Self::ClusterUnavailable => "cluster-unavailable",
            Self::ClusterRefused => "cluster-refused",
            Self::MissingRight => "missing-right",
            Self::NoDns => "no-dns",
            Self::StoreUnavailable => "store-unavailable",
            Self::NoSuchToken => "no-such-token",
            Self::NoSuchWebhook => "no-such-webhook",
            Self::NoSuchDelivery => "no-such-delivery",
            Self::TooManyWebhooks => "too-many-webhooks",
        }
    }

    /// The status that goes with it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NoSuchPath
            | Self::UnknownClass
            | Self::NoSuchEnvironment
            | Self::NoSuchRevision
            | Self::NoSuchGeneration
            | Self::NoSuchToken
            | Self::NoSuchWebhook
            | Self::NoSuchDelivery
            | Self::NoSuchPod => StatusCode::NOT_FOUND,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooSlow | Self::HeadTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Invalid | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UnusableClass
            | Self::ClassInUse
            | Self::QuotaExceeded
            | Self::NothingToExtend
            | Self::EnvironmentDeleting
            | Self::IdempotencyKeyRunning
            | Self::TooManyWebhooks
            | Self::Conflict => StatusCode::CONFLICT,
            Self::ClusterUnavailable
            | Self::IdentityUnavailable
            | Self::StoreUnavailable
            | Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::ClusterRefused | Self::MissingRight => StatusCode::BAD_GATEWAY,
            Self::NoDns => StatusCode::NOT_FOUND,
        }
    }

    /// The same sentence for every problem with this code.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unauthorized => "The token is missing or wrong",
            Self::Forbidden => "The caller may not do this",
            Self::IdentityUnavailable => "Who calls cannot be decided now",
            Self::TooManyRequests => "There were too many requests",
            Self::ForeignHost => "The Host is not one of this API",
            Self::NoSuchPath => "There is no such path",
            Self::MethodNotAllowed => "The path has no such method",
            Self::UnsupportedMediaType => "The body is not declared as JSON",
            Self::BodyTooLarge => "The body is too large",
            Self::BodyTooSlow => "The body does not come fast enough",
            Self::HeadTooLarge => "The head of the request is too large",
            Self::HeadTooSlow => "The head of the request does not come fast enough",
            Self::TooManyConnections => "There are too many connections",
            Self::PreconditionFailed => "What is there is not what the request asks for",
            Self::IdempotencyKeyReused => "The Idempotency-Key was used with another request",
            Self::IdempotencyKeyRunning => "The call with this Idempotency-Key is still running",
            Self::ClassInUse => "Environments use the class",
            Self::NothingToExtend => "Nothing ends the environment",
            Self::QuotaExceeded => "There is no room for another environment",
            Self::NoSuchRevision => "There is no such revision",
            Self::NoSuchGeneration => "There is no such generation",
            Self::Malformed => "The request cannot be read",
            Self::Invalid => "The request has mistakes",
            Self::UnknownClass => "There is no such class",
            Self::UnusableClass => "The class cannot be used",
            Self::NoSuchEnvironment => "There is no such environment",
            Self::NoSuchPod => "There is no such pod",
            Self::EnvironmentDeleting => "The environment is being deleted",
            Self::Conflict => "Somebody else changed it at the same time",
            Self::ClusterUnavailable => "The cluster does not answer",
            Self::ClusterRefused => "The cluster refused",
            Self::MissingRight => "The manager lacks a right in the cluster",
            Self::NoDns => "The manager writes no DNS records",
            Self::StoreUnavailable => "The store does not do what the call needs",
            Self::NoSuchToken => "There is no such token",
            Self::NoSuchWebhook => "There is no such webhook",
            Self::NoSuchDelivery => "There is no such delivery",
            Self::TooManyWebhooks => "There are too many webhooks",
        }
    }
}

/// One mistake and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a JSON pointer into the body (RFC 6901), or `?name` for a part of the query.
    #[schema(example = "/parameters/TAG_FRONT")]
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The code as a URI.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "urn:doorstep:problem:unknown-class")]
    pub kind: Box<str>,
    /// The same sentence for every problem with this code.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// The status of the response.
    pub status: u16,
    /// What went wrong, for programs.
    #[schema(value_type = String, example = "unknown-class")]
    pub code: Box<str>,
    /// What went wrong, for people.
    pub detail: String,
    /// Every mistake with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The name of the call, as it stands in `X-Request-Id` and in the manager's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0c7d2e0f5b9a4d1e8f6a3b2c1d0e9f8a")]
    pub request_id: Option<Box<str>>,
}

impl Problem {
    /// A problem with `detail` as its sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:doorstep:problem:{}", code.as_str()).into(),
            title: code.title().into(),
            status: code.status().as_u16(),
            code: code.as_str().into(),
            detail: detail.into(),
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// The status of the response.
    pub(super) fn code_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A problem with all mistakes of a request, each at its place.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => only.detail.clone(),
            several => format!("{} mistakes; nothing was changed", several.len()),
        };
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }
}

impl FieldError {
    /// A mistake at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// The sentence of a problem, as an extension of its response.
#[derive(Debug, Clone)]
pub(super) struct Told(pub(super) Arc<str>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let unnamed = Unnamed(self.clone());
        let status = self.code_status();
        let told = Told(self.detail.as_str().into());
        let mut response = (status, Json(self)).into_response();
        response.extensions_mut().insert(told);
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"doorstep\""));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response.extensions_mut().insert(unnamed);
        response
    }
}

/// A problem on its way out: the name of the call is put in where it is known, behind all that handles the call.
#[derive(Clone)]
struct Unnamed(Problem);

/// `response`; a problem with the name of its call.
pub(super) fn named(mut response: Response, id: &str) -> Response {
    let Some(Unnamed(problem)) = response.extensions_mut().remove::<Unnamed>() else { return response };
    let named = Problem { request_id: Some(id.into()), ..problem };
    let Ok(body) = serde_json::to_vec(&named) else { return response };
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = body.into();
    response
}

pub(super) async fn no_such_path(request: Request) -> Problem {
    let path = crate::model::shown(&verbs::outside(request.uri().path()));
    Problem::new(Code::NoSuchPath, format!("the API has no path {path}; /api/v1/openapi.json lists all of them"))
}

pub(super) async fn no_such_method(method: Method, request: Request) -> Problem {
    let path = crate::model::shown(&verbs::outside(request.uri().path()));
    Problem::new(Code::MethodNotAllowed, format!("{path} has no method {method}; the Allow field names those it has"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_listed_once_and_has_its_own_spelling() {
        let spellings: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(spellings.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    }

    #[test]
    fn every_code_stands_on_the_page_with_its_status() {
        let page = include_str!("../../docs/api.md");
        let row = |code: &Code| format!("| `{}` | {} |", code.as_str(), code.status().as_u16());
        let missing: Vec<String> = Code::ALL.iter().map(row).filter(|row| !page.contains(row)).collect();
        assert!(missing.is_empty(), "docs/api.md has no row for {missing:?}");
    }

    #[test]
    fn one_mistake_is_the_sentence_and_several_are_counted() {
        let one = Problem::invalid(vec![FieldError::new("/a", "a is wrong")]);
        assert_eq!(one.detail, "a is wrong");
        let two = Problem::invalid(vec![FieldError::new("/a", "a"), FieldError::new("/b", "b")]);
        assert_eq!((two.detail.as_str(), two.status), ("2 mistakes; nothing was changed", 422));
    }
}
