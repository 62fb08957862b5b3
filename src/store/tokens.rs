//! Tokens of our own. Only their hashes are kept: nobody who reads the store can use one.

use super::StoreError;
use super::sql::{Database, Row, Value, values};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

impl TokenRecord {
    /// Whether it can be used.
    pub fn state(&self, now: Timestamp) -> TokenState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => TokenState::Revoked,
            (None, Some(end)) if end <= now => TokenState::Expired,
            (None, _) => TokenState::Active,
        }
    }
}

/// Whether a token can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It can.
    Active,
    /// Its time has ended.
    Expired,
    /// It was revoked, before its time or after it.
    Revoked,
}

impl TokenState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expired, Self::Revoked];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// By what a list of tokens is ordered, and by their ids where that is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenOrder {
    /// What they are for.
    #[default]
    Name,
    /// When they were made.
    Created,
}

/// Where a token stands in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPlace {
    name: String,
    created: i64,
    id: String,
}

impl TokenPlace {
    /// The place of a token.
    pub fn of(token: &TokenRecord) -> Self {
        Self { name: token.grant.name.clone(), created: token.created_at.as_millisecond(), id: token.id.clone() }
    }
}

/// Which tokens are wanted, and in which order. What is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Whose.
    pub subject: Option<String>,
    /// In which state they are at which time.
    pub state: Option<(TokenState, Timestamp)>,
    /// By what they are ordered.
    pub order: TokenOrder,
    /// Whether the order is turned round.
    pub down: bool,
    /// Behind this one, in that order.
    pub behind: Option<TokenPlace>,
}

impl TokenFilter {
    /// The statement and its parameters.
    fn statement(&self, limit: u32) -> (String, Vec<Value>) {
        let (mut conditions, mut values) = (Vec::new(), Vec::<Value>::new());
        if let Some(subject) = &self.subject {
            values.push(Value::from(subject.as_str()));
            conditions.push("subject = $1".to_owned());
        }
        let mut at = |now: Timestamp| {
            values.push(Value::from(now));
            values.len()
        };
        match self.state {
            None => {}
            Some((TokenState::Active, now)) => {
                let now = at(now);
                conditions.push(format!("revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${now})"));
            }
            Some((TokenState::Expired, now)) => {
                conditions.push(format!("revoked_at IS NULL AND expires_at <= ${}", at(now)));
            }
            Some((TokenState::Revoked, _)) => conditions.push("revoked_at IS NOT NULL".to_owned()),
        }
        let column = match self.order {
            TokenOrder::Name => "name",
            TokenOrder::Created => "created_at",
        };
        let (is_behind, direction) = if self.down { ("<", "DESC") } else { (">", "ASC") };
        if let Some(TokenPlace { name, created, id }) = &self.behind {
            values.push(match self.order {
                TokenOrder::Name => Value::from(name.as_str()),
                TokenOrder::Created => Value::from(*created),
            });
            values.push(Value::from(id.as_str()));
            conditions.push(format!("({column}, id) {is_behind} (${}, ${})", values.len() - 1, values.len()));
        }
        let which = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        values.push(Value::from(i64::from(limit)));
        let order = format!("ORDER BY {column} {direction}, id {direction} LIMIT ${}", values.len());
        (format!("SELECT {COLUMNS} FROM tokens {which} {order}"), values)
    }
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

    /// The first `limit` tokens of those that are wanted.
    pub async fn list(&self, filter: &TokenFilter, limit: u32) -> Result<Vec<TokenRecord>, StoreError> {
        let (sql, values) = filter.statement(limit);
        self.0.rows(sql, &values).await?.iter().map(|row| self.read(row)).collect()
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
