//! Whether a call is made once more: decided by what is known of the first one's effect, never by hope.

use super::call::Method;
use super::service_error::ServiceError;
use std::time::Duration;

/// How often a call is tried at most.
pub(super) const MAX_ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// When a 429 does not say how long; Private DNS says about as much when it does.
const UNSAID_WAIT: Duration = Duration::from_secs(10);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection could be made: nothing was sent.
    NotSent(String),
    /// It was sent, at least in part, and no whole answer came.
    NoAnswer(String),
    /// An answer that is no success.
    Status { status: u16, retry_after: Option<Duration>, error: ServiceError },
    /// A success whose body cannot be read.
    Malformed(String),
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing has happened, or nothing can have: once more after a wait.
    Again(Duration),
    /// The service has no room: all calls of this kind wait that long, then once more.
    Throttled(Duration),
    /// The token was not taken: once more with a new one.
    NewToken,
    /// The write may have taken effect: only a look at the resource tells.
    Unknown,
    /// It stays so.
    Final,
}

/// Decides by the method's safety and the failure. `attempt` counts from 0.
pub(super) fn verdict(method: Method, failure: &Failure, attempt: u32) -> Verdict {
    let again = || Verdict::Again(backoff(attempt));
    match failure {
        Failure::NotSent(_) => again(),
        Failure::NoAnswer(_) if method.is_safe() => again(),
        Failure::NoAnswer(_) => Verdict::Unknown,
        Failure::Malformed(_) if method.is_safe() => Verdict::Final,
        Failure::Malformed(_) => Verdict::Unknown,
        Failure::Status { status: 401, .. } if attempt == 0 => Verdict::NewToken,
        Failure::Status { status: 429, retry_after, .. } => Verdict::Throttled(retry_after.unwrap_or(UNSAID_WAIT)),
        Failure::Status { status: 409, error, retry_after } if is_busy(error) => {
            Verdict::Again(retry_after.unwrap_or_else(|| backoff(attempt)))
        }
        Failure::Status { status: 408 | 500 | 502 | 503 | 504, retry_after, .. } if method.is_safe() => {
            Verdict::Again(retry_after.unwrap_or_else(|| backoff(attempt)))
        }
        // Whoever answers so may stand before the service that did the work.
        Failure::Status { status: 408 | 500 | 502 | 503 | 504, .. } => Verdict::Unknown,
        Failure::Status { .. } => Verdict::Final,
    }
}

/// Another operation holds the resource; nothing was done.
fn is_busy(error: &ServiceError) -> bool {
    ["RetryableErrorDueToAnotherOperation", "AnotherOperationInProgress"].iter().any(|code| error.has_code(code))
}

/// A random wait that doubles its bound with each attempt ("full jitter").
pub(super) fn backoff(attempt: u32) -> Duration {
    let bound = FIRST_WAIT.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
    let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(fastrand::u64(bound / 4..=bound))
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). Bounded, as it comes from outside.
pub(super) fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Failure {
        Failure::Status { status, retry_after: None, error: ServiceError::default() }
    }

    #[test]
    fn a_write_whose_effect_is_unknown_is_never_repeated_blindly() {
        for method in [Method::Put, Method::Patch, Method::Post, Method::Delete] {
            for failure in [Failure::NoAnswer(String::new()), Failure::Malformed(String::new())] {
                assert_eq!(verdict(method, &failure, 0), Verdict::Unknown, "{method:?} {failure:?}");
            }
            for code in [408, 500, 502, 503, 504] {
                assert_eq!(verdict(method, &status(code), 0), Verdict::Unknown, "{method:?} {code}");
            }
        }
    }

    #[test]
    fn what_was_not_done_is_tried_again_whatever_the_method() {
        for method in Method::ALL {
            assert!(matches!(verdict(method, &Failure::NotSent(String::new()), 0), Verdict::Again(_)));
            assert_eq!(verdict(method, &status(429), 0), Verdict::Throttled(UNSAID_WAIT));
            let error = ServiceError { code: "RetryableErrorDueToAnotherOperation".to_owned(), ..Default::default() };
            let busy = Failure::Status { status: 409, retry_after: Some(Duration::from_secs(3)), error };
            assert_eq!(verdict(method, &busy, 1), Verdict::Again(Duration::from_secs(3)));
        }
    }

    #[test]
    fn reads_are_repeated_and_refusals_are_not() {
        assert!(matches!(verdict(Method::Get, &Failure::NoAnswer(String::new()), 0), Verdict::Again(_)));
        assert!(matches!(verdict(Method::Get, &status(503), 0), Verdict::Again(_)));
        for code in [400, 403, 404, 409, 412, 422, 501] {
            assert_eq!(verdict(Method::Get, &status(code), 0), Verdict::Final, "{code}");
            assert_eq!(verdict(Method::Put, &status(code), 0), Verdict::Final, "{code}");
        }
        assert_eq!(verdict(Method::Put, &status(401), 0), Verdict::NewToken);
        assert_eq!(verdict(Method::Put, &status(401), 1), Verdict::Final);
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        for attempt in [0, 1, 5, 31, 32, u32::MAX] {
            assert!(backoff(attempt) <= LONGEST_WAIT && backoff(attempt) >= FIRST_WAIT / 4, "{attempt}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(retry_after("17", now), Some(Duration::from_secs(17)));
        assert_eq!(retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 01 Jan 2020 00:00:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999", now), Some(LONGEST_RETRY_AFTER));
        for bad in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }
}
