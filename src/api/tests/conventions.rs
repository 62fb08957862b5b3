//! What all calls have in common.

use super::*;

#[tokio::test]
async fn every_answer_names_the_call_and_a_problem_repeats_the_name() {
    let setting = setting().await;
    let given = authorized("GET", "/api/v1/environments/u/c").header("x-request-id", "build-17");
    let response = setting.send(given, Body::empty()).await;
    assert_eq!(response.headers()["x-request-id"], "build-17");
    assert_eq!(read(response).await.1["requestId"], "build-17");
    let hostile = authorized("GET", "/api/v1/classes").header("x-request-id", "a b<script>");
    let response = setting.send(hostile, Body::empty()).await;
    let made = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!((response.status(), made.len()), (StatusCode::OK, 32), "one that is not sane is not taken: {made}");
}

#[tokio::test]
async fn a_change_depends_on_the_etag_that_was_read() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let response = setting.send(authorized("GET", PLACE), Body::empty()).await;
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    let known = authorized("GET", PLACE).header("if-none-match", &tag);
    let response = setting.send(known, Body::empty()).await;
    assert_eq!((response.status(), &response.headers()["etag"]), (StatusCode::NOT_MODIFIED, &tag.parse().unwrap()));

    let put = |field: &'static str, tag: String, value: &'static str| {
        let request = authorized("PUT", PLACE).header("content-type", "application/json").header(field, tag);
        setting.send(request, json!({"parameters": {"TAG_FRONT": value}}).to_string())
    };
    assert_eq!(put("if-match", tag.clone(), "2").await.status(), StatusCode::OK);
    let (status, problem) = read(put("if-match", tag.clone(), "3").await).await;
    assert_eq!((status.as_u16(), &problem["code"]), (412, &json!("precondition-failed")), "{problem}");
    assert_eq!(put("if-none-match", "*".into(), "3").await.status().as_u16(), 412);
    assert_eq!(put("if-match", "nonsense".into(), "3").await.status().as_u16(), 412);
    let delete = authorized("DELETE", PLACE).header("if-match", &tag);
    assert_eq!(setting.send(delete, Body::empty()).await.status().as_u16(), 412);
    assert_eq!(setting.call("GET", PLACE, None).await.1["parameters"]["TAG_FRONT"], "2", "nothing was changed since");
}

#[tokio::test]
async fn a_fields_repetition_is_told_with_its_place() {
    let setting = setting().await;
    let body = r#"{"parameters": {"TAG_FRONT": "1", "TAG_FRONT": "2"}}"#;
    let request = authorized("PUT", PLACE).header("content-type", "application/json");
    let (status, problem) = read(setting.send(request, body).await).await;
    assert_eq!(
        (status.as_u16(), &problem["errors"][0]["pointer"]),
        (422, &json!("/parameters/TAG_FRONT")),
        "{problem}"
    );
    let deep = format!("{}{}", "{\"a\":".repeat(1000), "1".to_owned() + &"}".repeat(1000));
    let request = authorized("PUT", PLACE).header("content-type", "application/json");
    let (status, problem) = read(setting.send(request, deep).await).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("malformed")), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let never = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>());
    let request = Request::builder().header("content-type", "application/json").body(never).unwrap();
    let problem = crate::api::input::json_object(request).await.unwrap_err();
    assert_eq!((problem.status, &*problem.code), (408, "body-too-slow"));
}

#[tokio::test]
async fn a_method_that_a_path_has_not_is_told_with_those_it_has() {
    let setting = setting().await;
    let response = setting.send(authorized("PATCH", PLACE), Body::empty()).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD,PUT,DELETE");
    let (status, problem) = setting.call("GET", &format!("{PLACE}:restart"), None).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(problem["detail"].as_str().unwrap().contains("integration:restart"), "{problem}");
    let (status, _) = setting.call("POST", &format!("{PLACE}:steal"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = setting.call("POST", &format!("{PLACE}/@restart"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the inner spelling is nobody's business");
    let head = setting.send(authorized("HEAD", "/api/v1/classes"), Body::empty()).await;
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn pages_follow_their_cursors_and_their_links() {
    let setting = setting().await;
    for user in ["c", "a", "b"] {
        let place = format!("/api/v1/environments/{user}/integration");
        setting.call("PUT", &place, Some(&json!({"parameters": {"TAG_FRONT": "1"}}))).await;
    }
    let mut path = "/api/v1/environments?limit=2&sort=-name".to_owned();
    let mut names = Vec::new();
    loop {
        let response = setting.send(authorized("GET", &path), Body::empty()).await;
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let (_, page) = read(response).await;
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["user"].as_str().unwrap().to_owned()));
        match link {
            Some(link) => path = link.trim_start_matches('<').split('>').next().unwrap().to_owned(),
            None => break,
        }
        assert!(path.contains(page["next"].as_str().unwrap()), "{path}");
    }
    assert_eq!(names, ["c", "b", "a"]);
    let cursor = path.split("cursor=").nth(1).unwrap();
    for wrong in [
        format!("limit=2&cursor={cursor}"),
        "limit=0".into(),
        "limit=501".into(),
        "sort=size".into(),
        "cursor=x".into(),
    ] {
        let (status, problem) = setting.call("GET", &format!("/api/v1/environments?{wrong}"), None).await;
        assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("invalid")), "{wrong}: {problem}");
    }
}

#[tokio::test]
async fn a_repeated_call_is_done_once_and_answered_as_the_first_time() {
    let setting = setting().await;
    let put = |key: &str, tag: &str| {
        let request =
            authorized("PUT", PLACE).header("content-type", "application/json").header("idempotency-key", key);
        setting.send(request, json!({"parameters": {"TAG_FRONT": tag}}).to_string())
    };
    let first = put("build-17", "1").await;
    assert_eq!((first.status(), first.headers().get("idempotency-replayed")), (StatusCode::CREATED, None));
    let (tag, (_, told)) = (first.headers()["etag"].clone(), read(first).await);
    assert_eq!(put("build-18", "2").await.status(), StatusCode::OK);
    let again = put("build-17", "1").await;
    assert_eq!(
        (again.status(), &again.headers()["idempotency-replayed"]),
        (StatusCode::CREATED, &"true".parse().unwrap())
    );
    assert_eq!(
        (&again.headers()["etag"], &again.headers()["content-type"]),
        (&tag, &"application/json".parse().unwrap())
    );
    assert_eq!(read(again).await.1, told);
    assert_eq!(setting.call("GET", PLACE, None).await.1["parameters"]["TAG_FRONT"], "2", "it was not done again");
    let (status, problem) = read(put("build-17", "3").await).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("idempotency-key-reused")), "{problem}");
    let (status, problem) = read(put("not one", "3").await).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("malformed")), "{problem}");
}

#[tokio::test]
async fn the_second_of_two_at_once_is_told_that_the_first_is_running() {
    let setting = setting().await;
    let (hold, held) = tokio::sync::oneshot::channel::<()>();
    let body = futures::stream::once(async move {
        drop(held.await);
        Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(b"{\"parameters\": {\"TAG_FRONT\": \"1\"}}"))
    });
    let request = || authorized("PUT", PLACE).header("content-type", "application/json").header("idempotency-key", "k");
    let whole = || setting.send(request(), json!({"parameters": {"TAG_FRONT": "1"}}).to_string());
    // A key is claimed when its request was read; what comes late is not the first.
    let late = setting.send(request(), Body::from_stream(body));
    let (late, ()) = tokio::join!(late, async {
        assert_eq!(whole().await.status(), StatusCode::CREATED);
        hold.send(()).unwrap();
    });
    assert_eq!(read(late).await.1["code"], "idempotency-key-reused", "its bytes are others");
    let both = futures::future::join(whole(), whole()).await;
    for answer in [both.0, both.1] {
        let running = answer.status() == StatusCode::CONFLICT && answer.headers().contains_key("retry-after");
        assert!(running || answer.headers().contains_key("idempotency-replayed"), "{}", answer.status());
    }
}
