//! The pipeline for Azure DevOps: its template is expanded as Azure Pipelines does, and the step that is left is executed, with a
//! signed token that Doorstep trusts by the rules of its own example.

use crate::endpoint::Endpoint;
use crate::harness::texts;
use crate::trusting::Trusting;
use crate::typed::{HOSTILE, Typed, Workspace, allow_anything, assert_deployed, deployed, yaml};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Output;

const ACCESS_TOKEN: &str = "the-access-token-of-the-run";
const CONNECTION: &str = "11111111-2222-3333-4444-555555555555";

/// The steps that are left after the template's conditions.
fn steps(typed: &Typed) -> Vec<Value> {
    let pipeline = yaml("deploy/azure-devops/doorstep.yml");
    let mut left = Vec::new();
    let mut was_true = false;
    for step in pipeline["jobs"][0]["steps"].as_array().unwrap() {
        let (key, inner) = step.as_object().unwrap().iter().next().unwrap();
        let Some(condition) = key.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}")) else {
            left.push(step.clone());
            continue;
        };
        let is_taken = match condition.strip_prefix("if ") {
            Some(condition) => holds(condition, typed),
            None => {
                assert_eq!(condition, "else");
                !was_true
            }
        };
        was_true = is_taken;
        if is_taken {
            left.extend(inner.as_array().unwrap().iter().cloned());
        }
    }
    left
}

/// `or(contains(parameters.NAME, 'TEXT'), …)`: all that the pipeline's condition uses.
fn holds(condition: &str, typed: &Typed) -> bool {
    let inner = condition.strip_prefix("or(").and_then(|rest| rest.strip_suffix(')')).expect("an or");
    inner.split("contains(parameters.").filter(|part| !part.is_empty()).any(|part| {
        let (name, rest) = part.split_once(", '").unwrap();
        let (text, _) = rest.split_once('\'').unwrap();
        parameter(typed, name).contains(text)
    })
}

fn parameter<'t>(typed: &'t Typed, name: &str) -> &'t str {
    typed.each().into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no parameter {name}")).1
}

/// The value of a variable in `env`: `${{ parameters.NAME }}` at compile time, then `$(NAME)` by the agent, wherever it stands.
fn value(written: &str, typed: &Typed, agent: &BTreeMap<&str, String>) -> String {
    let expanded = match written.strip_prefix("${{ parameters.").and_then(|rest| rest.strip_suffix(" }}")) {
        Some(name) => parameter(typed, name).to_owned(),
        None => written.to_owned(),
    };
    agent.iter().fold(expanded, |text, (name, value)| text.replace(&format!("$({name})"), value))
}

/// Of the service connection, as Azure DevOps makes it: it says nothing of the person.
fn claims() -> Value {
    json!({"sub": "sc://example/front/doorstep", "aud": "api://AzureADTokenExchange"})
}

fn start(trusting: &Trusting, workspace: &Workspace, mail: &str, typed: &Typed) -> (Output, Endpoint) {
    let signer = trusting.signer();
    let endpoint = Endpoint::start("oidcToken", ACCESS_TOKEN, move |_| signer.sign(claims()));
    let agent = BTreeMap::from([
        ("System.AccessToken", ACCESS_TOKEN.to_owned()),
        ("DOORSTEP_SERVER", format!("http://{}", trusting.doorstep.api)),
        ("DOORSTEP_SERVICE_CONNECTION", CONNECTION.to_owned()),
        ("DOORSTEP_MAIL_DOMAIN", "example.com".to_owned()),
    ]);
    let steps = steps(typed);
    let scripts: Vec<&Value> = steps.iter().filter(|step| step.get("bash").is_some()).collect();
    assert_eq!(scripts.len(), 1, "{steps:?}");
    let mut variables = BTreeMap::from([
        ("BUILD_REQUESTEDFOREMAIL".to_owned(), mail.to_owned()),
        ("SYSTEM_OIDCREQUESTURI".to_owned(), format!("http://{}/oidctoken", endpoint.address)),
    ]);
    for (name, written) in scripts[0]["env"].as_object().into_iter().flatten() {
        variables.insert(name.clone(), value(written.as_str().unwrap(), typed, &agent));
    }
    (workspace.bash(&[], scripts[0]["bash"].as_str().unwrap(), &variables), endpoint)
}

#[test]
fn a_run_brings_up_the_environment_of_whoever_started_it_with_a_token_of_its_own() {
    let (trusting, workspace) = (Trusting::start("azure-devops"), Workspace::new());
    let typed = Typed::good("production");
    let (output, endpoint) = start(&trusting, &workspace, "haimaz@example.com", &typed);
    assert_deployed(&trusting.doorstep, &output, "haimaz", &typed);
    workspace.assert_untouched(&output);
    let wanted = format!("POST /oidctoken?api-version=7.1&serviceConnectionId={CONNECTION} ");
    assert!(endpoint.heads()[0].starts_with(&wanted), "{:?}", endpoint.heads());
    let (out, err) = texts(&output);
    // Every JSON Web Token begins so.
    assert!(!out.contains("eyJ") && !err.contains("eyJ"), "the token is not printed: {out}{err}");
    trusting.stop();
}

#[test]
fn what_somebody_types_stays_data_for_the_shell_and_for_the_agent() {
    let (trusting, workspace) = (Trusting::start("azure-devops"), Workspace::new());
    let commands = ["##vso[task.setvariable variable=PATH]pwned", "$(System.AccessToken)"];
    for value in HOSTILE.into_iter().chain(commands) {
        let (output, _) = start(&trusting, &workspace, "mallory@example.com", &Typed::all(value, "integration"));
        workspace.assert_untouched(&output);
        let (out, err) = texts(&output);
        let says = if value.contains("$(") { "in whose place" } else { "does not match" };
        assert!(!output.status.success() && out.contains(says), "{value:?}: {out}{err}");
        assert!(!out.contains("##vso[") && !out.contains(ACCESS_TOKEN), "{value:?}: {out}");
    }
    assert_eq!(trusting.doorstep.api("/environments?user=mallory")["items"], json!([]));
    allow_anything(&trusting.doorstep, "staging");
    let value = "`touch pwned` ${PATH} \"'\\ \n ünd";
    let (output, _) = start(&trusting, &workspace, "haimaz@example.com", &Typed::all(value, "staging"));
    workspace.assert_untouched(&output);
    assert_eq!(
        deployed(&trusting.doorstep, "haimaz", "staging")["TAG_FRONT"],
        Value::from(value),
        "{:?}",
        texts(&output)
    );
    trusting.stop();
}

#[test]
fn a_guest_with_the_same_name_is_not_taken_for_one_of_the_domain() {
    let (trusting, workspace) = (Trusting::start("azure-devops"), Workspace::new());
    for mail in ["haimaz@example.com.evil.example", "haimaz@evil.example", "haimaz", "", "haimaz@xexample.com"] {
        let (output, endpoint) = start(&trusting, &workspace, mail, &Typed::good("integration"));
        let (out, err) = texts(&output);
        assert!(!output.status.success() && out.contains("no mail address of the domain"), "{mail}: {out}{err}");
        assert!(endpoint.heads().is_empty(), "no token is asked for");
    }
    assert_eq!(trusting.doorstep.api("/environments")["items"], json!([]));
    trusting.stop();
}
