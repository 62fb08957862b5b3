//! What Doorstep remembers beside the cluster: the audit, tokens, keys of idempotent calls, webhooks, and what was used.
//!
//! SQLite in the data folder, or PostgreSQL by URL for several managers; one type for both, and one text for each statement.
//! Nothing outside of this room sees SQL. What a method returned as done survives the end of the process and a power cut.

mod audit;
mod backup;
mod error;
mod idempotency;
mod instance;
mod migrate;
mod open;
mod sql;
mod tokens;
mod url;
mod usage;
mod webhooks;

pub use audit::{
    Audit, Begun, Call, ChainPlace, Ended, Fault, Filter, InvalidChainPlace, Order, Outcome, Record, Step, Target,
    Verdict, Who, mask,
};
pub use backup::{BackupInfo, Checked};
pub use error::StoreError;
pub use idempotency::{Answer, Claim, Claimed, Idempotency, KeyedCall};
pub use tokens::{NewToken, TokenFilter, TokenGrant, TokenOrder, TokenPlace, TokenRecord, TokenState, Tokens};
pub use url::{STORE_FILE, StoreUrl};
pub use usage::{Measured, Usage, UsageFilter, UsageRow};
pub use webhooks::{Delivery, DeliveryState, Due, Outcoming, Webhook, Webhooks};

use nix::fcntl::Flock;
use sql::Database;
use std::fs::File;
use std::sync::Arc;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    instance: String,
    shared: bool,
    _lock: Option<Flock<File>>,
}

impl Store {
    /// What was done by whom.
    pub fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    /// The tokens of our own.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(&self.inner.database)
    }

    /// The keys of idempotent calls.
    pub fn idempotency(&self) -> Idempotency<'_> {
        Idempotency(self)
    }

    /// Webhooks and what they are to be told.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks(self)
    }

    /// What environments used.
    pub fn usage(&self) -> Usage<'_> {
        Usage(&self.inner.database)
    }

    /// Where it is, without a password.
    pub fn place(&self) -> &str {
        &self.inner.database.place
    }

    /// Whether several managers may share it.
    pub fn is_shared(&self) -> bool {
        self.inner.shared
    }

    /// Ends all connections, for whoever hands the file on to somebody else.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.inner.database.rows("SELECT 1", &[]).await.map(drop)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.place())
    }
}

/// Bytes as text.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A list of words as it is kept.
fn list_text(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}

fn list_of(text: &str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A name of 128 bits by chance, for what is numbered by nobody.
fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[cfg(test)]
mod tests;
