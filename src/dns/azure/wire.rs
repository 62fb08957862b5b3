//! Record sets as the two services spell them. Leaf names are the same, the names above them differ in case.

use super::Visibility;
use crate::dns::{Existing, Kind, Listing, Occupied, Owner, RecordName, RecordSet, Values};
use crate::model::Hostname;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The key of the owner's mark in a record set's metadata.
const OWNER: &str = "doorstep-owner";

/// How one service spells the properties of a record set.
struct Spelling {
    ttl: &'static str,
    a: &'static str,
    aaaa: &'static str,
    cname: &'static str,
}

fn spelling(visibility: Visibility) -> Spelling {
    match visibility {
        Visibility::Private => Spelling { ttl: "ttl", a: "aRecords", aaaa: "aaaaRecords", cname: "cnameRecord" },
        Visibility::Public => Spelling { ttl: "TTL", a: "ARecords", aaaa: "AAAARecords", cname: "CNAMERecord" },
    }
}

/// The body that makes `set`, marked as `owner`'s.
pub(super) fn body(visibility: Visibility, set: &RecordSet, owner: &Owner) -> Value {
    let names = spelling(visibility);
    let (name, values) = match &set.values {
        Values::A(all) => (names.a, all.iter().map(|ip| json!({"ipv4Address": ip})).collect()),
        Values::Aaaa(all) => (names.aaaa, all.iter().map(|ip| json!({"ipv6Address": ip})).collect()),
        Values::Cname(target) => (names.cname, json!({"cname": target.to_string()})),
    };
    let mut properties = Map::new();
    properties.insert(names.ttl.to_owned(), json!(set.ttl));
    properties.insert("metadata".to_owned(), json!({OWNER: owner.as_str()}));
    properties.insert(name.to_owned(), values);
    json!({"properties": properties})
}

/// What the items of a listing are. One that comes twice, as pages overlap while the zone changes, is taken once.
pub(super) fn listing(zone: &Hostname, visibility: Visibility, items: &[Value]) -> Listing {
    let (mut sets, mut others) = (BTreeMap::new(), BTreeSet::new());
    for item in items {
        let Some((name, kind)) = place(zone, item) else { continue };
        match existing(zone, visibility, item) {
            Some(existing) => {
                sets.insert((name, kind.to_owned()), existing);
            }
            None => {
                others.insert(Occupied { name, kind: kind.to_owned() });
            }
        }
    }
    Listing { sets: sets.into_values().collect(), others: others.into_iter().collect() }
}

/// The record set that `item` is, if it is one of ours to write and can be compared.
pub(super) fn existing(zone: &Hostname, visibility: Visibility, item: &Value) -> Option<Existing> {
    let (name, kind) = place(zone, item)?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let (names, properties) = (spelling(visibility), item.get("properties")?);
    let ttl = properties.get(names.ttl)?.as_u64().and_then(|ttl| u32::try_from(ttl).ok())?;
    let values = match kind {
        Kind::A => Values::A(addresses(properties.get(names.a)?, "ipv4Address")?),
        Kind::Aaaa => Values::Aaaa(addresses(properties.get(names.aaaa)?, "ipv6Address")?),
        Kind::Cname => Values::Cname(properties.get(names.cname)?.get("cname")?.as_str()?.parse().ok()?),
    };
    let version = item.get("etag")?.as_str().filter(|etag| !etag.is_empty())?.to_owned();
    let mark = properties.get("metadata").and_then(|metadata| metadata.get(OWNER)).and_then(Value::as_str);
    let owner = mark.and_then(|mark| mark.parse().ok());
    Some(Existing { set: RecordSet { name, ttl, values }, owner, version })
}

/// The name and kind of an item, if the name is one that we could want.
fn place<'i>(zone: &Hostname, item: &'i Value) -> Option<(RecordName, &'i str)> {
    let kind = item.get("type")?.as_str()?.rsplit('/').next()?;
    let name = RecordName::in_zone(item.get("name")?.as_str()?, zone).ok()?;
    Some((name, kind))
}

/// All addresses, or none if one of them cannot be read or there is none, as with an alias record.
fn addresses<T: Ord + std::str::FromStr>(values: &Value, field: &str) -> Option<BTreeSet<T>> {
    let all = values.as_array()?.iter().map(|value| value.get(field)?.as_str()?.parse().ok());
    all.collect::<Option<BTreeSet<T>>>().filter(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Hostname {
        "int.example.com".parse().unwrap()
    }

    fn sets() -> Vec<RecordSet> {
        let values = [
            Values::A(["10.0.0.1", "10.0.0.2"].iter().map(|a| a.parse().unwrap()).collect()),
            Values::Aaaa(["fd00::1"].iter().map(|a| a.parse().unwrap()).collect()),
            Values::Cname("gateway.example.com".parse().unwrap()),
        ];
        let set = |values| RecordSet { name: "*.int.example.com".parse().unwrap(), ttl: 60, values };
        values.into_iter().map(set).collect()
    }

    /// The body as the service gives it back.
    fn item(mut body: Value, kind: &str, name: &str) -> Value {
        body["name"] = json!(name);
        body["type"] = json!(format!("Microsoft.Network/privateDnsZones/{kind}"));
        body["etag"] = json!("e-1");
        body
    }

    #[test]
    fn what_is_written_is_what_is_read_in_both_spellings() {
        let owner: Owner = "team".parse().unwrap();
        for visibility in [Visibility::Private, Visibility::Public] {
            for set in sets() {
                let item = item(body(visibility, &set, &owner), set.kind().as_str(), "*");
                let read = existing(&zone(), visibility, &item).unwrap();
                assert_eq!(read, Existing { set, owner: Some(owner.clone()), version: "e-1".to_owned() });
            }
        }
    }

    #[test]
    fn the_two_services_differ_in_case() {
        let owner = "team".parse().unwrap();
        let set = sets().remove(0);
        assert!(body(Visibility::Private, &set, &owner).pointer("/properties/aRecords/0/ipv4Address").is_some());
        assert!(body(Visibility::Public, &set, &owner).pointer("/properties/ARecords/1/ipv4Address").is_some());
        assert_eq!(body(Visibility::Public, &set, &owner)["properties"]["TTL"], 60);
    }

    #[test]
    fn what_cannot_be_read_or_compared_occupies_its_name() {
        let good = json!({"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.1"}]});
        let with = |properties: Value| item(json!({"properties": properties}), "A", "x");
        let items = [
            with(json!({"ttl": 60, "aRecords": []})),
            with(json!({"ttl": 60, "targetResource": {"id": "/x"}})),
            with(json!({"ttl": -1, "aRecords": [{"ipv4Address": "10.0.0.1"}]})),
            with(json!({"ttl": 60, "aRecords": [{"ipv4Address": "ten"}]})),
        ];
        for item in items {
            let listing = listing(&zone(), Visibility::Private, std::slice::from_ref(&item));
            assert_eq!((listing.sets.len(), listing.others.len()), (0, 1), "{item}");
        }
        let mut untagged = with(good.clone());
        untagged["etag"] = json!("");
        assert_eq!(listing(&zone(), Visibility::Private, &[untagged]).others.len(), 1);
        let listed = listing(&zone(), Visibility::Private, &[with(good.clone()), with(good)]);
        assert_eq!((listed.sets.len(), listed.others.len()), (1, 0), "an item that comes twice is one");
        assert_eq!(listed.sets[0].owner, None);
    }

    #[test]
    fn names_that_we_could_not_want_are_left_out_and_foreign_kinds_are_told() {
        let other = |kind: &str, name: &str| item(json!({"properties": {}}), kind, name);
        let items = [other("SOA", "@"), other("TXT", "_acme-challenge"), other("MX", "mail"), json!({}), json!(7)];
        let told = listing(&zone(), Visibility::Private, &items).others;
        let told: Vec<String> = told.iter().map(|at| format!("{} {}", at.name, at.kind)).collect();
        assert_eq!(told, ["int.example.com SOA", "mail.int.example.com MX"]);
    }

    #[test]
    fn a_mark_that_is_no_owner_is_nobodys() {
        let mut body = body(Visibility::Private, &sets().remove(0), &"team".parse().unwrap());
        body["properties"]["metadata"][OWNER] = json!("Not An Owner");
        assert_eq!(existing(&zone(), Visibility::Private, &item(body, "A", "*")).unwrap().owner, None);
    }
}
