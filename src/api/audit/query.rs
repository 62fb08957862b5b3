//! What of the audit is asked for.

use super::super::input::Query;
use super::super::paging;
use crate::model::{ClassName, UserId};
use crate::store::{Filter, Order, Outcome};
use jiff::Timestamp;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// A page, as JSON.
    #[default]
    Page,
    /// All of it as CSV.
    Csv,
    /// All of it, a JSON object per line.
    JsonLines,
}

impl std::str::FromStr for Form {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Page),
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::JsonLines),
            _ => Err(()),
        }
    }
}

impl Form {
    /// The form that an `Accept` field asks for.
    pub(super) fn accepted(field: &str) -> Self {
        let kinds = field.split(',').map(|part| part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        kinds
            .filter_map(|kind| match kind.as_str() {
                "text/csv" => Some(Self::Csv),
                "application/jsonl" | "application/x-ndjson" => Some(Self::JsonLines),
                "application/json" | "*/*" => Some(Self::Page),
                _ => None,
            })
            .next()
            .unwrap_or_default()
    }
}

/// A text of a query that may be in a record. What is empty, or has a NUL, is in none, and PostgreSQL takes no NUL.
struct Word(String);

impl std::str::FromStr for Word {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

/// Takes the fields of a filter out of a query.
pub(super) fn filter(query: &mut Query) -> Filter {
    let user = query.take::<UserId>("user", "a user id: 1 to 32 letters and digits").map(|user| user.to_string());
    let class = query.take::<ClassName>("class", "the name of a class").map(|class| class.to_string());
    let mut word =
        |name| query.take::<Word>(name, "1 to 512 characters, none of them a control character").map(|word| word.0);
    let (subject, action, request, call) = (word("subject"), word("action"), word("request"), word("call"));
    let time = "a time like 2026-11-25T08:00:00Z";
    let from = query.take::<Timestamp>("from", time);
    let later = |until: &Timestamp| from.is_none_or(|from| *until > from);
    Filter {
        subject,
        user,
        class,
        action,
        result: query.choice("result", &Outcome::ALL.map(Outcome::as_str), |text| text.parse::<Outcome>().ok()),
        request,
        call,
        from,
        until: query.take_checked("until", "a time like 2026-11-25T08:00:00Z, and after from", later),
        behind: None,
        order: order(query),
    }
}

/// `sort`, as in every list, or `order`, which is its older word.
fn order(query: &mut Query) -> Order {
    let sort = paging::by_time(query);
    let order = query.choice("order", &["newest", "oldest"], |text| match text {
        "newest" => Some(Order::Newest),
        "oldest" => Some(Order::Oldest),
        _ => None,
    });
    if sort.is_some() && order.is_some() {
        query.mistake("order", "sort and order say the same; give one of them");
    }
    sort.or(order).unwrap_or_default()
}
