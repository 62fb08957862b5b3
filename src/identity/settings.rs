//! All that an installation says of who may call, as the identity file has it.

use super::{IssuerSettings, Rules, Teams};
use std::num::NonZeroU32;
use std::time::Duration;

/// Who may call, and how often.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The issuers whose tokens are taken.
    pub issuers: Vec<IssuerSettings>,
    /// Tokens of the cluster's ServiceAccounts and people; not taken where nothing is said.
    pub kubernetes: Option<KubernetesSettings>,
    /// Callers by client certificates; nobody where nothing is said.
    pub certificates: Option<Rules>,
    /// The people of each team.
    pub teams: Teams,
    /// The tokens that are made here.
    pub tokens: TokenSettings,
    /// How often somebody may call.
    pub limits: LimitSettings,
    /// The origins of web pages that may call from a browser; none where nothing is said.
    pub origins: Vec<String>,
}

/// How tokens of the cluster are taken.
#[derive(Debug, Clone)]
pub struct KubernetesSettings {
    /// For whom a token has to be, as the cluster is asked; for the cluster's own API where nothing is said.
    pub audiences: Vec<String>,
    /// What `username`, `uid`, `groups` and `extra` become.
    pub rules: Rules,
}

/// How long tokens that are made here may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSettings {
    /// The longest.
    pub max_lifetime: Duration,
    /// What is meant where nobody says.
    pub default_lifetime: Duration,
}

impl Default for TokenSettings {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self { max_lifetime: days(365), default_lifetime: days(30) }
    }
}

/// How often somebody may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSettings {
    /// Calls in a minute of one caller.
    pub per_caller: NonZeroU32,
    /// Calls in a minute of one address whose caller is not known.
    pub per_unknown_address: NonZeroU32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let number = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { per_caller: number(1200), per_unknown_address: number(60) }
    }
}
