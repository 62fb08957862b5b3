//! The access log: one JSON line per request, whatever happened to it.
//!
//! Workers never wait for it. Each fills a buffer of its own, and a thread writes the full ones. When the disk is too slow,
//! records are dropped and counted (`doorstep_access_log_dropped_total`).
//!
//! A file grows to 64 MiB; then it becomes `<file>.1`, in the place of the one before, and a new one is begun: never more
//! than two files, and 128 MiB. A new file is its owner's alone (mode 0600), as paths and addresses are personal. What is
//! no regular file, like a pipe, is written to without end.

use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the records go.
#[derive(Debug, Clone, Default)]
pub enum Sink {
    /// Nowhere.
    #[default]
    Off,
    /// To the standard output.
    Stdout,
    /// To the end of a file, which is rotated at 64 MiB.
    File(PathBuf),
    /// To a list that a test reads.
    Test(Arc<Mutex<Vec<String>>>),
}

/// The log that all workers share.
#[derive(Debug)]
pub struct AccessLog {
    target: Target,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Target {
    Off,
    Thread(SyncSender<Batch>),
    Test(Arc<Mutex<Vec<String>>>),
}

/// Some records, each ended by a newline.
#[derive(Debug)]
struct Batch {
    lines: Vec<u8>,
    records: u64,
}

/// Batches that may wait for the writer before records are dropped.
const WAITING_BATCHES: usize = 256;
/// Bytes of a batch.
const BATCH_BYTES: usize = 16 * 1024;
/// Bytes of the file at which it is rotated.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One record. Durations are in milliseconds.
#[derive(Debug, Default, Serialize)]
pub struct Entry<'r> {
    /// When the request came (RFC 3339, UTC).
    pub time: String,
    /// Its id, as the backend got it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub request_id: &'r str,
    /// The peer's address.
    pub client: String,
    /// The method.
    pub method: &'r str,
    /// The host, canonical; empty when there was none that could be read.
    pub host: &'r str,
    /// The path, without the query: queries hold secrets.
    pub path: &'r str,
    /// Whether there was a query.
    pub query: bool,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub protocol: &'r str,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The response's status; none when the client had gone before.
    pub status: Option<u16>,
    /// The code of the refusal, when the gateway answered itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'r str>,
    /// The error type of RFC 9209.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_error: Option<&'r str>,
    /// How it ended, if not by a complete response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<&'r str>,
    /// The rule that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The environment it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The endpoint it went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The pod behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<&'r str>,
    /// How often it was sent again.
    pub retries: u32,
    /// Bytes of the request's content.
    pub bytes_in: u64,
    /// Bytes of the response's content.
    pub bytes_out: u64,
    /// From its head to the end of the response.
    pub total_ms: f64,
    /// For a new connection to the endpoint, when one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<f64>,
    /// Until the response's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<f64>,
    /// What the client says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl AccessLog {
    /// A log into `sink`. The error is that of opening the file.
    pub fn new(sink: Sink) -> io::Result<Arc<Self>> {
        let dropped = Arc::new(AtomicU64::new(0));
        let target = match sink {
            Sink::Off => Target::Off,
            Sink::Test(lines) => Target::Test(lines),
            Sink::Stdout => Target::Thread(start_writer(Output::Stdout, dropped.clone())?),
            Sink::File(path) => {
                let file = LogFile::open(path, FILE_BYTES)?;
                Target::Thread(start_writer(Output::File(file), dropped.clone())?)
            }
        };
        Ok(Arc::new(Self { target, dropped }))
    }

    /// Records that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A buffer for one worker. What is in it is handed over when it is full, when it is flushed, and when it is dropped.
    pub fn writer(&self) -> Writer {
        Writer { target: self.target.clone(), dropped: self.dropped.clone(), lines: Vec::new(), records: 0 }
    }
}

/// One worker's buffer.
#[derive(Debug)]
pub struct Writer {
    target: Target,
    dropped: Arc<AtomicU64>,
    lines: Vec<u8>,
    records: u64,
}

impl Writer {
    /// Whether records are wanted at all.
    pub fn is_on(&self) -> bool {
        !matches!(self.target, Target::Off)
    }

    /// Records of all workers that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Adds one record.
    pub fn write(&mut self, entry: &Entry<'_>) {
        let before = self.lines.len();
        // The serialiser escapes every control character, so that a record is one line.
        if serde_json::to_writer(&mut self.lines, entry).is_err() {
            self.lines.truncate(before);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.lines.push(b'\n');
        self.records += 1;
        if self.lines.len() >= BATCH_BYTES || matches!(self.target, Target::Test(_)) {
            self.flush();
        }
    }

    /// Hands over what is there. Never waits.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = std::mem::replace(&mut self.lines, Vec::with_capacity(BATCH_BYTES + 1024));
        let batch = Batch { lines, records: std::mem::take(&mut self.records) };
        match &self.target {
            Target::Off => {}
            Target::Thread(sender) => {
                let records = batch.records;
                if sender.try_send(batch).is_err() {
                    self.dropped.fetch_add(records, Ordering::Relaxed);
                }
            }
            Target::Test(all) => {
                let text = String::from_utf8_lossy(&batch.lines).into_owned();
                all.lock().unwrap_or_else(PoisonError::into_inner).extend(text.lines().map(str::to_owned));
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

enum Output {
    Stdout,
    File(LogFile),
}

/// A file that is rotated before it is larger than `most`.
struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
    is_regular: bool,
}

impl LogFile {
    fn open(path: PathBuf, most: u64) -> io::Result<Self> {
        let file = append_to(&path)?;
        let metadata = file.metadata()?;
        Ok(Self { path, file, bytes: metadata.len(), most, is_regular: metadata.is_file() })
    }

    /// Writes all of `lines` to one file. When the old file cannot be put away the error is told, and nothing is written:
    /// the bound holds.
    fn write_all(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = lines.len() as u64;
        if self.is_regular && self.bytes > 0 && self.bytes + length > self.most {
            self.rotate()?;
        }
        self.bytes += length;
        self.file.write_all(lines)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        match std::fs::rename(&self.path, old) {
            // Somebody else has put it away, or the last attempt got no further than this.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.file = append_to(&self.path)?;
        self.bytes = self.file.metadata()?.len();
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn start_writer(output: Output, dropped: Arc<AtomicU64>) -> io::Result<SyncSender<Batch>> {
    let (sender, receiver) = sync_channel(WAITING_BATCHES);
    std::thread::Builder::new().name("access-log".into()).spawn(move || write_all(output, &receiver, &dropped))?;
    Ok(sender)
}

/// Runs until the last worker and the log itself are gone.
fn write_all(mut output: Output, batches: &Receiver<Batch>, dropped: &AtomicU64) {
    while let Ok(batch) = batches.recv() {
        let written = match &mut output {
            Output::Stdout => io::stdout().lock().write_all(&batch.lines),
            Output::File(file) => file.write_all(&batch.lines),
        };
        if written.is_err() {
            dropped.fetch_add(batch.records, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_its_values_hold() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = AccessLog::new(Sink::Test(lines.clone())).unwrap();
        let entry = Entry { path: "/a\r\nb\u{1b}[31m\"", ..Entry::default() };
        log.writer().write(&entry);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].contains('\u{1b}'));
        let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(value["path"], "/a\r\nb\u{1b}[31m\"");
    }

    #[test]
    fn two_bounded_files_hold_the_newest_records_and_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        std::fs::write(&path, "before\n").unwrap();
        let mut log = LogFile::open(path.clone(), 100).unwrap();
        for number in 10..60 {
            log.write_all(format!("record {number}\n").as_bytes()).unwrap();
        }
        let (old, new) = (folder.path().join("access.log.1"), std::fs::read_to_string(&path).unwrap());
        let both = std::fs::read_to_string(&old).unwrap() + &new;
        let numbers: Vec<u32> =
            both.lines().map(|line| line.strip_prefix("record ").unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, (60 - numbers.len() as u32..60).collect::<Vec<_>>());
        assert!(numbers.len() > 10 && new.len() <= 100 && both.len() <= 200, "{both}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn records_that_nobody_takes_are_counted() {
        let (sender, _receiver) = sync_channel(0);
        let log = AccessLog { target: Target::Thread(sender), dropped: Arc::default() };
        let mut writer = log.writer();
        for _ in 0..3 {
            writer.write(&Entry::default());
        }
        writer.flush();
        assert_eq!((log.dropped(), writer.dropped()), (3, 3));
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            // Each worker tells the total, and it counts once.
            for _ in 0..2 {
                crate::telemetry::metrics::ProxyMetrics::new().access_log_dropped(writer.dropped());
            }
        });
        let told = recorder.handle().render();
        assert!(told.contains("doorstep_access_log_dropped_total 3"), "{told}");
    }

    #[test]
    fn a_file_gets_every_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::new(Sink::File(path.clone())).unwrap();
        let mut writer = log.writer();
        for _ in 0..1000 {
            writer.write(&Entry { method: "GET", ..Entry::default() });
        }
        drop(writer);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::fs::read_to_string(&path).unwrap().lines().count() < 1000 {
            assert!(std::time::Instant::now() < until);
            std::thread::yield_now();
        }
        assert_eq!(log.dropped(), 0);
    }
}
