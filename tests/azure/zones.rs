//! Zones in Azure as a provider of DNS: one change at a time, each by compare-and-set.

use crate::emulator::{Emulator, GROUP, SUBSCRIPTION, ZONE};
use doorstep::dns::settings::AzureSettings;
use doorstep::dns::{AzureDns, Owner, Provider, ProviderError, RecordSet, Values};
use doorstep::model::Hostname;
use serde_json::json;
use std::time::Duration;

pub fn zone() -> Hostname {
    ZONE.parse().unwrap()
}

pub fn owner() -> Owner {
    "team-one".parse().unwrap()
}

pub fn address(name: &str, address: &str, ttl: u32) -> RecordSet {
    let values = Values::of_addresses([address.parse().unwrap()]).remove(0);
    RecordSet { name: format!("{name}.{ZONE}").parse().unwrap(), ttl, values }
}

pub fn alias(name: &str, target: &str) -> RecordSet {
    let values = Values::Cname(target.parse().unwrap());
    RecordSet { name: format!("{name}.{ZONE}").parse().unwrap(), ttl: 60, values }
}

pub fn provider(emulator: &Emulator, is_private: bool) -> AzureDns {
    let at = AzureSettings { subscription: SUBSCRIPTION.to_owned(), resource_group: GROUP.to_owned(), is_private };
    AzureDns::new(emulator.arm(), [(zone(), at)]).unwrap()
}

#[tokio::test]
async fn sets_are_made_changed_and_removed_in_both_services() {
    for is_private in [true, false] {
        let emulator = Emulator::start(1_000).await;
        emulator.state().make_zone(ZONE, is_private);
        let (provider, zone, owner) = (provider(&emulator, is_private), zone(), owner());
        let sets = [address("a", "10.0.0.1", 60), address("b", "fd00::1", 60), alias("c", "gateway.example.com")];
        for set in &sets {
            provider.create(&zone, set, &owner).await.unwrap();
        }
        provider.create(&zone, &address("*", "10.0.0.9", 60), &owner).await.unwrap();
        let listing = provider.list(&zone).await.unwrap();
        assert_eq!(listing.sets.len(), 4);
        assert!(listing.sets.iter().all(|existing| existing.owner.as_ref() == Some(&owner)));
        assert!(listing.others.iter().any(|other| other.kind == "SOA"));
        for before in &listing.sets {
            let mut after = before.set.clone();
            after.ttl = 120;
            let version = provider.update(&zone, before, &after, &owner).await.unwrap();
            assert!(!version.is_empty() && version != before.version);
            let stale = provider.delete(&zone, before, &owner).await.unwrap_err();
            assert!(matches!(stale, ProviderError::Precondition(_)), "{stale}");
        }
        for before in provider.list(&zone).await.unwrap().sets {
            assert_eq!(before.set.ttl, 120);
            provider.delete(&zone, &before, &owner).await.unwrap();
        }
        assert_eq!(provider.list(&zone).await.unwrap().sets, []);
        assert!(emulator.state().violations.is_empty(), "{:?}", emulator.state().violations);
    }
}

#[tokio::test]
async fn another_kind_takes_the_place_of_the_old_one() {
    let emulator = Emulator::start(1_000).await;
    emulator.state().make_zone(ZONE, true);
    let (provider, zone, owner) = (provider(&emulator, true), zone(), owner());
    provider.create(&zone, &address("a", "10.0.0.1", 60), &owner).await.unwrap();
    let before = provider.list(&zone).await.unwrap().sets.remove(0);
    let after = alias("a", "gateway.example.com");
    provider.update(&zone, &before, &after, &owner).await.unwrap();
    let sets = provider.list(&zone).await.unwrap().sets;
    assert_eq!(sets.iter().map(|existing| &existing.set).collect::<Vec<_>>(), [&after]);
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched_and_the_service_decides_not_a_look() {
    let emulator = Emulator::start(1_000).await;
    emulator.state().make_zone(ZONE, true);
    let foreign =
        json!({"ttl": 300, "aRecords": [{"ipv4Address": "192.0.2.1"}], "metadata": {"doorstep-owner": "team-two"}});
    {
        let mut state = emulator.state();
        let etag = state.next();
        state.zone(ZONE, true).records.put("A", "theirs", foreign, etag, Duration::ZERO);
    }
    let (provider, zone, owner) = (provider(&emulator, true), zone(), owner());
    let before = emulator.state().zone(ZONE, true).records.all();
    let made = provider.create(&zone, &address("theirs", "10.0.0.1", 60), &owner).await.unwrap_err();
    assert!(matches!(made, ProviderError::Precondition(_)), "{made}");
    let theirs = provider.list(&zone).await.unwrap().sets.remove(0);
    let changed = provider.update(&zone, &theirs, &address("theirs", "10.0.0.1", 60), &owner).await.unwrap_err();
    assert!(changed.to_string().contains("is of the owner team-two"), "{changed}");
    assert!(matches!(provider.delete(&zone, &theirs, &owner).await, Err(ProviderError::NotOurs(_))));
    // Another kind that cannot stand beside it: the service's own rule, told for this record alone.
    let beside = provider.create(&zone, &alias("theirs", "gateway.example.com"), &owner).await.unwrap_err();
    assert!(beside.is_of_one_record() && beside.to_string().contains("already exists"), "{beside}");
    assert_eq!(emulator.state().zone(ZONE, true).records.all(), before);
}

#[tokio::test]
async fn a_zone_that_is_not_there_or_not_configured_has_its_sentence() {
    let emulator = Emulator::start(1_000).await;
    let provider = provider(&emulator, false);
    let said = provider.list(&zone()).await.unwrap_err().to_string();
    assert!(said.contains("is not in Azure where it is configured to be"), "{said}");
    let other: Hostname = "example.net".parse().unwrap();
    assert!(provider.list(&other).await.unwrap_err().to_string().contains("not among those"));
    let outside = provider.create(&other, &address("a", "10.0.0.1", 60), &owner()).await.unwrap_err();
    assert!(matches!(outside, ProviderError::NotOurs(_)), "{outside}");
}
