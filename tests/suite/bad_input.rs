//! Bad input: one clear sentence each, its place, what would be right, and nothing changed.

use crate::harness::{Doorstep, binary, texts, wait_for};
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
fn users_classes_and_parameters_are_refused_with_their_reason() {
    let doorstep = Doorstep::start();
    let deploy = |class: &str, user: &str, parameters: &[&str]| {
        let arguments = [&["env", "deploy", class, "--user", user], parameters].concat();
        doorstep.cli_fails(2, &arguments)
    };
    let long_user = "a".repeat(33);
    for (user, said) in [
        ("a-b", "no hyphen"),
        ("", "is empty"),
        (long_user.as_str(), "32 are the most"),
        ("Ünï", "only the letters a to z"),
        ("../x", "only the letters a to z"),
    ] {
        let error = deploy("integration", user, &GOOD);
        assert!(error.contains(said), "{user:?}: {error}");
    }

    let error = doorstep.cli_fails(3, &[&["env", "deploy", "integraton", "--user", "haimaz"], &GOOD[..]].concat());
    assert!(error.contains("did you mean \"integration\"?"), "{error}");
    let error = deploy("integration", "haimaz", &[&GOOD[..], &["-p", "TAG_FRNT=1"]].concat());
    assert!(error.contains("TAG_FRNT") && error.contains("did you mean \"TAG_FRONT\"?"), "{error}");
    let error = deploy("integration", "haimaz", &GOOD[..4]);
    assert!(error.contains("VERSION is required"), "{error}");
    let error = deploy("integration", "haimaz", &["-p", "TAG_FRONT"]);
    assert!(error.contains("NAME=VALUE"), "{error}");

    let long = "x".repeat(10_000);
    for value in ["1 2", "1\n2", "$(id)", "'", "\"", "`id`", "", long.as_str()] {
        let parameter = format!("VERSION={value}");
        let error = deploy("integration", "haimaz", &[&GOOD[..4], &["-p", &parameter]].concat());
        assert!(error.contains("VERSION") && error.len() < 2000, "{value:?}: {error}");
    }
    let environments = doorstep.api("/environments");
    assert_eq!(environments["items"].as_array().map(Vec::len), Some(0), "nothing was changed: {environments}");
    doorstep.stop();
}

#[test]
fn class_files_are_refused_with_their_place() {
    let doorstep = Doorstep::start();
    let good = include_str!("../../config/classes/integration.yaml");
    let apply = |manifest: &str| {
        let refused = doorstep.kubectl_with(&["apply", "-f", "-"], manifest);
        assert!(!refused.status.success(), "it was accepted: {manifest}");
        texts(&refused).1
    };
    assert!(apply("kind: [").contains("error"), "what does not parse");
    let error = apply(&good.replace("  port:", "  prt: 1\n  port:"));
    assert!(error.contains("unknown field \"spec.prt\""), "{error}");
    let error = apply(&good.replace("front{user}.int", "front.int"));
    assert!(error.contains("{user}"), "{error}");

    // Two classes with one pattern: the older one keeps it, the newer one says whose it is.
    let second = good.replace("name: integration", "name: second");
    let applied = doorstep.kubectl_with(&["apply", "-f", "-"], &second);
    assert!(applied.status.success(), "{:?}", texts(&applied));
    wait_for("the condition that names the older class", || {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
        let condition = doorstep.kubectl_ok(&["get", "environmentclass", "second", "-o", path]);
        if condition.contains("HostPatternTaken") && condition.contains("integration") {
            Ok(())
        } else {
            Err(condition)
        }
    });
    doorstep.stop();
}

#[test]
fn class_files_are_checked_with_every_mistake_and_its_place() {
    let good = include_str!("../../config/classes/integration.yaml");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("classes.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(binary()).args(["classes", "--check"]).arg(&file).output().unwrap();
        (output.status.code(), texts(&output))
    };
    let (code, (out, _)) = check(good);
    assert!(code == Some(0) && out.contains("no mistakes; it holds integration"), "{out}");
    let second = good.replace("name: integration", "name: second");
    for (text, said) in [
        ("kind: [".to_owned(), "no valid YAML"),
        (good.replace("  port:", "  prt: 1\n  port:"), "did you mean \"port\"?"),
        (good.replace("front{user}.int", "front.int"), "does not hold {user} exactly once"),
        (format!("{good}\n---\n{second}"), "of class second may make hosts of class integration"),
    ] {
        let (code, (_, error)) = check(&text);
        assert!(code == Some(2) && error.contains(said) && error.contains("classes.yaml"), "no «{said}» in {error}");
    }
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
    crate::harness::signal(child.id(), "TERM");
    wait_for("the end", || child.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned()));
}

#[test]
fn local_commands_that_fail_are_told_in_the_status() {
    let doorstep = Doorstep::start();
    let class = |name: &str, command: &str| {
        format!(
            r#"
apiVersion: doorstep.dev/v1alpha1
kind: EnvironmentClass
metadata: {{name: {name}}}
spec:
  host: "{{user}}.{name}.{{domain}}"
  port: 8080
  template: {{spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: front, image: none}}]}}}}
  local: {{command: {command}}}
"#
        )
    };
    let cases = [
        ("absent", "[no-such-program]", "no-such-program"),
        ("ending", r#"[sh, -c, "exit 3"]"#, "exit code 3"),
        ("silent", r#"[sh, -c, "trap '' TERM; while :; do sleep 1; done"]"#, "8080"),
    ];
    for (name, command, said) in cases {
        let applied = doorstep.kubectl_with(&["apply", "-f", "-"], &class(name, command));
        assert!(applied.status.success(), "{:?}", texts(&applied));
        doorstep.cli_ok(&["env", "deploy", name, "--user", "haimaz"]);
        wait_for(&format!("the reason of {name}"), || {
            let shown = doorstep.cli_ok(&["env", "show", name, "--user", "haimaz"]);
            if shown.contains(said) { Ok(()) } else { Err(shown) }
        });
    }
    // The one that ignores SIGTERM ends all the same, when its grace is over.
    doorstep.cli_ok(&["env", "delete", "silent", "--user", "haimaz", "--yes"]);
    wait_for("the end of what ignores SIGTERM", || {
        match doorstep.processes().into_iter().filter(|(_, line)| line.contains("trap")).count() {
            0 => Ok(()),
            left => Err(format!("{left} left")),
        }
    });
    doorstep.stop();
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
