//! One way to speak to both databases: whole numbers and texts, parameters by number, rows as values.
//!
//! Every statement of this room is one text for both, so that what is tested on one is what runs on the other.

use super::StoreError;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Column as _, PgPool, Postgres, Row as _, Sqlite, SqlitePool, TypeInfo as _, ValueRef as _};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long somebody waits for the turn to write to a file.
const TURN: Duration = Duration::from_secs(20);

/// A value of a column or of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(Some(value.as_millisecond()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Int(value.map(Timestamp::as_millisecond))
    }
}

/// The parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::Value::from($value)),*][..] };
}
pub(super) use values;

/// One row. Columns are taken by their place.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<Value>);

impl Row {
    fn wrong(at: usize, wanted: &str) -> sqlx::Error {
        sqlx::Error::Decode(format!("column {at} is no {wanted}").into())
    }

    pub(super) fn int(&self, at: usize) -> Result<i64, sqlx::Error> {
        self.opt_int(at)?.ok_or_else(|| Self::wrong(at, "number"))
    }

    pub(super) fn opt_int(&self, at: usize) -> Result<Option<i64>, sqlx::Error> {
        match self.0.get(at) {
            Some(Value::Int(value)) => Ok(*value),
            Some(Value::Text(None)) => Ok(None),
            Some(Value::Text(Some(_))) | None => Err(Self::wrong(at, "number")),
        }
    }

    pub(super) fn text(&self, at: usize) -> Result<String, sqlx::Error> {
        self.opt_text(at)?.ok_or_else(|| Self::wrong(at, "text"))
    }

    pub(super) fn opt_text(&self, at: usize) -> Result<Option<String>, sqlx::Error> {
        match self.0.get(at) {
            Some(Value::Text(value)) => Ok(value.clone()),
            Some(Value::Int(None)) => Ok(None),
            Some(Value::Int(Some(_))) | None => Err(Self::wrong(at, "text")),
        }
    }

    pub(super) fn time(&self, at: usize) -> Result<Timestamp, sqlx::Error> {
        self.opt_time(at)?.ok_or_else(|| Self::wrong(at, "time"))
    }

    pub(super) fn opt_time(&self, at: usize) -> Result<Option<Timestamp>, sqlx::Error> {
        let Some(millis) = self.opt_int(at)? else { return Ok(None) };
        Timestamp::from_millisecond(millis).map(Some).map_err(|_| Self::wrong(at, "time"))
    }
}

#[derive(Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A database with the name under which people know it.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) pool: Pool,
    pub(super) place: String,
    /// The file and its number, where it is one: a file that was removed would take writes that nobody finds again.
    pub(super) file: Option<(PathBuf, u64)>,
    /// Whose turn it is to write to a file: SQLite lets one write at a time, and would have the others ask again and again.
    pub(super) turn: Option<Arc<Mutex<()>>>,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Several reads that see one moment.
    Read,
    /// Writes: SQLite's lock is taken at once, as a later change from reading to writing may fail.
    Write,
}

impl Database {
    pub(super) fn error(&self, error: &sqlx::Error) -> StoreError {
        StoreError::of(&self.place, error)
    }

    /// Begins a transaction. One that is dropped without [`Transaction::commit`] never happened.
    pub(super) async fn begin(&self, mode: Mode) -> Result<Transaction<'_>, StoreError> {
        self.check_file()?;
        let turn = match &self.turn {
            Some(turn) if mode == Mode::Write => {
                let mine = tokio::time::timeout(TURN, turn.clone().lock_owned()).await;
                Some(mine.map_err(|_| StoreError::Locked { place: self.place.clone() })?)
            }
            Some(_) | None => None,
        };
        let connection = match &self.pool {
            Pool::Sqlite(pool) => Connection::Sqlite(pool.acquire().await.map_err(|error| self.error(&error))?),
            Pool::Postgres(pool) => Connection::Postgres(pool.acquire().await.map_err(|error| self.error(&error))?),
        };
        let mut transaction = Transaction { connection, database: self, committed: false, _turn: turn };
        let begin = match (&transaction.connection, mode) {
            (Connection::Sqlite(_), Mode::Write) => "BEGIN IMMEDIATE",
            (Connection::Sqlite(_), Mode::Read) => "BEGIN",
            (Connection::Postgres(_), Mode::Write) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            (Connection::Postgres(_), Mode::Read) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        transaction.script(Cow::Borrowed(begin)).await?;
        Ok(transaction)
    }

    /// Reads rows outside of a transaction.
    pub(super) async fn rows(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into();
        let rows = match &self.pool {
            Pool::Sqlite(pool) => {
                let mut connection = pool.acquire().await.map_err(|error| self.error(&error))?;
                sqlite_rows(&mut connection, sql, values).await
            }
            Pool::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(|error| self.error(&error))?;
                postgres_rows(&mut connection, sql, values).await
            }
        };
        rows.map_err(|error| self.error(&error))
    }

    /// Runs one statement as a transaction of its own; tells how many rows it touched.
    pub(super) async fn execute(&self, sql: impl Into<Cow<'static, str>>, values: &[Value]) -> Result<u64, StoreError> {
        let mut transaction = self.begin(Mode::Write).await?;
        let touched = transaction.execute(sql, values).await?;
        transaction.commit().await?;
        Ok(touched)
    }

    /// Ends all connections.
    pub(super) async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// Whether the file is still the one that was opened.
    fn check_file(&self) -> Result<(), StoreError> {
        use std::os::unix::fs::MetadataExt as _;
        let Some((path, inode)) = &self.file else { return Ok(()) };
        let gone = |why: &str| StoreError::Unavailable { place: self.place.clone(), why: why.to_owned() };
        match std::fs::metadata(path) {
            Ok(found) if found.ino() == *inode => Ok(()),
            Ok(_) => Err(gone("the file was replaced by another one; restart the manager to use that one")),
            Err(error) => Err(gone(&error.to_string())),
        }
    }
}

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A transaction. Its connection is closed when it is dropped without [`Self::commit`]: whatever a caller that was
/// dropped halfway left open, the database takes back.
pub(super) struct Transaction<'a> {
    connection: Connection,
    database: &'a Database,
    committed: bool,
    // Given back last, when the fields above are dropped.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Transaction<'_> {
    pub(super) async fn rows(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let rows = match &mut self.connection {
            Connection::Sqlite(connection) => sqlite_rows(connection, sql.into(), values).await,
            Connection::Postgres(connection) => postgres_rows(connection, sql.into(), values).await,
        };
        rows.map_err(|error| self.database.error(&error))
    }

    pub(super) async fn execute(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value],
    ) -> Result<u64, StoreError> {
        let touched = match &mut self.connection {
            Connection::Sqlite(connection) => {
                sqlite_query(sql.into(), values).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            Connection::Postgres(connection) => {
                postgres_query(sql.into(), values).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
        };
        touched.map_err(|error| self.database.error(&error))
    }

    /// Hands over each row as it comes, for what is too much to be held.
    pub(super) async fn each(
        &mut self,
        sql: String,
        mut each: impl FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(sql);
        match &mut self.connection {
            Connection::Sqlite(connection) => {
                let mut rows = sqlx::query(sql).fetch(&mut **connection);
                while let Some(row) = rows.try_next().await.map_err(|error| self.database.error(&error))? {
                    each(of_sqlite(&row).map_err(|error| self.database.error(&error))?)?;
                }
            }
            Connection::Postgres(connection) => {
                let mut rows = sqlx::query(sql).fetch(&mut **connection);
                while let Some(row) = rows.try_next().await.map_err(|error| self.database.error(&error))? {
                    each(of_postgres(&row).map_err(|error| self.database.error(&error))?)?;
                }
            }
        }
        Ok(())
    }

    /// Lets each statement take as long as it needs, for work on all there is.
    pub(super) async fn without_hurry(&mut self) -> Result<(), StoreError> {
        match self.connection {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(_) => self.script(Cow::Borrowed("SET LOCAL statement_timeout = 0")).await,
        }
    }

    /// Runs statements that have no parameters.
    pub(super) async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), StoreError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = match &mut self.connection {
            Connection::Sqlite(connection) => sql.execute(&mut **connection).await.map(drop),
            Connection::Postgres(connection) => sql.execute(&mut **connection).await.map(drop),
        };
        done.map_err(|error| self.database.error(&error))
    }

    /// Makes it happen.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.script(Cow::Borrowed("COMMIT")).await?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.close_on_drop(),
            Connection::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

type SqliteQuery<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;
type PostgresQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

// Every text comes from this room: nothing from outside is ever part of one, only its parameters.
fn sqlite_query<'q>(sql: Cow<'static, str>, values: &[Value]) -> SqliteQuery<'q> {
    values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Int(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
    })
}

fn postgres_query<'q>(sql: Cow<'static, str>, values: &[Value]) -> PostgresQuery<'q> {
    values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Int(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
    })
}

async fn sqlite_rows(
    connection: &mut PoolConnection<Sqlite>,
    sql: Cow<'static, str>,
    values: &[Value],
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = sqlite_query(sql, values).fetch_all(&mut **connection).await?;
    rows.iter().map(of_sqlite).collect()
}

async fn postgres_rows(
    connection: &mut PoolConnection<Postgres>,
    sql: Cow<'static, str>,
    values: &[Value],
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = postgres_query(sql, values).fetch_all(&mut **connection).await?;
    rows.iter().map(of_postgres).collect()
}

fn of_sqlite(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let value = |at| {
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info();
        match kind.name() {
            _ if raw.is_null() => Ok(Value::Text(None)),
            "INTEGER" => row.try_get(at).map(Value::Int),
            _ => row.try_get(at).map(Value::Text),
        }
    };
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Row)
}

fn of_postgres(row: &PgRow) -> Result<Row, sqlx::Error> {
    let value = |at: usize| match row.try_column(at)?.type_info().name() {
        "INT8" => row.try_get(at).map(Value::Int),
        "INT4" => row.try_get::<Option<i32>, _>(at).map(|value| Value::Int(value.map(i64::from))),
        _ => row.try_get(at).map(Value::Text),
    };
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Row)
}
