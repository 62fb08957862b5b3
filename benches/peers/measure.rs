//! What is measured, and how it is printed.

use crate::backend;
use crate::load::{self, CONNECTIONS, Case, SECONDS, Seen};
use crate::peer::{Kind, Peer, free, wait_until};
use crate::processors::Sides;
use std::net::TcpStream;

/// How often each is measured, in turns: the machine has better and worse minutes.
const ROUNDS: usize = 3;

/// One measurement of one proxy.
#[derive(Clone, Copy)]
struct Row {
    seen: Seen,
    /// Microseconds of processor time for a request.
    cost: f64,
    resident: f64,
}

/// Measures the peers and cases that are named, or all.
pub fn all(named: &[String]) {
    let sides = Sides::of_this_machine().expect("two processors: one for the proxy, one for the load");
    let chosen = |names: &[&str], name: &str| {
        !named.iter().any(|named| names.contains(&named.as_str())) || named.iter().any(|named| named == name)
    };
    let kinds: Vec<Kind> = present()
        .into_iter()
        .filter(|kind| {
            let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            *kind == Kind::Doorstep || chosen(&names, kind.name())
        })
        .collect();
    let cases = Case::ALL.into_iter().filter(|case| chosen(&Case::ALL.map(Case::name), case.name()));
    let address = free();
    let mut endpoint = backend::spawn(address.port(), &sides.others);
    assert!(wait_until(|| TcpStream::connect(address).is_ok()), "the backend does not listen");
    let peers: Vec<(Kind, Peer)> =
        kinds.into_iter().map(|kind| (kind, Peer::start(kind, address, &sides.gateway))).collect();
    println!();
    println!(
        "{CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s each, medians; CPU is the proxy's own, for a request"
    );
    println!(
        "case         proxy      CPU (µs)   of doorstep's   requests/s   p50 (ms)   p99 (ms)   resident (MiB)   failed"
    );
    for case in cases {
        of_case(case, &peers, &sides.others);
    }
    endpoint.kill().unwrap();
    endpoint.wait().unwrap();
}

/// Those that are there; names the others.
fn present() -> Vec<Kind> {
    let there = |kind: &Kind| match kind.version() {
        Some(version) => {
            println!("{}: {version}", kind.name());
            true
        }
        None => {
            println!("{}: not here, so it is left out", kind.name());
            false
        }
    };
    Kind::ALL.into_iter().filter(there).collect()
}

fn of_case(case: Case, peers: &[(Kind, Peer)], processors: &str) {
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        for ((_, peer), rows) in peers.iter().zip(&mut rows) {
            let before = peer.processor_seconds();
            let seen = load::run(case, peer.doors, processors);
            let cost = (peer.processor_seconds() - before) * 1_000_000.0 / seen.requests;
            rows.push(Row { seen, cost, resident: peer.resident_mebibytes() });
        }
    }
    let own = median(&rows[0], |row| row.cost);
    for ((kind, _), rows) in peers.iter().zip(&rows) {
        let of = |figure: fn(&Row) -> f64| median(rows, figure);
        let failed: f64 = rows.iter().map(|row| row.seen.failed).sum();
        println!(
            "{:<11}  {:<8} {:>10} {:>15} {:>12.0} {:>10} {:>10} {:>16.1} {:>8.0}",
            case.name(),
            kind.name(),
            shown(of(|row| row.cost)),
            shown(of(|row| row.cost) / own),
            of(|row| row.seen.per_second),
            shown(of(|row| row.seen.p50)),
            shown(of(|row| row.seen.p99)),
            of(|row| row.resident),
            failed,
        );
    }
    println!();
}

/// A figure that the load does not tell is a dash.
fn shown(figure: f64) -> String {
    if !figure.is_finite() { "-".to_owned() } else { format!("{figure:.2}") }
}

fn median(rows: &[Row], figure: fn(&Row) -> f64) -> f64 {
    let mut values: Vec<f64> = rows.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
