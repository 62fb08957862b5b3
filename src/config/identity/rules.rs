//! How claims become callers: `subject`, `displayName`, `user` and `grants`.

use super::super::fields::{Fields, Mistakes, kind};
use super::{required_text, text_of, texts};
use crate::identity::{Condition, Grant, Role, Rules, Scope, Scopes, TeamName, Teams, UserRule, Wanted, whole_pattern};
use crate::model::shown;
use regex::Regex;
use serde_json::Value;

/// The fields that are read here.
pub(super) const FIELDS: [&str; 4] = ["subject", "displayName", "user", "grants"];

pub(super) fn read(fields: &Fields<'_>, teams: &Teams, mistakes: &mut Mistakes) -> Rules {
    let mut claim = |name: &str| fields.text(name, mistakes).map(str::to_owned);
    let (subject, name) = (claim("subject"), claim("displayName"));
    let user = fields.value("user").and_then(|value| user(&fields.path("user"), value, mistakes));
    let mut grants = Vec::new();
    for (path, value) in fields.some_list("grants", mistakes) {
        grants.extend(grant(&path, value, teams, mistakes));
    }
    if user.is_none() && fields.value("user").is_none() && grants.iter().any(|grant| grant.role == Role::User) {
        let said = "it is missing: without it, those with the role user have no environments; give claim and pattern";
        mistakes.add(&fields.path("user"), said);
    }
    Rules { user, name, subject, grants }
}

fn user(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<UserRule> {
    let fields = Fields::of(value, path, &["claim", "pattern"], mistakes);
    let claim = required_text(&fields, "claim", mistakes);
    let pattern = match fields.text("pattern", mistakes) {
        Some(text) => pattern(&fields.path("pattern"), text, mistakes),
        None => whole_pattern("[A-Za-z0-9]{1,32}").ok(),
    };
    let pattern = pattern?;
    if pattern.captures_len() > 2 {
        mistakes.add(&fields.path("pattern"), "it has several groups; the one that is the user id is enough");
    }
    Some(UserRule { claim: claim?.to_owned(), pattern })
}

fn pattern(path: &str, text: &str, mistakes: &mut Mistakes) -> Option<Regex> {
    let compiled = whole_pattern(text)
        .map_err(|said| format!("{} is no regular expression: {}", shown(text), said.trim_start_matches("error: ")));
    mistakes.check(path, compiled)
}

fn grant(path: &str, value: &Value, teams: &Teams, mistakes: &mut Mistakes) -> Option<Grant> {
    let fields = Fields::of(value, path, &["role", "scopes", "team", "when"], mistakes);
    let role = required_text(&fields, "role", mistakes)
        .and_then(|role| mistakes.check(&fields.path("role"), role.parse::<Role>()));
    let mut scopes = Vec::new();
    for (path, value) in fields.list("scopes", mistakes) {
        let Some(text) = text_of(&path, value, mistakes) else { continue };
        scopes.extend(mistakes.check(&path, text.parse::<Scope>()));
    }
    let team = fields.text("team", mistakes);
    let team = team.and_then(|team| mistakes.check(&fields.path("team"), team.parse::<TeamName>()));
    match (&role, &team) {
        (Some(Role::TeamAdmin), None) if fields.value("team").is_none() => {
            mistakes.add(&fields.path("team"), "it is missing: whose administrator is it?");
        }
        (_, Some(name)) if !teams.contains_key(name) => {
            let hint = crate::model::did_you_mean(name.as_str(), teams.keys().map(TeamName::as_str));
            mistakes.add(&fields.path("team"), format!("this file has no team {name}{hint}"));
        }
        _ => {}
    }
    let when = fields.some_list("when", mistakes);
    let when = when.iter().filter_map(|(path, value)| condition(path, value, mistakes)).collect();
    Some(Grant { role: role?, scopes: Scopes::of(scopes), team, when })
}

fn condition(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<Condition> {
    let fields = Fields::of(value, path, &["claim", "equals", "oneOf", "matches"], mistakes);
    let claim = required_text(&fields, "claim", mistakes);
    let given = ["equals", "oneOf", "matches"].into_iter().filter(|name| fields.value(name).is_some());
    let wanted = match given.collect::<Vec<_>>().as_slice() {
        ["equals"] => {
            let value = fields.value("equals")?;
            // A number without quotes is what an id looks like; it is compared as it is written.
            let text = value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string()));
            let wrong = || format!("it is {}; it should be a text", kind(value));
            mistakes.check(&fields.path("equals"), text.ok_or_else(wrong)).map(|text| Wanted::OneOf(vec![text]))
        }
        ["oneOf"] => {
            fields.some_list("oneOf", mistakes);
            Some(Wanted::OneOf(texts(&fields, "oneOf", mistakes)))
        }
        ["matches"] => {
            let text = fields.text("matches", mistakes)?;
            pattern(&fields.path("matches"), text, mistakes).map(Wanted::Matching)
        }
        [] => {
            mistakes.add(path, "it asks for nothing; give equals, oneOf or matches");
            None
        }
        several => {
            mistakes.add(path, format!("it has {}; give one of them", several.join(" and ")));
            None
        }
    };
    Some(Condition { claim: claim?.to_owned(), wanted: wanted? })
}
