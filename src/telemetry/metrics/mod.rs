//! Every metric of Doorstep, by name: here, and in a file for each room that has some. Nowhere else is a metric named.
#![allow(clippy::disallowed_macros, reason = "this is the one place")]

mod azure;
mod callers;
mod cluster;
mod dns;
mod proxy;
mod table;
mod webhooks;

pub use azure::{AzureOutcome, azure_call};
pub use callers::{CallerRefused, caller_refused, identity_file_mistakes, issuer_keys_fetched};
pub use cluster::{credentials_renewed, gateways_asked, leads, right_is_missing, use_mark_failed, write_fenced};
pub use dns::{dns_changed, dns_listed, dns_question, dns_record_sets};
pub use proxy::{Ejection, ProxyMetrics, Requests, Waiting, WaitsFor, client_flood, client_shed};
pub use table::{
    certificates, kind_currency, last_good_write_failed, last_good_written, routes_file_mistakes, table_published,
};
pub use webhooks::{webhook_backlog, webhook_tried};

use metrics::{Unit, describe_gauge, gauge};

const BUILD_INFO: &str = "doorstep_build_info";

/// Tells the recorder each metric's unit and help. Call it once, after a recorder is installed.
pub fn describe() {
    describe_gauge!(BUILD_INFO, Unit::Count, "1, with the version that runs");
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    azure::describe();
    callers::describe();
    cluster::describe();
    dns::describe();
    proxy::describe();
    table::describe();
    webhooks::describe();
}
