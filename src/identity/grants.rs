//! From what is said of somebody to what somebody may do: claim rules.

use super::{Caller, Reach, Refused, Role, Scope, Scopes, TeamName, Through};
use crate::model::{UserId, shown};
use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most characters of a name that is shown.
const MAX_NAME: usize = 128;
/// The most bytes of a subject (OpenID Connect Core, section 2).
const MAX_SUBJECT: usize = 255;

/// What is asked of one claim.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The claim's name, or a JSON pointer (begun by `/`) to a value inside one.
    pub claim: String,
    /// What its value, or one of its values, has to be.
    pub wanted: Wanted,
}

/// What a value has to be.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// One of these texts, to the letter.
    OneOf(Vec<String>),
    /// A text that the whole of this matches.
    Matching(Regex),
}

/// What is granted where all conditions hold.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// What for; all that the role may where nothing is said.
    pub scopes: Scopes,
    /// The team that somebody belongs to, or administers in the role of its administrator.
    pub team: Option<TeamName>,
    /// When: all of these. Never where there is none.
    pub when: Vec<Condition>,
}

/// By which claim somebody is which user.
#[derive(Debug, Clone)]
pub struct UserRule {
    /// The claim.
    pub claim: String,
    /// What the whole of its value has to match; the first group is the user id.
    pub pattern: Regex,
}

/// How claims become a caller.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Which user it is.
    pub user: Option<UserRule>,
    /// The claim that names somebody for people.
    pub name: Option<String>,
    /// The claim that names somebody for ever; `sub` where nothing is said.
    pub subject: Option<String>,
    /// What is granted.
    pub grants: Vec<Grant>,
}

/// The people of each team.
pub type Teams = BTreeMap<TeamName, BTreeSet<UserId>>;

/// A pattern that has to match the whole of a value. It takes no time that grows faster than the value.
pub fn whole_pattern(pattern: &str) -> Result<Regex, String> {
    // Anchored around a group: a bare alternative would otherwise escape the anchors.
    let compiled = regex::RegexBuilder::new(&format!(r"\A(?:{pattern})\z")).size_limit(1 << 20).build();
    compiled.map_err(|error| error.to_string().lines().last().unwrap_or("it does not parse").to_owned())
}

/// The value that `claim` names.
fn find<'c>(claims: &'c Map<String, Value>, claim: &str) -> Option<&'c Value> {
    match claim.strip_prefix('/') {
        None => claims.get(claim),
        Some(inside) => {
            let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
            let mut parts = inside.split('/');
            let first = claims.get(&unescape(parts.next()?))?;
            parts.try_fold(first, |value, part| value.as_object()?.get(&unescape(part)))
        }
    }
}

/// The texts of a value: itself, or each item of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Array(items) => items.iter().filter(|item| !item.is_array()).flat_map(texts).collect(),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

impl Condition {
    fn holds(&self, claims: &Map<String, Value>) -> bool {
        let values = find(claims, &self.claim).map(texts).unwrap_or_default();
        values.iter().any(|value| match &self.wanted {
            Wanted::OneOf(wanted) => wanted.contains(value),
            Wanted::Matching(pattern) => pattern.is_match(value),
        })
    }
}

impl Rules {
    /// Who the claims are of. `namespace` goes before the subject, so that no two issuers' subjects are one.
    ///
    /// The greatest role that is granted counts, with the scopes of those grants; teams are those of all grants.
    pub fn caller(
        &self,
        claims: &Map<String, Value>,
        namespace: &str,
        through: Through,
        teams: &Teams,
        expires_at: Option<Timestamp>,
    ) -> Result<Caller, Refused> {
        let claim = self.subject.as_deref().unwrap_or("sub");
        let subject = find(claims, claim).and_then(Value::as_str).unwrap_or_default();
        if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
            return Err(Refused::Unknown(format!(
                "the claim {claim} holds no subject: a text of 1 to {MAX_SUBJECT} bytes"
            )));
        }
        let user = self.user(claims);
        let granted: Vec<&Grant> = self.grants.iter().filter(|grant| grant.holds(claims)).collect();
        let Some(role) = granted.iter().map(|grant| grant.role).max() else {
            return Err(Refused::NoRole(format!(
                "{} is known, and no rule gives a role; an administrator can add one to the identity file",
                shown(subject)
            )));
        };
        let of_role = || granted.iter().filter(|grant| grant.role == role);
        let belongs: BTreeSet<&TeamName> = granted.iter().filter_map(|grant| grant.team.as_ref()).collect();
        let reach = match role {
            Role::Viewer | Role::Admin => Reach::Everyone,
            Role::User => Reach::people(user.clone()),
            Role::TeamAdmin => {
                let led = of_role().filter_map(|grant| grant.team.as_ref()).filter_map(|team| teams.get(team));
                Reach::people(led.flatten().cloned().chain(user.clone()))
            }
        };
        Ok(Caller {
            subject: format!("{namespace}/{subject}"),
            name: self.name(claims).unwrap_or_else(|| subject.to_owned()),
            user,
            role,
            teams: belongs.into_iter().cloned().collect(),
            scopes: united(of_role().map(|grant| &grant.scopes)),
            through,
            reach,
            expires_at,
        })
    }

    fn user(&self, claims: &Map<String, Value>) -> Option<UserId> {
        let rule = self.user.as_ref()?;
        let value = find(claims, &rule.claim)?.as_str()?;
        let found = rule.pattern.captures(value)?;
        found.get(1).or_else(|| found.get(0))?.as_str().parse().ok()
    }

    fn name(&self, claims: &Map<String, Value>) -> Option<String> {
        let given = self.name.iter().map(String::as_str).chain(["name", "preferred_username"]);
        let mut names = given.filter_map(|claim| find(claims, claim)?.as_str());
        let name = names.find(|name| !name.trim().is_empty())?;
        Some(name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect())
    }
}

impl Grant {
    fn holds(&self, claims: &Map<String, Value>) -> bool {
        !self.when.is_empty() && self.when.iter().all(|condition| condition.holds(claims))
    }
}

fn united<'s>(all: impl Iterator<Item = &'s Scopes>) -> Scopes {
    let mut only: BTreeSet<Scope> = BTreeSet::new();
    for scopes in all {
        match scopes {
            Scopes::All => return Scopes::All,
            Scopes::Only(more) => only.extend(more),
        }
    }
    Scopes::Only(only)
}

/// The namespace of an issuer's subjects.
pub(super) fn namespace(issuer: &Arc<str>) -> String {
    format!("issuer/{issuer}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn equals(claim: &str, value: &str) -> Condition {
        Condition { claim: claim.to_owned(), wanted: Wanted::OneOf(vec![value.to_owned()]) }
    }

    fn matches(claim: &str, pattern: &str) -> Condition {
        Condition { claim: claim.to_owned(), wanted: Wanted::Matching(whole_pattern(pattern).unwrap()) }
    }

    fn grant(role: Role, team: Option<&str>, when: Vec<Condition>) -> Grant {
        Grant { role, scopes: Scopes::All, team: team.map(|team| team.parse().unwrap()), when }
    }

    fn rules(grants: Vec<Grant>) -> Rules {
        let pattern = whole_pattern(r"([a-z0-9]+)@example\.com").unwrap();
        let user = Some(UserRule { claim: "preferred_username".to_owned(), pattern });
        Rules { user, grants, ..Rules::default() }
    }

    fn caller(rules: &Rules, claims: Value) -> Result<Caller, Refused> {
        let teams = Teams::from([("web".parse().unwrap(), BTreeSet::from(["haimaz".parse().unwrap()]))]);
        let Value::Object(claims) = claims else { panic!("an object") };
        rules.caller(&claims, "issuer/test", Through::Issuer("test".into()), &teams, None)
    }

    #[test]
    fn the_greatest_role_that_is_granted_counts() {
        let rules = rules(vec![
            grant(Role::Admin, None, vec![equals("roles", "Doorstep.Admin")]),
            grant(Role::User, Some("web"), vec![equals("tid", "t1")]),
        ]);
        let claims = json!({"sub": "1", "tid": "t1", "preferred_username": "tara@example.com", "roles": ["Other"]});
        let user = caller(&rules, claims).unwrap();
        assert_eq!((user.role, user.subject.as_str()), (Role::User, "issuer/test/1"));
        assert_eq!((user.user.as_ref().map(UserId::as_str), user.teams.len()), (Some("tara"), 1));
        assert!(user.reaches(&"tara".parse().unwrap()) && !user.reaches(&"haimaz".parse().unwrap()));
        let admin = caller(&rules, json!({"sub": "1", "roles": ["Other", "Doorstep.Admin"]})).unwrap();
        assert_eq!((admin.role, admin.reach), (Role::Admin, Reach::Everyone));
        let nobody = caller(&rules, json!({"sub": "1", "roles": ["doorstep.admin"]})).unwrap_err();
        assert!(matches!(&nobody, Refused::NoRole(said) if said.contains("no rule gives a role")), "{nobody}");
    }

    #[test]
    fn a_teams_administrator_reaches_its_people() {
        let rules = rules(vec![grant(Role::TeamAdmin, Some("web"), vec![equals("groups", "g1")])]);
        let claims = json!({"sub": "1", "groups": ["g0", "g1"], "preferred_username": "tara@example.com"});
        let admin = caller(&rules, claims).unwrap();
        for (user, reached) in [("tara", true), ("haimaz", true), ("mallory", false)] {
            assert_eq!(admin.reaches(&user.parse().unwrap()), reached, "{user}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_of_a_value() {
        let rules = rules(vec![grant(Role::User, None, vec![matches("ref", "refs/heads/(main|release-.*)")])]);
        let seen = |value: &str| caller(&rules, json!({"sub": "1", "ref": value})).is_ok();
        assert!(seen("refs/heads/main") && seen("refs/heads/release-1"));
        for other in ["refs/heads/main2", "x/refs/heads/main", "refs/heads/main\n", "refs/heads/mainrelease-", ""] {
            assert!(!seen(other), "{other:?}");
        }
        // A bare alternative stays inside of the anchors.
        let bare = self::rules(vec![grant(Role::User, None, vec![matches("ref", "a|b")])]);
        assert!(caller(&bare, json!({"sub": "1", "ref": "xb"})).is_err());
    }

    #[test]
    fn a_user_id_is_taken_from_the_whole_claim_or_not_at_all() {
        let rules = rules(vec![grant(Role::User, None, vec![equals("sub", "1")])]);
        let user = |name: &str| caller(&rules, json!({"sub": "1", "preferred_username": name})).unwrap().user;
        assert_eq!(user("haimaz@example.com").unwrap().as_str(), "haimaz");
        for other in ["haimaz@example.com.evil.test", "haimaz@evil.test", "x haimaz@example.com", "a-b@example.com", ""]
        {
            assert_eq!(user(other), None, "{other:?}");
        }
    }

    #[test]
    fn conditions_look_into_lists_and_objects() {
        let holds = |condition: Condition, claims: Value| condition.holds(claims.as_object().unwrap());
        let nested = json!({"realm_access": {"roles": ["a", "b"]}, "https://x/roles": "c", "n": 7, "t": true});
        assert!(holds(equals("/realm_access/roles", "b"), nested.clone()));
        assert!(holds(equals("https://x/roles", "c"), nested.clone()));
        assert!(holds(equals("n", "7"), nested.clone()) && holds(equals("t", "true"), nested.clone()));
        assert!(!holds(equals("realm_access", "b"), nested.clone()));
        assert!(!holds(equals("/realm_access/none", "b"), nested.clone()) && !holds(equals("/", "b"), nested));
        assert!(!holds(equals("a", "x"), json!({"a": [["x"]]})), "a list in a list is nobody's form");
    }

    #[test]
    fn scopes_are_those_of_the_grants_of_the_role() {
        let scoped = |scopes: &[Scope], claim: &str| Grant {
            scopes: Scopes::of(scopes.iter().copied()),
            ..grant(Role::User, None, vec![equals(claim, "1")])
        };
        let rules = rules(vec![scoped(&[Scope::Read], "a"), scoped(&[Scope::Deploy], "b"), scoped(&[], "c")]);
        let scopes = |claims: Value| caller(&rules, claims).unwrap().scopes;
        assert_eq!(scopes(json!({"sub": "1", "a": "1"})), Scopes::of([Scope::Read]));
        assert_eq!(scopes(json!({"sub": "1", "a": "1", "b": "1"})), Scopes::of([Scope::Read, Scope::Deploy]));
        assert_eq!(scopes(json!({"sub": "1", "a": "1", "c": "1"})), Scopes::All);
    }

    #[test]
    fn a_grant_without_conditions_grants_nothing_and_a_subject_is_needed() {
        assert!(caller(&rules(vec![grant(Role::Admin, None, vec![])]), json!({"sub": "1"})).is_err());
        let all = rules(vec![grant(Role::User, None, vec![equals("iss", "i")])]);
        for sub in [json!(""), json!(7), json!(null), json!("a\nb"), json!("x".repeat(256))] {
            assert!(matches!(caller(&all, json!({"sub": sub, "iss": "i"})), Err(Refused::Unknown(_))));
        }
    }
}
