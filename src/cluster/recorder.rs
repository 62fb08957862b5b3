//! A recorder of events that remembers no more than a bound of them.

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// After so many events, those before are forgotten.
const MOST: usize = 512;

/// Gives the recorder by which events are published.
///
/// A `Recorder` remembers each event for six minutes, to count up those that are equal, and goes through all of them with each
/// new one. When thousands of environments come up, that is tens of megabytes. An event that is equal to one which was
/// forgotten is told anew, and not counted up.
#[derive(Clone)]
pub struct BoundedRecorder {
    client: Client,
    reporter: Reporter,
    current: Arc<Mutex<(Recorder, usize)>>,
}

impl BoundedRecorder {
    /// Events by `reporter`.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, current: Arc::new(Mutex::new((recorder, 0))) }
    }

    /// The recorder for one event.
    pub fn next(&self) -> Recorder {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 == MOST {
            *current = (Recorder::new(self.client.clone(), self.reporter.clone()), 0);
        }
        current.1 += 1;
        current.0.clone()
    }
}

impl fmt::Debug for BoundedRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedRecorder").field("reporter", &self.reporter).finish_non_exhaustive()
    }
}
