//! A store that is locked, gone, replaced, not ours, or newer than the program: each has its sentence, and what was
//! acknowledged is there afterwards.

use crate::harness::postgres::{PASSWORD, Postgres};
use crate::on_both;
use crate::place::{Place, begun, time};
use doorstep::store::{Ended, Outcome, Store, StoreError, StoreUrl};

on_both!(
    a_newer_schema_is_refused_and_left_as_it_is,
    a_database_of_somebody_else_is_refused,
    a_changed_step_of_the_schema_is_refused,
    opening_twice_changes_nothing,
    an_older_schema_is_told_and_brought_up_to_date_by_a_start,
    a_locked_store_is_told_and_works_again,
);

async fn refused(url: &StoreUrl) -> String {
    Store::open(url).await.unwrap_err().to_string()
}

async fn a_newer_schema_is_refused_and_left_as_it_is(place: Place) {
    drop(place.open().await);
    place.tamper("INSERT INTO doorstep_schema (number, name, digest) VALUES (77, 'later', 'x')").await;
    let said = refused(&place.url).await;
    assert!(said.contains("has schema 77, and this version of doorstep knows up to 1"), "{said}");
    assert!(said.contains("start the version that wrote it"), "{said}");
    assert!(matches!(Store::look(&place.url).await, Err(StoreError::NewerSchema { found: 77, .. })));
    place.tamper("DELETE FROM doorstep_schema WHERE number = 77").await;
    place.open().await.ping().await.unwrap();
}

async fn a_database_of_somebody_else_is_refused(place: Place) {
    if !place.url.is_shared() {
        drop(place.open().await);
        place.tamper("DROP TABLE doorstep_schema").await;
    } else {
        place.tamper("CREATE TABLE customers (id BIGINT)").await;
    }
    let said = refused(&place.url).await;
    assert!(said.contains("was not made by doorstep: it holds the table"), "{said}");
}

async fn a_changed_step_of_the_schema_is_refused(place: Place) {
    drop(place.open().await);
    place.tamper("UPDATE doorstep_schema SET digest = 'x' WHERE number = 1").await;
    let said = refused(&place.url).await;
    assert!(said.contains("step 1 of its schema is another one than doorstep's"), "{said}");
}

async fn opening_twice_changes_nothing(place: Place) {
    let store = place.open().await;
    store.audit().begin(begun("anna", 1)).await.unwrap();
    if store.is_shared() {
        let both = futures::future::join(Box::pin(place.open()), Box::pin(place.open())).await;
        assert_eq!(both.0.audit().head().await.unwrap().seq, 1);
    } else {
        let said = refused(&place.url).await;
        assert!(said.contains("is in use by another manager; only PostgreSQL can be shared"), "{said}");
    }
    assert_eq!(Store::look(&place.url).await.unwrap().audit().head().await.unwrap().seq, 1);
}

async fn an_older_schema_is_told_and_brought_up_to_date_by_a_start(place: Place) {
    // The oldest there is: a database in which nothing was made yet.
    place.tamper("SELECT 1").await;
    let told = Store::look(&place.url).await.unwrap_err();
    assert!(matches!(told, StoreError::OlderSchema { found: 0, .. }), "{told}");
    assert!(told.to_string().contains("the next start of its manager upgrades it"), "{told}");
    place.open().await.audit().begin(begun("anna", 1)).await.unwrap();
    assert_eq!(Store::look(&place.url).await.unwrap().audit().head().await.unwrap().seq, 1);
}

async fn a_locked_store_is_told_and_works_again(place: Place) {
    let store = place.open().await;
    let hold = place.hold().await;
    let told = store.audit().begin(begun("anna", 1)).await.unwrap_err();
    assert!(matches!(told, StoreError::Locked { .. }) && told.passes(), "{told}");
    assert!(told.to_string().contains("is locked by another program; nothing was written; try again"), "{told}");
    hold.release().await;
    store.audit().begin(begun("anna", 2)).await.unwrap();
    let verdict = store.audit().verify(None).await.unwrap();
    assert_eq!((verdict.records, verdict.faults), (1, Vec::new()));
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_takes_no_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreUrl::in_folder(folder.path())).await.unwrap();
    let (file, aside) = (folder.path().join("store.db"), folder.path().join("aside"));
    let call = store.audit().begin(begun("anna", 1)).await.unwrap();
    std::fs::rename(&file, &aside).unwrap();
    let end = Ended { at: time(2), result: Outcome::Done, status: None, after: None, said: None };
    let said = store.audit().end(&call, end.clone()).await.unwrap_err();
    assert!(said.passes() && said.to_string().contains("does not answer"), "{said}");
    std::fs::write(&file, "").unwrap();
    let said = store.audit().end(&call, end.clone()).await.unwrap_err().to_string();
    assert!(said.contains("the file was replaced by another one"), "{said}");
    std::fs::rename(&aside, &file).unwrap();
    store.audit().end(&call, end).await.unwrap();
    assert!(store.audit().verify(None).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    std::fs::write(&file, "not a database, but long enough to be taken for one".repeat(100)).unwrap();
    let said = refused(&StoreUrl::in_folder(folder.path())).await;
    assert!(said.contains("is damaged") && said.contains("doorstep admin restore"), "{said}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("not a database"));
    let missing = Store::look(&StoreUrl::in_folder(&folder.path().join("none"))).await.unwrap_err().to_string();
    assert!(missing.contains("does not exist"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_for_a_while_loses_nothing() {
    let mut server = Postgres::start();
    let url: StoreUrl = server.database().await.parse().unwrap();
    let store = Store::open(&url).await.unwrap();
    let mut acknowledged = Vec::new();
    for at in 0..5 {
        acknowledged.push(store.audit().begin(begun("anna", at)).await.unwrap());
    }
    server.stop();
    let error = store.audit().begin(begun("anna", 10)).await.unwrap_err();
    assert!(error.passes() && error.to_string().contains("does not answer"), "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    let start = Store::open(&url).await.unwrap_err();
    assert!(start.passes() && !start.to_string().contains(PASSWORD), "{start}");
    server.run();
    for call in &acknowledged {
        let end = Ended { at: time(20), result: Outcome::Done, status: None, after: None, said: None };
        store.audit().end(call, end).await.unwrap();
    }
    let verdict = store.audit().verify(None).await.unwrap();
    assert_eq!((verdict.records, verdict.faults), (10, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_or_database_is_told_without_the_password() {
    let server = Postgres::shared();
    let wrong = server.url("postgres").replace(PASSWORD, "wrong-horse");
    let said = refused(&wrong.parse().unwrap()).await;
    assert!(said.contains("refused the user or the password") && !said.contains("wrong-horse"), "{said}");
    let said = refused(&server.url("nowhere").parse().unwrap()).await;
    assert!(said.contains("does not exist") && !said.contains(PASSWORD), "{said}");
    let unreachable = format!("postgres://doorstep:{PASSWORD}@127.0.0.1:1/doorstep").parse().unwrap();
    let said = refused(&unreachable).await;
    assert!(said.contains("postgres://127.0.0.1:1/doorstep does not answer") && !said.contains(PASSWORD), "{said}");
}
