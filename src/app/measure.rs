//! What environments use, for costs: each minute, what the pods that run for them request.

use crate::model::{Clock, EnvironmentKey, milli};
use crate::resources::labels::{CLASS, USER};
use crate::store::{Measured, Store};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(60);
/// A longer pause between two looks is not counted: nobody knows what was in between.
const MOST: i64 = 300_000;
/// How many pods are asked of the cluster at once.
const PAGE: u32 = 500;
const MIB: i128 = 1024 * 1024;

/// What measuring needs.
pub(super) struct Measure {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) pods: Api<Pod>,
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
        let mut page = ListParams::default().limit(PAGE).labels(&format!("{USER},{CLASS}"));
        loop {
            let list = self.pods.list(&page).await?;
            for (key, cpu, memory) in list.items.iter().filter_map(requested) {
                let sum = sums.entry(key).or_default();
                *sum = (sum.0.saturating_add(cpu), sum.1.saturating_add(memory));
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
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
