//! Zone transfers: AXFR (RFC 5936) and IXFR (RFC 1995), in as many messages as the server wants.

use super::Server;
use super::copy::Step;
use crate::dns::ProviderError;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::time::Duration;
use tokio::time::timeout;

/// The most records of a transfer: a zone beyond it is none that people's environments stand in.
const MAX_RECORDS: usize = 2_000_000;
/// How long a transfer may take in all.
const MAX_TIME: Duration = Duration::from_secs(300);

/// What has come of asking what changed.
#[derive(Debug)]
pub(super) enum Transfer {
    /// Nothing did.
    Same,
    /// The server holds an older state than the one that is known: it was set back.
    Older,
    /// The server sent the whole zone.
    Whole(Vec<Record>),
    /// The changes, oldest first.
    Steps(Vec<Step>),
}

/// The whole zone.
pub(super) async fn whole(server: &Server, zone: &Name) -> Result<Vec<Record>, ProviderError> {
    match run(server, zone, None).await? {
        Transfer::Whole(records) => Ok(records),
        Transfer::Same | Transfer::Older | Transfer::Steps(_) => {
            Err(broken(server, zone, "it answers AXFR with something else"))
        }
    }
}

/// What changed since `known`.
pub(super) async fn changes(server: &Server, zone: &Name, known: &SOA) -> Result<Transfer, ProviderError> {
    run(server, zone, Some(known)).await
}

async fn run(server: &Server, zone: &Name, known: Option<&SOA>) -> Result<Transfer, ProviderError> {
    match timeout(MAX_TIME, receive(server, zone, known)).await {
        Ok(result) => result,
        Err(_) => Err(broken(server, zone, &format!("it took longer than {} seconds", MAX_TIME.as_secs()))),
    }
}

async fn receive(server: &Server, zone: &Name, known: Option<&SOA>) -> Result<Transfer, ProviderError> {
    let mut conversation = server.begin(question(zone, known), ProviderError::Unavailable).await?;
    let mut reading = Reading::new(known.map(|soa| soa.serial));
    let mut is_first = true;
    loop {
        let message = conversation.next().await?;
        refused(server, zone, message.metadata.response_code)?;
        if message.answers.is_empty() && is_first {
            return Err(broken(server, zone, "its answer is empty"));
        }
        let alone = is_first && message.answers.len() == 1;
        is_first = false;
        for record in message.answers {
            reading.take(zone, record).map_err(|what| broken(server, zone, what))?;
        }
        if alone {
            reading.single();
        }
        if reading.is_done() {
            break;
        }
    }
    if !conversation.is_proved() {
        return Err(broken(server, zone, "its end is not signed"));
    }
    Ok(reading.finish())
}

fn question(zone: &Name, known: Option<&SOA>) -> Message {
    let kind = if known.is_some() { RecordType::IXFR } else { RecordType::AXFR };
    let mut query = Query::query(zone.clone(), kind);
    query.set_query_class(DNSClass::IN);
    let mut message = Message::query();
    message.metadata.recursion_desired = false;
    message.add_query(query);
    if let Some(soa) = known {
        message.add_authority(Record::from_rdata(zone.clone(), 0, RData::SOA(soa.clone())));
    }
    message
}

fn refused(server: &Server, zone: &Name, code: ResponseCode) -> Result<(), ProviderError> {
    let key = server.key.name();
    Err(match code {
        ResponseCode::NoError => return Ok(()),
        ResponseCode::Refused => ProviderError::Refused(format!(
            "{server} does not let the key {key} list the zone {zone}; allow it the transfer there (allow-transfer, acl)"
        )),
        ResponseCode::NotAuth | ResponseCode::NotImp | ResponseCode::FormErr => {
            ProviderError::NotOurs(format!("{server} does not transfer the zone {zone}: it answers {code}"))
        }
        other => broken(server, zone, &format!("it failed with {other}")),
    })
}

fn broken(server: &Server, zone: &Name, what: &str) -> ProviderError {
    ProviderError::Unavailable(format!("the transfer of {zone} from {server} broke off: {what}"))
}

/// A transfer being read, record by record.
struct Reading {
    known: Option<u32>,
    newest: Option<SOA>,
    state: State,
    records: Vec<Record>,
    steps: Vec<Step>,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first record, the newest SOA, is awaited.
    Start,
    /// The second one tells whether the zone comes whole or in steps.
    Second,
    Whole,
    Removing,
    Adding,
    Done,
    /// Nothing changed.
    Same,
    Older,
}

impl Reading {
    fn new(known: Option<u32>) -> Self {
        Self { known, newest: None, state: State::Start, records: Vec::new(), steps: Vec::new(), count: 0 }
    }

    fn take(&mut self, zone: &Name, record: Record) -> Result<(), &'static str> {
        self.count += 1;
        if self.count > MAX_RECORDS {
            return Err("it has more than 2000000 records");
        }
        let soa = match &record.data {
            RData::SOA(soa) if record.name == *zone => Some(soa.clone()),
            RData::SOA(_) => return Err("it holds the SOA record of another zone"),
            _ => None,
        };
        match (self.state, soa) {
            (State::Start, Some(soa)) => {
                self.newest = Some(soa);
                self.records.push(record);
                self.state = State::Second;
            }
            (State::Start, None) => return Err("it does not begin with the zone's SOA record"),
            (State::Second, Some(soa)) if self.known == Some(soa.serial) && !self.is_newest(&soa) => {
                self.records.clear();
                self.begin_step(soa.serial, &soa);
            }
            // An empty zone: its SOA twice.
            (State::Second | State::Whole, Some(soa)) if self.is_newest(&soa) => self.state = State::Done,
            (State::Second | State::Whole, Some(_)) => return Err("it holds two states of the zone"),
            (State::Second | State::Whole, None) => {
                self.records.push(record);
                self.state = State::Whole;
            }
            (State::Removing, Some(soa)) => {
                self.steps.last_mut().ok_or("its steps have no beginning")?.to = soa;
                self.state = State::Adding;
            }
            (State::Removing, None) => self.steps.last_mut().ok_or("its steps have no beginning")?.removed.push(record),
            (State::Adding, Some(soa)) if self.is_newest(&soa) && self.has_reached_newest() => self.state = State::Done,
            (State::Adding, Some(soa)) => self.begin_step(soa.serial, &soa),
            (State::Adding, None) => self.steps.last_mut().ok_or("its steps have no beginning")?.added.push(record),
            (State::Done | State::Same | State::Older, _) => return Err("it goes on after its end"),
        }
        Ok(())
    }

    fn begin_step(&mut self, from: u32, soa: &SOA) {
        self.steps.push(Step { from, to: soa.clone(), removed: Vec::new(), added: Vec::new() });
        self.state = State::Removing;
    }

    fn is_newest(&self, soa: &SOA) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.serial == soa.serial)
    }

    fn has_reached_newest(&self) -> bool {
        self.steps.last().is_some_and(|step| self.is_newest(&step.to))
    }

    /// The answer's first message held its first record alone. To IXFR that says that nothing is newer, if the serial is not
    /// newer than the known one (RFC 1982); else the rest comes in further messages.
    fn single(&mut self) {
        let (Some(known), Some(newest)) = (self.known, &self.newest) else { return };
        if self.state == State::Second {
            self.state = match newest.serial.wrapping_sub(known) {
                0 => State::Same,
                ahead if ahead < 1 << 31 => return,
                _ => State::Older,
            };
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Done | State::Same | State::Older)
    }

    fn finish(self) -> Transfer {
        match self.state {
            State::Same => Transfer::Same,
            State::Older => Transfer::Older,
            State::Start | State::Second | State::Whole | State::Removing | State::Adding | State::Done => {
                if self.steps.is_empty() { Transfer::Whole(self.records) } else { Transfer::Steps(self.steps) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
