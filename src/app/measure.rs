//! What environments use, for costs: each minute, what the pods that run for them request, by what is known of them then.

use crate::cluster::Shared;
use crate::cluster::shared::Packed;
use crate::model::{Clock, EnvironmentKey, milli};
use crate::resources::labels::{CLASS, USER};
use crate::store::{Measured, Store};
use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(60);
/// A longer pause between two looks is not counted: nobody knows what was in between.
const MOST: i64 = 300_000;
const MIB: i128 = 1024 * 1024;

/// What measuring needs.
pub(super) struct Measure {
    pub(super) store: Store,
    pub(super) clock: Clock,
    /// The pods of environments.
    pub(super) pods: Arc<Shared<Packed<Pod>>>,
    pub(super) namespace: String,
}

impl Measure {
    /// Measures until `end`.
    pub(super) async fn run(self, end: CancellationToken) {
        let mut last = None;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = look.tick() => {}
            }
            let now = self.clock.now();
            let from =
                last.replace(now).filter(|last: &Timestamp| now.as_millisecond() - last.as_millisecond() <= MOST);
            let Some(from) = from else { continue };
            if let Err(error) = self.look(from, now).await {
                tracing::warn!(error = format!("{error:#}"), "what environments use was not counted this minute");
            }
        }
    }

    async fn look(&self, from: Timestamp, to: Timestamp) -> anyhow::Result<()> {
        let mut sums = BTreeMap::<EnvironmentKey, (i64, i64)>::new();
        let pods = self.pods.all(Some(&self.namespace)).context("the pods have not been listed yet")?;
        for (key, cpu, memory) in pods.iter().filter_map(|pod| requested(&pod.unpack()?)) {
            let sum = sums.entry(key).or_default();
            *sum = (sum.0.saturating_add(cpu), sum.1.saturating_add(memory));
        }
        for (key, (cpu_millicores, memory_mib)) in sums {
            let (user, class) = (key.user.to_string(), key.class.to_string());
            self.store.usage().add(&Measured { user, class, from, to, cpu_millicores, memory_mib }).await?;
        }
        Ok(())
    }
}

/// Whose a pod is, and what it requests: thousandths of a processor, and MiB. One that has ended requests nothing.
fn requested(pod: &Pod) -> Option<(EnvironmentKey, i64, i64)> {
    let labels = pod.metadata.labels.as_ref()?;
    let key = EnvironmentKey::new(labels.get(USER)?.parse().ok()?, labels.get(CLASS)?.parse().ok()?);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return None;
    }
    let sum = |name: &str| {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let requests = containers.filter_map(|container| container.resources.as_ref()?.requests.as_ref()?.get(name));
        requests.filter_map(|request| milli(&request.0)).sum::<i128>()
    };
    let whole = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
    Some((key, whole(sum("cpu")), whole(sum("memory") / 1000 / MIB)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::SharedKinds;
    use crate::embedded::api::{ApiConfig, ApiServer};
    use crate::store::{StoreUrl, UsageFilter};
    use crate::tls::Authority;
    use kube::Api;
    use kube::api::PostParams;
    use serde_json::json;

    fn pod(name: &str, user: &str, requests: &serde_json::Value) -> Pod {
        let container = |name: &str| json!({"name": name, "image": "x", "resources": {"requests": requests}});
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {USER: user, CLASS: "integration"}},
            "spec": {"containers": [container("front"), container("side")]},
        }))
        .unwrap()
    }

    #[test]
    fn what_a_pod_requests_is_the_sum_of_its_containers() {
        let running = pod("a", "anna", &json!({"cpu": "250m", "memory": "64Mi"}));
        let (key, cpu, memory) = requested(&running).unwrap();
        assert_eq!((key.to_string().as_str(), cpu, memory), ("anna-integration", 500, 128));
        let mut ended = running.clone();
        ended.status = Some(serde_json::from_value(json!({"phase": "Succeeded"})).unwrap());
        assert!(requested(&ended).is_none());
        assert!(requested(&pod("a", "an-na", &json!({}))).is_none(), "no user's");
        assert_eq!(requested(&pod("a", "anna", &json!({"cpu": "x"}))).unwrap().1, 0);
    }

    #[tokio::test]
    async fn the_pods_of_an_environment_are_summed_up_and_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
        let cluster = ApiServer::open(config, &authority).await.unwrap();
        let store = Store::open(&StoreUrl::in_folder(folder.path())).await.unwrap();
        let pods: Api<Pod> = Api::default_namespaced(cluster.client());
        for (name, user) in [("a", "anna"), ("b", "anna"), ("c", "ben")] {
            let pod = pod(name, user, &json!({"cpu": "1", "memory": "1Gi"}));
            pods.create(&PostParams::default(), &pod).await.unwrap();
        }
        let (kinds, end) = (SharedKinds::default(), CancellationToken::new());
        kinds.watch_pods(&cluster.client(), None, &end);
        assert!(kinds.pods.subscribe(None).next().await.is_some());
        let (clock, pods, namespace) = (Clock::system(), kinds.pods.clone(), "default".to_owned());
        let measure = Measure { store: store.clone(), clock, pods, namespace };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, to) = (at("2026-11-25T08:00:00Z"), at("2026-11-25T08:01:00Z"));
        measure.look(from, to).await.unwrap();
        // Another manager that looked at the same minute.
        measure.look(from, to).await.unwrap();
        let by = UsageFilter { by_user: true, ..UsageFilter::default() };
        let rows = store.usage().sums(&by).await.unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.user.as_str(), row.awake_ms, row.cpu_core_ms)).collect();
        assert_eq!(told, [("anna", 60_000, 240_000), ("ben", 60_000, 120_000)]);
        assert_eq!(rows[1].memory_mib_ms, 60_000 * 2048);
        end.cancel();
        cluster.shutdown(Duration::from_secs(1)).await;
    }
}
