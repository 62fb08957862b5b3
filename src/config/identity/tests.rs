//! The identity file: the example is read, and every mistake has its place.

use super::*;
use crate::identity::{Role, Scope, Scopes};

const EXAMPLE: &str = include_str!("../../../config/identity/example.yaml");

fn said(text: &str) -> String {
    read_identity(text, "identity.yaml").unwrap_err().to_string()
}

#[test]
fn the_example_is_read() {
    let settings = read_identity(EXAMPLE, "example.yaml").unwrap();
    let names: Vec<&str> = settings.issuers.iter().map(|issuer| &*issuer.name).collect();
    assert_eq!(names, ["entra", "github", "azure-devops"]);
    let [entra, github, _] = settings.issuers.as_slice() else { panic!("three") };
    assert!(entra.discovery.as_str().ends_with("/v2.0/.well-known/openid-configuration"));
    assert_eq!(entra.rules.grants.iter().map(|grant| grant.role).max(), Some(Role::Admin));
    assert_eq!(github.rules.grants[0].scopes, Scopes::of([Scope::Read, Scope::Deploy]));
    assert_eq!(settings.teams.len(), 1);
    assert_eq!(settings.limits.per_unknown_address.get(), 60);
    assert!(settings.kubernetes.is_some() && settings.certificates.is_some() && settings.origins.is_empty());
}

#[test]
fn an_empty_file_lets_nobody_else_in() {
    let settings = read_identity("{}", "f").unwrap();
    assert!(settings.issuers.is_empty() && settings.kubernetes.is_none() && settings.certificates.is_none());
}

#[test]
fn all_mistakes_are_told_each_with_its_place() {
    let text = r#"
issuers:
- name: Entra ID
  issuer: http://login.example.com
  audience: [a]
  algorithms: [RS256, none, HS256]
  skew: 10m
  user: {claim: name, pattern: "("}
  grants:
  - role: owner
    scopes: [read, write]
    when: []
  - role: team-admin
    when: [{claim: a}, {claim: a, equals: x, matches: y}, {equals: x}]
  - {role: user, team: wbe, when: [{claim: a, equals: true}]}
- name: two
  issuer: https://two.example.com
  audiences: [""]
  discovery: https://user:secret@two.example.com/
  login: {presents: cookie}
  grants: [{role: user, when: [{claim: sub, oneOf: []}]}]
teams:
- {name: web, members: [a-b, 7]}
- {name: web}
tokens: {maxLifetime: 1h, defaultLifetime: 2h}
limits: {perCaller: 0}
origins: ["*", "https://a.example.com/"]
kubernetes: {}
certifcates: {}
"#;
    let said = said(text);
    assert!(!said.contains("secret"), "{said}");
    for part in [
        "issuers[0].name: \"Entra ID\" is not 1 to 63 lower-case letters, digits and hyphens",
        "issuers[0].issuer: \"http://login.example.com\" is no URL that begins with https://",
        "issuers[0].audience: the field \"audience\" is not known; did you mean \"audiences\"?",
        "issuers[0].audiences: at least one is needed",
        "issuers[0].algorithms[1]: \"none\" is not an algorithm that is taken",
        "issuers[0].algorithms[2]: \"HS256\" is not an algorithm that is taken",
        "issuers[0].skew: it is more than 5m",
        "issuers[0].user.pattern: \"(\" is no regular expression",
        "issuers[0].grants[0].role: \"owner\" is not a role",
        "issuers[0].grants[0].scopes[1]: \"write\" is not a scope",
        "issuers[0].grants[0].when: at least one is needed",
        "issuers[0].grants[1].team: it is missing",
        "issuers[0].grants[1].when[0]: it asks for nothing",
        "issuers[0].grants[1].when[1]: it has equals and matches; give one of them",
        "issuers[0].grants[1].when[2].claim: it is missing",
        "issuers[0].grants[2].team: this file has no team wbe; did you mean \"web\"?",
        "issuers[0].grants[2].when[0].equals: it is true or false; it should be a text",
        "issuers[1].audiences[0]: it is an empty text",
        "issuers[1].discovery: what is given, which has a user or a password in it, is no URL",
        "issuers[1].login.clientId: it is missing",
        "issuers[1].login.presents: \"cookie\" is neither access-token nor id-token",
        "issuers[1].grants[0].when[0].oneOf: at least one is needed",
        "issuers[1].user: it is missing",
        "teams[0].members[0]: the user id \"a-b\" has '-'",
        "teams[0].members[1]: it is a number",
        "teams[1].name: another team of this file has the same",
        "tokens.defaultLifetime: it is longer than maxLifetime",
        "limits.perCaller: it should be a whole number",
        "origins[0]: \"*\" is no origin",
        "origins[1]: \"https://a.example.com/\" is no origin",
        "kubernetes.grants: at least one is needed",
        "certifcates: the field \"certifcates\" is not known; did you mean \"certificates\"?",
    ] {
        assert!(said.contains(part), "no «{part}» in {said}");
    }
}

#[test]
fn two_issuers_are_two() {
    let twice = EXAMPLE.replace("name: github", "name: entra");
    assert!(said(&twice).contains("issuers[1].name: another issuer of this file has the same"));
}
