//! Where a webhook is told: a URL that is read strictly.

use super::address::{Allowed, Forbidden};
use crate::model::shown;
use reqwest::Url;
use std::net::IpAddr;

/// The most characters of a URL.
const MOST_CHARS: usize = 2048;

/// Where a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is no place for a webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is too long.
    #[error("the URL has {0} characters; {MOST_CHARS} are the most")]
    TooLong(usize),
    /// It is no URL.
    #[error("{} is no URL; give one like https://ci.example.com/hooks/doorstep", shown(.0))]
    Malformed(String),
    /// It is of another kind.
    #[error("the URL begins with {0}:; give one that begins with https://")]
    Scheme(String),
    /// It has a name or a password in it, which would be seen by whoever lists webhooks.
    #[error("the URL has a user or a password in it; what is sent is signed, so that none is needed")]
    Credentials,
    /// It goes to what nobody can connect to.
    #[error("the URL has a fragment, which is never sent")]
    Fragment,
    /// It leads to an address that is forbidden.
    #[error("the URL leads to no public address: {0}")]
    Forbidden(#[from] Forbidden),
    /// It is not protected on its way, and its address was not allowed.
    #[error(
        "the URL begins with http:, which is for addresses alone that --webhook-allow names; give one that begins with https://"
    )]
    Plain,
}

impl Endpoint {
    /// Reads a URL. An address in it is checked at once, and a name whenever a connection is made.
    pub fn read(text: &str, allowed: &Allowed) -> Result<Self, EndpointError> {
        let chars = text.chars().count();
        if chars > MOST_CHARS {
            return Err(EndpointError::TooLong(chars));
        }
        let malformed = || EndpointError::Malformed(text.to_owned());
        // Readers of URLs leave these out in silence, and what is kept would not be what was given.
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(malformed());
        }
        if text.contains('@') && Url::parse(text).is_ok_and(|url| has_credentials(&url)) {
            return Err(EndpointError::Credentials);
        }
        let url = Url::parse(text).map_err(|_| malformed())?;
        match url.scheme() {
            "https" | "http" => {}
            other => return Err(EndpointError::Scheme(other.to_owned())),
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment);
        }
        let endpoint = Self(url);
        if endpoint.0.host_str().is_none_or(str::is_empty) {
            return Err(malformed());
        }
        if let Some(address) = endpoint.address() {
            allowed.permits(address)?;
            if !endpoint.is_protected() && !allowed.names(address) {
                return Err(EndpointError::Plain);
            }
        } else if !endpoint.is_protected() && allowed.0.is_empty() {
            return Err(EndpointError::Plain);
        }
        Ok(endpoint)
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The text that is kept.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether what is sent is protected on its way.
    pub fn is_protected(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address, where the URL has one in the place of a name. Every spelling of one is read as such: `0x7f.1` is 127.0.0.1.
    fn address(&self) -> Option<IpAddr> {
        let host = self.0.host_str()?;
        host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_told_safely_is_taken() {
        let none = Allowed::default();
        let said = |text: &str| Endpoint::read(text, &none).map(|_| ()).unwrap_err().to_string();
        assert!(Endpoint::read("https://ci.example.com:8443/hooks?x=1", &none).is_ok());
        assert!(said("http://ci.example.com/").contains("give one that begins with https://"));
        assert!(said("ftp://ci.example.com/").contains("begins with ftp:"));
        assert!(said("https://u:hunter2@ci.example.com/").contains("a user or a password"));
        assert!(!said("https://u:hunter2@ci.example.com/").contains("hunter2"));
        assert!(said("https://ci.example.com/#x").contains("fragment"));
        assert!(said("https://ci.exa\nmple.com/").contains("is no URL"));
        assert!(said("hello").contains("is no URL"));
        assert!(said(&format!("https://a/{}", "x".repeat(3000))).contains("2048 are the most"));
    }

    #[test]
    fn an_address_is_found_in_every_spelling() {
        let none = Allowed::default();
        for bad in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://169.254.169.254/latest/",
            "https://127.1/",
            "https://①②⑦.0.0.1/",
        ] {
            let error = Endpoint::read(bad, &none).unwrap_err();
            assert!(matches!(error, EndpointError::Forbidden(_)), "{bad}: {error}");
        }
        let allowed = Allowed(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(Endpoint::read("http://127.0.0.1:9/", &allowed).is_ok());
        assert_eq!(Endpoint::read("http://8.8.8.8/", &allowed), Err(EndpointError::Plain));
        assert!(Endpoint::read("http://ci.internal/", &allowed).is_ok(), "its addresses are looked at when it is told");
    }
}
