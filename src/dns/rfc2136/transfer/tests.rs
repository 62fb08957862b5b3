//! The forms that a transfer may have, and those that it may not.

use super::*;
use crate::dns::rfc2136::copy::Copy;
use hickory_proto::rr::rdata::A;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn soa(serial: u32) -> Record {
    soa_of("x.", serial)
}

fn soa_of(zone: &str, serial: u32) -> Record {
    Record::from_rdata(name(zone), 60, RData::SOA(SOA::new(name("ns.x."), name("h.x."), serial, 60, 60, 60, 60)))
}

fn a(host: &str, last: u8) -> Record {
    Record::from_rdata(name(host), 60, RData::A(A::new(10, 0, 0, last)))
}

fn read(known: Option<u32>, records: &[Record]) -> Result<Transfer, &'static str> {
    let mut reading = Reading::new(known);
    for record in records {
        reading.take(&name("x."), record.clone())?;
    }
    if records.len() == 1 {
        reading.single();
    }
    if reading.is_done() { Ok(reading.finish()) } else { Err("it is not whole") }
}

#[test]
fn a_whole_zone_ends_with_its_soa_again() {
    for known in [None, Some(1)] {
        let Ok(Transfer::Whole(records)) = read(known, &[soa(3), a("a.x.", 1), a("b.x.", 2), soa(3)]) else {
            panic!("whole")
        };
        assert_eq!(records.len(), 3);
    }
    assert!(read(None, &[soa(3), a("a.x.", 1)]).is_err());
    assert!(read(None, &[soa(3), a("a.x.", 1), soa(4)]).is_err());
    assert!(read(None, &[a("a.x.", 1), soa(3)]).is_err());
    assert!(read(None, &[soa(3), soa_of("b.x.", 3), soa(3)]).is_err());
}

#[test]
fn steps_lead_from_the_known_state_to_the_newest() {
    let history =
        [soa(3), soa(1), a("a.x.", 1), soa(2), a("b.x.", 2), soa(2), a("b.x.", 2), soa(3), a("c.x.", 3), soa(3)];
    let Ok(Transfer::Steps(steps)) = read(Some(1), &history) else { panic!("steps") };
    let (mut copy, outside) = Copy::whole(&name("x."), vec![soa(1), a("a.x.", 1), a("elsewhere.", 9)]).unwrap();
    assert_eq!(outside, 1);
    copy.go(steps).unwrap();
    let listing = copy.listing(&"x".parse().unwrap());
    let sets: Vec<String> = listing.sets.iter().map(|existing| existing.set.to_string()).collect();
    assert_eq!((sets, copy.soa().serial), (vec!["c.x 60 A 10.0.0.3".to_owned()], 3));
}

#[test]
fn a_history_that_does_not_fit_is_not_followed() {
    let history = [soa(3), soa(1), a("z.x.", 1), soa(3), a("b.x.", 2), soa(3)];
    let Ok(Transfer::Steps(steps)) = read(Some(1), &history) else { panic!("steps") };
    let (mut copy, _) = Copy::whole(&name("x."), vec![soa(1), a("a.x.", 1)]).unwrap();
    assert!(copy.go(steps).is_err());
}

#[test]
fn a_single_soa_says_same_or_older() {
    assert!(matches!(read(Some(3), &[soa(3)]), Ok(Transfer::Same)));
    assert!(matches!(read(Some(3), &[soa(2)]), Ok(Transfer::Older)));
    // The serial's circle: 1 is newer than 4294967295.
    assert!(matches!(read(Some(1), &[soa(u32::MAX)]), Ok(Transfer::Older)));
    assert!(read(Some(3), &[soa(4)]).is_err(), "the rest is still to come");
}
