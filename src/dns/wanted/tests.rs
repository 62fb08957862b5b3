//! Who gets which record.

use super::*;
use crate::dns::settings::{AzureSettings, Defaults, ProviderSettings, ZoneSettings};
use crate::dns::{Guard, Owner};
use serde_json::json;
use std::time::Duration;

fn settings(mode: Mode, target: &[&str]) -> Settings {
    let azure = AzureSettings { subscription: "s".into(), resource_group: "g".into(), is_private: true };
    let zone = |zone: &str| ZoneSettings {
        zone: zone.parse().unwrap(),
        provider: ProviderSettings::Azure(azure.clone()),
        authority: Vec::new(),
    };
    Settings {
        owner: "ours".parse::<Owner>().unwrap(),
        guard: Guard::default(),
        period: Duration::from_secs(300),
        resolvers: Vec::new(),
        defaults: Defaults { mode, target: RecordTarget::parse(target.iter().copied()).ok(), ttl: 60 },
        azure: None,
        zones: vec![zone("example.com"), zone("int.example.com")],
    }
}

fn class(name: &str, host: &str, dns: serde_json::Value) -> EnvironmentClass {
    let mut spec = json!({"host": host, "port": 80, "template": {"spec": {"containers": [{"name": "a"}]}}});
    if !dns.is_null() {
        spec["dns"] = dns;
    }
    serde_json::from_value(json!({
        "apiVersion": "doorstep.dev/v1alpha1", "kind": "EnvironmentClass", "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

fn environment(user: &str, class: &str) -> Environment {
    serde_json::from_value(json!({
        "apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": format!("{user}-{class}"), "namespace": "default"}, "spec": {"user": user, "class": class},
    }))
    .unwrap()
}

fn seen(settings: &Settings, classes: &[EnvironmentClass], environments: &[Environment], hosts: &[&str]) -> Wanted {
    let services: Vec<SharedService> = hosts
        .iter()
        .map(|hosts| SharedService { namespace: "shop".into(), name: "dg".into(), hosts: (*hosts).to_owned() })
        .collect();
    let sight = Sight {
        classes: classes.iter().collect(),
        environments: environments.iter().collect(),
        services: services.iter().collect(),
    };
    wanted(settings, &"example.com".parse().unwrap(), &sight)
}

fn sets(wanted: &Wanted, zone: &str) -> Vec<String> {
    let zone: Hostname = zone.parse().unwrap();
    wanted.zones[&zone].desired.iter().map(ToString::to_string).collect()
}

#[test]
fn a_class_has_one_record_for_all_or_one_for_each() {
    let classes = [
        class("integration", "front{user}.int.{domain}", json!(null)),
        class("production", "front{user}.prod.{domain}", json!({"mode": "record", "ttlSeconds": 5})),
        class("production-2", "front{user}-2.prod.{domain}", json!({"mode": "record", "target": ["gw.example.com"]})),
        class("quiet", "front{user}.quiet.{domain}", json!({"mode": "none"})),
    ];
    let environments = [
        environment("a", "integration"),
        environment("b", "integration"),
        environment("a", "production"),
        environment("a", "production-2"),
        environment("a", "quiet"),
    ];
    let wanted = seen(&settings(Mode::Wildcard, &["10.0.0.4", "fd00::4"]), &classes, &environments, &[]);
    assert_eq!(
        sets(&wanted, "int.example.com"),
        ["*.int.example.com 60 A 10.0.0.4", "*.int.example.com 60 AAAA fd00::4"]
    );
    assert_eq!(
        sets(&wanted, "example.com"),
        [
            "fronta.prod.example.com 5 A 10.0.0.4",
            "fronta.prod.example.com 5 AAAA fd00::4",
            "fronta-2.prod.example.com 60 CNAME gw.example.com",
        ]
    );
    let wildcard = ("*.int.example.com".parse().unwrap(), Kind::A);
    assert_eq!(wanted.subjects[&wildcard].len(), 3, "the class and its two environments");
    assert!(wanted.troubles.is_empty());
}

#[test]
fn a_class_that_cannot_be_read_takes_nothing_away() {
    let mut before = environment("a", "broken");
    before.status = Some(crate::resources::EnvironmentStatus {
        host: Some("fronta.int.example.com".to_owned()),
        ..Default::default()
    });
    for broken in [
        class("broken", "front.int.{domain}", json!(null)),
        class("broken", "front{user}.int.{domain}", json!({"mode": "wildcart"})),
        class("other", "front{user}.int.{domain}", json!({"mode": "none"})),
    ] {
        let wanted = seen(&settings(Mode::Record, &["10.0.0.4"]), &[broken], &[before.clone()], &[]);
        let kept: Vec<String> = wanted.zones[&"int.example.com".parse::<Hostname>().unwrap()]
            .kept
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(kept, ["*.int.example.com", "fronta.int.example.com"]);
    }
}

#[test]
fn an_environment_whose_name_says_something_else_gets_no_record() {
    let mut forged = environment("a", "integration");
    forged.spec.user = "b".to_owned();
    let mut leaving = environment("c", "integration");
    leaving.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-01-01T00:00:00Z".parse().unwrap()));
    let classes = [class("integration", "front{user}.int.{domain}", json!(null))];
    let wanted = seen(&settings(Mode::Record, &["10.0.0.4"]), &classes, &[forged, leaving], &[]);
    assert!(sets(&wanted, "int.example.com").is_empty());
}

#[test]
fn shared_services_get_theirs_but_none_in_a_personal_zone() {
    let classes = [class("integration", "front{user}.int.{domain}", json!(null))];
    let hosts = ["dg.example.com, *.dg.example.com", "fronta.int.example.com", "a.example.net", "not a host"];
    let wanted = seen(&settings(Mode::Nothing, &["gw.example.com"]), &classes, &[], &hosts);
    assert_eq!(
        sets(&wanted, "example.com"),
        ["dg.example.com 60 CNAME gw.example.com", "*.dg.example.com 60 CNAME gw.example.com"]
    );
    assert!(sets(&wanted, "int.example.com").is_empty() && wanted.troubles.is_empty());
}

#[test]
fn what_cannot_be_written_is_told_with_its_reason() {
    let reason = |settings: &Settings, classes: &[EnvironmentClass], hosts: &[&str]| {
        let wanted = seen(settings, classes, &[environment("a", "k")], hosts);
        wanted.troubles.values().map(|trouble| trouble.reason).collect::<Vec<_>>()
    };
    let record = |host: &str, target: &str| [class("k", host, json!({"mode": "record", "target": [target]}))];
    let plain = settings(Mode::Record, &[]);
    assert_eq!(reason(&plain, &record("front{user}.int.elsewhere.net", "10.0.0.1"), &[]), ["NoZone"]);
    assert_eq!(reason(&plain, &[class("k", "f{user}.int.{domain}", json!(null))], &[]), ["NoTarget"]);
    assert_eq!(reason(&plain, &record("f{user}.x.{domain}", "fa.x.example.com"), &[]), ["LeadsToItself"]);
    assert_eq!(reason(&settings(Mode::Nothing, &["gw.example.com"]), &[], &["example.com"]), ["NoCnameAtApex"]);
    let two = [
        class("k", "f{user}.x.{domain}", json!({"mode": "wildcard", "target": ["10.0.0.1"]})),
        class("l", "g{user}.x.{domain}", json!({"mode": "wildcard", "target": ["10.0.0.2"]})),
    ];
    assert_eq!(reason(&plain, &two, &[]), ["Contradiction"]);
}
