//! The cluster: who leads, and what is missing.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const LEADER: &str = "doorstep_leader";
const USE_MARKS_FAILED: &str = "doorstep_use_mark_failures_total";
const WRITES_FENCED: &str = "doorstep_writes_fenced_total";
const MISSING_RIGHTS: &str = "doorstep_missing_rights";
const HOSTS_UNCONFIRMED: &str = "doorstep_gateway_hosts_unconfirmed";
const GATEWAYS_SILENT: &str = "doorstep_gateways_silent";
const CREDENTIAL_RENEWALS: &str = "doorstep_credential_renewals_total";

pub(super) fn describe() {
    describe_gauge!(MISSING_RIGHTS, Unit::Count, "Whether a right in the cluster is missing: 1, or 0");
    describe_gauge!(LEADER, Unit::Count, "Whether this manager leads: 1, or 0");
    describe_gauge!(HOSTS_UNCONFIRMED, Unit::Count, "Hosts that wait until every gateway leads to their endpoints");
    describe_gauge!(GATEWAYS_SILENT, Unit::Count, "Gateways that do not answer where they lead while a host waits");
    describe_counter!(USE_MARKS_FAILED, Unit::Count, "Writes of the use of environments that failed");
    describe_counter!(WRITES_FENCED, Unit::Count, "Writes that were not sent, as another manager may lead by now");
    describe_counter!(
        CREDENTIAL_RENEWALS,
        Unit::Count,
        "How often the cluster's credentials were asked for, by outcome"
    );
}

/// This manager leads now, or does not.
pub fn leads(leads: bool) {
    gauge!(LEADER).set(if leads { 1.0 } else { 0.0 });
}

/// So many hosts wait until every gateway leads to their endpoints, and so many gateways do not answer.
pub fn gateways_asked(hosts: usize, silent: usize) {
    gauge!(HOSTS_UNCONFIRMED).set(hosts as f64);
    gauge!(GATEWAYS_SILENT).set(silent as f64);
}

/// The use of environments could not be noted.
pub fn use_mark_failed() {
    counter!(USE_MARKS_FAILED).increment(1);
}

/// A write was not sent, as another manager may lead by now.
pub fn write_fenced() {
    counter!(WRITES_FENCED).increment(1);
}

/// Whether a right is missing; the labels are its role, API group, resource and verb, all from one list.
pub fn right_is_missing([role, group, resource, verb]: [&'static str; 4], is_missing: bool) {
    let gauge = gauge!(MISSING_RIGHTS, "role" => role, "group" => group, "resource" => resource, "verb" => verb);
    gauge.set(if is_missing { 1.0 } else { 0.0 });
}

/// The cluster's credentials were asked for.
pub fn credentials_renewed(done: bool) {
    counter!(CREDENTIAL_RENEWALS, "outcome" => if done { "done" } else { "failed" }).increment(1);
}
