//! What environments used: time awake, and processors and memory that were set aside for them, by user, class and day.

use super::StoreError;
use super::sql::{Database, Mode, Value, values};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// What a store knows of use.
pub struct Usage<'a>(pub(super) &'a Database);

/// What an environment was seen to use for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Whose it is.
    pub user: String,
    /// Of which class.
    pub class: String,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Thousandths of a processor that its pods request.
    pub cpu_millicores: i64,
    /// MiB of memory that its pods request.
    pub memory_mib: i64,
}

/// Which use is wanted, and by what it is summed up.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    /// Only this user's.
    pub user: Option<String>,
    /// Only of this class.
    pub class: Option<String>,
    /// From this day on.
    pub from: Option<Date>,
    /// Until and with this day.
    pub to: Option<Date>,
    /// Whether each user has a row.
    pub by_user: bool,
    /// Whether each class has a row.
    pub by_class: bool,
    /// Whether each day has a row.
    pub by_day: bool,
}

/// Use summed up. A part by which it is not summed up is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The day, in UTC.
    pub day: String,
    /// The user.
    pub user: String,
    /// The class. It is always there with prices by class: see [`UsageFilter::by_class`].
    pub class: String,
    /// Milliseconds awake.
    pub awake_ms: i64,
    /// Milliseconds of one processor.
    pub cpu_core_ms: i64,
    /// Milliseconds of one MiB.
    pub memory_mib_ms: i64,
}

impl Usage<'_> {
    /// Adds what was seen, without what was counted already, each day its own part.
    pub async fn add(&self, measured: &Measured) -> Result<(), StoreError> {
        let Measured { user, class, .. } = measured;
        let wrong = |error: sqlx::Error| self.0.error(&error);
        let mut transaction = self.0.begin(Mode::Write).await?;
        let rows = transaction
            .rows(
                "INSERT INTO used_until (target_user, target_class, until) VALUES ($1, $2, 0)
                 ON CONFLICT (target_user, target_class) DO UPDATE SET until = used_until.until RETURNING until",
                values![user, class],
            )
            .await?;
        let until = rows.first().map(|row| row.int(0)).transpose().map_err(wrong)?.unwrap_or_default();
        for (day, millis) in days(measured.from.as_millisecond().max(until), measured.to.as_millisecond()) {
            transaction
                .execute(
                    "INSERT INTO used (day, target_user, target_class, awake_ms, cpu_core_ms, memory_mib_ms)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (day, target_user, target_class) DO UPDATE SET
                         awake_ms = used.awake_ms + excluded.awake_ms,
                         cpu_core_ms = used.cpu_core_ms + excluded.cpu_core_ms,
                         memory_mib_ms = used.memory_mib_ms + excluded.memory_mib_ms",
                    values![
                        day,
                        user,
                        class,
                        millis,
                        millis.saturating_mul(measured.cpu_millicores) / 1000,
                        millis.saturating_mul(measured.memory_mib)
                    ],
                )
                .await?;
        }
        transaction
            .execute(
                "UPDATE used_until SET until = $3 WHERE target_user = $1 AND target_class = $2 AND until < $3",
                values![user, class, measured.to],
            )
            .await?;
        transaction.commit().await
    }

    /// The use that is wanted, by day, user and class.
    pub async fn sums(&self, filter: &UsageFilter) -> Result<Vec<UsageRow>, StoreError> {
        let (mut conditions, mut values) = (Vec::new(), Vec::<Value>::new());
        let mut given = |condition: &str, value: Option<String>| {
            if let Some(value) = value {
                values.push(Value::from(value));
                conditions.push(format!("{condition} ${}", values.len()));
            }
        };
        given("target_user =", filter.user.clone());
        given("target_class =", filter.class.clone());
        given("day >=", filter.from.map(|day| day.to_string()));
        given("day <=", filter.to.map(|day| day.to_string()));
        let which = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let by = |wanted: bool, column: &'static str| if wanted { column } else { "''" };
        let (day, user, class) =
            (by(filter.by_day, "day"), by(filter.by_user, "target_user"), by(filter.by_class, "target_class"));
        let groups: Vec<&str> = [day, user, class].into_iter().filter(|column| *column != "''").collect();
        let group =
            if groups.is_empty() { String::new() } else { format!("GROUP BY {0} ORDER BY {0}", groups.join(", ")) };
        let sql = format!(
            "SELECT {day}, {user}, {class}, CAST(SUM(awake_ms) AS BIGINT), CAST(SUM(cpu_core_ms) AS BIGINT),
                 CAST(SUM(memory_mib_ms) AS BIGINT)
             FROM used {which} {group}"
        );
        let rows = self.0.rows(sql, &values).await?;
        let read = |row: &super::sql::Row| {
            Ok(UsageRow {
                day: row.text(0)?,
                user: row.text(1)?,
                class: row.text(2)?,
                awake_ms: row.opt_int(3)?.unwrap_or_default(),
                cpu_core_ms: row.opt_int(4)?.unwrap_or_default(),
                memory_mib_ms: row.opt_int(5)?.unwrap_or_default(),
            })
        };
        let rows = rows.iter().map(read).collect::<Result<_, _>>();
        rows.map_err(|error: sqlx::Error| self.0.error(&error))
    }

    /// Forgets days before `before`.
    pub async fn forget(&self, before: Date) -> Result<u64, StoreError> {
        self.0.execute("DELETE FROM used WHERE day < $1", values![before.to_string()]).await
    }
}

/// The days, in UTC, between two times in milliseconds, each with how much of it.
fn days(from: i64, to: i64) -> Vec<(String, i64)> {
    const DAY: i64 = 86_400_000;
    let (mut at, mut days) = (from, Vec::new());
    while at < to {
        let next = (at.div_euclid(DAY) + 1).saturating_mul(DAY).min(to);
        let day = Timestamp::from_millisecond(at).map(|time| time.to_zoned(TimeZone::UTC).date().to_string());
        days.push((day.unwrap_or_default(), next - at));
        at = next;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn a_night_is_split_at_midnight() {
        let noon = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let split = days(noon("2026-11-24T23:00:00Z"), noon("2026-11-26T01:00:00Z"));
        let hour = 3_600_000;
        assert_eq!(
            split,
            [("2026-11-24".to_owned(), hour), ("2026-11-25".to_owned(), 24 * hour), ("2026-11-26".to_owned(), hour)]
        );
        assert!(days(5, 5).is_empty() && days(6, 5).is_empty());
    }
}
