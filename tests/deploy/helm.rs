//! Helm, as a person calls it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sets of values that are looked at.
pub const SETS: &[&[&str]] = &[
    &[],
    &["gateway.kind=DaemonSet"],
    &["namespaced=true", "namespace=environments"],
    &[
        "serviceMonitor.enabled=true",
        "grafana.enabled=true",
        "networkPolicy.monitoringFrom[0].namespaceSelector.matchLabels.a=b",
    ],
    &[
        "gateway.autoscaling.enabled=true",
        "gateway.service.externalTrafficPolicy=Local",
        "certificates.namespace=certificates",
        "certificates.default=certificates/wildcard",
        "manager.store.persistence.enabled=false",
    ],
    &[
        "manager.tls.secretName=api-tls",
        "manager.tls.clientAuthorities.existingConfigMap=clients",
        "manager.identity.kubernetes.audiences={doorstep}",
        "manager.dnsAuthority.enabled=true",
        "manager.dnsAuthority.addresses={203.0.113.10}",
        "manager.dnsAuthority.peers={10.0.0.0/24}",
        "networkPolicy.dnsFrom[0].ipBlock.cidr=10.0.0.0/8",
        "serviceMonitor.enabled=true",
    ],
    &["manager.replicas=3", "manager.store.existingSecret=store", "routes.existingConfigMap=routes"],
    &["manager.enabled=false", "crds.install=false", "ingressClass.create=false"],
    &[
        "createNamespaces=true",
        "namespace=environments",
        "image.pullSecrets={registry}",
        "manager.token.existingSecret=own",
    ],
];

/// The chart.
pub fn chart() -> PathBuf {
    root().join("deploy/chart")
}

/// Runs helm: the one that `tests/run` built, or that of the machine.
pub fn helm(arguments: &[&str]) -> Output {
    let built = root().join("tests/.tools/bin/helm");
    let program = if built.exists() { built } else { PathBuf::from("helm") };
    let output = Command::new(&program).args(arguments).current_dir(root()).output();
    output.unwrap_or_else(|error| panic!("{} cannot be run: {error}; ./tests/run builds it", program.display()))
}

/// What `helm template` says with more arguments: the text, or the error.
pub fn template_text(arguments: &[&str]) -> Result<String, String> {
    let chart = chart().display().to_string();
    // A helm that `go install` built knows no version of Kubernetes and takes 1.20.
    let mut all = vec!["template", "doorstep", &chart, "--namespace", "doorstep", "--kube-version", "1.36.0"];
    all.extend(arguments);
    let output = helm(&all);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The objects of a text with several documents.
pub fn objects(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}"));
    all.into_iter().filter(|object| !object.is_null()).collect()
}

/// The objects that the chart makes with these `--set` values.
pub fn template(sets: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    objects(&template_text(&arguments).unwrap_or_else(|said| panic!("{sets:?}: {said}")))
}

/// `kind/name` of an object.
pub fn name(object: &Value) -> String {
    let part = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{}/{}", part("/kind"), part("/metadata/name"))
}

/// The one object of this name.
pub fn find<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|object| name(object) == wanted).collect();
    let names: Vec<String> = objects.iter().map(name).collect();
    assert_eq!(found.len(), 1, "one {wanted} among {names:?}");
    found[0]
}

/// The workloads among them.
pub fn workloads(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects.iter().filter(|object| ["Deployment", "DaemonSet"].contains(&object["kind"].as_str().unwrap_or_default()))
}
