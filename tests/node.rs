//! The node with real processes: what runs, what is written about it, and that nothing is left over.
//!
//! Two tests here are roles: started again as a process of their own, this binary serves HTTP, or is a whole node that
//! another test kills.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use doorstep::{
    embedded::{
        ApiConfig, ApiServer, LogOptions, NodeBackend,
        node::{self, AddressPool, BackoffConfig, Node, NodeConfig},
    },
    tls::Authority,
};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

const NODE_ROLE: &str = "DOORSTEP_TEST_NODE_ROLE";
const SERVER_ROLE: &str = "DOORSTEP_TEST_SERVER_ROLE";
const DEADLINE: Duration = Duration::from_secs(20);
/// What the role of a node says when its pod's status is written. The test runner itself says "running 1 test" before that.
const NODE_IS_READY: &str = "the pod of daemons is ready";

struct Cluster {
    server: ApiServer,
    node: Arc<Node>,
    pods: Api<Pod>,
}

impl Cluster {
    async fn start(folder: &Path) -> Self {
        let authority = Authority::load_or_create(folder).unwrap();
        let config = ApiConfig { data_dir: folder.to_owned(), listen: None, allow_loopback_endpoints: true };
        let server = ApiServer::open(config, &authority).await.unwrap();
        let config = NodeConfig {
            name: "here".to_owned(),
            data_dir: folder.to_owned(),
            executable: env!("CARGO_BIN_EXE_doorstep").into(),
            addresses: AddressPool::default(),
            backoff: BackoffConfig { initial: Duration::from_millis(100), max: Duration::from_secs(2) },
            port: None,
        };
        let node = node::start(server.client(), config).await.unwrap();
        let pods = Api::default_namespaced(server.client());
        Self { server, node, pods }
    }

    async fn create(&self, name: &str, spec: &Value) -> Pod {
        let pod = json!({"metadata": {"name": name, "labels": {"app": "test"}}, "spec": spec});
        self.pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap()
    }

    /// Waits until the pod is as wanted.
    async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        let mut last = None;
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                last = self.pods.get_opt(name).await.unwrap();
                if let Some(pod) = last.as_ref().filter(|pod| wanted(pod)) {
                    return pod.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("{name} did not become {what}: {}", shown(last.as_ref())))
    }

    async fn delete(&self, name: &str) {
        self.pods.delete(name, &DeleteParams::default()).await.unwrap();
        let gone = eventually(async || self.pods.get_opt(name).await.unwrap().is_none()).await;
        assert!(gone, "{name} is still there");
    }

    async fn log(&self, name: &str, options: LogOptions) -> String {
        let stream = self.node.logs("default", name, options).await.unwrap();
        let pieces: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    async fn stop(self) {
        self.node.shutdown(Duration::from_secs(1)).await;
        self.server.shutdown(Duration::from_secs(1)).await;
    }
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.is_ok()
}

fn shown(pod: Option<&Pod>) -> String {
    serde_json::to_string_pretty(&pod.map(|pod| &pod.status)).unwrap()
}

fn first(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn waiting(pod: &Pod) -> (String, String) {
    let waiting = first(pod).and_then(|status| status.state.as_ref()?.waiting.clone()).unwrap_or_default();
    (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default())
}

fn main_process(pod: &Pod) -> i32 {
    let id = first(pod).and_then(|status| status.container_id.clone()).unwrap();
    id.strip_prefix("process://").unwrap().parse().unwrap()
}

/// All processes with this text in the environment that they were started with.
fn processes(mark: &str) -> BTreeSet<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    })
    .collect()
}

fn of_pod(pod: &Pod) -> String {
    format!("DOORSTEP_POD={}", pod.uid().unwrap())
}

fn shell(script: &str) -> Value {
    json!({"name": "main", "image": "none", "command": ["sh", "-c", script]})
}

fn server_container() -> Value {
    json!({
        "name": "main", "image": "none",
        "command": [std::env::current_exe().unwrap(), "--exact", "role_of_a_server", "--nocapture"],
        "env": [{"name": SERVER_ROLE, "value": "1"}],
        "ports": [{"name": "web", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}},
    })
}

#[test]
fn role_of_a_server() {
    if std::env::var_os(SERVER_ROLE).is_none() {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap();
    let listener = TcpListener::bind((variable("HOST"), variable("PORT").parse().unwrap())).unwrap();
    println!("listening");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn role_of_a_node() {
    let Some(folder) = std::env::var_os(NODE_ROLE) else { return };
    let cluster = Cluster::start(Path::new(&folder)).await;
    cluster
        .create("daemons", &json!({"containers": [shell("(setsid sleep 600 &) ; sleep 600 & exec sleep 600")]}))
        .await;
    cluster.until("daemons", "ready", is_ready).await;
    println!("{NODE_IS_READY}");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_ready_when_it_answers_and_has_an_address_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    for name in ["one", "two"] {
        cluster.create(name, &json!({"containers": [server_container()]})).await;
    }
    let one = cluster.until("one", "ready", is_ready).await;
    let two = cluster.until("two", "ready", is_ready).await;
    let address = |pod: &Pod| pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
    assert_ne!(address(&one), address(&two));
    tokio::net::TcpStream::connect((address(&two), 8000)).await.unwrap();
    assert_eq!(one.status.as_ref().unwrap().phase.as_deref(), Some("Running"));
    let mut log = String::new();
    assert!(
        eventually(async || {
            log = cluster.log("one", LogOptions::default()).await;
            log.contains("listening\n")
        })
        .await,
        "{log}"
    );
    let usage = cluster.node.usage().await;
    assert!(usage.iter().any(|usage| usage.pod == "one" && usage.memory_bytes > 0), "{usage:?}");
    cluster.delete("one").await;
    assert_eq!(processes(&of_pod(&one)), BTreeSet::new());
    let folder_of_one = folder.path().join("pods").join(one.uid().unwrap());
    assert!(eventually(async || !folder_of_one.exists()).await, "the pod's folder is removed");
    cluster.stop().await;
    assert_eq!(processes(&of_pod(&two)), BTreeSet::new(), "nothing outlives the node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_exist_is_named_with_the_path_where_it_was_sought() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    cluster.create("typo", &json!({"containers": [{"name": "main", "image": "none", "command": ["frontt"]}]})).await;
    let pod = cluster.until("typo", "waiting", |pod| waiting(pod).0 == "RunContainerError").await;
    assert!(waiting(&pod).1.starts_with("the command \"frontt\" was not found on PATH ("), "{}", waiting(&pod).1);
    cluster.create("none", &json!({"containers": [{"name": "main", "image": "none"}]})).await;
    let pod = cluster.until("none", "refused", |pod| waiting(pod).0 == "CreateContainerError").await;
    assert!(waiting(&pod).1.contains("has no command"), "{}", waiting(&pod).1);
    cluster.delete("typo").await;
    cluster.delete("none").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_container_backs_off_with_its_history_and_its_previous_log() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    cluster.create("crash", &json!({"containers": [shell("echo run $HOST; exit 3")]})).await;
    let backs_off = |pod: &Pod| waiting(pod).0 == "CrashLoopBackOff" && first(pod).unwrap().restart_count >= 2;
    let pod = cluster.until("crash", "backing off", backs_off).await;
    let message = waiting(&pod).1;
    assert!(
        message.starts_with("back-off ") && message.contains("restarting failed container=main pod=crash_default(")
    );
    let last = first(&pod).unwrap().last_state.as_ref().unwrap().terminated.clone().unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let address = pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
    assert_eq!(cluster.log("crash", previous).await, format!("run {address}\n"));
    let events: Api<Event> = Api::default_namespaced(cluster.server.client());
    let counted = eventually(async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        events.into_iter().any(|event| event.reason.as_deref() == Some("BackOff") && event.count.unwrap_or(0) > 1)
    });
    assert!(counted.await, "the same event again is counted");
    cluster.delete("crash").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ignores_the_signal_is_killed_after_its_grace_with_its_daemons() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let script = "trap '' TERM; (setsid sleep 600 &); while true; do sleep 1; done";
    cluster.create("deaf", &json!({"terminationGracePeriodSeconds": 1, "containers": [shell(script)]})).await;
    let pod = cluster.until("deaf", "ready", is_ready).await;
    assert!(eventually(async || processes(&of_pod(&pod)).len() >= 4).await, "shim, shell, daemon, sleep");
    let asked = std::time::Instant::now();
    cluster.delete("deaf").await;
    assert!(asked.elapsed() >= Duration::from_secs(1), "it had its grace");
    assert_eq!(processes(&of_pod(&pod)), BTreeSet::new());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_said_of_its_pods_is_taken_back_before_the_next_one_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
    let server = ApiServer::open(config, &authority).await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(server.client());
    let mut container = shell("exec sleep 600");
    container["readinessProbe"] = json!({"exec": {"command": ["false"]}});
    let pod = json!({"metadata": {"name": "left"}, "spec": {"nodeName": "here", "containers": [container]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let at = "2026-01-01T00:00:00Z";
    let ready = json!({"status": {"phase": "Running", "podIP": "127.99.1.2",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}],
        "containerStatuses": [{"name": "main", "image": "none", "imageID": "", "ready": true, "restartCount": 4,
            "state": {"running": {"startedAt": at}}}]}});
    pods.patch_status("left", &PatchParams::default(), &Patch::Merge(ready)).await.unwrap();
    assert!(is_ready(&pods.get("left").await.unwrap()));

    let config = NodeConfig {
        name: "here".to_owned(),
        data_dir: folder.path().to_owned(),
        executable: env!("CARGO_BIN_EXE_doorstep").into(),
        addresses: AddressPool::default(),
        backoff: BackoffConfig { initial: Duration::from_millis(100), max: Duration::from_secs(2) },
        port: None,
    };
    let node = node::start(server.client(), config).await.unwrap();
    let pod = pods.get("left").await.unwrap();
    assert!(!is_ready(&pod), "{}", shown(Some(&pod)));
    let container = first(&pod).unwrap();
    assert!(!container.ready && container.restart_count >= 4, "{}", shown(Some(&pod)));
    assert!(container.last_state.as_ref().unwrap().terminated.is_some(), "its history stays");
    let cluster = Cluster { server, node, pods };
    cluster.until("left", "running again", |pod| first(pod).unwrap().restart_count == 5).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_run_again_and_the_restart_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    cluster.create("victim", &json!({"containers": [shell("(setsid sleep 600 &); exec sleep 600")]})).await;
    let pod = cluster.until("victim", "ready", is_ready).await;
    kill(Pid::from_raw(main_process(&pod)), Signal::SIGKILL).unwrap();
    let again = |count: i32| move |pod: &Pod| is_ready(pod) && first(pod).unwrap().restart_count == count;
    let pod = cluster.until("victim", "restarted", again(1)).await;
    let last = first(&pod).unwrap().last_state.as_ref().unwrap().terminated.clone().unwrap();
    assert_eq!((last.exit_code, last.signal), (137, Some(9)));

    // The shim is killed: nobody is left to end the daemon but the node.
    let all = processes(&of_pod(&pod));
    let main = main_process(&pod);
    let stat = std::fs::read_to_string(format!("/proc/{main}/stat")).unwrap();
    let shim: i32 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap();
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    cluster.until("victim", "restarted", again(2)).await;
    let left: BTreeSet<i32> = all.intersection(&processes(&of_pod(&pod))).copied().collect();
    assert_eq!(left, BTreeSet::new());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_a_killed_node_and_the_next_one_runs_its_pods_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "role_of_a_node", "--nocapture"])
        .env(NODE_ROLE, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut output = node.stdout.take().unwrap();
    while !told.contains(NODE_IS_READY) {
        let mut piece = [0; 256];
        let count = output.read(&mut piece).unwrap();
        assert!(count > 0, "the node ended: {told}");
        told.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    let mark = format!("DOORSTEP_NODE={}", folder.path().canonicalize().unwrap().display());
    assert!(eventually(async || processes(&mark).len() >= 4).await, "shim and three sleeps");
    node.kill().unwrap();
    node.wait().unwrap();
    assert!(eventually(async || processes(&mark).is_empty()).await, "{:?}", processes(&mark));

    let cluster = Cluster::start(folder.path()).await;
    let again = |pod: &Pod| is_ready(pod) && first(pod).unwrap().restart_count == 1;
    let pod = cluster.until("daemons", "run again", again).await;
    let last = first(&pod).unwrap().last_state.as_ref().unwrap().terminated.clone().unwrap();
    assert_eq!(last.reason.as_deref(), Some("ContainerStatusUnknown"));
    cluster.stop().await;
    assert_eq!(processes(&mark), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_run_in_order_and_a_pod_that_may_end_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let container = |name: &str, script: &str| json!({"name": name, "image": "none", "command": ["sh", "-c", script]});
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [container("a", "echo a >> $HOME/order"), container("b", "echo b >> $HOME/order")],
        "containers": [{
            "name": "main", "image": "none", "command": ["sh", "-c", "cat $HOME/order; echo $0 $1", "$(NAME)", "$$(NAME)"],
            "env": [
                {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "NAME", "value": "$(WHO)-$(PORT)"},
            ],
            "ports": [{"containerPort": 8123}],
        }],
    });
    cluster.create("job", &spec).await;
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    let pod = cluster.until("job", "done", |pod| phase(pod).as_deref() == Some("Succeeded")).await;
    assert_eq!(pod.status.as_ref().unwrap().init_container_statuses.as_ref().unwrap().len(), 2);
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    assert_eq!(cluster.log("job", follow).await, "a\nb\ntest-8123 $(NAME)\n");
    cluster.delete("job").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_liveness_restarts_and_failed_readiness_only_takes_the_pod_out() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let probe = |file: &str| {
        let command = ["sh".to_owned(), "-c".to_owned(), format!("test ! -e $HOME/{file}")];
        json!({"exec": {"command": command}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 1})
    };
    let mut container = shell("rm -f $HOME/dead; exec sleep 600");
    container["readinessProbe"] = probe("unready");
    container["livenessProbe"] = probe("dead");
    cluster.create("probed", &json!({"terminationGracePeriodSeconds": 1, "containers": [container]})).await;
    let pod = cluster.until("probed", "ready", is_ready).await;
    let home = folder.path().join("pods").join(pod.uid().unwrap());
    std::fs::write(home.join("unready"), "").unwrap();
    let pod = cluster.until("probed", "unready", |pod| !is_ready(pod)).await;
    assert_eq!(first(&pod).unwrap().restart_count, 0);
    std::fs::remove_file(home.join("unready")).unwrap();
    cluster.until("probed", "ready", is_ready).await;
    std::fs::write(home.join("dead"), "").unwrap();
    cluster.until("probed", "restarted", |pod| is_ready(pod) && first(pod).unwrap().restart_count == 1).await;
    cluster.delete("probed").await;
    cluster.stop().await;
}
