//! A request for which there is no endpoint waits for one, if it may.

use super::harness::*;
use crate::model::EnvironmentKey;
use crate::proxy::{GatewayConfig, Limits};
use crate::routing::{
    BackendSpec, Claims, ClusterName, Endpoint, EndpointState, EnvironmentNote, HostClaim, PortName, Protocol, Routes,
};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn waiting_for(wait: Duration) -> GatewayConfig {
    GatewayConfig { limits: Limits { wait, ..Limits::default() }, ..GatewayConfig::default() }
}

async fn hello(_: Request<Incoming>) -> Response<Content> {
    Response::new(full("hello"))
}

async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_without_content_is_answered_by_the_endpoint_that_comes() {
    let gateway = Gateway::new(&[]);
    let (address, _backend) = backend(hello).await;
    let head = b"HEAD / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let come = async {
        until(|| gateway.cluster.waiting.waiting() == 3).await;
        gateway.cluster.replace([endpoint(address)]);
    };
    let (one, two, three, ()) = tokio::join!(gateway.raw(GET), gateway.raw(head), gateway.raw(post), come);
    for answer in [one, two, three] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(gateway.cluster.waiting.waiting(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_with_content_does_not_wait() {
    let gateway = Gateway::new(&[]);
    let answer =
        gateway.raw(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"code\":\"NoEndpoint\""), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_upgrade_waits_as_well() {
    let gateway = Gateway::new(&[]);
    let (address, _backend) = backend(|_| async {
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        response.body(full("")).unwrap()
    })
    .await;
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await.unwrap();
    until(|| gateway.cluster.waiting.waiting() == 1).await;
    gateway.cluster.replace([endpoint(address)]);
    let mut answer = [0; 12];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    drop(stream);
    gateway.stop().await;
}

#[tokio::test]
async fn when_nothing_comes_the_state_is_told() {
    let gateway = Gateway::with(&[], complete(routes()), waiting_for(Duration::from_millis(60)), None);
    let answer = gateway.raw(GET).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 2"), "{answer}");
    assert_eq!(gateway.cluster.waiting.waiting(), 0);
    gateway.stop().await;
}

/// An environment with a route and no endpoint, of which `reason` is known.
fn environment(reason: &str) -> Routes {
    let mut routes = complete(routes());
    let key = EnvironmentKey::from_object_name("anna-integration").unwrap();
    routes.set_environment(EnvironmentNote {
        key: key.clone(),
        ready: false,
        reason: reason.into(),
        message: "so it is".into(),
        wakes: false,
    });
    routes.apply(contribution("anna-integration", Claims::Personal(key), Protocol::Http1));
    routes
}

#[tokio::test]
async fn an_environment_that_will_not_come_up_says_so_at_once() {
    let ask = b"GET / HTTP/1.1\r\nHost: frontanna.int.test\r\nConnection: close\r\n\r\n";
    for reason in ["CrashLoopBackOff", "ImagePullBackOff", "ScaledToZero", "Deleting", "Unschedulable"] {
        let gateway = Gateway::with(&[], environment(reason), waiting_for(Duration::from_secs(3600)), None);
        let answer = gateway.raw(ask).await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(reason), "{answer}");
        gateway.stop().await;
    }
    let gateway = Gateway::with(&[], environment("Starting"), waiting_for(Duration::from_millis(60)), None);
    let answer = gateway.raw(ask).await;
    assert!(answer.contains("\"reason\":\"Starting\""), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_waits_no_longer() {
    let gateway = Gateway::new(&[]);
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    stream.write_all(GET).await.unwrap();
    until(|| gateway.cluster.waiting.waiting() == 1).await;
    drop(stream);
    until(|| gateway.cluster.waiting.waiting() == 0).await;
    gateway.record(|record| record["end"] == "ClientAbort").await;
    gateway.stop().await;
}

#[tokio::test]
async fn those_that_wait_go_out_in_their_order_and_not_all_at_once() {
    let gateway = Gateway::new(&[]);
    let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (told, peak, active) = (seen.clone(), most.clone(), now.clone());
    let (address, _backend) = backend(move |request: Request<Incoming>| {
        let (told, peak, active) = (told.clone(), peak.clone(), active.clone());
        async move {
            told.lock().unwrap().push(request.uri().path()[1..].parse::<usize>().unwrap());
            peak.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            active.fetch_sub(1, Ordering::SeqCst);
            Response::new(full(Bytes::from_static(b"ok")))
        }
    })
    .await;
    let mut streams = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
        let request = format!("GET /{number} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        until(|| gateway.cluster.waiting.waiting() == number + 1).await;
        streams.push(stream);
    }
    gateway.cluster.replace([endpoint(address)]);
    for mut stream in streams {
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let seen = seen.lock().unwrap().clone();
    // Those that are called together have connections of their own, so they may overtake each other, but no others.
    assert!(seen[..16].iter().all(|number| *number < 48), "{seen:?}");
    assert!(seen.iter().enumerate().all(|(place, number)| place.abs_diff(*number) < 128), "{seen:?}");
    assert!(most.load(Ordering::SeqCst) < 200, "all at once");
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_goes_to_what_is_not_ready_while_something_is() {
    let (ready, _a) = backend(|_| async { Response::new(full("ready")) }).await;
    let (draining, _b) = backend(|_| async { Response::new(full("draining")) }).await;
    let (starting, _c) = backend(|_| async { Response::new(full("starting")) }).await;
    let with = |address, state| Endpoint { state, ..endpoint(address) };
    let gateway = Gateway::with(&[], complete(routes()), waiting_for(Duration::from_millis(60)), None);
    let rest = [with(draining, EndpointState::Draining), with(starting, EndpointState::NotReady)];
    gateway.cluster.replace(rest.clone().into_iter().chain([endpoint(ready)]));
    for _ in 0..10 {
        assert!(gateway.raw(GET).await.ends_with("ready"));
    }
    gateway.cluster.replace(rest.clone());
    for _ in 0..10 {
        assert!(
            gateway.raw(GET).await.ends_with("draining"),
            "what terminates and serves is used while nothing is ready"
        );
    }
    gateway.cluster.replace(rest.into_iter().skip(1));
    assert!(gateway.raw(GET).await.starts_with("HTTP/1.1 503"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_endpoint_gets_its_requests_one_after_the_other() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (active, peak) = (now.clone(), most.clone());
    let (address, _backend) = backend(move |_| {
        let (active, peak) = (active.clone(), peak.clone());
        async move {
            peak.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
            active.fetch_sub(1, Ordering::SeqCst);
            Response::new(full("ok"))
        }
    })
    .await;
    let limits = Limits { endpoint_requests: 3, ..Limits::default() };
    let config = GatewayConfig { limits, ..GatewayConfig::default() };
    let gateway = Gateway::with(&[address], complete(routes()), config, None);
    let post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    let all = futures::future::join_all((0..40).map(|_| gateway.raw(post))).await;
    assert!(all.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{all:?}");
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{}", most.load(Ordering::SeqCst));
    gateway.stop().await;
}

/// The Gateway API: "When a HTTPBackendRef refers to a Service that has no ready endpoints, implementations SHOULD return a 503 for requests to
/// that backend", in its proportion.
#[tokio::test]
async fn the_share_of_a_backend_without_an_endpoint_is_not_given_to_the_others() {
    let (address, _backend) = backend(hello).await;
    let mut routes = complete(routes());
    let claims = Claims::Named(vec![HostClaim::parse("a.test").unwrap()]);
    let mut both = contribution("a", claims, Protocol::Http1);
    let empty = ClusterName { namespace: "default".into(), service: "empty".into(), port: PortName::Number(80) };
    let weight = 1;
    let empty = BackendSpec::Service { cluster: empty, slice_port: "http".into(), protocol: Protocol::Http1, weight };
    both.groups[0].rules[0].backends.push(empty);
    routes.apply(both);
    let gateway = Gateway::with(&[address], routes, impatient(), None);
    let answers = futures::future::join_all((0..200).map(|_| gateway.raw(GET))).await;
    let count = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    let (served, refused) = (count("HTTP/1.1 200"), count("HTTP/1.1 503"));
    assert_eq!(served + refused, 200);
    assert!((50..150).contains(&served), "{served} of 200 were served");
    gateway.stop().await;
}
