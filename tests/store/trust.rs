//! PostgreSQL over TLS: the store is the one that is meant, or nothing is told to it.

use crate::harness::postgres::{PASSWORD, Postgres};
use crate::place::begun;
use doorstep::store::{Store, StoreError, StoreUrl};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server whose certificate is for `localhost`, and the files of its authority and of another one.
fn server() -> (Postgres, PathBuf, PathBuf, tempfile::TempDir) {
    let (ours, strangers, folder) = (authority(), authority(), tempfile::tempdir().unwrap());
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ours).unwrap();
    let server = Postgres::start_with_tls(&certificate.pem(), &key.serialize_pem());
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ours, strangers) = (write("ours.pem", ours.pem()), write("strangers.pem", strangers.pem()));
    (server, ours, strangers, folder)
}

async fn opened(url: &str) -> Result<Store, StoreError> {
    Store::open(&url.parse::<StoreUrl>().unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_verified_by_its_authority_and_its_name_and_the_password_is_never_told() {
    let (server, ours, strangers, _folder) = server();
    let database = server.database().await;
    let name = database.split('?').next().unwrap().rsplit('/').next().unwrap();
    let full = |authority: &PathBuf| format!("sslmode=verify-full&sslrootcert={}", authority.display());
    let store = opened(&server.remote_url("localhost", name, &full(&ours))).await.unwrap();
    store.audit().begin(begun("anna", 1)).await.unwrap();
    assert!(store.audit().verify(None).await.unwrap().faults.is_empty());
    assert!(!store.place().contains(PASSWORD) && !format!("{store:?}").contains(PASSWORD));
    for (host, options, says) in [
        ("localhost", full(&strangers), "cannot be trusted"),
        ("127.0.0.1", full(&ours), "cannot be trusted"),
        // It takes nobody who comes without TLS.
        ("localhost", "sslmode=disable".to_owned(), "refused the user or the password"),
    ] {
        let error = opened(&server.remote_url(host, name, &options)).await.unwrap_err();
        println!("{error}");
        assert!(error.to_string().contains(says) && !error.to_string().contains(PASSWORD), "{host} {options}: {error}");
        assert!(!error.passes() && !format!("{error:?}").contains(PASSWORD), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_not_spoken_to_where_tls_is_asked_for() {
    let url = format!("{}&sslmode=require", Postgres::shared().database().await);
    let error = opened(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Untrusted { .. }), "{error}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
        // What a server without TLS says to SSLRequest.
        stream.write_all(b"N").await.unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).await.unwrap();
        told
    });
    let error =
        opened(&format!("postgres://doorstep:{PASSWORD}@127.0.0.1:{port}/d?sslmode=require")).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error, StoreError::Untrusted { .. }) && !error.to_string().contains(PASSWORD), "{error}");
    assert_eq!(answering.await.unwrap(), Vec::<u8>::new(), "nothing was told to it");
}
