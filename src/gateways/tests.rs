//! The gateways, by stand-ins that tell what a test holds.

use super::*;
use crate::cluster::SharedKinds;
use crate::routing::{BackendSpec, Claims, Contribution, HostClaim, Protocol, Routes, RuleSpec, SourceKey, SourceKind};
use axum::Json;
use axum::Router;
use axum::routing::get;
use std::time::Duration;

const HOST: &str = "h.test";

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

fn start(places: &[Place], table: Arc<Table>, end: &CancellationToken) -> Gateways {
    let kinds = SharedKinds::default();
    Gateways::start(places, &Hears { kinds: &kinds, namespace: None, client: &client() }, table, end)
}

/// A table that leads from the host `h` to these addresses.
fn leading_to(addresses: &[&str]) -> Arc<Table> {
    let table = Arc::new(Table::default());
    lead(&table, addresses);
    table
}

fn lead(table: &Table, addresses: &[&str]) {
    let mut routes = Routes::new("localhost".parse().unwrap());
    let source = SourceKey { kind: SourceKind::File, namespace: "".into(), name: "h".into() };
    let claims = Claims::Named(vec![HostClaim::parse("h.test").unwrap()]);
    let to = |address: &&str| BackendSpec::Address {
        address: address.parse().unwrap(),
        protocol: Protocol::default(),
        weight: 1,
    };
    let rules = vec![RuleSpec { backends: addresses.iter().map(to).collect(), ..RuleSpec::default() }];
    routes.apply(Contribution::of_one_group(source, 0, claims, rules));
    routes.publish(table);
}

/// Waits until what is said of the host fits.
async fn until(gateways: &Gateways, table: &Table, fits: impl Fn(Option<String>) -> bool) {
    let mut news = gateways.confirmed();
    while !fits(gateways.behind(HOST, &endpoints(table, HOST))) {
        tokio::time::timeout(Duration::from_secs(30), news.changed()).await.expect("news in time").unwrap();
    }
}

#[tokio::test]
async fn a_host_is_confirmed_when_every_gateway_leads_to_the_same_endpoints() {
    let (one, other) = (Told::default(), Told::default());
    let places = vec![gateway(one.clone()).await, gateway(other.clone()).await];
    let late = places[1].to_string();
    let table = leading_to(&["127.0.0.1:1", "127.0.0.1:2"]);
    let gateways = start(&places, table.clone(), &CancellationToken::new());
    let pods = endpoints(&table, HOST);
    assert_eq!(pods.len(), 2);
    assert!(gateways.behind(HOST, &pods).is_some(), "nobody has told yet");
    one.lock().unwrap().clone_from(&pods);
    until(&gateways, &table, |behind| {
        behind.is_some_and(|said| said.contains(&late) && said.contains("does not lead"))
    })
    .await;
    other.lock().unwrap().clone_from(&pods);
    until(&gateways, &table, |behind| behind.is_none()).await;
    // While the endpoints stay, it is not asked again.
    other.lock().unwrap().clear();
    assert_eq!(gateways.behind(HOST, &pods), None);
    assert!(gateways.behind(HOST, &BTreeSet::from(["c".to_owned()])).is_some(), "other endpoints are another question");
}

#[tokio::test]
async fn nobody_is_asked_for_a_host_that_leads_elsewhere_by_now() {
    let places = vec![gateway(Told::default()).await];
    let table = leading_to(&["127.0.0.1:1"]);
    let gateways = start(&places, table.clone(), &CancellationToken::new());
    until(&gateways, &table, |behind| behind.is_some_and(|said| said.contains("does not lead"))).await;
    let mut news = gateways.confirmed();
    lead(&table, &["127.0.0.1:2"]);
    while !gateways.open().is_empty() {
        tokio::time::timeout(Duration::from_secs(30), news.changed()).await.expect("news in time").unwrap();
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_and_a_service_without_gateways_are_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone: Place = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let table = leading_to(&["127.0.0.1:1"]);
    let end = CancellationToken::new();
    let gateways = start(std::slice::from_ref(&gone), table.clone(), &end);
    let named = |said: String| said.contains(&gone.to_string()) && said.contains("it does not answer");
    until(&gateways, &table, |behind| behind.is_some_and(named)).await;

    let service: Place = "doorstep/gateways:9090".parse().unwrap();
    let gateways = start(&[service], table.clone(), &end);
    let named = |said: String| said.contains("does not tell which gateways there are (doorstep/gateways:9090)");
    until(&gateways, &table, |behind| behind.is_some_and(named)).await;
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
