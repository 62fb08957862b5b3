//! A name server of our own, for one machine and for clusters to which a zone is delegated: it answers for the names that the
//! gateway serves, and for nothing else.
//!
//! It knows one zone, answers over UDP and TCP, hands the zone to listed peers (AXFR), and never asks anybody anything.

mod answer;
mod serve;
mod zone;

pub use serve::{Authority, AuthorityError};
pub use zone::ZoneData;

use crate::dns::{RecordName, Ttl};
use crate::model::Hostname;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// What the name server is to be.
#[derive(Debug, Clone)]
pub struct AuthorityConfig {
    /// Where it listens, by UDP and TCP.
    pub listen: SocketAddr,
    /// The zone.
    pub zone: Hostname,
    /// The gateway's addresses: what every name of the zone has.
    pub addresses: Vec<IpAddr>,
    /// How long an answer may be kept, in seconds.
    pub ttl: Ttl,
    /// Who may get the whole zone.
    pub peers: Vec<IpNet>,
}

/// The names that the gateway serves; those outside of the zone are passed over.
pub type Names = Vec<RecordName>;
