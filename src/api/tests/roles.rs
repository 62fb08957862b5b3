//! Calls and roles: each call of the OpenAPI document is really made as nobody and in each role, and must be answered as
//! the table says. A new call without a rule fails, and so does a new kind of call without a row.

use super::{Setting, read, setting};
use crate::api::rules::{Ruled, rule};
use crate::identity::{Access, Action, Caller, Identity, Reach, Refused, Role, Source, Through};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::future::{BoxFuture, ready};
use serde_json::{Value, json};
use std::time::Duration;

/// Callers whose token is `as-` and one of these words.
pub(super) struct Cast;

/// Whose environment the paths name.
const OWNER: &str = "haimaz";

/// An API that knows the cast.
pub(super) fn access() -> Access {
    Access { identity: Identity::new(vec![Box::new(Cast)], None), ..Access::default() }
}

impl Cast {
    fn member(word: &str) -> Option<Caller> {
        let caller = |role, user: &str, reach| Caller {
            subject: format!("test/{word}"),
            name: word.to_owned(),
            user: user.parse().ok(),
            role,
            through: Through::OwnToken("t1".into()),
            reach,
            ..Caller::local()
        };
        let people = |people: &[&str]| Reach::people(people.iter().filter_map(|user| user.parse().ok()));
        Some(match word {
            "viewer" => caller(Role::Viewer, "vera", Reach::Everyone),
            "owner" => caller(Role::User, OWNER, people(&[OWNER])),
            "another" => caller(Role::User, "mallory", people(&["mallory"])),
            "team-admin" => caller(Role::TeamAdmin, "tara", people(&["tara", OWNER])),
            "foreign-team-admin" => caller(Role::TeamAdmin, "tim", people(&["tim", "mallory"])),
            "admin" => caller(Role::Admin, "ada", Reach::Everyone),
            _ => return None,
        })
    }
}

impl Source for Cast {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Result<Caller, Refused>>> {
        let Some(word) = token.strip_prefix("as-") else { return Box::pin(ready(None)) };
        let decided = match word {
            "undecided" => Err(Refused::Undecided("the keys of the issuer cannot be had".to_owned())),
            "roleless" => Err(Refused::NoRole("no rule gives you a role".to_owned())),
            word => Cast::member(word).ok_or_else(|| Refused::Unknown("the token is of nobody".to_owned())),
        };
        Box::pin(ready(Some(decided)))
    }
}

const ROLES: [&str; 6] = ["viewer", "owner", "another", "team-admin", "foreign-team-admin", "admin"];

/// Who is let through, in the order of [`ROLES`], where the path names the owner's environment.
fn row(action: Action) -> [bool; 6] {
    const T: bool = true;
    const F: bool = false;
    match action {
        Action::SeeEnvironment | Action::ReadLogs => [T, T, F, T, F, T],
        Action::DeployEnvironment | Action::OperateEnvironment | Action::DeleteEnvironment => [F, T, F, T, F, T],
        Action::ChangeManyEnvironments | Action::DeleteManyEnvironments => [F, T, T, T, T, T],
        Action::ListEnvironments
        | Action::SeeClasses
        | Action::Preview
        | Action::SeeRoutes
        | Action::SeeUse
        | Action::FollowEvents
        | Action::SeeDns
        | Action::ListTokens
        | Action::ManageTokens
        | Action::WhoAmI
        | Action::SeeInstallation => [T; 6],
        Action::ChangeClasses | Action::ReadAudit | Action::ManageWebhooks | Action::ChangeDns => [F, F, F, F, F, T],
    }
}

/// Whether the description says that a call needs no token.
pub(super) fn is_open(operation: &Value) -> bool {
    operation["security"]
        .as_array()
        .is_some_and(|ways| ways.iter().any(|way| way.as_object().is_some_and(|way| way.is_empty())))
}

/// A described path with values for its parameters.
fn filled(path: &str) -> String {
    let mut filled = path.replace("{user}", OWNER).replace("{class}", "integration").replace("{name}", "integration");
    while let Some((start, end)) = filled.find('{').zip(filled.find('}')) {
        filled.replace_range(start..=end, "1");
    }
    filled
}

/// The status of a call and its problem's code. A call that goes on without an answer was let through.
async fn answer(setting: &Setting, method: &str, path: &str, token: Option<&str>) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if ["PUT", "POST", "PATCH"].contains(&method) { Body::from("{}") } else { Body::empty() };
    match tokio::time::timeout(Duration::from_secs(10), setting.send(request, body)).await {
        Ok(response) if response.status().is_success() => (response.status(), Value::Null),
        Ok(response) => {
            let (status, problem) = read(response).await;
            (status, problem["code"].clone())
        }
        Err(_) => (StatusCode::OK, Value::Null),
    }
}

#[tokio::test]
async fn every_call_answers_every_role_as_the_table_says() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let document = serde_json::to_value(crate::api::openapi_document()).unwrap();
    let (mut wrong, mut calls) = (Vec::new(), 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            if is_open(&methods[method.to_lowercase()]) {
                continue;
            }
            let Ruled::Is(action) = rule(&method, path.strip_prefix("/api/v1").unwrap()) else {
                panic!("no rule for {method} {path} in api/rules.rs");
            };
            let place = filled(path);
            let (status, code) = answer(&setting, &method, &place, None).await;
            if (status, &code) != (StatusCode::UNAUTHORIZED, &json!("unauthorized")) {
                wrong.push(format!("{method} {path} as nobody: {status} {code}"));
            }
            for (role, through) in ROLES.into_iter().zip(row(action)) {
                let (status, code) = answer(&setting, &method, &place, Some(&format!("as-{role}"))).await;
                let right = match through {
                    true => ![401, 403, 405, 429, 501].contains(&status.as_u16()) && code != "no-such-path",
                    false => (status, &code) == (StatusCode::FORBIDDEN, &json!("forbidden")),
                };
                calls += 1;
                if !right {
                    let should = if through { "be let through" } else { "be forbidden" };
                    wrong.push(format!("{method} {path} as {role} should {should}: {status} {code}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(calls >= 72, "{calls}");
}

#[tokio::test]
async fn every_call_refuses_a_field_of_the_query_that_nobody_knows() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let document = serde_json::to_value(crate::api::openapi_document()).unwrap();
    let mut wrong = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let place = format!("{}?wnat=1", filled(path));
            let (status, code) = answer(&setting, &method, &place, Some("as-admin")).await;
            if (status.as_u16(), &code) != (422, &json!("invalid")) {
                wrong.push(format!("{method} {path}: {status} {code}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_within_nobodys_reach_is_not_listed() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    for (role, seen) in [("viewer", 1), ("owner", 1), ("another", 0), ("team-admin", 1), ("admin", 1)] {
        let request =
            Request::builder().uri("/api/v1/environments").header("authorization", format!("Bearer as-{role}"));
        let (status, list) = read(setting.send(request, Body::empty()).await).await;
        assert_eq!((status, list["items"].as_array().unwrap().len()), (StatusCode::OK, seen), "{role}: {list}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_around_the_owner() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    for path in [
        "/api/v1/environments/HAIMAZ/integration",
        "/api/v1/environments/%68aimaz/integration",
        "/api/v1/environments/haimaz/%69ntegration",
        "/api/v1/environments/mallory/../haimaz/integration",
        "/api/v1/environments/mallory%2f..%2fhaimaz/integration",
        "/api/v1/environments/haimaz;mallory/integration",
        "/api/v1/environments//haimaz/integration",
        "/api/v1/environments/haimaz/integration/",
        "/api/v1/environments/haimaz/integration:",
        "/api/v1/environments/haimaz/integration%3Asteal",
        "/api/v1/environments/haimaz%00/integration",
        "/api/v1/./environments/haimaz/integration",
    ] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"] {
            let (status, code) = answer(&setting, method, path, Some("as-another")).await;
            assert!([400, 403, 404, 405].contains(&status.as_u16()), "{method} {path}: {status} {code}");
        }
    }
    assert!(setting.environments().get_opt("haimaz-integration").await.unwrap().is_some(), "it is untouched");
}

#[tokio::test]
async fn each_way_to_be_nobody_has_its_answer() {
    let setting = setting().await;
    for (token, status, code) in [
        ("as-stranger", 401, "unauthorized"),
        ("garbage", 401, "unauthorized"),
        ("as-roleless", 403, "forbidden"),
        ("as-undecided", 503, "identity-unavailable"),
        (&"x".repeat(20_000), 401, "unauthorized"),
    ] {
        let (seen, said) = answer(&setting, "GET", "/api/v1/classes", Some(token)).await;
        assert_eq!((seen.as_u16(), said), (status, json!(code)), "{}", &token[..token.len().min(20)]);
    }
    let two = Request::builder()
        .uri("/api/v1/classes")
        .header("authorization", "Bearer as-viewer")
        .header("authorization", "Bearer as-admin");
    assert_eq!(setting.send(two, Body::empty()).await.status(), StatusCode::UNAUTHORIZED, "which of the two is meant?");
    let basic = Request::builder().uri("/api/v1/classes").header("authorization", "Basic YTpi");
    assert_eq!(setting.send(basic, Body::empty()).await.status(), StatusCode::UNAUTHORIZED);
}
