//! The whole way: live, on disk, and back at a start without the API server.

use super::super::kinds::{KINDS, Watched};
use super::super::status::{Kinds, Origin};
use super::super::watches::Change;
use super::super::writer::Writer;
use super::super::{CertificateConfig, Discovery, DiscoveryConfig, EndpointPolicy, Namespaces};
use super::keeper::keep;
use super::*;
use crate::embedded::api::{ApiConfig, ApiServer};
use crate::resources::{Environment, EnvironmentClass};
use crate::routing::{Locality, Routes, Snapshot, Table};
use crate::tls::Authority;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::api::{DeleteParams, PostParams};
use kube::runtime::watcher::Event;
use kube::{Api, Client};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);

/// What becomes of a question to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Answers,
    Refuses,
    /// Refuses for paths that hold this.
    RefusesFor(&'static str),
    Hangs,
}

/// A cluster whose line can be cut.
struct Cluster {
    server: ApiServer,
    line: Arc<Mutex<Line>>,
    folder: tempfile::TempDir,
}

impl Cluster {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
        let server = ApiServer::open(config, &authority).await.unwrap();
        let classes = include_str!("../../../config/classes/integration.yaml");
        let classes = crate::config::read_classes(classes, "integration").unwrap();
        Api::all(server.client()).create(&PostParams::default(), &classes[0]).await.unwrap();
        Self { server, line: Arc::new(Mutex::new(Line::Answers)), folder }
    }

    fn client(&self) -> Client {
        let (client, line) = (self.server.client(), self.line.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (client, line) = (client.clone(), *line.lock().unwrap());
            async move {
                let refused = || Err(kube::Error::Service("connection refused".into()));
                match line {
                    Line::Answers => client.send(request).await,
                    Line::RefusesFor(path) if !request.uri().path().contains(path) => client.send(request).await,
                    Line::RefusesFor(_) | Line::Refuses => refused(),
                    Line::Hangs => std::future::pending().await,
                }
            }
        });
        Client::new(service, "default")
    }

    fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }

    fn last_good(&self) -> LastGood {
        let of = Identity { cluster: "test".into(), namespaces: "all".into(), domain: "example.com".into() };
        LastGood { path: self.folder.path().join("last-good"), of }
    }

    fn gateway(&self) -> Gateway {
        let (table, end) = (Arc::new(Table::default()), CancellationToken::new());
        let config = DiscoveryConfig {
            client: Some(self.client()),
            namespaces: Namespaces::All,
            domain: "example.com".parse().unwrap(),
            endpoint_policy: EndpointPolicy::default(),
            locality: Locality::default(),
            routes: None,
            certificates: CertificateConfig::default(),
            uses: None,
            shared: None,
            last_good: Some(LastGoodConfig { path: self.last_good().path, cluster: "test".into() }),
        };
        let discovery = super::super::start(config, table.clone(), &end);
        Gateway { discovery, table, end }
    }

    /// A Service and its slice, with the noise that objects of real clusters have.
    async fn create(&self, user: &str) {
        let name = format!("{user}-integration");
        let labels = json!({"doorstep.dev/user": user, "doorstep.dev/class": "integration"});
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "x"});
        let service: Service = object(json!({
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        }));
        Api::default_namespaced(self.server.client()).create(&PostParams::default(), &service).await.unwrap();
        let slice: EndpointSlice = object(json!({
            "metadata": {"name": format!("{name}-x"), "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": format!("{name}-pod")}}],
        }));
        Api::default_namespaced(self.server.client()).create(&PostParams::default(), &slice).await.unwrap();
    }

    async fn delete(&self, user: &str) {
        let services: Api<Service> = Api::default_namespaced(self.server.client());
        services.delete(&format!("{user}-integration"), &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the file holds that many Services and slices of people.
    async fn saved(&self, services: usize, slices: usize) {
        let count = |text: &str, kind: &str| {
            text.lines().filter(|line| line.starts_with(kind) && line.contains("-integration")).count()
        };
        until(|| {
            let text = std::fs::read_to_string(self.last_good().path).unwrap_or_default();
            read(&self.last_good()).is_ok_and(|saved| saved.is_some())
                && (count(&text, "Service "), count(&text, "EndpointSlice ")) == (services, slices)
        })
        .await;
    }
}

struct Gateway {
    discovery: Discovery,
    table: Arc<Table>,
    end: CancellationToken,
}

impl Gateway {
    async fn ready(&mut self) {
        assert!(within(self.discovery.ready()).await);
        self.discovery.kinds().ready().unwrap();
    }

    fn has(&self, user: &str) -> bool {
        self.table.load().host(&format!("front{user}.int.example.com")).is_some()
    }

    fn origins(&self) -> Vec<(SourceKind, bool)> {
        let all = self.discovery.kinds().all();
        all.iter().map(|status| (status.kind, matches!(status.origin, Origin::Disk(_)))).collect()
    }

    fn is_live(&self) -> bool {
        self.discovery.kinds().all().iter().all(|status| status.origin == Origin::Live)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it takes too long")
}

async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// All that a reader of the table can see, in an order of its own.
fn rendered(table: &Snapshot) -> Vec<String> {
    let mut lines: Vec<String> = table
        .hosts()
        .map(|host| {
            let rules = host.rules().iter().map(|rule| {
                let endpoints = rule.backends.iter().flat_map(|backend| {
                    let all = backend.cluster.endpoints();
                    let mut all: Vec<String> =
                        all.all().map(|e| format!("{} {:?} {:?} {}", e.address, e.pod, e.state, e.near)).collect();
                    all.sort();
                    [vec![format!("{:?} {:?} {}", backend.cluster.name, backend.cluster.protocol, backend.weight)], all]
                        .concat()
                });
                format!("{} {:?} {:?} {:?}", rule.name, rule.environment, rule.timeouts, endpoints.collect::<Vec<_>>())
            });
            format!("{} {:?}", host.host, rules.collect::<Vec<_>>())
        })
        .collect();
    lines.extend(table.problems().map(ToString::to_string));
    lines.extend(table.personal_hosts().iter().map(|hosts| format!("{hosts:?}")));
    for user in USERS {
        let note = format!("{user}-integration");
        let key = crate::model::EnvironmentKey::from_object_name(&note).unwrap();
        lines.push(format!("{:?}", table.environment(&key)));
    }
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_api_server_serves_every_host_of_the_last_good_table() {
    let cluster = Cluster::open().await;
    for user in ["ada", "bob", "eve"] {
        cluster.create(user).await;
    }
    let mut live = cluster.gateway();
    live.ready().await;
    cluster.saved(3, 3).await;
    let expected = rendered(&live.table.load());
    live.end.cancel();

    cluster.set(Line::Refuses);
    let mut restarted = cluster.gateway();
    restarted.ready().await;
    assert_eq!(rendered(&restarted.table.load()), expected);
    assert!(restarted.origins().iter().all(|(_, disk)| *disk), "{:?}", restarted.discovery.kinds().all());

    // What happened meanwhile is there when the API server is; what stays is never gone, in no table between.
    cluster.delete("bob").await;
    cluster.create("kim").await;
    cluster.set(Line::Answers);
    let mut changes = restarted.discovery.changes();
    within(async {
        while !(restarted.is_live() && restarted.has("kim") && !restarted.has("bob")) {
            changes.changed().await.unwrap();
            assert!(restarted.has("ada") && restarted.has("eve"));
            assert!(restarted.table.load().is_complete());
        }
    })
    .await;
    cluster.saved(3, 4).await; // Nobody here deletes the slice of the one that is gone.
    restarted.end.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_hangs_is_not_waited_for() {
    let cluster = Cluster::open().await;
    cluster.create("ada").await;
    let mut live = cluster.gateway();
    live.ready().await;
    cluster.saved(1, 1).await;
    live.end.cancel();
    cluster.set(Line::Hangs);
    let mut restarted = cluster.gateway();
    restarted.ready().await;
    assert!(restarted.has("ada"));
    restarted.end.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_cannot_be_listed_comes_from_disk_and_the_others_are_live() {
    let cluster = Cluster::open().await;
    cluster.create("ada").await;
    let mut live = cluster.gateway();
    live.ready().await;
    cluster.saved(1, 1).await;
    live.end.cancel();
    cluster.create("bob").await;
    cluster.set(Line::RefusesFor("environmentclasses"));
    let mut restarted = cluster.gateway();
    restarted.ready().await;
    assert!(restarted.has("ada") && restarted.has("bob"));
    let from_disk: Vec<_> = restarted.origins().into_iter().filter(|(_, disk)| *disk).map(|(kind, _)| kind).collect();
    assert_eq!(from_disk, [SourceKind::Class]);
    let said = restarted.discovery.kinds().all().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains("EnvironmentClass: from disk, as of") && said.contains("Service: live"), "{said}");
    restarted.end.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_damaged_leaves_the_gateway_unready_until_the_api_server_answers() {
    let cluster = Cluster::open().await;
    cluster.create("ada").await;
    let path = cluster.last_good().path;
    std::fs::write(&path, "doorstep last good table, version 1, sha256 00\n").unwrap();
    cluster.set(Line::Refuses);
    let mut gateway = cluster.gateway();
    let kinds = gateway.discovery.kinds().clone();
    until(|| kinds.ready().is_err_and(|said| said.contains("is not used"))).await;
    let said = kinds.ready().unwrap_err();
    let expected = format!("the last good table {} is not used: its content does not match", path.display());
    assert!(said.contains(&expected) && said.ends_with("delete it"), "{said}");
    assert!(!gateway.table.load().is_complete());
    cluster.set(Line::Answers);
    gateway.ready().await;
    assert!(gateway.has("ada") && gateway.is_live());
    cluster.saved(1, 1).await;
    gateway.end.cancel();
}

#[tokio::test]
async fn a_half_of_a_list_reaches_neither_the_writer_nor_the_keeper() {
    let (changes, mut written) = unbounded_channel();
    let (notes, mut kept) = unbounded_channel();
    let client = Client::new(
        tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::ready(Err::<http::Response<kube::client::Body>, _>(kube::Error::Service("none".into())))
        }),
        "default",
    );
    let feed = super::super::watches::Feed {
        client,
        namespaces: Namespaces::All,
        changes,
        notes: Notes(Some(notes)),
        kinds: Kinds::new(&BTreeSet::new()),
        shared: None,
        shutdown: CancellationToken::new(),
    };
    let service = || object::<Service>(json!({"metadata": {"name": "a", "namespace": "default"}}));
    let mut listed = Vec::new();
    // The first list breaks off; the second is whole.
    for event in [Event::Init, Event::InitApply(service()), Event::Init, Event::InitApply(service())] {
        assert!(feed.take(event, &mut listed));
    }
    assert!(written.try_recv().is_err() && kept.try_recv().is_err());
    assert!(feed.take(Event::InitDone, &mut listed));
    assert!(matches!(kept.try_recv(), Ok(Note::List(SourceKind::Service, listed)) if listed.len() == 1));
    let all: Vec<Change> = std::iter::from_fn(|| written.try_recv().ok()).collect();
    assert_eq!(all.len(), 3);
}

const USERS: [&str; 3] = ["ada", "bob", "eve"];

fn services() -> impl Strategy<Value = Vec<Service>> {
    let user = prop::sample::select(&USERS[..]);
    let kind = prop::sample::select(&["ClusterIP", "ExternalName", "Nonsense"][..]);
    let hosts = prop::sample::select(&["a.test", "a.test,*.b.test", "-bad", "frontada.int.example.com", ""][..]);
    let one = (user, any::<bool>(), kind, hosts, 1..100_000_i32, any::<bool>()).prop_map(|(user, personal, kind, hosts, port, labels)| {
        let mut labels = if labels { json!({"doorstep.dev/user": user}) } else { json!({}) };
        if personal {
            labels["doorstep.dev/class"] = "integration".into();
        }
        object(json!({
            "metadata": {
                "name": format!("{user}-integration"), "namespace": "default", "labels": labels, "resourceVersion": "3",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"doorstep.dev/host": hosts, "team": "x"},
                "managedFields": [{"manager": "x", "operation": "Apply"}],
            },
            "spec": {"type": kind, "ports": [{"name": "http", "port": port, "appProtocol": "kubernetes.io/h2c"}]},
            "status": {"loadBalancer": {}},
        }))
    });
    prop::collection::vec(one, 0..6)
}

fn slices() -> impl Strategy<Value = Vec<EndpointSlice>> {
    let address = prop::sample::select(&["10.0.0.1", "169.254.169.254", "no", "10.0.0.2"][..]);
    let one = (prop::sample::select(&USERS[..]), address, any::<Option<bool>>(), any::<Option<bool>>()).prop_map(
        |(user, address, ready, terminating)| {
            let name = format!("{user}-integration");
            object(json!({
                "metadata": {
                    "name": format!("{name}-x"), "namespace": "default", "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
                "endpoints": [{
                    "addresses": [address], "conditions": {"ready": ready, "terminating": terminating},
                    "targetRef": {"kind": "Pod", "name": "p", "uid": "1", "namespace": "default"},
                    "zone": "west-1", "nodeName": "n", "hints": {"forZones": [{"name": if address == "10.0.0.1" { "west-1" } else { "east-1" }}]}, "deprecatedTopology": {"a": "b"},
                }],
            }))
        },
    );
    prop::collection::vec(one, 0..6)
}

fn environments() -> impl Strategy<Value = Vec<Environment>> {
    let one = (prop::sample::select(&USERS[..]), any::<bool>(), any::<bool>()).prop_map(|(user, ready, told)| {
        let condition = |kind: &str| {
            json!({"type": kind, "status": if ready { "True" } else { "False" }, "reason": "R", "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let conditions = if told { vec![condition("Progressing"), condition("Ready")] } else { Vec::new() };
        object(json!({
            "metadata": {"name": format!("{user}-integration"), "namespace": "default"},
            "spec": {"user": user, "class": "integration", "parameters": {"TAG": "1"}},
            "status": {"conditions": conditions, "url": "http://x", "replicas": 1},
        }))
    });
    prop::collection::vec(one, 0..4)
}

fn ingresses() -> impl Strategy<Value = Vec<Ingress>> {
    let host = prop::sample::select(&["i.test", "*.i.test", "-bad", "frontada.int.example.com", ""][..]);
    let one = (prop::sample::select(&USERS[..]), host, any::<bool>()).prop_map(|(user, host, ours)| {
        let backend = json!({"service": {"name": format!("{user}-integration"), "port": {"name": "http"}}});
        object(json!({
            "metadata": {"name": user, "namespace": "default", "annotations": {"doorstep.dev/idle-timeout": "1h"}},
            "spec": {
                "ingressClassName": if ours { "front" } else { "nginx" },
                "rules": [{"host": host, "http": {"paths": [{"path": "/x", "pathType": "Exact", "backend": backend}]}}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
        }))
    });
    prop::collection::vec(one, 0..4)
}

/// What live watches would make of these lists: the last object of a name is the one that counts.
fn list<K: Watched>(writer: &mut Writer, notes: &Notes, mut objects: Vec<K>) {
    objects.iter_mut().for_each(K::slim);
    notes.list(K::SOURCE, &objects);
    writer.take(K::change(Event::Init));
    objects.into_iter().for_each(|object| writer.take(K::change(Event::InitApply(object))));
    writer.take(K::change(Event::InitDone));
}

fn writer() -> Writer {
    let missing: BTreeSet<SourceKind> = KINDS.iter().map(|kind| kind.source).collect();
    let kinds = Kinds::new(&missing);
    let mut routes = Routes::new("example.com".parse().unwrap());
    routes.set_locality(Locality { zone: Some("west-1".into()), node: None });
    Writer::new(routes, EndpointPolicy::default(), CertificateConfig::default(), missing, kinds)
}

/// Saves what was noted and reads it back.
fn saved(folder: &Path, notes: tokio::sync::mpsc::UnboundedReceiver<Note>) -> Saved {
    let of = Identity { cluster: "test".into(), namespaces: "all".into(), domain: "example.com".into() };
    let last_good = LastGood { path: folder.join("last-good"), of };
    let required: BTreeSet<SourceKind> = KINDS.iter().map(|kind| kind.source).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let kinds = Kinds::new(&required);
        tokio::spawn(keep(last_good.clone(), required, kinds, notes));
        until(|| last_good.path.exists()).await;
    });
    read(&last_good).unwrap().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_table_from_disk_is_the_live_one(
        services in services(), slices in slices(), environments in environments(), ingresses in ingresses(),
        has_class in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = unbounded_channel();
        let notes = Notes(Some(sender));
        let classes = crate::config::read_classes(include_str!("../../../config/classes/integration.yaml"), "x").unwrap();
        let classes: Vec<EnvironmentClass> = classes.into_iter().take(usize::from(has_class)).collect();
        let mut live = writer();
        // In another order than that of the file.
        list(&mut live, &notes, slices);
        list(&mut live, &notes, services);
        list(&mut live, &notes, environments);
        list(&mut live, &notes, classes);
        list(&mut live, &notes, ingresses);
        let class = json!({"metadata": {"name": "front"}, "spec": {"controller": "doorstep.dev/gateway"}});
        list(&mut live, &notes, vec![object::<IngressClass>(class)]);
        list(&mut live, &notes, Vec::<Secret>::new());
        let mut restarted = writer();
        restarted.stand_in(saved(folder.path(), receiver));
        prop_assert_eq!(rendered(&restarted.snapshot()), rendered(&live.snapshot()));
    }
}
