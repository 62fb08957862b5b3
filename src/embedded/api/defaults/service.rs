//! Defaults of Services, and the addresses that they are given.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::kinds::Kind;
use super::super::service::Api;
use super::super::store::Objects;
use super::super::validation;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

/// The first address of the range, 10.96.0.0/16; it is kept for the API.
const FIRST: u32 = u32::from_be_bytes([10, 96, 0, 0]);
/// How many addresses the range has.
const SIZE: u32 = 1 << 16;

/// Which addresses were given out.
#[derive(Default)]
pub(crate) struct ServiceAddresses(Mutex<Given>);

#[derive(Default)]
struct Given {
    taken: HashSet<u32>,
    loaded: bool,
    next: u32,
}

impl ServiceAddresses {
    /// An address that no Service has.
    fn allocate(&self, services: impl Fn() -> Objects) -> Option<Ipv4Addr> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Addresses of deleted Services come back when the others are used up.
        for fresh in [!given.loaded, true] {
            if fresh {
                let addresses = services();
                given.taken = addresses.values().filter_map(|service| number(&service.value)).collect();
                given.loaded = true;
            }
            for _ in 0..SIZE {
                given.next = (given.next + 1) % SIZE;
                // Neither the network's own address, nor the API's, nor the broadcast address.
                let free = (2..SIZE - 1).contains(&given.next);
                let address = FIRST + given.next;
                if free && given.taken.insert(address) {
                    return Some(Ipv4Addr::from(address));
                }
            }
        }
        None
    }
}

fn number(service: &Value) -> Option<u32> {
    json::text(service, "/spec/clusterIP").parse::<Ipv4Addr>().ok().map(u32::from)
}

pub(super) fn fill(api: &Api, kind: &Kind, object: &mut Value, old: Option<&Value>) -> Outcome<()> {
    json::set_default(object, &["spec", "type"], "ClusterIP");
    json::set_default(object, &["spec", "sessionAffinity"], "None");
    for port in json::items_mut(object, "/spec/ports") {
        json::set_default(port, &["protocol"], "TCP");
        let number = port.get("port").cloned().unwrap_or_default();
        if port.get("targetPort").is_none_or(|target| matches!(target.as_i64(), Some(0)) || target == "") {
            json::set(port, &["targetPort"], number);
        }
    }
    if old.is_none() {
        json::set_default(object, &["status", "loadBalancer"], json!({}));
    }
    if json::text(object, "/spec/type") == "ExternalName" {
        return Ok(());
    }
    json::set_default(object, &["spec", "internalTrafficPolicy"], "Cluster");
    json::set_default(object, &["spec", "ipFamilies"], json!(["IPv4"]));
    json::set_default(object, &["spec", "ipFamilyPolicy"], "SingleStack");
    address(api, kind, object, old)?;
    let address = json::text(object, "/spec/clusterIP").to_owned();
    json::set(object, &["spec", "clusterIPs"], json!([address]));
    Ok(())
}

/// The address: the one that it had, the one that is asked for, or a free one.
fn address(api: &Api, kind: &Kind, object: &mut Value, old: Option<&Value>) -> Outcome<()> {
    let asked = json::text(object, "/spec/clusterIP").to_owned();
    let before = old.map(|old| json::text(old, "/spec/clusterIP")).unwrap_or_default();
    if asked.is_empty() && !before.is_empty() {
        json::set(object, &["spec", "clusterIP"], before);
        return Ok(());
    }
    if !asked.is_empty() {
        if asked != before && asked != "None" {
            asked_for(api, kind, object, &asked)?;
        }
        return Ok(());
    }
    let services = || api.store.snapshot(kind.storage).1;
    let free = api.addresses.allocate(services);
    let free = free.ok_or_else(|| Failure::internal("no Service address is free in 10.96.0.0/16"))?;
    json::set(object, &["spec", "clusterIP"], free.to_string());
    Ok(())
}

fn asked_for(api: &Api, kind: &Kind, object: &Value, asked: &str) -> Outcome<()> {
    let name = json::text(object, "/metadata/name");
    let refuse = |why: &str| {
        let error = validation::invalid("spec.clusterIPs", &format!("Invalid value: [\"{asked}\"]: {why}"));
        Err(Failure::invalid(&kind.info, name, &[error]))
    };
    let Ok(address) = asked.parse::<Ipv4Addr>() else {
        return refuse("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    };
    if !(FIRST..FIRST + SIZE).contains(&u32::from(address)) {
        return refuse(&format!(
            "failed to allocate IP {asked}: the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        ));
    }
    let taken = api.store.snapshot(kind.storage).1.values().any(|service| {
        number(&service.value) == Some(u32::from(address)) && json::text(&service.value, "/metadata/name") != name
    });
    if taken { refuse(&format!("failed to allocate IP {asked}: provided IP is already allocated")) } else { Ok(()) }
}
