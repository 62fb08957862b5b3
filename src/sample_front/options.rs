//! What the front end is told by its environment, as most servers know it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::SampleFrontError;
use crate::model::shown;

const DEFAULT_PORT: u16 = 8080;

/// Where to listen and whom to present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `HOST` and `PORT`; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What the page shows.
    pub identity: Identity,
}

/// Whose front end this is, and what of. Each is empty where the environment does not say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `DOORSTEP_USER`
    pub user: String,
    /// `DOORSTEP_CLASS`
    pub class: String,
    /// `TAG_FRONT`
    pub tag_front: String,
    /// `TAG_ASSETS`
    pub tag_assets: String,
    /// `VERSION`
    pub version: String,
    /// `POD_NAME`
    pub pod: String,
}

impl Options {
    /// Reads the process's environment.
    pub fn from_environment() -> Result<Self, SampleFrontError> {
        Self::from_variables(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads variables from wherever they are. An empty one counts as none.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SampleFrontError> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let host = given("HOST").map_or(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)), |value| host(&value))?;
        let port = given("PORT").map_or(Ok(DEFAULT_PORT), |value| port(&value))?;
        let text = |name: &str| given(name).unwrap_or_default();
        Ok(Self {
            address: SocketAddr::new(host, port),
            identity: Identity {
                user: text("DOORSTEP_USER"),
                class: text("DOORSTEP_CLASS"),
                tag_front: text("TAG_FRONT"),
                tag_assets: text("TAG_ASSETS"),
                version: text("VERSION"),
                pod: text("POD_NAME"),
            },
        })
    }
}

impl Identity {
    /// The lines of the page: a label and its value, in the order in which they are shown.
    pub fn lines(&self) -> [(&'static str, &str); 6] {
        [
            ("user", &self.user),
            ("class", &self.class),
            ("TAG_FRONT", &self.tag_front),
            ("TAG_ASSETS", &self.tag_assets),
            ("VERSION", &self.version),
            ("pod", &self.pod),
        ]
    }
}

fn host(value: &str) -> Result<IpAddr, SampleFrontError> {
    if value == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    value.parse().map_err(|_| SampleFrontError::Host { shown: shown(value) })
}

fn port(value: &str) -> Result<u16, SampleFrontError> {
    value.parse().map_err(|_| SampleFrontError::Port { shown: shown(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(variables: &[(&str, &str)]) -> Result<Options, SampleFrontError> {
        Options::from_variables(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn nothing_given_means_the_loopback_and_8080() {
        assert_eq!(options(&[("PORT", "")]).unwrap().address.to_string(), "127.0.0.1:8080");
        let told = options(&[("HOST", "::1"), ("PORT", "0"), ("TAG_FRONT", "1.4.2")]).unwrap();
        assert_eq!((told.address.to_string().as_str(), told.identity.tag_front.as_str()), ("[::1]:0", "1.4.2"));
    }

    #[test]
    fn a_mistake_is_told_in_one_sentence_with_what_would_be_right() {
        let text = |variables: &[(&str, &str)]| options(variables).unwrap_err().to_string();
        assert!(text(&[("PORT", "65536")]).starts_with("PORT is \"65536\", which is no port; give a number"));
        assert!(text(&[("HOST", "the\nmoon")]).starts_with("HOST is \"the\\nmoon\", which is no IP address; give one"));
    }
}
