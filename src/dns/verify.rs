//! Whether a record set resolves: at the servers that keep the zone, and at public resolvers.

use super::ask::ask;
use super::rfc2136::ServerAddress;
use super::{Kind, RecordName, RecordSet, Values};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a public resolver may take for one try.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(3);

/// What somebody answers who was asked for a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Exactly what it should.
    Right,
    /// Something else: nothing, or these values.
    Wrong(Vec<String>),
    /// Nothing that can be used; the sentence says why.
    Unknown(String),
}

/// Asks for sets.
#[derive(Clone)]
pub struct Verifier {
    resolvers: Vec<(SocketAddr, TokioResolver)>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.resolvers.iter().map(|(address, _)| address)).finish()
    }
}

impl Verifier {
    /// One that asks these public resolvers.
    pub fn new(resolvers: &[SocketAddr]) -> Self {
        let made = resolvers.iter().filter_map(|address| match resolver(*address) {
            Ok(resolver) => Some((*address, resolver)),
            Err(error) => {
                tracing::warn!(resolver = %address, error, "a public resolver is not asked");
                None
            }
        });
        Self { resolvers: made.collect() }
    }

    /// What each public resolver answers.
    pub async fn at_resolvers(&self, set: &RecordSet) -> Vec<(SocketAddr, Verdict)> {
        let asked = self.resolvers.iter().map(|(address, resolver)| async move {
            let name = probe(&set.name);
            let verdict = match name {
                None => Verdict::Unknown(format!("{} cannot be asked for", set.name)),
                Some(name) => match resolver.lookup(name, record_type(set.kind())).await {
                    Ok(found) => compare(set, found.answers().iter().map(|record| &record.data)),
                    Err(error) if error.is_no_records_found() => Verdict::Wrong(Vec::new()),
                    Err(error) => Verdict::Unknown(format!("the resolver {address} failed: {error}")),
                },
            };
            (*address, verdict)
        });
        futures::future::join_all(asked).await
    }

    /// What the servers that keep the zone answer: right when each of them does.
    pub async fn at_authority(&self, servers: &[ServerAddress], set: &RecordSet) -> Verdict {
        let mut verdict = Verdict::Unknown("no server is known that keeps the zone".to_owned());
        for server in servers {
            verdict = at_server(server, set).await;
            if verdict != Verdict::Right {
                break;
            }
        }
        verdict
    }
}

async fn at_server(server: &ServerAddress, set: &RecordSet) -> Verdict {
    let Some(name) = probe(&set.name) else {
        return Verdict::Unknown(format!("{} cannot be asked for", set.name));
    };
    let addresses = match server.resolve().await {
        Ok(addresses) => addresses,
        Err(error) => return Verdict::Unknown(error),
    };
    let mut said = format!("{server} gave no answer");
    for address in addresses {
        match ask(address, &name, record_type(set.kind())).await {
            Ok(answer) => match answer.metadata.response_code {
                ResponseCode::NoError => {
                    let own = answer.answers.iter().filter(|record| record.name == name);
                    return compare(set, own.map(|record| &record.data));
                }
                ResponseCode::NXDomain => return Verdict::Wrong(Vec::new()),
                other => said = format!("{server} answers {other} for {}", set.name),
            },
            Err(error) => said = error,
        }
    }
    Verdict::Unknown(said)
}

fn compare<'r>(set: &RecordSet, found: impl Iterator<Item = &'r RData>) -> Verdict {
    let found: BTreeSet<String> = found
        .filter_map(|data| match data {
            RData::A(address) => Some((Kind::A, address.0.to_string())),
            RData::AAAA(address) => Some((Kind::Aaaa, address.0.to_string())),
            RData::CNAME(name) => {
                Some((Kind::Cname, name.0.to_lowercase().to_ascii().trim_end_matches('.').to_owned()))
            }
            _ => None,
        })
        .filter(|(kind, _)| *kind == set.kind())
        .map(|(_, value)| value)
        .collect();
    let wanted: BTreeSet<String> = set.values.texts().into_iter().collect();
    if found == wanted { Verdict::Right } else { Verdict::Wrong(found.into_iter().collect()) }
}

/// The name to ask for: for a wildcard one below it that nobody has.
fn probe(name: &RecordName) -> Option<Name> {
    let text = if name.is_wildcard() {
        format!("doorstep-probe-{:016x}.{}.", fastrand::u64(..), name.base())
    } else {
        format!("{name}.")
    };
    Name::from_ascii(text).ok()
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Cname => RecordType::CNAME,
    }
}

fn resolver(address: SocketAddr) -> Result<TokioResolver, String> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = connections.into();
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = RESOLVER_TIMEOUT;
    options.attempts = 2;
    // What is asked for is whether it resolves now.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|error| error.to_string())
}

/// A short word on a set of values, for sentences.
pub(super) fn told(values: &[String]) -> String {
    if values.is_empty() { "nothing".to_owned() } else { values.join(", ") }
}

/// The values of a set as words, for sentences.
pub(super) fn wanted(values: &Values) -> String {
    values.texts().join(", ")
}
