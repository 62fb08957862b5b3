//! The identity file: who may call the management API. `config/identity` holds an example.

mod issuer;
mod rules;

use super::fields::{Fields, Mistakes, kind};
use super::{ConfigErrors, parse_yaml};
use crate::identity::{KubernetesSettings, LimitSettings, Rules, Settings, TeamName, Teams, TokenSettings};
use crate::model::{UserId, parse_duration, shown};
use serde_json::Value;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

/// Reads the text of an identity file. `file` names it in messages.
pub fn read_identity(text: &str, file: &str) -> Result<Settings, ConfigErrors> {
    let document = parse_yaml(text, file)?;
    let mut mistakes = Mistakes::default();
    let known = ["issuers", "kubernetes", "certificates", "teams", "tokens", "limits", "origins"];
    let top = Fields::of(&document, "", &known, &mut mistakes);
    let teams = teams(&top, &mut mistakes);
    let mut settings = Settings {
        tokens: tokens(&top, &mut mistakes),
        limits: limits(&top, &mut mistakes),
        origins: origins(&top, &mut mistakes),
        ..Settings::default()
    };
    for (path, value) in top.list("issuers", &mut mistakes) {
        let Some(issuer) = issuer::read(&path, value, &teams, &mut mistakes) else { continue };
        for (field, taken) in [
            ("name", settings.issuers.iter().any(|other| other.name == issuer.name)),
            ("issuer", settings.issuers.iter().any(|other| other.expected.issuer == issuer.expected.issuer)),
        ] {
            if taken {
                mistakes.add(&format!("{path}.{field}"), "another issuer of this file has the same");
            }
        }
        settings.issuers.push(issuer);
    }
    if let Some(value) = top.value("kubernetes") {
        let fields = Fields::of(value, "kubernetes", &[&rules::FIELDS[..], &["audiences"]].concat(), &mut mistakes);
        let audiences = texts(&fields, "audiences", &mut mistakes);
        settings.kubernetes =
            Some(KubernetesSettings { audiences, rules: rules::read(&fields, &teams, &mut mistakes) });
    }
    if let Some(value) = top.value("certificates") {
        let fields = Fields::of(value, "certificates", &rules::FIELDS, &mut mistakes);
        let rules: Rules = rules::read(&fields, &teams, &mut mistakes);
        settings.certificates = Some(rules);
    }
    settings.teams = teams;
    mistakes.finish(file, settings)
}

fn teams(top: &Fields<'_>, mistakes: &mut Mistakes) -> Teams {
    let mut teams = Teams::new();
    for (path, value) in top.list("teams", mistakes) {
        let fields = Fields::of(value, &path, &["name", "members"], mistakes);
        let name = required_text(&fields, "name", mistakes);
        let name = name.and_then(|name| mistakes.check(&fields.path("name"), name.parse::<TeamName>()));
        let mut members = BTreeSet::new();
        for (path, member) in fields.list("members", mistakes) {
            let id = member.as_str().ok_or_else(|| format!("it is {}; it should be a user id", kind(member)));
            let id = id.and_then(|id| id.parse::<UserId>().map_err(|error| error.to_string()));
            members.extend(mistakes.check(&path, id));
        }
        if let Some(name) = name
            && teams.insert(name, members).is_some()
        {
            mistakes.add(&fields.path("name"), "another team of this file has the same");
        }
    }
    teams
}

fn tokens(top: &Fields<'_>, mistakes: &mut Mistakes) -> TokenSettings {
    let mut tokens = TokenSettings::default();
    let Some(value) = top.value("tokens") else { return tokens };
    let fields = Fields::of(value, "tokens", &["maxLifetime", "defaultLifetime"], mistakes);
    if let Some(longest) = duration(&fields, "maxLifetime", mistakes) {
        tokens.max_lifetime = longest;
        tokens.default_lifetime = tokens.default_lifetime.min(longest);
    }
    if let Some(usual) = duration(&fields, "defaultLifetime", mistakes) {
        if usual > tokens.max_lifetime {
            mistakes.add(&fields.path("defaultLifetime"), "it is longer than maxLifetime");
        }
        tokens.default_lifetime = usual;
    }
    tokens
}

fn limits(top: &Fields<'_>, mistakes: &mut Mistakes) -> LimitSettings {
    let mut limits = LimitSettings::default();
    let Some(value) = top.value("limits") else { return limits };
    let fields = Fields::of(value, "limits", &["perCaller", "perUnknownAddress"], mistakes);
    for (name, limit) in [("perCaller", &mut limits.per_caller), ("perUnknownAddress", &mut limits.per_unknown_address)]
    {
        let Some(value) = fields.value(name) else { continue };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).and_then(NonZeroU32::new);
        let wrong = "it should be a whole number of calls in a minute, 1 or more";
        if let Some(number) = mistakes.check(&fields.path(name), number.ok_or(wrong)) {
            *limit = number;
        }
    }
    limits
}

fn origins(top: &Fields<'_>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut origins = Vec::new();
    for (path, value) in top.list("origins", mistakes) {
        let origin = value.as_str().unwrap_or_default();
        let parsed = origin.parse::<http::Uri>().ok().filter(|uri| {
            let scheme = matches!(uri.scheme_str(), Some("https" | "http"));
            let bare = uri.path_and_query().is_none_or(|rest| rest == "/") && !origin.ends_with('/');
            scheme && bare && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        let wrong = || format!("{} is no origin, like https://console.example.com", shown(origin));
        if mistakes.check(&path, parsed.ok_or_else(wrong)).is_some() {
            origins.push(origin.to_ascii_lowercase());
        }
    }
    origins
}

fn duration(fields: &Fields<'_>, name: &str, mistakes: &mut Mistakes) -> Option<Duration> {
    let text = fields.text(name, mistakes)?;
    let wrong = format!("{} is not a duration, like 30s, 5m or 720h", shown(text));
    mistakes.check(&fields.path(name), parse_duration(text).ok_or(wrong))
}

fn texts(fields: &Fields<'_>, name: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let list = fields.list(name, mistakes);
    list.into_iter().filter_map(|(path, value)| text_of(&path, value, mistakes)).collect()
}

fn text_of(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    let wrong = || match value {
        Value::String(_) => "it is an empty text".to_owned(),
        other => format!("it is {}; it should be a text: write it in quotes", kind(other)),
    };
    mistakes.check(path, text.map(str::to_owned).ok_or_else(wrong))
}

fn required_text<'v>(fields: &Fields<'v>, name: &str, mistakes: &mut Mistakes) -> Option<&'v str> {
    if fields.value(name).is_none() {
        mistakes.add(&fields.path(name), "it is missing");
    }
    let text = fields.text(name, mistakes)?;
    if text.is_empty() {
        mistakes.add(&fields.path(name), "it is an empty text");
    }
    Some(text)
}

#[cfg(test)]
mod tests;
