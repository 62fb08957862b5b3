//! Times as they are wished for: in whole seconds, as Kubernetes keeps them.

use super::input::kind_of;
use super::json::pointer;
use super::problem::FieldError;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value};

/// Now, in whole seconds as the cluster keeps times.
pub(super) fn now() -> Time {
    let now = Timestamp::now();
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// A time of RFC 3339, in whole seconds.
pub(super) fn time(body: &Map<String, Value>, name: &str, errors: &mut Vec<FieldError>) -> Option<Time> {
    let value = body.get(name)?;
    let read = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let read = read.and_then(|time| Timestamp::from_second(time.as_second()).ok());
    if read.is_none() {
        let given = value.as_str().map_or_else(|| kind_of(value).to_owned(), crate::model::shown);
        let said = format!("{name} is {given}; it has to be a time of RFC 3339, like 2030-01-31T18:00:00Z");
        errors.push(FieldError::new(pointer("", name), said));
    }
    read.map(Time)
}
