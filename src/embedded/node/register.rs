//! The node's own object, and the sign of life that it gives.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{
            DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus, NodeSystemInfo,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{MicroTime, ObjectMeta, Time},
    },
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

/// The control plane takes a node for lost after 40 s of silence.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// More pods than this would want more of a machine than it has.
const PODS: &str = "1000";

/// What the node says of itself.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub name: String,
    pub address: IpAddr,
    /// Where an API server of another process reads logs.
    pub port: Option<u16>,
}

/// Writes the Node object and its status.
pub(super) async fn register(client: &Client, registration: &Registration) -> Result<(), kube::Error> {
    let api: Api<Node> = Api::all(client.clone());
    let name = registration.name.as_str();
    let node = Node {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels(name)), ..ObjectMeta::default() },
        spec: Some(NodeSpec::default()),
        status: None,
    };
    match api.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let patch = json!({"metadata": {"labels": labels(name)}, "spec": {"unschedulable": null}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        result => drop(result?),
    }
    write_status(&api, registration).await
}

/// Gives a sign of life until the node ends: a Lease where there is a place for it, else the node's status.
pub(super) async fn heartbeat(client: Client, registration: Registration) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), LEASE_NAMESPACE);
    let nodes: Api<Node> = Api::all(client);
    let mut every = tokio::time::interval(HEARTBEAT_EVERY);
    loop {
        every.tick().await;
        let renewed = renew(&leases, &registration.name).await;
        if let Err(error) = renewed
            && let Err(status) = write_status(&nodes, &registration).await
        {
            tracing::warn!(lease = %error, %status, "the node's sign of life could not be written");
        }
    }
}

async fn renew(leases: &Api<Lease>, name: &str) -> Result<(), kube::Error> {
    let now = MicroTime(Timestamp::now());
    let patch = json!({"spec": {"holderIdentity": name, "renewTime": now}});
    match leases.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let lease: Lease = Lease {
                metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
                spec: Some(k8s_openapi::api::coordination::v1::LeaseSpec {
                    holder_identity: Some(name.to_owned()),
                    lease_duration_seconds: Some(40),
                    renew_time: Some(now),
                    ..Default::default()
                }),
            };
            leases.create(&PostParams::default(), &lease).await.map(drop)
        }
        result => result.map(drop),
    }
}

async fn write_status(api: &Api<Node>, registration: &Registration) -> Result<(), kube::Error> {
    let patch = json!({"status": status(registration, Timestamp::now())});
    api.patch_status(&registration.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}

pub(super) fn labels(name: &str) -> BTreeMap<String, String> {
    [("kubernetes.io/hostname", name), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", architecture())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn status(registration: &Registration, now: Timestamp) -> NodeStatus {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let memory = read("/proc/meminfo").lines().find_map(|line| {
        line.strip_prefix("MemTotal:").and_then(|value| Some(format!("{}Ki", value.trim().strip_suffix("kB")?.trim())))
    });
    let capacity: BTreeMap<String, Quantity> =
        [("cpu", cores.to_string()), ("memory", memory.unwrap_or_else(|| "0".to_owned())), ("pods", PODS.to_owned())]
            .map(|(key, value)| (key.to_owned(), Quantity(value)))
            .into();
    let condition = |type_: &str, status: &str, reason: &str| NodeCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: None,
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    };
    let addresses = [("InternalIP", registration.address.to_string()), ("Hostname", registration.name.clone())];
    let endpoint = |port: u16| NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: port.into() }) };
    NodeStatus {
        daemon_endpoints: registration.port.map(endpoint),
        allocatable: Some(capacity.clone()),
        capacity: Some(capacity),
        conditions: Some(vec![
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID"),
            condition("Ready", "True", "KubeletReady"),
        ]),
        addresses: Some(addresses.map(|(type_, address)| NodeAddress { type_: type_.to_owned(), address }).into()),
        node_info: Some(NodeSystemInfo {
            architecture: architecture().to_owned(),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            container_runtime_version: format!("process://{}", env!("CARGO_PKG_VERSION")),
            kernel_version: read("/proc/sys/kernel/osrelease"),
            kubelet_version: format!("doorstep-{}", env!("CARGO_PKG_VERSION")),
            machine_id: read("/etc/machine-id"),
            operating_system: "linux".to_owned(),
            os_image: "Linux".to_owned(),
            ..NodeSystemInfo::default()
        }),
        ..NodeStatus::default()
    }
}
