//! Tables of built-in kinds, with the columns of a real API server.

use super::super::json;
use super::super::kinds::KindInfo;
use super::{Column, age, pods, text_or};
use serde_json::Value;

/// Columns as one line: `!` before a name is an integer, `+` one that only `-o wide` shows.
fn described(kind: &KindInfo) -> &'static [&'static str] {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => {
            &["Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"]
        }
        ("apps", "Deployment") => {
            &["Name", "Ready", "!Up-to-date", "!Available", "Age", "+Containers", "+Images", "+Selector"]
        }
        ("apps", "ReplicaSet") => {
            &["Name", "!Desired", "!Current", "!Ready", "Age", "+Containers", "+Images", "+Selector"]
        }
        ("apps", "ControllerRevision") => &["Name", "Controller", "!Revision", "Age"],
        ("", "Service") => &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"],
        ("discovery.k8s.io", "EndpointSlice") => &["Name", "AddressType", "Ports", "Endpoints", "Age"],
        ("", "Node") => &[
            "Name",
            "Status",
            "Roles",
            "Age",
            "Version",
            "+Internal-IP",
            "+External-IP",
            "+OS-Image",
            "+Kernel-Version",
            "+Container-Runtime",
        ],
        ("", "Namespace") => &["Name", "Status", "Age"],
        ("", "ConfigMap") => &["Name", "!Data", "Age"],
        ("", "Secret") => &["Name", "Type", "!Data", "Age"],
        ("" | "events.k8s.io", "Event") => &[
            "Last Seen",
            "Type",
            "Reason",
            "Object",
            "+Subobject",
            "+Source",
            "Message",
            "+First Seen",
            "+Count",
            "+Name",
        ],
        ("networking.k8s.io", "Ingress") => &["Name", "Class", "Hosts", "Address", "Ports", "Age"],
        ("networking.k8s.io", "IngressClass") => &["Name", "Controller", "Parameters", "Age"],
        ("coordination.k8s.io", "Lease") => &["Name", "Holder", "Age"],
        ("", "ServiceAccount") => &["Name", "Age"],
        ("apiextensions.k8s.io", _) => &["Name", "Created At"],
        _ => &["Name", "Age"],
    }
}

pub(super) fn columns(kind: &KindInfo) -> Vec<Column> {
    let column = |text: &&str| {
        let priority = i32::from(text.starts_with('+'));
        let name = text.trim_start_matches(['+', '!']);
        if text.starts_with('!') { Column::integer(name, priority) } else { Column::new(name, priority) }
    };
    described(kind).iter().map(column).collect()
}

pub(super) fn cells(kind: &KindInfo, object: &Value) -> Vec<Value> {
    let name = || Value::from(json::text(object, "/metadata/name"));
    let created = || age(object, "/metadata/creationTimestamp");
    let entries = |pointer: &str| json::map(object, pointer).map_or(0, serde_json::Map::len);
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => pods::cells(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("apps", "ControllerRevision") => {
            let revision = json::integer(object, "/revision").unwrap_or_default();
            vec![name(), Value::from(controller(object)), Value::from(revision), created()]
        }
        ("", "Service") => service(object),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(object),
        ("", "Node") => node(object),
        ("", "Namespace") => vec![name(), text_or(object, "/status/phase", "Active"), created()],
        ("", "ConfigMap") => vec![name(), Value::from(entries("/data") + entries("/binaryData")), created()],
        ("", "Secret") => vec![name(), text_or(object, "/type", "Opaque"), Value::from(entries("/data")), created()],
        ("" | "events.k8s.io", "Event") => event(object),
        ("networking.k8s.io", "Ingress") => ingress(object),
        ("networking.k8s.io", "IngressClass") => {
            let (controller, none) = (text_or(object, "/spec/controller", "<none>"), Value::from("<none>"));
            vec![name(), controller, none, created()]
        }
        ("coordination.k8s.io", "Lease") => vec![name(), text_or(object, "/spec/holderIdentity", ""), created()],
        ("apiextensions.k8s.io", _) => vec![name(), text_or(object, "/metadata/creationTimestamp", "<unknown>")],
        _ => vec![name(), created()],
    }
}

fn count(object: &Value, pointer: &str) -> i64 {
    json::integer(object, pointer).unwrap_or_default()
}

/// Names and images of a template's containers, and the selector.
fn template(object: &Value) -> [Value; 3] {
    let containers = json::items(object, "/spec/template/spec/containers");
    let joined = |field: &str| containers.iter().map(|c| json::text(c, field)).collect::<Vec<_>>().join(",");
    [Value::from(joined("/name")), Value::from(joined("/image")), selector(object, "/spec/selector/matchLabels")]
}

fn selector(object: &Value, pointer: &str) -> Value {
    let pairs: Vec<String> = json::map(object, pointer)
        .into_iter()
        .flatten()
        .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()))
        .collect();
    Value::from(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") })
}

fn deployment(object: &Value) -> Vec<Value> {
    let ready = format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"));
    let mut cells = vec![
        Value::from(json::text(object, "/metadata/name")),
        Value::from(ready),
        Value::from(count(object, "/status/updatedReplicas")),
        Value::from(count(object, "/status/availableReplicas")),
        age(object, "/metadata/creationTimestamp"),
    ];
    cells.extend(template(object));
    cells
}

fn replica_set(object: &Value) -> Vec<Value> {
    let mut cells = vec![
        Value::from(json::text(object, "/metadata/name")),
        Value::from(count(object, "/spec/replicas")),
        Value::from(count(object, "/status/replicas")),
        Value::from(count(object, "/status/readyReplicas")),
        age(object, "/metadata/creationTimestamp"),
    ];
    cells.extend(template(object));
    cells
}

/// The owner that controls an object, as `kind/name` with the group.
fn controller(object: &Value) -> String {
    let owners = json::items(object, "/metadata/ownerReferences");
    let controls = |owner: &&Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
    let Some(owner) = owners.iter().find(controls) else { return "<none>".to_owned() };
    let kind = json::text(owner, "/kind").to_lowercase();
    let name = json::text(owner, "/name");
    match json::text(owner, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

fn ingress(object: &Value) -> Vec<Value> {
    let texts = |pointer: &str, field: &str| -> Vec<String> {
        let items = json::items(object, pointer).iter();
        items.map(|item| json::text(item, field).to_owned()).filter(|text| !text.is_empty()).collect()
    };
    let hosts = texts("/spec/rules", "/host");
    let addresses: Vec<String> = json::items(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|one| [json::text(one, "/ip"), json::text(one, "/hostname")].concat())
        .collect();
    let ports = if json::items(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        Value::from(json::text(object, "/metadata/name")),
        text_or(object, "/spec/ingressClassName", "<none>"),
        Value::from(if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }),
        Value::from(addresses.join(",")),
        Value::from(ports),
        age(object, "/metadata/creationTimestamp"),
    ]
}

fn service(object: &Value) -> Vec<Value> {
    let port = |port: &Value| {
        let number = count(port, "/port");
        let protocol = match json::text(port, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        match json::integer(port, "/nodePort") {
            Some(node_port) if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    };
    let ports: Vec<String> = json::items(object, "/spec/ports").iter().map(port).collect();
    let external = match json::text(object, "/spec/type") {
        "ExternalName" => text_or(object, "/spec/externalName", "<none>"),
        "LoadBalancer" => text_or(object, "/status/loadBalancer/ingress/0/ip", "<pending>"),
        _ => text_or(object, "/spec/externalIPs/0", "<none>"),
    };
    vec![
        Value::from(json::text(object, "/metadata/name")),
        text_or(object, "/spec/type", "ClusterIP"),
        text_or(object, "/spec/clusterIP", "<none>"),
        external,
        Value::from(if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }),
        age(object, "/metadata/creationTimestamp"),
        selector(object, "/spec/selector"),
    ]
}

/// How many of a list are shown before the rest is counted.
const SHOWN: usize = 3;

fn shortened(all: &[String], none: &str) -> Value {
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(",");
    Value::from(match all.len() {
        0 => none.to_owned(),
        count if count > SHOWN => format!("{shown} + {} more...", count - SHOWN),
        _ => shown,
    })
}

fn endpoint_slice(object: &Value) -> Vec<Value> {
    let port = |port: &Value| json::integer(port, "/port").map_or_else(|| "*".to_owned(), |port| port.to_string());
    let ports: Vec<String> = json::items(object, "/ports").iter().map(port).collect();
    let endpoints = json::items(object, "/endpoints").iter().flat_map(|endpoint| json::items(endpoint, "/addresses"));
    let addresses: Vec<String> = endpoints.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    vec![
        Value::from(json::text(object, "/metadata/name")),
        text_or(object, "/addressType", "<unset>"),
        shortened(&ports, "<unset>"),
        shortened(&addresses, "<unset>"),
        age(object, "/metadata/creationTimestamp"),
    ]
}

fn node(object: &Value) -> Vec<Value> {
    let conditions = json::items(object, "/status/conditions");
    let ready = conditions.iter().find(|condition| json::text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| json::text(condition, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    let roles: Vec<&str> = json::map(object, "/metadata/labels")
        .into_iter()
        .flatten()
        .filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let address = |kind: &str| {
        let all = json::items(object, "/status/addresses");
        let found = all.iter().find(|address| json::text(address, "/type") == kind);
        found.map_or_else(|| Value::from("<none>"), |address| text_or(address, "/address", "<none>"))
    };
    vec![
        Value::from(json::text(object, "/metadata/name")),
        Value::from(status),
        Value::from(if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }),
        age(object, "/metadata/creationTimestamp"),
        text_or(object, "/status/nodeInfo/kubeletVersion", ""),
        address("InternalIP"),
        address("ExternalIP"),
        text_or(object, "/status/nodeInfo/osImage", "<unknown>"),
        text_or(object, "/status/nodeInfo/kernelVersion", "<unknown>"),
        text_or(object, "/status/nodeInfo/containerRuntimeVersion", "<unknown>"),
    ]
}

fn event(object: &Value) -> Vec<Value> {
    let first_of =
        |pointers: &[&'static str]| pointers.iter().copied().find(|pointer| !json::text(object, pointer).is_empty());
    let when =
        |pointers: &[&'static str]| first_of(pointers).map_or_else(|| Value::from("<unknown>"), |at| age(object, at));
    let subject = format!(
        "{}/{}",
        json::text(object, "/involvedObject/kind").to_lowercase(),
        json::text(object, "/involvedObject/name")
    );
    let source = first_of(&["/source/component", "/reportingComponent"]);
    let repeated = json::integer(object, "/series/count").or_else(|| json::integer(object, "/count")).unwrap_or(1);
    vec![
        when(&["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]),
        text_or(object, "/type", ""),
        text_or(object, "/reason", ""),
        Value::from(subject),
        text_or(object, "/involvedObject/fieldPath", ""),
        source.map_or_else(|| Value::from(""), |at| text_or(object, at, "")),
        Value::from(json::text(object, "/message").trim()),
        when(&["/firstTimestamp", "/eventTime", "/metadata/creationTimestamp"]),
        Value::from(repeated.to_string()),
        text_or(object, "/metadata/name", ""),
    ]
}
