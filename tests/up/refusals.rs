//! What `doorstep up` refuses, with one clear sentence each, and nothing changed.

use crate::harness::{Doorstep, binary, signal, texts, wait_for};
use std::process::{Command, Output, Stdio};

const GOOD: [&str; 6] = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"];

/// `doorstep up` that is expected to end by itself; gives what it said.
fn up_fails(arguments: &[&str]) -> String {
    let mut up = Command::new(binary());
    up.args(["up", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--api", "127.0.0.1:0", "--kube", "127.0.0.1:0"]);
    ended(up.args(arguments))
}

fn ended(command: &mut Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output: Output = child.wait_with_output().unwrap();
    let (out, err) = texts(&output);
    assert!(!output.status.success(), "it should have refused: {out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    err
}

#[test]
fn a_port_in_use_names_the_flag_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--https", "--api", "--kube"] {
        let folder = tempfile::tempdir().unwrap();
        let mut up = Command::new(binary());
        up.args(["up", "--data"]).arg(folder.path());
        for other in ["--http", "--https", "--api", "--kube"] {
            up.args([other, if other == flag { &address } else { "127.0.0.1:0" }]);
        }
        let error = ended(&mut up);
        assert!(error.contains(&address) && error.contains(flag), "{flag}: {error}");
    }
}

#[test]
fn data_folders_that_cannot_be_used_are_told() {
    let doorstep = Doorstep::start();
    let error = up_fails(&["--data", doorstep.folder.to_str().unwrap()]);
    assert!(error.contains("is in use by process") && error.contains("--data"), "{error}");
    doorstep.stop();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = up_fails(&["--data", file.to_str().unwrap()]);
    assert!(error.contains("cannot be made") && error.contains("--data"), "{error}");
    // A read-only folder binds root as well when it lies in a file system without writing.
    let error = up_fails(&["--data", "/proc/doorstep"]);
    assert!(error.contains("/proc/doorstep") && error.contains("--data"), "{error}");
}

#[test]
fn a_truncated_database_is_told_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let doorstep = Doorstep::start_in(folder.path(), &[]);
    doorstep.deploy("haimaz", "integration", "1");
    doorstep.stop();
    let database = folder.path().join("cluster.db");
    let whole = std::fs::read(&database).unwrap();
    let half = &whole[..whole.len() / 2];
    std::fs::write(&database, half).unwrap();
    let error = up_fails(&["--data", folder.path().to_str().unwrap()]);
    assert!(error.contains("cluster.db"), "{error}");
    assert_eq!(std::fs::read(&database).unwrap().len(), half.len(), "nothing was changed");
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    // A file system of a megabyte or so needs a mount, and that a namespace of one's own.
    let script = r#"
set -eu
mount -t tmpfs -o size=3m tmpfs "$1"
exec "$2" up --data "$1" --http 127.0.0.1:0 --https 127.0.0.1:0 --api 127.0.0.1:0 --kube 127.0.0.1:0 2>"$3"
"#;
    let (folder, log) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let mut child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(binary())
        .arg(log.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Seen through the process, as its mounts are its own.
    let inside = std::path::PathBuf::from(format!("/proc/{}/root{}", child.id(), folder.path().display()));
    wait_for("the start", || std::fs::read_to_string(inside.join("addresses.json")).map_err(|e| e.to_string()));
    let deploy = |user: &str| {
        let arguments = [&["env", "deploy", "integration", "--user", user], &GOOD[..]].concat();
        Command::new(binary()).args(arguments).env("DOORSTEP_DATA", &inside).output().unwrap()
    };
    assert!(deploy("first").status.success());
    let filled = std::fs::write(inside.join("filler"), vec![0_u8; 4 << 20]);
    assert!(filled.is_err(), "the disk is full");
    let refused = wait_for("a refusal", || {
        let output = deploy(&format!("late{}", fastrand::u32(..)));
        if output.status.success() { Err("it was acknowledged".to_owned()) } else { Ok(texts(&output).1) }
    });
    assert!(refused.contains("full") || refused.contains("room"), "{refused}");
    std::fs::remove_file(inside.join("filler")).unwrap();
    wait_for("a deploy after room was made", || {
        let output = deploy("after");
        if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
    });
    let list = Command::new(binary()).args(["env", "list"]).env("DOORSTEP_DATA", &inside).output().unwrap();
    assert!(texts(&list).0.contains("first") && texts(&list).0.contains("after"), "{:?}", texts(&list));
    signal(child.id(), "TERM");
    wait_for("the end", || child.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned()));
}

#[test]
fn a_routes_file_tells_all_five_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.yaml");
    std::fs::write(
        &routes,
        r#"
routes:
- hosts: ["not a host"]
  rules:
  - match: {path: {prefix: no-slash}}
    backends: [{address: "127.0.0.1:9000"}]
- hosts: [a.example.test]
  ruels: []
  rules:
  - match: {path: {regex: "("}}
    backends: [{address: "127.0.0.1"}]
"#,
    )
    .unwrap();
    let error =
        up_fails(&["--data", folder.path().join("data").to_str().unwrap(), "--routes", routes.to_str().unwrap()]);
    for part in ["not a host", "no-slash", "did you mean \"rules\"?", "regex", "address"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
}
