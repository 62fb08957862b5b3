//! DNS.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const DNS_CHANGES: &str = "doorstep_dns_changes_total";
const DNS_RECORDS: &str = "doorstep_dns_record_sets";
const DNS_LISTINGS: &str = "doorstep_dns_listings_total";
const DNS_LISTED_AT: &str = "doorstep_dns_listed_timestamp_seconds";
const DNS_QUESTIONS: &str = "doorstep_dns_questions_total";

pub(super) fn describe() {
    describe_counter!(DNS_CHANGES, Unit::Count, "Changes of record sets by kind of change and by outcome");
    describe_gauge!(DNS_RECORDS, Unit::Count, "Record sets of a zone of the file of DNS, by how they are");
    describe_counter!(DNS_LISTINGS, Unit::Count, "Listings of zones by outcome");
    describe_gauge!(DNS_LISTED_AT, Unit::Seconds, "When a zone was listed last, in seconds since 1970");
    describe_counter!(DNS_QUESTIONS, Unit::Count, "Questions to the name server of this program, by transport");
}

/// A record set was changed, or could not be: `outcome` is `done` or the reason.
pub fn dns_changed(change: &'static str, outcome: &'static str) {
    counter!(DNS_CHANGES, "change" => change, "outcome" => outcome).increment(1);
}

/// A zone was listed, or could not be: `outcome` is `done` or the reason.
pub fn dns_listed(zone: &impl ToString, outcome: &'static str) {
    counter!(DNS_LISTINGS, "outcome" => outcome).increment(1);
    if outcome == "done" {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        gauge!(DNS_LISTED_AT, "zone" => zone.to_string()).set(now.as_secs_f64().floor());
    }
}

/// How the record sets of a zone are. Zones come from the file of DNS alone, so they are few.
pub fn dns_record_sets(zone: &impl ToString, counts: &[(&'static str, usize)]) {
    for (state, count) in counts {
        gauge!(DNS_RECORDS, "zone" => zone.to_string(), "state" => *state).set(*count as f64);
    }
}

/// The name server of this program was asked.
pub fn dns_question(by_stream: bool) {
    counter!(DNS_QUESTIONS, "transport" => if by_stream { "tcp" } else { "udp" }).increment(1);
}
