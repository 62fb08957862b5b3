//! Never do two act, whatever happens to the one that leads.

use super::super::clock;
use super::super::*;
use super::wait_for;
use crate::embedded::api::{ApiConfig, ApiServer};
use crate::tls::Authority;
use http::{Request, Response};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::{Client, ResourceExt};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DURATION: Duration = Duration::from_secs(2);

struct Setting {
    server: ApiServer,
    /// How many act now.
    acting: Arc<AtomicUsize>,
    /// How often two acted at the same time.
    both: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

async fn setting() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
    let server = ApiServer::open(config, &authority).await.unwrap();
    Setting { server, acting: Arc::default(), both: Arc::default(), _folder: folder }
}

/// A manager: it acts while it leads, and it takes a moment to stop.
struct Manager {
    terms: Arc<AtomicUsize>,
    term: Term,
    standing: tokio::sync::watch::Receiver<Standing>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Setting {
    fn manager(&self, identity: &str, client: Client) -> Manager {
        let election = Election::new(ElectionConfig {
            client,
            namespace: "default".to_owned(),
            name: "doorstep-manager".to_owned(),
            identity: identity.to_owned(),
            duration: DURATION,
        });
        let (terms, shutdown) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let (acting, both, counted) = (self.acting.clone(), self.both.clone(), terms.clone());
        let (term, standing) = (election.term(), election.standing());
        let held = term.clone();
        let lead = move |stop: CancellationToken| {
            let (acting, both, counted, held) = (acting.clone(), both.clone(), counted.clone(), held.clone());
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                // What acts is what the fence lets through: a term that is held.
                acting.fetch_add(1, Ordering::SeqCst);
                while !stop.is_cancelled() && held.is_held() {
                    if acting.load(Ordering::SeqCst) > 1 {
                        both.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                acting.fetch_sub(1, Ordering::SeqCst);
                stop.cancelled().await;
            }
        };
        let task = tokio::spawn(election.run(shutdown.clone(), lead));
        Manager { terms, term, standing, shutdown, task }
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.server.client(), "default")
    }

    async fn holder(&self) -> Option<String> {
        self.leases().get_opt("doorstep-manager").await.unwrap()?.spec?.holder_identity
    }

    fn never_both(&self) {
        assert_eq!(self.both.load(Ordering::SeqCst), 0, "two acted at the same time");
    }
}

impl Manager {
    async fn leads(&self, terms: usize) {
        wait_for("leadership", async || {
            (self.terms.load(Ordering::SeqCst) >= terms && self.term.is_held()).then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

/// A client whose way to the API server can be cut.
fn cut(client: Client) -> (Client, Arc<AtomicBool>) {
    let is_cut = Arc::new(AtomicBool::new(false));
    let asked = is_cut.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, is_cut) = (client.clone(), asked.load(Ordering::SeqCst));
        async move {
            if is_cut {
                return Err::<Response<Body>, tower::BoxError>("the API server is away".into());
            }
            Ok(client.send(request).await?)
        }
    });
    (Client::new(service, "default"), is_cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_given_back_is_taken_by_the_next_one() {
    let setting = setting().await;
    let first = setting.manager("first", setting.server.client());
    first.leads(1).await;
    let second = setting.manager("second", setting.server.client());
    let mut standing = second.standing.clone();
    standing.wait_for(|standing| *standing == Standing::Following("first".to_owned())).await.unwrap();
    assert!(!second.term.is_held());
    first.stop().await;
    // Given back, not run out: nobody's name is on it, until the next one's is.
    assert_ne!(setting.holder().await.as_deref(), Some("first"));
    second.leads(1).await;
    assert_eq!(setting.holder().await.as_deref(), Some("second"));
    second.stop().await;
    assert_eq!(setting.holder().await, None);
    setting.never_both();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_renew_has_stopped_before_another_one_acts_and_leads_again_later() {
    let setting = setting().await;
    let (client, is_cut) = cut(setting.server.client());
    let first = setting.manager("first", client);
    first.leads(1).await;
    let second = setting.manager("second", setting.server.client());
    is_cut.store(true, Ordering::SeqCst);
    second.leads(1).await;
    assert!(!first.term.is_held());
    is_cut.store(false, Ordering::SeqCst);
    let mut standing = first.standing.clone();
    standing.wait_for(|standing| *standing == Standing::Following("second".to_owned())).await.unwrap();
    second.stop().await;
    first.leads(2).await;
    first.stop().await;
    setting.never_both();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_label_on_the_lease_ends_no_term_and_its_deletion_makes_no_second_leader() {
    let setting = setting().await;
    let first = setting.manager("first", setting.server.client());
    first.leads(1).await;
    let label = Patch::Merge(json!({"metadata": {"labels": {"team": "front"}}}));
    let labelled = setting.leases().patch("doorstep-manager", &PatchParams::default(), &label).await.unwrap();
    wait_for("a renewal after the label", async || {
        let lease = setting.leases().get("doorstep-manager").await.unwrap();
        (lease.resource_version() != labelled.resource_version()).then_some(())
    })
    .await;
    assert_eq!(first.terms.load(Ordering::SeqCst), 1);
    let second = setting.manager("second", setting.server.client());
    let mut standing = second.standing.clone();
    standing.wait_for(|standing| *standing == Standing::Following("first".to_owned())).await.unwrap();
    setting.leases().delete("doorstep-manager", &DeleteParams::default()).await.unwrap();
    wait_for("a new holder", async || setting.holder().await).await;
    wait_for("a new term", async || {
        (first.terms.load(Ordering::SeqCst) + second.terms.load(Ordering::SeqCst) > 1).then_some(())
    })
    .await;
    first.stop().await;
    second.stop().await;
    setting.never_both();
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

/// Whether the fence held it back.
fn is_fenced<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> bool {
    match result.unwrap_err() {
        kube::Error::Service(error) => error.is::<Fenced>(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fence_lets_writes_through_while_the_term_is_held_and_reads_always() {
    let setting = setting().await;
    let term = Term::default();
    let maps: Api<ConfigMap> = Api::default_namespaced(fenced(&setting.server.client(), term.clone()));
    assert!(is_fenced(maps.create(&PostParams::default(), &config_map("a")).await));
    term.extend(clock::now() + Duration::from_secs(600));
    maps.create(&PostParams::default(), &config_map("b")).await.unwrap();
    // As after a pause that was longer than the lease: nobody has ended the term, but its time is over.
    term.extend(clock::now());
    assert!(is_fenced(maps.create(&PostParams::default(), &config_map("c")).await));
    assert!(is_fenced(maps.delete("b", &DeleteParams::default()).await));
    let names: Vec<String> = maps.list(&Default::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_when_the_term_ends_is_never_sent() {
    let setting = setting().await;
    let (sent, entered) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counted, enter, server) = (sent.clone(), entered.clone(), setting.server.client());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (opened, held) = (gate.clone(), Term::default());
    let slow = tower::service_fn(move |request: Request<Body>| {
        let (sent, entered, gate, server) = (counted.clone(), enter.clone(), gate.clone(), server.clone());
        async move {
            entered.add_permits(1);
            // As credentials or a connection are waited for.
            gate.acquire().await.unwrap().forget();
            sent.fetch_add(1, Ordering::SeqCst);
            Ok::<_, tower::BoxError>(server.send(request).await?)
        }
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(fenced(&Client::new(slow, "default"), held.clone()));
    held.extend(clock::now() + Duration::from_secs(600));
    let writing = tokio::spawn(async move { maps.create(&PostParams::default(), &config_map("a")).await });
    entered.acquire().await.unwrap().forget();
    held.end();
    assert!(is_fenced(writing.await.unwrap()));
    opened.add_permits(1);
    assert_eq!(sent.load(Ordering::SeqCst), 0);
}
