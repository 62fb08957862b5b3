//! Adding a record, which all writers do one after the other.

use super::chain;
use super::{Audit, Begun, Call, ChainPlace, Ended, Outcome, Record, Step, Target, Who, mask};
use crate::store::sql::{Mode, Transaction, values};
use crate::store::{StoreError, instance, new_id};
use jiff::Timestamp;

impl Audit<'_> {
    /// Writes that a call is about to change something. Only when this is done may it.
    pub async fn begin(&self, mut begun: Begun) -> Result<Call, StoreError> {
        begun.before = begun.before.map(mask);
        let call = Call { id: new_id(), begun };
        let record = self.record(Step::Begun, &call);
        let mut transaction = self.0.inner.database.begin(Mode::Write).await?;
        let seq = self.append(&mut transaction, record).await?.seq;
        transaction
            .execute(
                "INSERT INTO audit_open (call, seq, instance) VALUES ($1, $2, $3)",
                values![&call.id, seq, self.0.instance()],
            )
            .await?;
        transaction.commit().await?;
        Ok(call)
    }

    /// Writes what came of a call.
    pub async fn end(&self, call: &Call, ended: Ended) -> Result<(), StoreError> {
        let mut transaction = self.0.inner.database.begin(Mode::Write).await?;
        let open = transaction.execute("DELETE FROM audit_open WHERE call = $1", values![&call.id]).await?;
        let mut record = Record {
            at: ended.at,
            before: None,
            result: Some(ended.result),
            status: ended.status,
            after: ended.after.map(mask),
            said: ended.said,
            ..self.record(Step::Ended, call)
        };
        if open == 0 {
            if ended.result == Outcome::Interrupted {
                // Another manager has ended it in the meantime.
                return transaction.commit().await;
            }
            record.said = Some("it had been taken for interrupted".to_owned());
        }
        self.append(&mut transaction, record).await?;
        transaction.commit().await
    }

    /// Writes a call that was refused before it was begun: one record of its end.
    pub async fn refused(&self, begun: Begun, ended: Ended) -> Result<(), StoreError> {
        let record = self.record(Step::Ended, &Call { id: new_id(), begun });
        let mut transaction = self.0.inner.database.begin(Mode::Write).await?;
        let (result, said) = (Some(ended.result), ended.said);
        self.append(&mut transaction, Record { result, status: ended.status, said, before: None, ..record }).await?;
        transaction.commit().await
    }

    /// Writes that something was done which is no call.
    pub async fn note(
        &self,
        at: Timestamp,
        who: Who,
        action: &str,
        target: Target,
        said: String,
    ) -> Result<(), StoreError> {
        let begun = Begun {
            at,
            who,
            origin: String::new(),
            request: String::new(),
            action: action.to_owned(),
            target,
            before: None,
        };
        let record = self.record(Step::Noted, &Call { id: new_id(), begun });
        let mut transaction = self.0.inner.database.begin(Mode::Write).await?;
        self.append(&mut transaction, Record { said: Some(said), ..record }).await?;
        transaction.commit().await
    }

    /// The calls that a dead process began and did not end.
    pub async fn interrupted(&self) -> Result<Vec<Call>, StoreError> {
        let database = &self.0.inner.database;
        let mut transaction = database.begin(Mode::Read).await?;
        let alive = instance::alive_since(database, &mut transaction).await?;
        let rows = transaction
            .rows(
                "SELECT audit.record FROM audit_open JOIN audit ON audit.seq = audit_open.seq
                 WHERE NOT EXISTS
                     (SELECT 1 FROM instances WHERE instances.id = audit_open.instance AND instances.seen >= $1)
                 ORDER BY audit_open.seq",
                values![alive],
            )
            .await?;
        transaction.commit().await?;
        let mut calls = Vec::new();
        for row in rows {
            let record = self.read(&row.text(0).map_err(|error| database.error(&error))?)?;
            let Record { at, who, origin, request, action, target, before, .. } = record;
            calls.push(Call { id: record.call, begun: Begun { at, who, origin, request, action, target, before } });
        }
        Ok(calls)
    }

    /// The end of the chain. Who has noted it can tell later that nothing before it was changed.
    pub async fn head(&self) -> Result<ChainPlace, StoreError> {
        let database = &self.0.inner.database;
        let rows = database.rows("SELECT seq, hash FROM audit_head", values![]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound);
        let head = row.and_then(|row| Ok(ChainPlace { seq: row.int(0)?, hash: row.text(1)? }));
        head.map_err(|error| database.error(&error))
    }

    fn record(&self, step: Step, call: &Call) -> Record {
        let begun = call.begun.clone();
        Record {
            seq: 0,
            step,
            call: call.id.clone(),
            instance: self.0.instance().to_owned(),
            at: begun.at,
            who: begun.who,
            origin: begun.origin,
            request: begun.request,
            action: begun.action,
            target: begun.target,
            before: begun.before,
            result: None,
            status: None,
            after: None,
            said: None,
            removed: None,
            previous: String::new(),
            hash: String::new(),
        }
    }

    pub(super) fn retained(&self, at: Timestamp, removed: ChainPlace) -> Record {
        let who = Who { subject: "doorstep".to_owned(), name: "doorstep".to_owned(), through: "retention".to_owned() };
        let begun = Begun {
            at,
            who,
            origin: String::new(),
            request: String::new(),
            action: "retention".to_owned(),
            target: Target::default(),
            before: None,
        };
        Record { removed: Some(removed), ..self.record(Step::Retained, &Call { id: new_id(), begun }) }
    }

    pub(super) fn read(&self, text: &str) -> Result<Record, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
            place: self.0.place().to_owned(),
            why: format!("a record of the audit cannot be read: {error}"),
        })
    }

    /// Adds `record` at the end of the chain. The change of the head comes first: whoever else wants to add waits there.
    pub(super) async fn append(
        &self,
        transaction: &mut Transaction<'_>,
        mut record: Record,
    ) -> Result<ChainPlace, StoreError> {
        let database = &self.0.inner.database;
        let rows = transaction.rows("UPDATE audit_head SET seq = seq + 1 RETURNING seq, hash", values![]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound);
        let (seq, previous) =
            row.and_then(|row| Ok((row.int(0)?, row.text(1)?))).map_err(|error| database.error(&error))?;
        record.seq = seq;
        let text = chain::text(&record);
        let hash = chain::hash(&previous, &text);
        let (step, [call, instance, subject, action, user, class, request, result]) = chain::columns(&record);
        transaction
            .execute(
                "INSERT INTO audit (seq, at, step, call, instance, subject, action, target_user, target_class, request,
                     result, record, previous, hash)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                values![
                    seq,
                    record.at,
                    step.as_str(),
                    call,
                    instance,
                    subject,
                    action,
                    user,
                    class,
                    request,
                    result,
                    text,
                    previous,
                    &hash
                ],
            )
            .await?;
        transaction.execute("UPDATE audit_head SET hash = $1", values![&hash]).await?;
        Ok(ChainPlace { seq, hash })
    }
}
