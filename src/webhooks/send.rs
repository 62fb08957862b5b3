//! One try: a signed POST to an address that was looked at when the connection was made.

use super::address::Allowed;
use super::endpoint::Endpoint;
use super::secret::Secret;
use crate::store::Delivery;
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use std::net::SocketAddr;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole try may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The most bytes of an answer that are read: it is only looked at by people.
const MOST_ANSWER: usize = 512;

/// Sends messages.
#[derive(Clone)]
pub struct Sender {
    allowed: Allowed,
    /// For URLs that begin with https: public and allowed addresses.
    protected: reqwest::Client,
    /// For URLs that begin with http: allowed addresses alone.
    plain: reqwest::Client,
}

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
#[error("no client for webhooks can be made: {0}")]
pub struct SenderError(reqwest::Error);

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tried {
    /// It was taken.
    Taken(String),
    /// It may be taken another time; the receiver may have said when.
    Later(String, Option<Duration>),
    /// It will never be taken.
    Never(String),
}

impl Sender {
    /// A sender to public addresses and to those in `allowed`.
    pub fn new(allowed: Allowed) -> Result<Self, SenderError> {
        let client = |only_named| {
            reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                // A proxy would make the connection, and nobody would look at the address.
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TIMEOUT)
                // An address was looked at when its connection was made, and the next message looks again.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("doorstep/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Looked { allowed: allowed.clone(), only_named })
                .build()
                .map_err(SenderError)
        };
        Ok(Self { protected: client(false)?, plain: client(true)?, allowed })
    }

    /// The addresses that are allowed beside public ones.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Tries a delivery.
    pub(super) async fn send(&self, url: &str, secret: &Secret, delivery: &Delivery, now: Timestamp) -> Tried {
        // What is allowed may have changed since the webhook was made.
        let endpoint = match Endpoint::read(url, &self.allowed) {
            Ok(endpoint) => endpoint,
            Err(error) => return Tried::Never(error.to_string()),
        };
        let client = if endpoint.is_protected() { &self.protected } else { &self.plain };
        let (id, second, body) = (&delivery.sent.event, now.as_second(), &delivery.sent.body);
        let request = client
            .post(endpoint.url().clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", second.to_string())
            .header("webhook-signature", secret.sign(id, second, body))
            .body(body.clone());
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => Tried::Later(failed(&error), None),
        }
    }
}

async fn answered(mut response: reqwest::Response) -> Tried {
    let status = response.status();
    let wish = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut said = Vec::new();
    while said.len() < MOST_ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        said.extend_from_slice(chunk.get(..MOST_ANSWER).unwrap_or(&chunk));
    }
    said.truncate(MOST_ANSWER);
    let said = String::from_utf8_lossy(&said);
    let told =
        if said.trim().is_empty() { status.to_string() } else { format!("{status}: {}", crate::model::shown(&said)) };
    match status.as_u16() {
        200..=299 => Tried::Taken(told),
        300..=399 => Tried::Later(format!("{told}; redirects are not followed"), None),
        410 => Tried::Never(told),
        _ => Tried::Later(told, wish.map(Duration::from_secs)),
    }
}

/// The last cause of an error: the outer ones only say that there was one.
fn failed(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Resolves names to addresses that are permitted. The connection is made to one of these and to no other, so that a name which
/// resolves to something else the next time changes nothing.
struct Looked {
    allowed: Allowed,
    /// Whether only addresses are permitted that an administrator named.
    only_named: bool,
}

/// A name that leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error("{0} has no address")]
    Nothing(String),
    #[error("{name} leads nowhere else than to {why}")]
    Forbidden { name: String, why: String },
}

impl Resolve for Looked {
    fn resolve(&self, name: Name) -> Resolving {
        let (name, allowed, only_named) = (name.as_str().to_owned(), self.allowed.clone(), self.only_named);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted = permitted(&name, found, &allowed, only_named)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

fn permitted(
    name: &str,
    found: Vec<SocketAddr>,
    allowed: &Allowed,
    only_named: bool,
) -> Result<Vec<SocketAddr>, Unresolved> {
    let name = || name.to_owned();
    let mut why = None;
    let mut permitted = Vec::new();
    for address in found {
        match allowed.permits(address.ip()) {
            Ok(()) if !only_named || allowed.names(address.ip()) => permitted.push(address),
            Ok(()) => why = Some(format!("{}, where only a URL that begins with https:// may lead", address.ip())),
            Err(forbidden) => why = Some(forbidden.to_string()),
        }
    }
    match why {
        _ if !permitted.is_empty() => Ok(permitted),
        Some(why) => Err(Unresolved::Forbidden { name: name(), why }),
        None => Err(Unresolved::Nothing(name())),
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender({:?})", self.allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_permitted_addresses_alone() {
        let allowed = Allowed(vec!["10.0.0.0/8".parse().unwrap()]);
        let at = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
        };
        let rebound = permitted("rebind.example", at("1.1.1.1 127.0.0.1 169.254.169.254 10.1.1.1"), &allowed, false);
        assert_eq!(rebound.unwrap(), at("1.1.1.1 10.1.1.1"));
        assert_eq!(permitted("ci.internal", at("1.1.1.1 10.1.1.1"), &allowed, true).unwrap(), at("10.1.1.1"));
        let said = permitted("evil.example", at("127.0.0.1"), &allowed, false).unwrap_err().to_string();
        assert!(said.contains("127.0.0.1 is a loopback address"), "{said}");
        assert!(
            permitted("plain.example", at("1.1.1.1"), &allowed, true).unwrap_err().to_string().contains("https://")
        );
        assert!(permitted("void.example", Vec::new(), &allowed, false).unwrap_err().to_string().contains("no address"));
    }
}
