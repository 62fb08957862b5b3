//! The chart's values: each is in the schema with a sentence and in the documentation, and a wrong one is refused.

use super::helm::{SETS, chart, helm, root, template_text};
use super::turned::{TURNED, arguments};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

#[test]
fn helm_lint_has_nothing_to_say_of_any_set_of_values() {
    let chart = chart().display().to_string();
    for sets in SETS {
        let values = sets.iter().flat_map(|set| ["--set", set]);
        let lint = ["lint", "--strict", &chart, "--kube-version", "1.36.0"].into_iter().chain(values);
        let output = helm(&lint.collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stdout);
        let clean = output.status.success() && !said.contains("[WARNING]") && !said.contains("[ERROR]");
        assert!(clean, "{sets:?}: {said}");
    }
}

#[test]
fn a_wrong_value_is_refused_and_named() {
    for (set, place, said) in [
        ("gatewy.replicas=3", "at ''", "additional properties 'gatewy' not allowed"),
        ("gateway.replicsa=3", "at '/gateway'", "additional properties 'replicsa' not allowed"),
        ("gateway.kind=StatefulSet", "at '/gateway/kind'", "value must be one of 'Deployment', 'DaemonSet'"),
        ("gateway.replicas=many", "at '/gateway/replicas'", "got string, want integer"),
        ("gateway.ports.http=80", "at '/gateway/ports/http'", "minimum: got 80, want 1,024"),
        ("domain=Example_Com", "at '/domain'", "does not match pattern"),
        ("domain=", "at '/domain'", "minLength"),
        ("image.digest=sha256:12", "at '/image/digest'", "does not match pattern"),
        ("classes={playground}", "at '/classes/0'", "value must be one of 'integration'"),
        ("image.tag=latest", "image.tag", "names another image tomorrow"),
        ("namespaced=true", "namespaced", "needs `namespace`"),
        ("gateway.ports.admin=8080", "gateway.ports", "have to be three ports"),
        ("gateway.autoscaling.enabled=true,gateway.autoscaling.minReplicas=20", "autoscaling", "minReplicas is 20"),
        ("gateway.autoscaling.enabled=true,gateway.kind=DaemonSet", "autoscaling", "is not scaled"),
        ("manager.replicas=2", "manager.replicas", "an audit, tokens and webhooks of its own; name a PostgreSQL"),
        ("manager.tls.clientAuthorities.existingSecret=a", "clientAuthorities", "asked for by TLS alone"),
        ("manager.tls.secretName=a,manager.service.annotations.doorstep\\.dev/host=b", "annotations", "plain HTTP"),
        ("manager.dnsAuthority.enabled=true", "dnsAuthority", "the addresses of the gateway"),
        ("manager.dnsAuthority.port=53", "at '/manager/dnsAuthority/port'", "minimum: got 53, want 1,024"),
        ("manager.store.persistence.accessMode=ReadWriteMany", "accessMode", "value must be one of 'ReadWriteOnce'"),
        ("routes.file.a=b,routes.existingConfigMap=c", "routes", "not both"),
        ("gateway.podDisruptionBudget.maxUnavailable=0", "gateway.podDisruptionBudget", "could be drained"),
        ("manager.podDisruptionBudget.maxUnavailable=0%", "manager.podDisruptionBudget", "could be drained"),
        ("gateway.updateStrategy.rollingUpdate.maxSurge=0", "gateway.updateStrategy", "nothing could be replaced"),
        ("gateway.kind=DaemonSet,gateway.hostPorts.admin=443", "gateway.hostPorts", "different ports"),
    ] {
        let error = template_text(&["--set", set]).err().unwrap_or_else(|| panic!("{set}: accepted"));
        assert!(error.contains(place) && error.contains(said), "{set}: {error}");
    }
}

/// A value of the chart: its path, its default, its sentence.
struct Entry {
    path: String,
    default: Value,
    sentence: String,
}

/// Walks values and schema side by side; each has to know what the other does.
fn entries() -> Vec<Entry> {
    let read = |file: &str| std::fs::read_to_string(chart().join(file)).unwrap();
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let mut found = Vec::new();
    walk("", &values, &schema, &mut found);
    found
}

fn walk(path: &str, value: &Value, schema: &Value, found: &mut Vec<Entry>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let sentence = schema["description"].as_str().unwrap_or_default();
    assert!(path.is_empty() || sentence.ends_with('.'), "{path}: the schema has a sentence for it: {sentence:?}");
    // What Kubernetes defines is one value of ours; its fields are documented there.
    let foreign = sentence.contains("Context)") || sentence.contains("Requirements)") || sentence.contains("Strategy)");
    let properties = schema["properties"].as_object().filter(|_| !foreign);
    let Some(properties) = properties else {
        found.push(Entry { path: path.to_owned(), default: value.clone(), sentence: sentence.to_owned() });
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{path}: unknown values are refused");
    let fields = value.as_object().unwrap_or_else(|| panic!("{path}: an object in values.yaml"));
    for name in fields.keys() {
        assert!(properties.contains_key(name), "{}: not in the schema", below(name));
    }
    for (name, schema) in properties.iter().filter(|(name, _)| below(name) != "global") {
        let value = fields.get(name).unwrap_or_else(|| panic!("{}: not in values.yaml", below(name)));
        walk(&below(name), value, schema, found);
    }
}

#[test]
fn the_documented_values_are_those_of_the_chart() {
    let mut text = String::from(
        "# Values of the chart\n\n\
         Written by `DOORSTEP_UPDATE=1 cargo test --test deploy` from `deploy/chart/values.yaml` and its schema, which\n\
         refuses values that are not here or are of the wrong form.\n\n| value | default | what |\n|---|---|---|\n",
    );
    for Entry { path, default, sentence } in entries() {
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(text, "| `{path}` | `{}` | {} |", cell(&default.to_string()), cell(&sentence)).unwrap();
    }
    same(&text, "docs/chart-values.md");
}

/// What helm renders with these arguments.
fn rendered(arguments: &[String]) -> Result<String, String> {
    template_text(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn each_value_of_the_chart_changes_what_is_rendered() {
    let known: BTreeSet<String> = entries().into_iter().map(|entry| entry.path).collect();
    let turned: BTreeSet<String> = TURNED.iter().map(|(path, ..)| (*path).to_owned()).collect();
    assert_eq!(known.symmetric_difference(&turned).collect::<Vec<_>>(), Vec::<&String>::new(), "each is turned once");
    for one in TURNED {
        let (with, without) = arguments(one);
        let with = rendered(&with).unwrap_or_else(|said| panic!("{one:?}: {said}"));
        assert_ne!(with, rendered(&without).unwrap(), "{one:?} changes nothing");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_at_its_place() {
    for (path, ..) in TURNED {
        // Nothing of the chart may be a list of lists.
        let said = rendered(&["--set-json".to_owned(), format!("{path}=[[1]]")]).err();
        let said = said.unwrap_or_else(|| panic!("{path}: a list of lists was accepted"));
        let place = format!("at '/{}", path.replace('.', "/"));
        assert!(said.contains(&place), "{path}: {said}");
    }
}

/// Compares a generated text with its file, or writes it where that is asked for.
pub fn same(text: &str, file: &str) {
    let path = root().join(file);
    if std::env::var_os("DOORSTEP_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = text.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(found == text, "{file} is not what it is generated from ({line:?}); DOORSTEP_UPDATE=1 writes it");
}
