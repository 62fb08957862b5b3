//! What the verbs of an environment wish for, and how each writes it.

use super::times::now;
use crate::model::later;
use crate::resources::EnvironmentSpec;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// How a verb changes what is wished for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verb {
    Restart,
    Sleep,
    Wake,
    Pin(bool),
    Extend(Extension),
}

/// By how much, or until when, an environment is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Extension {
    By(Duration),
    Until(Time),
}

impl Verb {
    /// Writes the wish.
    pub(super) fn write(&self, spec: &mut EnvironmentSpec, expires: Option<Timestamp>) {
        match self {
            Self::Restart => spec.restarted_at = Some(now()),
            Self::Sleep => spec.sleeping = true,
            Self::Wake => {
                spec.sleeping = false;
                spec.woken_at = Some(now());
            }
            Self::Pin(pinned) => spec.pinned = *pinned,
            Self::Extend(Extension::Until(time)) => spec.expires_at = Some(time.clone()),
            Self::Extend(Extension::By(more)) => {
                let from = expires.unwrap_or_else(|| now().0).max(now().0);
                spec.expires_at = Some(Time(later(from, *more)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_is_added_to_what_is_left() {
        let mut spec = EnvironmentSpec::default();
        let end = later(now().0, Duration::from_secs(3600));
        Verb::Extend(Extension::By(Duration::from_secs(60))).write(&mut spec, Some(end));
        assert_eq!(spec.expires_at.unwrap().0, later(end, Duration::from_secs(60)));
        let mut spec = EnvironmentSpec { sleeping: true, ..EnvironmentSpec::default() };
        Verb::Wake.write(&mut spec, None);
        assert!(!spec.sleeping && spec.woken_at.is_some());
    }
}
