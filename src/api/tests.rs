//! The calls, on the embedded Kubernetes API.

mod audit;
mod limits;
mod roles;

use super::*;
use crate::cluster::SharedKinds;
use crate::embedded::api::{ApiConfig, ApiServer};
use crate::identity::Access;
use crate::resources::{ConditionType, Environment, EnvironmentClass, set_condition};
use crate::tls::Authority;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

mod conventions;
mod idempotency;
mod lists;
mod many;
mod verbs;

const TOKEN: &str = "0123456789abcdef";
const PLACE: &str = "/api/v1/environments/haimaz/integration";

struct Setting {
    cluster: ApiServer,
    router: Router,
    state: ApiState,
    shutdown: CancellationToken,
    store: Store,
    _folder: tempfile::TempDir,
}

async fn setting() -> Setting {
    setting_with(roles::access()).await
}

async fn setting_with(access: Access) -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
    let cluster = ApiServer::open(config, &authority).await.unwrap();
    let shutdown = CancellationToken::new();
    let store = Store::open(&crate::store::StoreUrl::in_folder(folder.path())).await.unwrap();
    let kinds = SharedKinds::default();
    kinds.watch(&cluster.client(), &shutdown);
    let state = ApiState {
        seen: Seen::start(&kinds, "default", &shutdown),
        client: cluster.client(),
        namespace: "default".to_owned(),
        domain: "localhost".parse().unwrap(),
        table: Arc::default(),
        preview: None,
        certificates: None,
        rights: tokio::sync::watch::channel(Held::default()).1,
        token: Token::new(TOKEN).unwrap(),
        access: CurrentAccess::new(access),
        hosts: vec!["api.example.com".parse().unwrap()],
        url: (Some(8080), Some(8443)),
        dns: None,
        store: store.clone(),
        clock: Clock::system(),
        webhooks: crate::webhooks::Sender::new(crate::webhooks::Allowed::default()).unwrap(),
        outbox: tokio::sync::watch::Sender::new(0),
        prices: None,
        shutdown: shutdown.clone(),
    };
    let setting = Setting { cluster, router: router(state.clone()), state, shutdown, store, _folder: folder };
    let class: EnvironmentClass = serde_json::from_value(json!({
        "apiVersion": "doorstep.dev/v1alpha1", "kind": "EnvironmentClass", "metadata": {"name": "integration"},
        "spec": {"host": "front{user}.int.{domain}", "port": 8080,
            "parameters": [
                {"name": "TAG_FRONT", "pattern": "[A-Za-z0-9._-]{1,128}", "required": true},
                {"name": "VERSION", "pattern": "[A-Za-z0-9._-]{1,128}"}],
            "template": {"spec": {"containers": [{"name": "front", "image": "front:{TAG_FRONT}"}]}}}
    }))
    .unwrap();
    Api::all(setting.cluster.client()).create(&PostParams::default(), &class).await.unwrap();
    setting
}

impl Setting {
    async fn send(&self, request: axum::http::request::Builder, body: impl Into<Body>) -> Response<Body> {
        let request = request.header("host", "127.0.0.1:8081").body(body.into()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let request = authorized(method, path);
        let response = match body {
            Some(body) => self.send(request.header("content-type", "application/json"), body.to_string()).await,
            None => self.send(request, Body::empty()).await,
        };
        read(response).await
    }

    async fn put(&self, parameters: Value) -> (StatusCode, Value) {
        self.call("PUT", PLACE, Some(&json!({"parameters": parameters}))).await
    }

    fn environments(&self) -> Api<Environment> {
        Api::default_namespaced(self.cluster.client())
    }
}

fn authorized(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}"))
}

async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn every_described_call_needs_the_token() {
    let setting = setting().await;
    let paths = serde_json::to_value(openapi_document()).unwrap()["paths"].clone();
    let mut calls = 0;
    for (path, methods) in paths.as_object().unwrap() {
        let path = path.replace("{user}", "u").replace("{class}", "c").replace("{name}", "n").replace("{number}", "1");
        for (method, operation) in methods.as_object().unwrap() {
            if roles::is_open(operation) {
                continue;
            }
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let response = setting.send(request, Body::empty()).await;
            assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"doorstep\"");
            let (status, problem) = read(response).await;
            assert_eq!(
                (status, &problem["code"]),
                (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
                "{method} {path}"
            );
            calls += 1;
        }
    }
    assert!(calls >= 12, "{calls}");
    let wrong = Request::builder().uri("/api/v1/classes").header("authorization", "Bearer 0123456789abcdeX");
    assert_eq!(setting.send(wrong, Body::empty()).await.status(), StatusCode::UNAUTHORIZED);
    let open = setting.send(Request::builder().uri("/api/v1/openapi.json"), Body::empty()).await;
    assert_eq!(open.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_foreign_host_is_refused_even_with_the_token() {
    let setting = setting().await;
    let request = authorized("GET", "/api/v1/classes").header("host", "evil.example.com");
    let response = setting.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, problem) = read(response).await;
    assert_eq!((status.as_u16(), &problem["code"]), (421, &json!("foreign-host")));
    let request = authorized("GET", "/api/v1/classes").header("host", "api.example.com:8081");
    let response = setting.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "a name that the API was told");
}

#[tokio::test]
async fn put_makes_then_replaces_and_drops_what_is_left_out() {
    let setting = setting().await;
    let (status, made) = setting.put(json!({"TAG_FRONT": "1", "VERSION": "2"})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["url"], "http://fronthaimaz.int.localhost:8080/");
    assert_eq!((&made["ready"], &made["reason"]), (&json!(false), &json!("Pending")));
    let (status, changed) = setting.put(json!({"TAG_FRONT": "3"})).await;
    assert_eq!((status, &changed["parameters"]), (StatusCode::OK, &json!({"TAG_FRONT": "3"})), "{changed}");
    assert_eq!(changed["generation"], 2);
    let (status, same) = setting.put(json!({"TAG_FRONT": "3"})).await;
    assert_eq!((status, &same["generation"]), (StatusCode::OK, &json!(2)), "the same again changes nothing");
    // The user is folded, and the object is labelled.
    let (status, shown) = setting.call("GET", "/api/v1/environments/HaimAZ/integration", None).await;
    assert_eq!((status, &shown["name"]), (StatusCode::OK, &json!("haimaz-integration")));
    let object = setting.environments().get("haimaz-integration").await.unwrap();
    assert_eq!(object.metadata.labels.unwrap()["doorstep.dev/user"], "haimaz");
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_and_nothing_is_changed() {
    let setting = setting().await;
    let body = json!({"paramters": {}, "parameters": {"TAG_FRNT": "1", "VERSION": 7}});
    let (status, problem) = setting.call("PUT", PLACE, Some(&body)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let told: Vec<String> = problem["errors"].as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    for (pointer, said) in [
        ("/paramters", "did you mean \\\"parameters\\\"?"),
        ("/parameters/VERSION", "the value is a number"),
        ("/parameters/TAG_FRNT", "did you mean \\\"TAG_FRONT\\\"?"),
        ("/parameters/TAG_FRONT", "is required"),
    ] {
        let at = format!("\"{pointer}\"");
        assert!(told.iter().any(|error| error.contains(&at) && error.contains(said)), "{pointer}: {told:#?}");
    }
    for value in ["a b", "a\nb", "$(id)", "'", "\"", "", &"x".repeat(10_000)] {
        let (status, problem) = setting.put(json!({"TAG_FRONT": value})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid")), "{value:?}");
        assert!(problem.to_string().len() < 1000, "a long value is not echoed: {problem}");
    }
    let (_, list) = setting.call("GET", "/api/v1/environments", None).await;
    assert_eq!(list, json!({"items": []}));
}

#[tokio::test]
async fn what_does_not_exist_is_told_with_the_nearest_name() {
    let setting = setting().await;
    let place = "/api/v1/environments/haimaz/integraton";
    let body = json!({"parameters": {"TAG_FRONT": "1"}});
    let (status, problem) = setting.call("PUT", place, Some(&body)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown-class")));
    assert!(problem["detail"].as_str().unwrap().contains("did you mean \"integration\"?"), "{problem}");
    for (path, status, code) in [
        (PLACE, 404, "no-such-environment"),
        ("/api/v1/environments/haimaz/integration/pods", 404, "no-such-environment"),
        ("/api/v1/environments/a-b/integration", 400, "malformed"),
        ("/api/v1/environments/haimaz/In_tegration", 400, "malformed"),
        ("/api/v1/environments?user=a-b", 422, "invalid"),
        ("/api/v1/environments?usr=a", 422, "invalid"),
        ("/api/v1/nothing", 404, "no-such-path"),
        ("/elsewhere", 404, "no-such-path"),
    ] {
        let (seen, problem) = setting.call("GET", path, None).await;
        assert_eq!((seen.as_u16(), problem["code"].as_str().unwrap()), (status, code), "{path}: {problem}");
    }
    let (status, problem) = setting.call("POST", "/api/v1/classes", None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (405, &json!("method-not-allowed")));
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_told() {
    let setting = setting().await;
    let put = |kind: &str, body: String| {
        let request = authorized("PUT", PLACE).header("content-type", kind);
        let sent = setting.send(request, body);
        async { read(sent.await).await }
    };
    for (kind, body, status, code) in [
        ("text/plain", "{}".to_owned(), 415, "unsupported-media-type"),
        ("application/json", "{".to_owned(), 400, "malformed"),
        ("application/json; charset=utf-8", "[]".to_owned(), 400, "malformed"),
        ("application/json", " ".repeat(MAX_BODY_BYTES + 1), 413, "body-too-large"),
    ] {
        let (seen, problem) = put(kind, body).await;
        assert_eq!((seen.as_u16(), problem["code"].as_str().unwrap()), (status, code), "{problem}");
    }
}

#[tokio::test]
async fn nothing_is_deployed_onto_what_is_being_deleted() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let finalizer = json!({"metadata": {"finalizers": ["test.doorstep.dev/held"]}});
    let environments = setting.environments();
    environments.patch("haimaz-integration", &PatchParams::default(), &Patch::Merge(finalizer)).await.unwrap();
    let (status, left) = setting.call("DELETE", PLACE, None).await;
    assert_eq!((status, &left["deleting"]), (StatusCode::ACCEPTED, &json!(true)), "{left}");
    let (status, problem) = setting.put(json!({"TAG_FRONT": "2"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("environment-deleting")));
    let (status, _) = setting.call("DELETE", "/api/v1/environments/nobody/integration", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_watch_tells_each_change_and_ends_with_the_deletion() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let response = setting.send(authorized("GET", &format!("{PLACE}/watch")), Body::empty()).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut lines = Lines(response.into_body(), Vec::new());
    let first = lines.next().await.unwrap();
    assert_eq!((&first["type"], &first["environment"]["reason"]), (&json!("changed"), &json!("Pending")));

    let mut object = setting.environments().get("haimaz-integration").await.unwrap();
    let status = object.status.get_or_insert_default();
    status.observed_generation = Some(1);
    set_condition(&mut status.conditions, ConditionType::Ready, (true, "Serving", "it serves"), 1);
    let environments = setting.environments();
    environments.replace_status("haimaz-integration", &PostParams::default(), &object).await.unwrap();
    assert_eq!(lines.next().await.unwrap()["environment"]["ready"], true);

    environments.delete("haimaz-integration", &DeleteParams::background()).await.unwrap();
    assert_eq!(lines.next().await.unwrap()["type"], "deleted");
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn a_shutdown_ends_the_streams() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let response = setting.send(authorized("GET", &format!("{PLACE}/watch")), Body::empty()).await;
    let mut lines = Lines(response.into_body(), Vec::new());
    assert!(lines.next().await.is_some());
    setting.shutdown.cancel();
    assert_eq!(lines.next().await, None);
}

/// The lines of a body as they come, each within a deadline.
struct Lines(Body, Vec<u8>);

impl Lines {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.1.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.1.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_secs(30), self.0.frame()).await.expect("a line in time");
            self.1.extend_from_slice(&frame?.unwrap().into_data().unwrap());
        }
    }
}

#[tokio::test]
async fn pods_are_told_without_figures_where_there_are_none() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let (status, pods) = setting.call("GET", &format!("{PLACE}/pods"), None).await;
    assert_eq!((status, &pods["items"]), (StatusCode::OK, &json!([])), "{pods}");
    let (status, problem) = setting.call("GET", &format!("{PLACE}/logs?pod=other"), None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("no-such-pod")));
    let (status, events) = setting.call("GET", &format!("{PLACE}/events"), None).await;
    assert_eq!((status, &events["items"]), (StatusCode::OK, &json!([])), "{events}");
}

#[tokio::test]
async fn classes_are_told_with_their_hosts_here() {
    let setting = setting().await;
    let (status, class) = setting.call("GET", "/api/v1/classes/integration", None).await;
    assert_eq!((status, &class["hostHere"]), (StatusCode::OK, &json!("front{user}.int.localhost")));
    assert_eq!(class["parameters"][0]["name"], "TAG_FRONT");
    let (_, list) = setting.call("GET", "/api/v1/classes", None).await;
    let mut whole = class;
    assert_eq!(whole.as_object_mut().unwrap().remove("spec").unwrap()["port"], 8080);
    assert_eq!(list["items"][0], whole);
}

#[tokio::test]
async fn explain_says_that_nobody_has_a_host() {
    let setting = setting().await;
    let body = json!({"url": "http://nobody.example.test/", "headers": []});
    let (status, explained) = setting.call("POST", "/api/v1/explain", Some(&body)).await;
    assert_eq!((status, &explained["host"]), (StatusCode::OK, &json!("nobody.example.test")), "{explained}");
    assert!(explained["decision"].as_str().unwrap().contains("no route"), "{explained}");
    assert_eq!((&explained["winner"], &explained["certificate"]), (&Value::Null, &Value::Null));
}

/// `DOORSTEP_UPDATE=1` writes the file anew.
#[test]
fn the_kept_description_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/openapi.json");
    let made = serde_json::to_string_pretty(openapi_document()).unwrap() + "\n";
    if std::env::var_os("DOORSTEP_UPDATE").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy")).unwrap();
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "deploy/openapi.json is old; write it anew with DOORSTEP_UPDATE=1 cargo test --lib api::");
}
