//! Going along the chain: which record was removed, changed or put elsewhere.

use super::chain;
use super::{Audit, ChainPlace, Record, Step};
use crate::store::StoreError;
use crate::store::sql::{Mode, Row, Transaction, values};

/// How many records are looked at at once.
const PAGE: i64 = 500;
/// The most faults that are told.
const MOST_FAULTS: usize = 100;

/// What is wrong with the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Records are missing.
    #[error("the records {from} to {to} were removed")]
    Removed {
        /// The first that is missing.
        from: i64,
        /// The last that is missing.
        to: i64,
    },
    /// A record is not as it was written.
    #[error("record {seq} was changed: {what}")]
    Changed {
        /// Its number.
        seq: i64,
        /// What does not fit.
        what: String,
    },
    /// A record stands in the place of another one.
    #[error("record {seq} was put in the place of record {place}")]
    Moved {
        /// The number that it was written with.
        seq: i64,
        /// Where it stands.
        place: i64,
    },
    /// A record does not follow the one before it.
    #[error("record {seq} does not follow the record before it: one of the two was made anew")]
    Unlinked {
        /// Its number.
        seq: i64,
    },
    /// A head that somebody noted is not in the chain.
    #[error("record {seq} is not the one that was noted: its hash is another one")]
    NotAsNoted {
        /// Its number.
        seq: i64,
    },
}

/// What going along the chain has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How many records there are.
    pub records: u64,
    /// The number of the first one, after retention.
    pub first: i64,
    /// The end of the chain.
    pub head: ChainPlace,
    /// What is wrong, at most a hundred things.
    pub faults: Vec<Fault>,
}

impl Audit<'_> {
    /// Goes along the whole chain. With `noted`, a head of earlier, it also tells whether that is still in it.
    pub async fn verify(&self, noted: Option<&ChainPlace>) -> Result<Verdict, StoreError> {
        let database = &self.0.inner.database;
        let wrong = |error: sqlx::Error| database.error(&error);
        let mut transaction = database.begin(Mode::Read).await?;
        let rows = transaction.rows("SELECT seq, hash FROM audit_head", values![]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound).map_err(wrong)?;
        let head = ChainPlace { seq: row.int(0).map_err(wrong)?, hash: row.text(1).map_err(wrong)? };
        let start = self.start(&mut transaction).await?;
        let mut walk = Walk { last: start.clone(), records: 0, faults: Vec::new(), noted: noted.cloned() };
        loop {
            let rows = transaction
                .rows(
                    "SELECT seq, at, step, record, previous, hash, call, instance, subject, action, target_user,
                         target_class, request, result
                     FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
                    values![walk.last.seq, PAGE],
                )
                .await?;
            for row in &rows {
                walk.step(row).map_err(wrong)?;
            }
            if rows.is_empty() || walk.faults.len() >= MOST_FAULTS {
                break;
            }
        }
        transaction.commit().await?;
        walk.end(&head);
        Ok(Verdict { records: walk.records, first: start.seq + 1, head, faults: walk.faults })
    }

    /// Where the chain begins: at nothing, or behind what retention took away.
    async fn start(&self, transaction: &mut Transaction<'_>) -> Result<ChainPlace, StoreError> {
        let database = &self.0.inner.database;
        let rows = transaction
            .rows(
                "SELECT record FROM audit WHERE step = $1 ORDER BY seq DESC LIMIT 1",
                values![Step::Retained.as_str()],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(ChainPlace { seq: 0, hash: String::new() }) };
        let text = row.text(0).map_err(|error| database.error(&error))?;
        // One that cannot be read is told as changed when its turn comes; all before it is then told as removed.
        let removed = serde_json::from_str::<Record>(&text).ok().and_then(|record| record.removed);
        Ok(removed.unwrap_or(ChainPlace { seq: 0, hash: String::new() }))
    }
}

/// The way along the chain.
struct Walk {
    last: ChainPlace,
    records: u64,
    faults: Vec<Fault>,
    noted: Option<ChainPlace>,
}

impl Walk {
    fn step(&mut self, row: &Row) -> Result<(), sqlx::Error> {
        let seq = row.int(0)?;
        let (text, previous, hash) = (row.text(3)?, row.text(4)?, row.text(5)?);
        self.records += 1;
        if seq != self.last.seq + 1 {
            self.faults.push(Fault::Removed { from: self.last.seq + 1, to: seq - 1 });
        } else if previous != self.last.hash {
            self.faults.push(Fault::Unlinked { seq });
        }
        if let Some(fault) = changed(row, seq, &text, &previous, &hash)? {
            self.faults.push(fault);
        }
        if self.noted.as_ref().is_some_and(|noted| noted.seq == seq && noted.hash != hash) {
            self.faults.push(Fault::NotAsNoted { seq });
        }
        self.last = ChainPlace { seq, hash };
        Ok(())
    }

    fn end(&mut self, head: &ChainPlace) {
        let noted = self.noted.as_ref().map_or(0, |noted| noted.seq);
        let end = head.seq.max(noted);
        if self.last.seq < end {
            self.faults.push(Fault::Removed { from: self.last.seq + 1, to: end });
        } else if self.last.seq > head.seq || self.last.hash != head.hash {
            self.faults.push(Fault::Unlinked { seq: self.last.seq });
        }
        self.faults.truncate(MOST_FAULTS);
    }
}

/// What was changed in one record.
fn changed(row: &Row, seq: i64, text: &str, previous: &str, hash: &str) -> Result<Option<Fault>, sqlx::Error> {
    let changed = |what: &str| Ok(Some(Fault::Changed { seq, what: what.to_owned() }));
    let Ok(record) = serde_json::from_str::<Record>(text) else { return changed("its text cannot be read") };
    if record.seq != seq {
        return Ok(Some(Fault::Moved { seq: record.seq, place: seq }));
    }
    if chain::hash(previous, text) != hash {
        return changed("its text does not have its hash");
    }
    let (step, columns) = chain::columns(&record);
    if row.text(2)? != step.as_str() || row.int(1)? != record.at.as_millisecond() {
        return changed("its columns say something else than its text");
    }
    for (at, column) in columns.into_iter().enumerate() {
        if row.opt_text(6 + at)? != column {
            return changed("its columns say something else than its text");
        }
    }
    Ok(None)
}
