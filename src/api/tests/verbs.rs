//! The verbs of one environment, its revisions and its generations.

use super::*;
use k8s_openapi::api::apps::v1::ControllerRevision;

impl Setting {
    /// Says of the environment what the operator would.
    async fn observe(&self, ready: bool) {
        let mut object = self.environments().get("haimaz-integration").await.unwrap();
        let generation = object.metadata.generation.unwrap();
        let status = object.status.get_or_insert_default();
        status.observed_generation = Some(generation);
        let told = if ready { (true, "Serving", "it serves") } else { (false, "Starting", "it starts") };
        set_condition(&mut status.conditions, ConditionType::Ready, told, generation);
        self.environments().replace_status("haimaz-integration", &PostParams::default(), &object).await.unwrap();
    }

    async fn revision(&self, number: i64, tag: &str) {
        let owner = self.environments().get("haimaz-integration").await.unwrap();
        let revision: ControllerRevision = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {"name": format!("haimaz-integration-{number}"),
                "labels": {"doorstep.dev/user": "haimaz", "doorstep.dev/class": "integration"},
                "ownerReferences": [{"apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment",
                    "name": "haimaz-integration", "uid": owner.metadata.uid.unwrap(), "controller": true}]},
            "data": {"class": "integration", "parameters": {"TAG_FRONT": tag}}, "revision": number}))
        .unwrap();
        Api::<ControllerRevision>::default_namespaced(self.cluster.client())
            .create(&PostParams::default(), &revision)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn each_verb_writes_its_wish_once() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let post = |verb: &str| setting.send(authorized("POST", &format!("{PLACE}:{verb}")), Body::empty());
    for (verb, status) in
        [("sleep", 202), ("sleep", 200), ("wake", 202), ("pin", 202), ("pin", 200), ("unpin", 202), ("restart", 202)]
    {
        let response = post(verb).await;
        assert_eq!(response.status().as_u16(), status, "{verb}");
        let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        let (_, view) = read(response).await;
        let monitor = format!("{PLACE}/generations/{}", view["generation"]);
        assert_eq!(location, (status == 202).then_some(monitor), "{verb}");
    }
    let spec = setting.environments().get("haimaz-integration").await.unwrap().spec;
    assert!(!spec.sleeping && !spec.pinned && spec.restarted_at.is_some() && spec.woken_at.is_some());
    assert_eq!(spec.parameters["TAG_FRONT"], "1");
    let extend = async |body: Value| setting.call("POST", &format!("{PLACE}:extend"), Some(&body)).await;
    let (status, problem) = extend(json!({"by": "24h"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("nothing-to-extend")), "{problem}");
    let expires = async || setting.environments().get("haimaz-integration").await.unwrap().spec.expires_at;
    assert_eq!(expires().await, None, "nothing ends it, and nothing gave it an end");
    let (status, view) = extend(json!({"until": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "a time that is named outright is one: {view}");
    let (status, view) = extend(json!({"by": "24h"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{view}");
    assert_eq!(expires().await.unwrap().0.to_string(), "2999-01-02T00:00:00Z", "from its end");
    let (status, problem) = setting.call("POST", &format!("{PLACE}:extend"), Some(&json!({"by": "later"}))).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/by")));
    let (status, _) = setting.call("POST", "/api/v1/environments/nobody/integration:wake", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let with_body = authorized("POST", &format!("{PLACE}:wake"));
    assert_eq!(setting.send(with_body, "{}").await.status().as_u16(), 400, "a body that has no effect is refused");
}

#[tokio::test]
async fn a_deployment_wakes_what_sleeps() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    setting.call("POST", &format!("{PLACE}:sleep"), None).await;
    let (_, view) = setting.put(json!({"TAG_FRONT": "1"})).await;
    assert_eq!(view["sleeping"], false);
    let body = json!({"parameters": {"TAG_FRONT": "1"}, "sleeping": true, "pinned": true, "expiresAt": "2999-01-01T00:00:00Z"});
    let (_, view) = setting.call("PUT", PLACE, Some(&body)).await;
    assert_eq!((&view["sleeping"], &view["pinned"]), (&json!(true), &json!(true)), "{view}");
    let body = json!({"parameters": {"TAG_FRONT": "1"}, "sleeping": 1, "pinned": "x", "expiresAt": "soon"});
    let (status, problem) = setting.call("PUT", PLACE, Some(&body)).await;
    assert_eq!((status.as_u16(), problem["errors"].as_array().unwrap().len()), (422, 3), "{problem}");
}

#[tokio::test]
async fn an_end_that_has_passed_deletes_nothing() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1"})).await;
    let body = json!({"parameters": {"TAG_FRONT": "2"}, "expiresAt": "2020-01-01T00:00:00Z"});
    let (status, problem) = setting.call("PUT", PLACE, Some(&body)).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/expiresAt")), "{problem}");
    assert_eq!(setting.call("GET", PLACE, None).await.1["parameters"]["TAG_FRONT"], "1", "nothing was changed");
}

#[tokio::test]
async fn going_back_applies_an_older_revision_again() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "2"})).await;
    let rollback = |body: Value| async {
        let body = body;
        setting.call("POST", &format!("{PLACE}:rollback"), Some(&body)).await
    };
    let (status, problem) = rollback(json!({})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("no-such-revision")), "{problem}");
    setting.revision(1, "1").await;
    setting.revision(2, "2").await;
    let (_, list) = setting.call("GET", &format!("{PLACE}/revisions"), None).await;
    assert_eq!((&list["items"][0]["number"], &list["items"][0]["current"]), (&json!(2), &json!(true)), "{list}");
    assert_eq!(list["items"][0]["changes"], json!([{"name": "TAG_FRONT", "from": "1", "to": "2"}]));
    let (_, diff) = setting.call("GET", &format!("{PLACE}/revisions/1/diff"), None).await;
    assert_eq!((&diff["to"], &diff["changes"][0]["to"]), (&json!(2), &json!("2")), "{diff}");
    let (status, view) = rollback(json!({})).await;
    assert_eq!((status, &view["parameters"]["TAG_FRONT"]), (StatusCode::ACCEPTED, &json!("1")), "{view}");
    let (status, problem) = rollback(json!({"revision": 9})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("kept are 1, 2"), "{problem}");
    for path in ["revisions/x/diff", "revisions/0/diff"] {
        assert_eq!(setting.call("GET", &format!("{PLACE}/{path}"), None).await.0.as_u16(), 400, "{path}");
    }
}

#[tokio::test]
async fn the_monitor_and_the_wait_say_what_ready_says() {
    let setting = setting().await;
    let request = authorized("PUT", PLACE).header("content-type", "application/json").header("prefer", "respond-async");
    let response = setting.send(request, json!({"parameters": {"TAG_FRONT": "1"}}).to_string()).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["preference-applied"], "respond-async");
    let monitor = response.headers()["location"].to_str().unwrap().to_owned();
    let (_, told) = setting.call("GET", &monitor, None).await;
    assert_eq!((&told["state"], &told["done"]), (&json!("progressing"), &json!(false)), "{told}");
    let (_, told) = setting.call("GET", &format!("{monitor}:wait?timeout=0"), None).await;
    assert_eq!(told["done"], false, "the time is over: {told}");
    let path = format!("{monitor}:wait?timeout=60");
    let (told, ()) = tokio::join!(setting.call("GET", &path, None), setting.observe(true));
    assert_eq!((&told.1["state"], &told.1["done"]), (&json!("ready"), &json!(true)), "{told:?}");
    setting.put(json!({"TAG_FRONT": "2"})).await;
    let (_, told) = setting.call("GET", &monitor, None).await;
    assert_eq!((&told["state"], &told["reason"]), (&json!("superseded"), &json!("Superseded")), "{told}");
    let (status, problem) = setting.call("GET", &format!("{PLACE}/generations/7:wait"), None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("no-such-generation")), "{problem}");
}
