//! The record sets of one zone, each with its past, as listings lag behind.

use super::schema;
use super::state::Incoming;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The properties of a record set, told as private DNS spells them, in the spelling of either service.
pub fn spelled(properties: Value, is_private: bool) -> Value {
    let Value::Object(fields) = properties else { panic!("properties are an object") };
    let spelled = fields.into_iter().map(|(name, value)| {
        let name = match name.as_str() {
            "ttl" if !is_private => "TTL".to_owned(),
            _ => match name.strip_suffix("Records").or_else(|| name.strip_suffix("Record")) {
                Some(kind) if !is_private => name.replacen(kind, &kind.to_ascii_uppercase(), 1),
                Some(_) | None => name,
            },
        };
        (name, value)
    });
    Value::Object(spelled.collect())
}

/// A record set as the service gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub etag: String,
    pub properties: Value,
}

impl Record {
    pub fn body(&self) -> Value {
        json!({"id": self.id, "name": self.name, "type": self.kind, "etag": self.etag, "properties": self.properties})
    }
}

/// What stood there since when.
type Past = Vec<(Duration, Option<Record>)>;

/// The record sets of one zone.
pub struct Records {
    zone: String,
    is_private: bool,
    /// By kind and name, newest last.
    past: BTreeMap<(String, String), Past>,
}

impl Records {
    pub fn new(zone: &str, is_private: bool) -> Self {
        Self { zone: zone.to_owned(), is_private, past: BTreeMap::new() }
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<&Record> {
        self.past.get(&(kind.to_owned(), name.to_owned()))?.last()?.1.as_ref()
    }

    pub fn set(&mut self, kind: &str, name: &str, record: Option<Record>, now: Duration) {
        self.past.entry((kind.to_owned(), name.to_owned())).or_default().push((now, record));
    }

    /// Writes a set; the service adds what is its own.
    pub fn put(&mut self, kind: &str, name: &str, mut properties: Value, etag: u64, now: Duration) {
        let fqdn = if name == "@" { format!("{}.", self.zone) } else { format!("{name}.{}.", self.zone) };
        properties["fqdn"] = json!(fqdn);
        if self.is_private {
            properties["isAutoRegistered"] = json!(false);
        } else {
            properties["provisioningState"] = json!("Succeeded");
            properties["targetResource"] = json!({});
        }
        let resource = if self.is_private { "privateDnsZones" } else { "dnsZones" };
        let record = Record {
            id: format!("{}/{kind}/{name}", super::zones::zone_path(&self.zone, self.is_private)),
            name: name.to_owned(),
            kind: format!("Microsoft.Network/{resource}/{kind}"),
            etag: format!("00000000-0000-0000-0000-{etag:012x}"),
            properties,
        };
        self.set(kind, name, Some(record), now);
    }

    /// Everything that is there now.
    pub fn all(&self) -> Vec<Value> {
        self.listed(Duration::MAX).map(|(_, item)| item).collect()
    }

    /// What was there at `time`, in the order of the keys that come first.
    pub fn listed(&self, time: Duration) -> impl Iterator<Item = (String, Value)> {
        self.past.iter().filter_map(move |((kind, name), past)| {
            let record = past.iter().rev().find(|(at, _)| *at <= time)?.1.as_ref()?;
            Some((format!("{kind}.{name}"), record.body()))
        })
    }

    /// What the service has against a PUT of this set.
    pub fn mistakes(&self, kind: &str, name: &str, call: &Incoming) -> Vec<String> {
        let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
            return vec!["the body is no JSON".to_owned()];
        };
        if !call.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json")) {
            return vec![format!("the content type is {:?}", call.content_type)];
        }
        let schema = if self.is_private {
            format!("Microsoft.Network.privateDnsZones.{kind}@2024-06-01")
        } else {
            format!("Microsoft.Network.dnsZones.{kind}@2018-05-01")
        };
        let mut found = schema::mistakes(&schema, &body);
        let ttl = body["properties"][if self.is_private { "ttl" } else { "TTL" }].as_i64().unwrap_or_default();
        if !(1..=2_147_483_647).contains(&ttl) {
            found.push(format!("the TTL is {ttl}"));
        }
        let others = ["A", "AAAA", "CNAME", "MX", "TXT", "SOA", "NS"].into_iter().filter(|other| *other != kind);
        for other in others.filter(|other| kind == "CNAME" || *other == "CNAME") {
            if self.get(other, name).is_some() {
                let said = "The record could not be created because a CNAME record with the same name already exists in this zone.";
                found.push(said.to_owned());
            }
        }
        if kind == "CNAME" && name == "@" {
            found.push("a CNAME cannot stand at the apex".to_owned());
        }
        found
    }
}
