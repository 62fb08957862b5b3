//! A store that has no room left, under the whole program: changes are refused with a sentence before anything is done, and go on
//! once there is room. In namespaces of its own, as it needs a small file system.

use crate::harness::postgres::Postgres;
use crate::harness::{Doorstep, namespace, texts, wait_for};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Tells the test that it is in its own namespaces.
const INSIDE: &str = "DOORSTEP_FULL_STORE";
/// What is left is some megabytes at most; it bounds a loop.
const MOST_CALLS: usize = 3_000;

#[test]
fn a_full_store_refuses_changes_and_loses_none_and_goes_on_when_there_is_room() {
    const NAME: &str = "full::a_full_store_refuses_changes_and_loses_none_and_goes_on_when_there_is_room";
    in_namespaces(NAME, || {
        let folder = tempfile::tempdir().unwrap();
        let small = small(folder.path(), "2m");
        let url = format!("sqlite:{}", small.join("store.db").display());
        fills_and_goes_on(folder.path(), &small, &url);
    });
}

/// The tables alone are in the small file system: a server whose log cannot be written either ends, and is away then.
#[test]
fn a_full_postgresql_refuses_changes_and_loses_none_and_goes_on_when_there_is_room() {
    const NAME: &str = "full::a_full_postgresql_refuses_changes_and_loses_none_and_goes_on_when_there_is_room";
    in_namespaces(NAME, || {
        let folder = tempfile::tempdir().unwrap();
        let small = small(folder.path(), "16m");
        let server = Postgres::start();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        fills_and_goes_on(folder.path(), &small, &runtime.block_on(server.database_in(&small)));
    });
}

/// Runs the test named `name` once more, in namespaces of its own, and there `inside`.
fn in_namespaces(name: &str, inside: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let mut inside = namespace::command();
    inside.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    let output = inside.output().expect("unshare runs (Debian package util-linux)");
    let (out, err) = texts(&output);
    println!("{out}{err}");
    assert!(output.status.success() && out.contains("1 passed"), "it failed in its namespace");
}

/// A folder in a file system of this size.
fn small(folder: &Path, size: &str) -> std::path::PathBuf {
    let small = folder.join("small");
    std::fs::create_dir(&small).unwrap();
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&small).output().unwrap();
    assert!(mounted.status.success(), "{:?}", texts(&mounted));
    small
}

fn fills_and_goes_on(folder: &Path, small: &Path, url: &str) {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    // A password does not belong into a command's arguments.
    let file = folder.join("url");
    std::fs::write(&file, url).unwrap();
    let doorstep = Doorstep::start_in(&data, &["--store-file", file.to_str().unwrap()]);
    doorstep.deploy("anna", "integration", "1");
    let ballast = fill(small);
    let mut done = 1;
    let said = loop {
        assert!(done < MOST_CALLS, "it is never full");
        let deployed = doorstep.cli(&deploy("anna", &format!("TAG_FRONT={done}")));
        if !deployed.status.success() {
            break texts(&deployed).1;
        }
        done += 1;
    };
    println!("{done} calls were done, then: {said}");
    assert!(said.contains("the store is full; nothing was changed; an administrator has to make room"), "{said}");
    assert!(doorstep.cli_fails(1, &deploy("ben", "TAG_FRONT=1")).contains("the store is full"));
    assert!(!doorstep.cli_ok(&["env", "list"]).contains("ben"), "nothing was changed, and reading goes on");
    std::fs::remove_file(ballast).unwrap();
    doorstep.deploy("ben", "integration", "1");
    // The end of a call that began just before it was full is written now.
    wait_for("the end of each call that was answered as done, and of no other", || {
        let audit = doorstep.cli_ok(&["audit", "--limit", "10000", "-o", "json"]);
        let audit: Value = serde_json::from_str(&audit).unwrap();
        let ended = audit["items"].as_array().unwrap().iter().filter(|item| item["result"] == "done").count();
        if ended == done + 1 { Ok(()) } else { Err(format!("{ended} of {}", done + 1)) }
    });
    let verdict: Value = serde_json::from_str(&doorstep.cli_ok(&["audit", "verify", "-o", "json"])).unwrap();
    assert_eq!(verdict["whole"], true, "{verdict}");
    doorstep.stop();
}

/// The command that deploys this `TAG_FRONT=…` for a user.
fn deploy<'t>(user: &'t str, tag: &'t str) -> Vec<&'t str> {
    let parameters = ["-p", "TAG_ASSETS=1", "-p", "VERSION=1", "-p"];
    [&["env", "deploy", "integration", "--user", user], &parameters[..], &[tag]].concat()
}

/// Takes all the room that is left, and gives the file that holds it.
fn fill(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [4096, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}
