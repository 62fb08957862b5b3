//! Create, update, patch, apply and delete.

use super::*;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy};

#[tokio::test]
async fn a_namespace_takes_what_is_in_it_along() {
    let cluster = cluster().await;
    let namespaces: KubeApi<Namespace> = KubeApi::all(cluster.server.client());
    let team = serde_json::from_value(json!({"metadata": {"name": "team"}})).unwrap();
    namespaces.create(&PostParams::default(), &team).await.unwrap();
    let maps: KubeApi<ConfigMap> = KubeApi::namespaced(cluster.server.client(), "team");
    maps.create(&PostParams::default(), &config_map("inside")).await.unwrap();
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    let gone = async {
        while namespaces.get_opt("team").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    assert!(maps.get_opt("inside").await.unwrap().is_none());
    let refused = maps.create(&PostParams::default(), &config_map("late")).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.message == "namespaces \"team\" not found"));
}
#[tokio::test]
async fn an_update_of_an_old_version_is_a_conflict_and_one_without_change_writes_nothing() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let first = maps.create(&PostParams::default(), &config_map("m")).await.unwrap();
    assert_eq!(maps.replace("m", &PostParams::default(), &first).await.unwrap(), first);
    let mut second = first.clone();
    second.data.as_mut().unwrap().insert("b".into(), "2".into());
    let second = maps.replace("m", &PostParams::default(), &second).await.unwrap();
    assert_ne!(second.metadata.resource_version, first.metadata.resource_version);
    let (code, reason, message) = status(maps.replace("m", &PostParams::default(), &first).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(
        message,
        "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes \
         to the latest version and try again"
    );
}

#[tokio::test]
async fn spec_and_status_are_written_apart_and_only_the_spec_counts_generations() {
    let cluster = cluster().await;
    let deployments = dynamic(&cluster.server, "apps", "v1", "Deployment");
    let made = deployments.create(&PostParams::default(), &deployment()).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.data["spec"]["replicas"], 1);
    assert_eq!(made.data["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    let both = json!({"spec": {"replicas": 3}, "status": {"replicas": 7, "observedGeneration": 1}});
    let patch = Patch::Merge(&both);
    let spec = deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!((spec.metadata.generation, spec.data["status"].get("replicas")), (Some(2), None));
    let told = deployments.patch_status("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!((told.metadata.generation, &told.data["status"]["replicas"]), (Some(2), &json!(7)));
    assert_eq!(told.data["spec"]["replicas"], 3);
    let five = Patch::Merge(json!({"spec": {"replicas": 5}}));
    let scaled = deployments.patch_scale("web", &PatchParams::default(), &five).await;
    assert_eq!(scaled.unwrap().spec.unwrap().replicas, Some(5));
}

#[tokio::test]
async fn apply_makes_changes_and_refuses_what_others_own() {
    let cluster = cluster().await;
    let deployments = dynamic(&cluster.server, "apps", "v1", "Deployment");
    let applied = serde_json::to_value(deployment()).unwrap();
    let mine = PatchParams::apply("mine");
    let made = deployments.patch("web", &mine, &Patch::Apply(&applied)).await.unwrap();
    let again = deployments.patch("web", &mine, &Patch::Apply(&applied)).await.unwrap();
    assert_eq!(again.metadata.resource_version, made.metadata.resource_version);
    let other = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "spec": {"template": {"spec": {"containers": [{"name": "front", "image": "front:2"}]}}},
    });
    let theirs = PatchParams::apply("theirs");
    let (code, reason, message) = status(deployments.patch("web", &theirs, &Patch::Apply(&other)).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.contains(".spec.template.spec.containers[name=\"front\"].image"), "{message}");
    let forced = deployments.patch("web", &theirs.force(), &Patch::Apply(&other)).await.unwrap();
    assert_eq!(forced.data["spec"]["template"]["spec"]["containers"][0]["image"], "front:2");
    assert_eq!(forced.metadata.generation, Some(2));
}

#[tokio::test]
async fn what_is_wrong_with_an_environment_is_told_and_nothing_is_made() {
    let cluster = cluster().await;
    let environments = dynamic(&cluster.server, "doorstep.dev", "v1alpha1", "Environment");
    let environment = |name: &str, spec: Value| {
        object(json!({
            "apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment", "metadata": {"name": name}, "spec": spec,
        }))
    };
    let wrong = environment("a-b-staging", json!({"user": "a-b", "class": "staging"}));
    let (code, reason, message) = status(environments.create(&PostParams::default(), &wrong).await);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert!(
        message.starts_with("Environment.doorstep.dev \"a-b-staging\" is invalid: spec.user: Invalid value"),
        "{message}"
    );
    let wrong = environment("../x-staging", json!({"user": "x", "class": "staging"}));
    let (_, _, message) = status(environments.create(&PostParams::default(), &wrong).await);
    assert!(message.contains("a lowercase RFC 1123 subdomain must consist of"), "{message}");
    let right = environment("ab-staging", json!({"user": "ab", "class": "staging", "unknown": 1}));
    let made = environments.create(&PostParams::default(), &right).await.unwrap();
    assert_eq!(made.data["spec"].get("unknown"), None);
    let patch = Patch::Merge(json!({"spec": {"user": "cd"}}));
    let (_, _, message) = status(environments.patch("ab-staging", &PatchParams::default(), &patch).await);
    assert!(message.contains("spec.user never changes"), "{message}");
    assert_eq!(environments.get("ab-staging").await.unwrap(), made);
}

#[tokio::test]
async fn a_pod_on_a_node_stays_until_its_node_lets_it_go() {
    let cluster = cluster().await;
    let pods = dynamic(&cluster.server, "", "v1", "Pod");
    let pod = |name: &str, node: Value| {
        object(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
        }))
    };
    pods.create(&PostParams::default(), &pod("waits", Value::Null)).await.unwrap();
    pods.delete("waits", &DeleteParams::default()).await.unwrap();
    assert!(pods.get_opt("waits").await.unwrap().is_none());
    pods.create(&PostParams::default(), &pod("runs", json!("n"))).await.unwrap();
    pods.delete("runs", &DeleteParams::default()).await.unwrap();
    let marked = pods.get("runs").await.unwrap();
    assert!(marked.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.metadata.deletion_grace_period_seconds, Some(30));
    pods.delete("runs", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(pods.get_opt("runs").await.unwrap().is_none());
}

#[tokio::test]
async fn finalizers_and_foreground_deletion_keep_an_object() {
    let cluster = cluster().await;
    let deployments = dynamic(&cluster.server, "apps", "v1", "Deployment");
    deployments.create(&PostParams::default(), &deployment()).await.unwrap();
    let foreground =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    deployments.delete("web", &foreground).await.unwrap();
    let kept = deployments.get("web").await.unwrap();
    assert_eq!(kept.metadata.finalizers.as_deref(), Some(["foregroundDeletion".to_owned()].as_slice()));
    let add = Patch::Merge(json!({"metadata": {"finalizers": ["foregroundDeletion", "late.example/x"]}}));
    let (_, _, message) = status(deployments.patch("web", &PatchParams::default(), &add).await);
    assert!(message.contains("no new finalizers can be added if the object is being deleted"), "{message}");
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    deployments.patch("web", &PatchParams::default(), &release).await.unwrap();
    assert!(deployments.get_opt("web").await.unwrap().is_none());
}

#[tokio::test]
async fn services_get_addresses_of_their_own_and_keep_them() {
    let cluster = cluster().await;
    let services = dynamic(&cluster.server, "", "v1", "Service");
    let service = |name: &str| {
        object(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
        }))
    };
    let first = services.create(&PostParams::default(), &service("first")).await.unwrap();
    let second = services.create(&PostParams::default(), &service("second")).await.unwrap();
    let address = |service: &kube::api::DynamicObject| service.data["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert!(address(&first).starts_with("10.96."));
    assert_ne!(address(&first), address(&second));
    assert_eq!(first.data["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    let again = services.replace("first", &PostParams::default(), &service("first")).await.unwrap();
    assert_eq!(again, first);
}

#[tokio::test]
async fn events_of_both_groups_are_the_same_events() {
    let cluster = cluster().await;
    let new = dynamic(&cluster.server, "events.k8s.io", "v1", "Event");
    let event = object(json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"generateName": "e"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}, "note": "it is so", "reason": "So",
        "type": "Normal", "action": "Do", "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "c", "reportingInstance": "i",
    }));
    let made = new.create(&PostParams::default(), &event).await.unwrap();
    assert_eq!(made.data["note"], "it is so");
    let core = dynamic(&cluster.server, "", "v1", "Event");
    let selector = kube::api::ListParams::default().fields("involvedObject.name=p,reason=So");
    let listed = core.list(&selector).await.unwrap();
    assert_eq!(listed.items[0].data["message"], "it is so");
    assert_eq!(listed.items[0].data["reportingComponent"], "c");
}
