//! What only limits of a test's own can show: a store that is full, and one that somebody else has locked. The rest is in `tests/store`.

use super::open::{Access, Limits};
use super::*;
use jiff::Timestamp;
use sqlx::Connection as _;
use std::time::Duration;

/// A call that is about to change something.
pub(super) fn begun() -> Begun {
    Begun {
        at: Timestamp::UNIX_EPOCH,
        who: Who { subject: "anna".to_owned(), name: "Anna".to_owned(), through: "test".to_owned() },
        origin: String::new(),
        request: String::new(),
        action: "x".repeat(4000),
        target: Target::default(),
        before: None,
    }
}

#[tokio::test]
async fn a_full_store_takes_no_more_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::in_folder(folder.path());
    let limits = Limits { pages: Some(120), patience: None };
    let store = Store::open_with(&url, Access::Work, limits).await.unwrap();
    let mut taken = 0;
    let error = loop {
        match store.audit().begin(begun()).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(error.to_string().contains("is full; nothing was written; make room"), "{error}");
    assert!(taken > 5, "{taken}");
    assert!(store.audit().begin(begun()).await.is_err());
    let verdict = store.audit().verify(None).await.unwrap();
    assert_eq!((verdict.records, verdict.faults), (taken, Vec::new()));
    drop(store);
    let roomy = Store::open(&url).await.unwrap();
    roomy.audit().begin(begun()).await.unwrap();
    assert_eq!(roomy.audit().verify(None).await.unwrap().records, taken + 1);
}

#[tokio::test]
async fn a_locked_store_is_told_and_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::in_folder(folder.path());
    let limits = Limits { pages: None, patience: Some(Duration::from_millis(50)) };
    let store = Store::open_with(&url, Access::Work, limits).await.unwrap();
    let file = format!("sqlite:{}", folder.path().join(STORE_FILE).display());
    let mut other = sqlx::SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let error = store.audit().begin(begun()).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }) && error.passes(), "{error}");
    assert_eq!(store.audit().head().await.unwrap().seq, 0, "it can still be read");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    store.audit().begin(begun()).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_halfway_leaves_nothing_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreUrl::in_folder(folder.path())).await.unwrap();
    for _ in 0..20 {
        let audit = store.audit();
        let mut call = Box::pin(audit.begin(begun()));
        let _dropped_halfway = futures::poll!(&mut call);
        tokio::task::yield_now().await;
        let _dropped_halfway = futures::poll!(&mut call);
    }
    store.audit().begin(begun()).await.unwrap();
    assert!(store.audit().verify(None).await.unwrap().faults.is_empty());
}
