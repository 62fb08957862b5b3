//! Clients of a cluster, and kubeconfigs that lead to it by another way.

use std::path::Path;

/// A client of the API server of a kubeconfig. It lives on the runtime that it was made on.
pub async fn client_of(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).expect("the kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.expect("a config");
    kube::Client::try_from(config).expect("a client")
}

/// Writes a kubeconfig like `original`, but for an API server at `url`.
pub fn write_leading_to(url: &str, original: &Path, path: &Path) {
    let text = std::fs::read_to_string(original).expect("the kubeconfig");
    let mut kubeconfig: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    kubeconfig["clusters"][0]["cluster"]["server"] = url.into();
    std::fs::write(path, kubeconfig.to_string()).expect("the kubeconfig is written");
}
