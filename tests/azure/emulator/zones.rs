//! Zones: where they are, their listing in pages, and their making and removal as long-running operations.

use super::records::{Record, Records};
use super::reply::Reply;
use super::schema;
use super::state::{Incoming, State};
use serde_json::{Value, json};
use std::time::Duration;

/// A zone.
pub struct Zone {
    pub is_private: bool,
    pub records: Records,
}

/// A long-running operation.
pub struct Operation {
    pub ends_at: Duration,
    /// Its signed query, which has to come back as it is.
    pub query: String,
    /// What it says in the end; `Succeeded`, `Failed`, `Canceled`.
    pub word: &'static str,
}

/// What a path leads to.
enum Place {
    Zone,
    Listing,
    Record { kind: String, name: String },
}

const RESOURCE: &str = "/providers/Microsoft.Network/";

impl State {
    /// Makes a zone at once, with the records at its apex.
    pub fn make_zone(&mut self, name: &str, is_private: bool) {
        let mut records = Records::new(name, is_private);
        let soa = json!({"host": "azureprivatedns.net", "email": "azureprivatedns-host.microsoft.com"});
        records.put("SOA", "@", json!({"ttl": 3600, "soaRecord": soa}), self.next(), Duration::ZERO);
        if !is_private {
            let ns = json!([{"nsdname": "ns1-01.azure-dns.com."}]);
            records.put("NS", "@", json!({"TTL": 172_800, "NSRecords": ns}), self.next(), Duration::ZERO);
        }
        self.zones.insert(zone_path(name, is_private).to_ascii_lowercase(), Zone { is_private, records });
    }

    pub fn zone(&mut self, name: &str, is_private: bool) -> &mut Zone {
        self.zones.get_mut(&zone_path(name, is_private).to_ascii_lowercase()).unwrap()
    }

    pub(super) fn serve(&mut self, call: &Incoming, now: Duration) -> Reply {
        if let Some(reply) = self.operation(call, now) {
            return reply;
        }
        let Some((path, is_private, place)) = place(&call.path) else {
            return Reply::error(404, "NotFound", "There is nothing at this path.");
        };
        let version = if is_private { "2024-06-01" } else { "2018-05-01" };
        if !call.query.split('&').any(|part| part == format!("api-version={version}")) {
            self.violations.push(format!("{} {} has the query {}", call.method, call.path, call.query));
            return Reply::error(400, "InvalidApiVersionParameter", "The api-version is not supported.");
        }
        match (place, call.method.as_str()) {
            (Place::Zone, "PUT") => self.put_zone(&path, call, now),
            (Place::Zone, "DELETE") => self.delete_zone(&path, now),
            (_, _) if !self.zones.contains_key(&path) => missing(&call.path),
            (Place::Zone, "GET") => Reply::json(200, &zone_body(&call.path)),
            (Place::Listing, "GET") => self.list(&path, call, now),
            (Place::Record { kind, name }, _) => self.record(&path, &kind, &name, call, now),
            (Place::Zone | Place::Listing, method) => {
                Reply::error(405, "MethodNotAllowed", &format!("{method} is not allowed here."))
            }
        }
    }

    /// Somebody else touches the record right before the call, which is then refused if it is conditional.
    pub(super) fn touched(&mut self, call: &Incoming, now: Duration) -> Reply {
        let etag = format!("touched-{}", self.next());
        if let Some((path, _, Place::Record { kind, name })) = place(&call.path)
            && let Some(zone) = self.zones.get_mut(&path)
            && let Some(mut record) = zone.records.get(&kind, &name).cloned()
        {
            record.etag = etag;
            zone.records.set(&kind, &name, Some(record), now);
            return self.serve(call, now);
        }
        Reply::error(412, "PreconditionFailed", "The condition '*' in the If-None-Match header was not satisfied.")
    }

    /// A page in the order of names. Each begins with the last item of the one before, as pages overlap while a zone changes.
    fn list(&mut self, path: &str, call: &Incoming, now: Duration) -> Reply {
        let lag = Duration::from_secs(self.faults.lag_seconds);
        let zone = &self.zones[path];
        let from = call.query.split('&').find_map(|part| part.strip_prefix("%24skiptoken="));
        let items: Vec<(String, Value)> = zone
            .records
            .listed(now.saturating_sub(lag))
            .filter(|(key, _)| from.is_none_or(|from| key.as_str() >= from))
            .take(self.page + 1)
            .collect();
        let mut body = json!({});
        if let Some((next, _)) = items.get(self.page) {
            let version = if zone.is_private { "2024-06-01" } else { "2018-05-01" };
            let link = format!("{}{}?api-version={version}&%24skiptoken={next}", self.origin, call.path);
            body["nextLink"] = json!(link);
        }
        body["value"] = items.into_iter().map(|(_, item)| item).collect();
        Reply::json(200, &body)
    }

    fn put_zone(&mut self, path: &str, call: &Incoming, now: Duration) -> Reply {
        let Ok(body) = serde_json::from_slice(&call.body) else {
            return Reply::error(400, "InvalidRequestContent", "The request content was invalid.");
        };
        self.violations.extend(schema::mistakes("Microsoft.Network.privateDnsZones@2024-06-01", &body));
        let name = path.rsplit('/').next().unwrap().to_owned();
        self.make_zone(&name, true);
        self.begin(now)
    }

    fn delete_zone(&mut self, path: &str, now: Duration) -> Reply {
        match self.zones.remove(path) {
            Some(_) => self.begin(now),
            None => Reply::empty(204),
        }
    }

    /// As recorded of a private zone: 202, `{}`, both fields, with queries of some kilobytes.
    fn begin(&mut self, now: Duration) -> Reply {
        let (id, signature) = (self.next(), "sIgn%2f~".repeat(450));
        let query = format!("api-version=2024-06-01&t=638&c=MIIH&s={signature}&h=a-b_c");
        let base =
            format!("{}/subscriptions/{}/resourceGroups/{}{RESOURCE}", self.origin, super::SUBSCRIPTION, super::GROUP);
        let operation = Operation { ends_at: now + Duration::from_secs(45), query: query.clone(), word: "Succeeded" };
        self.operations.insert(id.to_string(), operation);
        Reply::json(202, &json!({}))
            .header("azure-asyncoperation", format!("{base}privateDnsOperationStatuses/{id}?{query}"))
            .header("location", format!("{base}privateDnsOperationResults/{id}?{query}"))
            .header("retry-after", "30")
    }

    fn operation(&mut self, call: &Incoming, now: Duration) -> Option<Reply> {
        let (_, rest) = call.path.split_once("/privateDnsOperation")?;
        let (kind, id) = rest.split_once('/')?;
        let operation = self.operations.get(id)?;
        if call.query != operation.query {
            self.violations.push("a status URL did not come back as it was given".to_owned());
            return Some(Reply::error(403, "InvalidSignature", "The signature does not match."));
        }
        let is_over = now >= operation.ends_at;
        Some(match (kind, is_over) {
            ("Statuses", false) => Reply::json(200, &json!({"status": "InProgress"})).header("retry-after", "30"),
            ("Statuses", true) if operation.word == "Succeeded" => Reply::json(200, &json!({"status": "Succeeded"})),
            ("Statuses", true) => {
                let error = json!({"code": "ZoneLimit", "message": "There are too many zones."});
                Reply::json(200, &json!({"status": operation.word, "error": error}))
            }
            (_, false) => {
                let location = format!("{}{}?{}", self.origin, call.path, call.query);
                Reply::empty(202).header("location", location).header("retry-after", "15")
            }
            (_, true) => Reply::empty(200),
        })
    }

    fn record(&mut self, path: &str, kind: &str, name: &str, call: &Incoming, now: Duration) -> Reply {
        let (method, etag) = (call.method.as_str(), self.next());
        let zone = self.zones.get_mut(path).unwrap();
        let before = zone.records.get(kind, name).cloned();
        if method != "GET"
            && let Some(refusal) = unmet(call, before.as_ref())
        {
            return refusal;
        }
        match method {
            "GET" => match before {
                Some(record) => Reply::json(200, &record.body()),
                None => missing(&call.path),
            },
            "DELETE" if matches!(kind, "SOA") => Reply::error(400, "BadRequest", "The SOA record cannot be deleted."),
            "DELETE" if before.is_none() => Reply::empty(204),
            "DELETE" => {
                zone.records.set(kind, name, None, now);
                Reply::empty(200)
            }
            "PUT" => {
                let mistakes = zone.records.mistakes(kind, name, call);
                if mistakes.is_empty() {
                    let body: Value = serde_json::from_slice(&call.body).unwrap();
                    zone.records.put(kind, name, body["properties"].clone(), etag, now);
                    let status = if before.is_none() { 201 } else { 200 };
                    return Reply::json(status, &zone.records.get(kind, name).unwrap().body());
                }
                let said = mistakes.join("; ");
                if !said.contains("already exists") {
                    self.violations.extend(mistakes);
                }
                Reply::error(400, "BadRequest", &said)
            }
            other => Reply::error(405, "MethodNotAllowed", &format!("{other} is not allowed here.")),
        }
    }
}

/// The answer if the call's condition does not hold.
fn unmet(call: &Incoming, before: Option<&Record>) -> Option<Reply> {
    let refused = |field: &str, value: &str| {
        let said = format!("The condition '{value}' in the {field} header was not satisfied.");
        Some(Reply::error(412, "PreconditionFailed", &said))
    };
    if let Some(wanted) = &call.if_none_match
        && (wanted != "*" || before.is_some())
    {
        return refused("If-None-Match", wanted);
    }
    match (&call.if_match, before) {
        (Some(wanted), Some(record)) if wanted != "*" && *wanted != record.etag => refused("If-Match", wanted),
        // A deletion of what is not there is answered with 204 whatever it was compared with.
        (Some(wanted), None) if call.method != "DELETE" => refused("If-Match", wanted),
        (Some(_) | None, _) => None,
    }
}

fn missing(path: &str) -> Reply {
    let name = path.rsplit('/').next().unwrap_or_default();
    let said = format!(
        "The Resource 'Microsoft.Network/{name}' under resource group '{}' was not found. For more details please go to \
         https://aka.ms/ARMResourceNotFoundFix",
        super::GROUP
    );
    Reply::error(404, "ResourceNotFound", &said).header("x-ms-failure-cause", "gateway")
}

pub fn zone_path(name: &str, is_private: bool) -> String {
    let kind = if is_private { "privateDnsZones" } else { "dnsZones" };
    format!("/subscriptions/{}/resourceGroups/{}{RESOURCE}{kind}/{name}", super::SUBSCRIPTION, super::GROUP)
}

fn zone_body(path: &str) -> Value {
    json!({"id": path, "name": path.rsplit('/').next(), "type": "Microsoft.Network/privateDnsZones", "location": "global",
           "etag": "zone-1", "properties": {"provisioningState": "Succeeded"}})
}

/// The key of the zone, whether it is private, and what in it is meant.
fn place(path: &str) -> Option<(String, bool, Place)> {
    let (head, rest) = path.split_once(RESOURCE)?;
    let parts: Vec<&str> = rest.split('/').collect();
    let is_private = parts[0].eq_ignore_ascii_case("privateDnsZones");
    let zone = format!("{head}{RESOURCE}{}/{}", parts[0], parts.get(1)?).to_ascii_lowercase();
    let place = match parts[2..] {
        [] => Place::Zone,
        [all] if all.eq_ignore_ascii_case("all") || all == "recordsets" => Place::Listing,
        [kind, name] => {
            let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?.to_ascii_lowercase();
            Place::Record { kind: kind.to_owned(), name }
        }
        _ => return None,
    };
    Some((zone, is_private, place))
}
