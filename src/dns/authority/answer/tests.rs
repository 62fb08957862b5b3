//! What the name server answers, byte for byte where it matters.

use super::*;
use crate::dns::authority::AuthorityConfig;
use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RData};

fn zone() -> ZoneData {
    zone_with(&["10.0.0.7", "fd00::7"])
}

fn zone_with(addresses: &[&str]) -> ZoneData {
    let config = AuthorityConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        zone: "example.com".parse().unwrap(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ttl: 60,
        peers: Vec::new(),
    };
    let names = ["*.int.example.com", "shop.example.com", "a.b.example.com", "shop.example.net"];
    ZoneData::new(&config, &names.map(|name| name.parse().unwrap()).to_vec(), 7).unwrap()
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    question
}

fn asked_by(zone: &ZoneData, question: &Message, way: Way) -> Vec<Message> {
    let answers = answer(zone, &question.to_vec().unwrap(), way);
    answers.iter().map(|bytes| Message::from_vec(bytes).unwrap()).collect()
}

fn asked(name: &str, kind: RecordType) -> Message {
    asked_by(&zone(), &question(name, kind), Way::Udp).remove(0)
}

#[test]
fn a_served_name_has_the_gateways_addresses_in_any_case() {
    for name in [
        "shop.example.com.",
        "SHOP.Example.COM.",
        "frontx.int.example.com.",
        "a.b.int.example.com.",
        "_x.int.example.com.",
    ] {
        let answer = asked(name, RecordType::A);
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(answer.metadata.authoritative && !answer.metadata.recursion_available);
        assert_eq!(answer.answers.len(), 1, "{name}");
        assert_eq!(answer.answers[0].data, RData::A("10.0.0.7".parse().unwrap()));
        assert_eq!(answer.answers[0].name, Name::from_ascii(name).unwrap());
    }
    assert_eq!(asked("shop.example.com.", RecordType::AAAA).answers.len(), 1);
    assert_eq!(asked("shop.example.com.", RecordType::ANY).answers.len(), 2);
}

#[test]
fn what_is_not_there_is_told_with_the_soa() {
    // No such name; a name without that type; a name that is there only as others are below it (RFC 4592).
    for (name, kind, code) in [
        ("none.example.com.", RecordType::A, ResponseCode::NXDomain),
        ("x.shop.example.com.", RecordType::A, ResponseCode::NXDomain),
        ("shop.example.com.", RecordType::MX, ResponseCode::NoError),
        ("frontx.int.example.com.", RecordType::TXT, ResponseCode::NoError),
        ("b.example.com.", RecordType::A, ResponseCode::NoError),
        ("int.example.com.", RecordType::A, ResponseCode::NoError),
        ("example.com.", RecordType::A, ResponseCode::NoError),
    ] {
        let answer = asked(name, kind);
        assert_eq!(answer.metadata.response_code, code, "{name}");
        assert!(answer.answers.is_empty() && answer.metadata.authoritative, "{name}");
        assert!(matches!(&answer.authorities[0].data, RData::SOA(soa) if soa.serial == 7), "{name}");
    }
}

#[test]
fn the_apex_has_soa_and_ns_and_the_server_has_an_address() {
    assert!(matches!(asked("example.com.", RecordType::SOA).answers[0].data, RData::SOA(_)));
    let ns = asked("example.com.", RecordType::NS);
    assert!(matches!(&ns.answers[0].data, RData::NS(ns) if ns.0.to_ascii() == "ns.example.com."));
    assert_eq!(asked("ns.example.com.", RecordType::A).answers.len(), 1);
}

#[test]
fn nobody_is_asked_for_other_zones() {
    for name in ["example.net.", "shop.example.net.", "xexample.com.", ".", "com."] {
        let mut question = question(name, RecordType::A);
        question.metadata.recursion_desired = true;
        let answer = asked_by(&zone(), &question, Way::Udp).remove(0);
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "{name}");
        assert!(!answer.metadata.recursion_available && answer.answers.is_empty() && answer.authorities.is_empty());
    }
}

#[test]
fn an_answer_that_does_not_fit_is_cut_and_comes_whole_by_tcp() {
    let many: Vec<String> = (0..100).map(|i| format!("10.0.1.{i}")).collect();
    let zone = zone_with(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let mut question = question("shop.example.com.", RecordType::A);
    let plain = answer(&zone, &question.to_vec().unwrap(), Way::Udp).remove(0);
    assert!(plain.len() <= 512);
    let plain = Message::from_vec(&plain).unwrap();
    assert!(plain.metadata.truncation && plain.answers.is_empty());
    // Whatever a client claims to take, a datagram stays below what every path carries.
    let mut edns = Edns::new();
    edns.set_max_payload(65535).set_version(0);
    question.set_edns(edns);
    let bytes = answer(&zone, &question.to_vec().unwrap(), Way::Udp).remove(0);
    assert!(bytes.len() <= 1232 && Message::from_vec(&bytes).unwrap().metadata.truncation);
    let whole = asked_by(&zone, &question, Way::Tcp { is_peer: false }).remove(0);
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (100, false));
}

#[test]
fn the_whole_zone_is_for_listed_peers_by_tcp_alone() {
    let question = question("example.com.", RecordType::AXFR);
    for way in [Way::Udp, Way::Tcp { is_peer: false }] {
        let answer = asked_by(&zone(), &question, way).remove(0);
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::Refused, 0));
    }
    let peer = Way::Tcp { is_peer: true };
    let records: Vec<_> = asked_by(&zone(), &question, peer).into_iter().flat_map(|message| message.answers).collect();
    // SOA, NS, four names with two addresses each, SOA.
    assert_eq!(records.len(), 11);
    assert!(matches!(records[0].data, RData::SOA(_)) && records[0] == records[10]);
    assert!(records.iter().any(|record| record.name.to_ascii() == "*.int.example.com."));
    let elsewhere = self::question("int.example.com.", RecordType::AXFR);
    assert_eq!(asked_by(&zone(), &elsewhere, peer)[0].metadata.response_code, ResponseCode::Refused);
}

#[test]
fn who_has_the_newest_state_gets_its_soa_alone() {
    let mut question = question("example.com.", RecordType::IXFR);
    question.add_authority(zone().soa(false));
    let answers = asked_by(&zone(), &question, Way::Tcp { is_peer: true });
    assert_eq!((answers.len(), answers[0].answers.len()), (1, 1));
}

#[test]
fn other_operations_classes_and_versions_are_told_apart() {
    let mut update = question("example.com.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(asked_by(&zone(), &update, Way::Udp)[0].metadata.response_code, ResponseCode::NotImp);
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(asked_by(&zone(), &chaos, Way::Udp)[0].metadata.response_code, ResponseCode::Refused);
    let mut two = question("shop.example.com.", RecordType::A);
    two.add_query(two.queries[0].clone());
    assert_eq!(asked_by(&zone(), &two, Way::Udp)[0].metadata.response_code, ResponseCode::FormErr);
    assert_eq!(asked_by(&zone(), &Message::query(), Way::Udp)[0].metadata.response_code, ResponseCode::FormErr);
    let mut newer = question("shop.example.com.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    newer.set_edns(edns);
    // BADVERS and BADSIG are one number (RFC 6895, section 2.3).
    assert_eq!(u16::from(asked_by(&zone(), &newer, Way::Udp)[0].metadata.response_code), 16);
}

#[test]
fn answers_are_not_answered_and_garbage_makes_nothing_fall() {
    let mut response = question("shop.example.com.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    assert!(asked_by(&zone(), &response, Way::Udp).is_empty());
    let whole = question("shop.example.com.", RecordType::A).to_vec().unwrap();
    let mut seed = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..seed.usize(1..6) {
            let at = seed.usize(..bytes.len());
            bytes[at] = seed.u8(..);
        }
        bytes.truncate(seed.usize(..=bytes.len()));
        for message in answer(&zone(), &bytes, Way::Udp) {
            assert!(message.len() <= 1232 && message[..2] == bytes[..2]);
        }
    }
    for length in 0..12 {
        assert!(answer(&zone(), &whole[..length], Way::Udp).is_empty(), "{length}");
    }
}
