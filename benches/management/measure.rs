//! What is measured, and how it is printed.

use crate::busy::Busy;
use crate::calls::{Answer, Calls};
use crate::kubelet;
use crate::support::fault_proxy::FaultProxy;
use crate::support::{ControlPlane, Program, client_of, wait_for, write_leading_to};
use doorstep::resources::{Environment, EnvironmentSpec};
use futures::{StreamExt, stream};
use kube::api::PostParams;
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How many environments there are, in ascending order.
pub const SIZES: [usize; 2] = [50, 5_000];
/// Calls of each kind.
const CALLS: usize = 2_000;
/// How many environments of a page.
const PAGE: usize = 50;
/// So many come up while that is measured.
const COMING_UP: usize = 100;
/// How many of them are asked for at a time.
const AT_A_TIME: usize = 8;
/// Writes to the disk that are measured.
const WRITES: usize = 50;
const CLASS: &str = "integration";
/// Creating environments through the cluster's own API, to have many.
const WRITERS: usize = 32;

/// Measures all of it, with each of these numbers of environments.
pub fn all(runtime: &Runtime, sizes: &[usize]) {
    let began = Instant::now();
    let plane = ControlPlane::start();
    plane.install();
    let client = runtime.block_on(client_of(&plane.kubeconfig));
    let kubelet = runtime.spawn(kubelet::run(client.clone()));
    let folder = tempfile::tempdir().unwrap();
    let proxy = FaultProxy::start(&plane.server, &plane.pki.join("ca.pem"));
    let leading = folder.path().join("kubeconfig");
    write_leading_to(&proxy.url(), &plane.service_account("doorstep", "doorstep-manager"), &leading);
    let mut manager = Program::start(
        "manager",
        folder.path(),
        &folder.path().join("log"),
        ["--kubeconfig", leading.to_str().unwrap(), "--api", "127.0.0.1:0"],
    );
    let api: SocketAddr = manager.addresses()["api"].as_str().unwrap().parse().unwrap();
    let token = std::fs::read_to_string(folder.path().join("api-token")).unwrap().trim().to_owned();
    println!("{CALLS} calls each on one connection (ms)");
    println!("environments  call                          p50     p99     max   bytes");
    let mut there = 0;
    let mut resident = Vec::new();
    for &size in sizes {
        runtime.block_on(create_asleep(&client, there..size));
        there = size;
        let began = Instant::now();
        seen_to(&mut Calls::open(api, token.clone()), size);
        eprintln!("{size} environments were seen to {:.1} s after the last was written", began.elapsed().as_secs_f64());
        Busy::settle();
        let mut calls = Calls::open(api, token.clone());
        print_line(size, "GET a page of 50", |_| calls.call("GET", &format!("/environments?limit={PAGE}"), ""));
        print_line(size, "GET a page by user", |turn| {
            calls.call("GET", &format!("/environments?user=user{}", turn * 7919 % size), "")
        });
        print_line(size, "GET one", |turn| {
            calls.call("GET", &format!("/environments/user{}/{CLASS}", turn * 7919 % size), "")
        });
        resident.push((size, resident_mebibytes(manager.pid())));
    }
    println!();
    println!("environments  manager resident (MiB)");
    for (size, mebibytes) in resident {
        println!("{size:>12}  {mebibytes:>22.1}");
    }
    println!();
    Busy::settle();
    coming_up(api, &token, there, &proxy);
    println!(
        "a write that is on the disk takes {:.1} ms in the store's folder (median of {WRITES})",
        on_disk(folder.path())
    );
    println!();
    println!("took {:.0} s", began.elapsed().as_secs_f64());
    kubelet.abort();
    manager.stop();
}

/// Waits until the operator has seen to all, as long as it gets on.
fn seen_to(calls: &mut Calls, size: usize) {
    let (mut seen, mut since) = (0, Instant::now());
    while seen < size {
        let number = seen;
        let answer = calls.call("GET", &format!("/environments/user{number}/{CLASS}"), "");
        let text = String::from_utf8_lossy(&answer.body);
        if text.contains("Asleep") {
            (seen, since) = (seen + 1, Instant::now());
        } else {
            assert!(since.elapsed() < Duration::from_secs(60), "nothing happened for a minute: {text}");
            #[expect(
                clippy::disallowed_methods,
                reason = "it is looked at again after a pause, until it is as wanted"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

async fn create_asleep(client: &Client, numbers: std::ops::Range<usize>) {
    let api: Api<Environment> = Api::default_namespaced(client.clone());
    stream::iter(numbers)
        .for_each_concurrent(WRITERS, async |number| {
            let user = format!("user{number}");
            let spec: EnvironmentSpec = serde_json::from_value(serde_json::json!({
                "user": user, "class": CLASS, "sleeping": true,
                "parameters": {"TAG_FRONT": "1", "TAG_ASSETS": "1", "VERSION": "1.0.0"},
            }))
            .unwrap();
            let object = Environment::new(&format!("{user}-{CLASS}"), spec);
            api.create(&PostParams::default(), &object).await.unwrap();
        })
        .await;
}

fn print_line(size: usize, name: &str, mut call: impl FnMut(usize) -> Answer) {
    let mut bytes = 0;
    let mut took: Vec<f64> = (0..CALLS)
        .map(|turn| {
            let answer = call(turn);
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            bytes = answer.body.len();
            answer.took.as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!("{size:>12}  {name:<25}  {:>6.2}  {:>6.2}  {:>6.2}  {bytes:>6}", at(0.5), at(0.99), at(1.0));
}

/// Environments that are asked for by the API, until each is ready.
fn coming_up(api: SocketAddr, token: &str, beside: usize, proxy: &FaultProxy) {
    let (before, busy) = (proxy.asked(), Busy::now());
    let began = Instant::now();
    let body = r#"{"parameters": {"TAG_FRONT": "1", "TAG_ASSETS": "1", "VERSION": "1.0.0"}}"#;
    let asked: Vec<Duration> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME)
            .map(|worker| {
                scope.spawn(move || {
                    let mut calls = Calls::open(api, token.to_owned());
                    let mine = (worker..COMING_UP).step_by(AT_A_TIME);
                    mine.map(|number| {
                        let answer = calls.call("PUT", &format!("/environments/new{number}/{CLASS}"), body);
                        assert!([201, 202].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
                        answer.took
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let acknowledged = began.elapsed();
    let mut calls = Calls::open(api, token.to_owned());
    for number in 0..COMING_UP {
        wait_for("an environment to be ready", || {
            let answer = calls.call("GET", &format!("/environments/new{number}/{CLASS}"), "");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            if text.contains("\"ready\":true") { Ok(()) } else { Err(text) }
        });
    }
    let (ready, busy) = (began.elapsed(), Busy::now().since(&busy));
    let mean = asked.iter().sum::<Duration>().as_secs_f64() * 1000.0 / asked.len() as f64;
    println!("{COMING_UP} environments asked for, {AT_A_TIME} at a time, beside {beside}:");
    println!(
        "acknowledged in {:.2} s ({:.0} a second, {mean:.1} ms each), ready in {:.2} s ({:.1} a second)",
        acknowledged.as_secs_f64(),
        COMING_UP as f64 / acknowledged.as_secs_f64(),
        ready.as_secs_f64(),
        COMING_UP as f64 / ready.as_secs_f64()
    );
    println!("{busy}");
    println!();
    println!("what the manager asked of the API server meanwhile     calls   each   and since its start");
    let all = proxy.asked();
    let mut each = 0.0;
    for (what, count) in &all {
        let meanwhile = count - before.get(what).copied().unwrap_or_default();
        let of_one = meanwhile as f64 / COMING_UP as f64;
        each += of_one;
        println!("{what:<50}  {meanwhile:>8}  {of_one:>5.1}  {count:>20}");
    }
    println!("in all, for each environment: {each:.1} calls");
    watches(&proxy.watches());
}

/// How long it takes, in milliseconds, until a small write is on the disk: what each record of the audit waits for, and each
/// call that changes something writes two.
fn on_disk(folder: &Path) -> f64 {
    let mut file = std::fs::File::create(folder.join("disk")).unwrap();
    let mut took: Vec<f64> = (0..WRITES)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[0; 4096]).unwrap();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

/// How many watches are open now, by kind.
fn watches(open: &BTreeMap<String, u64>) {
    let more: Vec<String> =
        open.iter().filter(|(_, count)| **count > 1).map(|(kind, count)| format!("{kind} {count}")).collect();
    let verdict = if more.is_empty() { "yes".to_owned() } else { format!("no: {}", more.join(", ")) };
    println!("watches open now: {} of {} kinds; one watch per kind: {verdict}", open.values().sum::<u64>(), open.len());
}

/// The resident memory of a process.
fn resident_mebibytes(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}
