//! Generated files are what their source makes of them now.
//!
//! `DOORSTEP_UPDATE=1 cargo test --test generated` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking"
)]

use std::path::Path;

#[test]
fn the_definitions_in_deploy_crds_are_those_of_the_code() {
    let files = doorstep::resources::crd_yaml().unwrap();
    holds("deploy/crds", &files);
    // Helm reads nothing from outside of the chart.
    holds("deploy/chart/files/crds", &files);
}

#[test]
fn the_classes_of_the_chart_are_the_shipped_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/classes");
    let files = folder.read_dir().unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
    });
    holds("deploy/chart/files/classes", &files.collect::<Vec<_>>());
}

/// Whether `folder` holds exactly these files; they are written where that is asked for.
fn holds(folder: &str, files: &[(impl AsRef<str>, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("DOORSTEP_UPDATE").is_some() {
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name.as_ref()), text).unwrap();
        }
    }
    for (name, text) in files {
        let name = name.as_ref();
        let found = std::fs::read_to_string(path.join(name)).unwrap_or_default();
        assert!(found == *text, "{folder}/{name} is not what it is made from; run with DOORSTEP_UPDATE=1 to write it");
    }
    let mut there: Vec<String> =
        path.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut known: Vec<&str> = files.iter().map(|(name, _)| name.as_ref()).collect();
    there.sort();
    known.sort_unstable();
    assert_eq!(there, known, "{folder} holds a file that nothing generates");
}

#[test]
fn the_rights_in_the_chart_are_those_of_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart/templates");
    for (name, text) in doorstep::cluster::rights::rbac_templates().unwrap() {
        if std::env::var_os("DOORSTEP_UPDATE").is_some() {
            std::fs::write(folder.join(&name), &text).unwrap();
        }
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        let told = "is not what the code makes; run with DOORSTEP_UPDATE=1 to write it";
        assert!(found == text, "deploy/chart/templates/{name} {told}");
    }
}

#[test]
fn the_files_read_back_as_the_definitions() {
    for ((name, text), definition) in
        doorstep::resources::crd_yaml().unwrap().iter().zip(doorstep::resources::definitions())
    {
        let read: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(read, serde_json::to_value(definition).unwrap(), "{name}");
    }
}

/// The rules of a structural schema that a real API server enforces, as far as ours could break them.
#[test]
fn the_schemas_are_structural() {
    for definition in doorstep::resources::definitions() {
        let value = serde_json::to_value(&definition).unwrap();
        let schema = value.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
        check(schema, "");
    }
}

fn check(schema: &serde_json::Value, path: &str) {
    let fields = schema.as_object().unwrap_or_else(|| panic!("{path}: a schema is an object"));
    if fields.get("x-kubernetes-int-or-string").is_some() {
        assert!(!fields.contains_key("type"), "{path}: int-or-string takes the place of a type");
        return;
    }
    assert!(fields.get("type").is_some_and(serde_json::Value::is_string), "{path}: one type, as a text: {schema}");
    for forbidden in ["$ref", "definitions", "deprecated", "const", "oneOf", "uniqueItems", "patternProperties"] {
        assert!(!fields.contains_key(forbidden), "{path}: {forbidden} is not allowed");
    }
    let both = fields.contains_key("properties") && fields.contains_key("additionalProperties");
    assert!(!both, "{path}: properties and additionalProperties exclude each other");
    if let Some(format) = fields.get("format").and_then(serde_json::Value::as_str) {
        assert!(["int32", "int64", "date-time", "double"].contains(&format), "{path}: format {format}");
    }
    if fields.get("x-kubernetes-list-type").is_some_and(|kind| kind == "map") {
        let required = schema.pointer("/items/required").cloned().unwrap_or_default();
        for key in fields["x-kubernetes-list-map-keys"].as_array().unwrap() {
            assert!(required.as_array().is_some_and(|r| r.contains(key)), "{path}: the key {key} has to be required");
        }
    }
    for (name, property) in fields.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten() {
        check(property, &format!("{path}.{name}"));
    }
    if let Some(items) = fields.get("items") {
        check(items, &format!("{path}[]"));
    }
    if let Some(values) = fields.get("additionalProperties") {
        check(values, &format!("{path}{{}}"));
    }
}
