//! The Ingress by which cert-manager answers an ACME challenge (RFC 8555, section 8.3).

use super::Reader;
use super::settings::Settings;
use crate::model::Hostname;
use crate::resources::labels;
use crate::routing::{CHALLENGE_PATH, Matcher, PathMatch, RuleSpec};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

/// The longest token that is believed; cert-manager's have 43 characters.
const MAX_TOKEN: usize = 256;

/// The host and the rule of a solver's Ingress. Only the exact shape counts: the label, one rule, one exact host, one path
/// that is a token's. Whatever is more than that is an Ingress like any other.
pub(super) fn of(ingress: &Ingress) -> Option<(Hostname, RuleSpec)> {
    if ingress.labels().get(labels::ACME_SOLVER).is_none_or(|value| value != "true") {
        return None;
    }
    let spec = ingress.spec.as_ref().filter(|spec| spec.default_backend.is_none())?;
    let [rule] = spec.rules.as_deref()? else { return None };
    let [path] = rule.http.as_ref()?.paths.as_slice() else { return None };
    // Older versions of it say ImplementationSpecific, and mean the path itself.
    if !["Exact", "ImplementationSpecific"].contains(&path.path_type.as_str()) {
        return None;
    }
    let text = path.path.as_deref()?;
    let token = text.strip_prefix(CHALLENGE_PATH)?;
    // The alphabet of base64url (RFC 8555, section 8.3).
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(is_token) {
        return None;
    }
    let host = rule.host.as_deref()?.parse().ok()?;
    let namespace = ingress.namespace().unwrap_or_default();
    let reader = Reader { namespace: &namespace, settings: Settings::default() };
    let matcher = Matcher { path: PathMatch::Exact(text.into()), ..Matcher::any() };
    Some((host, reader.rule(matcher, "spec.rules[0].http.paths[0]", &path.backend)))
}
