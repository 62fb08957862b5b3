//! Many updates a second of objects that are not looked at: other people's environments, or no environments at all.

use crate::support::client_of;
use crate::support::objects::{Objects, address};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Updates a second.
pub const RATE: u32 = 500;
/// How many updates may be under way: an API server that is slower than the rate is not to be buried.
const AT_A_TIME: usize = 32;
/// How many objects are updated in turn.
pub const OBJECTS: usize = 100;

/// What is updated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The EndpointSlices of other environments.
    Slices,
    /// ConfigMaps, which no gateway looks at: what the same work of the API server does to the machine.
    Elsewhere,
}

/// Updates under way, on a thread of their own.
pub struct Churn {
    end: CancellationToken,
    written: Arc<AtomicUsize>,
    began: Instant,
    thread: JoinHandle<()>,
}

/// The user of one of the environments that are updated.
pub fn user(number: usize) -> String {
    format!("churn{number}")
}

impl Churn {
    /// Begins, in the cluster of this kubeconfig.
    pub fn start(kind: Kind, kubeconfig: PathBuf) -> Self {
        let (end, written) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let (ended, count) = (end.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let objects = Objects::of(&client_of(&kubeconfig).await);
                let _ended = ended.run_until_cancelled(update(kind, objects, count)).await;
            });
        });
        Self { end, written, began: Instant::now(), thread }
    }

    /// Ends; gives how many updates a second were acknowledged.
    pub fn stop(self) -> f64 {
        let rate = self.written.load(Ordering::Relaxed) as f64 / self.began.elapsed().as_secs_f64();
        self.end.cancel();
        self.thread.join().unwrap();
        rate
    }
}

async fn update(kind: Kind, objects: Objects, written: Arc<AtomicUsize>) {
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    // What was missed is made up for, so that the rate holds.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    for turn in 0_usize.. {
        ticks.tick().await;
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (objects, written) = (objects.clone(), written.clone());
        tokio::spawn(async move {
            let _place = place;
            let name = user(turn % OBJECTS);
            match kind {
                Kind::Slices => drop(objects.change(&name, &[address(30_000 + turn % 30_000)]).await),
                Kind::Elsewhere => objects.write_elsewhere(&name, turn).await,
            }
            written.fetch_add(1, Ordering::Relaxed);
        });
    }
}
