//! Every list is a list like the others: its pages, its orders, and the sentences for what is no such thing.

use super::*;
use std::collections::BTreeSet;

/// The calls that tell a list, by their path, with the words by which it is sorted. A bulk call tells what it did, all at once.
fn lists() -> Vec<(String, Vec<String>)> {
    let document = openapi_document();
    let is_list = |operation: &Value| {
        let place = operation.pointer("/responses/200/content/application~1json/schema/$ref").and_then(Value::as_str);
        let Some(name) = place.and_then(|place| place.rsplit('/').next()) else { return false };
        name.ends_with("List")
    };
    let paths = document["paths"].as_object().unwrap().iter();
    let found = paths.filter(|(_, methods)| methods.get("get").is_some_and(is_list)).map(|(path, methods)| {
        let sort = methods["get"]["parameters"].as_array().unwrap().iter().find(|it| it["name"] == "sort");
        (path.clone(), sort.map(words).unwrap_or_default())
    });
    found.collect()
}

/// The words of a parameter that is described by a pattern like `^-?(name|created)$`, or by the name of an enum.
fn words(parameter: &Value) -> Vec<String> {
    let Some(pattern) = parameter["schema"]["pattern"].as_str() else {
        return ["name", "-name", "created", "-created"].map(str::to_owned).to_vec();
    };
    let bare = pattern.trim_start_matches("^-?").trim_end_matches('$').trim_matches(['(', ')']);
    bare.split('|').flat_map(|word| [word.to_owned(), format!("-{word}")]).collect()
}

/// A path of its own for each list, on a setting that has some items of most.
async fn filled() -> (Setting, Vec<(String, Vec<String>)>) {
    let setting = setting().await;
    for user in ["haimaz", "anna", "ben"] {
        let place = format!("/api/v1/environments/{user}/integration");
        let (status, said) = setting.call("PUT", &place, Some(&json!({"parameters": {"TAG_FRONT": "1"}}))).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
    }
    for name in ["c", "a", "b"] {
        let (status, said) = setting.call("POST", "/api/v1/tokens", Some(&json!({"name": name}))).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
        let class = json!({"host": format!("{name}{{user}}.{name}.{{domain}}"), "port": 8080,
            "template": {"spec": {"containers": [{"name": "front", "image": "front:1"}]}}});
        let (status, said) = setting.call("PUT", &format!("/api/v1/classes/{name}"), Some(&class)).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
    }
    let mut hook = String::new();
    for number in 1..=3 {
        let body = json!({"url": format!("https://hooks.example.com/{number}")});
        let (status, made) = setting.call("POST", "/api/v1/webhooks", Some(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        hook = made["id"].as_str().unwrap().to_owned();
    }
    let lists = lists().into_iter().map(|(path, sort)| {
        let path = path.replace("{user}", "haimaz").replace("{class}", "integration").replace("{id}", &hook);
        (path, sort)
    });
    let lists = lists.collect();
    (setting, lists)
}

#[test]
fn every_list_of_the_description_has_pages_and_says_where_the_next_one_is() {
    let document = openapi_document();
    let lists = lists();
    assert!(lists.len() >= 12, "{lists:?}");
    for (path, sort) in lists {
        let operation = &document["paths"][&path]["get"];
        let names: BTreeSet<&str> =
            operation["parameters"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        assert!(["limit", "cursor"].iter().all(|name| names.contains(name)), "{path}: {names:?}");
        assert!(!sort.is_empty(), "{path} has no order to ask for");
        let schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
        assert!(schema["properties"].get("next").is_some(), "{path}: {schema}");
        assert!(operation["responses"]["200"]["headers"].get("Link").is_some(), "{path} does not tell of its Link");
    }
}

#[tokio::test]
async fn each_list_tells_its_pages_in_each_of_its_orders() {
    let (setting, lists) = filled().await;
    for (path, orders) in lists {
        let rows = if path.ends_with("/quotas") { "users" } else { "items" };
        let mut several = 0;
        for order in orders {
            let (status, whole) = setting.call("GET", &format!("{path}?sort={order}"), None).await;
            assert_eq!(status, StatusCode::OK, "{path} {order}: {whole}");
            assert_eq!(whole.get("next"), None, "{path}: one page holds all");
            let whole = whole[rows].as_array().unwrap().clone();
            several = several.max(whole.len());
            let (mut next, mut paged) = (Some(format!("{path}?sort={order}&limit=2")), Vec::new());
            while let Some(at) = next {
                let response = setting.send(authorized("GET", &at), Body::empty()).await;
                let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
                let (_, page) = read(response).await;
                paged.extend(page[rows].as_array().unwrap().iter().cloned());
                assert_eq!(link.is_some(), page["next"].is_string(), "{at}: {page}");
                next = link.map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
            }
            assert_eq!(paged, whole, "{path} {order}");
            let back = order.strip_prefix('-').map_or_else(|| format!("-{order}"), str::to_owned);
            let (_, back) = setting.call("GET", &format!("{path}?sort={back}"), None).await;
            let back: Vec<Value> = back[rows].as_array().unwrap().iter().rev().cloned().collect();
            assert_eq!(back, whole, "{path}: {order} is the other way round of its opposite");
        }
        let filled = ["/environments", "/classes", "/tokens", "/webhooks", "/quotas", "/audit"];
        if filled.iter().any(|end| path == format!("/api/v1{end}")) {
            assert!(several >= 3, "{path} had {several} items, which are no pages");
        }
    }
}

#[tokio::test]
async fn each_list_tells_what_is_no_page_and_no_order_of_it() {
    let (setting, lists) = filled().await;
    let (_, first) = setting.call("GET", "/api/v1/environments?limit=1", None).await;
    let foreign = first["next"].as_str().unwrap();
    for (path, _) in lists {
        let of_another = if path == "/api/v1/environments" { "sort=-name&" } else { "" };
        for (query, at, said) in [
            ("limit=0".to_owned(), "?limit", "limit is \"0\"; it has to be a number from 1 to 500"),
            ("limit=100000".to_owned(), "?limit", "a number from 1 to 500"),
            ("limit=1&limit=2".to_owned(), "?limit", "\"limit\" is given twice; give it once"),
            ("cursor=%00garbled".to_owned(), "?cursor", "the cursor is not one of this list"),
            (format!("{of_another}cursor={foreign}"), "?cursor", "keep the filters and the order"),
            ("sort=nonsense".to_owned(), "?sort", "sort is \"nonsense\"; it has to be "),
            ("limit".to_owned(), "?limit", "limit has no value"),
            ("sort=".to_owned(), "?sort", "sort has no value; it has to be "),
            ("lmit=3".to_owned(), "?lmit", "did you mean \"limit\"?"),
        ] {
            let (status, problem) = setting.call("GET", &format!("{path}?{query}"), None).await;
            assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("invalid")), "{path}?{query}: {problem}");
            let error = &problem["errors"][0];
            assert_eq!(error["pointer"], at, "{path}?{query}: {problem}");
            assert!(error["detail"].as_str().unwrap().contains(said), "{path}?{query}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_slip_in_a_filter_is_told_with_the_nearest_that_is_known() {
    let (setting, lists) = filled().await;
    let deliveries = lists.into_iter().map(|(path, _)| path).find(|path| path.ends_with("/deliveries")).unwrap();
    let deliveries = format!("{}?state=ded", deliveries.trim_start_matches("/api/v1/"));
    for (query, at, near) in [
        ("environments?class=integraton", "?class", "integration"),
        ("environments?reason=Pendng", "?reason", "Pending"),
        ("environments?sort=craeted", "?sort", "created"),
        ("routes?class=integraton", "?class", "integration"),
        ("routes?kind=Servce", "?kind", "Service"),
        ("costs?class=integraton", "?class", "integration"),
        ("audit?class=integraton", "?class", "integration"),
        ("audit?result=dne", "?result", "done"),
        ("audit?format=jsnl", "?format", "jsonl"),
        ("audit?sort=a", "?sort", "at"),
        ("audit?action=PUT%20/environment/%7Buser%7D/%7Bclass%7D", "?action", "PUT /environments/{user}/{class}"),
        ("tokens?state=actve", "?state", "active"),
        ("events?class=integraton", "?class", "integration"),
        (&deliveries, "?state", "dead"),
    ] {
        let (status, problem) = setting.call("GET", &format!("/api/v1/{query}"), None).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!(at)), "{query}: {problem}");
        let said = format!("did you mean \"{near}\"?");
        assert!(problem["detail"].as_str().unwrap().ends_with(&said), "{query}: {problem}");
    }
    // What there was, and what Kubernetes alone knows, is no slip.
    setting.call("DELETE", "/api/v1/classes/a", None).await;
    for query in ["audit?class=a", "environments?reason=NodeAffinity", "audit?action=DELETE%20/classes/%7Bname%7D"] {
        let (status, list) = setting.call("GET", &format!("/api/v1/{query}"), None).await;
        assert_eq!(status, StatusCode::OK, "{query}: {list}");
    }
    let (status, problem) = setting.call("GET", "/api/v1/audit?sort=at&order=newest", None).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("?order")), "{problem}");
}
