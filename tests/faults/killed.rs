//! A manager that is killed after each single write of what it does, with the records at a real name server or at Azure: what
//! was asked for comes to be, once, and the audit tells of all of it.

mod lives;
mod site;
mod zone;

use serde_json::json;
use site::{CLASS, Call, Site, TARGETS};
use std::collections::BTreeSet;
use std::time::Instant;
use zone::Provider;

/// No call writes as often as that; it bounds a loop.
const MOST_WRITES: usize = 60;

faults! {
    fn a_manager_killed_after_any_write_of_any_call_loses_nothing_and_does_nothing_twice_at_bind() {
        killed_after_each_write(Provider::Bind);
    }

    fn a_manager_killed_after_any_write_of_any_call_loses_nothing_and_does_nothing_twice_at_knot() {
        killed_after_each_write(Provider::Knot);
    }

    fn a_manager_killed_after_any_write_of_any_call_loses_nothing_and_does_nothing_twice_at_azure_public_dns() {
        killed_after_each_write(Provider::AzurePublic);
    }

    fn a_manager_killed_after_any_write_or_any_look_at_a_lost_one_loses_nothing_at_azure_private_dns() {
        killed_after_each_write(Provider::AzurePrivate);
    }
}

fn killed_after_each_write(provider: Provider) {
    let began = Instant::now();
    let mut site = Site::start(provider);
    let foreign = site.zone.records();
    let mut kills = 0;
    let mut seen: [BTreeSet<String>; 4] = Default::default();
    for after in 1..MOST_WRITES {
        let user = format!("user{after}");
        let path = format!("/environments/{user}/{CLASS}");
        let deploy =
            |tag: &str| json!({"parameters": {"TAG_FRONT": tag, "TAG_ASSETS": "1", "VERSION": "1.0.0"}}).to_string();
        let create = Call::Api("PUT", &path, &deploy("first"));
        let created = site.call(after, &create, &mut seen[0], &|site| site.is_ready(&user, "first"));
        // The records are to lead elsewhere at the same time.
        site.target = TARGETS[after % TARGETS.len()];
        let class = json!({"dns": {"target": [site.target]}});
        let change = Call::ApiAndClass("PUT", &path, &deploy("second"), &class);
        let changed = site.call(after, &change, &mut seen[1], &|site| site.is_ready(&user, "second"));
        let back = format!("{path}:rollback");
        let rolled_back =
            site.call(after, &Call::Api("POST", &back, "{}"), &mut seen[2], &|site| site.is_ready(&user, "first"));
        site.is_once(&user);
        let deleted = site.call(after, &Call::Api("DELETE", &path, ""), &mut seen[3], &|site| site.is_gone(&user));
        let sprung = [created, changed, rolled_back, deleted];
        kills += sprung.iter().filter(|sprung| **sprung).count();
        if sprung == [false; 4] {
            break;
        }
        assert!(after + 1 < MOST_WRITES, "a call that writes for ever: {seen:?}");
    }
    site.nothing_is_left();
    assert_eq!(site.zone.records(), foreign, "only the foreign records are left");
    let records = site.end();
    println!(
        "{provider:?}: killed {kills} times in {:?}; {records} records of the audit, all calls begun and ended",
        began.elapsed()
    );
    for (name, writes) in ["create", "change", "roll back", "delete"].iter().zip(&seen) {
        println!("{name}: {}", writes.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
}
