//! Signatures: what is believed, and what is not.

use super::*;
use hickory_proto::op::{MessageType, OpCode, Query};
use hickory_proto::rr::RecordType;

const NOW: u64 = 1_800_000_000;

fn key(secret: &[u8]) -> Key {
    Key::new("doorstep-key", Algorithm::Sha256, secret.to_vec()).unwrap()
}

fn question() -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii("example.com.").unwrap(), RecordType::AXFR));
    message
}

/// The server's side: answers whose every `signed` one is signed, by the rules of section 5.3.1.
struct Peer {
    signer: TSigner,
    previous: Vec<u8>,
    unsigned: Vec<u8>,
    is_first: bool,
}

impl Peer {
    fn new(key: &Key, previous: Vec<u8>) -> Self {
        Self { signer: key.signer.clone(), previous, unsigned: Vec::new(), is_first: true }
    }

    fn answer(&mut self, id: u16, is_signed: bool, time: u64) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii("example.com.").unwrap(), RecordType::AXFR));
        let plain = message.to_vec().unwrap();
        if !is_signed {
            self.unsigned.extend_from_slice(&plain);
            return plain;
        }
        let stub = TSIG::new(self.signer.algorithm().clone(), time, FUDGE_SECONDS, Vec::new(), id, None, Vec::new());
        let mut digested = (self.previous.len() as u16).to_be_bytes().to_vec();
        digested.extend_from_slice(&self.previous);
        digested.extend_from_slice(&self.unsigned);
        digested.extend_from_slice(&plain);
        if self.is_first {
            let mut variables = Vec::new();
            stub.emit_tsig_for_mac(&mut BinEncoder::new(&mut variables), self.signer.signer_name()).unwrap();
            digested.extend_from_slice(&variables);
        } else {
            digested.extend_from_slice(&time.to_be_bytes()[2..]);
            digested.extend_from_slice(&FUDGE_SECONDS.to_be_bytes());
        }
        let mac = self.signer.sign(&digested).unwrap();
        self.previous.clone_from(&mac);
        self.unsigned.clear();
        self.is_first = false;
        let record =
            hickory_proto::rr::rdata::tsig::make_tsig_record(self.signer.signer_name().clone(), stub.set_mac(mac));
        message.set_signature(Box::new(record));
        message.to_vec().unwrap()
    }
}

fn begin(key: &Key) -> (Proof, Peer) {
    let (_, proof) = key.sign(question(), NOW).unwrap();
    let peer = Peer::new(key, proof.previous.clone());
    (proof, peer)
}

#[test]
fn an_answer_in_many_messages_is_proved_also_where_only_some_are_signed() {
    let key = key(&[7; 32]);
    let (mut proof, mut peer) = begin(&key);
    let id = proof.id;
    for is_signed in [true, true, false, false, false, true, false] {
        proof.take(&peer.answer(id, is_signed, NOW)).unwrap();
    }
    assert!(!proof.is_whole(), "its last message is not signed");
    proof.take(&peer.answer(id, true, NOW)).unwrap();
    assert!(proof.is_whole());
}

#[test]
fn what_was_changed_on_the_way_is_not_believed() {
    let key = key(&[7; 32]);
    let (mut proof, mut peer) = begin(&key);
    let id = proof.id;
    proof.take(&peer.answer(id, true, NOW)).unwrap();
    let mut changed = peer.answer(id, false, NOW);
    changed[3] ^= 0x20;
    proof.take(&changed).unwrap();
    assert_eq!(proof.take(&peer.answer(id, true, NOW)).unwrap_err(), Doubt::Forged);
}

#[test]
fn another_secret_an_unsigned_answer_and_another_question_are_not_believed() {
    let key = key(&[7; 32]);
    let (mut proof, _) = begin(&key);
    let mut other = Peer::new(&self::key(&[8; 32]), proof.previous.clone());
    let id = proof.id;
    assert_eq!(proof.take(&other.answer(id, true, NOW)).unwrap_err(), Doubt::Forged);
    assert_eq!(proof.take(&other.answer(id, false, NOW)).unwrap_err(), Doubt::Unsigned(ResponseCode::NoError));
    assert_eq!(proof.take(&other.answer(id.wrapping_add(1), true, NOW)).unwrap_err(), Doubt::Malformed);
    assert_eq!(proof.take(b"").unwrap_err(), Doubt::Malformed);
}

#[test]
fn an_answer_of_another_hour_is_not_believed() {
    let key = key(&[7; 32]);
    let (mut proof, mut peer) = begin(&key);
    let id = proof.id;
    let late = NOW + 301;
    assert_eq!(proof.take(&peer.answer(id, true, late)).unwrap_err(), Doubt::Clocks { ours: NOW, theirs: Some(late) });
}

#[test]
fn a_hundred_unsigned_messages_in_a_row_are_too_many() {
    let key = key(&[7; 32]);
    let (mut proof, mut peer) = begin(&key);
    let id = proof.id;
    proof.take(&peer.answer(id, true, NOW)).unwrap();
    for _ in 0..MAX_UNSIGNED {
        proof.take(&peer.answer(id, false, NOW)).unwrap();
    }
    assert_eq!(proof.take(&peer.answer(id, false, NOW)).unwrap_err(), Doubt::Unsigned(ResponseCode::NoError));
}

#[test]
fn cut_and_stretched_messages_are_refused_and_nothing_falls_over() {
    let key = key(&[7; 32]);
    let (proof, mut peer) = begin(&key);
    let whole = peer.answer(proof.id, true, NOW);
    for length in 0..whole.len() {
        let (mut proof, _) = begin(&key);
        let mut cut = whole[..length].to_vec();
        assert!(proof.take(&cut).is_err());
        // Counts that promise more than there is.
        if cut.len() > 12 {
            cut[6..12].fill(0xff);
            assert!(proof.take(&cut).is_err());
        }
        let _any = signature_start(&cut);
    }
}

#[test]
fn a_secret_is_read_from_its_file_and_shows_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Key::from_file("k", Algorithm::Sha512, &file)
    };
    let secret = STANDARD.encode([9; 32]);
    let key = read(&format!("{secret}\n")).unwrap();
    assert!(!format!("{key:?}").contains("9") && format!("{key:?}").contains("\"k\""), "{key:?}");
    for bad in ["", "no base64!", &STANDARD.encode([1; 15]), &format!("key k {{ secret \"{secret}\"; }};")] {
        let said = read(bad).unwrap_err().to_string();
        assert!(bad.is_empty() || !said.contains(bad), "{said}");
    }
    assert!(Key::from_file("k", Algorithm::Sha256, &folder.path().join("none")).is_err());
    assert!(Key::new("", Algorithm::Sha256, vec![1; 32]).is_err());
    assert!("hmac-md5".parse::<Algorithm>().unwrap_err().contains("hmac-sha256"));
}
