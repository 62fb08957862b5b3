//! An empty database of one of the two kinds, and what tests do to it behind the store's back.

use crate::harness::postgres::Postgres;
use doorstep::store::{Begun, Store, StoreUrl, Target, Who};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _};
use std::path::PathBuf;

pub struct Place {
    pub url: StoreUrl,
    text: String,
    file: Option<PathBuf>,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let url = StoreUrl::in_folder(folder.path());
        Self { url, text: String::new(), file: Some(file), _folder: Some(folder) }
    }

    pub async fn postgres() -> Self {
        let text = Postgres::shared().database().await;
        Self { url: text.parse().unwrap(), text, file: None, _folder: None }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// Changes what the store holds as somebody would who has the database.
    pub async fn tamper(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.file {
            Some(file) => {
                let url = format!("sqlite:{}?mode=rwc", file.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            None => {
                let mut connection = sqlx::PgConnection::connect(&self.text).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// Locks what the store holds, as another program would.
    pub async fn hold(&self) -> Hold {
        match &self.file {
            Some(file) => {
                let url = format!("sqlite:{}", file.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
                Hold::Sqlite(connection)
            }
            None => {
                let mut connection = sqlx::PgConnection::connect(&self.text).await.unwrap();
                let sql = "BEGIN; LOCK TABLE audit IN ACCESS EXCLUSIVE MODE";
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                Hold::Postgres(connection)
            }
        }
    }

    /// Makes every process that used the store so far a dead one.
    pub async fn kill_all(&self) {
        self.tamper("DELETE FROM instances").await;
    }
}

/// A lock that somebody else has.
pub enum Hold {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl Hold {
    pub async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

pub fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn who(subject: &str) -> Who {
    Who { subject: subject.to_owned(), name: subject.to_owned(), through: "test".to_owned() }
}

/// A call that is about to change the environment of `user`.
pub fn begun(user: &str, at: i64) -> Begun {
    Begun {
        at: time(at),
        who: who(user),
        origin: "127.0.0.1".to_owned(),
        request: format!("request-{at}"),
        action: "PUT /environments/{user}/{class}".to_owned(),
        target: Target {
            path: format!("/environments/{user}/integration"),
            user: Some(user.to_owned()),
            class: Some("integration".to_owned()),
        },
        before: None,
    }
}
