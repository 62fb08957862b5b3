//! Who calls the management API.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const CALLERS_REFUSED: &str = "doorstep_api_callers_refused_total";
const IDENTITY_FILE_MISTAKES: &str = "doorstep_identity_file_mistakes";
const ISSUER_KEY_FETCHES: &str = "doorstep_issuer_key_fetches_total";

pub(super) fn describe() {
    describe_counter!(CALLERS_REFUSED, Unit::Count, "Calls of the management API that were refused, by reason");
    describe_gauge!(
        IDENTITY_FILE_MISTAKES,
        Unit::Count,
        "Mistakes in the identity file as it is now; with any, what was read before stays"
    );
    describe_counter!(ISSUER_KEY_FETCHES, Unit::Count, "How often issuers' keys were fetched, by outcome");
}

/// Why a call of the management API did not reach its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerRefused {
    /// Nobody is known by what was presented.
    Unknown,
    /// Somebody is known who may not do it.
    Forbidden,
    /// It cannot be decided now.
    Undecided,
    /// There were too many.
    TooMany,
    /// Its head cannot be read, or is too large.
    Unreadable,
    /// Its head did not come in time.
    TooSlow,
    /// There was no place for its connection.
    Crowded,
}

/// A call of the management API did not reach its handler.
pub fn caller_refused(reason: CallerRefused) {
    let reason = match reason {
        CallerRefused::Unknown => "unknown",
        CallerRefused::Forbidden => "forbidden",
        CallerRefused::Undecided => "undecided",
        CallerRefused::TooMany => "too-many",
        CallerRefused::Unreadable => "unreadable",
        CallerRefused::TooSlow => "too-slow",
        CallerRefused::Crowded => "crowded",
    };
    counter!(CALLERS_REFUSED, "reason" => reason).increment(1);
}

/// The identity file was read, with that many mistakes; with any, what was read before stays.
pub fn identity_file_mistakes(mistakes: usize) {
    gauge!(IDENTITY_FILE_MISTAKES).set(mistakes as f64);
}

/// An issuer's keys were fetched.
pub fn issuer_keys_fetched(done: bool) {
    counter!(ISSUER_KEY_FETCHES, "outcome" => if done { "done" } else { "failed" }).increment(1);
}
