//! What is measured, and how it is printed.

use crate::backend;
use crate::churn::{self, Churn, Kind};
use crate::floor::Floor;
use crate::probe::{self, Connection, Expected, Probe};
use crate::processors::{self, Sides};
use crate::support::objects::{Acknowledged, Objects, address, host, ingress_host};
use crate::support::{CONNECTIONS, ControlPlane, Gateway, Report, Wrk, client_of};
use kube::Client;
use std::time::Instant;
use tokio::time::timeout;

/// How many hosts there are, in ascending order.
pub const SIZES: [usize; 3] = [1, 1_000, 5_000];
/// Changes of each kind in each cell.
const SAMPLES: usize = 300;
/// The pause of each of the load's connections before each request.
const PAUSE_MILLIS: u32 = 30;
/// How often each of the load's own figures is taken.
const ROUNDS: usize = 3;
/// How long the load's own figures are taken.
const LOAD_SECONDS: u32 = 10;
/// Longer than any cell takes; the load is ended with it.
const LONG_SECONDS: u32 = 600;

/// What happens while changes are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Load,
    Churn,
}

/// What is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Endpoint,
    Host,
    Ingress,
}

/// From the acknowledgement to the first answer, and to the bare watcher, in milliseconds. An event may come before the
/// acknowledgement does; its time is below nought then.
struct Sample {
    live: f64,
    floor: f64,
}

struct Bench {
    plane: ControlPlane,
    client: Client,
    objects: Objects,
    /// Numbers the endpoints, so that each change has one that none had before.
    changes: usize,
}

/// Measures all of it, with each of these numbers of hosts; or what the load feels, with the last of them.
pub async fn all(numbers: &[usize], load_alone: bool) {
    let began = Instant::now();
    let plane = ControlPlane::start();
    let client = client_of(&plane.kubeconfig).await;
    let objects = Objects::prepare(&client).await;
    let mut endpoints = backend::spawn();
    let mut bench = Bench { plane, client, objects, changes: 10_000 };
    if load_alone {
        let size = numbers.last().copied().unwrap_or_default();
        bench.objects.create_all((0..size).map(|number| (user(number), number))).await;
    } else {
        bench.changes_beside(numbers).await;
    }
    bench.loads(numbers.last().copied().unwrap_or_default(), endpoints.id()).await;
    println!();
    println!("took {:.0} s", began.elapsed().as_secs_f64());
    endpoints.kill().unwrap();
    endpoints.wait().unwrap();
}

fn user(number: usize) -> String {
    format!("user{number}")
}

impl Bench {
    /// How soon changes are live beside each of these numbers of hosts.
    async fn changes_beside(&mut self, numbers: &[usize]) {
        println!("from the acknowledgement to the first answer (ms), {SAMPLES} changes each");
        println!(
            "hosts  change    meanwhile     live p50     p99     max   floor p50     p99     max   over the floor p50     p99"
        );
        let mut sizes = Vec::new();
        let mut there = 0;
        for &size in numbers {
            self.objects.create_all((there..size).map(|number| (user(number), number))).await;
            there = size;
            sizes.push(self.of_size(size).await);
        }
        println!();
        println!(
            "hosts  ready after (ms)  hosts that did not answer then  resident (MiB)  connected to each of them (MiB)"
        );
        for size in &sizes {
            println!("{size}");
        }
        println!();
    }

    /// All cells with so many hosts, by a gateway that starts with them; gives a line of its own figures.
    async fn of_size(&mut self, size: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start_in(folder.path(), &self.plane.kubeconfig, &[]);
        let ready = gateway.wait_until_ready().as_secs_f64() * 1000.0;
        let resident = gateway.resident_mebibytes();
        let mut connection = Connection::open(gateway.http);
        let unanswered = (0..size).filter(|number| connection.ask(&host(&user(*number))).status != 200).count();
        // It has an idle connection to each of the endpoints now, for a minute.
        let connected = gateway.resident_mebibytes();
        let mut floor = Floor::start(&self.client).await;
        let probe = Probe::start(gateway.http);
        for meanwhile in [Meanwhile::Nothing, Meanwhile::Load, Meanwhile::Churn] {
            let busy = Busy::start(self, meanwhile, &gateway).await;
            for change in [Change::Endpoint, Change::Host, Change::Ingress] {
                let samples = self.samples(change, size, &mut floor, &probe).await;
                let lost = SAMPLES - samples.len();
                let figures = if lost == 0 { figures(&samples) } else { "not seen in time".to_owned() };
                println!("{size:>5}  {}  {}  {figures}", change.name(), meanwhile.name());
            }
            busy.stop(self).await;
        }
        format!("{size:>5}  {ready:>16.0}  {unanswered:>30}  {resident:>14.1}  {connected:>31.1}")
    }

    async fn samples(&mut self, change: Change, size: usize, floor: &mut Floor, probe: &Probe) -> Vec<Sample> {
        let mut samples = Vec::new();
        for turn in 0..SAMPLES {
            // The first that is not seen is enough to know.
            let Some(sample) = self.sample(change, turn * 7919 % size, floor, probe).await else { break };
            samples.push(sample);
        }
        samples
    }

    /// One change; `None` when it was not seen in time.
    async fn sample(&mut self, change: Change, number: usize, floor: &mut Floor, probe: &Probe) -> Option<Sample> {
        self.changes += 1;
        let (endpoint, new) = (address(self.changes), format!("new{}", self.changes));
        let (acknowledged, answered) = match change {
            Change::Endpoint => {
                let user = user(number);
                let answered = probe.watch(host(&user), Expected::Endpoint(endpoint)).await;
                (self.objects.change(&user, &[endpoint]).await, answered)
            }
            Change::Host => {
                let answered = probe.watch(host(&new), Expected::Any).await;
                (self.objects.create(&new, &[endpoint]).await, answered)
            }
            Change::Ingress => {
                let answered = probe.watch(ingress_host(&new), Expected::Any).await;
                (self.objects.create_ingress(&new, &[endpoint]).await, answered)
            }
        };
        let Acknowledged { at, version } = acknowledged;
        let limit = probe::DEADLINE;
        let answered = timeout(limit, answered).await.ok()?.ok()?;
        let seen = timeout(limit, floor.seen(&version)).await.ok()?;
        if change != Change::Endpoint {
            self.objects.delete(&new).await;
        }
        Some(Sample { live: millis_from(at, answered), floor: millis_from(at, seen) })
    }

    /// What the load feels of the changes: first on processors that all share, then with the API server and what writes to it
    /// on other processors than the gateway, the load and the endpoints, as they are other machines of a cluster.
    async fn loads(&mut self, size: usize, endpoints: u32) {
        println!(
            "the load ({CONNECTIONS} connections, each with {PAUSE_MILLIS} ms between requests) beside {size} hosts, {ROUNDS} rounds of {LOAD_SECONDS} s each"
        );
        println!("with the API server on the same processors:");
        let gateway = Gateway::start(&self.plane.kubeconfig);
        self.load(&gateway, None).await;
        drop(gateway);
        println!();
        let Some(sides) = Sides::of_this_machine() else {
            println!("there is one processor alone: the API server cannot have another");
            return;
        };
        println!("with the API server on other processors:");
        processors::move_with_descendants(self.plane.process(), &sides.others);
        processors::move_one(std::process::id(), &sides.others);
        processors::move_one(endpoints, &sides.gateway);
        let gateway = Gateway::start_on(&sides.gateway, &self.plane.kubeconfig);
        self.load(&gateway, Some(&sides.gateway)).await;
    }

    /// Quiet, with the API server busy with what no gateway looks at, and with slices; in turns, as the machine has better and
    /// worse minutes.
    async fn load(&mut self, gateway: &Gateway, processors: Option<&str>) {
        println!("meanwhile                      requests/s  p50 (ms)  p99 (ms)  gateway's CPU (ms/s)  failures");
        let kinds = [
            ("nothing", None),
            ("500/s ConfigMaps", Some(Kind::Elsewhere)),
            ("500/s EndpointSlices", Some(Kind::Slices)),
        ];
        let mut rounds: [Vec<[f64; 4]>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for ((name, kind), taken) in kinds.iter().zip(&mut rounds) {
                taken.push(self.round(name, *kind, gateway, processors).await);
            }
        }
        for ((name, _), taken) in kinds.iter().zip(&rounds) {
            print_round(&format!("median, {name}"), median(taken), "");
        }
    }

    /// One round: requests a second, p50, p99, and the gateway's CPU time.
    async fn round(&mut self, name: &str, kind: Option<Kind>, gateway: &Gateway, processors: Option<&str>) -> [f64; 4] {
        let busy = match kind {
            Some(kind) => Busy::churn(self, kind).await,
            None => Busy::Idle,
        };
        let before = gateway.processor_time();
        let report = tokio::task::spawn_blocking({
            let (address, host, processors) = (gateway.http, host(&user(0)), processors.map(str::to_owned));
            move || match processors {
                Some(processors) => Wrk::paced_on(&processors, address, &host, LOAD_SECONDS, PAUSE_MILLIS).finish(),
                None => Wrk::paced(address, &host, LOAD_SECONDS, PAUSE_MILLIS).finish(),
            }
        });
        let Report { per_second, p50, p99, failures, .. } = report.await.unwrap();
        let used = (gateway.processor_time() - before).as_secs_f64() * 1000.0 / f64::from(LOAD_SECONDS);
        let rate = busy.stop(self).await;
        let failures = if failures.is_empty() { "0" } else { &failures };
        print_round(name, [per_second, p50, p99, used], &format!("{failures}{rate}"));
        [per_second, p50, p99, used]
    }
}

fn print_round(name: &str, [per_second, p50, p99, used]: [f64; 4], failures: &str) {
    println!("{name:<29}  {per_second:>10.0}  {p50:>8.2}  {p99:>8.2}  {used:>20.1}  {failures}");
}

/// The median of each figure.
fn median(rounds: &[[f64; 4]]) -> [f64; 4] {
    std::array::from_fn(|figure| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[figure]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// What happens meanwhile.
enum Busy {
    Idle,
    Load(Wrk),
    Churn(Churn),
}

impl Busy {
    async fn start(bench: &Bench, meanwhile: Meanwhile, gateway: &Gateway) -> Self {
        match meanwhile {
            Meanwhile::Nothing => Self::Idle,
            Meanwhile::Load => Self::Load(Wrk::paced(gateway.http, &host(&user(0)), LONG_SECONDS, PAUSE_MILLIS)),
            Meanwhile::Churn => Self::churn(bench, Kind::Slices).await,
        }
    }

    async fn churn(bench: &Bench, kind: Kind) -> Self {
        bench.objects.create_all((0..churn::OBJECTS).map(|number| (churn::user(number), 9_000 + number))).await;
        Self::Churn(Churn::start(kind, bench.plane.kubeconfig.clone()))
    }

    /// Ends it; gives what is to be said of it.
    async fn stop(self, bench: &Bench) -> String {
        match self {
            Self::Idle => String::new(),
            Self::Load(wrk) => {
                wrk.stop().without_failure();
                String::new()
            }
            Self::Churn(churn) => {
                let rate = churn.stop();
                bench.objects.delete_all((0..churn::OBJECTS).map(churn::user)).await;
                format!(" ({rate:.0} updates a second were acknowledged)")
            }
        }
    }
}

impl Meanwhile {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing      ",
            Self::Load => "load         ",
            Self::Churn => "500 updates/s",
        }
    }
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Host => "new host",
            Self::Ingress => "ingress ",
        }
    }
}

fn millis_from(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(after) => after.as_secs_f64() * 1000.0,
        None => -(from - to).as_secs_f64() * 1000.0,
    }
}

/// Both figures, and by how much the answer came later than the bare watcher's event.
fn figures(samples: &[Sample]) -> String {
    let of = |figure: fn(&Sample) -> f64| {
        let mut all: Vec<f64> = samples.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        [all[all.len() / 2], all[all.len() * 99 / 100], all[all.len() - 1]]
    };
    let ([live, live99, live_most], [floor, floor99, floor_most]) = (of(|s| s.live), of(|s| s.floor));
    format!(
        "{live:>8.2}  {live99:>6.2}  {live_most:>6.1}  {floor:>10.2}  {floor99:>6.2}  {floor_most:>6.1}  {:>19.2}  {:>6.2}",
        live - floor,
        live99 - floor99,
    )
}
