//! The file: a line with format and SHA-256, a line that says of what it is, and a line for each object.

use super::{Identity, LastGood, LastGoodError, Listed, Objects};
use crate::discovery::kinds::{KINDS, Kind};
use crate::discovery::watches::Change;
use crate::routing::SourceKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file of another version is refused: what it misses is read from the cluster.
pub(super) const VERSION: &str = "1";
/// What a hundred thousand environments need is a third of it.
pub(super) const MAX_BYTES: u64 = 512 * 1024 * 1024;
const OURS: &str = "doorstep last good table, version ";
const HASH: &str = ", sha256 ";

/// The second line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// When it was written.
    created: Timestamp,
    of: Identity,
    /// How many objects of each kind; a kind that is not among them was not watched.
    objects: BTreeMap<String, usize>,
}

/// What was read.
pub(crate) struct Saved {
    /// When it last told the truth, as far as is known.
    pub(crate) as_of: Timestamp,
    /// A whole list of each kind, to be taken like one of the API server.
    pub(crate) lists: BTreeMap<SourceKind, Vec<Change>>,
    /// How many objects there are.
    pub(crate) objects: usize,
}

/// Reads and checks it all; `None` where there is no file.
pub(crate) fn read(last_good: &LastGood) -> Result<Option<Saved>, LastGoodError> {
    let Some(Content { bytes, confirmed }) = content(&last_good.path)? else { return Ok(None) };
    parse(&bytes, &last_good.of, confirmed).map(Some)
}

/// The content, and when it was last confirmed.
struct Content {
    bytes: Vec<u8>,
    confirmed: Option<Timestamp>,
}

fn content(path: &Path) -> Result<Option<Content>, LastGoodError> {
    // Asked before it is opened: opening a pipe would wait for its other end.
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(LastGoodError::Unreadable)?,
    };
    if !metadata.is_file() {
        return Err(LastGoodError::NotAFile);
    }
    if metadata.len() > MAX_BYTES {
        return Err(LastGoodError::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(LastGoodError::Unreadable)?;
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(LastGoodError::Unreadable)? as u64;
    if read > MAX_BYTES {
        return Err(LastGoodError::TooLarge(read));
    }
    let confirmed = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    Ok(Some(Content { bytes, confirmed }))
}

fn parse(bytes: &[u8], ours: &Identity, confirmed: Option<Timestamp>) -> Result<Saved, LastGoodError> {
    let (first, rest) = line(bytes);
    let first = std::str::from_utf8(first).ok().and_then(|first| first.strip_prefix(OURS));
    let (version, hash) = first.and_then(|first| first.split_once(HASH)).ok_or(LastGoodError::NotOurs)?;
    if version != VERSION {
        return Err(LastGoodError::Version(crate::model::shown(version)));
    }
    if hex(&Sha256::digest(rest)) != hash {
        return Err(LastGoodError::Damaged);
    }
    let wrong = |line, what: &str| LastGoodError::Object { line, what: what.to_owned() };
    let (second, mut rest) = line(rest);
    // What a parser says may hold a part of the line, and a line may hold a key.
    let header: Header = serde_json::from_slice(second).map_err(|_| wrong(2, "header of a last good table"))?;
    if header.of != *ours {
        return Err(LastGoodError::Foreign { theirs: Box::new(header.of), ours: Box::new(ours.clone()) });
    }
    let kept = |kind: &&Kind| header.objects.contains_key(&kind.source.to_string());
    let kinds: BTreeMap<String, &Kind> =
        KINDS.iter().filter(kept).map(|kind| (kind.source.to_string(), kind)).collect();
    let mut lists: BTreeMap<SourceKind, Vec<Change>> =
        kinds.values().map(|kind| (kind.source, vec![(kind.begin)()])).collect();
    let (mut number, mut objects) = (2, 0);
    while !rest.is_empty() {
        let (this, after) = line(rest);
        (rest, number) = (after, number + 1);
        let end = this.iter().position(|byte| *byte == b' ').ok_or_else(|| wrong(number, "object"))?;
        let (kind, json) = this.split_at(end);
        // A kind that only a newer program knows contributes nothing here.
        let Some(kind) = std::str::from_utf8(kind).ok().and_then(|name| kinds.get(name)) else { continue };
        let object = (kind.object)(json).map_err(|_| wrong(number, &kind.source.to_string()))?;
        lists.entry(kind.source).or_default().push(object);
        objects += 1;
    }
    for kind in kinds.values() {
        lists.entry(kind.source).or_default().push((kind.end)());
    }
    // The keeper touches the file while the watches work and nothing changes.
    let as_of = confirmed.map_or(header.created, |confirmed| confirmed.max(header.created)).min(Timestamp::now());
    Ok(Saved { as_of, lists, objects })
}

/// The first line, without its end, and what is after it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}

/// Writes the file whole or not at all, for its owner alone (it may hold the keys of certificates); gives its size.
pub(super) fn write(last_good: &LastGood, objects: &Objects) -> Result<u64, LastGoodError> {
    let unfinished = unfinished(&last_good.path);
    let written = write_unfinished(&unfinished, &last_good.of, objects).and_then(|bytes| {
        fs::rename(&unfinished, &last_good.path)
            .and_then(|()| sync_folder(&last_good.path))
            .map_err(LastGoodError::NotWritten)?;
        Ok(bytes)
    });
    if written.is_err() {
        // On a full disk, half a file is in the way.
        let _gone = fs::remove_file(&unfinished);
    }
    written
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write_unfinished(path: &Path, of: &Identity, objects: &Objects) -> Result<u64, LastGoodError> {
    // One that an earlier process left could have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(LastGoodError::NotWritten(error)),
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out =
        Hashed { file: BufWriter::new(file.map_err(LastGoodError::NotWritten)?), hash: Sha256::new(), bytes: 0 };
    let first = |hash: &[u8]| format!("{OURS}{VERSION}{HASH}{}\n", hex(hash));
    // Its place is kept: the hash is known when all else is written.
    out.file.write_all(first(&[0; 32]).as_bytes()).map_err(LastGoodError::NotWritten)?;
    write_rest(&mut out, of, objects).map_err(LastGoodError::NotWritten)?;
    let (hash, bytes) = (first(&out.hash.finalize()), out.bytes);
    let bytes = bytes.saturating_add(hash.len() as u64);
    if bytes > MAX_BYTES {
        return Err(LastGoodError::TooMuch);
    }
    let mut file = out.file;
    let mut finish = || {
        file.rewind()?;
        file.write_all(hash.as_bytes())?;
        file.flush()?;
        file.get_ref().sync_all()
    };
    finish().map_err(LastGoodError::NotWritten)?;
    Ok(bytes)
}

fn write_rest(out: &mut Hashed, of: &Identity, objects: &Objects) -> io::Result<()> {
    let counts = objects.iter().map(|(kind, listed)| (kind.to_string(), listed.len())).collect();
    let header = Header { created: Timestamp::now(), of: of.clone(), objects: counts };
    out.line(&[&serde_json::to_vec(&header)?])?;
    for (kind, listed) in objects {
        write_kind(out, *kind, listed)?;
    }
    Ok(())
}

fn write_kind(out: &mut Hashed, kind: SourceKind, listed: &Listed) -> io::Result<()> {
    let kind = format!("{kind} ");
    listed.values().try_for_each(|json| out.line(&[kind.as_bytes(), json]))
}

/// The file, with the hash of what goes through.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    fn line(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts.iter().chain(&[b"\n".as_slice()]) {
            self.hash.update(part);
            self.file.write_all(part)?;
            self.bytes = self.bytes.saturating_add(part.len() as u64);
        }
        Ok(())
    }
}

/// A rename is certain only when the folder is on the disk as well.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// Says on the file that it tells the truth still.
pub(super) fn confirm(last_good: &LastGood) -> io::Result<()> {
    OpenOptions::new().append(true).open(&last_good.path)?.set_modified(std::time::SystemTime::now())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
