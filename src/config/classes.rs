//! Files of classes: `EnvironmentClass` manifests, one or more a file.

use super::ConfigErrors;
use super::fields::Mistakes;
use crate::model::did_you_mean;
use crate::resources::{Class, EnvironmentClass};
use serde_json::Value;

/// Reads the manifests of a file and checks each, and that no two patterns may make the same host.
pub fn read_classes(text: &str, file: &str) -> Result<Vec<EnvironmentClass>, ConfigErrors> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        let said = error.to_string();
        ConfigErrors::one(file, "", format!("it is no valid YAML: {}", said.lines().next().unwrap_or_default()))
    })?;
    let mut mistakes = Mistakes::default();
    let mut checked: Vec<Class> = Vec::new();
    let mut classes = Vec::new();
    for (index, document) in documents.into_iter().enumerate().filter(|(_, document)| !document.is_null()) {
        let place = format!("document {}", index + 1);
        let Some(class) = manifest(document, &place, &mut mistakes) else { continue };
        match Class::try_from(&class) {
            Ok(class) => {
                let taken = checked.iter().find(|other| other.host.overlaps(&class.host));
                if let Some(other) = taken {
                    let said = format!(
                        "the host pattern {} of class {} may make hosts of class {} ({}); give it one of its own",
                        class.host, class.name, other.name, other.host
                    );
                    mistakes.add(&format!("{place}.spec.host"), said);
                }
                checked.push(class);
            }
            Err(invalid) => invalid.0.iter().for_each(|(path, said)| mistakes.add(&format!("{place}.{path}"), said)),
        }
        classes.push(class);
    }
    if classes.is_empty() && documents_expected(text) {
        mistakes.add("", "it holds no EnvironmentClass");
    }
    mistakes.finish(file, classes)
}

fn documents_expected(text: &str) -> bool {
    text.trim().is_empty() || !text.contains("EnvironmentClass")
}

fn manifest(document: Value, place: &str, mistakes: &mut Mistakes) -> Option<EnvironmentClass> {
    let word = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    let wanted = format!("{}/{}", crate::resources::GROUP, crate::resources::VERSION);
    if (version.as_str(), kind.as_str()) != (wanted.as_str(), "EnvironmentClass") {
        mistakes.add(place, format!("it is a {version} {kind}; it should be a {wanted} EnvironmentClass"));
        return None;
    }
    serde_json::from_value(document).map_err(|error| mistakes.add(place, hinted(&error.to_string()))).ok()
}

/// serde names an unknown field and the known ones; the nearest is what a person wants to see.
fn hinted(said: &str) -> String {
    let mut quoted = said.split('`').skip(1).step_by(2);
    match (said.starts_with("unknown field"), quoted.next()) {
        (true, Some(given)) => {
            let known: Vec<&str> = quoted.collect();
            format!("the field \"{given}\" is not known{}", did_you_mean(given, known))
        }
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
apiVersion: doorstep.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: integration}
spec:
  host: front{user}.int.{domain}
  port: 8080
  template: {spec: {containers: [{name: front, image: "front:{TAG}"}]}}
  parameters: [{name: TAG, pattern: "[a-z]+"}]
"#;

    fn said(text: &str) -> String {
        read_classes(text, "classes.yaml").unwrap_err().to_string()
    }

    #[test]
    fn a_class_is_read_and_each_mistake_has_its_place() {
        assert_eq!(read_classes(GOOD, "f").unwrap().len(), 1);
        assert!(
            said(&GOOD.replace("  port:", "  prt: 1\n  port:"))
                .contains("\"prt\" is not known; did you mean \"port\"?")
        );
        assert!(
            said(&GOOD.replace("{user}", ""))
                .contains("spec.host: the host pattern \"front.int.{domain}\" does not hold {user}")
        );
        assert!(
            said(&GOOD.replace("[a-z]+", "("))
                .contains("spec.parameters[0]: the pattern of parameter TAG does not compile")
        );
        assert!(
            said(&GOOD.replace("{TAG}", "{TGA}"))
                .contains("spec.template.spec.containers[0].image: the placeholder {TGA}")
        );
        assert!(said("kind: [").contains("no valid YAML"));
        assert!(said("").contains("no EnvironmentClass"));
        let twice = format!("{GOOD}---{}", GOOD.replace("name: integration", "name: second"));
        assert!(
            said(&twice).contains("document 2.spec.host: the host pattern front{user}.int.{domain} of class second")
        );
    }
}
