//! The processes that use a store: each says that it lives, so that what a dead one began is taken over.

use super::sql::{Database, Mode, Pool, Transaction, values};
use super::{Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a process says that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// A process that said nothing for so long is dead. The time is the database's own.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(30);

/// A name that no other process has.
pub(super) fn new_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// Notes this process. Whoever opened a file before is dead, for a file has one user at a time.
pub(super) async fn register(database: &Database, id: &str) -> Result<(), StoreError> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut transaction = database.begin(Mode::Write).await?;
    let now = server_now(database, &mut transaction).await?;
    let dead = match database.pool {
        Pool::Sqlite(_) => i64::MAX,
        Pool::Postgres(_) => now.saturating_sub(millis(DEAD_AFTER)),
    };
    transaction.execute("DELETE FROM instances WHERE seen < $1", values![dead]).await?;
    transaction
        .execute("INSERT INTO instances (id, name, seen) VALUES ($1, $2, $3)", values![id, host.trim(), now])
        .await?;
    transaction.commit().await
}

/// The earliest time at which a process that lives was seen, by the database's clock.
pub(super) async fn alive_since(database: &Database, transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    Ok(server_now(database, transaction).await?.saturating_sub(millis(DEAD_AFTER)))
}

async fn server_now(database: &Database, transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    let sql = match database.pool {
        Pool::Sqlite(_) => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        Pool::Postgres(_) => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    };
    let rows = transaction.rows(sql, values![]).await?;
    let now = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.int(0));
    now.map_err(|error| database.error(&error))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// The name of this process in the store.
    pub fn instance(&self) -> &str {
        &self.inner.instance
    }

    /// Says again and again that this process lives, until `end`; then that it does not.
    pub async fn keep_alive(self, end: CancellationToken) {
        loop {
            tokio::select! {
                () = end.cancelled() => break,
                () = tokio::time::sleep(BEAT) => {}
            }
            if let Err(error) = self.beat().await {
                tracing::warn!(%error, "the store was not told that this process lives");
            }
        }
        let gone = self.inner.database.execute("DELETE FROM instances WHERE id = $1", values![self.instance()]).await;
        if let Err(error) = gone {
            tracing::debug!(%error, "the store was not told that this process ends");
        }
    }

    async fn beat(&self) -> Result<(), StoreError> {
        let database = &self.inner.database;
        let mut transaction = database.begin(Mode::Write).await?;
        let now = server_now(database, &mut transaction).await?;
        // It may have been taken for dead while the store was away.
        transaction
            .execute(
                "INSERT INTO instances (id, name, seen) VALUES ($1, '', $2)
                 ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
                values![self.instance(), now],
            )
            .await?;
        transaction.commit().await
    }
}
