//! Lists that come in pages: a table shows all of them, or as many as are asked for.

use super::client::Client;
use super::exit::Failure;
use crate::api::{
    AuditList, ClassList, CostList, DeliveryList, EnvironmentList, EventList, PodList, QuotaList, RevisionList,
    RouteList, TokenList, WebhookList,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

/// The most items that a page has.
const PAGE: usize = 500;

/// An answer that is one page of a list.
pub(super) trait Paged: DeserializeOwned {
    /// How many items it holds.
    fn count(&self) -> usize;
    /// Takes the cursor of the page that follows out of it.
    fn take_next(&mut self) -> Option<String>;
    /// Puts the page that follows behind it.
    fn append(&mut self, page: Self);
}

macro_rules! paged {
    ($($list:ident { $items:ident }),* $(,)?) => {
        $(impl Paged for $list {
            fn count(&self) -> usize {
                self.$items.len()
            }

            fn take_next(&mut self) -> Option<String> {
                self.next.take()
            }

            fn append(&mut self, page: Self) {
                self.$items.extend(page.$items);
                self.next = page.next;
            }
        })*
    };
}

paged! {
    AuditList { items },
    ClassList { items },
    CostList { items },
    DeliveryList { items },
    EnvironmentList { items },
    EventList { items },
    PodList { items },
    QuotaList { users },
    RevisionList { items },
    RouteList { items },
    TokenList { items },
    WebhookList { items },
}

/// A query of the fields that are given.
pub(super) fn query(fields: &[(&str, Option<&str>)]) -> String {
    let given = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    given.collect::<Vec<_>>().join("&")
}

/// All of a list.
pub(super) async fn all<L: Paged>(client: &Client, path: &str, query: &str) -> Result<L, Failure> {
    first(client, path, query, usize::MAX).await
}

/// The first `wanted` items of a list.
pub(super) async fn first<L: Paged>(client: &Client, path: &str, query: &str, wanted: usize) -> Result<L, Failure> {
    let query = if query.is_empty() { String::new() } else { format!("&{query}") };
    let mut list: L = client.get(&format!("{path}?limit={}{query}", wanted.min(PAGE))).await?;
    while list.count() < wanted
        && let Some(next) = list.take_next()
    {
        let limit = (wanted - list.count()).min(PAGE);
        let page = client.get(&format!("{path}?limit={limit}{query}&cursor={}", encoded(&next))).await?;
        list.append(page);
    }
    Ok(list)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
