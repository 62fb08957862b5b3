//! `POST /explain`: who would get this very request, and why.

use super::certificates::CertificateView;
use super::input::{Query, json_object, kind_of, refuse_unknown};
use super::json::pointer;
use super::problem::{FieldError, Problem};
use super::{ApiState, Shared};
use crate::model::{Hostname, shown};
use crate::routing::{RequestView, Scheme};
use axum::Json;
use axum::extract::{Request, State};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;
use utoipa::ToSchema;

/// The request to be explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainRequest {
    /// Where it goes.
    #[schema(example = "http://fronthaimaz.int.localhost:8080/")]
    pub url: String,
    /// Its method; `GET` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "GET")]
    pub method: Option<String>,
    /// Its fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderField>,
    /// The client's address, for rules and filters that ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "10.0.0.7")]
    pub client: Option<String>,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeaderField {
    /// Its name.
    #[schema(example = "accept")]
    pub name: String,
    /// Its value.
    #[schema(example = "text/html")]
    pub value: String,
}

/// How the gateway would route the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainResponse {
    /// The rule that wins, those that lost and why, and the pods.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub explanation: Map<String, Value>,
    /// The certificate that the gateway presents for this host; null when it has none.
    pub certificate: Option<CertificateView>,
}

/// Who would get this very request, and why: the rule that wins, those that lost, the pods and the certificate.
#[utoipa::path(post, path = "/api/v1/explain", tag = "routing", request_body = ExplainRequest, responses(
    (status = 200, body = ExplainResponse),
))]
pub(super) async fn explain(
    State(state): Shared,
    query: Query,
    request: Request,
) -> Result<Json<ExplainResponse>, Problem> {
    query.done()?;
    let asked = Asked::read(&json_object(request).await?)?;
    let explanation = asked.explanation(&state);
    let certificate = state.certificates.as_ref().and_then(|known| known.describe(asked.host.as_str()));
    Ok(Json(ExplainResponse { explanation, certificate }))
}

/// The request to be explained, checked.
struct Asked {
    scheme: Scheme,
    client: Option<IpAddr>,
    host: Hostname,
    path: String,
    query: Option<String>,
    method: Method,
    headers: HeaderMap,
}

impl Asked {
    fn read(body: &Map<String, Value>) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        refuse_unknown(body, "", &["url", "method", "headers", "client"], &mut errors);
        let url = url(body.get("url")).map_err(|said| errors.push(FieldError::new("/url", said))).ok();
        let method = method(body.get("method")).map_err(|said| errors.push(FieldError::new("/method", said))).ok();
        let headers = headers(body.get("headers"), &mut errors);
        let client = client(body.get("client")).map_err(|said| errors.push(FieldError::new("/client", said))).ok();
        match (url, method, client) {
            (Some((scheme, host, path, query)), Some(method), Some(client)) if errors.is_empty() => {
                Ok(Self { scheme, client, host, path, query, method, headers })
            }
            _ => Err(Problem::invalid(errors)),
        }
    }

    fn explanation(&self, state: &ApiState) -> Map<String, Value> {
        let request = RequestView {
            scheme: self.scheme,
            client: self.client,
            host: self.host.as_str(),
            path: &self.path,
            query: self.query.as_deref(),
            method: &self.method,
            headers: &self.headers,
        };
        match serde_json::to_value(state.table.load().explain(&request)) {
            Ok(Value::Object(fields)) => fields,
            // An explanation is a struct of texts and numbers: it is always an object.
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

fn url(value: Option<&Value>) -> Result<(Scheme, Hostname, String, Option<String>), String> {
    const LIKE: &str = "give one like http://fronthaimaz.int.localhost:8080/";
    let text = match value {
        Some(Value::String(text)) => text,
        Some(other) => return Err(format!("url is {}; {LIKE}", kind_of(other))),
        None => return Err(format!("url is missing; {LIKE}")),
    };
    let whole = if text.contains("://") { text.clone() } else { format!("http://{text}") };
    // A fragment is never sent (RFC 9110, section 7.1).
    let sent = whole.split('#').next().unwrap_or_default();
    let uri = sent.parse::<Uri>().map_err(|error| format!("{} is not a URL: {error}; {LIKE}", shown(text)))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !["http", "https", "ws", "wss"].contains(&scheme) {
        return Err(format!("the scheme {} is not http, https, ws or wss", shown(scheme)));
    }
    let host = uri.host().unwrap_or_default();
    let host = host.parse::<Hostname>().map_err(|error| format!("{error}; {LIKE}"))?;
    let scheme = Scheme::of_tls(scheme == "https" || scheme == "wss");
    Ok((scheme, host, uri.path().to_owned(), uri.query().map(str::to_owned)))
}

fn client(value: Option<&Value>) -> Result<Option<IpAddr>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => {
            text.parse().map(Some).map_err(|_| format!("{} is not an address, like 10.0.0.7", shown(text)))
        }
        Some(other) => Err(format!("client is {}; it has to be a string, like 10.0.0.7", kind_of(other))),
    }
}

fn method(value: Option<&Value>) -> Result<Method, String> {
    match value {
        None => Ok(Method::GET),
        Some(Value::String(text)) => {
            Method::from_bytes(text.as_bytes()).map_err(|_| format!("{} is not a method, like GET", shown(text)))
        }
        Some(other) => Err(format!("method is {}; it has to be a string, like GET", kind_of(other))),
    }
}

fn headers(value: Option<&Value>, errors: &mut Vec<FieldError>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let items = match value {
        None => return headers,
        Some(Value::Array(items)) => items,
        Some(other) => {
            errors.push(FieldError::new("/headers", format!("headers is {}; it has to be a list", kind_of(other))));
            return headers;
        }
    };
    for (index, item) in items.iter().enumerate() {
        let at = pointer("/headers", &index.to_string());
        let Some(fields) = item.as_object() else {
            errors.push(FieldError::new(at, "a field is an object with name and value"));
            continue;
        };
        refuse_unknown(fields, &at, &["name", "value"], errors);
        let before = errors.len();
        for part in ["name", "value"] {
            if !fields.get(part).is_some_and(Value::is_string) {
                let said = format!("{part} is {}; it has to be a string", fields.get(part).map_or("missing", kind_of));
                errors.push(FieldError::new(pointer(&at, part), said));
            }
        }
        if errors.len() > before {
            continue;
        }
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = HeaderName::from_bytes(text("name").as_bytes());
        let value = HeaderValue::from_str(text("value"));
        match (name, value) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            (Err(_), _) => {
                let said = format!("{} is not the name of a field", shown(text("name")));
                errors.push(FieldError::new(pointer(&at, "name"), said));
            }
            (Ok(_), Err(_)) => {
                let said = format!("{} is not a value of a field", shown(text("value")));
                errors.push(FieldError::new(pointer(&at, "value"), said));
            }
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Asked, Vec<String>> {
        let Value::Object(fields) = body else { panic!("an object") };
        let told =
            |problem: Problem| problem.errors.into_iter().map(|e| format!("{} {}", e.pointer, e.detail)).collect();
        Asked::read(&fields).map_err(told)
    }

    #[test]
    fn a_url_is_taken_apart_as_a_client_would_send_it() {
        let asked = read(json!({"url": "FrontX.int.localhost:8080/a/b?c=d#e", "method": "POST"})).ok().unwrap();
        assert_eq!((asked.host.as_str(), asked.path.as_str()), ("frontx.int.localhost", "/a/b"));
        assert_eq!((asked.query.as_deref(), asked.method), (Some("c=d"), Method::POST));
        let asked = read(json!({"url": "wss://x.localhost"})).ok().unwrap();
        assert_eq!((asked.path.as_str(), asked.method), ("/", Method::GET));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let body =
            json!({"url": "ftp://x/", "methd": "GET", "method": "G T", "headers": [1, {"name": "a b", "value": ""}]});
        let said = read(body).err().unwrap();
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(said[0].starts_with("/methd") && said[0].ends_with("did you mean \"method\"?"), "{said:#?}");
        assert!(said[1].contains("the scheme \"ftp\""), "{said:#?}");
        assert!(said[4].starts_with("/headers/1/name"), "{said:#?}");
        assert!(read(json!({})).err().unwrap()[0].contains("url is missing"));
    }
}
