//! Where gateways are: by the URL of an admin port, or by a Service whose ready endpoints are gateways.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Where gateways are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One, by the URL of its admin port, without a slash at its end.
    Url(String),
    /// The ready endpoints of a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The port of the pods on which the admin pages are.
        port: u16,
    },
}

impl Place {
    /// The namespace of the Service; none for a URL.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Url(_) => None,
            Self::Service { namespace, .. } => Some(namespace),
        }
    }
}

/// The Services among the places of gateways, by namespace and name.
pub fn services(places: &[Place]) -> BTreeSet<(String, String)> {
    let service = |place: &Place| match place {
        Place::Url(_) => None,
        Place::Service { namespace, name, .. } => Some((namespace.clone(), name.clone())),
    };
    places.iter().filter_map(service).collect()
}

/// What is no place of gateways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is no place of gateways; give the URL of an admin port like http://10.0.0.7:9901, or a Service as NAMESPACE/NAME:PORT", crate::model::shown(.0))]
pub struct InvalidPlace(String);

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let wrong = || InvalidPlace(text.to_owned());
        if let Some(authority) = text.strip_prefix("http://") {
            let authority = authority.trim_end_matches('/');
            let parsed = authority.parse::<http::uri::Authority>().map_err(|_| wrong())?;
            let whole = parsed.port_u16().is_some() && !authority.contains('@');
            return if whole { Ok(Self::Url(format!("http://{authority}"))) } else { Err(wrong()) };
        }
        let (namespace, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (name, port) = rest.split_once(':').ok_or_else(wrong)?;
        let sane = |text: &str| {
            let letters = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
            (1..=63).contains(&text.len()) && letters
        };
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        if !sane(namespace) || !sane(name) {
            return Err(wrong());
        }
        Ok(Self::Service { namespace: namespace.to_owned(), name: name.to_owned(), port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Service { namespace, name, port } => write!(f, "{namespace}/{name}:{port}"),
        }
    }
}
