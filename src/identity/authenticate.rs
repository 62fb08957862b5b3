//! From what a request presents to who calls.

use super::{Caller, Certificates};
use futures::future::BoxFuture;
use std::fmt;

/// The most bytes of a bearer token. Tokens with hundreds of groups have about 8 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why nobody is known by what was presented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing, or a token that is not right. The sentence tells the caller; it never holds any of the token.
    #[error("{0}")]
    Unknown(String),
    /// Somebody is known, who has no role here.
    #[error("{0}")]
    NoRole(String),
    /// It cannot be decided now: what decides is away. Nobody is let in meanwhile.
    #[error("{0}")]
    Undecided(String),
}

/// What knows callers by one kind of bearer token.
pub trait Source: Send + Sync {
    /// Who presents `token`; `None` when tokens of that form are not this source's.
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Result<Caller, Refused>>>;
}

/// All sources, asked in their order: the first to recognise the form of a token decides.
#[derive(Default)]
pub struct Identity {
    sources: Vec<Box<dyn Source>>,
    certificates: Option<Certificates>,
}

impl Identity {
    /// Callers that are known by these.
    pub fn new(sources: Vec<Box<dyn Source>>, certificates: Option<Certificates>) -> Self {
        Self { sources, certificates }
    }

    /// Who has the client certificate `der`; `None` where nobody is known by one.
    pub fn by_certificate(&self, der: &[u8]) -> Option<Result<Caller, Refused>> {
        self.certificates.as_ref().map(|known| known.caller(der))
    }

    /// Who presents `token`.
    pub async fn caller(&self, token: &str) -> Result<Caller, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::Unknown(format!("the token has more than {MAX_TOKEN_BYTES} bytes")));
        }
        for source in &self.sources {
            if let Some(decided) = source.caller(token).await {
                return decided;
            }
        }
        Err(Refused::Unknown("the token is wrong: it is neither that of the data folder, nor one that was made here, nor one of a known issuer".to_owned()))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("sources", &self.sources.len()).finish()
    }
}
