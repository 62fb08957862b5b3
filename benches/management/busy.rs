//! Who is busy: processor time of this program and of all that it has started, by `/proc`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Ticks of `/proc/PID/stat` in a second, on every Linux that there is.
const TICKS: f64 = 100.0;

/// The processor time of each program at one moment.
pub struct Busy {
    began: Instant,
    ticks: BTreeMap<String, u64>,
}

impl Busy {
    /// How it is now.
    pub fn now() -> Self {
        let all: BTreeMap<u32, (u32, u64)> = processes().filter_map(|pid| Some((pid, stat(pid)?))).collect();
        let own = std::process::id();
        let is_ours = |mut pid: u32| loop {
            match all.get(&pid) {
                _ if pid == own => return true,
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        };
        let mut ticks = BTreeMap::new();
        for (pid, (_, used)) in &all {
            if is_ours(*pid) {
                *ticks.entry(if *pid == own { "this program".to_owned() } else { name(*pid) }).or_default() += used;
            }
        }
        Self { began: Instant::now(), ticks }
    }

    /// Waits until all of them together need less than a fifth of a processor, or for two minutes: what an earlier step left to do is
    /// not to be measured with the next.
    pub fn settle() {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(120) {
            let before = Self::now();
            #[expect(clippy::disallowed_methods, reason = "the time over which is measured")]
            std::thread::sleep(Duration::from_secs(2));
            let now = Self::now();
            let used: u64 = now.ticks.values().sum::<u64>().saturating_sub(before.ticks.values().sum());
            if (used as f64) < TICKS * (now.began - before.began).as_secs_f64() / 5.0 {
                return;
            }
        }
        eprintln!("the machine did not come to rest within two minutes");
    }

    /// What each program has used since `before`, the busiest first: in percent of one processor.
    pub fn since(&self, before: &Self) -> String {
        let span = (self.began - before.began).as_secs_f64();
        let mut shares: Vec<(f64, &String)> = self
            .ticks
            .iter()
            .map(|(name, ticks)| {
                let used = ticks.saturating_sub(before.ticks.get(name).copied().unwrap_or_default());
                (used as f64 / TICKS / span * 100.0, name)
            })
            .collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        let all: f64 = shares.iter().map(|(share, _)| share).sum();
        let mut told = format!("busy meanwhile, in % of one processor of {processors}: {all:.0} in all");
        for (share, name) in shares.iter().filter(|(share, _)| *share >= 1.0) {
            write!(told, "; {name} {share:.0}").unwrap();
        }
        told
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let folder = std::fs::read_dir("/proc").unwrap();
    folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The parent of a process, and its processor time so far.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((u32::try_from(field(4)?).ok()?, field(14)? + field(15)?))
}

/// By its first argument: the programs of the control plane are one file, and so are our roles.
fn name(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let program = words.next().unwrap_or_default();
    let first = words.next().filter(|word| !word.is_empty() && !word.starts_with(['-', '/']));
    first.unwrap_or_else(|| program.rsplit('/').next().unwrap_or_default().to_owned())
}
