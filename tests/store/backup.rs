//! Backups: whole or not at all, of both databases and from one to the other.

use crate::on_both;
use crate::place::{Place, begun, time};
use doorstep::store::{Ended, Fault, NewToken, Outcome, Store, StoreUrl, TokenGrant};
use std::path::Path;

on_both!(a_backup_is_restored_into_both_databases, a_store_in_use_or_not_empty_is_not_restored_into);

async fn filled(place: &Place) -> Store {
    let store = place.open().await;
    for at in 0..3 {
        let call = store.audit().begin(begun("anna", at)).await.unwrap();
        let result = Outcome::Done;
        let end = Ended { at: time(at), result, status: Some(200), after: None, said: Some("l\ni\"ne".to_owned()) };
        store.audit().end(&call, end).await.unwrap();
    }
    let grant = TokenGrant { subject: "anna".to_owned(), ..TokenGrant::default() };
    let (id, hash, created_by) = ("t".to_owned(), "h".to_owned(), "anna".to_owned());
    let token = NewToken { id, hash, grant, created_by, created_at: time(0), expires_at: None };
    store.tokens().create(&token).await.unwrap();
    store
}

async fn a_backup_is_restored_into_both_databases(place: Place) {
    let store = filled(&place).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.backup");
    let looked = Store::look(&place.url).await.unwrap();
    let made = looked.backup(&file, time(50)).await.unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777, 0o600);
    assert_eq!(Store::read_backup(&file).unwrap(), made);
    assert!(looked.backup(&file, time(50)).await.unwrap_err().to_string().contains("is there already"));
    let head = store.audit().head().await.unwrap();
    for into in [Place::sqlite(), Place::postgres().await] {
        let (restored, info) = Store::restore(&into.url, &file, false).await.unwrap();
        assert_eq!((info.at, info.rows), (time(50), made.rows));
        let checked = restored.check(Some(&head)).await.unwrap();
        assert_eq!((checked.audit.records, checked.audit.faults), (6, Vec::<Fault>::new()));
        let token = restored.tokens().by_hash("h").await.unwrap().unwrap();
        assert_eq!((token.id.as_str(), token.expires_at), ("t", None));
        restored.audit().begin(begun("anna", 60)).await.unwrap();
        assert!(restored.audit().verify(None).await.unwrap().faults.is_empty());
    }
}

async fn a_store_in_use_or_not_empty_is_not_restored_into(place: Place) {
    let store = filled(&place).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.backup");
    store.backup(&file, time(50)).await.unwrap();
    store.audit().begin(begun("ben", 51)).await.unwrap();
    let said = Store::restore(&place.url, &file, true).await.unwrap_err().to_string();
    assert!(said.contains("is in use by another manager"), "{said}");
    store.close().await;
    drop(store);
    place.kill_all().await;
    let said = Store::restore(&place.url, &file, false).await.unwrap_err().to_string();
    assert!(said.contains("is not empty; --replace gives up what it holds"), "{said}");
    let (restored, _) = Store::restore(&place.url, &file, true).await.unwrap();
    assert_eq!(restored.audit().head().await.unwrap().seq, 6);
}

fn refused(file: &Path, folder: &Path) -> String {
    let url = StoreUrl::in_folder(folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let said = runtime.block_on(Store::restore(&url, file, false)).unwrap_err().to_string();
    assert!(!folder.join("store.db").exists(), "nothing was begun");
    said
}

#[test]
fn a_file_that_is_not_whole_is_refused_before_anything_is_changed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = Place::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.backup");
    runtime.block_on(async { filled(&place).await.backup(&file, time(50)).await.unwrap() });
    let whole = std::fs::read_to_string(&file).unwrap();
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        refused(&file, folder.path())
    };
    let cut = whole.lines().take(4).map(|line| format!("{line}\n")).collect::<String>();
    assert!(with(&cut).contains("ends too early"));
    assert!(with(&whole[..whole.len() - 1]).contains("ends too early"));
    assert!(with(&whole.replacen("anna", "carl", 1)).contains("its digest is another one"));
    assert!(with("hello\n").contains("is not a backup of doorstep"));
    assert!(with(&whole.replacen("\"format\":1", "\"format\":2", 1)).contains("of a form that this version"));
    assert!(with(&whole.replacen("\"schema\":1", "\"schema\":99", 1)).contains("digest"));
    assert!(with(&whole.replacen("\"table\":\"audit\"", "\"table\":\"audit; DROP\"", 1)).contains("does not fit"));
    assert!(refused(Path::new("/nowhere/x"), folder.path()).contains("cannot be read"));
}
