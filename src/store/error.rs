//! Why the store did not do what was asked, each with what would help.

use std::path::PathBuf;

/// Why the store did not do what was asked. No sentence holds a password: places are told without it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be read.
    #[error("the store's URL {0}; give sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Url(String),
    /// The file that holds the URL cannot be read.
    #[error("the store's URL cannot be read from {}: {source}", path.display())]
    UrlFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not answer.
    #[error("the store {place} does not answer: {why}; nothing was written")]
    Unavailable {
        /// Which store.
        place: String,
        /// What was seen.
        why: String,
    },
    /// There is no room.
    #[error("the store {place} is full; nothing was written; make room and try again")]
    Full {
        /// Which store.
        place: String,
    },
    /// Somebody else holds what is needed.
    #[error("the store {place} is locked by another program; nothing was written; try again in a moment")]
    Locked {
        /// Which store.
        place: String,
    },
    /// Another process has the file.
    #[error("the store {place} is in use by another manager; only PostgreSQL can be shared by several")]
    InUse {
        /// Which store.
        place: String,
    },
    /// It may be read and not be written.
    #[error("the store {place} cannot be written: {why}; check its permissions")]
    ReadOnly {
        /// Which store.
        place: String,
        /// What was seen.
        why: String,
    },
    /// It refused who we are.
    #[error("the store {place} refused the user or the password")]
    Denied {
        /// Which store.
        place: String,
    },
    /// It did not prove that it is the one that is meant.
    #[error("the store {place} cannot be trusted: {why}; look at sslmode, sslrootcert and the host of its URL")]
    Untrusted {
        /// Which store.
        place: String,
        /// What was seen.
        why: String,
    },
    /// There is no such database.
    #[error("the store {place} does not exist: {why}")]
    Missing {
        /// Which store.
        place: String,
        /// What was seen.
        why: String,
    },
    /// A later version of doorstep wrote it.
    #[error(
        "the store {place} has schema {found}, and this version of doorstep knows up to {known}; \
         start the version that wrote it, or restore a backup made before it was upgraded"
    )]
    NewerSchema {
        /// Which store.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest schema that is known.
        known: i64,
    },
    /// It was opened only to be looked at, and an upgrade is due.
    #[error(
        "the store {place} has schema {found}, and this version of doorstep writes {known}; the next start of its manager upgrades it"
    )]
    OlderSchema {
        /// Which store.
        place: String,
        /// Its schema.
        found: i64,
        /// The schema that is written.
        known: i64,
    },
    /// A step of its schema is not the one that this program knows by that number.
    #[error("the store {place} was not made by doorstep: {why}; give an empty database, or the right one")]
    Foreign {
        /// Which store.
        place: String,
        /// What was seen.
        why: String,
    },
    /// What it holds cannot be read.
    #[error("the store {place} is damaged: {why}; restore a backup with: doorstep admin restore")]
    Corrupt {
        /// Which store.
        place: String,
        /// What was seen.
        why: String,
    },
    /// A file of a backup cannot be read or written.
    #[error("the backup {} {why}", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Anything else that the database said.
    #[error("the store {place} failed: {why}")]
    Failed {
        /// Which store.
        place: String,
        /// What it said.
        why: String,
    },
}

impl StoreError {
    /// Whether the same may succeed in a moment, with nobody's help.
    pub fn passes(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Locked { .. } => true,
            Self::Url(_)
            | Self::UrlFile { .. }
            | Self::Full { .. }
            | Self::InUse { .. }
            | Self::ReadOnly { .. }
            | Self::Denied { .. }
            | Self::Untrusted { .. }
            | Self::Missing { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Foreign { .. }
            | Self::Corrupt { .. }
            | Self::Backup { .. }
            | Self::Failed { .. } => false,
        }
    }

    /// What an error of the database means.
    pub(super) fn of(place: &str, error: &sqlx::Error) -> Self {
        let (place, why) = (place.to_owned(), error.to_string());
        match error {
            sqlx::Error::Database(told) => {
                let code = told.code().unwrap_or_default().into_owned();
                let sqlite = told.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
                if sqlite { of_sqlite(place, &code, why) } else { of_postgres(place, &code, why) }
            }
            sqlx::Error::PoolTimedOut => {
                Self::Unavailable { place, why: "no connection could be had in time".to_owned() }
            }
            sqlx::Error::Tls(_) => Self::Untrusted { place, why },
            sqlx::Error::Io(told) if told.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
                Self::Untrusted { place, why }
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable { place, why }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
                Self::Corrupt { place, why }
            }
            // Not ours to match exhaustively: mistakes of this program, or of the connection's options.
            _ => Self::Failed { place, why },
        }
    }
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
fn of_sqlite(place: String, code: &str, why: String) -> StoreError {
    match code.parse::<i64>().map(|extended| extended & 0xff) {
        Ok(5 | 6) => StoreError::Locked { place },
        Ok(8) => StoreError::ReadOnly { place, why },
        Ok(11 | 26) => StoreError::Corrupt { place, why },
        Ok(13) => StoreError::Full { place },
        Ok(10 | 14) => StoreError::Unavailable { place, why },
        _ => StoreError::Failed { place, why },
    }
}

/// PostgreSQL's codes (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn of_postgres(place: String, code: &str, why: String) -> StoreError {
    match code {
        "53100" => StoreError::Full { place },
        // lock_not_available, query_canceled by a time limit, serialization_failure, deadlock_detected
        "55P03" | "57014" | "40001" | "40P01" => StoreError::Locked { place },
        "25006" | "42501" => StoreError::ReadOnly { place, why },
        "28000" | "28P01" => StoreError::Denied { place },
        "3D000" => StoreError::Missing { place, why },
        "XX001" | "XX002" => StoreError::Corrupt { place, why },
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => StoreError::Unavailable { place, why },
        _ => StoreError::Failed { place, why },
    }
}
