//! From a change at the API server to the route table: how long until an endpoint's change is live, with few and with many
//! environments. It prints figures and judges nothing.
//!
//!     cargo bench --bench live

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, missing_docs)]

use doorstep::discovery::{self, CertificateConfig, DiscoveryConfig, EndpointPolicy, Namespaces};
use doorstep::embedded::api::{ApiConfig, ApiServer};
use doorstep::resources::EnvironmentClass;
use doorstep::routing::Table;
use doorstep::tls::Authority;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const SIZES: [usize; 2] = [100, 10_000];
const CHANGES: usize = 500;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("environments  until live (ms)       acknowledged (ms)    complete table   resident");
    println!("              p50     p99     max   p50     p99          after (ms)       MiB");
    for size in SIZES {
        runtime.block_on(measure(size));
    }
    println!(
        "an endpoint's address is patched through the API ({CHANGES} times, one after the other); live: a reader of the table sees it"
    );
    println!("no pods run; resident is the whole process: API server, its database's cache, watches, table");
}

async fn measure(size: usize) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
    let server = ApiServer::open(config, &authority).await.unwrap();
    let client = server.client();
    create_class(&client).await;
    stream::iter(0..size).for_each_concurrent(64, |number| create(&client, number)).await;

    let (table, end) = (Arc::new(Table::default()), CancellationToken::new());
    let began = Instant::now();
    let mut discovery = discovery::start(
        DiscoveryConfig {
            client: Some(client.clone()),
            namespaces: Namespaces::All,
            domain: "example.com".parse().unwrap(),
            endpoint_policy: EndpointPolicy::default(),
            locality: doorstep::routing::Locality::default(),
            routes: None,
            certificates: CertificateConfig::default(),
            uses: None,
            shared: None,
            last_good: None,
        },
        table.clone(),
        &end,
    );
    assert!(discovery.ready().await);
    let complete = began.elapsed();
    assert_eq!(table.load().host_count(), size);

    let (mut live, mut acknowledged) = (Vec::new(), Vec::new());
    for turn in 0..CHANGES {
        let number = turn * 7919 % size;
        let address = format!("10.200.{}.{}", turn / 250, turn % 250 + 1);
        let began = Instant::now();
        let seen = seen(&table, discovery.changes(), number, &address, began);
        let patched = patch(&client, number, &address, began);
        let (seen, patched) = tokio::join!(seen, patched);
        live.push(seen);
        acknowledged.push(patched);
    }
    live.sort();
    acknowledged.sort();
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    println!(
        "{size:>12}  {:>5.2}  {:>6.2}  {:>6.2}  {:>5.2}  {:>6.2}         {:>8.0}       {:>8.1}",
        millis(live[CHANGES / 2]),
        millis(live[CHANGES * 99 / 100]),
        millis(live[CHANGES - 1]),
        millis(acknowledged[CHANGES / 2]),
        millis(acknowledged[CHANGES * 99 / 100]),
        millis(complete),
        resident_mebibytes(),
    );
    end.cancel();
    server.shutdown(Duration::from_secs(1)).await;
}

/// Waits until a reader of the table would send a request to `address`.
async fn seen(
    table: &Table,
    mut changes: watch::Receiver<u64>,
    number: usize,
    address: &str,
    began: Instant,
) -> Duration {
    let host = format!("frontuser{number}.int.example.com");
    let is_live = || {
        let table = table.load();
        let set = table.host(&host).unwrap().rules()[0].backends[0].cluster.endpoints();
        set.usable().first().is_some_and(|endpoint| endpoint.address.ip().to_string() == address)
    };
    changes.wait_for(|_| is_live()).await.unwrap();
    began.elapsed()
}

async fn patch(client: &Client, number: usize, address: &str, began: Instant) -> Duration {
    let slices: Api<EndpointSlice> = Api::default_namespaced(client.clone());
    let change = json!({"endpoints": [{"addresses": [address], "conditions": {"ready": true}}]});
    let name = format!("user{number}-integration-bench");
    slices.patch(&name, &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    began.elapsed()
}

async fn create_class(client: &Client) {
    let class =
        doorstep::config::read_classes(include_str!("../config/classes/integration.yaml"), "integration").unwrap();
    let classes: Api<EnvironmentClass> = Api::all(client.clone());
    classes.create(&PostParams::default(), &class[0]).await.unwrap();
}

async fn create(client: &Client, number: usize) {
    let name = format!("user{number}-integration");
    let service: Service = serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": {"doorstep.dev/user": format!("user{number}"), "doorstep.dev/class": "integration"},
        },
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }))
    .unwrap();
    let services: Api<Service> = Api::default_namespaced(client.clone());
    services.create(&PostParams::default(), &service).await.unwrap();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": format!("{name}-bench"), "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [format!("10.{}.{}.1", 1 + number / 250, number % 250)], "conditions": {"ready": true}}],
    }))
    .unwrap();
    let slices: Api<EndpointSlice> = Api::default_namespaced(client.clone());
    slices.create(&PostParams::default(), &slice).await.unwrap();
}

fn resident_mebibytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1_048_576.0
}
