//! A start without the API server: how long until the last good table is served, with few and with many environments. It
//! prints figures and judges nothing.
//!
//!     cargo bench --bench restart

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, missing_docs)]

use doorstep::discovery::{
    self, CertificateConfig, Discovery, DiscoveryConfig, EndpointPolicy, LastGoodConfig, Namespaces,
};
use doorstep::embedded::api::{ApiConfig, ApiServer};
use doorstep::resources::EnvironmentClass;
use doorstep::routing::{Locality, Table};
use doorstep::tls::Authority;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SIZES: [usize; 3] = [1, 1_000, 5_000];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("environments  file (KiB)  on disk after (ms)   ready, server refuses (ms)   ready, server hangs (ms)");
    for size in SIZES {
        runtime.block_on(measure(size));
    }
    println!(
        "on disk: from the first complete table to the whole file; ready: from the start of discovery to the table"
    );
}

async fn measure(size: usize) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
    let server = ApiServer::open(config, &authority).await.unwrap();
    create_class(&server.client()).await;
    stream::iter(0..size).for_each_concurrent(64, |number| create(server.client(), number)).await;

    let file = folder.path().join("last-good");
    let (mut live, _, end) = start(server.client(), &file);
    assert!(live.ready().await);
    let began = Instant::now();
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let written = began.elapsed();
    end.cancel();

    let refuses = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::ready(Err::<http::Response<kube::client::Body>, _>(std::io::Error::from(
            std::io::ErrorKind::ConnectionRefused,
        )))
    });
    let hangs = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::pending::<Result<http::Response<kube::client::Body>, std::io::Error>>()
    });
    let refused = restart(Client::new(refuses, "default"), &file, size).await;
    let hung = restart(Client::new(hangs, "default"), &file, size).await;
    let kibibytes = std::fs::metadata(&file).unwrap().len() / 1024;
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    println!(
        "{size:>12}  {kibibytes:>10}  {:>18.0}   {:>26.0}   {:>24.0}",
        millis(written),
        millis(refused),
        millis(hung)
    );
    server.shutdown(Duration::from_secs(1)).await;
}

fn start(client: Client, file: &Path) -> (Discovery, Arc<Table>, CancellationToken) {
    let (table, end) = (Arc::new(Table::default()), CancellationToken::new());
    let config = DiscoveryConfig {
        client: Some(client),
        namespaces: Namespaces::All,
        domain: "example.com".parse().unwrap(),
        endpoint_policy: EndpointPolicy::default(),
        locality: Locality::default(),
        routes: None,
        certificates: CertificateConfig::default(),
        uses: None,
        shared: None,
        last_good: Some(LastGoodConfig { path: file.to_owned(), cluster: "bench".to_owned() }),
    };
    (discovery::start(config, table.clone(), &end), table, end)
}

/// Until the table with every host is there.
async fn restart(client: Client, file: &Path, size: usize) -> Duration {
    let began = Instant::now();
    let (mut discovery, table, end) = start(client, file);
    assert!(discovery.ready().await);
    let took = began.elapsed();
    assert_eq!(table.load().host_count(), size);
    end.cancel();
    took
}

async fn create_class(client: &Client) {
    let class =
        doorstep::config::read_classes(include_str!("../config/classes/integration.yaml"), "integration").unwrap();
    let classes: Api<EnvironmentClass> = Api::all(client.clone());
    classes.create(&PostParams::default(), &class[0]).await.unwrap();
}

async fn create(client: Client, number: usize) {
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
    let slices: Api<EndpointSlice> = Api::default_namespaced(client);
    slices.create(&PostParams::default(), &slice).await.unwrap();
}
