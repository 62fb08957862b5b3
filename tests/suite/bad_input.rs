//! Bad input: one clear sentence each, its place, what would be right, and nothing changed.

use crate::harness::{Doorstep, binary, texts, wait_for};
use std::process::Command;

const GOOD: [&str; 6] = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"];

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
