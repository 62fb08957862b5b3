//! Asking the gateways.

use super::{Gateways, SERVES};
use crate::routing::Table;
use futures::StreamExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long it is until those who were behind are asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many questions are under way at once.
const AT_ONCE: usize = 32;
/// The most bytes of an answer.
const MOST_BYTES: usize = 64 * 1024;

/// Asks for every host that is not confirmed, again and again until it is.
pub(super) async fn keep(gateways: Gateways, table: Arc<Table>) {
    // A proxy of the environment has no way to a pod.
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let http = match http {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "the gateways cannot be asked");
            return;
        }
    };
    loop {
        let open = gateways.open();
        if open.is_empty() {
            gateways.inner.wanted.notified().await;
            gateways.forget(|host| table.load().host(host).is_none());
            continue;
        }
        match gateways.inner.replicas.urls() {
            Some(replicas) => {
                let questions = futures::stream::iter(open).map(|(host, endpoints)| {
                    let (http, replicas) = (http.clone(), replicas.clone());
                    async move {
                        let behind = behind(&http, &replicas, &host, &endpoints).await;
                        (host, endpoints, behind)
                    }
                });
                let mut answers = questions.buffer_unordered(AT_ONCE);
                while let Some((host, endpoints, behind)) = answers.next().await {
                    gateways.told(&host, &endpoints, behind);
                }
            }
            None => {
                for (host, endpoints) in open {
                    let said = "the cluster does not tell which gateways there are".to_owned();
                    gateways.told(&host, &endpoints, Some(said));
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Who of the gateways does not lead from `host` to these very endpoints.
async fn behind(
    http: &reqwest::Client,
    replicas: &[String],
    host: &str,
    endpoints: &BTreeSet<String>,
) -> Option<String> {
    let answers = replicas.iter().map(|replica| async move {
        match serves(http, replica, host).await {
            Ok(told) if told == *endpoints => None,
            Ok(_) => Some(format!("the gateway {replica} does not lead to them yet")),
            Err(why) => Some(format!("the gateway {replica} does not tell whether it leads to them: {why}")),
        }
    });
    futures::future::join_all(answers).await.into_iter().flatten().next()
}

async fn serves(http: &reqwest::Client, replica: &str, host: &str) -> Result<BTreeSet<String>, &'static str> {
    let url = format!("{replica}{SERVES}?host={}", utf8_percent_encode(host, NON_ALPHANUMERIC));
    let mut response = http.get(url).send().await.map_err(|_| "it does not answer")?;
    if !response.status().is_success() {
        return Err("it answers something else");
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| "its answer ends early")? {
        body.extend_from_slice(&part);
        if body.len() > MOST_BYTES {
            return Err("its answer is too long");
        }
    }
    serde_json::from_slice(&body).map_err(|_| "it answers something else")
}
