//! Callers by tokens of OpenID Connect issuers. What is checked, and in which order, follows RFC 8725.

use super::claims::{self, Expected};
use super::fetch::FetchError;
use super::grants::{self, Rules, Teams};
use super::jwt::{self, Jwt};
use super::key_cache::KeyCache;
use super::keys::NoKey;
use super::{Caller, Refused, SignatureAlgorithm, Source, Through};
use crate::model::Clock;
use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::Url;
use std::sync::Arc;

/// An issuer whose tokens are taken.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// A short name for it.
    pub name: Arc<str>,
    /// What its tokens have to claim.
    pub expected: Expected,
    /// The algorithms that are taken of it.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Where its discovery document is.
    pub discovery: Url,
    /// Certificates (PEM) that are trusted for it beside the system's.
    pub authority: Option<Vec<u8>>,
    /// How claims become a caller.
    pub rules: Rules,
    /// How people log in with it; not at all where nothing is said.
    pub login: Option<LoginSettings>,
}

/// How people log in with an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSettings {
    /// The id of the client that the command line is; it has no secret.
    pub client_id: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Which of the tokens is presented here.
    pub presents: Presents,
    /// Whether browsers come back to `localhost`, and not to `127.0.0.1`: some issuers know no other loopback.
    pub redirect_to_localhost: bool,
}

/// Which token of a login is presented to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presents {
    /// The access token, which is for this API.
    AccessToken,
    /// The ID token, for issuers whose access tokens are for themselves alone.
    IdToken,
}

/// All issuers.
pub struct Issuers {
    issuers: Vec<Issuer>,
    teams: Arc<Teams>,
    clock: Clock,
}

struct Issuer {
    settings: IssuerSettings,
    keys: KeyCache,
}

impl Issuers {
    /// Takes tokens of these issuers. Nothing is fetched yet.
    pub fn new(issuers: Vec<IssuerSettings>, teams: Arc<Teams>, clock: Clock) -> Result<Self, FetchError> {
        let issuers = issuers.into_iter().map(|settings| {
            let authority = settings.authority.as_deref();
            let keys = KeyCache::new(&settings.expected.issuer, settings.discovery.clone(), authority)?;
            Ok(Issuer { settings, keys })
        });
        Ok(Self { issuers: issuers.collect::<Result<_, FetchError>>()?, teams, clock })
    }

    #[cfg(test)]
    pub(super) fn without_pauses(self) -> Self {
        let impatient = |issuer: Issuer| Issuer { keys: issuer.keys.without_pauses(), ..issuer };
        Self { issuers: self.issuers.into_iter().map(impatient).collect(), ..self }
    }
}

impl Source for Issuers {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Result<Caller, Refused>>> {
        Box::pin(async move {
            if !jwt::looks_like_one(token) {
                return None;
            }
            let jwt = match Jwt::parse(token) {
                Ok(jwt) => jwt,
                Err(malformed) => return Some(Err(Refused::Unknown(malformed.to_string()))),
            };
            // What the token says of its issuer only chooses by whose keys it has to be signed.
            let issuer = self.issuers.iter().find(|one| jwt.issuer() == Some(&one.settings.expected.issuer))?;
            Some(issuer.caller(&jwt, &self.teams, self.clock.now()).await)
        })
    }
}

impl Issuer {
    async fn caller(&self, jwt: &Jwt<'_>, teams: &Teams, now: Timestamp) -> Result<Caller, Refused> {
        let Self { settings, keys } = self;
        let unknown = |said: &dyn std::error::Error| Refused::Unknown(said.to_string());
        if !settings.algorithms.contains(&jwt.algorithm) {
            let said = format!("the token is signed by {}, which is not taken of its issuer", jwt.algorithm);
            return Err(Refused::Unknown(said));
        }
        // An expired token, a foreign audience: decided without a key, as it would be refused with every key.
        let expires = claims::check(jwt, &settings.expected, now).map_err(|unfit| unknown(&unfit))?;
        let known = keys.keys().await.ok_or_else(|| {
            Refused::Undecided(format!("the keys of the issuer {} cannot be had; try again in a moment", settings.name))
        })?;
        let checked = match known.check(jwt) {
            Err(NoKey::Unknown) => match keys.newer_than(&known).await {
                Some(newer) => newer.check(jwt),
                None => Err(NoKey::Unknown),
            },
            checked => checked,
        };
        checked.map_err(|no_key| unknown(&no_key))?;
        let through = Through::Issuer(settings.name.clone());
        settings.rules.caller(&jwt.claims, &grants::namespace(&settings.name), through, teams, Some(expires))
    }
}
