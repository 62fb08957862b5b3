//! Webhooks, and the outbox of what they are to be told: nothing leaves it before it was delivered or given up.

use super::sql::{Database, Mode, Row, Value, values};
use super::{Order, Store, StoreError, new_id};
use jiff::Timestamp;
use std::time::Duration;

/// The webhooks of a store.
pub struct Webhooks<'a>(pub(super) &'a Store);

/// Somebody who wants to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub id: String,
    /// Where it is told.
    pub url: String,
    /// Of what, by their words; nothing given: of everything.
    pub events: Vec<String>,
    /// Only of this user's environments.
    pub user: Option<String>,
    /// Only of environments of this class.
    pub class: Option<String>,
    /// What is signed with. It has to be kept as it is, for signing; it is never shown again.
    pub secret: String,
    /// Whether it is told at all.
    pub enabled: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({}, secret …)", self.id)
    }
}

/// What is to go out to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcoming {
    /// To whom.
    pub webhook: String,
    /// The event; the same for all who are told of it.
    pub event: String,
    /// What kind of event.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// What is sent.
    pub body: String,
}

/// How it is with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be tried, for the first time or again.
    Waiting,
    /// It was delivered.
    Delivered,
    /// It was given up; somebody may send it again.
    Dead,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for DeliveryState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name; a later one's sorts behind an earlier one's.
    pub id: String,
    /// What is, or was, sent.
    pub sent: Outcoming,
    /// How it is with it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// When it was tried last.
    pub last_at: Option<Timestamp>,
    /// What came of that.
    pub last_said: Option<String>,
}

/// A delivery whose time has come, with the right to try it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The delivery.
    pub delivery: Delivery,
    claim: String,
}

const WEBHOOK: &str = "id, url, events, target_user, target_class, secret, enabled, created_by, created_at";
const DELIVERY: &str = "id, webhook, event, kind, at, body, state, attempts, next_at, last_at, last_said";
/// How many deliveries of one webhook are tried at the same time, so that a dead one does not keep the others waiting.
const AT_ONCE: i64 = 2;

impl Webhooks<'_> {
    fn database(&self) -> &Database {
        &self.0.inner.database
    }

    /// Keeps a webhook.
    pub async fn create(&self, webhook: &Webhook) -> Result<(), StoreError> {
        let Webhook { id, url, events, user, class, secret, enabled, created_by, created_at } = webhook;
        self.database()
            .execute(
                "INSERT INTO webhooks (id, url, events, target_user, target_class, secret, enabled, created_by, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                values![
                    id, url, super::list_text(events), user.clone(), class.clone(), secret, i64::from(*enabled), created_by,
                    *created_at
                ],
            )
            .await
            .map(drop)
    }

    /// Changes where, of what and whether a webhook is told. Tells whether there is one.
    pub async fn change(&self, webhook: &Webhook) -> Result<bool, StoreError> {
        let Webhook { id, url, events, user, class, enabled, .. } = webhook;
        let sql = "UPDATE webhooks SET url = $2, events = $3, target_user = $4, target_class = $5, enabled = $6 WHERE id = $1";
        let values = values![id, url, super::list_text(events), user.clone(), class.clone(), i64::from(*enabled)];
        Ok(self.database().execute(sql, values).await? == 1)
    }

    /// Takes a webhook away, and all that it was to be told.
    pub async fn delete(&self, id: &str) -> Result<bool, StoreError> {
        let mut transaction = self.database().begin(Mode::Write).await?;
        let found = transaction.execute("DELETE FROM webhooks WHERE id = $1", values![id]).await?;
        transaction.execute("DELETE FROM deliveries WHERE webhook = $1", values![id]).await?;
        transaction.commit().await?;
        Ok(found == 1)
    }

    /// All webhooks, by name.
    pub async fn list(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = self.database().rows(format!("SELECT {WEBHOOK} FROM webhooks ORDER BY id"), values![]).await?;
        self.all(&rows, webhook)
    }

    /// The webhook of this name.
    pub async fn find(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        let sql = format!("SELECT {WEBHOOK} FROM webhooks WHERE id = $1");
        let rows = self.database().rows(sql, values![id]).await?;
        Ok(self.all(&rows, webhook)?.into_iter().next())
    }

    fn all<T>(&self, rows: &[Row], read: fn(&Row) -> Result<T, sqlx::Error>) -> Result<Vec<T>, StoreError> {
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.database().error(&error))
    }

    /// What was last told of each environment: its user, its class and its state.
    pub async fn told(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        let rows = self.database().rows("SELECT target_user, target_class, state FROM told", values![]).await?;
        self.all(&rows, |row| Ok((row.text(0)?, row.text(1)?, row.text(2)?)))
    }

    /// Notes that an environment went from the state `was` to the state `now`, and puts what is to be said of that into the outbox, both
    /// or neither. Tells `false`, and does neither, when somebody else did it already.
    pub async fn tell(
        &self,
        (user, class): (&str, &str),
        was: Option<&str>,
        now: Option<&str>,
        out: &[Outcoming],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database().begin(Mode::Write).await?;
        let done = match (was, now) {
            (None, Some(now)) => {
                let sql = "INSERT INTO told (target_user, target_class, state) VALUES ($1, $2, $3)
                           ON CONFLICT (target_user, target_class) DO NOTHING";
                transaction.execute(sql, values![user, class, now]).await?
            }
            (Some(was), Some(now)) => {
                let sql = "UPDATE told SET state = $3 WHERE target_user = $1 AND target_class = $2 AND state = $4";
                transaction.execute(sql, values![user, class, now, was]).await?
            }
            (Some(was), None) => {
                let sql = "DELETE FROM told WHERE target_user = $1 AND target_class = $2 AND state = $3";
                transaction.execute(sql, values![user, class, was]).await?
            }
            (None, None) => 1,
        };
        if done == 0 {
            transaction.commit().await?;
            return Ok(false);
        }
        for Outcoming { webhook, event, kind, at, body } in out {
            let id = format!("{:012x}{:016x}", at.as_millisecond(), fastrand::u64(..));
            transaction
                .execute(
                    "INSERT INTO deliveries (id, webhook, event, kind, at, body, state, attempts, next_at)
                     VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $5)",
                    values![id, webhook, event, kind, *at, body],
                )
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes up to `limit` deliveries whose time has come. Whoever takes one has `lease` to say what came of it; after that it is due
    /// again.
    pub async fn due(&self, now: Timestamp, lease: Duration, limit: u32) -> Result<Vec<Due>, StoreError> {
        let mut transaction = self.database().begin(Mode::Write).await?;
        let rows = transaction
            .rows(
                format!(
                    "SELECT {DELIVERY} FROM (
                         SELECT {DELIVERY}, ROW_NUMBER() OVER (PARTITION BY webhook ORDER BY next_at, id) AS place
                         FROM deliveries WHERE state = 'waiting' AND next_at <= $1
                             AND webhook IN (SELECT id FROM webhooks WHERE enabled = 1)) AS due
                     WHERE place <= $2 ORDER BY next_at, id LIMIT $3"
                ),
                values![now, AT_ONCE, i64::from(limit)],
            )
            .await?;
        let found = self.all(&rows, delivery)?;
        let until = now.as_millisecond().saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let mut taken = Vec::new();
        for delivery in found {
            let claim = new_id();
            let mine = transaction
                .execute(
                    "UPDATE deliveries SET claim = $2, next_at = $3 WHERE id = $1 AND state = 'waiting' AND next_at = $4",
                    values![&delivery.id, &claim, until, delivery.next_at],
                )
                .await?;
            if mine == 1 {
                taken.push(Due { delivery, claim });
            }
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// Notes what came of a try: delivered, given up, or to be tried again at `next`.
    pub async fn tried(
        &self,
        due: &Due,
        state: DeliveryState,
        next: Timestamp,
        now: Timestamp,
        said: &str,
    ) -> Result<(), StoreError> {
        self.database()
            .execute(
                "UPDATE deliveries SET state = $3, attempts = attempts + 1, next_at = $4, last_at = $5, last_said = $6,
                     claim = NULL
                 WHERE id = $1 AND claim = $2",
                values![&due.delivery.id, &due.claim, state.as_str(), next, now, said],
            )
            .await
            .map(drop)
    }

    /// Has a delivery that was given up, or made, sent once more. Tells whether there is one.
    pub async fn again(&self, webhook: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE deliveries SET state = 'waiting', attempts = 0, next_at = $3, claim = NULL
                   WHERE webhook = $1 AND id = $2 AND state <> 'waiting'";
        Ok(self.database().execute(sql, values![webhook, id, now]).await? == 1)
    }

    /// The deliveries of a webhook in an order, behind the one named `behind`.
    pub async fn deliveries(
        &self,
        webhook: &str,
        state: Option<DeliveryState>,
        order: Order,
        behind: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut sql = format!("SELECT {DELIVERY} FROM deliveries WHERE webhook = $1");
        let mut values = vec![Value::from(webhook)];
        if let Some(state) = state {
            values.push(Value::from(state.as_str()));
            sql.push_str(&format!(" AND state = ${}", values.len()));
        }
        let (is_behind, direction) = match order {
            Order::Newest => ("<", "DESC"),
            Order::Oldest => (">", "ASC"),
        };
        if let Some(behind) = behind {
            values.push(Value::from(behind));
            sql.push_str(&format!(" AND id {is_behind} ${}", values.len()));
        }
        values.push(Value::from(i64::from(limit)));
        sql.push_str(&format!(" ORDER BY id {direction} LIMIT ${}", values.len()));
        let rows = self.database().rows(sql, &values).await?;
        self.all(&rows, delivery)
    }

    /// How many wait, and how many were given up.
    pub async fn backlog(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
                       COALESCE(SUM(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), 0)
                   FROM deliveries WHERE state <> 'delivered'";
        let rows = self.database().rows(sql, values![]).await?;
        let counts = self.all(&rows, |row| Ok((row.int(0)?, row.int(1)?)))?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    /// Forgets what was delivered, or given up, before `before`.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.database().execute("DELETE FROM deliveries WHERE state <> 'waiting' AND at < $1", values![before]).await
    }
}

fn webhook(row: &Row) -> Result<Webhook, sqlx::Error> {
    Ok(Webhook {
        id: row.text(0)?,
        url: row.text(1)?,
        events: super::list_of(&row.text(2)?)?,
        user: row.opt_text(3)?,
        class: row.opt_text(4)?,
        secret: row.text(5)?,
        enabled: row.int(6)? != 0,
        created_by: row.text(7)?,
        created_at: row.time(8)?,
    })
}

fn delivery(row: &Row) -> Result<Delivery, sqlx::Error> {
    let state = row.text(6)?;
    let state = state.parse().map_err(|()| sqlx::Error::Decode(format!("the state {state}").into()))?;
    Ok(Delivery {
        id: row.text(0)?,
        sent: Outcoming {
            webhook: row.text(1)?,
            event: row.text(2)?,
            kind: row.text(3)?,
            at: row.time(4)?,
            body: row.text(5)?,
        },
        state,
        attempts: row.int(7)?,
        next_at: row.time(8)?,
        last_at: row.opt_time(9)?,
        last_said: row.opt_text(10)?,
    })
}
