//! Every way to be refused has its sentence.

use crate::server::*;
use doorstep::dns::rfc2136::{Algorithm, Key, Rfc2136, Server};
use doorstep::dns::{Owner, Provider, ProviderError};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;

fn owner() -> Owner {
    "one".parse().unwrap()
}

fn with(address: SocketAddr, name: &str, algorithm: Algorithm, secret: Vec<u8>) -> Rfc2136 {
    Rfc2136::new(Server::new(at(address), Key::new(name, algorithm, secret).unwrap()))
}

#[tokio::test]
async fn keys_that_are_not_right_are_told_apart() {
    for make in MAKES {
        let server = NameServer::start(make);
        let before = server.records();
        let at = server.address;
        let (record, zone) = (set("fronta", 60, "10.0.0.1"), zone());
        let cases = [
            ("unknown", with(at, "nobody", Algorithm::Sha256, secret("one"))),
            ("another secret", with(at, "one", Algorithm::Sha256, secret("other"))),
            ("another algorithm", with(at, "one", Algorithm::Sha512, secret("one"))),
            ("no rights", with(at, "stranger", Algorithm::Sha256, secret("stranger"))),
        ];
        for (what, provider) in cases {
            for error in [
                provider.list(&zone).await.map(drop).unwrap_err(),
                provider.create(&zone, &record, &owner()).await.map(drop).unwrap_err(),
            ] {
                println!("{make:?}, {what}: {error}");
                let said = error.to_string();
                assert!(matches!(error, ProviderError::Refused(_)), "{make:?} {what}: {error:?}");
                assert!(said.contains("key") && said.contains(&at.to_string()), "{said}");
                assert!(!said.contains("signature record not found"), "{said}");
            }
        }
        // One that may list and not change.
        let reader = with(at, "reader", Algorithm::Sha256, secret("reader"));
        reader.list(&zone).await.unwrap();
        let error = reader.create(&zone, &record, &owner()).await.unwrap_err();
        println!("{make:?}, reader: {error}");
        assert!(matches!(error, ProviderError::Refused(_)), "{make:?}: {error:?}");
        assert_eq!(server.records(), before);
    }
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    for make in MAKES {
        let server = NameServer::start(make);
        let mut late = Server::new(at(server.address), key("one"));
        late.time = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 3600;
        let provider = Rfc2136::new(late);
        for error in [
            provider.list(&zone()).await.map(drop).unwrap_err(),
            provider.create(&zone(), &set("fronta", 60, "10.0.0.1"), &owner()).await.map(drop).unwrap_err(),
        ] {
            println!("{make:?}: {error}");
            assert!(matches!(&error, ProviderError::Refused(said) if said.contains("BADTIME")), "{make:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_zone_that_the_server_does_not_keep_is_told() {
    for make in MAKES {
        let server = NameServer::start(make);
        let provider = provider(server.address, "one");
        let elsewhere = "elsewhere.test".parse().unwrap();
        let record = doorstep::dns::RecordSet { name: "a.elsewhere.test".parse().unwrap(), ..set("a", 60, "10.0.0.1") };
        for error in [
            provider.list(&elsewhere).await.map(drop).unwrap_err(),
            provider.create(&elsewhere, &record, &owner()).await.map(drop).unwrap_err(),
        ] {
            println!("{make:?}: {error}");
            assert!(matches!(error, ProviderError::NotOurs(_) | ProviderError::Refused(_)), "{make:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_talks_nonsense_is_told() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = provider(closed, "one").list(&zone()).await.unwrap_err();
    assert!(matches!(&error, ProviderError::Unavailable(said) if said.contains("cannot be reached by TCP")), "{error}");
    // What follows a question: nothing, a part of a message, a message of noughts, an endless one of noise.
    for (what, bytes) in [
        ("the end", vec![]),
        ("a part", vec![0, 200, 1, 2, 3]),
        ("noughts", [vec![0, 64], vec![0; 64]].concat()),
        ("noise", [vec![255, 255], vec![170; 65535]].concat()),
    ] {
        let address = nonsense(bytes).await;
        let listed = provider(address, "one").list(&zone()).await.unwrap_err();
        assert!(matches!(listed, ProviderError::Unavailable(_)), "{what}: {listed:?}");
        // Of a change it is not known whether it was made.
        let made =
            provider(address, "one").create(&zone(), &set("fronta", 60, "10.0.0.1"), &owner()).await.unwrap_err();
        assert!(matches!(made, ProviderError::Lost(_)), "{what}: {made:?}");
    }
}

/// A server that answers everything with the same bytes.
async fn nonsense(bytes: Vec<u8>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = [0; 64];
            let _read = tokio::io::AsyncReadExt::read(&mut stream, &mut question).await;
            let _gone = stream.write_all(&bytes).await;
        }
    });
    address
}
