//! A container's log on disk: lines in the form of the container runtime interface, rotated, with word to whoever follows.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver, sync::watch};

use super::process::Output;

/// A file that has grown beyond this is put aside and a new one begun.
const SEGMENT_BYTES: u64 = 10 * 1024 * 1024;
/// So many files are kept for one run, the current one included.
const SEGMENTS: u64 = 3;
/// A longer line is stored in parts.
const LINE_BYTES: usize = 16 * 1024;

/// The log of one run of a container: `<run>.log`, and `<run>.log.<n>` for what was rotated away, the oldest with the lowest n.
#[derive(Debug)]
pub(super) struct ContainerLog {
    folder: PathBuf,
    run: i32,
    file: Mutex<Option<Current>>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
}

/// How far the writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number of the file that is written now.
    pub segment: u64,
    /// Grows with each write.
    pub writes: u64,
    /// Nothing will be written any more.
    pub ended: bool,
}

/// The files of a log, oldest first, opened at one moment.
pub(super) struct Opened {
    pub files: Vec<File>,
    /// The number of the last of them.
    pub segment: u64,
}

impl ContainerLog {
    /// Begins the log of a run. Logs of runs before the previous one are removed.
    pub fn create(folder: &Path, run: i32) -> io::Result<Arc<Self>> {
        fs::create_dir_all(folder)?;
        for (path, other, _) in files(folder) {
            if other < run.saturating_sub(1) {
                let _ = fs::remove_file(path);
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path(folder, run, None))?;
        let bytes = file.metadata()?.len();
        let log = Self::ended(folder, run);
        log.progress.send_modify(|progress| progress.ended = false);
        *log.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(Current { file, bytes });
        Ok(log)
    }

    /// The log of a run that is over, as far as it is still there.
    pub fn ended(folder: &Path, run: i32) -> Arc<Self> {
        let rotated = files(folder).filter_map(|(_, other, segment)| (other == run).then_some(segment?)).max();
        let segment = rotated.map_or(0, |last| last.saturating_add(1));
        let (progress, _) = watch::channel(Progress { segment, writes: 0, ended: true });
        Arc::new(Self { folder: folder.to_owned(), run, file: Mutex::new(None), progress })
    }

    pub fn run(&self) -> i32 {
        self.run
    }

    pub fn exists(&self) -> bool {
        path(&self.folder, self.run, None).exists()
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Writes down all output until both streams have ended.
    pub async fn record(self: Arc<Self>, output: Output) {
        tokio::join!(self.record_stream("stdout", output.stdout), self.record_stream("stderr", output.stderr));
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.progress.send_modify(|progress| progress.ended = true);
    }

    async fn record_stream(&self, stream: &str, mut pipe: Receiver) {
        let mut pending = Vec::with_capacity(LINE_BYTES);
        loop {
            let end = !matches!(pipe.read_buf(&mut pending).await, Ok(1..));
            let text = format_lines(stream, &mut pending, end, Timestamp::now());
            // A write to the page cache is shorter than handing it to another thread would be.
            if !text.is_empty()
                && let Err(error) = self.append(&text)
            {
                tracing::warn!(folder = %self.folder.display(), %error, "lines of a container's log are lost");
            }
            if end {
                return;
            }
        }
    }

    fn append(&self, text: &[u8]) -> io::Result<()> {
        let mut current = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = current.as_mut() else { return Ok(()) };
        open.file.write_all(text)?;
        open.bytes = open.bytes.saturating_add(text.len() as u64);
        let mut segment = self.progress.borrow().segment;
        if open.bytes >= SEGMENT_BYTES {
            fs::rename(path(&self.folder, self.run, None), path(&self.folder, self.run, Some(segment)))?;
            let file = OpenOptions::new().create(true).append(true).open(path(&self.folder, self.run, None))?;
            *open = Current { file, bytes: 0 };
            segment = segment.saturating_add(1);
            if let Some(old) = segment.checked_sub(SEGMENTS) {
                let _ = fs::remove_file(path(&self.folder, self.run, Some(old)));
            }
        }
        self.progress.send_modify(|progress| {
            progress.segment = segment;
            progress.writes = progress.writes.wrapping_add(1);
        });
        Ok(())
    }

    /// Opens the files from number `first` on. Nothing is rotated meanwhile, so none is missed or seen twice.
    pub fn open_from(&self, first: u64) -> io::Result<Opened> {
        let _no_rotation = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rotated: Vec<(u64, PathBuf)> = files(&self.folder)
            .filter_map(|(path, run, segment)| {
                Some((segment.filter(|segment| run == self.run && *segment >= first)?, path))
            })
            .collect();
        rotated.sort();
        let mut files = rotated.into_iter().map(|(_, path)| File::open(path)).collect::<io::Result<Vec<File>>>()?;
        files.push(File::open(path(&self.folder, self.run, None))?);
        Ok(Opened { files, segment: self.progress.borrow().segment })
    }
}

fn path(folder: &Path, run: i32, segment: Option<u64>) -> PathBuf {
    folder.join(match segment {
        Some(segment) => format!("{run}.log.{segment}"),
        None => format!("{run}.log"),
    })
}

/// All log files of a container: path, run, and the number where it was rotated away.
fn files(folder: &Path) -> impl Iterator<Item = (PathBuf, i32, Option<u64>)> {
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let (run, segment) = name.to_str()?.split_once(".log")?;
        let segment = match segment.strip_prefix('.') {
            Some(number) => Some(number.parse().ok()?),
            None => None,
        };
        Some((entry.path(), run.parse().ok()?, segment))
    })
}

/// Takes whole lines out of `pending`, and parts of lines that are too long; at the end, all of it.
fn format_lines(stream: &str, pending: &mut Vec<u8>, end: bool, now: Timestamp) -> Vec<u8> {
    let mut text = Vec::new();
    let mut put = |tag: &str, line: &[u8]| {
        text.extend_from_slice(format!("{now:.9} {stream} {tag} ").as_bytes());
        text.extend_from_slice(line);
        text.push(b'\n');
    };
    let mut rest = pending.as_slice();
    loop {
        let newline = rest.iter().take(LINE_BYTES).position(|byte| *byte == b'\n');
        if let Some((line, after)) = newline.and_then(|at| rest.split_at_checked(at)) {
            put("F", line);
            rest = after.get(1..).unwrap_or_default();
        } else if let Some((part, after)) = rest.split_at_checked(LINE_BYTES) {
            put("P", part);
            rest = after;
        } else {
            break;
        }
    }
    if end && !rest.is_empty() {
        put("F", rest);
        rest = &[];
    }
    let taken = pending.len() - rest.len();
    pending.drain(..taken);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(pending: &mut Vec<u8>, end: bool) -> String {
        String::from_utf8(format_lines("stdout", pending, end, Timestamp::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn a_line_is_written_when_it_is_whole_or_the_stream_ends() {
        let mut pending = b"one\ntw".to_vec();
        assert_eq!(formatted(&mut pending, false), "1970-01-01T00:00:00.000000000Z stdout F one\n");
        assert_eq!(pending, b"tw");
        assert_eq!(formatted(&mut pending, true), "1970-01-01T00:00:00.000000000Z stdout F tw\n");
    }

    #[test]
    fn a_long_line_is_stored_in_parts() {
        let mut pending = vec![b'x'; LINE_BYTES + 5];
        pending.push(b'\n');
        let text = formatted(&mut pending, false);
        let tags: Vec<&str> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(tags, ["P", "F"]);
    }

    #[test]
    fn rotation_keeps_three_files_and_the_reader_sees_them_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let log = ContainerLog::create(folder.path(), 0).unwrap();
        let block = vec![b'x'; usize::try_from(SEGMENT_BYTES).unwrap()];
        for _ in 0..5 {
            log.append(&block).unwrap();
        }
        let opened = log.open_from(0).unwrap();
        assert_eq!((opened.files.len(), opened.segment), (3, 5));
        assert_eq!(ContainerLog::ended(folder.path(), 0).progress().borrow().segment, 5);
    }

    #[test]
    fn the_previous_run_is_kept_and_older_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for run in 0..3 {
            ContainerLog::create(folder.path(), run).unwrap();
        }
        assert!(!ContainerLog::ended(folder.path(), 0).exists());
        assert!(ContainerLog::ended(folder.path(), 1).exists());
    }
}
