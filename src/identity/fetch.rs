//! Small documents from an issuer: bounded in size and time, never by a redirect, never in the clear but on loopback.

use crate::model::shown;
use reqwest::Url;
use std::net::IpAddr;
use std::time::Duration;

/// The most bytes of a document.
const MAX_BYTES: usize = 512 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a whole document may take.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Why a document cannot be had. It goes to the log, not to callers.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no URL that may be called.
    #[error("{} is no URL that begins with https://", without_secrets(.0))]
    Url(String),
    /// The client cannot be made.
    #[error("no client can be made for {url}: {reason}")]
    Client {
        /// For which URL.
        url: String,
        /// What the library said.
        reason: String,
    },
    /// Nobody answers.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Who does not.
        url: String,
        /// What the library said.
        reason: String,
    },
    /// The answer is no success.
    #[error("{url} answers with the status {status}")]
    Status {
        /// Who.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer is too long.
    #[error("{0} answers with more than {MAX_BYTES} bytes")]
    TooLong(String),
    /// The answer is something else.
    #[error("{url} answers with something else than expected: {reason}")]
    Content {
        /// Who.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a URL that may be called: `https`, or `http` to this machine.
pub fn callable_url(text: &str) -> Result<Url, FetchError> {
    let refuse = || FetchError::Url(text.to_owned());
    let url = Url::parse(text).map_err(|_| refuse())?;
    let named = url.host_str().is_some_and(|host| !host.is_empty());
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if named && plain && safe { Ok(url) } else { Err(refuse()) }
}

/// The text of a URL for a message. One with a password in it is not shown.
fn without_secrets(text: &str) -> String {
    if text.contains('@') { "what is given, which has a user or a password in it,".to_owned() } else { shown(text) }
}

/// Whether `url` leads to this machine and nowhere else, whatever a resolver says.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) || host == "localhost"
}

/// A client for documents of `url`'s host; `authority` is a PEM bundle that is trusted beside the system's.
pub(super) fn client(url: &Url, authority: Option<&[u8]>) -> Result<reqwest::Client, FetchError> {
    let failed = |error: reqwest::Error| FetchError::Client { url: url.to_string(), reason: causes(&error) };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .https_only(!is_loopback(url))
        .user_agent(concat!("doorstep/", env!("CARGO_PKG_VERSION")));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if let Some(pem) = authority {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(failed)?);
    }
    builder.build().map_err(failed)
}

/// The document at `url`, and how long it may be kept where its server says so.
pub(super) async fn document(http: &reqwest::Client, url: &Url) -> Result<(Vec<u8>, Option<Duration>), FetchError> {
    let unreachable = |error: reqwest::Error| FetchError::Unreachable { url: url.to_string(), reason: causes(&error) };
    let request = http.get(url.clone()).header("accept", "application/json");
    let response = request.send().await.map_err(unreachable)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status { url: url.to_string(), status: response.status().as_u16() });
    }
    let keep = response.headers().get("cache-control").and_then(|field| max_age(field.to_str().ok()?));
    Ok((bounded(response, url).await?, keep))
}

/// Posts `form` to `url`. Gives whether it succeeded, and what was answered; answers in between are none.
pub(super) async fn post(
    http: &reqwest::Client,
    url: &Url,
    form: &[(&str, &str)],
) -> Result<(bool, Vec<u8>), FetchError> {
    let unreachable = |error: reqwest::Error| FetchError::Unreachable { url: url.to_string(), reason: causes(&error) };
    let request = http.post(url.clone()).header("accept", "application/json").form(form);
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if !status.is_success() && !status.is_client_error() {
        return Err(FetchError::Status { url: url.to_string(), status: status.as_u16() });
    }
    Ok((status.is_success(), bounded(response, url).await?))
}

async fn bounded(mut response: reqwest::Response, url: &Url) -> Result<Vec<u8>, FetchError> {
    let unreachable = |error: reqwest::Error| FetchError::Unreachable { url: url.to_string(), reason: causes(&error) };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLong(url.to_string()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = cache_control.split(',').map(str::trim);
    let mut ages = directives.filter_map(|directive| directive.strip_prefix("max-age="));
    ages.next()?.parse().ok().map(Duration::from_secs)
}

/// An error of the library with all that lies beneath it: its own text says only which URL it was.
fn causes(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        said.push(error.to_string());
        next = error.source();
    }
    if said.is_empty() { "it cannot be asked".to_owned() } else { said.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_may_be_called() {
        for good in ["https://issuer.example.com/x", "http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/"] {
            assert!(callable_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://issuer.example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://169.254.169.254/",
            "http://[::ffff:10.0.0.1]/",
            "https://user:password@issuer.example.com/",
            "https://issuer.example.com/#x",
            "file:///etc/passwd",
            "issuer.example.com",
            "",
        ] {
            assert!(callable_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_max_age_is_found_among_directives() {
        assert_eq!(max_age("public, max-age=300, must-revalidate"), Some(Duration::from_secs(300)));
        assert_eq!(max_age("no-store"), None);
        assert_eq!(max_age("max-age=x"), None);
    }
}
