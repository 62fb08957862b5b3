//! The keeper: when it writes, and what a disk that refuses does to it.

use super::super::{Identity, Listed};
use super::*;
use std::path::Path;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const KINDS: [SourceKind; 2] = [SourceKind::Service, SourceKind::EndpointSlice];

fn start(path: &Path) -> (LastGood, UnboundedSender<Note>) {
    let text = |text: &str| text.to_owned();
    let of = Identity { cluster: text("c"), namespaces: text("all"), domain: text("example.com") };
    let last_good = LastGood { path: path.to_owned(), of };
    let (sender, receiver) = unbounded_channel();
    let required = BTreeSet::from(KINDS);
    let kinds = Kinds::new(&required);
    kinds.settle(&BTreeSet::new(), &std::collections::BTreeMap::new());
    tokio::spawn(keep(last_good.clone(), required, kinds, receiver));
    (last_good, sender)
}

fn put(notes: &UnboundedSender<Note>, name: &str) {
    let json = format!(r#"{{"metadata":{{"name":"{name}","namespace":"default"}}}}"#).into_bytes();
    notes.send(Note::Put(SourceKind::Service, ("default".into(), name.into()), json.into())).unwrap();
}

/// Waits until the file holds that many objects. Time is paused, so the waits of the keeper take none.
async fn holds(last_good: &LastGood, objects: usize) {
    let end = Instant::now() + Duration::from_secs(3600);
    loop {
        let held = file::read(last_good).unwrap().map(|saved| saved.objects);
        if held == Some(objects) {
            return;
        }
        assert!(Instant::now() < end, "{held:?} objects, not {objects}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_every_list_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let (last_good, notes) = start(&folder.path().join("last-good"));
    notes.send(Note::List(SourceKind::Service, Listed::new())).unwrap();
    put(&notes, "a");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!last_good.path.exists());
    notes.send(Note::List(SourceKind::EndpointSlice, Listed::new())).unwrap();
    holds(&last_good, 1).await;
    put(&notes, "b");
    holds(&last_good, 2).await;
    notes.send(Note::Remove(SourceKind::Service, ("default".into(), "a".into()))).unwrap();
    holds(&last_good, 1).await;
    notes.send(Note::List(SourceKind::Service, Listed::new())).unwrap();
    holds(&last_good, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("not-there-yet");
    let (last_good, notes) = start(&inner.join("last-good"));
    KINDS.iter().for_each(|kind| notes.send(Note::List(*kind, Listed::new())).unwrap());
    put(&notes, "a");
    tokio::time::sleep(Duration::from_secs(60)).await;
    std::fs::create_dir(&inner).unwrap();
    holds(&last_good, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_taken_away_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (last_good, notes) = start(&folder.path().join("last-good"));
    KINDS.iter().for_each(|kind| notes.send(Note::List(*kind, Listed::new())).unwrap());
    holds(&last_good, 0).await;
    std::fs::remove_file(&last_good.path).unwrap();
    holds(&last_good, 0).await;
}
