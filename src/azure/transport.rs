//! HTTP under the client and under `azure_identity`: one library, bounded answers, no redirects, nothing but TLS.

use super::error::AzureError;
use super::retry::Failure;
use super::settings::Settings;
use azure_core::error::{Error as CoreError, ErrorKind};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request as CoreRequest, headers::Headers};
use http::HeaderMap;
use std::error::Error;
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// ARM itself gives up after 60 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
/// A page of record sets is some 100 KiB.
const MAX_BODY_BYTES: usize = 16 << 20;
const MAX_TOKEN_BYTES: usize = 1 << 20;

/// A whole answer.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The HTTP client. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
}

impl Transport {
    /// `https_only` but for the endpoints of managed identities, which are on the machine itself.
    pub(super) fn new(settings: &Settings, https_only: bool) -> Result<Self, AzureError> {
        let failed = |what: &str, reason: &dyn Error| AzureError::Settings(format!("{what}: {}", chain(reason)));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("doorstep/", env!("CARGO_PKG_VERSION")))
            .https_only(https_only)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .no_proxy();
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::https(proxy).map_err(|e| failed("proxy", &e.without_url()))?;
            builder = builder.proxy(proxy);
        }
        if let Some(file) = &settings.authorities {
            let at = format!("authorities ({})", file.display());
            let pem = std::fs::read(file).map_err(|e| failed(&at, &e))?;
            let all = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| failed(&at, &e))?;
            if all.is_empty() {
                return Err(AzureError::Settings(format!("{at} holds no certificate; PEM is expected")));
            }
            builder = builder.tls_certs_only(all);
        }
        let http = builder.build().map_err(|e| failed("no HTTPS client can be made", &e))?;
        Ok(Self { http })
    }

    /// Begins a request, which [`Self::exchange`] sends.
    pub(super) fn request(&self, method: &str, url: reqwest::Url) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or(reqwest::Method::GET);
        self.http.request(method, url)
    }

    /// Sends it and reads the whole answer.
    pub(super) async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Whole, Failure> {
        read(request.send().await.map_err(failure)?, MAX_BODY_BYTES).await
    }
}

async fn read(mut response: reqwest::Response, most: usize) -> Result<Whole, Failure> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > most {
            return Err(Failure::Malformed(format!("it is larger than {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Whole { status, headers, body })
}

/// Only a failed connection is known to have sent nothing.
fn failure(error: reqwest::Error) -> Failure {
    let is_connect = error.is_connect() || error.is_builder();
    let reason = chain(&error.without_url());
    if is_connect { Failure::NotSent(reason) } else { Failure::NoAnswer(reason) }
}

/// An error with its causes: reqwest's own sentence leaves out the reason.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(said, ": {error}");
        cause = error.source();
    }
    super::redact::sentence(&said)
}

/// How `azure_identity` sends its requests.
#[derive(Debug)]
pub(super) struct IdentityTransport {
    pub(super) transport: Transport,
}

impl IdentityTransport {
    async fn send(&self, request: &CoreRequest) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        if url.scheme() != "https" && !is_of_this_machine(url) {
            let reason = format!("{} is asked for a token without TLS", url.host_str().unwrap_or_default());
            return Err(CoreError::with_message(ErrorKind::Other, reason));
        }
        let mut sent = self.transport.request(request.method().as_str(), url.clone());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        match request.body() {
            Body::Bytes(bytes) => sent = sent.body(bytes.clone()),
            Body::SeekableStream(_) => {
                return Err(CoreError::with_message(ErrorKind::Other, "a body that is a stream is not sent"));
            }
        }
        let broken = |failure: Failure| match failure {
            Failure::NotSent(reason) | Failure::NoAnswer(reason) | Failure::Malformed(reason) => {
                CoreError::with_message(ErrorKind::Io, reason)
            }
            Failure::Status { status, .. } => CoreError::with_message(ErrorKind::Io, format!("status {status}")),
        };
        let response = sent.send().await.map_err(failure).map_err(broken)?;
        let whole = read(response, MAX_TOKEN_BYTES).await.map_err(broken)?;
        let mut headers = Headers::new();
        for (name, value) in &whole.headers {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(AsyncRawResponse::from_bytes(whole.status.into(), headers, whole.body))
    }
}

/// The endpoints of managed identities have no TLS: the machine's own service, and App Service's on loopback.
fn is_of_this_machine(url: &reqwest::Url) -> bool {
    match url.host_str().and_then(|host| host.parse::<std::net::IpAddr>().ok()) {
        Some(std::net::IpAddr::V4(address)) => address.is_link_local() || address.is_loopback(),
        Some(std::net::IpAddr::V6(address)) => address.is_loopback(),
        None => url.host_str() == Some("localhost"),
    }
}

impl HttpClient for IdentityTransport {
    fn execute_request<'a, 'b, 'f>(
        &'a self,
        request: &'b CoreRequest,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'f>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        Box::pin(self.send(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_for_tokens_without_tls() {
        for (url, is) in [
            ("http://169.254.169.254/metadata", true),
            ("http://127.0.0.1:41/msi", true),
            ("http://localhost:41/msi", true),
            ("http://login.example", false),
            ("http://10.0.0.1", false),
            ("http://127.0.0.1.example", false),
        ] {
            assert_eq!(is_of_this_machine(&reqwest::Url::parse(url).unwrap()), is, "{url}");
        }
    }
}
