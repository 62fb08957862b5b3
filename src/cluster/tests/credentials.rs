//! Tokens that change, from a file, from an exec plugin and in the kubeconfig itself.

use super::super::*;
use super::wait_for;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use kube::api::Api;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// An API server that knows one token, and one Namespace.
struct Server {
    address: std::net::SocketAddr,
    token: Arc<Mutex<String>>,
    folder: tempfile::TempDir,
}

async fn server(token: &str) -> Server {
    let token = Arc::new(Mutex::new(token.to_owned()));
    let known = token.clone();
    let answer = async move |headers: HeaderMap| {
        let given = headers.get(AUTHORIZATION).and_then(|field| field.to_str().ok()).unwrap_or_default();
        let (code, reason) = match given.strip_prefix("Bearer ") {
            Some(given) if given.trim() == *known.lock().unwrap() => (StatusCode::OK, ""),
            Some("forbidden") => (StatusCode::FORBIDDEN, "Forbidden"),
            _ => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        };
        let object = match code {
            StatusCode::OK => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
            _ => json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": reason, "reason": reason, "code": code.as_u16()}),
        };
        (code, axum::Json(object))
    };
    let router = axum::Router::new().route("/api/v1/namespaces/default", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { address, token, folder: tempfile::tempdir().unwrap() }
}

impl Server {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the kubeconfig with this user.
    fn kubeconfig(&self, user: &Value) -> ClusterAccess {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        });
        write(&self.path("kubeconfig"), &config.to_string());
        ClusterAccess::Kubeconfig(self.path("kubeconfig"))
    }

    /// An exec plugin that prints what the file `credential` holds, and fails while there is none.
    fn plugin(&self) -> Value {
        let script = self.path("plugin");
        let credential = self.path("credential");
        write(&script, &format!("#!/bin/sh\necho a-secret-of-the-plugin >&2\nexec cat '{}'\n", credential.display()));
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": script, "interactiveMode": "Never"}})
    }

    fn credential(&self, token: &str, expiry: Option<&str>) {
        let mut status = json!({"token": token});
        if let Some(expiry) = expiry {
            status["expirationTimestamp"] = expiry.into();
        }
        let credential =
            json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
        write(&self.path("credential"), &credential.to_string());
    }

    /// From now on, this token and no other.
    fn demand(&self, token: &str) {
        token.clone_into(&mut self.token.lock().unwrap());
    }
}

/// Whole or not at all, as those who rotate tokens do it.
fn write(path: &Path, text: &str) {
    std::fs::write(path.with_extension("new"), text).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

async fn client(access: &ClusterAccess) -> Connected {
    connect(access).await.unwrap().unwrap()
}

async fn admitted(what: &str, connected: &Connected) {
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(connected.client.clone());
    wait_for(what, async || api.get("default").await.ok().map(drop)).await;
}

#[tokio::test]
async fn a_token_file_that_changes_is_read_again() {
    let server = server("one").await;
    write(&server.path("token"), "one");
    let connected = client(&server.kubeconfig(&json!({"tokenFile": server.path("token")}))).await;
    admitted("the first token", &connected).await;
    // The old one is refused at once: a minute of waiting for the next look at the file would be a minute of refusals.
    server.demand("two");
    write(&server.path("token"), "two");
    admitted("the second token", &connected).await;
}

#[tokio::test]
async fn an_exec_plugin_is_asked_again_whether_or_not_it_told_an_expiry() {
    for expiry in [None, Some("2020-01-01T00:00:00Z"), Some("2100-01-01T00:00:00Z")] {
        let server = server("one").await;
        server.credential("one", expiry);
        let connected = client(&server.kubeconfig(&server.plugin())).await;
        admitted("the first token", &connected).await;
        server.credential("two", expiry);
        server.demand("two");
        admitted("the second token", &connected).await;
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_written_anew_is_read_again() {
    let server = server("one").await;
    let connected = client(&server.kubeconfig(&json!({"token": "one"}))).await;
    admitted("the first token", &connected).await;
    server.demand("two");
    server.kubeconfig(&json!({"token": "two"}));
    admitted("the second token", &connected).await;
}

#[tokio::test]
async fn credentials_that_cannot_be_had_at_the_start_are_asked_for_again_and_never_printed() {
    let server = server("one").await;
    let connected = client(&server.kubeconfig(&server.plugin())).await;
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(connected.client.clone());
    let said = api.get("default").await.unwrap_err().to_string();
    assert!(said.contains("the exec plugin of the kubeconfig failed with exit status: 1"), "{said}");
    assert!(!said.contains("a-secret"), "{said}");
    server.credential("one", None);
    admitted("the plugin's first token", &connected).await;
}

#[tokio::test]
async fn a_file_that_is_no_kubeconfig_is_told_at_once_and_a_refusal_is_counted() {
    let server = server("one").await;
    write(&server.path("kubeconfig"), "users: 1");
    let access = ClusterAccess::Kubeconfig(server.path("kubeconfig"));
    let said = connect(&access).await.err().unwrap().to_string();
    assert!(said.contains("kubeconfig") && said.contains("cannot be used"), "{said}");
    let connected = client(&server.kubeconfig(&json!({"token": "forbidden"}))).await;
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(connected.client.clone());
    assert!(matches!(api.get("default").await, Err(kube::Error::Api(answer)) if answer.code == 403));
    assert_eq!(*connected.forbidden.borrow(), 1);
}

#[tokio::test]
async fn a_plugin_that_hangs_is_told_and_waited_for_and_no_second_one_is_started() {
    let server = server("one").await;
    let user = server.plugin();
    let script = server.path("plugin");
    let (begun, go) = (server.path("begun"), server.path("go"));
    let text = format!(
        "#!/bin/sh\necho . >>'{}'\nwhile [ ! -e '{}' ]; do sleep 0.1; done\nexec cat '{}'\n",
        begun.display(),
        go.display(),
        server.path("credential").display()
    );
    std::fs::write(&script, text).unwrap();
    server.credential("one", None);
    let connected = client(&server.kubeconfig(&user)).await;
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(connected.client.clone());
    // Past the time within which nothing is asked again.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(14);
    wait_for("several requests that were told", async || {
        let said = api.get("default").await.unwrap_err().to_string();
        assert!(said.contains("did not answer within 10 s, and is waited for"), "{said}");
        (std::time::Instant::now() > until).then_some(())
    })
    .await;
    assert_eq!(std::fs::read_to_string(&begun).unwrap().lines().count(), 1, "no second one hangs beside it");
    std::fs::write(&go, "").unwrap();
    admitted("the token of the plugin that took its time", &connected).await;
}

#[tokio::test]
async fn a_plugin_that_is_not_installed_is_named_with_its_hint() {
    let server = server("one").await;
    let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin",
        "installHint": "apt-get install no-such-plugin", "interactiveMode": "Never"}});
    let connected = client(&server.kubeconfig(&user)).await;
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(connected.client.clone());
    let said = api.get("default").await.unwrap_err().to_string();
    for wanted in
        ["the exec plugin \"no-such-plugin\" of the kubeconfig cannot be run", "apt-get install no-such-plugin"]
    {
        assert!(said.contains(wanted), "{said}");
    }
}
