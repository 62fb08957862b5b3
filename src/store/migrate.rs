//! The schema: numbered steps that the program carries, each made in one transaction. A step that was released is never changed.

use super::StoreError;
use super::sql::{Database, Mode, Pool, Transaction, values};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// One step of the schema.
struct Step {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

/// All steps, by number from 1.
const STEPS: &[Step] = &[Step { number: 1, name: "begin", sql: include_str!("migrations/0001_begin.sql") }];

/// Any number that nobody else uses as a lock in the same database.
const LOCK: i64 = 0x646f_6f72;

/// The schema that this program writes.
pub(super) fn newest() -> i64 {
    STEPS.last().map_or(0, |step| step.number)
}

/// Brings the schema up to `target`, in one transaction, and tells what it was before.
pub(super) async fn up_to(database: &Database, target: i64) -> Result<i64, StoreError> {
    by(STEPS, database, target).await
}

/// The same, by these steps.
async fn by(steps: &[Step], database: &Database, target: i64) -> Result<i64, StoreError> {
    let mut transaction = database.begin(Mode::Write).await?;
    if let Pool::Postgres(_) = database.pool {
        // Two managers that start at once: the second one waits and finds nothing left to do.
        transaction.execute("SELECT pg_advisory_xact_lock($1)", values![LOCK]).await?;
    }
    let found = found_by(steps, database, &mut transaction).await?;
    if found == 0 {
        transaction
            .script(Cow::Borrowed(
                "CREATE TABLE doorstep_schema (number BIGINT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL)",
            ))
            .await?;
    }
    for step in steps.iter().filter(|step| step.number > found && step.number <= target) {
        transaction.script(Cow::Borrowed(step.sql)).await?;
        transaction
            .execute(
                "INSERT INTO doorstep_schema (number, name, digest) VALUES ($1, $2, $3)",
                values![step.number, step.name, digest(step)],
            )
            .await?;
    }
    transaction.commit().await?;
    Ok(found)
}

/// The schema that a database has; 0 for an empty one.
pub(super) async fn found(database: &Database, transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    found_by(STEPS, database, transaction).await
}

async fn found_by(steps: &[Step], database: &Database, transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    let foreign = |why: String| StoreError::Foreign { place: database.place.clone(), why };
    let tables = match &database.pool {
        Pool::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name = 'doorstep_schema' DESC",
        Pool::Postgres(_) => {
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()
             ORDER BY tablename = 'doorstep_schema' DESC"
        }
    };
    let first = transaction.rows(tables, values![]).await?.first().map(|row| row.text(0)).transpose();
    match first.map_err(|error| database.error(&error))? {
        None => return Ok(0),
        Some(name) if name != "doorstep_schema" => {
            return Err(foreign(format!("it holds the table {}", crate::model::shown(&name))));
        }
        Some(_) => {}
    }
    let rows = transaction.rows("SELECT number, digest FROM doorstep_schema ORDER BY number", values![]).await?;
    let newest = steps.last().map_or(0, |step| step.number);
    let mut last = 0;
    for row in rows {
        let (number, found) = row.int(0).and_then(|n| Ok((n, row.text(1)?))).map_err(|error| database.error(&error))?;
        last = number;
        let known = steps.iter().find(|step| step.number == number);
        if known.is_some_and(|step| digest(step) != found) {
            return Err(foreign(format!("step {number} of its schema is another one than doorstep's")));
        }
    }
    if last > newest {
        return Err(StoreError::NewerSchema { place: database.place.clone(), found: last, known: newest });
    }
    Ok(last)
}

fn digest(step: &Step) -> String {
    super::hex(&Sha256::digest(step.sql.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::open::{Access, Limits, connect};
    use super::super::{Store, StoreUrl};
    use super::*;

    #[test]
    fn steps_are_numbered_from_one_without_a_gap() {
        for (at, step) in STEPS.iter().enumerate() {
            assert_eq!(step.number, i64::try_from(at).unwrap() + 1, "{}", step.name);
        }
    }

    /// The steps of a later version, whose last one does `sql`.
    fn later(sql: &'static str) -> Vec<Step> {
        let copied = STEPS.iter().map(|step| Step { number: step.number, name: step.name, sql: step.sql });
        copied.chain([Step { number: newest() + 1, name: "later", sql }]).collect()
    }

    /// A store with something in it, and its database as a later version gets hold of it.
    async fn filled(url: &StoreUrl) -> (Database, impl Sized) {
        let store = Store::open(url).await.unwrap();
        store.audit().begin(super::super::tests::begun()).await.unwrap();
        store.close().await;
        drop(store);
        connect(url, url.to_string(), Access::Work, Limits::default()).await.unwrap()
    }

    #[tokio::test]
    async fn an_older_store_is_brought_up_to_date_and_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::in_folder(folder.path());
        let (database, _lock) = filled(&url).await;
        let steps = later("ALTER TABLE audit ADD COLUMN seal TEXT; UPDATE audit SET seal = 'of ' || seq");
        let newer = newest() + 1;
        assert_eq!(by(&steps, &database, newer).await.unwrap(), newest(), "it tells what it was");
        assert_eq!(by(&steps, &database, newer).await.unwrap(), newer, "and does it once");
        let rows = database.rows("SELECT seq, seal FROM audit", values![]).await.unwrap();
        assert_eq!((rows.len(), rows[0].text(1).unwrap().as_str()), (1, "of 1"));
        database.close().await;
        drop(_lock);
        let said = Store::open(&url).await.unwrap_err();
        assert!(matches!(said, StoreError::NewerSchema { found, .. } if found == newer), "{said}");
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_the_store_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::in_folder(folder.path());
        let (database, _lock) = filled(&url).await;
        let steps = later("ALTER TABLE audit ADD COLUMN seal TEXT; INSERT INTO nowhere VALUES (1)");
        by(&steps, &database, newest() + 1).await.unwrap_err();
        assert!(database.rows("SELECT seal FROM audit", values![]).await.is_err(), "not even in part");
        database.close().await;
        drop(_lock);
        let store = Store::open(&url).await.unwrap();
        let verdict = store.audit().verify(None).await.unwrap();
        assert_eq!((verdict.records, verdict.faults), (1, Vec::new()));
    }
}
