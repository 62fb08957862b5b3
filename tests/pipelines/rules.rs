//! What holds for all three files, read from their text: the parameters of the original job, and no value within a script.

use crate::typed::{repository, yaml};
use serde_json::Value;

const CLASSES: [&str; 4] = ["integration", "staging", "production", "production-2"];

#[test]
fn each_pipeline_has_the_four_parameters_and_the_four_classes() {
    let github = yaml("deploy/github/doorstep.yml");
    let inputs = &github["on"]["workflow_dispatch"]["inputs"];
    let names = ["TAG_FRONT", "TAG_ASSETS", "VERSION", "ENVIRONMENT"];
    assert_eq!(inputs.as_object().unwrap().len(), names.len());
    assert!(names.iter().all(|name| inputs.get(name).is_some()));
    assert_eq!(inputs["ENVIRONMENT"]["options"], serde_json::json!(CLASSES));
    let devops = yaml("deploy/azure-devops/doorstep.yml");
    let parameters = devops["parameters"].as_array().unwrap();
    assert_eq!(parameters.iter().map(|p| p["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    assert_eq!(parameters[3]["values"], serde_json::json!(CLASSES));
    let jenkins = repository("deploy/jenkins/Jenkinsfile");
    let choices = CLASSES.map(|class| format!("'{class}'")).join(", ");
    assert!(jenkins.contains(&format!("choices: [{choices}]")));
    assert!(names.iter().all(|name| jenkins.contains(&format!("name: '{name}'"))));
}

#[test]
fn no_script_has_a_value_put_into_it() {
    let mut scripts = Vec::new();
    for path in ["deploy/github/doorstep.yml", "deploy/azure-devops/doorstep.yml"] {
        collect(&yaml(path), &mut scripts);
    }
    assert_eq!(scripts.len(), 3);
    for script in scripts {
        assert!(!script.contains("${{"), "{script}");
    }
    let jenkins = repository("deploy/jenkins/Jenkinsfile");
    let jenkins: Vec<&str> = jenkins.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let jenkins = jenkins.join("\n");
    assert!(!jenkins.contains("\"\"\""), "scripts stand in three single quotes");
    assert_eq!(jenkins.matches("script: '''").count(), jenkins.matches("sh label:").count());
}

/// Every `run`, `bash` and `script` in a document.
fn collect(value: &Value, scripts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if ["run", "bash", "script"].contains(&name.as_str()) => scripts.push(text.to_owned()),
                    _ => collect(value, scripts),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, scripts)),
        _ => {}
    }
}
