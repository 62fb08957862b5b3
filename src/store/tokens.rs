//! Tokens of our own. Only their hashes are kept: nobody who reads the store can use one.

use super::StoreError;
use super::sql::{Database, Row, values};
use jiff::Timestamp;

/// The tokens of a store.
pub struct Tokens<'a>(pub(super) &'a Database);

/// A token that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Its name for people and for revoking; it is no secret.
    pub id: String,
    /// The hash of its text, in hexadecimal digits.
    pub hash: String,
    /// What it grants and whose it is.
    pub grant: TokenGrant,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// What a token grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenGrant {
    /// Whose calls its calls are.
    pub subject: String,
    /// What it is for, in the words of the one who made it.
    pub name: String,
    /// The role, by its word.
    pub role: String,
    /// The user whose environments are its own.
    pub user: Option<String>,
    /// The teams.
    pub teams: Vec<String>,
    /// What it may be used for; nothing given: all that its role may.
    pub scopes: Vec<String>,
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its name.
    pub id: String,
    /// What it grants.
    pub grant: TokenGrant,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "id, subject, name, role, target_user, teams, scopes, created_by, created_at, expires_at, last_used_at, revoked_at";

impl Tokens<'_> {
    /// Keeps a token.
    pub async fn create(&self, token: &NewToken) -> Result<(), StoreError> {
        let TokenGrant { subject, name, role, user, teams, scopes } = &token.grant;
        self.0
            .execute(
                "INSERT INTO tokens (id, hash, subject, name, role, target_user, teams, scopes, created_by, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                values![
                    &token.id, &token.hash, subject, name, role, user.clone(), super::list_text(teams),
                    super::list_text(scopes), &token.created_by, token.created_at, token.expires_at
                ],
            )
            .await
            .map(drop)
    }

    /// The token with this hash, be it expired or revoked: whoever asks decides by that.
    pub async fn by_hash(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.one(format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1"), hash).await
    }

    /// The token of this name.
    pub async fn find(&self, id: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.one(format!("SELECT {COLUMNS} FROM tokens WHERE id = $1"), id).await
    }

    async fn one(&self, sql: String, value: &str) -> Result<Option<TokenRecord>, StoreError> {
        let rows = self.0.rows(sql, values![value]).await?;
        rows.first().map(|row| self.read(row)).transpose()
    }

    /// All tokens, or those of one subject, by name.
    pub async fn list(&self, subject: Option<&str>) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = match subject {
            Some(subject) => {
                let sql = format!("SELECT {COLUMNS} FROM tokens WHERE subject = $1 ORDER BY id");
                self.0.rows(sql, values![subject]).await?
            }
            None => self.0.rows(format!("SELECT {COLUMNS} FROM tokens ORDER BY id"), values![]).await?,
        };
        rows.iter().map(|row| self.read(row)).collect()
    }

    /// Notes that a token was used. Call it at most once a minute for each.
    pub async fn used(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.0
            .execute(
                "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND COALESCE(last_used_at, 0) < $2",
                values![id, at],
            )
            .await
            .map(drop)
    }

    /// Revokes a token; tells whether there was one that was not revoked yet.
    pub async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        Ok(self.0.execute(sql, values![id, at]).await? == 1)
    }

    /// Forgets tokens that ended or were revoked before `before`.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.0.execute("DELETE FROM tokens WHERE expires_at < $1 OR revoked_at < $1", values![before]).await
    }

    fn read(&self, row: &Row) -> Result<TokenRecord, StoreError> {
        let read = || {
            Ok(TokenRecord {
                id: row.text(0)?,
                grant: TokenGrant {
                    subject: row.text(1)?,
                    name: row.text(2)?,
                    role: row.text(3)?,
                    user: row.opt_text(4)?,
                    teams: super::list_of(&row.text(5)?)?,
                    scopes: super::list_of(&row.text(6)?)?,
                },
                created_by: row.text(7)?,
                created_at: row.time(8)?,
                expires_at: row.opt_time(9)?,
                last_used_at: row.opt_time(10)?,
                revoked_at: row.opt_time(11)?,
            })
        };
        read().map_err(|error: sqlx::Error| self.0.error(&error))
    }
}
