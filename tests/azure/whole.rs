//! The whole program against the emulator: records come and go with environments, and a manager that is killed in the middle of
//! a write leaves nothing twice and nothing behind.

use crate::emulator::{Emulator, Faults, GROUP, SUBSCRIPTION, ZONE};
use crate::harness::{Doorstep, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const OWNER: &str = "team-one";

/// A file of DNS that leads to the emulator, with a secret in a file.
fn file(emulator: &Emulator) -> String {
    let origin = format!("https://{}", emulator.address);
    let file = emulator.folder().join("dns.yaml");
    let text = json!({
        "owner": OWNER, "period": "10s", "confirm": {"percent": 100},
        "defaults": {"mode": "record", "target": ["10.0.0.4"], "ttlSeconds": 30},
        "azure": {
            "cloud": {"custom": {"management": origin, "login": origin, "audience": "https://management.test"}},
            "authorities": emulator.folder().join("authority.pem"),
            "credential": {"clientSecret": {
                "tenant": "tenant-1", "client": "client-1", "secretFile": emulator.secret_file()}},
        },
        "zones": [{"zone": ZONE, "azure": {"subscription": SUBSCRIPTION, "resourceGroup": GROUP, "private": true}}],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file.display().to_string()
}

fn start(emulator: &Emulator, folder: &std::path::Path) -> Doorstep {
    Doorstep::start_in(folder, &["--domain", "example.com", "--dns-file", &file(emulator)])
}

/// The addresses that the zone has for our names, `name address`.
fn ours(emulator: &Emulator) -> Vec<String> {
    let all = emulator.state().zone(ZONE, true).records.all();
    let ours = all.iter().filter(|item| item["properties"]["metadata"]["doorstep-owner"] == OWNER);
    ours.map(|item| {
        let address = item["properties"]["aRecords"][0]["ipv4Address"].as_str().unwrap_or("?");
        format!("{} {address}", item["name"].as_str().unwrap())
    })
    .collect()
}

fn wait_for_records(emulator: &Emulator, expected: &[&str]) {
    wait_for("the records", || match ours(emulator) {
        ours if ours == expected => Ok(()),
        ours => Err(format!("{ours:?}, not {expected:?}")),
    });
}

fn foreign(emulator: &Emulator) -> Vec<Value> {
    let all = emulator.state().zone(ZONE, true).records.all();
    all.into_iter().filter(|item| item["properties"]["metadata"]["doorstep-owner"] != OWNER).collect()
}

fn zone_with_foreign_records(emulator: &Emulator) -> Vec<Value> {
    let mut state = emulator.state();
    state.make_zone(ZONE, true);
    for (name, metadata) in [("vpn", json!({})), ("fronttaken", json!({"doorstep-owner": "team-two"}))] {
        let properties = json!({"ttl": 300, "aRecords": [{"ipv4Address": "192.0.2.1"}], "metadata": metadata});
        let etag = state.next();
        state.zone(ZONE, true).records.put("A", name, properties, etag, Duration::ZERO);
    }
    drop(state);
    foreign(emulator)
}

fn dns_ready(doorstep: &Doorstep, name: &str) -> Value {
    let out = doorstep.kubectl_ok(&["get", "environment", name, "-o", "json"]);
    let object: Value = serde_json::from_str(&out).unwrap();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "DNSReady").unwrap_or_default()
}

fn wait_for_reason(doorstep: &Doorstep, name: &str, says: &str) -> Value {
    wait_for("DNSReady", || match dns_ready(doorstep, name) {
        condition if condition.to_string().contains(says) => Ok(condition),
        condition => Err(condition.to_string()),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_come_and_go_with_environments_and_failures_are_told_on_them() {
    let emulator = Emulator::start(1).await;
    let before = zone_with_foreign_records(&emulator);
    let folder = tempfile::tempdir().unwrap();
    let doorstep = start(&emulator, folder.path());
    doorstep.deploy("haimaz", "integration", "1");
    wait_for_records(&emulator, &["fronthaimaz 10.0.0.4"]);
    println!("{}", wait_for_reason(&doorstep, "haimaz-integration", "\"True\""));
    doorstep.deploy("taken", "integration", "1");
    println!("{}", wait_for_reason(&doorstep, "taken-integration", "of the owner team-two"));
    // A provider that refuses: its sentence is on the environment, and it is tried again.
    emulator.state().faults.unavailable = 1.0;
    doorstep.deploy("chanigo", "integration", "1");
    println!("{}", wait_for_reason(&doorstep, "chanigo-integration", "whether it took effect is not known"));
    emulator.state().faults = Faults::default();
    wait_for_records(&emulator, &["frontchanigo 10.0.0.4", "fronthaimaz 10.0.0.4"]);
    for user in ["haimaz", "chanigo", "taken"] {
        doorstep.cli_ok(&["env", "delete", "integration", "--user", user, "--yes"]);
    }
    wait_for_records(&emulator, &[]);
    assert_eq!(foreign(&emulator), before);
    assert!(emulator.state().violations.is_empty(), "{:?}", emulator.state().violations);
    doorstep.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_is_killed_within_a_write_leaves_nothing_twice_and_nothing_behind() {
    let effects = [
        ("it took effect", Faults { lost_after: 1.0, ..Faults::default() }),
        ("it did not", Faults { lost_before: 1.0, ..Faults::default() }),
    ];
    for (effect, faults) in effects {
        let emulator = Emulator::start(1).await;
        let before = zone_with_foreign_records(&emulator);
        let folder = tempfile::tempdir().unwrap();
        let mut doorstep = start(&emulator, folder.path());
        let token = |target: &str| json!({"spec": {"dns": {"target": [target]}}}).to_string();
        let steps: [(&str, &str, Vec<&str>, Vec<&str>); 3] = [
            ("create", "PUT", vec!["env", "deploy", "integration", "-u", "haimaz"], vec!["fronthaimaz 10.0.0.4"]),
            ("change", "PUT", vec![], vec!["fronthaimaz 10.0.0.5"]),
            ("delete", "DELETE", vec!["env", "delete", "integration", "-u", "haimaz", "--yes"], vec![]),
        ];
        for (step, method, command, expected) in steps {
            let writes = emulator.state().calls(method);
            emulator.state().faults = faults;
            match step {
                "create" => {
                    let parameters = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0"];
                    doorstep.cli_ok(&[&command[..], &parameters[..]].concat());
                }
                "change" => {
                    let (patch, class) = (token("10.0.0.5"), "integration");
                    doorstep.kubectl_ok(&["patch", "environmentclass", class, "--type", "merge", "-p", &patch]);
                }
                _ => {
                    doorstep.cli_ok(&command);
                }
            }
            wait_for("the write", || match emulator.state().calls(method) {
                calls if calls > writes => Ok(()),
                calls => Err(format!("{step}: {calls} calls")),
            });
            doorstep.kill();
            emulator.state().faults = Faults::default();
            doorstep = start(&emulator, folder.path());
            wait_for_records(&emulator, &expected);
            println!("killed within the {step}, {effect}: {:?}", ours(&emulator));
        }
        assert_eq!(foreign(&emulator), before, "{effect}");
        doorstep.stop();
    }
}
