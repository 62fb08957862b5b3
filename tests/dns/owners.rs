//! Two managers with different owner marks on one zone never touch each other's records.

use crate::fault::lossy;
use crate::many::wanted;
use crate::server::*;
use doorstep::dns::{Keeper, RecordSet, ZoneWanted};
use std::collections::BTreeMap;

const USERS: u32 = 60;
const ROUNDS: usize = 30;

/// What a manager wants by chance: its own address tells whose a record is.
fn wants(chance: &mut fastrand::Rng, address: &str) -> BTreeMap<String, RecordSet> {
    (0..USERS)
        .filter(|_| chance.u8(0..100) < 50)
        .map(|user| (format!("u{user}"), set(&format!("front{user}x"), 60, address)))
        .collect()
}

async fn once(keeper: &mut Keeper, wanted: &ZoneWanted, is_fresh: bool) {
    // A manager that has not listed lately knows less of the other one: the server has to hold it back.
    if is_fresh {
        keeper.forget();
    }
    keeper.pass(wanted, None, &may()).await;
}

#[tokio::test]
async fn two_managers_leave_each_others_records_alone() {
    for make in MAKES {
        let server = NameServer::start(make);
        let foreign = server.records();
        let (first_way, _) = lossy(server.address, 10, 21).await;
        let (second_way, _) = lossy(server.address, 10, 22).await;
        let mut first = keeper(&server, first_way, "one", "one");
        let mut second = keeper(&server, second_way, "two", "two");
        let mut chance = fastrand::Rng::with_seed(23);
        for _ in 0..ROUNDS {
            let (one, two) = (wanted(&wants(&mut chance, "10.1.1.1")), wanted(&wants(&mut chance, "10.2.2.2")));
            let fresh = (chance.bool(), chance.bool());
            tokio::join!(once(&mut first, &one, fresh.0), once(&mut second, &two, fresh.1));
            let records = server.records();
            assert!(records.is_superset(&foreign), "{make:?}");
            for user in 0..USERS {
                let name = format!("front{user}x");
                let of = |address: &str, owner: &str| {
                    lines(&set(&name, 60, address), owner).iter().filter(|line| records.contains(*line)).count()
                };
                // A record and its mark are of one, or of nobody: never mixed.
                let (ours, theirs) = (of("10.1.1.1", "one"), of("10.2.2.2", "two"));
                assert!(matches!((ours, theirs), (0 | 2, 0) | (0, 2)), "{make:?} {name}: {ours} {theirs}");
            }
        }
        // One leaves; all that the other one has stays.
        let before = server.records();
        first.forget();
        crate::many::settle(&mut first, &ZoneWanted::default()).await;
        let marks = |records: &std::collections::BTreeSet<String>, owner: &str| {
            records.iter().filter(|line| line.ends_with(&format!("owner={owner}\""))).count()
        };
        let after = server.records();
        assert_eq!((marks(&after, "one"), marks(&after, "two")), (0, marks(&before, "two")), "{make:?}");
        assert_eq!(after.len(), foreign.len() + 2 * marks(&before, "two"), "{make:?}");
    }
}
