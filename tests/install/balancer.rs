//! What a Service of type LoadBalancer is in a cluster, as far as connections go: new ones are led to an endpoint that the
//! EndpointSlices call ready, open ones stay where they are.

use futures::StreamExt as _;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A running one, for the port `http` of one Service. It ends when it is dropped.
pub struct Balancer {
    pub address: SocketAddr,
    endpoints: Endpoints,
    end: CancellationToken,
    thread: Option<std::thread::JoinHandle<bool>>,
}

type Endpoints = Arc<Mutex<Vec<SocketAddr>>>;

impl Balancer {
    /// Starts it, without waiting for an endpoint.
    pub fn start(kubeconfig: &Path, namespace: &str, service: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (endpoints, end) = (Endpoints::default(), CancellationToken::new());
        let follow = follow(kubeconfig.to_owned(), namespace.to_owned(), service.to_owned(), endpoints.clone());
        let work = futures::future::join(accept(listener, endpoints.clone()), follow);
        let work = end.clone().run_until_cancelled_owned(work);
        let thread = std::thread::spawn(move || runtime.block_on(work).is_some());
        Self { address, endpoints, end, thread: Some(thread) }
    }

    /// The endpoints that get new connections now.
    pub fn endpoints(&self) -> Vec<SocketAddr> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn follow(kubeconfig: std::path::PathBuf, namespace: String, service: String, endpoints: Endpoints) {
    let config = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let api: Api<EndpointSlice> = Api::namespaced(kube::Client::try_from(config).unwrap(), &namespace);
    let only = watcher::Config::default().labels(&format!("kubernetes.io/service-name={service}"));
    // One Service of a few pods has one slice.
    let mut slices = watcher(api, only).applied_objects().boxed();
    while let Some(slice) = slices.next().await {
        if let Ok(slice) = slice {
            *endpoints.lock().unwrap_or_else(PoisonError::into_inner) = ready(&slice);
        }
    }
}

fn ready(slice: &EndpointSlice) -> Vec<SocketAddr> {
    let ports = slice.ports.iter().flatten();
    let port =
        ports.filter(|port| port.name.as_deref() == Some("http")).find_map(|port| u16::try_from(port.port?).ok());
    let usable = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    };
    let addresses = slice.endpoints.iter().flatten().filter(usable).flat_map(|endpoint| &endpoint.addresses);
    addresses.filter_map(|address| Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port?))).collect()
}

async fn accept(listener: TcpListener, endpoints: Endpoints) {
    for turn in 0_usize.. {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let now = endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(endpoint) = now.get(turn % now.len().max(1)) {
            tokio::spawn(pass(stream, *endpoint));
        }
    }
}

async fn pass(mut front: TcpStream, endpoint: SocketAddr) {
    let Ok(mut back) = TcpStream::connect(endpoint).await else { return };
    if front.set_nodelay(true).is_ok() && back.set_nodelay(true).is_ok() {
        drop(tokio::io::copy_bidirectional(&mut front, &mut back).await);
    }
}
