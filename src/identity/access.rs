//! What the management API needs to know of who calls: made of the identity file, at the start and whenever it changes.

use super::{
    Certificates, FetchError, Identity, IssuerSettings, Issuers, Kubernetes, LimitSettings, LoginSettings, OwnTokens,
    Settings, Source, Teams, TokenSettings,
};
use crate::model::Clock;
use crate::store::Store;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Who may call, and how often.
#[derive(Debug, Default)]
pub struct Access {
    /// By what callers are known.
    pub identity: Identity,
    /// How often somebody may call.
    pub limits: LimitSettings,
    /// How long tokens that are made here may live.
    pub tokens: TokenSettings,
    /// The people of each team.
    pub teams: Arc<Teams>,
    /// With whom people may log in.
    pub logins: Vec<Login>,
    /// The origins of web pages that may call from a browser.
    pub origins: Vec<String>,
}

/// Who may call now. All who hold it see the same.
#[derive(Debug, Clone)]
pub struct CurrentAccess(Arc<ArcSwap<Access>>);

impl CurrentAccess {
    /// `access`, until it is replaced.
    pub fn new(access: Access) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(access)))
    }

    /// Who may call now. A call keeps to what it has loaded.
    pub fn load(&self) -> Arc<Access> {
        self.0.load_full()
    }

    /// Puts `access` in the place of what was said before.
    pub fn replace(&self, access: Access) {
        self.0.store(Arc::new(access));
    }
}

/// An issuer with which people may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Its short name.
    pub name: Arc<str>,
    /// The issuer.
    pub issuer: String,
    /// Where its discovery document is.
    pub discovery: String,
    /// How.
    pub settings: LoginSettings,
}

impl Login {
    fn of(issuer: &IssuerSettings) -> Option<Self> {
        let settings = issuer.login.clone()?;
        let (name, discovery) = (issuer.name.clone(), issuer.discovery.to_string());
        Some(Self { name, issuer: issuer.expected.issuer.clone(), discovery, settings })
    }
}

impl Access {
    /// Who may call by `settings`. `store` keeps the tokens that are made here; `cluster` reviews its tokens.
    pub fn new(settings: Settings, store: &Store, cluster: &kube::Client, clock: Clock) -> Result<Self, FetchError> {
        let Settings { issuers, kubernetes, certificates, teams, tokens, limits, origins } = settings;
        let teams = Arc::new(teams);
        let logins = issuers.iter().filter_map(Login::of).collect();
        let own = OwnTokens::new(store.clone(), teams.clone(), clock.clone());
        let issuers = Issuers::new(issuers, teams.clone(), clock.clone())?;
        let mut sources: Vec<Box<dyn Source>> = vec![Box::new(own), Box::new(issuers)];
        // Last, as it takes every token of the form of one.
        if let Some(kubernetes) = kubernetes {
            sources.push(Box::new(Kubernetes::new(cluster.clone(), kubernetes, teams.clone())));
        }
        let certificates = certificates.map(|rules| Certificates::new(rules, teams.clone(), clock));
        Ok(Self { identity: Identity::new(sources, certificates), limits, tokens, teams, logins, origins })
    }
}
