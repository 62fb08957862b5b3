//! Ends the streams of a client's HTTP/2 connection of which the client takes nothing.
//!
//! hyper keeps no time here: a stream whose window stays shut would hold its response, and the connection to an endpoint that it
//! comes from, for as long as the client answers pings.

use super::activity::Step;
use super::connection::Client;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use tokio::time::{Instant, Sleep, sleep};

/// Spawns the streams of one connection onto the worker's own thread.
#[derive(Clone)]
pub(super) struct Streams(Rc<Client>);

impl Streams {
    pub(super) fn new(client: &Rc<Client>) -> Self {
        Self(client.clone())
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        drop(tokio::task::spawn_local(run(self.0.clone(), stream)));
    }
}

/// Counts a stream among those of which the client takes nothing.
struct Counted<'c> {
    client: &'c Client,
    is_so: bool,
}

impl Counted<'_> {
    fn set(&mut self, is_so: bool) {
        if self.is_so != is_so {
            self.is_so = is_so;
            self.client.activity.is_stalled(is_so);
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// Runs a stream until it ends, or the client has taken nothing of what was handed over for too long. Dropped, it is reset.
async fn run<F: Future>(client: Rc<Client>, stream: F) {
    let (activity, limit) = (&client.activity, client.worker.limits.stream_idle);
    let mut stream = pin!(stream);
    let (mut timer, mut is_stalled) = (None::<Pin<Box<Sleep>>>, false);
    let mut counted = Counted { client: &client, is_so: false };
    poll_fn(|cx| {
        activity.begin_step();
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match activity.step() {
            Step::Handed => {
                is_stalled = true;
                let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
                timer.as_mut().reset(Instant::now() + limit);
            }
            Step::Waits => is_stalled = false,
            Step::Untouched => {}
        }
        counted.set(is_stalled);
        match timer.as_mut().filter(|_| is_stalled) {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    })
    .await;
}
