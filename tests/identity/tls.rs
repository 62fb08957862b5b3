//! The API by TLS, and callers by client certificates.

use crate::Person;
use crate::harness::{Program, curl, texts, wait_for};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use std::path::{Path, PathBuf};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, as PEM.
fn issue(authority: &Authority, name: &str, unit: Option<&str>) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(unit) = unit {
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    }
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

struct Files(tempfile::TempDir);

impl Files {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn client(&self, name: &str, (certificate, key): (String, String)) -> PathBuf {
        self.write(name, &format!("{certificate}{key}"))
    }
}

fn asks(url: &str, authority: &Path, client: Option<&Path>) -> (Option<i32>, String) {
    let mut curl = curl();
    curl.arg("--cacert").arg(authority).arg(url);
    if let Some(client) = client {
        curl.arg("--cert").arg(client);
    }
    let output = curl.output().unwrap();
    (output.status.code(), texts(&output).0)
}

#[test]
fn the_api_is_served_by_tls_and_knows_client_certificates() {
    let files = Files(tempfile::tempdir().unwrap());
    let (servers, clients, strangers) = (authority("servers"), authority("clients"), authority("strangers"));
    let (chain, key) = issue(&servers, "localhost", None);
    let (certificate, key) = (files.write("server.pem", &chain), files.write("server.key", &key));
    let trusted = files.write("servers.pem", &servers.pem());
    let identity = "certificates: {user: {claim: cn}, grants: [{role: user, when: [{claim: ou, equals: Testers}]}]}";
    let identity = files.write("identity.yaml", identity);
    let of_clients = files.write("clients.pem", &clients.pem());
    let mut arguments: Vec<String> = ["--http", "--https", "--api", "--kube"]
        .into_iter()
        .flat_map(|port| [port.to_owned(), "127.0.0.1:0".to_owned()])
        .collect();
    for (name, path) in [
        ("--api-tls-cert", &certificate),
        ("--api-tls-key", &key),
        ("--api-client-ca", &of_clients),
        ("--identity", &identity),
    ] {
        arguments.extend([name.to_owned(), path.to_str().unwrap().to_owned()]);
    }
    let data = files.0.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mut up = Program::start("up", &data, &files.0.path().join("log"), &arguments);
    let said = up.addresses();
    assert_eq!(said["apiScheme"], "https");
    let port = said["api"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    let me = format!("https://localhost:{port}/api/v1/me");

    let (_, nobody) = asks(&me, &trusted, None);
    assert!(nobody.contains("\"unauthorized\""), "without a certificate a token is needed: {nobody}");
    let haimaz = files.client("haimaz.pem", issue(&clients, "haimaz", Some("Testers")));
    let (_, known) = asks(&me, &trusted, Some(&haimaz));
    let known: Value = serde_json::from_str(&known).unwrap();
    assert_eq!((&known["user"], &known["through"]), (&"haimaz".into(), &"certificate".into()), "{known}");
    let guest = files.client("guest.pem", issue(&clients, "guest", Some("Guests")));
    let (_, roleless) = asks(&me, &trusted, Some(&guest));
    assert!(roleless.contains("no rule gives a role"), "{roleless}");
    let stranger = files.client("stranger.pem", issue(&strangers, "haimaz", Some("Testers")));
    let (code, answer) = asks(&me, &trusted, Some(&stranger));
    assert!(code != Some(0) && answer.is_empty(), "a certificate of nobody ends the handshake: {answer}");

    // The commands find it by the data folder, and trust what they are told.
    let person = Person::of(format!("https://localhost:{port}"));
    let ca = trusted.to_str().unwrap();
    let shown = person.ok(&["whoami", "--server-ca", ca, "--client-cert", haimaz.to_str().unwrap()]);
    assert!(shown.contains("haimaz") && shown.contains("certificate"), "{shown}");
    let untrusted = person.fails(4, &["whoami", "--client-cert", haimaz.to_str().unwrap()]);
    assert!(untrusted.contains("certificate"), "{untrusted}");

    // A new certificate is served soon, and one that cannot be read changes nothing.
    files.write("server.pem", "garbage");
    let others = authority("other servers");
    let new_trust = files.write("others.pem", &others.pem());
    assert!(asks(&me, &trusted, None).1.contains("unauthorized"));
    let (chain, new_key) = issue(&others, "localhost", None);
    files.write("server.key", &new_key);
    files.write("server.pem", &chain);
    wait_for("the new certificate", || match asks(&me, &new_trust, None) {
        (Some(0), answer) if answer.contains("unauthorized") => Ok(()),
        (code, answer) => Err(format!("{code:?} {answer}")),
    });
    assert!(up.stop().success());
}
