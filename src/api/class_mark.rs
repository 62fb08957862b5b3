//! The mark of a class that is being taken away: no environment of it is made meanwhile.

use super::problem::{Code, Problem};
use crate::model::{ClassName, between};
use crate::resources::EnvironmentClass;
use crate::resources::labels::GOING;
use jiff::Timestamp;
use kube::ResourceExt as _;
use std::time::Duration;

/// How long a mark counts: a manager that dies leaves one behind.
const COUNTS: Duration = Duration::from_secs(60);

/// Whether somebody is taking the class away.
pub(super) fn is_going(class: &EnvironmentClass, now: Timestamp) -> bool {
    let since = class.annotations().get(GOING).and_then(|text| text.parse::<Timestamp>().ok());
    let is_marked = since.is_some_and(|since| between(since, now) < COUNTS && between(now, since) < COUNTS);
    is_marked || class.metadata.deletion_timestamp.is_some()
}

/// That an environment of a class which is taken away is not made.
pub(super) fn going(name: &ClassName) -> Problem {
    Problem::new(Code::UnusableClass, format!("the class {name} cannot be used: it is being taken away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_for_a_minute() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let marked = |text: &str| {
            let spec = serde_json::json!({"host": "demo{user}.try.{domain}", "port": 80,
                "template": {"spec": {"containers": [{"name": "front", "image": "front:1"}]}}});
            let mut class = EnvironmentClass::new("demo", serde_json::from_value(spec).unwrap());
            class.annotations_mut().insert(GOING.to_owned(), text.to_owned());
            is_going(&class, now)
        };
        assert!(marked("2026-03-01T10:00:00Z") && marked("2026-03-01T09:59:01Z") && marked("2026-03-01T10:00:30Z"));
        for old in ["2026-03-01T09:59:00Z", "2026-03-01T10:01:00Z", "", "yes"] {
            assert!(!marked(old), "{old:?}");
        }
    }
}
