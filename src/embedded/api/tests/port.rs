//! The TLS port and its token.

use super::*;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::os::unix::fs::PermissionsExt;

async fn outside(server: &ApiServer, change: impl FnOnce(&mut Kubeconfig)) -> kube::Client {
    let mut kubeconfig = Kubeconfig::read_from(server.kubeconfig()).unwrap();
    change(&mut kubeconfig);
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

#[tokio::test]
async fn the_kubeconfig_opens_the_port_and_nothing_else_does() {
    let cluster = cluster().await;
    let mode = std::fs::metadata(cluster.server.kubeconfig()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let inside = outside(&cluster.server, |_| {}).await;
    assert_eq!(inside.apiserver_version().await.unwrap().minor, "36");
    let wrong = |kubeconfig: &mut Kubeconfig| {
        kubeconfig.auth_infos[0].auth_info.as_mut().unwrap().token = Some("wrong".to_owned().into());
    };
    let stranger = outside(&cluster.server, wrong).await;
    let (code, reason, _) = status(stranger.apiserver_version().await);
    assert_eq!((code, reason.as_str()), (401, "Unauthorized"));
    cluster.server.shutdown(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let cluster = cluster().await;
    let body = vec![b' '; 4 * 1024 * 1024];
    let request = http::Request::post("/api/v1/namespaces/default/configmaps").body(body).unwrap();
    let (code, reason, _) = status(cluster.server.client().request::<Value>(request).await);
    assert_eq!((code, reason.as_str()), (413, "RequestEntityTooLarge"));
}

#[tokio::test]
async fn what_nobody_serves_and_what_is_left_out_are_told_apart() {
    let cluster = cluster().await;
    let call = |method: &str, path: &str| {
        let request = http::Request::builder().method(method).uri(path).body(Vec::new()).unwrap();
        let client = cluster.server.client();
        async move { status(client.request::<Value>(request).await).0 }
    };
    assert_eq!(call("GET", "/api/v1/namespaces/default/nothing").await, 404);
    assert_eq!(call("GET", "/apis/batch/v1/jobs").await, 404);
    assert_eq!(call("POST", "/api/v1/namespaces/default/pods/p/exec").await, 501);
    assert_eq!(call("PUT", "/api/v1/namespaces/default/pods").await, 405);
}

#[tokio::test]
async fn a_kind_is_found_by_discovery() {
    let cluster = cluster().await;
    let discovery = kube::discovery::Discovery::new(cluster.server.client()).run().await.unwrap();
    let (resource, capabilities) =
        discovery.resolve_gvk(&kube::api::GroupVersionKind::gvk("doorstep.dev", "v1alpha1", "Environment")).unwrap();
    assert_eq!(resource.plural, "environments");
    assert_eq!(capabilities.scope, kube::discovery::Scope::Namespaced);
}

#[tokio::test]
async fn the_second_openapi_version_has_a_protobuf_form_that_knows_no_kind() {
    let cluster = cluster().await;
    let media = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let call = async |accept: &str| {
        let request =
            http::Request::get("/openapi/v2").header("accept", accept).body(kube::client::Body::empty()).unwrap();
        cluster.server.client().send(request).await.unwrap()
    };
    let answer = call(media).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["content-type"],
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        "the subtype without an @, which Go's parser of media types refuses"
    );
    assert_eq!(call("image/png").await.status(), 406);
}
