//! Calls of Azure.

use metrics::{Unit, counter, describe_counter};

const AZURE_CALLS: &str = "doorstep_azure_calls_total";

pub(super) fn describe() {
    describe_counter!(AZURE_CALLS, Unit::Count, "Attempts to call Azure, by service, method and outcome");
}

/// How an attempt to call Azure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AzureOutcome {
    /// With a success.
    Done,
    /// No connection could be made.
    NotSent,
    /// It was sent and got no whole answer.
    NoAnswer,
    /// The answer cannot be read.
    Malformed,
    /// Refused for now: too many calls.
    Throttled,
    /// The resource was not as the call's condition says.
    Precondition,
    /// An error on the service's side.
    ServerError,
    /// Refused.
    Refused,
}

impl AzureOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotSent => "not-sent",
            Self::NoAnswer => "no-answer",
            Self::Malformed => "malformed",
            Self::Throttled => "throttled",
            Self::Precondition => "precondition",
            Self::ServerError => "server-error",
            Self::Refused => "refused",
        }
    }
}

/// Azure was called once.
pub fn azure_call(service: &'static str, method: &'static str, outcome: AzureOutcome) {
    counter!(AZURE_CALLS, "service" => service, "method" => method, "outcome" => outcome.as_str()).increment(1);
}
