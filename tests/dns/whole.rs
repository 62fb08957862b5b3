//! The whole program: an environment's name is in the zone before it is called ready there, and gone when it is gone; and the
//! name server of `doorstep up` itself.

use crate::harness::{Doorstep, texts, wait_for};
use crate::server::{MAKES, Make, NameServer, ZONE, secret};
use base64::Engine as _;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A file of DNS for the zone of `server`, with its secret beside it.
fn file(folder: &Path, server: &NameServer, more: &str) -> String {
    let secret = base64::engine::general_purpose::STANDARD.encode(secret("one"));
    std::fs::write(folder.join("secret"), secret).unwrap();
    let text = format!(
        "owner: one\nperiod: 10s\nresolvers: [\"{0}\"]\ndefaults: {{mode: record, target: [10.0.0.4], ttlSeconds: 30}}\n{more}\n\
         zones:\n- zone: {ZONE}\n  rfc2136: {{server: \"{0}\", key: one, algorithm: hmac-sha256, secretFile: secret}}\n",
        server.address
    );
    let file = folder.join("dns.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// The condition DNSReady of an environment, as `kubectl` sees it.
fn dns_ready(doorstep: &Doorstep, name: &str) -> Result<(String, String, String), String> {
    let out = doorstep.kubectl_ok(&["get", "environment", name, "-o", "json"]);
    let object: Value = serde_json::from_str(&out).map_err(|error| error.to_string())?;
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "DNSReady").ok_or("there is none")?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("reason"), text("message")))
}

fn has(server: &NameServer, line: &str) -> Result<(), String> {
    let records = server.records();
    if records.iter().any(|there| there.starts_with(line)) { Ok(()) } else { Err(format!("{records:?}")) }
}

fn has_not(server: &NameServer, line: &str) -> Result<(), String> {
    has(server, line).map_or(Ok(()), |()| Err(format!("{line} is still there")))
}

#[test]
fn names_come_and_go_with_environments() {
    for make in MAKES {
        let server = NameServer::start(make);
        let foreign = server.records();
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), &server, "");
        // Hosts are front{user}.int.{domain}.
        let doorstep = Doorstep::start_with(&["--domain", "example.test", "--dns-file", &file]);
        doorstep.deploy("haimaz", "integration", "1");
        doorstep.deploy("u8", "integration", "1");
        let (status, reason, message) = wait_for("DNSReady", || match dns_ready(&doorstep, "haimaz-integration")? {
            ready if ready.0 == "True" => Ok(ready),
            other => Err(format!("{other:?}")),
        });
        println!("{make:?}: {status} {reason}: {message}");
        has(&server, &format!("fronthaimaz.{ZONE}. 30 IN A 10.0.0.4")).unwrap();
        // A record of somebody else is in the way: told on the environment, and by an event.
        let told = wait_for("the conflict", || match dns_ready(&doorstep, "u8-integration")? {
            told if told.1 == "Conflict" => Ok(told),
            other => Err(format!("{other:?}")),
        });
        println!("{make:?}: {told:?}");
        assert!(told.2.contains("CNAME record that is not ours stands there"), "{told:?}");
        let events = doorstep.kubectl_ok(&["get", "events", "-o", "json"]);
        assert!(events.contains("DNSConflict"), "{events}");

        // The commands.
        let plan: Value = serde_json::from_str(&doorstep.cli_ok(&["dns", "plan", "-o", "json"])).unwrap();
        assert_eq!(plan["zones"][0]["changes"].as_array().unwrap().len(), 0, "{plan}");
        assert_eq!(plan["zones"][0]["conflicts"].as_array().unwrap().len(), 1, "{plan}");
        let error = doorstep.cli_fails(1, &["dns", "verify"]);
        assert!(error.contains("do not resolve as they should"), "{error}");
        doorstep.cli_ok(&["env", "delete", "integration", "--user", "u8", "--yes"]);
        wait_for("the end of the conflict", || {
            let output = doorstep.cli(&["dns", "verify", "-o", "json"]);
            let (out, err) = texts(&output);
            if output.status.success() { Ok(()) } else { Err(out + &err) }
        });
        let error = doorstep.cli_fails(1, &["dns", "plan", "--confirm", "0011223344556677"]);
        assert!(error.contains("no refused plan has the fingerprint"), "{error}");
        let error = doorstep.cli_fails(2, &["dns", "verfy"]);
        assert!(error.contains("verify"), "{error}");

        // It is put right when somebody changes it, and gone when the environment is.
        server.nsupdate(&format!("update delete fronthaimaz.{ZONE} A"));
        wait_for("the repair", || has(&server, &format!("fronthaimaz.{ZONE}. 30 IN A 10.0.0.4")));
        doorstep.cli_ok(&["env", "delete", "integration", "--user", "haimaz", "--yes"]);
        wait_for("the end of the record", || has_not(&server, &format!("fronthaimaz.{ZONE}.")));
        assert_eq!(server.records(), foreign, "{make:?}");
        doorstep.stop();
    }
}

#[test]
fn a_plan_that_deletes_much_waits_until_somebody_confirms_it() {
    let server = NameServer::start(Make::Bind);
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), &server, "confirm: {percent: 40, always: 0}");
    let doorstep = Doorstep::start_with(&["--domain", "example.test", "--dns-file", &file]);
    for user in ["a", "b", "c"] {
        doorstep.deploy(user, "integration", "1");
        wait_for("its record", || has(&server, &format!("front{user}.{ZONE}.")));
    }
    for user in ["a", "b"] {
        doorstep.cli_ok(&["env", "delete", "integration", "--user", user, "--yes"]);
        if user == "a" {
            wait_for("the end of its record", || has_not(&server, "fronta."));
        }
    }
    let refused = wait_for("the refusal", || {
        let plan: Value = serde_json::from_str(&doorstep.cli_ok(&["dns", "plan", "-o", "json"])).unwrap();
        let refused = plan["zones"][0]["refused"].clone();
        if refused.is_null() { Err(plan.to_string()) } else { Ok(refused) }
    });
    println!("{refused}");
    has(&server, &format!("frontb.{ZONE}.")).unwrap();
    let fingerprint = refused["fingerprint"].as_str().unwrap();
    println!("{}", doorstep.cli_ok(&["dns", "plan", "--confirm", fingerprint]));
    wait_for("the end of the record", || has_not(&server, &format!("frontb.{ZONE}.")));
    has(&server, &format!("frontc.{ZONE}.")).unwrap();
    doorstep.stop();
}

#[test]
fn up_answers_for_the_names_that_it_serves() {
    let doorstep = Doorstep::start_with(&["--dns", "127.0.0.1:0", "--dns-peer", "127.0.0.1"]);
    let addresses: Value =
        serde_json::from_str(&std::fs::read_to_string(doorstep.folder.join("addresses.json")).unwrap()).unwrap();
    let (_, port) = addresses["dns"].as_str().expect("where it listens").rsplit_once(':').unwrap();
    let dig = |arguments: &[&str]| {
        let mut dig = Command::new("dig");
        dig.args(["@127.0.0.1", "-p", port, "+tries=1", "+time=5"]).args(arguments);
        texts(&dig.output().expect("dig (Debian package bind9-dnsutils) runs")).0
    };
    let short = |name: &str| dig(&[name, "A", "+short"]);
    wait_for("the zone of the class", || match short("fronthaimaz.int.localhost").trim() {
        "127.0.0.1" => Ok(()),
        other => Err(other.to_owned()),
    });
    let serial = |text: &str| text.split_whitespace().nth(2).and_then(|serial| serial.parse::<u32>().ok()).unwrap();
    let before = serial(&dig(&["localhost", "SOA", "+short"]));
    let none = dig(&["nobody.localhost", "A"]);
    assert!(none.contains("status: NXDOMAIN") && none.contains("SOA"), "{none}");
    let refused = dig(&["www.example.com", "A"]);
    assert!(refused.contains("status: REFUSED"), "{refused}");
    // A shared Service gets a host: its name is there, and the serial has grown.
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: dg, annotations: {doorstep.dev/host: dg.localhost}}\n\
                   spec: {ports: [{port: 80}]}\n";
    let applied = doorstep.kubectl_with(&["apply", "-f", "-"], service);
    assert!(applied.status.success(), "{}", texts(&applied).1);
    wait_for("the new name", || match short("dg.localhost").trim() {
        "127.0.0.1" => Ok(()),
        other => Err(other.to_owned()),
    });
    let after = serial(&dig(&["localhost", "SOA", "+short", "+tcp"]));
    assert!(after > before, "{before} {after}");
    let zone = dig(&["localhost", "AXFR", "+noall", "+answer"]);
    for name in ["*.int.localhost.", "*.prod.localhost.", "dg.localhost.", "ns.localhost."] {
        assert!(zone.contains(name), "{zone}");
    }
    doorstep.stop();
}
