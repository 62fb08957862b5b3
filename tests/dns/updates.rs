//! One change at a time: what each does to the zone, and what it does not.

use crate::server::*;
use doorstep::dns::{Existing, Kind, Owner, Provider, ProviderError, Verdict, Verifier};
use std::net::IpAddr;

fn owner() -> Owner {
    "one".parse().unwrap()
}

async fn listed(provider: &impl Provider, name: &str, kind: Kind) -> Option<Existing> {
    let listing = provider.list(&zone()).await.unwrap();
    listing
        .sets
        .into_iter()
        .find(|there| there.set.name.to_string() == format!("{name}.{ZONE}") && there.set.kind() == kind)
}

/// Every kind is made, changed, turned into another kind, and removed, each with its mark; the zone is as before then.
#[tokio::test]
async fn sets_are_created_changed_and_deleted_with_their_marks() {
    for make in MAKES {
        for key_name in ["one", "two"] {
            let server = NameServer::start(make);
            let before = server.records();
            let (provider, zone) = (provider(server.address, key_name), zone());
            let first = [
                set("fronta", 60, "10.0.0.1"),
                set("fronta", 60, "fd00::1"),
                set("*.deep", 30, "10.0.0.2"),
                set("frontb", 60, "gateway.example.test"),
            ];
            provider.list(&zone).await.unwrap();
            for set in &first {
                provider.create(&zone, set, &owner()).await.unwrap();
            }
            let mut expected = before.clone();
            expected.extend(first.iter().flat_map(|set| lines(set, "one")));
            assert_eq!(server.records(), expected, "{make:?}");

            // Other values and another time to live; then another kind in the same step.
            let changed = set("frontb", 60, "other.example.test");
            let there = listed(&provider, "frontb", Kind::Cname).await.unwrap();
            assert_eq!(there.owner, Some(owner()));
            provider.update(&zone, &there, &changed, &owner()).await.unwrap();
            let there = listed(&provider, "frontb", Kind::Cname).await.unwrap();
            assert_eq!(there.set, changed);
            let turned = set("frontb", 20, "10.0.0.3");
            provider.update(&zone, &there, &turned, &owner()).await.unwrap();
            assert!(server.records().is_superset(&lines(&turned, "one").into_iter().collect()), "{make:?}");

            let listing = provider.list(&zone).await.unwrap();
            for there in listing.sets.iter().filter(|there| there.owner == Some(owner())) {
                provider.delete(&zone, there, &owner()).await.unwrap();
            }
            assert_eq!(server.records(), before, "{make:?}");
        }
    }
}

/// The server compares: what changed since the listing is not overwritten, whoever changed it.
#[tokio::test]
async fn what_changed_since_the_listing_is_not_overwritten() {
    for make in MAKES {
        let server = NameServer::start(make);
        let (provider, zone) = (provider(server.address, "one"), zone());
        provider.list(&zone).await.unwrap();
        provider.create(&zone, &set("fronta", 60, "10.0.0.1"), &owner()).await.unwrap();
        let there = listed(&provider, "fronta", Kind::A).await.unwrap();
        server.nsupdate(&format!("update add fronta.{ZONE} 60 A 10.9.9.9"));
        let before = server.records();
        let is_refused = |result: Result<(), ProviderError>| {
            assert!(matches!(result, Err(ProviderError::Precondition(_))), "{make:?}: {result:?}");
        };
        is_refused(provider.update(&zone, &there, &set("fronta", 60, "10.0.0.2"), &owner()).await.map(drop));
        is_refused(provider.delete(&zone, &there, &owner()).await);
        // A mark that was taken away, or is another's now, counts as well.
        let there = listed(&provider, "fronta", Kind::A).await.unwrap();
        server.nsupdate(&format!("update delete _doorstep-a.fronta.{ZONE} TXT"));
        is_refused(provider.delete(&zone, &there, &owner()).await);
        let unmarked = listed(&provider, "fronta", Kind::A).await.unwrap();
        assert_eq!(unmarked.owner, None);
        assert!(matches!(provider.delete(&zone, &unmarked, &owner()).await, Err(ProviderError::NotOurs(_))));
        assert!(server.records().len() == before.len() - 1);
    }
}

/// Creating is only for what is not there: not over an address, not beside a CNAME, not over another one's mark.
#[tokio::test]
async fn nothing_is_created_over_what_somebody_else_has() {
    for make in MAKES {
        let server = NameServer::start(make);
        let (provider, zone) = (provider(server.address, "one"), zone());
        provider.list(&zone).await.unwrap();
        let before = server.records();
        for taken in [
            set("www", 60, "10.0.0.1"),
            set("www", 60, "gateway.example.test"),
            set("old", 60, "10.0.0.1"),
            set("old", 60, "fd00::1"),
            set("mail", 60, "gateway.example.test"),
            set("frontu9", 60, "10.0.0.1"),
        ] {
            let refused = provider.create(&zone, &taken, &owner()).await.unwrap_err();
            let is_told = matches!(refused, ProviderError::Precondition(_) | ProviderError::NotOurs(_));
            assert!(is_told, "{make:?} {taken}: {refused:?}");
        }
        // Another name server's mark without a record is left, too.
        server.nsupdate(&format!("update add _doorstep-a.frontx.{ZONE} 60 TXT \"heritage=doorstep,owner=another\""));
        assert!(provider.create(&zone, &set("frontx", 60, "10.0.0.1"), &owner()).await.is_err());
        server.nsupdate(&format!("update delete _doorstep-a.frontx.{ZONE} TXT"));
        assert_eq!(server.records(), before, "{make:?}");
        let outside = doorstep::dns::RecordSet { name: "a.example.test".parse().unwrap(), ..set("a", 60, "10.0.0.1") };
        assert!(matches!(provider.create(&zone, &outside, &owner()).await, Err(ProviderError::NotOurs(_))));
    }
}

/// A mark whose record somebody removed is used again, or removed.
#[tokio::test]
async fn marks_without_records_are_used_again_or_removed() {
    for make in MAKES {
        let server = NameServer::start(make);
        let before = server.records();
        let (provider, zone) = (provider(server.address, "one"), zone());
        provider.list(&zone).await.unwrap();
        for name in ["fronta", "frontb"] {
            provider.create(&zone, &set(name, 60, "10.0.0.1"), &owner()).await.unwrap();
            server.nsupdate(&format!("update delete {name}.{ZONE} A"));
        }
        provider.list(&zone).await.unwrap();
        provider.create(&zone, &set("fronta", 60, "10.0.0.1"), &owner()).await.unwrap();
        provider.list(&zone).await.unwrap();
        assert_eq!(provider.tidy(&zone, &owner()).await, Ok(1));
        let mut expected = before;
        expected.extend(lines(&set("fronta", 60, "10.0.0.1"), "one"));
        assert_eq!(server.records(), expected, "{make:?}");
    }
}

/// After the first listing only what changed is transferred.
#[tokio::test]
async fn the_second_listing_is_incremental() {
    for make in MAKES {
        let server = NameServer::start(make);
        let (provider, zone) = (provider(server.address, "one"), zone());
        let first = provider.list(&zone).await.unwrap();
        for i in 0..20 {
            provider.create(&zone, &set(&format!("front{i}"), 60, "10.0.0.1"), &owner()).await.unwrap();
        }
        server.nsupdate(&format!("update delete www.{ZONE} A 192.0.2.1"));
        let second = provider.list(&zone).await.unwrap();
        assert_eq!(second.sets.len(), first.sets.len() + 20, "{make:?}");
        assert_eq!(provider.list(&zone).await.unwrap(), second);
        let fresh = crate::server::provider(server.address, "two").list(&zone).await.unwrap();
        assert_eq!(fresh, second, "{make:?}: what was followed is what is there");
        let log = server.log();
        assert!(log.contains("IXFR"), "{make:?} was never asked for less than all: {log}");
    }
}

/// A listing of many messages, each signed by the one before it.
#[tokio::test]
async fn a_zone_of_many_messages_is_listed_whole() {
    for make in MAKES {
        let server = NameServer::start(make);
        for part in 0..10 {
            let lines: Vec<String> =
                (0..300).map(|i| format!("update add x{part}-{i}.{ZONE} 60 TXT \"{}\"", "x".repeat(200))).collect();
            for lines in lines.chunks(100) {
                server.nsupdate(&lines.join("\n"));
            }
        }
        for key_name in ["one", "two"] {
            let listing = provider(server.address, key_name).list(&zone()).await.unwrap();
            assert_eq!(listing.others.iter().filter(|other| other.kind == "TXT").count(), 3001, "{make:?}");
        }
    }
}

/// An answer that does not fit a datagram is asked for again by TCP.
#[tokio::test]
async fn a_large_set_is_verified_by_tcp() {
    for make in MAKES {
        let server = NameServer::start(make);
        let (provider, zone) = (provider(server.address, "one"), zone());
        let addresses = (0..90).map(|i| IpAddr::from([10, 0, 1, i]));
        let values = doorstep::dns::Values::of_addresses(addresses).remove(0);
        let large = doorstep::dns::RecordSet { values, ..set("large", 60, "10.0.0.1") };
        provider.create(&zone, &large, &owner()).await.unwrap();
        let verifier = Verifier::new(&[server.address]);
        assert_eq!(verifier.at_authority(&[at(server.address)], &large).await, Verdict::Right, "{make:?}");
        let less = set("large", 60, "10.0.1.1");
        assert!(
            matches!(verifier.at_authority(&[at(server.address)], &less).await, Verdict::Wrong(found) if found.len() == 90)
        );
        // The same by the resolver library that asks public resolvers.
        let wild = set("*.deep", 60, "10.0.0.9");
        provider.create(&zone, &wild, &owner()).await.unwrap();
        for (_, verdict) in verifier.at_resolvers(&wild).await {
            assert_eq!(verdict, Verdict::Right, "{make:?}");
        }
        assert_eq!(
            verifier.at_resolvers(&set("none", 60, "10.0.0.1")).await[0].1,
            Verdict::Wrong(Vec::new()),
            "{make:?}"
        );
    }
}
