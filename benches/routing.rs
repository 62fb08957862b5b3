//! What a change of the table and a look-up cost, at different sizes. It prints figures and judges nothing.
//!
//!     cargo bench --bench routing

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, missing_docs)]

use doorstep::model::EnvironmentKey;
use doorstep::routing::*;
use http::{HeaderMap, Method};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const CHANGES: usize = 2_000;

fn main() {
    println!("environments  endpoint change (µs)   new host (µs)       look-up   resident   bytes per");
    println!("              p50    p99             p50    p99         ns        MiB        environment");
    let empty = resident_bytes();
    for size in SIZES {
        let mut world = World::new(size);
        let endpoint = world.endpoint_changes();
        let host = world.host_changes();
        let lookup = world.lookups();
        let resident = resident_bytes();
        println!(
            "{size:>12}  {:>6.1} {:>6.1}          {:>6.1} {:>6.1}      {lookup:>6.0}    {:>7.1}   {:>8}",
            micros(endpoint.0),
            micros(endpoint.1),
            micros(host.0),
            micros(host.1),
            resident as f64 / 1_048_576.0,
            resident.saturating_sub(empty) / size,
        );
    }
    println!(
        "a change is told to the index, published, and seen by a reader of the table; {CHANGES} of each kind at each size"
    );
}

struct World {
    size: usize,
    routes: Routes,
    table: Table,
}

impl World {
    fn new(size: usize) -> Self {
        let mut routes = Routes::new("example.com".parse().unwrap());
        routes.set_classes([ClassHosts {
            name: "integration".parse().unwrap(),
            pattern: "front{user}.int.{domain}".parse().unwrap(),
            created: 0,
        }]);
        let mut world = Self { size, routes, table: Table::default() };
        (0..size).for_each(|number| world.add(number));
        world.routes.mark_complete();
        world.routes.publish(&world.table);
        world
    }

    fn add(&mut self, number: usize) {
        self.routes.apply(service(number));
        self.routes.set_slice(&slice_key(number), Some(slice(number, 1)));
    }

    fn endpoint_changes(&mut self) -> (Duration, Duration) {
        percentiles(|turn| {
            let number = turn * 7919 % self.size;
            let (key, slice) = (slice_key(number), slice(number, u8::try_from(turn % 200).unwrap_or(0) + 2));
            let wanted = slice.addresses[0].ip;
            let began = Instant::now();
            self.routes.set_slice(&key, Some(slice));
            self.routes.publish(&self.table);
            let table = self.table.load();
            let host = table.host(&host(number)).unwrap();
            assert_eq!(host.rules()[0].backends[0].cluster.endpoints().usable()[0].address.ip(), wanted);
            began.elapsed()
        })
    }

    fn host_changes(&mut self) -> (Duration, Duration) {
        percentiles(|turn| {
            let number = self.size + turn;
            let (service, key, slice) = (service(number), slice_key(number), slice(number, 1));
            let began = Instant::now();
            self.routes.apply(service.clone());
            self.routes.set_slice(&key, Some(slice));
            self.routes.publish(&self.table);
            assert!(self.table.load().host(&host(number)).is_some());
            let elapsed = began.elapsed();
            self.routes.remove(&service.source);
            self.routes.set_slice(&key, None);
            elapsed
        })
    }

    /// Nanoseconds for one look-up among all hosts.
    fn lookups(&self) -> f64 {
        let hosts: Vec<String> = (0..10_000).map(|turn| host(turn * 7919 % self.size)).collect();
        let (method, headers) = (Method::GET, HeaderMap::new());
        let began = Instant::now();
        for _ in 0..20 {
            for host in &hosts {
                let table = self.table.load();
                let request = RequestView::new(host, "/some/path", &method, &headers);
                assert!(matches!(black_box(table.find(black_box(&request))), Match::Rule(_)));
            }
        }
        began.elapsed().as_nanos() as f64 / (20.0 * hosts.len() as f64)
    }
}

fn percentiles(mut change: impl FnMut(usize) -> Duration) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..CHANGES).map(&mut change).collect();
    times.sort();
    (times[CHANGES / 2], times[CHANGES * 99 / 100])
}

fn key(number: usize) -> EnvironmentKey {
    EnvironmentKey::new(format!("user{number}").parse().unwrap(), "integration".parse().unwrap())
}

fn host(number: usize) -> String {
    format!("frontuser{number}.int.example.com")
}

fn service(number: usize) -> Contribution {
    let name: Box<str> = key(number).object_name().into();
    let cluster = ClusterName { namespace: "default".into(), service: name.clone(), port: PortName::Number(80) };
    let backend = BackendSpec::Service { cluster, slice_port: "http".into(), protocol: Protocol::Http1, weight: 1 };
    let source = SourceKey { kind: SourceKind::Service, namespace: "default".into(), name };
    let rules = vec![RuleSpec { matcher: Matcher::any(), backends: vec![backend], ..RuleSpec::default() }];
    Contribution::of_one_group(source, 0, Claims::Personal(key(number)), rules)
}

fn slice_key(number: usize) -> SliceKey {
    SliceKey { namespace: "default".into(), name: format!("user{number}-integration-abcde").into() }
}

fn slice(number: usize, last: u8) -> Slice {
    let [_, b, c, _] = u32::try_from(number << 8).unwrap_or(0).to_be_bytes();
    let address = SliceAddress {
        ip: std::net::Ipv4Addr::new(10, b, c, last).into(),
        pod: Some(format!("user{number}-integration-deployment-5d7f9c6b8-abcde").into()),
        state: EndpointState::Ready,
        hints: Hints::default(),
    };
    Slice { service: key(number).object_name().into(), ports: vec![("http".into(), 8080)], addresses: vec![address] }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1000.0
}
