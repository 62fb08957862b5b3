//! The file of DNS: whose records, which zones, who keeps them. `config/dns` holds an example.

use super::fields::{Fields, Mistakes, kind};
use super::{ConfigErrors, parse_yaml};
use crate::dns::rfc2136::{Algorithm, ServerAddress};
use crate::dns::settings::{AzureConnection, AzureSettings, Defaults, Mode, ProviderSettings, Settings, ZoneSettings};
use crate::dns::{Guard, Owner, Ttl};
use crate::model::{Hostname, RecordTarget, did_you_mean, parse_duration, shown};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// The longest time to live that is of use where environments come and go: a week.
const MAX_TTL: Ttl = 604_800;
const DEFAULT_TTL: Ttl = 60;
const DEFAULT_PERIOD: Duration = Duration::from_secs(300);
const MIN_PERIOD: Duration = Duration::from_secs(10);

/// Reads the text of a file of DNS. `file` names it in messages, and paths in it are relative to its folder.
pub fn read_dns(text: &str, file: &str) -> Result<Settings, ConfigErrors> {
    let document = parse_yaml(text, file)?;
    let mut mistakes = Mistakes::default();
    let top = Fields::of(
        &document,
        "",
        &["owner", "confirm", "period", "resolvers", "defaults", "azure", "zones"],
        &mut mistakes,
    );
    let owner = required(&top, "owner", "a name of this installation, like team-cluster", &mut mistakes);
    let owner = owner.and_then(|owner| mistakes.check("owner", owner.parse::<Owner>()));
    let guard = top.value("confirm").map_or_else(Guard::default, |value| guard(value, &mut mistakes));
    let period = period(&top, &mut mistakes);
    let resolvers = top.list("resolvers", &mut mistakes);
    let resolvers =
        resolvers.iter().filter_map(|(path, value)| mistakes.check(path, resolver(value))).collect::<Vec<_>>();
    let defaults = defaults(top.value("defaults"), &mut mistakes);
    let azure = top.value("azure").and_then(|value| {
        // Its own reader knows its fields; of several mistakes it tells the first.
        let read = serde_json::from_value::<AzureConnection>(value.clone()).map_err(|error| error.to_string());
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        mistakes.check("azure", read).map(|read| read.relative_to(folder))
    });
    let zones = top.some_list("zones", &mut mistakes);
    let mut read: Vec<ZoneSettings> = Vec::new();
    for (path, value) in &zones {
        let Some(zone) = zone(path, value, Path::new(file), &mut mistakes) else { continue };
        if read.iter().any(|other| other.zone == zone.zone) {
            mistakes.add(path, format!("the zone {} stands here twice", zone.zone));
        }
        if matches!(zone.provider, ProviderSettings::Azure(_)) && top.value("azure").is_none() {
            mistakes.add(path, "Azure keeps it, and the field azure of the file does not say with which credential");
        }
        read.push(zone);
    }
    // Without an owner there was a mistake, so what stands in its place is never seen.
    let owner = owner.or_else(|| "unnamed".parse().ok());
    let settings = owner.map(|owner| Settings { owner, guard, period, resolvers, defaults, azure, zones: read });
    let settings = mistakes.finish(file, settings)?;
    settings.ok_or_else(|| ConfigErrors::one(file, "owner", "it is missing".to_owned()))
}

fn required<'v>(fields: &Fields<'v>, name: &str, what: &str, mistakes: &mut Mistakes) -> Option<&'v str> {
    if fields.value(name).is_none() {
        mistakes.add(&fields.path(name), format!("it is missing; it should be {what}"));
        return None;
    }
    fields.text(name, mistakes)
}

fn guard(value: &Value, mistakes: &mut Mistakes) -> Guard {
    let fields = Fields::of(value, "confirm", &["percent", "always"], mistakes);
    let standard = Guard::default();
    let percent = fields.value("percent").map_or(Some(u64::from(standard.percent)), Value::as_u64);
    let percent = percent.and_then(|percent| u8::try_from(percent).ok()).filter(|percent| *percent <= 100);
    let always = fields.value("always").map_or(Some(standard.always as u64), Value::as_u64);
    let always = always.and_then(|always| usize::try_from(always).ok());
    if percent.is_none() {
        mistakes.add(&fields.path("percent"), "it should be a whole number from 0 to 100");
    }
    if always.is_none() {
        mistakes.add(&fields.path("always"), "it should be a whole number from 0 on");
    }
    Guard { percent: percent.unwrap_or(standard.percent), always: always.unwrap_or(standard.always) }
}

fn period(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Duration {
    let Some(text) = fields.text("period", mistakes) else { return DEFAULT_PERIOD };
    let period = parse_duration(text).filter(|period| *period >= MIN_PERIOD);
    if period.is_none() {
        mistakes.add(
            &fields.path("period"),
            format!("{} is no time between two listings; 10s and more are, like 5m", shown(text)),
        );
    }
    period.unwrap_or(DEFAULT_PERIOD)
}

fn resolver(value: &Value) -> Result<SocketAddr, String> {
    let wrong = || "it should be the address of a resolver, like 1.1.1.1 or [2606:4700::1111]:53".to_owned();
    let text = value.as_str().ok_or_else(wrong)?;
    let with_port = text.parse::<SocketAddr>().ok();
    with_port.or_else(|| Some((text.parse::<IpAddr>().ok()?, 53).into())).ok_or_else(wrong)
}

fn defaults(value: Option<&Value>, mistakes: &mut Mistakes) -> Defaults {
    let mut defaults = Defaults { mode: Mode::Wildcard, target: None, ttl: DEFAULT_TTL };
    let Some(value) = value else { return defaults };
    let fields = Fields::of(value, "defaults", &["mode", "target", "ttlSeconds"], mistakes);
    if let Some(text) = fields.text("mode", mistakes) {
        let known = Mode::ALL.map(|(name, _)| name);
        let mode = Mode::parse(text);
        let mode = mode.ok_or_else(|| format!("{} is no mode{}", shown(text), did_you_mean(text, known)));
        defaults.mode = mistakes.check(&fields.path("mode"), mode).unwrap_or(defaults.mode);
    }
    let target = fields.list("target", mistakes);
    if !target.is_empty() {
        let texts: Option<Vec<&str>> = target.iter().map(|(_, value)| value.as_str()).collect();
        let read = texts.ok_or_else(|| "it should be a list of texts".to_owned()).and_then(RecordTarget::parse);
        defaults.target = mistakes.check(&fields.path("target"), read);
    }
    if let Some(value) = fields.value("ttlSeconds") {
        let ttl = value.as_u64().and_then(|ttl| Ttl::try_from(ttl).ok()).filter(|ttl| (1..=MAX_TTL).contains(ttl));
        let ttl = ttl.ok_or_else(|| format!("it should be a whole number from 1 to {MAX_TTL}"));
        defaults.ttl = mistakes.check(&fields.path("ttlSeconds"), ttl).unwrap_or(defaults.ttl);
    }
    defaults
}

fn zone(path: &str, value: &Value, file: &Path, mistakes: &mut Mistakes) -> Option<ZoneSettings> {
    let fields = Fields::of(value, path, &["zone", "authority", "rfc2136", "azure"], mistakes);
    let name = required(&fields, "zone", "the name of a zone, like int.example.com", mistakes);
    let name = name.and_then(|name| mistakes.check(&fields.path("zone"), name.parse::<Hostname>()));
    let mut authority = Vec::new();
    for (path, value) in fields.list("authority", mistakes) {
        let server = value.as_str().ok_or_else(|| format!("it is {}; it should be a name server", kind(value)));
        authority.extend(mistakes.check(&path, server.and_then(str::parse::<ServerAddress>)));
    }
    let provider = match (fields.value("rfc2136"), fields.value("azure")) {
        (Some(value), None) => rfc2136(&fields.path("rfc2136"), value, file, mistakes),
        (None, Some(value)) => azure(&fields.path("azure"), value, mistakes).map(ProviderSettings::Azure),
        (None, None) => {
            mistakes.add(path, "it does not say who keeps the zone: rfc2136 or azure");
            None
        }
        (Some(_), Some(_)) => {
            mistakes.add(path, "it names two keepers of the zone, rfc2136 and azure; one is right");
            None
        }
    };
    let provider = provider?;
    if let (ProviderSettings::Rfc2136 { server, .. }, true) = (&provider, authority.is_empty()) {
        authority.push(server.clone());
    }
    Some(ZoneSettings { zone: name?, provider, authority })
}

fn rfc2136(path: &str, value: &Value, file: &Path, mistakes: &mut Mistakes) -> Option<ProviderSettings> {
    let fields = Fields::of(value, path, &["server", "key", "algorithm", "secretFile"], mistakes);
    let server = required(&fields, "server", "the primary name server, like 10.0.0.53", mistakes);
    let server = server.and_then(|text| mistakes.check(&fields.path("server"), text.parse::<ServerAddress>()));
    let key = required(&fields, "key", "the name of the key that both sides know", mistakes);
    let algorithm = match fields.text("algorithm", mistakes) {
        Some(text) => mistakes.check(&fields.path("algorithm"), text.parse::<Algorithm>()),
        None => Some(Algorithm::Sha256),
    };
    let secret = required(&fields, "secretFile", "the file with the key's secret in base64", mistakes);
    let folder = file.parent().unwrap_or(Path::new(""));
    Some(ProviderSettings::Rfc2136 {
        server: server?,
        key: key?.to_owned(),
        algorithm: algorithm?,
        secret_file: folder.join(secret?),
    })
}

fn azure(path: &str, value: &Value, mistakes: &mut Mistakes) -> Option<AzureSettings> {
    let fields = Fields::of(value, path, &["subscription", "resourceGroup", "private"], mistakes);
    let subscription = required(&fields, "subscription", "the id of a subscription", mistakes);
    let subscription = subscription.and_then(|id| {
        let is_id = id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let checked = is_id.then_some(id).ok_or_else(|| {
            format!("{} is no id of a subscription; one looks like 00000000-0000-0000-0000-000000000000", shown(id))
        });
        mistakes.check(&fields.path("subscription"), checked)
    });
    let group = required(&fields, "resourceGroup", "the resource group of the zone", mistakes);
    let group = group.and_then(|group| {
        let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        let is_one =
            !group.is_empty() && group.chars().count() <= 90 && group.chars().all(fits) && !group.ends_with('.');
        let checked = is_one.then_some(group).ok_or_else(|| {
            format!("{} is no resource group; letters, digits and -_.() are allowed, at most 90", shown(group))
        });
        mistakes.check(&fields.path("resourceGroup"), checked)
    });
    let is_private = match fields.value("private") {
        None => Some(false),
        Some(value) => {
            let read = value.as_bool().ok_or_else(|| format!("it is {}; it should be true or false", kind(value)));
            mistakes.check(&fields.path("private"), read)
        }
    };
    Some(AzureSettings {
        subscription: subscription?.to_owned(),
        resource_group: group?.to_owned(),
        is_private: is_private?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read() {
        let settings = read_dns(include_str!("../../config/dns/example.yaml"), "config/dns/example.yaml").unwrap();
        assert_eq!((settings.owner.as_str(), settings.zones.len()), ("team-cluster", 3));
        assert_eq!(settings.zones[0].authority.len(), 1, "the server itself is asked");
        let ProviderSettings::Rfc2136 { secret_file, .. } = &settings.zones[0].provider else { panic!("rfc2136") };
        assert_eq!(secret_file, Path::new("/etc/doorstep/dns/int.secret"));
    }

    #[test]
    fn all_mistakes_are_told_each_with_its_place() {
        let text = r#"
owner: "Team A"
period: 1s
confirm: {percent: 101, alwais: 1}
resolvers: [one.one.one.one]
defaults: {mode: wildcart, target: [10.0.0.1, gw], ttlSeconds: 0}
zones:
- {zone: "a..b", rfc2136: {server: "x:y", key: k, algorithm: hmac-md5, secretfile: s}}
- {zone: b.test}
- {zone: c.test, rfc2136: {}, azure: {}}
- {zone: d.test, azure: {subscription: x, resourceGroup: "a/b", private: maybe}}
- 5
"#;
        let said = read_dns(text, "dns.yaml").unwrap_err().to_string();
        for part in [
            "owner: \"Team A\" is not an owner",
            "period: \"1s\" is no time",
            "confirm.alwais: the field \"alwais\" is not known; did you mean \"always\"?",
            "confirm.percent: it should be a whole number from 0 to 100",
            "resolvers[0]: it should be the address of a resolver",
            "defaults.mode: \"wildcart\" is no mode; did you mean \"wildcard\"?",
            "defaults.target: a record leads to addresses or to one name",
            "defaults.ttlSeconds: it should be a whole number",
            "zones[0].zone: \"a..b\" is not a host name",
            "zones[0].rfc2136.server: \"x:y\" is not a name server",
            "zones[0].rfc2136.algorithm: \"hmac-md5\" is not an algorithm",
            "zones[0].rfc2136.secretfile: the field \"secretfile\" is not known; did you mean \"secretFile\"?",
            "zones[0].rfc2136.secretFile: it is missing",
            "zones[1]: it does not say who keeps the zone",
            "zones[2]: it names two keepers",
            "zones[3].azure.subscription: \"x\" is no id of a subscription",
            "zones[3].azure.resourceGroup: \"a/b\" is no resource group",
            "zones[3].azure.private: it is a text",
            "zones[4]: it is a number",
        ] {
            assert!(said.contains(part), "no «{part}» in {said}");
        }
        assert!(read_dns("zones: []", "f").unwrap_err().to_string().contains("owner: it is missing"));
    }

    #[test]
    fn a_zone_that_stands_twice_is_told() {
        let zone = "{zone: a.test, azure: {subscription: 00000000-0000-0000-0000-000000000000, resourceGroup: g}}";
        let said = read_dns(&format!("owner: o\nzones: [{zone}, {zone}]"), "f").unwrap_err().to_string();
        assert!(said.contains("zones[1]: the zone a.test stands here twice"), "{said}");
        assert!(said.contains("zones[0]: Azure keeps it, and the field azure of the file"), "{said}");
        let wrong = format!("owner: o\nazure: {{credential: {{azureClo: {{}}}}}}\nzones: [{zone}]");
        let said = read_dns(&wrong, "f").unwrap_err().to_string();
        assert!(said.contains("azure: unknown variant `azureClo`"), "{said}");
    }
}
