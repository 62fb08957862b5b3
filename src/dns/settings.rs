//! What the file of DNS says, checked.

use super::rfc2136::{Algorithm, ServerAddress};
use super::{Guard, Owner, Ttl};
use crate::model::{Hostname, RecordTarget};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::azure::Settings as AzureConnection;

/// The file of DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whose records we write: another name for each installation that shares a zone.
    pub owner: Owner,
    /// How much is deleted unasked.
    pub guard: Guard,
    /// How often each zone is listed.
    pub period: Duration,
    /// Public resolvers that are asked too.
    pub resolvers: Vec<SocketAddr>,
    /// What holds for classes that say nothing else.
    pub defaults: Defaults,
    /// How Azure is reached, for zones that it keeps.
    pub azure: Option<AzureConnection>,
    /// The zones.
    pub zones: Vec<ZoneSettings>,
}

/// What holds for classes that say nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Which records a class has.
    pub mode: Mode,
    /// Where they lead to.
    pub target: Option<RecordTarget>,
    /// How long they may be kept.
    pub ttl: Ttl,
}

/// Which records lead to the hosts of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One for all names of its zone.
    Wildcard,
    /// One for each environment.
    Record,
    /// None: somebody else takes care of them.
    Nothing,
}

impl Mode {
    /// All of them, with their spelling.
    pub const ALL: [(&'static str, Self); 3] =
        [("wildcard", Self::Wildcard), ("record", Self::Record), ("none", Self::Nothing)];

    /// The mode that is spelled so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(name, mode)| (name == text).then_some(mode))
    }
}

/// A zone and who keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSettings {
    /// The zone.
    pub zone: Hostname,
    /// Who keeps it.
    pub provider: ProviderSettings,
    /// The servers that are asked whether a record is there; of RFC 2136, the server itself when none is named.
    pub authority: Vec<ServerAddress>,
}

/// Who keeps a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderSettings {
    /// A name server that takes dynamic updates.
    Rfc2136 {
        /// Where it is.
        server: ServerAddress,
        /// The key's name.
        key: String,
        /// Its algorithm.
        algorithm: Algorithm,
        /// The file that holds its secret.
        secret_file: PathBuf,
    },
    /// Azure DNS.
    Azure(AzureSettings),
}

/// Where a zone is in Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureSettings {
    /// The subscription's id.
    pub subscription: String,
    /// The resource group.
    pub resource_group: String,
    /// Whether it is a private zone.
    pub is_private: bool,
}
