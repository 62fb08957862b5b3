//! The body of a webhook, or every mistake that is in it.

use super::super::input::{kind_of, refuse_unknown};
use super::super::json::pointer;
use super::super::problem::{FieldError, Problem};
use crate::model::{ClassName, HappeningKind, UserId, did_you_mean, shown};
use crate::webhooks::{Allowed, Endpoint};
use serde_json::{Map, Value};

/// What was asked for, checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) class: Option<String>,
    pub(super) enabled: bool,
}

/// Checks a body.
pub(super) fn checked(body: &Map<String, Value>, allowed: &Allowed) -> Result<Checked, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &["url", "events", "user", "class", "enabled"], &mut errors);
    let url = match text(body, "url", &mut errors) {
        Some(text) => match Endpoint::read(text, allowed) {
            Ok(endpoint) => endpoint.as_str().to_owned(),
            Err(error) => {
                errors.push(FieldError::new("/url", error.to_string()));
                String::new()
            }
        },
        None => {
            if !body.contains_key("url") {
                errors.push(FieldError::new("/url", "it is needed: where the webhook is told"));
            }
            String::new()
        }
    };
    let user = text(body, "user", &mut errors).and_then(|text| {
        text.parse::<UserId>().map_err(|error| errors.push(FieldError::new("/user", error.to_string()))).ok()
    });
    let class = text(body, "class", &mut errors).and_then(|text| {
        text.parse::<ClassName>().map_err(|error| errors.push(FieldError::new("/class", error.to_string()))).ok()
    });
    let events = events(body, &mut errors);
    let enabled = match body.get("enabled") {
        None => true,
        Some(Value::Bool(enabled)) => *enabled,
        Some(other) => {
            errors.push(FieldError::new("/enabled", format!("it is {}; it should be true or false", kind_of(other))));
            true
        }
    };
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let (user, class) = (user.map(|user| user.to_string()), class.map(|class| class.to_string()));
    Ok(Checked { url, events, user, class, enabled })
}

fn text<'v>(body: &'v Map<String, Value>, name: &str, errors: &mut Vec<FieldError>) -> Option<&'v str> {
    match body.get(name) {
        None => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => {
            let said = format!("it is {}; it should be a text", kind_of(other));
            errors.push(FieldError::new(pointer("", name), said));
            None
        }
    }
}

fn events(body: &Map<String, Value>, errors: &mut Vec<FieldError>) -> Vec<String> {
    let items = match body.get("events") {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            errors.push(FieldError::new("/events", format!("it is {}; it should be a list", kind_of(other))));
            return Vec::new();
        }
    };
    let known = HappeningKind::ALL.map(HappeningKind::as_str);
    if items.len() > known.len() {
        let said =
            format!("there are {} of them; each of the {} events is named once at most", items.len(), known.len());
        errors.push(FieldError::new("/events", said));
    }
    let mut events = Vec::<String>::new();
    for (at, item) in items.iter().enumerate().take(known.len()) {
        let said = match item.as_str() {
            Some(event) if known.contains(&event) => {
                if !events.iter().any(|other| other == event) {
                    events.push(event.to_owned());
                }
                continue;
            }
            Some(event) => format!("there is no event {}{}", shown(event), did_you_mean(event, known)),
            None => format!("it is {}; it should be one of {}", kind_of(item), known.join(", ")),
        };
        errors.push(FieldError::new(format!("/events/{at}"), said));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(body: Value) -> Vec<String> {
        let Value::Object(body) = body else { panic!("an object") };
        let problem = checked(&body, &Allowed::default()).unwrap_err();
        problem.errors.into_iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect()
    }

    #[test]
    fn every_mistake_has_its_place() {
        let told = said(json!({"url": "http://169.254.169.254/", "evnts": [], "user": "a-b", "class": 3,
            "events": ["redy", 1, "ready", "ready"], "enabled": "yes"}));
        assert_eq!(told.len(), 7, "{told:?}");
        assert!(
            told.contains(&"/events/0: there is no event \"redy\"; did you mean \"ready\"?".to_owned()),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|said| said
                    .starts_with("/url: the URL leads to no public address: 169.254.169.254 is a link-local")),
            "{told:?}"
        );
        let ten = ["ready"; 10];
        assert_eq!(
            said(json!({"url": "https://example.com/", "events": ten})),
            ["/events: there are 10 of them; each of the 9 events is named once at most"]
        );
        assert_eq!(said(json!({})), ["/url: it is needed: where the webhook is told"]);
    }
}
