//! The route table, its sources and its copy on disk.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const TABLE_GENERATION: &str = "doorstep_table_generation";
const TABLE_HOSTS: &str = "doorstep_table_hosts";
const ROUTES_FILE_MISTAKES: &str = "doorstep_routes_file_mistakes";
const CERTIFICATES: &str = "doorstep_certificates";
const CERTIFICATE_NOT_AFTER: &str = "doorstep_certificate_not_after_seconds";
const CERTIFICATE_EARLIEST: &str = "doorstep_certificate_earliest_not_after_seconds";
/// The most certificates with a series of their own.
const MAX_CERTIFICATES: usize = 500;
const TABLE_PROBLEMS: &str = "doorstep_table_problems";
const KIND_CURRENT: &str = "doorstep_table_kind_current";
const KIND_STALE_SINCE: &str = "doorstep_table_kind_stale_since_timestamp_seconds";
const LAST_GOOD_WRITTEN: &str = "doorstep_last_good_written_timestamp_seconds";
const LAST_GOOD_BYTES: &str = "doorstep_last_good_bytes";
const LAST_GOOD_FAILURES: &str = "doorstep_last_good_write_failures_total";

/// Tells the recorder of them.
pub(super) fn describe() {
    describe_last_good();
    describe_table();
}

fn describe_table() {
    describe_gauge!(CERTIFICATES, Unit::Count, "Certificates from Secrets that are in use");
    describe_gauge!(
        CERTIFICATE_NOT_AFTER,
        Unit::Seconds,
        "When a certificate ends, in seconds since 1970, by its Secret; 0: not in use any more"
    );
    describe_gauge!(CERTIFICATE_EARLIEST, Unit::Seconds, "When the first of all certificates ends; 0: there is none");
    describe_gauge!(ROUTES_FILE_MISTAKES, Unit::Count, "Mistakes in the file of routes as it is now");
    describe_gauge!(TABLE_GENERATION, Unit::Count, "How often a route table was published");
    describe_gauge!(TABLE_HOSTS, Unit::Count, "Hosts in the published route table");
    describe_gauge!(
        TABLE_PROBLEMS,
        Unit::Count,
        "Sources, or parts of them, that are not in the table; explain says why"
    );
}

fn describe_last_good() {
    describe_gauge!(KIND_CURRENT, Unit::Count, "1 while a kind's objects are listed and watched; else 0");
    describe_gauge!(
        KIND_STALE_SINCE,
        Unit::Seconds,
        "Since when changes of a kind may have been missed, in seconds since 1970; 0 while it is current or missing"
    );
    describe_gauge!(LAST_GOOD_WRITTEN, Unit::Seconds, "When the last good table was written, in seconds since 1970");
    describe_gauge!(LAST_GOOD_BYTES, Unit::Bytes, "How large the last good table on disk is");
    describe_counter!(LAST_GOOD_FAILURES, Unit::Count, "Writes of the last good table that failed");
}

/// How current what is known of a kind is; `stale_since` in seconds since 1970.
pub fn kind_currency(kind: &impl ToString, current: bool, stale_since: Option<i64>) {
    gauge!(KIND_CURRENT, "kind" => kind.to_string()).set(f64::from(u8::from(current)));
    gauge!(KIND_STALE_SINCE, "kind" => kind.to_string()).set(stale_since.unwrap_or_default() as f64);
}

/// The certificates in use, each with the time of its end in seconds since 1970. At most so many have a series of their
/// own; the earliest end of all is always told. One that is not in use any more reads 0.
pub fn certificates(all: impl Iterator<Item = (String, i64)>) {
    static TOLD: std::sync::Mutex<std::collections::BTreeSet<String>> =
        std::sync::Mutex::new(std::collections::BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut before = std::mem::take(&mut *told);
    let (mut count, mut earliest) = (0_usize, None::<i64>);
    for (secret, not_after) in all {
        count += 1;
        earliest = Some(earliest.map_or(not_after, |known| known.min(not_after)));
        if before.remove(&secret) || before.len() + told.len() < MAX_CERTIFICATES {
            gauge!(CERTIFICATE_NOT_AFTER, "secret" => secret.clone()).set(not_after as f64);
            told.insert(secret);
        }
    }
    for secret in before {
        gauge!(CERTIFICATE_NOT_AFTER, "secret" => secret).set(0.0);
    }
    gauge!(CERTIFICATES).set(count as f64);
    gauge!(CERTIFICATE_EARLIEST).set(earliest.unwrap_or_default() as f64);
}

/// The last good table was written, with that many bytes.
pub fn last_good_written(bytes: u64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    gauge!(LAST_GOOD_WRITTEN).set(now.as_secs_f64().floor());
    gauge!(LAST_GOOD_BYTES).set(bytes as f64);
}

/// The last good table could not be written.
pub fn last_good_write_failed() {
    counter!(LAST_GOOD_FAILURES).increment(1);
}

/// The file of routes was read, with that many mistakes; with any, what was read before stays.
pub fn routes_file_mistakes(mistakes: usize) {
    gauge!(ROUTES_FILE_MISTAKES).set(mistakes as f64);
}

/// A route table was published.
pub fn table_published(generation: u64, hosts: usize, problems: usize) {
    gauge!(TABLE_GENERATION).set(generation as f64);
    gauge!(TABLE_HOSTS).set(hosts as f64);
    gauge!(TABLE_PROBLEMS).set(problems as f64);
}
