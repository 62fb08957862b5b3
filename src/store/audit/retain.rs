//! Retention: the oldest records go when their time is over, and a record stays that says up to where and what the hash was.

use super::{Audit, ChainPlace};
use crate::store::StoreError;
use crate::store::sql::{Mode, values};
use jiff::Timestamp;

/// How many records go at once: whoever wants to add one waits meanwhile.
const AT_ONCE: i64 = 10_000;

impl Audit<'_> {
    /// Takes away the oldest records, as far as all of them are older than `before` and no call among them is still open. Tells how
    /// many went; there may be more, until none went.
    pub async fn retain(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let database = &self.0.inner.database;
        let wrong = |error: sqlx::Error| database.error(&error);
        let mut transaction = database.begin(Mode::Write).await?;
        transaction.without_hurry().await?;
        // Nobody else adds or removes while this decides.
        transaction.execute("UPDATE audit_head SET seq = seq", values![]).await?;
        // Clocks of several managers differ, so a younger record may stand before an older one: the first of them ends it.
        let rows = transaction
            .rows(
                "SELECT MAX(seq) FROM audit WHERE seq < COALESCE((SELECT MIN(seq) FROM audit WHERE at >= $1), 9223372036854775807)
                 AND seq < COALESCE((SELECT MIN(seq) FROM audit_open), 9223372036854775807)
                 AND seq < (SELECT MIN(seq) FROM audit) + $2",
                values![before, AT_ONCE],
            )
            .await?;
        let Some(last) = rows.first().map(|row| row.opt_int(0)).transpose().map_err(wrong)?.flatten() else {
            transaction.commit().await?;
            return Ok(0);
        };
        let rows = transaction.rows("SELECT hash FROM audit WHERE seq = $1", values![last]).await?;
        let hash = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.text(0)).map_err(wrong)?;
        self.append(&mut transaction, self.retained(now, ChainPlace { seq: last, hash })).await?;
        let removed = transaction.execute("DELETE FROM audit WHERE seq <= $1", values![last]).await?;
        transaction.commit().await?;
        Ok(removed)
    }
}
