//! The Jenkinsfile.

use crate::harness::{Doorstep, texts};
use crate::typed::{HOSTILE, Typed, Workspace, allow_anything, assert_deployed, deployed};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `groovy`, or Java with the library that `tests/run` fetches.
fn groovy() -> Command {
    let jar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/groovy.jar");
    if jar.exists() {
        let mut java = Command::new("java");
        java.arg("-cp").arg(jar).arg("groovy.ui.GroovyMain");
        return java;
    }
    let has_groovy = Command::new("groovy").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        has_groovy,
        "Groovy could not be had: there is neither a command groovy nor tests/.tools/groovy.jar; see tests/run"
    );
    Command::new("groovy")
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A token as docs/pipelines.md has one made.
fn token(doorstep: &Doorstep) -> String {
    let made =
        doorstep.cli_ok(&["token", "create", "Jenkins", "--role", "admin", "--scope", "read", "--scope", "deploy"]);
    let token = made.trim().to_owned();
    assert!(token.starts_with("dst_"), "{token}");
    token
}

/// One build, started by `user`.
fn build(doorstep: &Doorstep, workspace: &Workspace, user: Option<&str>, typed: &Typed) -> Output {
    let token = token(doorstep);
    let mut groovy = groovy();
    groovy.arg(in_repository("tests/pipelines/jenkins.groovy")).arg(in_repository("deploy/jenkins/Jenkinsfile"));
    groovy
        .env("PATH", workspace.path())
        .env("WORKSPACE", workspace.work())
        .env("CREDENTIAL_doorstep-token", &token)
        .env("GLOBAL_DOORSTEP_SERVER", format!("http://{}", doorstep.api));
    groovy.env_remove("STARTED_BY_USER").envs(user.map(|user| ("STARTED_BY_USER", user)));
    for (name, value) in typed.each() {
        groovy.env(format!("PARAM_{name}"), value);
    }
    let output = groovy.output().expect("Groovy runs");
    let (out, err) = texts(&output);
    assert!(
        !out.contains(&token) && !err.contains(&token),
        "the token is not printed, though sh -x prints each command"
    );
    output
}

#[test]
fn a_build_brings_up_the_environment_of_whoever_started_it() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    for class in ["integration", "production-2"] {
        let typed = Typed::good(class);
        // Jenkins ids may have capitals; a user id is folded.
        let output = build(&doorstep, &workspace, Some("Haimaz"), &typed);
        assert_deployed(&doorstep, &output, "haimaz", &typed);
        workspace.assert_untouched(&output);
    }
    doorstep.stop();
}

#[test]
fn what_somebody_types_stays_data() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    // Refused by the classes that ship, with the class's own sentence.
    for value in HOSTILE {
        let output = build(&doorstep, &workspace, Some("mallory"), &Typed::all(value, "integration"));
        workspace.assert_untouched(&output);
        let (out, err) = texts(&output);
        assert!(!output.status.success() && err.contains("does not match"), "{value:?}: {out}{err}");
        assert!(out.contains("Finished: FAILURE"), "{out}");
    }
    assert_eq!(doorstep.api("/environments?user=mallory")["items"], json!([]));
    // Where a class allows anything, it arrives as it was typed.
    allow_anything(&doorstep, "staging");
    let value = "$(touch pwned) `touch pwned` \"'\\ \n ünd";
    let output = build(&doorstep, &workspace, Some("haimaz"), &Typed::all(value, "staging"));
    workspace.assert_untouched(&output);
    assert_eq!(deployed(&doorstep, "haimaz", "staging")["TAG_FRONT"], Value::from(value), "{:?}", texts(&output));
    doorstep.stop();
}

#[test]
fn a_build_of_nobody_of_another_class_or_of_a_strange_id_changes_nothing() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    for (user, class, says) in [
        (None, "integration", "Nobody started this build"),
        (Some("haimaz"), "; touch pwned", "Illegal choice"),
        (Some("front-x"), "integration", "no hyphen"),
        (Some("$(touch pwned)"), "integration", "only the letters"),
        (Some("--help"), "integration", "no hyphen"),
    ] {
        let output = build(&doorstep, &workspace, user, &Typed::good(class));
        workspace.assert_untouched(&output);
        let (out, err) = texts(&output);
        assert!(!output.status.success() && (out.contains(says) || err.contains(says)), "{user:?}: {out}{err}");
    }
    assert_eq!(doorstep.api("/environments")["items"], json!([]));
    doorstep.stop();
}
