//! Files of classes: `EnvironmentClass` manifests, one or more a file.

use super::fields::Mistakes;
use super::{ConfigErrors, schema};
use crate::model::shown;
use crate::resources::{Class, EnvironmentClass};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Reads the manifests of a file and checks each, and that no two patterns may make the same host.
pub fn read_classes(text: &str, file: &str) -> Result<Vec<EnvironmentClass>, ConfigErrors> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        let said = error.to_string();
        ConfigErrors::one(file, "", format!("it is no valid YAML: {}", said.lines().next().unwrap_or_default()))
    })?;
    let mut mistakes = Mistakes::default();
    let form = form();
    let mut checked: Vec<Class> = Vec::new();
    let mut classes = Vec::new();
    for (index, document) in documents.into_iter().enumerate().filter(|(_, document)| !document.is_null()) {
        let place = format!("document {}", index + 1);
        let Some(class) = manifest(document, &form, &place, &mut mistakes) else { continue };
        match Class::try_from(&class) {
            Ok(class) => {
                if checked.iter().any(|other| other.name == class.name) {
                    mistakes.add(&format!("{place}.metadata.name"), format!("the class {} stands twice", class.name));
                }
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

fn manifest(document: Value, form: &Value, place: &str, mistakes: &mut Mistakes) -> Option<EnvironmentClass> {
    let word = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    let wanted = format!("{}/{}", crate::resources::GROUP, crate::resources::VERSION);
    if (version.as_str(), kind.as_str()) != (wanted.as_str(), "EnvironmentClass") {
        mistakes.add(
            place,
            format!(
                "its apiVersion and kind are {} and {}; they should be {wanted} and EnvironmentClass",
                shown(&version),
                shown(&kind)
            ),
        );
        return None;
    }
    let before = mistakes.count();
    schema::check(&document, form, place, mistakes);
    if mistakes.count() > before {
        return None;
    }
    serde_json::from_value(document).map_err(|error| mistakes.add(place, error)).ok()
}

/// The schema of a manifest: that of the custom resource, with the fields that every object has.
fn form() -> Value {
    let definition = serde_json::to_value(EnvironmentClass::crd()).unwrap_or_default();
    let mut form = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default();
    if let Some(fields) = form.pointer_mut("/properties").and_then(Value::as_object_mut) {
        let text = || json!({"type": "string"});
        fields.insert("apiVersion".to_owned(), text());
        fields.insert("kind".to_owned(), text());
        fields.insert("metadata".to_owned(), json!({"type": "object"}));
    }
    form
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
        let two = said(&GOOD.replace("  port: 8080", "  prt: 1\n  port: high\n  replicas: -1"));
        for part in [
            "classes.yaml has 3 mistakes",
            "document 1.spec.prt: the field \"prt\" is not known",
            "document 1.spec.port: it is a text; it should be a whole number",
            "document 1.spec.replicas: -1 is out of range; 0 to 100 is in it",
        ] {
            assert!(two.contains(part), "no «{part}» in {two}");
        }
        assert!(said("kind: [").contains("no valid YAML"));
        assert!(said("").contains("no EnvironmentClass"));
        let twice = format!("{GOOD}---{}", GOOD.replace("name: integration", "name: second"));
        assert!(
            said(&twice).contains("document 2.spec.host: the host pattern front{user}.int.{domain} of class second")
        );
    }

    #[test]
    fn hostile_files_are_refused_in_a_sentence() {
        let laughs = (1..12).fold("a0: &a0 [x, x]".to_owned(), |text, level| {
            let below = format!("*a{}", level - 1);
            format!("{text}\na{level}: &a{level} [{}]", vec![below; 10].join(", "))
        });
        let deep = "[".repeat(200_000);
        let nested: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        let twice = GOOD.replace("  port: 8080", "  port: 8080\n  port: 8081");
        for text in [&laughs, &deep, &nested, "kind:\n\t- x", &twice] {
            let said = said(text);
            assert!(said.contains("no valid YAML") && said.len() < 500, "{said}");
        }
    }
}
