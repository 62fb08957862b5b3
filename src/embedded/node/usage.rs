//! What running containers use: processor time between two samples, and memory now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{super::api::PodUsage, processes};

/// How often samples are taken for those who will ask later.
pub(super) const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// A shorter window says little: the kernel counts in ticks of 10 ms.
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
/// The kernel's interface counts in hundredths of a second on all architectures of Linux that Rust's standard library knows.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// The containers that run.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    running: Arc<Mutex<HashMap<i32, Tracked>>>,
}

#[derive(Clone, Debug)]
struct Tracked {
    key: Key,
    older: Sample,
    newer: Sample,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    ticks: u64,
}

/// Counts a container until it is dropped.
pub(super) struct Tracking {
    usage: Usage,
    shim: i32,
}

impl Drop for Tracking {
    fn drop(&mut self) {
        self.usage.lock().remove(&self.shim);
    }
}

impl Usage {
    pub fn track(&self, key: Key, shim: i32) -> Tracking {
        let start = Sample { at: Instant::now(), ticks: 0 };
        self.lock().insert(shim, Tracked { key, older: start, newer: start });
        Tracking { usage: self.clone(), shim }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i32, Tracked>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample of every container.
    pub fn sample(&self) {
        let shims: Vec<i32> = self.lock().keys().copied().collect();
        for shim in shims {
            let sample = sample(shim, &processes::descendants(shim));
            if let Some(tracked) = self.lock().get_mut(&shim) {
                tracked.older = tracked.newer;
                tracked.newer = sample;
            }
        }
    }

    /// What every container uses now.
    pub fn read(&self) -> Vec<PodUsage> {
        let running: Vec<(i32, Tracked)> = self.lock().iter().map(|(shim, tracked)| (*shim, tracked.clone())).collect();
        running.into_iter().map(|(shim, tracked)| read(shim, tracked)).collect()
    }
}

fn read(shim: i32, tracked: Tracked) -> PodUsage {
    let processes = processes::descendants(shim);
    let now = sample(shim, &processes);
    let young = now.at.duration_since(tracked.newer.at) < SHORTEST_WINDOW;
    let base = if young { tracked.older } else { tracked.newer };
    let window = now.at.duration_since(base.at);
    let nanoseconds = now.ticks.saturating_sub(base.ticks).saturating_mul(NANOSECONDS_PER_TICK);
    let per_second = u128::from(nanoseconds) * 1_000_000_000 / window.as_nanos().max(1);
    PodUsage {
        namespace: tracked.key.namespace,
        pod: tracked.key.pod,
        container: tracked.key.container,
        cpu_nanocores: u64::try_from(per_second).unwrap_or(u64::MAX),
        memory_bytes: processes.iter().map(|pid| processes::memory_bytes(*pid)).sum(),
        at: Timestamp::now(),
        window,
    }
}

/// The shim counts too, for the time of processes that it has adopted and reaped.
fn sample(shim: i32, descendants: &[i32]) -> Sample {
    let pids = descendants.iter().chain(std::iter::once(&shim));
    let ticks = pids.filter_map(|pid| processes::stat(*pid)).map(|stat| stat.ticks).sum();
    Sample { at: Instant::now(), ticks }
}
