//! Keys of idempotent calls: who comes first does it, who comes again gets the same answer.

use super::sql::{Mode, values};
use super::{Store, StoreError, instance, new_id};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The keys of a store.
pub struct Idempotency<'a>(pub(super) &'a Store);

/// A call with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedCall {
    /// Who calls: keys of different callers have nothing to do with each other.
    pub caller: String,
    /// The key.
    pub key: String,
    /// A digest of method, path and body.
    pub fingerprint: String,
    /// When.
    pub at: Timestamp,
    /// Until when the answer is kept.
    pub expires_at: Timestamp,
}

/// The right to do a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    caller: String,
    key: String,
    id: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields that belong to it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What is to be done with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is the first, or the first one's process is dead: do it, then [`Idempotency::finish`] or [`Idempotency::release`].
    Mine(Claim),
    /// The first one is still at work.
    Running,
    /// The key was used for another call.
    Other,
    /// It was done.
    Done(Answer),
}

impl Idempotency<'_> {
    /// Asks for the right to do a call.
    pub async fn claim(&self, call: &KeyedCall) -> Result<Claimed, StoreError> {
        let database = &self.0.inner.database;
        let wrong = |error: sqlx::Error| database.error(&error);
        let claim = Claim { caller: call.caller.clone(), key: call.key.clone(), id: new_id() };
        let mut transaction = database.begin(Mode::Write).await?;
        transaction
            .execute(
                "DELETE FROM idempotency WHERE caller = $1 AND name = $2 AND expires_at <= $3",
                values![&call.caller, &call.key, call.at],
            )
            .await?;
        let made = transaction
            .execute(
                "INSERT INTO idempotency (caller, name, fingerprint, claim, instance, claimed_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, name) DO NOTHING",
                values![
                    &call.caller,
                    &call.key,
                    &call.fingerprint,
                    &claim.id,
                    self.0.instance(),
                    call.at,
                    call.expires_at
                ],
            )
            .await?;
        if made == 1 {
            transaction.commit().await?;
            return Ok(Claimed::Mine(claim));
        }
        let alive = instance::alive_since(database, &mut transaction).await?;
        let rows = transaction
            .rows(
                "SELECT fingerprint, claim, answer,
                     (SELECT COUNT(*) FROM instances WHERE instances.id = idempotency.instance AND instances.seen >= $3)
                 FROM idempotency WHERE caller = $1 AND name = $2",
                values![&call.caller, &call.key, alive],
            )
            .await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound).map_err(wrong)?;
        let outcome = if row.text(0).map_err(wrong)? != call.fingerprint {
            Claimed::Other
        } else if let Some(answer) = row.opt_text(2).map_err(wrong)? {
            let answer = serde_json::from_str(&answer).map_err(|error| wrong(sqlx::Error::Decode(error.into())))?;
            Claimed::Done(answer)
        } else if row.int(3).map_err(wrong)? > 0 {
            Claimed::Running
        } else {
            let taken = transaction
                .execute(
                    "UPDATE idempotency SET claim = $3, instance = $4, claimed_at = $5
                     WHERE caller = $1 AND name = $2 AND claim = $6",
                    values![
                        &call.caller,
                        &call.key,
                        &claim.id,
                        self.0.instance(),
                        call.at,
                        row.text(1).map_err(wrong)?
                    ],
                )
                .await?;
            if taken == 1 { Claimed::Mine(claim) } else { Claimed::Running }
        };
        transaction.commit().await?;
        Ok(outcome)
    }

    /// Keeps the answer for whoever comes again. Tells whether the right was still held.
    pub async fn finish(&self, claim: &Claim, answer: &Answer) -> Result<bool, StoreError> {
        let text = serde_json::to_string(answer).unwrap_or_default();
        let sql = "UPDATE idempotency SET answer = $4 WHERE caller = $1 AND name = $2 AND claim = $3";
        let values = values![&claim.caller, &claim.key, &claim.id, text];
        Ok(self.0.inner.database.execute(sql, values).await? == 1)
    }

    /// Gives the right back: the call was not done, and whoever comes again does it.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        let sql = "DELETE FROM idempotency WHERE caller = $1 AND name = $2 AND claim = $3 AND answer IS NULL";
        self.0.inner.database.execute(sql, values![&claim.caller, &claim.key, &claim.id]).await.map(drop)
    }

    /// Forgets what has expired.
    pub async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.0.inner.database.execute("DELETE FROM idempotency WHERE expires_at <= $1", values![now]).await
    }
}
