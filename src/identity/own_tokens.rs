//! Tokens that are made here: shown once, kept as a hash, never worth more than who made them.

use super::random::{NoEntropy, random_text};
use super::{Caller, Reach, Refused, Role, Scope, Scopes, Source, TeamName, Teams, Through, TokenSettings};
use crate::model::Clock;
use crate::store::{NewToken, Store, StoreError, TokenGrant, TokenRecord};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// By what a token that is made here is known, also by those who look for leaked secrets.
pub const PREFIX: &str = "dst_";
/// Beside the scopes: the environments within reach of the maker, and not those that the role reaches by itself.
const OWN_REACH: &str = "own";
/// How often the use of a token is noted.
const NOTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What somebody wants of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What it is for.
    pub name: String,
    /// The role; the maker's where nothing is said.
    pub role: Option<Role>,
    /// The scopes; the maker's where nothing is said.
    pub scopes: Option<Scopes>,
    /// How long it is to live.
    pub lifetime: Option<Duration>,
}

/// A new token. Its text is told now and never again.
pub struct Minted {
    /// The token itself.
    pub text: String,
    /// What is kept of it.
    pub record: TokenRecord,
}

/// Why a token is not made.
#[derive(Debug, thiserror::Error)]
pub enum NotMinted {
    /// It would be worth more than its maker.
    #[error("a token of the role {wanted} is more than yours, which is {has}")]
    Role {
        /// What was asked for.
        wanted: Role,
        /// What the maker has.
        has: Role,
    },
    /// It would have a scope that its maker lacks.
    #[error("a token cannot have scopes that yours lacks; yours are {has}")]
    Scopes {
        /// What the maker has.
        has: String,
    },
    /// It would live too long.
    #[error("a token lives for {longest} at the longest")]
    Lifetime {
        /// How long it may live.
        longest: String,
    },
    /// There is no randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a token for `caller`.
pub async fn mint(
    store: &Store,
    caller: &Caller,
    wish: Wish,
    settings: TokenSettings,
    teams: &Teams,
    now: Timestamp,
) -> Result<Minted, NotMinted> {
    let text = format!("{PREFIX}{}", random_text::<32>()?);
    let id = format!("t{}", hex(&Sha256::digest(random_text::<16>()?.as_bytes())).get(..12).unwrap_or_default());
    let (grant, expires_at) = granted(caller, wish, settings, teams, now)?;
    let (created_by, created_at, expires_at) = (caller.name.clone(), now, Some(expires_at));
    let record = TokenRecord {
        id: id.clone(),
        grant: grant.clone(),
        created_by: created_by.clone(),
        created_at,
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    store.tokens().create(&NewToken { id, hash: hash(&text), grant, created_by, created_at, expires_at }).await?;
    Ok(Minted { text, record })
}

/// What the token grants and when it ends, or why it must not.
fn granted(
    caller: &Caller,
    wish: Wish,
    settings: TokenSettings,
    teams: &Teams,
    now: Timestamp,
) -> Result<(TokenGrant, Timestamp), NotMinted> {
    let role = wish.role.unwrap_or(caller.role);
    if role > caller.role {
        return Err(NotMinted::Role { wanted: role, has: caller.role });
    }
    let scopes = wish.scopes.unwrap_or_else(|| caller.scopes.clone());
    if !caller.scopes.include(&scopes) {
        return Err(NotMinted::Scopes { has: caller.scopes.names().join(", ") });
    }
    let lifetime = wish.lifetime.unwrap_or(settings.default_lifetime);
    if lifetime > settings.max_lifetime {
        return Err(NotMinted::Lifetime { longest: format!("{}h", settings.max_lifetime.as_secs() / 3600) });
    }
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
    let mut expires_at = now.saturating_add(lifetime).unwrap_or(now);
    // A token must not live on in tokens that it made.
    if matches!(caller.through, Through::OwnToken(_)) {
        expires_at = caller.expires_at.map_or(expires_at, |end| end.min(expires_at));
    }
    let own_reach = (!caller.reaches_everyone()).then(|| OWN_REACH.to_owned());
    let scopes = match scopes {
        Scopes::All => Vec::new(),
        Scopes::Only(only) => only.iter().map(ToString::to_string).collect(),
    };
    let leads = |team: &&TeamName| {
        role < Role::TeamAdmin || teams.get(*team).is_some_and(|people| people.iter().all(|user| caller.reaches(user)))
    };
    let grant = TokenGrant {
        subject: caller.subject.clone(),
        name: wish.name,
        role: role.to_string(),
        user: caller.user.as_ref().map(ToString::to_string),
        teams: caller.teams.iter().filter(leads).map(ToString::to_string).collect(),
        scopes: scopes.into_iter().chain(own_reach).collect(),
    };
    Ok((grant, expires_at))
}

/// Callers by tokens that are made here.
pub struct OwnTokens {
    store: Store,
    teams: Arc<Teams>,
    clock: Clock,
}

impl OwnTokens {
    /// Those that `store` keeps.
    pub fn new(store: Store, teams: Arc<Teams>, clock: Clock) -> Self {
        Self { store, teams, clock }
    }

    async fn find(&self, token: &str, now: Timestamp) -> Result<Caller, Refused> {
        let found = self.store.tokens().by_hash(&hash(token)).await.map_err(|error| {
            tracing::warn!(%error, "a token cannot be looked up");
            Refused::Undecided("the store of the tokens does not answer; try again in a moment".to_owned())
        })?;
        let unknown = |said: &str| Refused::Unknown(said.to_owned());
        let record = found.ok_or_else(|| unknown("there is no such token; it may have been revoked long ago"))?;
        if let Some(at) = record.revoked_at {
            return Err(Refused::Unknown(format!("the token {} was revoked at {at}", record.id)));
        }
        if let Some(at) = record.expires_at.filter(|at| *at <= now) {
            return Err(Refused::Unknown(format!("the token {} has expired at {at}", record.id)));
        }
        let caller = caller_of(&record, &self.teams)
            .ok_or_else(|| unknown("the token was kept by another version of Doorstep, and cannot be read"))?;
        if record.last_used_at.is_none_or(|last| now.duration_since(last) >= NOTED_EVERY)
            && let Err(error) = self.store.tokens().used(&record.id, now).await
        {
            tracing::warn!(%error, token = record.id, "the use of a token cannot be noted");
        }
        Ok(caller)
    }
}

impl Source for OwnTokens {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Result<Caller, Refused>>> {
        Box::pin(async move {
            if !token.starts_with(PREFIX) {
                return None;
            }
            Some(self.find(token, self.clock.now()).await)
        })
    }
}

/// Who calls with the token of `record`. `None` where it holds a word that this version does not know: that must not
/// become more than it was.
fn caller_of(record: &TokenRecord, teams: &Teams) -> Option<Caller> {
    let grant = &record.grant;
    let role: Role = grant.role.parse().ok()?;
    let own_reach = grant.scopes.iter().any(|scope| scope == OWN_REACH);
    let scopes = grant.scopes.iter().filter(|scope| *scope != OWN_REACH).map(|scope| scope.parse::<Scope>());
    let scopes = Scopes::of(scopes.collect::<Result<Vec<_>, _>>().ok()?);
    let user = grant.user.as_ref().map(|user| user.parse()).transpose().ok()?;
    let own: Vec<TeamName> = grant.teams.iter().map(|team| team.parse()).collect::<Result<_, _>>().ok()?;
    let reach = match role {
        Role::Viewer | Role::Admin if !own_reach => Reach::Everyone,
        Role::Viewer | Role::User | Role::Admin => Reach::people(user.clone()),
        Role::TeamAdmin => {
            let people = own.iter().filter_map(|team| teams.get(team)).flatten().cloned();
            Reach::people(people.chain(user.clone()))
        }
    };
    Some(Caller {
        subject: grant.subject.clone(),
        name: record.created_by.clone(),
        user,
        role,
        teams: own,
        scopes,
        through: Through::OwnToken(record.id.as_str().into()),
        reach,
        expires_at: record.expires_at,
    })
}

/// The hash under which a token is kept. Tokens have 256 random bits, so a fast one is enough.
fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn teams() -> Teams {
        Teams::from([("web".parse().unwrap(), ["haimaz".parse().unwrap()].into())])
    }

    fn user() -> Caller {
        Caller {
            subject: "issuer/test/1".to_owned(),
            role: Role::User,
            user: Some("haimaz".parse().unwrap()),
            reach: Reach::people(["haimaz".parse().unwrap()]),
            ..Caller::local()
        }
    }

    fn wish() -> Wish {
        Wish { name: "ci".to_owned(), role: None, scopes: None, lifetime: None }
    }

    fn try_mint(caller: &Caller, wish: Wish) -> Result<Caller, String> {
        let made = granted(caller, wish, TokenSettings::default(), &teams(), now()).map_err(|error| error.to_string());
        let (grant, expires_at) = made?;
        let record = TokenRecord {
            id: "t1".to_owned(),
            grant,
            created_by: caller.name.clone(),
            created_at: now(),
            expires_at: Some(expires_at),
            last_used_at: None,
            revoked_at: None,
        };
        Ok(caller_of(&record, &teams()).unwrap())
    }

    #[test]
    fn a_token_is_never_worth_more_than_its_maker() {
        let said = try_mint(&user(), Wish { role: Some(Role::Admin), ..wish() }).unwrap_err();
        assert_eq!(said, "a token of the role admin is more than yours, which is user");
        let reader = Caller { scopes: Scopes::of([Scope::Read, Scope::Tokens]), ..user() };
        let said = try_mint(&reader, Wish { scopes: Some(Scopes::All), ..wish() }).unwrap_err();
        assert_eq!(said, "a token cannot have scopes that yours lacks; yours are read, tokens");
        assert_eq!(try_mint(&reader, wish()).unwrap().scopes, reader.scopes, "what is not said is the maker's");
        let long = Some(Duration::from_secs(366 * 86_400));
        assert!(try_mint(&user(), Wish { lifetime: long, ..wish() }).unwrap_err().contains("8760h"));
    }

    #[test]
    fn a_viewers_token_of_a_user_sees_the_users_environments_alone() {
        let viewer = try_mint(&user(), Wish { role: Some(Role::Viewer), ..wish() }).unwrap();
        assert!(viewer.reaches(&"haimaz".parse().unwrap()) && !viewer.reaches(&"mallory".parse().unwrap()));
        let local = try_mint(&Caller::local(), Wish { role: Some(Role::Viewer), ..wish() }).unwrap();
        assert!(local.reaches_everyone());
    }

    #[test]
    fn a_token_does_not_live_on_in_tokens_that_it_made() {
        let end = now().saturating_add(SignedDuration::from_hours(1)).unwrap();
        let through = Through::OwnToken("t0".into());
        let made = try_mint(&Caller { through, expires_at: Some(end), ..user() }, wish()).unwrap();
        assert_eq!(made.expires_at, Some(end));
    }

    #[test]
    fn a_team_that_somebody_belongs_to_is_not_one_that_somebody_leads() {
        let member = Caller {
            role: Role::TeamAdmin,
            teams: vec!["web".parse().unwrap()],
            reach: Reach::people(["tara".parse().unwrap()]),
            user: Some("tara".parse().unwrap()),
            ..Caller::local()
        };
        assert!(!try_mint(&member, wish()).unwrap().reaches(&"haimaz".parse().unwrap()));
        let reach = Reach::people(["tara".parse().unwrap(), "haimaz".parse().unwrap()]);
        assert!(try_mint(&Caller { reach, ..member }, wish()).unwrap().reaches(&"haimaz".parse().unwrap()));
    }
}
