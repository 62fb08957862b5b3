//! The gateways, by stand-ins that tell what a test holds.

use super::*;
use crate::cluster::SharedKinds;
use axum::Json;
use axum::Router;
use axum::routing::get;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Event;
use std::time::Duration;

type Told = Arc<Mutex<BTreeSet<String>>>;

/// A gateway that leads everywhere to what is in `told`.
async fn gateway(told: Told) -> Place {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route(SERVES, get(move || async move { Json(told.lock().unwrap().clone()) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url.parse().unwrap()
}

fn client() -> kube::Client {
    let never = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody asks"))
    });
    kube::Client::new(never, "default")
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_host_is_confirmed_when_every_gateway_leads_to_the_same_endpoints() {
    let (one, other) = (Told::default(), Told::default());
    let places = vec![gateway(one.clone()).await, gateway(other.clone()).await];
    let late = places[1].to_string();
    let end = CancellationToken::new();
    let replicas = Replicas::new(places, &SharedKinds::default(), None, &client(), &end);
    let gateways = Gateways::start(replicas, Arc::default(), &end);
    let mut confirmed = gateways.confirmed();
    let pods = set(&["a", "b"]);
    assert!(gateways.behind("h", &pods).is_some(), "nobody has told yet");
    one.lock().unwrap().clone_from(&pods);
    let mut until = async |wanted: &dyn Fn(Option<String>) -> bool| loop {
        if wanted(gateways.behind("h", &pods)) {
            return;
        }
        tokio::time::timeout(Duration::from_secs(30), confirmed.changed()).await.expect("news in time").unwrap();
    };
    until(&|behind| behind.is_some_and(|said| said.contains(&late) && said.contains("does not lead"))).await;
    other.lock().unwrap().clone_from(&pods);
    until(&|behind| behind.is_none()).await;
    // While the endpoints stay, it is not asked again.
    other.lock().unwrap().clear();
    assert_eq!(gateways.behind("h", &pods), None);
    assert!(gateways.behind("h", &set(&["c"])).is_some(), "other endpoints are another question");
}

#[tokio::test]
async fn the_ready_endpoints_of_a_service_are_gateways() {
    let places: Vec<Place> = ["http://10.0.0.1:9901", "doorstep/gateway:9902"].map(|text| text.parse().unwrap()).into();
    let kinds = SharedKinds::new(services(&places));
    let replicas = Replicas::new(places, &kinds, None, &client(), &CancellationToken::new());
    assert_eq!(replicas.urls(), None, "not known yet");
    let slice = |namespace: &str, service: &str, address: &str, ready: bool| -> EndpointSlice {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": address, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
        }))
        .unwrap()
    };
    let mut feeder = kinds.slices();
    feeder.take(Event::Init);
    for (namespace, service, address, ready) in [
        ("doorstep", "gateway", "10.0.0.2", true),
        ("doorstep", "gateway", "10.0.0.3", false),
        ("doorstep", "other", "10.0.0.4", true),
        ("other", "gateway", "10.0.0.5", true),
    ] {
        feeder.take(Event::InitApply(slice(namespace, service, address, ready)));
    }
    feeder.take(Event::InitDone);
    let both = ["http://10.0.0.1:9901".to_owned(), "http://10.0.0.2:9902".to_owned()];
    assert_eq!(replicas.urls().unwrap(), both);
    feeder.take(Event::Apply(slice("doorstep", "gateway", "10.0.0.3", true)));
    assert_eq!(replicas.urls().unwrap().len(), 3);
}

#[test]
fn a_place_is_an_admin_port_or_a_service() {
    assert_eq!("http://10.0.0.7:9901/".parse(), Ok(Place::Url("http://10.0.0.7:9901".to_owned())));
    let service = Place::Service { namespace: "doorstep".into(), name: "doorstep-gateway".into(), port: 9901 };
    assert_eq!("doorstep/doorstep-gateway:9901".parse(), Ok(service));
    for wrong in ["", "http://h", "https://h:1", "http://u:p@h:1", "a/b", "a/b:0", "a/B:1", "a:1"] {
        assert!(wrong.parse::<Place>().is_err(), "{wrong}");
    }
}
