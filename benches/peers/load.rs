//! The load: `wrk` for HTTP/1.1, `h2load` for HTTP/2, and what their reports say.

use std::net::SocketAddr;
use std::process::Command;

/// Connections of the load.
pub const CONNECTIONS: u32 = 64;
/// Streams at a time on each of the connections with HTTP/2, of which there are fewer.
const STREAMS: u32 = 8;
/// Seconds of each measurement.
pub const SECONDS: u32 = 4;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// HTTP/1.1, connections kept, 128 bytes.
    Small,
    /// The same with 64 KiB.
    Large,
    /// A connection for each request.
    Connections,
    /// TLS, connections kept, 128 bytes.
    Https,
    /// HTTP/2 over TLS, 128 bytes.
    Http2,
    /// The same with 64 KiB.
    Http2Large,
}

impl Case {
    pub const ALL: [Self; 6] =
        [Self::Small, Self::Large, Self::Connections, Self::Https, Self::Http2, Self::Http2Large];

    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Connections => "connections",
            Self::Https => "https",
            Self::Http2 => "http2",
            Self::Http2Large => "http2-large",
        }
    }
}

/// What a load saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub requests: f64,
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub failed: f64,
}

/// Where a proxy listens.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    pub http: SocketAddr,
    pub https: SocketAddr,
}

/// Runs the load of a case on these processors.
pub fn run(case: Case, doors: Doors, processors: &str) -> Seen {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processors]);
    // All of them have a rule for this name alone.
    let name = "bench.example.test";
    let (http, https) = (doors.http, doors.https);
    match case {
        Case::Http2 | Case::Http2Large => {
            let path = if case == Case::Http2 { "/" } else { "/large" };
            let connections = (CONNECTIONS / STREAMS).to_string();
            command.args(["h2load", "-t1", "-c", &connections, "-m", &STREAMS.to_string(), "-D", &SECONDS.to_string()]);
            // It names the host of the address otherwise, which has no certificate and no rule.
            command.args([&format!("--connect-to={https}"), &format!("https://{name}{path}")]);
            of_h2load(&text_of(command))
        }
        Case::Small | Case::Large | Case::Connections | Case::Https => {
            command.args(["wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "--latency"]);
            command.args(["-H", &format!("Host: {name}")]);
            if case == Case::Connections {
                command.args(["-H", "Connection: close"]);
            }
            command.arg(match case {
                Case::Https => format!("https://{https}/"),
                Case::Large => format!("http://{http}/large"),
                _ => format!("http://{http}/"),
            });
            of_wrk(&text_of(command))
        }
    }
}

fn text_of(mut command: Command) -> String {
    let output = command.output().expect("the load runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn of_wrk(text: &str) -> Seen {
    let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start)).map_or("", str::trim);
    let requests = text.lines().find(|line| line.contains(" requests in ")).unwrap_or_default();
    let errors = after("Socket errors:").split([' ', ',']).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>();
    Seen {
        requests: number(requests.split_whitespace().next().unwrap_or_default()),
        per_second: number(after("Requests/sec:")),
        p50: millis(after("50%")),
        p99: millis(after("99%")),
        failed: errors + number(after("Non-2xx or 3xx responses:")),
    }
}

/// Its table has the mean of the time for a request, and neither median nor 99th percentile.
fn of_h2load(text: &str) -> Seen {
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    let counts: Vec<&str> = line("requests:").split_whitespace().collect();
    let count_of = |what: &str| {
        let place = counts.iter().position(|word| word.trim_end_matches(',') == what);
        place.and_then(|place| counts.get(place.checked_sub(1)?)).map_or(0.0, |count| number(count))
    };
    let per_second = line("finished in").split(", ").find_map(|part| part.strip_suffix(" req/s")).map_or(0.0, number);
    Seen {
        requests: count_of("succeeded"),
        per_second,
        p50: f64::NAN,
        p99: f64::NAN,
        failed: count_of("failed") + count_of("errored") + count_of("timeout"),
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

fn millis(text: &str) -> f64 {
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_alphabetic()).unwrap_or(text.len()));
    let factor = match unit {
        "us" => 0.001,
        "s" => 1000.0,
        _ => 1.0,
    };
    number.parse::<f64>().unwrap_or(f64::NAN) * factor
}
