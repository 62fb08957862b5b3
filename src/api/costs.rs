//! `GET /costs`: what environments used and what it costs, by user, class and day.

use super::input::Query;
use super::paging::{self, By, Orders, Page, Whole};
use super::problem::Problem;
use super::{Shared, known, store};
use crate::config::{Price, Prices};
use crate::identity::Caller;
use crate::model::{ClassName, UserId};
use crate::store::{UsageFilter, UsageRow};
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What was used, and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostView {
    /// The day, in UTC, where each day has a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub day: Option<String>,
    /// The user, where each user has a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The class, where each class has a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Hours in which an environment was awake.
    pub awake_hours: f64,
    /// Hours of one processor, by what the pods requested.
    pub cpu_hours: f64,
    /// Hours of one GiB of memory, by what the pods requested.
    pub memory_gib_hours: f64,
    /// What that costs; nothing where the manager has no prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// A page of costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CostList {
    /// In which currency; nothing where the manager has no prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "EUR")]
    pub currency: Option<String>,
    /// The first day, in UTC.
    #[schema(format = Date)]
    pub from: String,
    /// The last day.
    #[schema(format = Date)]
    pub to: String,
    /// The sum of all pages.
    pub total: CostView,
    /// The rows.
    pub items: Vec<CostView>,
    /// The cursor of the next page; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// By what is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SumBy {
    user: bool,
    class: bool,
    day: bool,
}

impl std::str::FromStr for SumBy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut by = Self { user: false, class: false, day: false };
        for word in text.split(',') {
            let part = match word {
                "user" => &mut by.user,
                "class" => &mut by.class,
                "day" => &mut by.day,
                _ => return Err(()),
            };
            *part = true;
        }
        Ok(by)
    }
}

/// What environments used and what it costs. Whoever does not reach everybody sees those within reach.
#[utoipa::path(get, path = "/api/v1/costs", tag = "people", params(
    ("user" = Option<String>, Query, pattern = r"^[A-Za-z0-9]{1,32}$", description = "only this user's"),
    ("class" = Option<String>, Query, pattern = r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$", description = "only of this class"),
    ("from" = Option<String>, Query, format = Date, description = "from this day on, in UTC; otherwise from the first of this month"),
    ("to" = Option<String>, Query, format = Date, description = "until and with this day; otherwise today"),
    ("by" = Option<String>, Query, pattern = "^(user|class|day)(,(user|class|day)){0,2}$", description = "what has a row: user, class, day, or several with commas between; otherwise user,class"),
    ("sort" = Option<String>, Query, pattern = "^-?(name|awake|cost)$", description = "the order: by day, user and class, by hours awake, or by cost; backwards with a minus"),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "the most items of a page; 50 when not given"),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
), responses(
    (status = 200, body = CostList, headers(("Link" = Option<String>, description = "the next page"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a mistake in the query", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let user = query.take::<UserId>("user", "a user id: 1 to 32 letters and digits").map(|user| user.to_string());
    let class = query.take::<ClassName>("class", "the name of a class");
    let from = query.take::<Date>("from", "a day like 2026-11-25");
    let not_before = |to: &Date| from.is_none_or(|from| *to >= from);
    let to = query.take_checked("to", "a day like 2026-11-25, and not before from", not_before);
    let by = query.take::<SumBy>("by", "user, class, day, or several of them with commas between");
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    if let Some(class) = &class {
        known::used_class(&state, class).await?;
    }
    let by = by.unwrap_or(SumBy { user: true, class: true, day: false });
    let today = state.clock.now().to_zoned(TimeZone::UTC).date();
    let to = to.unwrap_or(today);
    let from = from.unwrap_or_else(|| to.first_of_month());
    let list = format!("costs {user:?} {class:?} {from} {to} {by:?}");
    let class = class.map(|class| class.to_string());
    // By user and class in any case: by these it is decided who sees it and what it costs.
    let filter =
        UsageFilter { user, class, from: Some(from), to: Some(to), by_user: true, by_class: true, by_day: by.day };
    let rows = state.store.usage().sums(&filter).await.map_err(|error| store::problem(&error))?;
    let seen = |row: &UsageRow| caller.reaches_everyone() || row.user.parse().is_ok_and(|user| caller.reaches(&user));
    let (total, sums) = sums(rows.iter().filter(|row| seen(row)), by, state.prices.as_deref());
    let Page { items, next } = asked.cut(&list, sums.into_iter().collect())?;
    let items = items.into_iter().map(|((day, user, class), sum)| {
        let some = |by: bool, text: String| by.then_some(text);
        CostView { day: some(by.day, day), user: some(by.user, user), class: some(by.class, class), ..sum.view() }
    });
    let currency = state.prices.as_ref().map(|prices| prices.currency.clone());
    let (from, to) = (from.to_string(), to.to_string());
    let list = CostList { currency, from, to, total: total.view(), items: items.collect(), next: next.clone() };
    Ok(paging::answer(list, next.as_deref(), &uri))
}

/// A sum.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    awake_ms: i64,
    cpu_core_ms: i64,
    memory_mib_ms: i64,
    cost: Option<f64>,
}

const HOUR_MS: f64 = 3_600_000.0;

impl Sum {
    fn add(&mut self, row: &UsageRow, price: Option<Price>) {
        self.awake_ms = self.awake_ms.saturating_add(row.awake_ms);
        self.cpu_core_ms = self.cpu_core_ms.saturating_add(row.cpu_core_ms);
        self.memory_mib_ms = self.memory_mib_ms.saturating_add(row.memory_mib_ms);
        if let Some(price) = price {
            let cpu = row.cpu_core_ms as f64 / HOUR_MS * price.cpu_hour;
            let memory = row.memory_mib_ms as f64 / HOUR_MS / 1024.0 * price.memory_gib_hour;
            self.cost = Some(self.cost.unwrap_or_default() + cpu + memory);
        }
    }

    fn view(self) -> CostView {
        let round = |value: f64| (value * 10_000.0).round() / 10_000.0;
        CostView {
            day: None,
            user: None,
            class: None,
            awake_hours: round(self.awake_ms as f64 / HOUR_MS),
            cpu_hours: round(self.cpu_core_ms as f64 / HOUR_MS),
            memory_gib_hours: round(self.memory_mib_ms as f64 / HOUR_MS / 1024.0),
            cost: self.cost.map(round),
        }
    }
}

/// A row: its day, user and class, as far as there are rows by these, and its sum.
type Row = ((String, String, String), Sum);

static ORDERS: Orders<Row> = Orders {
    first: By { word: "name", place: |(key, _)| (0, row_name(key)) },
    down: false,
    more: &[
        By { word: "awake", place: |(key, sum)| (sum.awake_ms, row_name(key)) },
        By { word: "cost", place: |(key, sum)| (sum.cost.map_or(0, |cost| (cost * 10_000.0) as i64), row_name(key)) },
    ],
};

fn row_name((day, user, class): &(String, String, String)) -> String {
    [day.as_str(), user, class].join("\0")
}

/// The sum of all, and the sums by day, user and class, as far as they are asked for.
fn sums<'r>(
    rows: impl Iterator<Item = &'r UsageRow>,
    by: SumBy,
    prices: Option<&Prices>,
) -> (Sum, BTreeMap<(String, String, String), Sum>) {
    let mut total = Sum { cost: prices.map(|_| 0.0), ..Sum::default() };
    let mut sums = BTreeMap::new();
    for row in rows {
        let price = prices.map(|prices| prices.of(&row.class));
        let part = |by: bool, text: &str| if by { text.to_owned() } else { String::new() };
        let key = (row.day.clone(), part(by.user, &row.user), part(by.class, &row.class));
        sums.entry(key).or_insert_with(Sum::default).add(row, price);
        total.add(row, price);
    }
    (total, sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(user: &str, class: &str, hours: i64) -> UsageRow {
        let ms = hours * 3_600_000;
        let (day, user, class) = (String::new(), user.to_owned(), class.to_owned());
        UsageRow { day, user, class, awake_ms: ms, cpu_core_ms: ms / 2, memory_mib_ms: ms * 512 }
    }

    #[test]
    fn each_class_has_its_price_whatever_it_is_summed_up_by() {
        let text = "currency: EUR\ncpuHour: 1\nmemoryGibHour: 0.1\nclasses: {production: {cpuHour: 2}}";
        let prices = crate::config::read_prices(text, "prices.yaml").unwrap();
        let rows = [row("anna", "integration", 10), row("anna", "production", 10), row("ben", "production", 1)];
        let by = SumBy { user: true, class: false, day: false };
        let (total, sums) = sums(rows.iter(), by, Some(&prices));
        let costs: Vec<_> = sums.iter().map(|(key, sum)| (key.1.as_str(), sum.view().cost.unwrap())).collect();
        assert_eq!(costs, [("anna", 5.0 + 10.0 + 2.0 * 0.5), ("ben", 1.05)]);
        assert_eq!((total.view().awake_hours, total.view().cost), (21.0, Some(17.05)));
    }

    #[test]
    fn what_is_summed_up_by_is_read_strictly() {
        assert_eq!("day,user".parse(), Ok(SumBy { user: true, class: false, day: true }));
        for bad in ["", "user,", "month"] {
            assert_eq!(bad.parse::<SumBy>(), Err(()), "{bad}");
        }
    }
}
