//! Every metric of Doorstep, by name. Nowhere else is a metric named.
#![allow(clippy::disallowed_macros, reason = "this is the one place")]

use metrics::gauge;

/// A route table was published.
pub fn table_published(generation: u64, hosts: usize, problems: usize) {
    gauge!("doorstep_table_generation").set(generation as f64);
    gauge!("doorstep_table_hosts").set(hosts as f64);
    gauge!("doorstep_table_problems").set(problems as f64);
}
