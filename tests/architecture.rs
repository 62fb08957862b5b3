//! Who may know whom: reads the imports of every file under `src` and fails on a breach.
//!
//! `docs/architecture.md` says why. A new room needs a line in [`ROOMS`]; a new acquaintance is a decision, made here.
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

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, the rooms that it may know, and the crates that it must not name.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &["tokio", "kube", "k8s_openapi", "hyper", "axum"]),
    ("routing", &["model"], &["tokio", "kube", "k8s_openapi", "hyper", "axum"]),
    ("resources", &["model"], &["tokio", "hyper", "axum"]),
    ("telemetry", &["model"], &["kube", "k8s_openapi"]),
    ("tls", &["model", "telemetry"], &["kube", "k8s_openapi"]),
    // Callers come from anywhere; the web of the API is not its business.
    ("identity", &["model", "store", "telemetry"], &["axum", "sqlx"]),
    // Each file is read into the checked form of the room that it is for.
    ("config", &["dns", "identity", "model", "resources", "routing"], &["tokio"]),
    ("cluster", &["model", "resources", "telemetry"], &["hyper", "axum"]),
    // It makes files of routes, so it asks their reader whether it takes them.
    ("migrate", &["config", "model", "routing"], &["tokio", "kube", "k8s_openapi", "hyper", "axum"]),
    // Certificates come from Secrets: what they say reaches `tls` as plain data, from the one room that reads the cluster. It has
    // the one watch of each kind, and hands what that tells to all in the process who want to know, by `cluster::Shared`.
    ("discovery", &["cluster", "config", "model", "resources", "routing", "telemetry", "tls"], &["hyper", "axum"]),
    ("upstream", &["model", "routing", "telemetry"], &["kube", "k8s_openapi"]),
    ("proxy", &["model", "routing", "telemetry", "tls", "upstream"], &["kube", "k8s_openapi"]),
    // It asks gateways, as a client: what they answer is compared with the table. Where they are it hears by `cluster::Shared`;
    // who is silent is counted.
    ("gateways", &["cluster", "model", "resources", "routing", "telemetry"], &["hyper", "axum", "sqlx"]),
    ("operator", &["cluster", "gateways", "model", "resources", "routing", "telemetry"], &["hyper", "axum"]),
    // It serves itself by TLS.
    (
        "api",
        &[
            "cluster",
            "config",
            "dns",
            "identity",
            "model",
            "resources",
            "routing",
            "store",
            "telemetry",
            "tls",
            "webhooks",
        ],
        &["sqlx"],
    ),
    // What the cluster holds it hears by `cluster::Shared`.
    ("dns", &["azure", "cluster", "model", "resources", "telemetry"], &["hyper", "axum", "sqlx"]),
    // All SQL but the embedded cluster's is here.
    ("store", &["model"], &["kube", "k8s_openapi", "hyper", "axum"]),
    // It is told what was seen in plain words: who looks at the cluster is `app`'s concern.
    ("webhooks", &["model", "store", "telemetry"], &["kube", "k8s_openapi", "axum", "sqlx"]),
    ("embedded", &["model", "resources", "telemetry", "tls"], &[]),
    // A plain client of ARM: what is done with it is told by the rooms that call it.
    ("azure", &["model", "telemetry"], &["kube", "k8s_openapi", "axum"]),
    ("sample_front", &["model"], &["kube", "k8s_openapi"]),
    (
        "cli",
        &[
            "api",
            "app",
            "config",
            "dns",
            "embedded",
            "identity",
            "migrate",
            "model",
            "resources",
            "routing",
            "sample_front",
            "store",
            "telemetry",
        ],
        &["sqlx"],
    ),
    (
        "app",
        &[
            "api",
            "azure",
            "cluster",
            "config",
            "discovery",
            "dns",
            "embedded",
            "gateways",
            "identity",
            "model",
            "operator",
            "proxy",
            "resources",
            "routing",
            "store",
            "telemetry",
            "tls",
            "upstream",
            "webhooks",
        ],
        &[],
    ),
];

/// The most lines of a file that is no test.
const MAX_LINES: usize = 600;

/// The macros that name a metric.
const METRIC_MACROS: [&str; 3] = ["counter!", "gauge!", "histogram!"];

struct Source {
    /// Relative to the crate, with slashes.
    path: String,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let inside = relative.trim_start_matches("src/");
        let room = inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        Source { text: fs::read_to_string(&path).unwrap(), path: relative, room }
    };
    found.into_iter().map(read).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The line without its comment. Good enough for imports: none of them holds two slashes in a text.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The lines that are no tests: a file of tests has none, and a `mod tests {` ends the others.
fn lines(source: &Source) -> Vec<(usize, &str)> {
    if source.path.ends_with("tests.rs") || source.path.contains("/tests/") {
        return Vec::new();
    }
    let all: Vec<&str> = source.text.lines().collect();
    let end =
        all.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod ") && two[1].ends_with('{'));
    all.into_iter().enumerate().take(end.unwrap_or(usize::MAX)).map(|(at, line)| (at + 1, line)).collect()
}

/// The rooms that a piece of code names by `crate::room` or `use crate::{a, b::c}`.
fn rooms_named(text: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut named = Vec::new();
    for (at, found) in text.match_indices("crate::") {
        if text[..at].ends_with(is_name) {
            continue;
        }
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(group_members(group)),
            None => named.push(rest.split(|c| !is_name(c)).next().unwrap_or_default()),
        }
    }
    named
}

/// The first names of the members of `a::b, c::{d, e}}`, up to the brace that ends the group.
fn group_members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.iter().map(|member| member.trim().split("::").next().unwrap_or_default().trim()).collect()
}

/// Whether `line` names the crate `name` as a path.
fn names_crate(line: &str, name: &str) -> bool {
    let pattern = format!("{name}::");
    line.match_indices(&pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
    })
}

fn told(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !["lib", "main"].contains(&source.room.as_str())) {
        let Some((_, may, _)) = ROOMS.iter().find(|(room, _, _)| *room == source.room) else {
            breaches.push(format!(
                "{}:1: the room {} has no line in ROOMS of tests/architecture.rs",
                source.path, source.room
            ));
            continue;
        };
        // A group of imports may stand on several lines, so each place is found in the whole and told by its line.
        let whole: String = lines(source).iter().map(|(_, line)| format!("{}\n", code(line))).collect();
        let mut seen = BTreeSet::new();
        for (at, _) in whole.match_indices("crate::") {
            let line = whole[..at].lines().count().max(1);
            // From here to the end of this statement, with this one place in it.
            let rest = &whole[at..];
            let end = rest[7..].find("crate::").map_or(rest.len(), |next| next + 7);
            let preceded = whole[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            if preceded {
                continue;
            }
            for room in rooms_named(&rest[..end]) {
                let known = ROOMS.iter().any(|(name, _, _)| *name == room);
                if known && room != source.room && !may.contains(&room) && seen.insert((line, room.to_owned())) {
                    breaches.push(format!(
                        "{}:{line}: {} must not know {room}; it may know {}",
                        source.path,
                        source.room,
                        if may.is_empty() { "no other room".to_owned() } else { may.join(", ") }
                    ));
                }
            }
        }
    }
    told(&breaches);
}

#[test]
fn rooms_do_not_name_the_crates_that_are_kept_from_them() {
    let mut breaches = Vec::new();
    for source in sources() {
        let Some((room, _, kept)) = ROOMS.iter().find(|(room, _, _)| *room == source.room) else { continue };
        for (number, line) in lines(&source) {
            for name in kept.iter().filter(|name| names_crate(code(line), name)) {
                breaches.push(format!("{}:{number}: {room} knows no {name}", source.path));
            }
        }
    }
    told(&breaches);
}

#[test]
fn only_discovery_writes_route_tables() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !["discovery", "routing"].contains(&source.room.as_str())) {
        for (number, line) in lines(source) {
            let code = code(line);
            if code.contains("Routes::new") || code.contains("table.store(") {
                breaches.push(format!("{}:{number}: discovery is the only writer of route tables", source.path));
            }
        }
    }
    told(&breaches);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut breaches = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            breaches.push(format!("{}:1: a file begins with a //! line that says what it is for", source.path));
        }
        let count = lines(&source).len();
        if count > MAX_LINES {
            breaches.push(format!(
                "{}:{count}: {count} lines; {MAX_LINES} are the most: find the second subject",
                source.path
            ));
        }
    }
    told(&breaches);
}

#[test]
fn metrics_are_named_in_telemetry_alone() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.room != "telemetry") {
        for (number, line) in lines(source) {
            let code = code(line);
            if METRIC_MACROS.iter().any(|name| code.contains(&format!("metrics::{name}"))) {
                breaches.push(format!("{}:{number}: a metric's name lives in telemetry::metrics", source.path));
            }
        }
    }
    told(&breaches);
}

#[test]
fn imports_are_read_in_every_form() {
    assert_eq!(rooms_named("use crate::model::UserId;"), ["model"]);
    assert_eq!(rooms_named("use crate::{model::{A, B}, routing, tls::X};"), ["model", "routing", "tls"]);
    assert_eq!(rooms_named("fn f(x: crate::proxy::Y)"), ["proxy"]);
    assert_eq!(rooms_named("my_crate::model"), Vec::<&str>::new());
    assert!(names_crate("use kube::Api;", "kube") && !names_crate("use my_kube::Api;", "kube"));
    assert!(!names_crate("kube_runtime::x", "kube"));
}
