//! The audit: nothing can be removed, changed or moved without being told.

use crate::on_both;
use crate::place::{Place, begun, time, who};
use doorstep::store::{ChainPlace, Ended, Fault, Filter, Order, Outcome, Step, Store, Target};
use serde_json::json;

on_both!(
    each_call_leaves_two_records_and_the_chain_holds,
    what_was_removed_changed_or_moved_is_told,
    writers_at_the_same_time_make_one_chain,
    what_a_dead_process_left_open_is_found_once,
    retention_keeps_the_chain_verifiable,
    lists_are_filtered_and_go_both_ways,
    a_noted_head_tells_a_chain_that_was_made_anew,
);

fn ended(at: i64, result: Outcome) -> Ended {
    Ended { at: time(at), result, status: Some(200), after: Some(json!({"VERSION": "2"})), said: None }
}

/// Writes `calls` calls of two records each.
async fn write(store: &Store, calls: i64) {
    for at in 0..calls {
        let call = store.audit().begin(begun(if at % 2 == 0 { "anna" } else { "ben" }, at)).await.unwrap();
        store.audit().end(&call, ended(at, Outcome::Done)).await.unwrap();
    }
}

async fn faults(store: &Store) -> Vec<Fault> {
    store.audit().verify(None).await.unwrap().faults
}

async fn each_call_leaves_two_records_and_the_chain_holds(place: Place) {
    let store = place.open().await;
    let mut first = begun("anna", 1);
    first.before = Some(json!({"parameters": {"VERSION": "1", "DB_PASSWORD": "hunter2"}}));
    let call = store.audit().begin(first).await.unwrap();
    store.audit().end(&call, ended(2, Outcome::Done)).await.unwrap();
    store.audit().note(time(3), who("root"), "backup", Target::default(), "all of it".to_owned()).await.unwrap();
    let records = store.audit().list(&Filter { order: Order::Oldest, ..Filter::default() }, 10).await.unwrap();
    assert_eq!(records.iter().map(|r| r.step).collect::<Vec<_>>(), [Step::Begun, Step::Ended, Step::Noted]);
    assert_eq!(records[0].before.as_ref().unwrap()["parameters"], json!({"VERSION": "1", "DB_PASSWORD": "(masked)"}));
    assert_eq!((records[1].call.as_str(), records[1].result), (call.id.as_str(), Some(Outcome::Done)));
    assert_eq!(records[1].previous, records[0].hash);
    let verdict = store.audit().verify(None).await.unwrap();
    assert_eq!((verdict.records, verdict.first, verdict.faults.len()), (3, 1, 0));
    assert_eq!(verdict.head, ChainPlace { seq: 3, hash: records[2].hash.clone() });
}

async fn what_was_removed_changed_or_moved_is_told(place: Place) {
    let store = place.open().await;
    write(&store, 10).await;
    assert_eq!(faults(&store).await, []);
    place.tamper("DELETE FROM audit WHERE seq IN (7, 8)").await;
    assert_eq!(faults(&store).await, [Fault::Removed { from: 7, to: 8 }]);
    place.tamper("DELETE FROM audit WHERE seq = 20").await;
    assert_eq!(faults(&store).await[1..], [Fault::Removed { from: 20, to: 20 }]);
    place.tamper("UPDATE audit SET record = REPLACE(record, '\"anna\"', '\"carl\"') WHERE seq = 5").await;
    let what = "its text does not have its hash".to_owned();
    assert!(faults(&store).await.contains(&Fault::Changed { seq: 5, what }));
    place.tamper("UPDATE audit SET subject = 'carl' WHERE seq = 3").await;
    let what = "its columns say something else than its text".to_owned();
    assert!(faults(&store).await.contains(&Fault::Changed { seq: 3, what }));
    place.tamper("UPDATE audit SET seq = -1 WHERE seq = 11").await;
    place.tamper("UPDATE audit SET seq = 11 WHERE seq = 12").await;
    place.tamper("UPDATE audit SET seq = 12 WHERE seq = -1").await;
    let told = faults(&store).await;
    assert!(told.contains(&Fault::Moved { seq: 12, place: 11 }), "{told:?}");
    assert!(told.contains(&Fault::Moved { seq: 11, place: 12 }), "{told:?}");
    assert_eq!(Fault::Removed { from: 7, to: 8 }.to_string(), "the records 7 to 8 were removed");
}

async fn writers_at_the_same_time_make_one_chain(place: Place) {
    let first = place.open().await;
    // A second manager, where there may be one.
    let second = if first.is_shared() { place.open().await } else { first.clone() };
    let tasks = (0..8).map(|n| {
        let store = if n % 2 == 0 { first.clone() } else { second.clone() };
        tokio::spawn(async move { write(&store, 10).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let verdict = first.audit().verify(None).await.unwrap();
    assert_eq!((verdict.records, verdict.head.seq, verdict.faults), (160, 160, Vec::new()));
}

async fn what_a_dead_process_left_open_is_found_once(place: Place) {
    let store = place.open().await;
    let cut_off = store.audit().begin(begun("anna", 1)).await.unwrap();
    assert_eq!(store.audit().interrupted().await.unwrap(), [], "its process lives");
    drop(store);
    place.kill_all().await;
    let next = place.open().await;
    let found = next.audit().interrupted().await.unwrap();
    assert_eq!(found, std::slice::from_ref(&cut_off));
    let end = Ended { status: None, said: Some("seen at the next start".to_owned()), ..ended(9, Outcome::Interrupted) };
    next.audit().end(&found[0], end.clone()).await.unwrap();
    // A second manager that found the same does nothing.
    next.audit().end(&found[0], end).await.unwrap();
    assert_eq!(next.audit().interrupted().await.unwrap(), []);
    let of_call = Filter { call: Some(cut_off.id), ..Filter::default() };
    let records = next.audit().list(&of_call, 10).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].result, records[0].who.subject.as_str()), (Some(Outcome::Interrupted), "anna"));
    assert_eq!(faults(&next).await, []);
}

async fn retention_keeps_the_chain_verifiable(place: Place) {
    let store = place.open().await;
    write(&store, 10).await;
    let open = store.audit().begin(begun("anna", 10)).await.unwrap();
    write(&store, 1).await;
    assert_eq!(store.audit().retain(time(5), time(100)).await.unwrap(), 10);
    let verdict = store.audit().verify(None).await.unwrap();
    assert_eq!((verdict.first, verdict.faults), (11, Vec::new()));
    // A call that is open keeps all behind it.
    assert_eq!(store.audit().retain(time(1000), time(101)).await.unwrap(), 10);
    assert_eq!(store.audit().retain(time(1000), time(102)).await.unwrap(), 0);
    store.audit().end(&open, ended(103, Outcome::Done)).await.unwrap();
    assert_eq!(faults(&store).await, []);
    place.tamper("DELETE FROM audit WHERE step = 'retained'").await;
    assert!(faults(&store).await.iter().any(|fault| matches!(fault, Fault::Removed { .. })));
}

async fn lists_are_filtered_and_go_both_ways(place: Place) {
    let store = place.open().await;
    write(&store, 6).await;
    let seqs = async |filter: Filter, limit| {
        store.audit().list(&filter, limit).await.unwrap().iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(Filter::default(), 3).await, [12, 11, 10]);
    assert_eq!(seqs(Filter { behind: Some(10), ..Filter::default() }, 2).await, [9, 8]);
    let oldest = Filter { order: Order::Oldest, behind: Some(2), ..Filter::default() };
    assert_eq!(seqs(oldest, 2).await, [3, 4]);
    let anna = Filter { user: Some("anna".to_owned()), result: Some(Outcome::Done), ..Filter::default() };
    assert_eq!(seqs(anna, 10).await, [10, 6, 2]);
    let when = Filter { from: Some(time(1)), until: Some(time(3)), ..Filter::default() };
    assert_eq!(seqs(when, 10).await, [6, 5, 4, 3]);
    let hostile = Filter { subject: Some("' OR 1=1 --".to_owned()), ..Filter::default() };
    assert!(seqs(hostile, 10).await.is_empty());
}

async fn a_noted_head_tells_a_chain_that_was_made_anew(place: Place) {
    let store = place.open().await;
    write(&store, 2).await;
    let noted = store.audit().head().await.unwrap();
    write(&store, 1).await;
    assert_eq!(store.audit().verify(Some(&noted)).await.unwrap().faults, []);
    let other = ChainPlace { seq: 4, hash: "0".repeat(64) };
    assert_eq!(store.audit().verify(Some(&other)).await.unwrap().faults, [Fault::NotAsNoted { seq: 4 }]);
    let later = ChainPlace { seq: 9, hash: "0".repeat(64) };
    assert_eq!(store.audit().verify(Some(&later)).await.unwrap().faults, [Fault::Removed { from: 7, to: 9 }]);
}
