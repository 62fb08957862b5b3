//! The pipeline for Azure DevOps: its template is expanded as Azure Pipelines does, and the step that is left is executed.

use crate::harness::{Doorstep, texts};
use crate::issuer::Issuer;
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

fn start(doorstep: &Doorstep, workspace: &Workspace, mail: &str, typed: &Typed) -> (Output, Issuer) {
    let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap();
    let issuer = Issuer::start("oidcToken", token.trim().to_owned(), ACCESS_TOKEN);
    let agent = BTreeMap::from([
        ("System.AccessToken", ACCESS_TOKEN.to_owned()),
        ("DOORSTEP_SERVER", format!("http://{}", doorstep.api)),
        ("DOORSTEP_SERVICE_CONNECTION", CONNECTION.to_owned()),
        ("DOORSTEP_MAIL_DOMAIN", "example.com".to_owned()),
    ]);
    let steps = steps(typed);
    let scripts: Vec<&Value> = steps.iter().filter(|step| step.get("bash").is_some()).collect();
    assert_eq!(scripts.len(), 1, "{steps:?}");
    let mut variables = BTreeMap::from([
        ("BUILD_REQUESTEDFOREMAIL".to_owned(), mail.to_owned()),
        ("SYSTEM_OIDCREQUESTURI".to_owned(), format!("http://{}/oidctoken", issuer.address)),
    ]);
    for (name, written) in scripts[0]["env"].as_object().into_iter().flatten() {
        variables.insert(name.clone(), value(written.as_str().unwrap(), typed, &agent));
    }
    (workspace.bash(&[], scripts[0]["bash"].as_str().unwrap(), &variables), issuer)
}

#[test]
fn a_run_brings_up_the_environment_of_whoever_started_it_with_a_token_of_its_own() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    let typed = Typed::good("production");
    let (output, issuer) = start(&doorstep, &workspace, "haimaz@example.com", &typed);
    assert_deployed(&doorstep, &output, "haimaz", &typed);
    workspace.assert_untouched(&output);
    let wanted = format!("POST /oidctoken?api-version=7.1&serviceConnectionId={CONNECTION} ");
    assert!(issuer.heads()[0].starts_with(&wanted), "{:?}", issuer.heads());
    let (out, err) = texts(&output);
    let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap();
    assert!(!out.contains(token.trim()) && !err.contains(token.trim()), "the token is not printed");
    doorstep.stop();
}

#[test]
fn what_somebody_types_stays_data_for_the_shell_and_for_the_agent() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    let commands = ["##vso[task.setvariable variable=PATH]pwned", "$(System.AccessToken)"];
    for value in HOSTILE.into_iter().chain(commands) {
        let (output, _) = start(&doorstep, &workspace, "mallory@example.com", &Typed::all(value, "integration"));
        workspace.assert_untouched(&output);
        let (out, err) = texts(&output);
        let says = if value.contains("$(") { "in whose place" } else { "does not match" };
        assert!(!output.status.success() && out.contains(says), "{value:?}: {out}{err}");
        assert!(!out.contains("##vso[") && !out.contains(ACCESS_TOKEN), "{value:?}: {out}");
    }
    assert_eq!(doorstep.api("/environments?user=mallory")["items"], json!([]));
    allow_anything(&doorstep, "staging");
    let value = "`touch pwned` ${PATH} \"'\\ \n ünd";
    let (output, _) = start(&doorstep, &workspace, "haimaz@example.com", &Typed::all(value, "staging"));
    workspace.assert_untouched(&output);
    assert_eq!(deployed(&doorstep, "haimaz", "staging")["TAG_FRONT"], Value::from(value), "{:?}", texts(&output));
    doorstep.stop();
}

#[test]
fn a_guest_with_the_same_name_is_not_taken_for_one_of_the_domain() {
    let (doorstep, workspace) = (Doorstep::start(), Workspace::new());
    for mail in ["haimaz@example.com.evil.example", "haimaz@evil.example", "haimaz", "", "haimaz@xexample.com"] {
        let (output, issuer) = start(&doorstep, &workspace, mail, &Typed::good("integration"));
        let (out, err) = texts(&output);
        assert!(!output.status.success() && out.contains("no mail address of the domain"), "{mail}: {out}{err}");
        assert!(issuer.heads().is_empty(), "no token is asked for");
    }
    assert_eq!(doorstep.api("/environments")["items"], json!([]));
    doorstep.stop();
}
