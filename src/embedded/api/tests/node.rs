//! What the API asks of the node behind a pod: logs and usage.

use super::*;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream};
use kube::api::{DynamicObject, LogParams, PostParams};

/// Tells what it was asked, and that one pod uses a quarter of a core.
struct Echo;

impl NodeBackend for Echo {
    fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, std::io::Result<bytes::Bytes>>, LogError>> {
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        async move {
            if options.previous {
                return Err(LogError::NoPrevious { pod, container: "c".to_owned() });
            }
            let line =
                format!("{namespace}/{pod} {:?} {:?} {}\n", options.container, options.tail_lines, options.follow);
            Ok(stream::once(async move { Ok(bytes::Bytes::from(line)) }).boxed())
        }
        .boxed()
    }

    fn usage(&self) -> BoxFuture<'_, Vec<PodUsage>> {
        let usage = |pod: &str| PodUsage {
            namespace: "default".to_owned(),
            pod: pod.to_owned(),
            container: "c".to_owned(),
            cpu_nanocores: 250_000_000,
            memory_bytes: 64 << 20,
            at: jiff::Timestamp::now(),
            window: Duration::from_secs(10),
        };
        std::future::ready(vec![usage("p"), usage("gone")]).boxed()
    }
}

#[tokio::test]
async fn logs_and_usage_of_a_pod_come_from_its_node() {
    let cluster = cluster().await;
    let pods: KubeApi<k8s_openapi::api::core::v1::Pod> = KubeApi::default_namespaced(cluster.server.client());
    let pod = json!({
        "metadata": {"name": "p", "labels": {"app": "web"}},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let none = status(pods.logs("p", &LogParams::default()).await);
    assert_eq!((none.0, none.1.as_str()), (503, "ServiceUnavailable"));
    cluster.server.set_node(Arc::new(Echo));
    let asked = LogParams { tail_lines: Some(5), ..LogParams::default() };
    assert_eq!(pods.logs("p", &asked).await.unwrap(), "default/p Some(\"c\") Some(5) false\n");
    let (code, _, message) = status(pods.logs("p", &LogParams { previous: true, ..LogParams::default() }).await);
    assert_eq!((code, message.as_str()), (400, "previous terminated container \"c\" in pod \"p\" not found"));
    let other = LogParams { container: Some("x".to_owned()), ..LogParams::default() };
    let (code, _, message) = status(pods.logs("p", &other).await);
    assert_eq!((code, message.as_str()), (400, "container x is not valid for pod p"));

    let request = http::Request::get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb");
    let client = cluster.server.client();
    let list: kube::core::ObjectList<DynamicObject> = client.request(request.body(Vec::new()).unwrap()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.items[0].data["containers"][0]["usage"], json!({"cpu": "250000000n", "memory": "65536Ki"}));
}
