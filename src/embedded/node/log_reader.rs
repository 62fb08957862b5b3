//! Reads a container's log for a person: across rotated files, from where it is wanted, and on while it grows.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::{io::AsyncReadExt, sync::mpsc};

use super::{
    super::api::LogOptions,
    logs::{ContainerLog, Opened},
};

/// The log as a stream. Reading stops when the stream is dropped.
pub(super) fn stream(
    log: Arc<ContainerLog>,
    options: LogOptions,
) -> futures::stream::BoxStream<'static, io::Result<Bytes>> {
    let (pieces, received) = mpsc::channel(4);
    tokio::spawn(async move {
        tokio::select! {
            result = read(&log, &options, &pieces) => if let Err(error) = result { let _ = pieces.send(Err(error)).await; },
            () = pieces.closed() => {}
        }
    });
    futures::stream::unfold(received, |mut received| async move { Some((received.recv().await?, received)) }).boxed()
}

async fn read(log: &ContainerLog, options: &LogOptions, pieces: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut progress = log.progress();
    let mut sieve = Sieve::new(options);
    let Opened { files, mut segment } = log.open_from(0)?;
    let files = match options.tail_lines {
        Some(lines) => {
            tokio::task::spawn_blocking(move || skip_to_tail(files, lines)).await.map_err(io::Error::other)??
        }
        None => files,
    };
    let mut queue: std::collections::VecDeque<_> = files.into_iter().map(tokio::fs::File::from_std).collect();
    let Some(mut file) = queue.pop_front() else { return Ok(()) };
    loop {
        // Taken before the read: what is written after it wakes us again.
        let seen = *progress.borrow_and_update();
        let mut buffer = Vec::with_capacity(64 * 1024);
        while file.read_buf(&mut buffer).await? > 0 {
            let text = sieve.pass(&buffer);
            buffer.clear();
            if !text.is_empty() && pieces.send(Ok(text.into())).await.is_err() || sieve.is_full() {
                return Ok(());
            }
        }
        if let Some(next) = queue.pop_front() {
            file = next;
        } else if seen.segment > segment {
            let opened = log.open_from(segment.saturating_add(1))?;
            segment = opened.segment;
            queue.extend(opened.files.into_iter().map(tokio::fs::File::from_std));
            if let Some(next) = queue.pop_front() {
                file = next;
            }
        } else if !options.follow || seen.ended || progress.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Drops files and moves the first remaining one forward, so that `lines` lines are left.
fn skip_to_tail(mut files: Vec<File>, lines: u64) -> io::Result<Vec<File>> {
    use std::io::{Seek, SeekFrom};
    let mut missing = lines;
    let mut kept = Vec::new();
    while let Some(mut file) = files.pop() {
        let (start, found) = tail_start(&file, missing)?;
        file.seek(SeekFrom::Start(start))?;
        kept.push(file);
        missing = missing.saturating_sub(found);
        if missing == 0 {
            break;
        }
    }
    kept.reverse();
    Ok(kept)
}

/// Where the last `lines` lines of a file begin, and how many of them it has.
fn tail_start(file: &File, lines: u64) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok((length, 0));
    }
    let mut block = vec![0; 64 * 1024];
    let (mut end, mut found) = (length, 0);
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = block.get_mut(..usize::try_from(end - start).unwrap_or(0)).unwrap_or_default();
        file.read_exact_at(part, start)?;
        for (offset, _) in part.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            // This newline ends a line that was counted already, unless it is the last of the file.
            let after = start + offset as u64 + 1;
            if after < length {
                found += 1;
                if found == lines {
                    return Ok((after, found));
                }
            }
        }
        end = start;
    }
    Ok((0, found + u64::from(length > 0)))
}

/// Turns stored lines into what was asked for.
struct Sieve {
    since: Option<Timestamp>,
    timestamps: bool,
    bytes_left: Option<u64>,
    /// The begin of a line that was not read to its end yet.
    pending: Vec<u8>,
    /// The last line was a part: its continuation gets no time of its own.
    continued: bool,
}

impl Sieve {
    fn new(options: &LogOptions) -> Self {
        let ago =
            options.since_seconds.map(|seconds| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
        let since = ago.map(|ago| Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::MIN));
        Self {
            since: options.since_time.or(since),
            timestamps: options.timestamps,
            bytes_left: options.limit_bytes,
            pending: Vec::new(),
            continued: false,
        }
    }

    fn is_full(&self) -> bool {
        self.bytes_left == Some(0)
    }

    fn pass(&mut self, text: &[u8]) -> Vec<u8> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(text);
        let mut passed = Vec::new();
        let mut rest = pending.as_slice();
        while let Some((line, after)) =
            rest.iter().position(|byte| *byte == b'\n').and_then(|at| rest.split_at_checked(at))
        {
            self.line(line, &mut passed);
            rest = after.get(1..).unwrap_or_default();
        }
        self.pending = rest.to_vec();
        if let Some(left) = &mut self.bytes_left {
            passed.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(passed.len() as u64);
        }
        passed
    }

    /// One stored line: time, stream, tag, text.
    fn line(&mut self, line: &[u8], passed: &mut Vec<u8>) {
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(_), Some(tag), Some(text)) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return;
        };
        if let Some(since) = self.since {
            let written = std::str::from_utf8(time).ok().and_then(|time| time.parse::<Timestamp>().ok());
            if written.is_none_or(|written| written < since) {
                return;
            }
        }
        if self.timestamps && !self.continued {
            passed.extend_from_slice(time);
            passed.push(b' ');
        }
        passed.extend_from_slice(text);
        self.continued = tag == b"P";
        if !self.continued {
            passed.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"2026-01-01T00:00:00.000000000Z stdout F one\n2026-01-01T00:00:01.000000000Z stderr P tw\n\
        2026-01-01T00:00:01.000000000Z stderr F o\n";

    fn passed(options: &LogOptions) -> String {
        let mut sieve = Sieve::new(options);
        // Byte by byte: where a read ends must not matter.
        String::from_utf8(LINES.iter().flat_map(|byte| sieve.pass(&[*byte])).collect()).unwrap()
    }

    #[test]
    fn parts_are_joined_and_times_shown_once_per_line() {
        assert_eq!(passed(&LogOptions::default()), "one\ntwo\n");
        let timed = passed(&LogOptions { timestamps: true, ..LogOptions::default() });
        assert_eq!(timed, "2026-01-01T00:00:00.000000000Z one\n2026-01-01T00:00:01.000000000Z two\n");
    }

    #[test]
    fn since_and_the_limit_of_bytes_hold() {
        let since_time = Some("2026-01-01T00:00:01Z".parse().unwrap());
        assert_eq!(passed(&LogOptions { since_time, ..LogOptions::default() }), "two\n");
        assert_eq!(passed(&LogOptions { limit_bytes: Some(5), ..LogOptions::default() }), "one\nt");
    }

    #[test]
    fn the_tail_is_counted_from_the_end_across_files() {
        use std::io::{Read, Write};
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path
        };
        let (old, new) = (file("old", "1\n2\n3\n"), file("new", "4\n5\n"));
        for (lines, expected) in [(0, ""), (1, "5\n"), (2, "4\n5\n"), (3, "3\n4\n5\n"), (9, "1\n2\n3\n4\n5\n")] {
            let files = vec![File::open(&old).unwrap(), File::open(&new).unwrap()];
            let mut text = String::new();
            for mut file in skip_to_tail(files, lines).unwrap() {
                file.read_to_string(&mut text).unwrap();
            }
            assert_eq!(text, expected, "{lines}");
        }
    }
}
