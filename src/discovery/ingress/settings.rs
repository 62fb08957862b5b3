//! The annotations of an Ingress that we read.

use super::Mistakes;
use crate::model::{parse_duration, shown};
use crate::resources::labels;
use crate::routing::{Protocol, Timeouts};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

/// A message names at most so many annotations.
const MAX_OTHERS: usize = 5;

/// What an Ingress says of all of its rules.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// What the endpoints speak; as the Service's port says when not given.
    pub(super) protocol: Option<Protocol>,
    pub(super) timeouts: Timeouts,
}

impl Settings {
    /// Reads the annotations. One that cannot be read counts as not given.
    pub(super) fn of(ingress: &Ingress, mistakes: &mut Mistakes) -> Self {
        let annotations = ingress.annotations();
        tell_of_others(annotations.keys(), mistakes);
        let protocol = annotations.get(labels::BACKEND_PROTOCOL).and_then(|text| match text.as_str() {
            "http1" => Some(Protocol::Http1),
            "h2c" => Some(Protocol::H2c),
            other => {
                let message = format!("{} is not known; known are http1, h2c", shown(other));
                mistakes.add(&place(labels::BACKEND_PROTOCOL), &message);
                None
            }
        });
        let mut duration = |name: &str| {
            let text = annotations.get(name)?;
            let parsed = parse_duration(text);
            if parsed.is_none() {
                mistakes.add(&place(name), &format!("{} is not a duration, like 500ms, 30s or 5m", shown(text)));
            }
            parsed
        };
        let (response_head, idle) = (duration(labels::RESPONSE_TIMEOUT), duration(labels::IDLE_TIMEOUT));
        let attempt = duration(labels::ATTEMPT_TIMEOUT);
        // How long a request waits for an endpoint is said on the Service.
        let timeouts = Timeouts { response_head, attempt, idle, wait: None };
        Self { protocol, timeouts }
    }
}

/// Annotations of other controllers: what they ask for, a guard perhaps, is not done here.
fn tell_of_others<'a>(names: impl Iterator<Item = &'a String>, mistakes: &mut Mistakes) {
    let domain = |name: &str| name.split_once('/').map_or("", |(domain, _)| domain).to_owned();
    let is_other = |name: &&String| {
        domain(name)
            .strip_suffix("ingress.kubernetes.io")
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let others: Vec<String> = names.filter(is_other).map(|name| shown(name)).collect();
    let more = others.len().saturating_sub(MAX_OTHERS);
    let first: Vec<String> = others.into_iter().take(MAX_OTHERS).collect();
    if first.is_empty() {
        return;
    }
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "another controller reads {}{rest}, and here that has no effect; take it off, or write what it asks for as a route of the file of routes",
        first.join(", ")
    );
    mistakes.add("metadata.annotations", &message);
}

fn place(annotation: &str) -> String {
    format!("annotation {annotation}")
}
