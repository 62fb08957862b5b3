//! The file behind the store: every object as one row, and the last resource version that was given out.

use super::super::EmbeddedError;
use super::ObjectKey;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schema that this program writes (`PRAGMA user_version`).
const SCHEMA_VERSION: i64 = 1;

const CREATE: &str = "
    CREATE TABLE objects (
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
        revision INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (resource, namespace, name)
    ) WITHOUT ROWID;
    CREATE TABLE revision (only INTEGER PRIMARY KEY CHECK (only = 1), last INTEGER NOT NULL);
    INSERT INTO revision (only, last) VALUES (1, 1);
    PRAGMA user_version = 1;";

/// One row as it stands or is to stand.
pub(super) struct Record {
    pub(super) resource: String,
    pub(super) key: ObjectKey,
    pub(super) revision: u64,
    /// `None` takes the row away.
    pub(super) body: Option<String>,
}

/// All that was kept.
pub(super) struct Kept {
    pub(super) revision: u64,
    pub(super) objects: Vec<(String, ObjectKey, u64, Value)>,
}

pub(super) struct Database {
    connection: SqliteConnection,
}

impl Database {
    /// Opens the file, makes it where there is none, and checks that it is whole and of a schema that we know.
    pub(super) async fn open(path: &Path) -> Result<Self, EmbeddedError> {
        private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What the kernel has taken survives the end of this process; that is what a write promises.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(2))
            .disable_statement_logging();
        let failed = |error: sqlx::Error| opening(path, &error);
        let mut connection = options.connect().await.map_err(failed)?;
        let checked: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await.map_err(failed)?;
        if checked != "ok" {
            return Err(EmbeddedError::Damaged { path: path.to_owned(), why: checked });
        }
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.map_err(failed)?;
        match version {
            0 => {
                sqlx::raw_sql(CREATE).execute(&mut connection).await.map_err(failed)?;
            }
            SCHEMA_VERSION => {}
            newer => {
                return Err(EmbeddedError::Newer { path: path.to_owned(), found: newer, known: SCHEMA_VERSION });
            }
        }
        Ok(Self { connection })
    }

    /// Reads everything.
    pub(super) async fn load(&mut self, path: &Path) -> Result<Kept, EmbeddedError> {
        let failed = |error: sqlx::Error| opening(path, &error);
        let revision: i64 = sqlx::query_scalar("SELECT last FROM revision WHERE only = 1")
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed)?;
        let rows = sqlx::query("SELECT resource, namespace, name, revision, body FROM objects")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed)?;
        let mut objects = Vec::with_capacity(rows.len());
        for row in rows {
            let body: String = row.try_get(4).map_err(failed)?;
            let value = serde_json::from_str(&body)
                .map_err(|error| EmbeddedError::Damaged { path: path.to_owned(), why: error.to_string() })?;
            let key = ObjectKey { namespace: row.try_get(1).map_err(failed)?, name: row.try_get(2).map_err(failed)? };
            let revision = u64::try_from(row.try_get::<i64, _>(3).map_err(failed)?).unwrap_or_default();
            objects.push((row.try_get(0).map_err(failed)?, key, revision, value));
        }
        Ok(Kept { revision: u64::try_from(revision).unwrap_or_default(), objects })
    }

    /// Writes all records or none, and returns when the kernel has them.
    pub(super) async fn write(&mut self, records: &[Record], revision: u64) -> Result<(), sqlx::Error> {
        let written = self.write_in_transaction(records, revision).await;
        if written.is_err() {
            // SQLite itself has rolled back after some errors (a full disk is one), and then there is nothing to do. sqlx's
            // own transactions do not know that and would take every later one for a nested one.
            let _nothing_open = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
        }
        written
    }

    async fn write_in_transaction(&mut self, records: &[Record], revision: u64) -> Result<(), sqlx::Error> {
        let signed = |revision: u64| i64::try_from(revision).unwrap_or(i64::MAX);
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        for record in records {
            match &record.body {
                Some(body) => {
                    sqlx::query(
                        "INSERT INTO objects (resource, namespace, name, revision, body) VALUES (?, ?, ?, ?, ?)
                         ON CONFLICT (resource, namespace, name)
                         DO UPDATE SET revision = excluded.revision, body = excluded.body",
                    )
                    .bind(&record.resource)
                    .bind(&record.key.namespace)
                    .bind(&record.key.name)
                    .bind(signed(record.revision))
                    .bind(body)
                    .execute(&mut self.connection)
                    .await?
                }
                None => {
                    sqlx::query("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?")
                        .bind(&record.resource)
                        .bind(&record.key.namespace)
                        .bind(&record.key.name)
                        .execute(&mut self.connection)
                        .await?
                }
            };
        }
        sqlx::query("UPDATE revision SET last = ?").bind(signed(revision)).execute(&mut self.connection).await?;
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await.map(drop)
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the cluster's database did not close cleanly");
        }
    }
}

/// Makes the file readable by its owner alone, for it holds Secrets; SQLite gives its neighbours the same mode.
fn private(path: &Path) -> Result<(), EmbeddedError> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => EmbeddedError::DiskFull { path: path.to_owned() },
        _ => EmbeddedError::NotWritable { path: path.to_owned(), why: error.to_string() },
    })
}

/// SQLite's primary result codes that mean something to a person (<https://www.sqlite.org/rescode.html>).
const READ_ONLY: i64 = 8;
const CORRUPT: i64 = 11;
const FULL: i64 = 13;
const CANNOT_OPEN: i64 = 14;
const NOT_A_DATABASE: i64 = 26;

fn code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i64>().ok().map(|extended| extended & 0xff)
}

fn opening(path: &Path, error: &sqlx::Error) -> EmbeddedError {
    let path: PathBuf = path.to_owned();
    let why = error.to_string();
    match code(error) {
        Some(CORRUPT | NOT_A_DATABASE) => EmbeddedError::Damaged { path, why },
        Some(READ_ONLY | CANNOT_OPEN) => EmbeddedError::NotWritable { path, why },
        Some(FULL) => EmbeddedError::DiskFull { path },
        _ => EmbeddedError::Database { path, why },
    }
}

/// Why a write was not taken, as a sentence for the one who asked.
pub(super) fn refused(path: &Path, error: &sqlx::Error) -> String {
    let path = path.display();
    match code(error) {
        Some(FULL) => format!("nothing was changed: the disk that holds {path} is full; free some space and try again"),
        Some(READ_ONLY) => format!("nothing was changed: {path} cannot be written; check the folder's permissions"),
        Some(CORRUPT | NOT_A_DATABASE) => format!("nothing was changed: {path} is damaged ({error})"),
        _ => format!("nothing was changed: {path} did not take the write: {error}"),
    }
}
