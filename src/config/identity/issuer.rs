//! One issuer of the identity file.

use super::super::fields::{Fields, Mistakes};
use super::super::read_file;
use super::{duration, required_text, rules, text_of, texts};
use crate::identity::{
    Expected, IssuerSettings, LoginSettings, Presents, SignatureAlgorithm, TeamName, Teams, callable_url,
};
use crate::model::shown;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The most that clocks may be apart.
const MAX_SKEW: Duration = Duration::from_secs(300);

const FIELDS: [&str; 10] = [
    "name",
    "issuer",
    "audiences",
    "algorithms",
    "types",
    "discovery",
    "authorityFile",
    "skew",
    "maxLifetime",
    "login",
];

pub(super) fn read(path: &str, value: &Value, teams: &Teams, mistakes: &mut Mistakes) -> Option<IssuerSettings> {
    let fields = Fields::of(value, path, &[&FIELDS[..], &rules::FIELDS].concat(), mistakes);
    let name = required_text(&fields, "name", mistakes);
    // It stands in subjects and sentences, so it is as plain as a team's.
    let name = name.and_then(|name| mistakes.check(&fields.path("name"), plain(name)));
    let issuer = required_text(&fields, "issuer", mistakes);
    let url = issuer.and_then(|issuer| mistakes.check(&fields.path("issuer"), callable_url(issuer)));
    let discovery = match (fields.text("discovery", mistakes), issuer) {
        (Some(text), _) => mistakes.check(&fields.path("discovery"), callable_url(text)),
        // OpenID Connect Discovery, section 4: a slash at the end of the issuer is not doubled.
        (None, Some(issuer)) => url.and_then(|_| {
            callable_url(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).ok()
        }),
        (None, None) => None,
    };
    fields.some_list("audiences", mistakes);
    let expected = Expected {
        issuer: issuer.unwrap_or_default().to_owned(),
        audiences: texts(&fields, "audiences", mistakes),
        types: types(&fields, mistakes),
        skew: skew(&fields, mistakes),
        max_lifetime: duration(&fields, "maxLifetime", mistakes).unwrap_or(Duration::from_secs(24 * 3600)),
    };
    let rules = rules::read(&fields, teams, mistakes);
    let authority = fields.text("authorityFile", mistakes).and_then(|file| {
        let text = read_file(Path::new(file)).map_err(|errors| errors.to_string());
        mistakes.check(&fields.path("authorityFile"), text).map(String::into_bytes)
    });
    let login = fields.value("login").and_then(|value| login(&fields.path("login"), value, mistakes));
    let algorithms = algorithms(&fields, mistakes);
    Some(IssuerSettings { name: name?, expected, algorithms, discovery: discovery?, authority, rules, login })
}

fn plain(name: &str) -> Result<Arc<str>, String> {
    let wrong = |_| format!("{} is not 1 to 63 lower-case letters, digits and hyphens", shown(name));
    name.parse::<TeamName>().map(|name| name.as_str().into()).map_err(wrong)
}

fn types(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Vec<String> {
    let given = texts(fields, "types", mistakes);
    if given.is_empty() {
        return vec!["jwt".to_owned(), "at+jwt".to_owned()];
    }
    given.iter().map(|kind| kind.to_ascii_lowercase().trim_start_matches("application/").to_owned()).collect()
}

fn skew(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Duration {
    let skew = duration(fields, "skew", mistakes).unwrap_or(Duration::from_secs(60));
    if skew > MAX_SKEW {
        mistakes.add(&fields.path("skew"), "it is more than 5m, by which an expired token would live on");
    }
    skew
}

fn algorithms(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Vec<SignatureAlgorithm> {
    let mut algorithms = Vec::new();
    for (path, value) in fields.list("algorithms", mistakes) {
        let Some(text) = text_of(&path, value, mistakes) else { continue };
        algorithms.extend(mistakes.check(&path, text.parse::<SignatureAlgorithm>()));
    }
    if fields.value("algorithms").is_none() {
        algorithms = vec![SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256];
    }
    algorithms
}

fn login(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<LoginSettings> {
    let fields = Fields::of(value, path, &["clientId", "scopes", "presents", "redirectHost"], mistakes);
    let client_id = required_text(&fields, "clientId", mistakes).map(str::to_owned);
    let mut scopes = texts(&fields, "scopes", mistakes);
    if scopes.is_empty() {
        scopes = ["openid", "profile", "offline_access"].map(str::to_owned).to_vec();
    }
    let presents = match fields.text("presents", mistakes) {
        None | Some("access-token") => Presents::AccessToken,
        Some("id-token") => Presents::IdToken,
        Some(other) => {
            let said = format!("{} is neither access-token nor id-token", shown(other));
            mistakes.add(&fields.path("presents"), said);
            Presents::AccessToken
        }
    };
    let redirect_to_localhost = match fields.text("redirectHost", mistakes) {
        None | Some("127.0.0.1") => false,
        Some("localhost") => true,
        Some(other) => {
            let said = format!("{} is neither 127.0.0.1 nor localhost", shown(other));
            mistakes.add(&fields.path("redirectHost"), said);
            false
        }
    };
    Some(LoginSettings { client_id: client_id?, scopes, presents, redirect_to_localhost })
}
