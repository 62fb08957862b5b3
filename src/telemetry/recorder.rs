//! The recorder behind every metric, and how it is rendered for Prometheus.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

/// Bounds of the histograms of durations, in seconds: from a tenth of a millisecond to a minute.
const DURATION_BOUNDS: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// The metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be recorded: {0}")]
pub struct RecorderError(String);

/// Installs the process's one recorder; a second call gives the same handle.
pub fn install() -> Result<PrometheusHandle, RecorderError> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &DURATION_BOUNDS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder).map_err(|error| error.to_string())?;
        super::metrics::describe();
        metrics_process::Collector::default().describe();
        Ok(handle)
    });
    handle.clone().map_err(RecorderError)
}

/// Folds what was recorded into the histograms, so that memory stays bounded while nobody scrapes. Ends never.
pub async fn keep_up(handle: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}
