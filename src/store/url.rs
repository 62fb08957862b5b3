//! Where the store is: a SQLite file, or a PostgreSQL database by URL. A password is never shown.

use super::StoreError;
use crate::model::shown;
use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The store's file in the data folder, where nothing else is said.
pub const STORE_FILE: &str = "store.db";

/// Where the store is.
#[derive(Clone)]
pub struct StoreUrl(pub(super) Kind);

#[derive(Clone)]
pub(super) enum Kind {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl StoreUrl {
    /// The SQLite file of the data folder `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Self(Kind::Sqlite(folder.join(STORE_FILE)))
    }

    /// The URL that the file `path` holds, on a line of its own.
    pub fn from_file(path: &Path) -> Result<Self, StoreError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| StoreError::UrlFile { path: path.to_owned(), source })?;
        text.trim().parse()
    }

    /// Whether the text of a URL carries a password, which has no place on a command line.
    pub fn has_password(text: &str) -> bool {
        let after = text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let query = text.split_once('?').map_or("", |(_, query)| query);
        user.contains(':') || query.split('&').any(|field| field.starts_with("password="))
    }

    /// Whether several managers may share it.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Kind::Postgres(_))
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            // The text itself may be a password that was put in the wrong place.
            return Err(StoreError::Url("has no scheme".to_owned()));
        };
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path == ":memory:" || path.contains(['?', '\0']) {
                    return Err(StoreError::Url(format!("names the file {}, which is none", shown(path))));
                }
                Ok(Self(Kind::Sqlite(PathBuf::from(path))))
            }
            "postgres" | "postgresql" => {
                // sqlx tells what is wrong with the words of the URL itself, which may be its password.
                let options = PgConnectOptions::from_str(text)
                    .map_err(|_| StoreError::Url("is not one of PostgreSQL's".to_owned()))?;
                if options.get_database().is_none() {
                    return Err(StoreError::Url("names no database".to_owned()));
                }
                Ok(Self(Kind::Postgres(Box::new(options))))
            }
            other => Err(StoreError::Url(format!("begins with {}", shown(&format!("{other}:"))))),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Kind::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                match options.get_socket() {
                    Some(folder) => write!(f, "postgres:{}/{database}", folder.display()),
                    None => write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port()),
                }
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: StoreUrl = "postgres://doorstep:hunter2@db.example.com:5433/doorstep".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db.example.com:5433/doorstep");
        assert!(!format!("{url:?}").contains("hunter2"));
        for bad in ["postgres://doorstep:hunter2@db:port/x", "hunter2", "postgres://doorstep:hunter2@db"] {
            let said = bad.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_password_is_found_wherever_it_stands() {
        for with in ["postgres://u:p@h/d", "postgres://h/d?user=u&password=p", "postgres://u:@h/d"] {
            assert!(StoreUrl::has_password(with), "{with}");
        }
        for without in ["postgres://u@h:5432/d", "postgres://h/d?sslmode=require", "sqlite:/a:b@c"] {
            assert!(!StoreUrl::has_password(without), "{without}");
        }
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for bad in ["mysql://h/d", "sqlite:", "sqlite::memory:", "", "/var/lib/store.db"] {
            assert!(bad.parse::<StoreUrl>().is_err(), "{bad}");
        }
        assert_eq!("sqlite:/a/b.db".parse::<StoreUrl>().unwrap().to_string(), "sqlite:/a/b.db");
        assert!("postgresql://h/d".parse::<StoreUrl>().unwrap().is_shared());
    }
}
