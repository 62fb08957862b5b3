//! The file: what was written is read back, and nothing else is.

use super::super::Listed;
use super::*;
use std::os::unix::fs::PermissionsExt;

fn last_good(folder: &Path) -> LastGood {
    let text = |text: &str| text.to_owned();
    let of = Identity { cluster: text("https://cluster.test"), namespaces: text("all"), domain: text("example.com") };
    LastGood { path: folder.join("last-good"), of }
}

fn objects() -> Objects {
    let service = r#"{"metadata":{"name":"a","namespace":"default","annotations":{"doorstep.dev/host":"a.test"}}}"#;
    let listed = Listed::from([(("default".into(), "a".into()), service.as_bytes().into())]);
    Objects::from([(SourceKind::Service, listed), (SourceKind::EndpointSlice, Listed::new())])
}

fn refusal(last_good: &LastGood) -> String {
    match read(last_good) {
        Err(error) => error.to_string(),
        Ok(saved) => panic!("it was read: {}", saved.is_some()),
    }
}

#[test]
fn what_was_written_is_read_back_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let last_good = last_good(folder.path());
    assert!(read(&last_good).unwrap().is_none());
    let bytes = write(&last_good, &objects()).unwrap();
    let metadata = fs::metadata(&last_good.path).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (bytes, 0o600));
    let saved = read(&last_good).unwrap().unwrap();
    assert_eq!(saved.objects, 1);
    // A kind that was watched and had no objects is known to be empty; one that was not watched is not known.
    let lengths: Vec<_> = saved.lists.iter().map(|(kind, list)| (*kind, list.len())).collect();
    assert_eq!(lengths, [(SourceKind::Service, 3), (SourceKind::EndpointSlice, 2)]);
    write(&last_good, &Objects::new()).unwrap();
    assert_eq!(read(&last_good).unwrap().unwrap().objects, 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let last_good = last_good(folder.path());
    write(&last_good, &objects()).unwrap();
    let whole = fs::read(&last_good.path).unwrap();
    for length in 0..whole.len() {
        assert!(parse(&whole[..length], &last_good.of, None).is_err(), "{length} bytes");
    }
    assert!(parse(&[&whole[..], b"x"].concat(), &last_good.of, None).is_err());
    assert!(parse(&whole, &last_good.of, None).is_ok());
}

#[test]
fn a_file_with_any_bit_flipped_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let last_good = last_good(folder.path());
    write(&last_good, &objects()).unwrap();
    let mut bytes = fs::read(&last_good.path).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(parse(&bytes, &last_good.of, None).is_err(), "bit {bit} of byte {at}");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(parse(&bytes, &last_good.of, None).is_ok());
}

#[test]
fn each_refusal_says_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let good = last_good(folder.path());
    let put = |content: &[u8]| fs::write(&good.path, content).unwrap();
    for (content, expected) in [
        ("", "it does not begin as one does"),
        ("doorstep last good table, version 2, sha256 00\n", "it has the format \"2\", and this program reads 1"),
        ("doorstep last good table, version 1, sha256 00\n", "its content does not match the SHA-256"),
    ] {
        put(content.as_bytes());
        let said = refusal(&good);
        assert!(said.contains(expected) && said.ends_with("delete it"), "{said}");
    }
    fs::File::create(&good.path).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert!(refusal(&good).contains("more than 536870912 are not read; delete it"));
    fs::remove_file(&good.path).unwrap();
    fs::create_dir(&good.path).unwrap();
    assert!(refusal(&good).starts_with("it is no file"));
    assert!(matches!(write(&good, &objects()), Err(LastGoodError::NotWritten(_))));
    fs::remove_dir(&good.path).unwrap();

    write(&good, &objects()).unwrap();
    let mut other = good.clone();
    other.of.domain = "example.org".to_owned();
    let said = refusal(&other);
    assert!(said.contains(r#"domain "example.com", and this gateway is for cluster "https://cluster.test""#), "{said}");
}

#[test]
fn an_object_that_is_none_is_refused_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let last_good = last_good(folder.path());
    let listed = Listed::from([(("default".into(), "a".into()), br#"{"metadata":"SECRET"}"#.as_slice().into())]);
    write(&last_good, &Objects::from([(SourceKind::Service, listed)])).unwrap();
    assert_eq!(refusal(&last_good), "its line 3 is no Service; delete it");
}

#[test]
fn a_table_is_as_old_as_its_last_confirmation() {
    let folder = tempfile::tempdir().unwrap();
    let last_good = last_good(folder.path());
    write(&last_good, &objects()).unwrap();
    let at = |seconds: i64| Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    let as_of = |confirmed| parse(&fs::read(&last_good.path).unwrap(), &last_good.of, confirmed).unwrap().as_of;
    let written = as_of(None);
    assert_eq!(as_of(Some(at(-3600))), written, "a copy with an old date does not make the content older");
    assert!(as_of(Some(at(3600))) <= Timestamp::now(), "nothing is from the future");
    confirm(&last_good).unwrap();
    assert!(read(&last_good).unwrap().unwrap().as_of >= written);
    fs::remove_file(&last_good.path).unwrap();
    assert!(confirm(&last_good).is_err());
}
