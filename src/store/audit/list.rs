//! Looking for records, a page at a time, by the number of a record.

use super::{Audit, Outcome, Record};
use crate::store::StoreError;
use crate::store::sql::Value;
use jiff::Timestamp;

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// Which records are wanted. What is not given does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who did it, by subject.
    pub subject: Option<String>,
    /// Whose environment it was done to.
    pub user: Option<String>,
    /// Of which class it is.
    pub class: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// What came of it.
    pub result: Option<Outcome>,
    /// The id of the request.
    pub request: Option<String>,
    /// The call.
    pub call: Option<String>,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// Behind this record, in the order of the list.
    pub behind: Option<i64>,
    /// Which way.
    pub order: Order,
}

impl Filter {
    /// The statement and its parameters.
    fn statement(&self, limit: u32) -> (String, Vec<Value>) {
        let (mut conditions, mut values) = (Vec::new(), Vec::<Value>::new());
        let mut equal = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                values.push(value);
                conditions.push(format!("{condition} ${}", values.len()));
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        equal("subject =", text(&self.subject));
        equal("target_user =", text(&self.user));
        equal("target_class =", text(&self.class));
        equal("action =", text(&self.action));
        equal("request =", text(&self.request));
        equal("call =", text(&self.call));
        equal("result =", self.result.map(|result| Value::from(result.as_str())));
        equal("at >=", self.from.map(Value::from));
        equal("at <", self.until.map(Value::from));
        let (behind, order) = match self.order {
            Order::Newest => ("seq <", "DESC"),
            Order::Oldest => ("seq >", "ASC"),
        };
        equal(behind, self.behind.map(Value::from));
        let which = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        values.push(Value::from(i64::from(limit)));
        let sql =
            format!("SELECT record, previous, hash FROM audit {which} ORDER BY seq {order} LIMIT ${}", values.len());
        (sql, values)
    }
}

impl Audit<'_> {
    /// The first `limit` records of those that are wanted.
    pub async fn list(&self, filter: &Filter, limit: u32) -> Result<Vec<Record>, StoreError> {
        let database = &self.0.inner.database;
        let (sql, values) = filter.statement(limit);
        let mut records = Vec::new();
        for row in database.rows(sql, &values).await? {
            let wrong = |error: sqlx::Error| database.error(&error);
            let mut record = self.read(&row.text(0).map_err(wrong)?)?;
            record.previous = row.text(1).map_err(wrong)?;
            record.hash = row.text(2).map_err(wrong)?;
            records.push(record);
        }
        Ok(records)
    }
}
