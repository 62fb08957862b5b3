//! Opening: the file or the server, its schema, and the lock that keeps a second manager from a file.

use super::sql::{Database, Mode, Pool};
use super::url::Kind;
use super::{Store, StoreError, StoreUrl, instance, migrate};
use nix::fcntl::{Flock, FlockArg};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long somebody waits for a connection, or for another one's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections a manager holds at most.
const CONNECTIONS: u32 = 8;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// To work with: its schema is brought up to date, and a file is locked against other managers.
    Work,
    /// To look at: nothing is changed, and its manager may be at work.
    Look,
}

/// What a test may want to be otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// The most pages of a SQLite file.
    pub(super) pages: Option<u32>,
    /// How long somebody waits.
    pub(super) patience: Option<Duration>,
}

impl Store {
    /// Opens it to work with. A new one gets its schema; an older one is brought up to date; a newer one is refused.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        Self::open_with(url, Access::Work, Limits::default()).await
    }

    /// Opens it to look at, which its manager does not notice.
    pub async fn look(url: &StoreUrl) -> Result<Self, StoreError> {
        Self::open_with(url, Access::Look, Limits::default()).await
    }

    pub(super) async fn open_with(url: &StoreUrl, access: Access, limits: Limits) -> Result<Self, StoreError> {
        let place = url.to_string();
        let (database, lock) = connect(url, place, access, limits).await?;
        let newest = migrate::newest();
        match access {
            Access::Work => {
                let before = migrate::up_to(&database, newest).await?;
                if before != newest {
                    tracing::info!(
                        store = database.place,
                        before,
                        now = newest,
                        "the store's schema was brought up to date"
                    );
                }
            }
            Access::Look => {
                let mut transaction = database.begin(Mode::Read).await?;
                let found = migrate::found(&database, &mut transaction).await?;
                transaction.commit().await?;
                if found != newest {
                    return Err(StoreError::OlderSchema { place: database.place.clone(), found, known: newest });
                }
            }
        }
        let instance = instance::new_id();
        if access == Access::Work {
            instance::register(&database, &instance).await?;
        }
        Ok(Self { inner: Arc::new(super::Inner { database, instance, shared: url.is_shared(), _lock: lock }) })
    }
}

/// Connects, without a look at the schema.
pub(super) async fn connect(
    url: &StoreUrl,
    place: String,
    access: Access,
    limits: Limits,
) -> Result<(Database, Option<Flock<File>>), StoreError> {
    match &url.0 {
        Kind::Sqlite(path) => sqlite(path, place, access, limits).await,
        Kind::Postgres(options) => Ok((postgres(options, place, limits).await?, None)),
    }
}

async fn sqlite(
    path: &Path,
    place: String,
    access: Access,
    limits: Limits,
) -> Result<(Database, Option<Flock<File>>), StoreError> {
    let lock = match access {
        Access::Work => {
            private(path, &place)?;
            Some(lock(path, &place)?)
        }
        Access::Look if !path.exists() => {
            return Err(StoreError::Missing { place, why: "there is no such file".to_owned() });
        }
        Access::Look => None,
    };
    let patience = limits.patience.unwrap_or(PATIENCE);
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(patience)
        .disable_statement_logging();
    if let Some(pages) = limits.pages {
        options = options.pragma("max_page_count", pages.to_string());
    }
    let pool =
        SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(patience * 2).connect_lazy_with(options);
    let inode = std::fs::metadata(path).map(|found| found.ino()).unwrap_or_default();
    let database =
        Database { pool: Pool::Sqlite(pool), place, file: Some((path.to_owned(), inode)), turn: Some(Arc::default()) };
    check(&database).await?;
    Ok((database, lock))
}

/// A file that is damaged is told before anything relies on it.
async fn check(database: &Database) -> Result<(), StoreError> {
    let rows = database.rows("PRAGMA quick_check(1)", &[]).await?;
    let said = rows.first().and_then(|row| row.text(0).ok()).unwrap_or_default();
    if said == "ok" { Ok(()) } else { Err(StoreError::Corrupt { place: database.place.clone(), why: said }) }
}

async fn postgres(options: &PgConnectOptions, place: String, limits: Limits) -> Result<Database, StoreError> {
    let patience = limits.patience.unwrap_or(PATIENCE);
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let options = options
        .clone()
        .application_name("doorstep")
        .options([
            ("lock_timeout", millis(patience)),
            ("statement_timeout", millis(patience * 2)),
            ("idle_in_transaction_session_timeout", millis(patience * 6)),
        ])
        .disable_statement_logging();
    // One connection first: a pool only tells that there was none in time, and not why.
    let first = tokio::time::timeout(patience, options.connect()).await;
    match first {
        Ok(Ok(connection)) => drop(sqlx::Connection::close(connection).await),
        Ok(Err(error)) => return Err(StoreError::of(&place, &error)),
        Err(_) => {
            return Err(StoreError::Unavailable { place, why: "no connection could be had in time".to_owned() });
        }
    }
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(patience).connect_lazy_with(options);
    Ok(Database { pool: Pool::Postgres(pool), place, file: None, turn: None })
}

/// Makes the file readable by its owner alone, for it holds secrets of webhooks; SQLite gives its neighbours the same mode.
fn private(path: &Path, place: &str) -> Result<(), StoreError> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full { place: place.to_owned() },
        std::io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path).display();
            StoreError::Missing { place: place.to_owned(), why: format!("there is no folder {folder}; make it first") }
        }
        _ => StoreError::ReadOnly { place: place.to_owned(), why: error.to_string() },
    })
}

fn lock(path: &Path, place: &str) -> Result<Flock<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(PathBuf::from(name))
        .map_err(|error| StoreError::ReadOnly { place: place.to_owned(), why: error.to_string() })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| StoreError::InUse { place: place.to_owned() })
}
