//! Many environments, classes that change, the table and the stream of events.

use super::*;

impl Setting {
    async fn fill(&self, users: &[&str]) {
        for user in users {
            let place = format!("/api/v1/environments/{user}/integration");
            self.call("PUT", &place, Some(&json!({"parameters": {"TAG_FRONT": "1"}}))).await;
        }
    }
}

#[tokio::test]
async fn a_dry_run_names_what_the_same_call_then_does() {
    let setting = setting().await;
    setting.fill(&["a", "b", "c"]).await;
    let body = json!({"selector": {"class": "integration", "ready": false}, "dryRun": true});
    let (status, planned) = setting.call("POST", "/api/v1/environments:sleep", Some(&body)).await;
    assert_eq!((status, planned["items"].as_array().unwrap().len()), (StatusCode::OK, 3), "{planned}");
    assert_eq!(planned["items"][0]["outcome"], "planned");
    assert!(!setting.environments().get("a-integration").await.unwrap().spec.sleeping, "nothing was changed");
    let body = json!({"selector": {"class": "integration"}});
    let (_, done) = setting.call("POST", "/api/v1/environments:sleep", Some(&body)).await;
    assert_eq!(done["items"][2]["outcome"], "done", "{done}");
    assert!(setting.environments().get("a-integration").await.unwrap().spec.sleeping);
    let (_, again) = setting.call("POST", "/api/v1/environments:sleep", Some(&body)).await;
    assert_eq!(again["items"][0]["outcome"], "unchanged", "{again}");
    let body = json!({"selector": {"user": "a"}, "by": "2h"});
    let (_, kept) = setting.call("POST", "/api/v1/environments:extend", Some(&body)).await;
    assert_eq!(kept["items"][0]["outcome"], "unchanged", "nothing ends it: {kept}");
    let body = json!({"selector": {"user": "a"}, "until": "2999-01-01T00:00:00Z"});
    let (_, kept) = setting.call("POST", "/api/v1/environments:extend", Some(&body)).await;
    assert_eq!((kept["items"].as_array().unwrap().len(), &kept["items"][0]["outcome"]), (1, &json!("done")), "{kept}");
    let slip = json!({"selector": {"reason": "Statring"}});
    let (status, problem) = setting.call("POST", "/api/v1/environments:wake", Some(&slip)).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/selector/reason")), "{problem}");
    let (status, _) = setting.call("POST", "/api/v1/environments:delete", Some(&json!({"selector": {}}))).await;
    assert_eq!(status.as_u16(), 422, "everything is selected only by saying so");
    let slip = json!({"selector": {"class": "integraton"}});
    let (status, problem) = setting.call("POST", "/api/v1/environments:delete", Some(&slip)).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/selector/class")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("did you mean \"integration\"?"), "{problem}");
    let (status, problem) = setting.call("GET", "/api/v1/environments/a/integraton", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("did you mean \"integration\"?"), "{problem}");
    let body = json!({"selector": {"all": true}});
    let (_, gone) = setting.call("POST", "/api/v1/environments:delete", Some(&body)).await;
    assert_eq!(gone["items"].as_array().unwrap().len(), 3, "{gone}");
    let (_, left) = setting.call("GET", "/api/v1/environments", None).await;
    let left = left["items"].as_array().unwrap().iter();
    assert!(left.map(|item| &item["deleting"]).all(|deleting| *deleting == json!(true)), "nobody collects here");
}

fn spec() -> Value {
    json!({"host": "front{user}.int.{domain}", "port": 8080,
        "parameters": [{"name": "TAG_FRONT", "pattern": "[A-Za-z0-9._-]{1,128}", "required": true},
            {"name": "VERSION", "pattern": "[A-Za-z0-9._-]{1,128}"}],
        "template": {"spec": {"containers": [{"name": "front", "image": "front:{TAG_FRONT}"}]}}})
}

#[tokio::test]
async fn a_changed_class_tells_whom_it_touches_before_and_when_it_does() {
    let setting = setting().await;
    setting.fill(&["a", "b"]).await;
    const CLASS: &str = "/api/v1/classes/integration";
    let (_, told) = setting.call("PUT", &format!("{CLASS}?dryRun=true"), Some(&spec())).await;
    assert_eq!(
        (&told["dryRun"], &told["touches"]),
        (&json!(true), &json!([])),
        "the same again touches nobody: {told}"
    );
    let mut changed = spec();
    changed["template"]["spec"]["containers"][0]["image"] = json!("front:x-{TAG_FRONT}");
    changed["replicas"] = json!(2);
    let (status, told) = setting.call("PUT", &format!("{CLASS}?dryRun=true"), Some(&changed)).await;
    assert_eq!((status, told["touches"].as_array().unwrap().len()), (StatusCode::OK, 2), "{told}");
    assert_eq!((&told["touches"][0]["restarts"], &told["touches"][0]["scales"]), (&json!(true), &json!(true)));
    let mut shorter = spec();
    shorter["life"] = json!({"max": "1h"});
    let (_, told) = setting.call("PUT", &format!("{CLASS}?dryRun=true"), Some(&shorter)).await;
    assert_eq!(
        (&told["touches"][1]["lives"], &told["touches"][1]["restarts"]),
        (&json!(true), &json!(false)),
        "{told}"
    );
    let (_, class) = setting.call("GET", CLASS, None).await;
    assert_eq!(class["spec"]["template"], spec()["template"], "a dry run writes nothing");
    let mut narrow = spec();
    narrow["host"] = json!("web{user}.int.{domain}");
    narrow["parameters"][1]["required"] = json!(true);
    let (_, told) = setting.call("PUT", &format!("{CLASS}?dryRun=true"), Some(&narrow)).await;
    assert_eq!(told["touches"][0]["host"], json!({"from": "fronta.int.localhost", "to": "weba.int.localhost"}));
    assert!(told["touches"][0]["breaks"][0].as_str().unwrap().contains("VERSION is required"), "{told}");
    let (status, told) = setting.call("PUT", CLASS, Some(&changed)).await;
    assert_eq!((status, &told["class"]["replicas"]), (StatusCode::OK, &json!(2)), "{told}");
    let (status, problem) = setting.call("DELETE", CLASS, None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("class-in-use")));
    assert!(problem["detail"].as_str().unwrap().ends_with("of a, b"), "{problem}");
}

#[tokio::test]
async fn a_class_is_made_refused_with_its_mistakes_and_taken_away() {
    let setting = setting().await;
    let (status, problem) = setting.call("PUT", "/api/v1/classes/second", Some(&spec())).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/host")), "{problem}");
    let mut second = spec();
    second["host"] = json!("front{user}.second.{domain}");
    let (status, made) = setting.call("PUT", "/api/v1/classes/second", Some(&second)).await;
    assert_eq!((status, &made["class"]["name"]), (StatusCode::CREATED, &json!("second")), "{made}");
    second["prt"] = json!(1);
    let (status, problem) = setting.call("PUT", "/api/v1/classes/second", Some(&second)).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/prt")), "{problem}");
    assert_eq!(setting.call("DELETE", "/api/v1/classes/second", None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(setting.call("GET", "/api/v1/classes/second", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(setting.call("DELETE", "/api/v1/classes/second", None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn no_environment_is_left_without_its_class_however_the_two_calls_meet() {
    const CLASS: &str = "/api/v1/classes/second";
    const USED: &str = "/api/v1/environments/a/second";
    let setting = setting().await;
    let mut second = spec();
    second["host"] = json!("front{user}.second.{domain}");
    let (mut kept, mut taken) = (0, 0);
    for round in 0..40 {
        setting.call("PUT", CLASS, Some(&second)).await;
        let wish = json!({"parameters": {"TAG_FRONT": "1"}});
        // Another meeting point each time: one of the two comes later, by as many turns of the runtime as the round says.
        let turns = |turns: usize| async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        let (first, second) = if round % 2 == 0 { (0, round) } else { (round, 0) };
        let make = async {
            turns(first).await;
            setting.call("PUT", USED, Some(&wish)).await
        };
        let late = async {
            turns(second).await;
            setting.call("DELETE", CLASS, None).await
        };
        let ((made, said), (gone, _)) = tokio::join!(make, late);
        let is_used = setting.environments().get_opt("a-second").await.unwrap().is_some();
        let class = Api::<EnvironmentClass>::all(setting.cluster.client()).get_opt("second").await.unwrap();
        assert_eq!(is_used, made == StatusCode::CREATED, "round {round}: {made} {said}");
        assert!(!is_used || class.is_some(), "round {round}: {made}, {gone}: it is used and gone");
        assert_eq!(class.is_none(), gone == StatusCode::NO_CONTENT, "round {round}: {gone}");
        if is_used {
            kept += 1;
            let annotations = class.unwrap().metadata.annotations.unwrap_or_default();
            assert!(!annotations.contains_key(crate::resources::labels::GOING), "round {round}: the mark is gone");
            setting.environments().delete("a-second", &DeleteParams::default()).await.unwrap();
        } else {
            taken += 1;
        }
        setting.call("DELETE", CLASS, None).await;
    }
    println!("{kept} environments were kept, {taken} classes were taken away");
}

#[tokio::test]
async fn an_environment_that_was_made_of_a_class_on_its_way_out_is_taken_back() {
    let setting = setting().await;
    let classes: Api<EnvironmentClass> = Api::all(setting.cluster.client());
    let mark = |time: String| {
        let patch = json!({"metadata": {"annotations": {(crate::resources::labels::GOING): time}}});
        let classes = classes.clone();
        async move { classes.patch("integration", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap() }
    };
    mark(jiff::Timestamp::now().to_string()).await;
    let (status, problem) = setting.put(json!({"TAG_FRONT": "1"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("unusable-class")), "{problem}");
    assert!(setting.environments().get_opt("haimaz-integration").await.unwrap().is_none());
    mark("2020-01-01T00:00:00Z".to_owned()).await;
    assert_eq!(setting.put(json!({"TAG_FRONT": "1"})).await.0, StatusCode::CREATED, "of a manager that died long ago");
}

/// The events of a stream as they come, each within a deadline.
struct Stream(Body, String);

impl Stream {
    async fn next(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.1.clone().split_once("\n\n") {
                self.1 = rest.to_owned();
                return event.to_owned();
            }
            let frame = tokio::time::timeout(Duration::from_secs(30), self.0.frame()).await.expect("an event in time");
            self.1 += std::str::from_utf8(&frame.unwrap().unwrap().into_data().unwrap()).unwrap();
        }
    }

    async fn named(&mut self, name: &str) -> String {
        loop {
            let event = self.next().await;
            if event.contains(&format!("\nevent: {name}\n")) {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn events_are_heard_as_they_happen_and_again_by_those_who_come_back() {
    let setting = setting().await;
    let listen = |last: Option<String>| {
        let mut request = authorized("GET", "/api/v1/events?class=integration");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        setting.send(request, Body::empty())
    };
    let response = listen(None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = Stream(response.into_body(), String::new());
    setting.fill(&["a"]).await;
    let created = stream.named("environment.created").await;
    let id = created.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    setting.fill(&["b"]).await;
    let mut again = Stream(listen(Some(id)).await.into_body(), String::new());
    let missed = again.named("environment.created").await;
    assert!(missed.contains("\"b-integration\""), "{missed}");
    let mut lost = Stream(listen(Some("0000000000000000-7".into())).await.into_body(), String::new());
    assert!(lost.next().await.contains("event: reset"));
    setting.shutdown.cancel();
}

#[tokio::test]
async fn the_table_is_told_a_page_at_a_time() {
    let setting = setting().await;
    let (status, table) = setting.call("GET", "/api/v1/routes?host=x&kind=Service&limit=1", None).await;
    assert_eq!((status, &table["items"], &table["hosts"]), (StatusCode::OK, &json!([]), &json!(0)), "{table}");
    let (status, problem) = setting.call("GET", "/api/v1/routes?kind=Servce", None).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("?kind")), "{problem}");
    let (status, problem) = setting.call("GET", "/api/v1/routes?host=a/b&knd=Service", None).await;
    assert_eq!((status.as_u16(), problem["errors"].as_array().unwrap().len()), (422, 2), "{problem}");
    let (status, problem) =
        setting.call("POST", "/api/v1/routes:preview", Some(&json!({"manifests": [{"kind": "Pod"}]}))).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/manifests/0/kind")), "{problem}");
}
