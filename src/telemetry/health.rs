//! `/metrics`, `/livez` and `/readyz`.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

/// What `/readyz` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `Ok`, or a sentence that says what is not there yet.
    pub ready: Result<(), String>,
    /// A line for each part that was looked at, for `/readyz?verbose`.
    pub parts: Vec<String>,
}

impl From<Result<(), String>> for Report {
    fn from(ready: Result<(), String>) -> Self {
        Self { ready, parts: Vec::new() }
    }
}

/// Whom readiness is asked of.
pub type Readiness = Arc<dyn Fn() -> Report + Send + Sync>;

#[derive(Clone)]
struct Health {
    metrics: PrometheusHandle,
    readiness: Readiness,
}

/// The three pages, without authentication: they hold no secret, and those who ask are machines.
pub fn router(metrics: PrometheusHandle, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(render_metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(answer_readiness))
        .with_state(Health { metrics, readiness })
}

async fn render_metrics(State(health): State<Health>) -> impl IntoResponse {
    // What the system knows of the process: processor time, memory, descriptors, by the names that all of Prometheus' clients use.
    metrics_process::Collector::default().collect();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, health.metrics.render())
}

async fn answer_readiness(State(health): State<Health>, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let Report { ready, parts } = (health.readiness)();
    let (status, mut said) = match ready {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}\n")),
    };
    if query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose="))) {
        parts.iter().for_each(|part| said.extend([part, "\n"]));
    }
    (status, said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    #[tokio::test]
    async fn the_metrics_tell_of_the_process_and_its_version_and_each_has_a_help() {
        let router = router(crate::telemetry::recorder::install().unwrap(), Arc::new(|| Ok(()).into()));
        crate::telemetry::metrics::routes_file_mistakes(0);
        let answer = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
        let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        let version = format!("doorstep_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        for wanted in [&version, "process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds "] {
            assert!(text.lines().any(|line| line.starts_with(wanted)), "no {wanted}: {text}");
        }
        for kind in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = kind.split(' ').next().unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name} says not what it is");
        }
    }
}
