//! From the bytes of a question to the bytes of its answer.

use super::zone::{Found, ZoneData};
use crate::dns::rfc2136::MAX_DATAGRAM;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordType};

/// The most bytes of a datagram to a client that says nothing of its own bound (RFC 1035).
const PLAIN_DATAGRAM: u16 = 512;
/// How many records go into one message of a transfer.
const RECORDS_PER_MESSAGE: usize = 200;
const HEADER_BYTES: usize = 12;

/// How the question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In a datagram.
    Udp,
    /// In a stream, from one who may get the whole zone, or may not.
    Tcp {
        /// Whether it may.
        is_peer: bool,
    },
}

/// The messages of the answer: none for what deserves none.
pub(super) fn answer(zone: &ZoneData, bytes: &[u8], way: Way) -> Vec<Vec<u8>> {
    let question = match Message::from_vec(bytes) {
        Ok(question) => question,
        Err(_) => return malformed(bytes).into_iter().collect(),
    };
    // Two servers that answer one another's answers would never end.
    if question.metadata.message_type != MessageType::Query {
        return Vec::new();
    }
    if let Some(kind) = transfer_of(&question) {
        return transfer(zone, &question, kind, way);
    }
    let mut answer = begin(&question);
    fill(zone, &question, &mut answer);
    encoded(answer, &question, way).into_iter().collect()
}

/// A header that tells that the rest cannot be read.
fn malformed(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = bytes.get(..HEADER_BYTES)?;
    let [first, second, flags, ..] = header else { return None };
    let is_response = flags & 0x80 != 0;
    if is_response {
        return None;
    }
    let id = u16::from_be_bytes([*first, *second]);
    let op_code = OpCode::from_u8((flags >> 3) & 0x0f);
    Message::error_msg(id, op_code, ResponseCode::FormErr).to_vec().ok()
}

fn begin(question: &Message) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.checking_disabled = question.metadata.checking_disabled;
    answer.add_queries(question.queries.iter().take(1).cloned());
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_DATAGRAM).set_version(0);
        answer.set_edns(edns);
    }
    answer
}

fn fill(zone: &ZoneData, question: &Message, answer: &mut Message) {
    if question.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        return set_code(answer, ResponseCode::BADVERS);
    }
    if question.metadata.op_code != OpCode::Query {
        return set_code(answer, ResponseCode::NotImp);
    }
    let [query] = question.queries.as_slice() else { return set_code(answer, ResponseCode::FormErr) };
    if query.query_class() != DNSClass::IN {
        return set_code(answer, ResponseCode::Refused);
    }
    match zone.find(query.name(), query.query_type()) {
        // Neither recursion nor a referral: we know nobody else.
        Found::Outside => return set_code(answer, ResponseCode::Refused),
        Found::Records(records) => {
            answer.add_answers(records);
        }
        Found::NoData => {
            answer.add_authority(zone.soa(true));
        }
        Found::NoName => {
            set_code(answer, ResponseCode::NXDomain);
            answer.add_authority(zone.soa(true));
        }
    }
    answer.metadata.authoritative = true;
}

fn set_code(answer: &mut Message, code: ResponseCode) {
    answer.metadata.response_code = code;
    if let Some(edns) = answer.edns.as_mut() {
        edns.set_rcode_high(code.high());
    }
}

/// The bytes, cut to what the way can carry.
fn encoded(answer: Message, question: &Message, way: Way) -> Option<Vec<u8>> {
    let bytes = answer.to_vec().ok()?;
    let most = match way {
        Way::Tcp { .. } => usize::from(u16::MAX),
        Way::Udp => {
            let told = question.edns.as_ref().map_or(PLAIN_DATAGRAM, |edns| edns.max_payload());
            usize::from(told.clamp(PLAIN_DATAGRAM, MAX_DATAGRAM))
        }
    };
    if bytes.len() <= most {
        return Some(bytes);
    }
    // Nothing of it is used by anybody; the client comes again by TCP (RFC 2181, section 9).
    let mut cut = answer;
    cut.metadata.truncation = true;
    cut.answers.clear();
    cut.authorities.clear();
    cut.additionals.clear();
    cut.to_vec().ok()
}

/// The transfer that is asked for, if it is one.
fn transfer_of(question: &Message) -> Option<RecordType> {
    let kind = question.queries.first()?.query_type();
    let is_one = question.metadata.op_code == OpCode::Query && question.queries.len() == 1;
    (is_one && matches!(kind, RecordType::AXFR | RecordType::IXFR)).then_some(kind)
}

/// The whole zone for peers (RFC 5936). Who asks what changed (IXFR) gets it whole as well, or its SOA alone when it has it.
fn transfer(zone: &ZoneData, question: &Message, kind: RecordType, way: Way) -> Vec<Vec<u8>> {
    let mut answer = begin(question);
    let of_zone = question.queries.first().is_some_and(|query| query.name() == zone.origin());
    let may = matches!(way, Way::Tcp { is_peer: true });
    if !of_zone || !may {
        set_code(&mut answer, ResponseCode::Refused);
        return encoded(answer, question, way).into_iter().collect();
    }
    answer.metadata.authoritative = true;
    if kind == RecordType::IXFR && known_serial(question) == Some(zone.serial()) {
        answer.add_answer(zone.soa(false));
        return encoded(answer, question, way).into_iter().collect();
    }
    let records: Vec<Record> = zone.records().collect();
    let messages = records.chunks(RECORDS_PER_MESSAGE).map(|part| {
        let mut message = answer.clone();
        message.insert_answers(part.to_vec());
        message.to_vec()
    });
    // One that cannot be written would leave a zone with a hole: then nothing is sent.
    messages.collect::<Result<_, _>>().unwrap_or_default()
}

fn known_serial(question: &Message) -> Option<u32> {
    question.authorities.iter().find_map(|record| match &record.data {
        hickory_proto::rr::RData::SOA(soa) => Some(soa.serial),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
