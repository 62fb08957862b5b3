//! The workflow for GitHub Actions: its `run` is executed by the shell that GitHub uses, with what GitHub would set.

use crate::harness::{Doorstep, texts};
use crate::issuer::Issuer;
use crate::typed::{HOSTILE, Typed, Workspace, allow_anything, assert_deployed, deployed, yaml};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Output;

const REQUEST_TOKEN: &str = "the-token-of-the-request";

fn workflow() -> Value {
    yaml("deploy/github/doorstep.yml")
}

/// What stands in `${{ }}`. The workflow has whole values of these alone.
fn evaluate(expression: &str, doorstep: &Doorstep, actor: &str, typed: &Typed) -> String {
    let inner = expression.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}"));
    match inner {
        None => expression.to_owned(),
        Some("vars.DOORSTEP_SERVER") => format!("http://{}", doorstep.api),
        Some("github.triggering_actor") => actor.to_owned(),
        Some(other) => {
            let name = other.strip_prefix("inputs.").unwrap_or_else(|| panic!("the test knows no {other}"));
            typed.each().iter().find(|(known, _)| *known == name).unwrap().1.to_owned()
        }
    }
}

fn start(doorstep: &Doorstep, workspace: &Workspace, actor: &str, typed: &Typed) -> (Output, Issuer) {
    let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap();
    let issuer = Issuer::start("value", token.trim().to_owned(), REQUEST_TOKEN);
    let workflow = workflow();
    let steps = workflow["jobs"]["deploy"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    let mut variables = BTreeMap::from([
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), REQUEST_TOKEN.to_owned()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), format!("http://{}/token?version=2", issuer.address)),
    ]);
    for (name, value) in steps[0]["env"].as_object().unwrap() {
        variables.insert(name.clone(), evaluate(value.as_str().unwrap(), doorstep, actor, typed));
    }
    assert_eq!(steps[0]["shell"], "bash", "which GitHub runs with -eo pipefail");
    let output = workspace.bash(&["-eo", "pipefail"], steps[0]["run"].as_str().unwrap(), &variables);
    (output, issuer)
}

#[test]
fn a_run_brings_up_the_environment_of_whoever_started_it_with_a_token_of_its_own() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    let typed = Typed::good("integration");
    let (output, issuer) = start(&doorstep, &workspace, "haimaz", &typed);
    assert_deployed(&doorstep, &output, "haimaz", &typed);
    workspace.assert_untouched(&output);
    let heads = issuer.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with("GET /token?version=2&audience=doorstep "), "{}", heads[0]);
    // The token is masked before anything else is printed, and never printed otherwise.
    let (out, err) = texts(&output);
    let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap();
    assert!(out.starts_with(&format!("::add-mask::{}\n::stop-commands::", token.trim())), "{out}");
    assert_eq!(out.matches(token.trim()).count() + err.matches(token.trim()).count(), 1);
    doorstep.stop();
}

#[test]
fn what_somebody_types_stays_data_for_the_shell_and_for_the_runner() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    for value in HOSTILE.into_iter().chain(["::set-env name=PATH::pwned"]) {
        let (output, _) = start(&doorstep, &workspace, "mallory", &Typed::all(value, "integration"));
        workspace.assert_untouched(&output);
        let (out, err) = texts(&output);
        assert!(!output.status.success() && err.contains("does not match"), "{value:?}: {out}{err}");
    }
    assert_eq!(doorstep.api("/environments?user=mallory")["items"], json!([]));
    allow_anything(&doorstep, "staging");
    let value = "$(touch pwned) `touch pwned` \"'\\ \n ünd";
    let (output, _) = start(&doorstep, &workspace, "haimaz", &Typed::all(value, "staging"));
    workspace.assert_untouched(&output);
    assert_eq!(deployed(&doorstep, "haimaz", "staging")["VERSION"], Value::from(value), "{:?}", texts(&output));
    doorstep.stop();
}

#[test]
fn a_run_whose_token_is_refused_deploys_nothing() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    let mut variables = BTreeMap::from([("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), "another".to_owned())]);
    let issuer = Issuer::start("value", String::new(), REQUEST_TOKEN);
    variables.insert("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), format!("http://{}/token?v=1", issuer.address));
    variables.insert("DOORSTEP_AUDIENCE".to_owned(), "doorstep".to_owned());
    let run = workflow()["jobs"]["deploy"]["steps"][0]["run"].as_str().unwrap().to_owned();
    let output = workspace.bash(&["-eo", "pipefail"], &run, &variables);
    assert!(!output.status.success(), "{:?}", texts(&output));
    assert_eq!(doorstep.api("/environments")["items"], json!([]));
    doorstep.stop();
}

#[test]
fn the_workflow_asks_for_a_token_and_for_nothing_else() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"], json!({"id-token": "write"}));
    assert!(workflow.to_string().contains("workflow_dispatch") && !workflow.to_string().contains("secrets."));
}
