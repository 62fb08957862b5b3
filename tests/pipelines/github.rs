//! The workflow for GitHub Actions: its `run` is executed by the shell that GitHub uses, with what GitHub would set, and with a
//! signed token that Doorstep trusts by the rules of its own example.

use crate::endpoint::Endpoint;
use crate::harness::texts;
use crate::trusting::Trusting;
use crate::typed::{HOSTILE, Typed, Workspace, allow_anything, assert_deployed, deployed, yaml};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Output;

const REQUEST_TOKEN: &str = "the-token-of-the-request";
const AUDIENCE: &str = "https://doorstep.example.com";

fn workflow() -> Value {
    yaml("deploy/github/doorstep.yml")
}

/// What stands in `${{ }}`. The workflow has whole values of these alone.
fn evaluate(expression: &str, server: &str, actor: &str, typed: &Typed) -> String {
    let inner = expression.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}"));
    match inner {
        None => expression.to_owned(),
        Some("vars.DOORSTEP_SERVER") => server.to_owned(),
        Some("vars.DOORSTEP_AUDIENCE") => AUDIENCE.to_owned(),
        Some("github.triggering_actor") => actor.to_owned(),
        Some(other) => {
            let name = other.strip_prefix("inputs.").unwrap_or_else(|| panic!("the test knows no {other}"));
            typed.each().iter().find(|(known, _)| *known == name).unwrap().1.to_owned()
        }
    }
}

/// Of a run that `actor` began, as GitHub documents it.
fn claims(actor: &str, audience: &str) -> Value {
    json!({
        "sub": "repo:example/front:ref:refs/heads/main", "aud": audience, "actor": actor, "ref": "refs/heads/main",
        "repository": "example/front", "repository_owner": "example", "repository_owner_id": "1234567",
        "event_name": "workflow_dispatch", "workflow": "Personal environment",
    })
}

/// One run that `actor` began and `again` started (once more).
fn start(trusting: &Trusting, workspace: &Workspace, [actor, again]: [&str; 2], typed: &Typed) -> (Output, Endpoint) {
    let (signer, actor) = (trusting.signer(), actor.to_owned());
    let endpoint = Endpoint::start("value", REQUEST_TOKEN, move |target| {
        let audience = target.split('&').find_map(|part| part.strip_prefix("audience=")).unwrap_or_default();
        signer.sign(claims(&actor, audience))
    });
    let server = format!("http://{}", trusting.doorstep.api);
    let workflow = workflow();
    let steps = workflow["jobs"]["deploy"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    let mut variables = BTreeMap::from([
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), REQUEST_TOKEN.to_owned()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), format!("http://{}/token?version=2", endpoint.address)),
    ]);
    for (name, value) in steps[0]["env"].as_object().unwrap() {
        variables.insert(name.clone(), evaluate(value.as_str().unwrap(), &server, again, typed));
    }
    assert_eq!(steps[0]["shell"], "bash", "which GitHub runs with -eo pipefail");
    let output = workspace.bash(&["-eo", "pipefail"], steps[0]["run"].as_str().unwrap(), &variables);
    (output, endpoint)
}

#[test]
fn a_run_brings_up_the_environment_of_whoever_started_it_with_a_token_of_its_own() {
    let (trusting, workspace) = (Trusting::start("github"), Workspace::new());
    let typed = Typed::good("integration");
    let (output, endpoint) = start(&trusting, &workspace, ["Haimaz"; 2], &typed);
    assert_deployed(&trusting.doorstep, &output, "haimaz", &typed);
    workspace.assert_untouched(&output);
    let heads = endpoint.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with(&format!("GET /token?version=2&audience={AUDIENCE} ")), "{}", heads[0]);
    // The token is masked before anything else is printed, and never printed otherwise.
    let (out, err) = texts(&output);
    let lines: Vec<&str> = out.lines().take(2).collect();
    let token = lines[0].strip_prefix("::add-mask::").expect("a mask first");
    assert!(lines[1].starts_with("::stop-commands::") && lines[1].len() > 40, "{out}");
    assert_eq!(out.matches(token).count() + err.matches(token).count(), 1);
    trusting.stop();
}

#[test]
fn a_run_reaches_the_environments_of_its_actor_alone_and_an_id_is_not_bent_into_shape() {
    let (trusting, workspace) = (Trusting::start("github"), Workspace::new());
    for (who, says) in [
        (["haimaz", "chanigo"], "haimaz"),
        (["octo-cat", "octo-cat"], "hyphen"),
        (["octo-cat", "octocat"], "octocat"),
        (["haimaz", "$(touch pwned)"], "only the letters"),
    ] {
        let (output, _) = start(&trusting, &workspace, who, &Typed::good("integration"));
        let (out, err) = texts(&output);
        assert!(!output.status.success() && err.contains(says), "{who:?}: {out}{err}");
        workspace.assert_untouched(&output);
    }
    assert_eq!(trusting.doorstep.api("/environments")["items"], json!([]));
    trusting.stop();
}

#[test]
fn what_somebody_types_stays_data_for_the_shell_and_for_the_runner() {
    let (trusting, workspace) = (Trusting::start("github"), Workspace::new());
    for value in HOSTILE.into_iter().chain(["::set-env name=PATH::pwned"]) {
        let (output, _) = start(&trusting, &workspace, ["mallory"; 2], &Typed::all(value, "integration"));
        workspace.assert_untouched(&output);
        let (out, err) = texts(&output);
        assert!(!output.status.success() && err.contains("does not match"), "{value:?}: {out}{err}");
    }
    assert_eq!(trusting.doorstep.api("/environments?user=mallory")["items"], json!([]));
    allow_anything(&trusting.doorstep, "staging");
    let value = "$(touch pwned) `touch pwned` \"'\\ \n ünd";
    let (output, _) = start(&trusting, &workspace, ["haimaz"; 2], &Typed::all(value, "staging"));
    workspace.assert_untouched(&output);
    let version = &deployed(&trusting.doorstep, "haimaz", "staging")["VERSION"];
    assert_eq!(*version, Value::from(value), "{:?}", texts(&output));
    trusting.stop();
}

#[test]
fn a_run_that_gets_no_token_deploys_nothing() {
    let workspace = Workspace::new();
    let endpoint = Endpoint::start("value", REQUEST_TOKEN, |_| String::new());
    let variables = [
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another".to_owned()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("http://{}/token?v=1", endpoint.address)),
        ("DOORSTEP_AUDIENCE", AUDIENCE.to_owned()),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let run = workflow()["jobs"]["deploy"]["steps"][0]["run"].as_str().unwrap().to_owned();
    let output = workspace.bash(&["-eo", "pipefail"], &run, &variables);
    let (out, err) = texts(&output);
    assert!(!output.status.success() && out.is_empty(), "nothing was run after it: {out}{err}");
}

#[test]
fn the_workflow_asks_for_a_token_and_for_nothing_else() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"], json!({"id-token": "write"}));
    assert!(workflow.to_string().contains("workflow_dispatch") && !workflow.to_string().contains("secrets."));
}
