//! Tests of the OpenAPI documents.

use super::*;

fn each(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                visit(name, field);
                each(field, visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, visit)),
        _ => {}
    }
}

#[test]
fn the_index_names_every_document() {
    let index = v3_index();
    let versions: Vec<&String> = index["paths"].as_object().expect("paths").keys().collect();
    assert!(versions.iter().any(|version| *version == "api/v1"), "{versions:?}");
    assert!(versions.iter().any(|version| *version == "apis/doorstep.dev/v1alpha1"), "{versions:?}");
    for version in versions {
        assert!(v3_document(version).is_some(), "{version}");
        let url = index["paths"][version]["serverRelativeURL"].as_str().expect("an address");
        assert!(url.starts_with(&format!("/openapi/v3/{version}?hash=")), "{url}");
    }
    assert_eq!(v3_document("apis/nobody/v1"), None);
}

#[test]
fn every_reference_leads_somewhere() {
    let mut documents: Vec<(Value, &str, &str)> =
        DOCUMENTS.values().map(|document| (document.clone(), "/components/schemas", "#/components/schemas/")).collect();
    documents.push((v2_document(), "/definitions", "#/definitions/"));
    for (document, place, prefix) in documents {
        let schemas = document.pointer(place).and_then(Value::as_object).expect("schemas").clone();
        let mut references = 0;
        each(&document, &mut |name, value| {
            if let ("$ref", Some(target)) = (name, value.as_str()) {
                let name = target.strip_prefix(prefix).unwrap_or_else(|| panic!("{target}"));
                assert!(schemas.contains_key(name), "{target}");
                references += 1;
            }
        });
        assert!(references > 10);
    }
}

#[test]
fn a_patch_tells_of_field_validation_and_its_media_types() {
    for (version, path, kind, strategic) in [
        ("api/v1", "/api/v1/namespaces/{namespace}/pods/{name}", "Pod", true),
        ("api/v1", "/api/v1/namespaces/{name}", "Namespace", true),
        (
            "apis/doorstep.dev/v1alpha1",
            "/apis/doorstep.dev/v1alpha1/namespaces/{namespace}/environments/{name}",
            "Environment",
            false,
        ),
        (
            "apis/doorstep.dev/v1alpha1",
            "/apis/doorstep.dev/v1alpha1/environmentclasses/{name}/status",
            "EnvironmentClass",
            false,
        ),
    ] {
        let document = v3_document(version).expect("a document");
        let patch = &document["paths"][path]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], kind);
        let parameters = patch["parameters"].as_array().expect("parameters");
        assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"));
        let content = patch["requestBody"]["content"].as_object().expect("media types");
        assert_eq!(content.contains_key("application/strategic-merge-patch+json"), strategic);
    }
}

#[test]
fn schemas_carry_their_kind_and_their_merge_keys() {
    let document = v3_document("apis/apps/v1").expect("a document");
    let schemas = &document["components"]["schemas"];
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        deployment["x-kubernetes-group-version-kind"],
        json!([{"group": "apps", "version": "v1", "kind": "Deployment"}])
    );
    assert!(deployment["properties"]["spec"]["allOf"][0]["$ref"].is_string(), "{deployment}");
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let ours = v3_document("apis/doorstep.dev/v1alpha1").expect("a document");
    let environment = &ours["components"]["schemas"]["dev.doorstep.v1alpha1.Environment"];
    assert_eq!(environment["properties"]["spec"]["properties"]["user"]["type"], "string");
    assert!(environment["properties"]["metadata"]["allOf"].is_array());
}
