//! Drives a client's connection: polls it until it ends, and ends it when its time is over.

use super::connection::Client;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// How a connection ended.
pub(super) enum End {
    /// As both sides wanted.
    Done,
    /// By an error.
    Broken(hyper::Error),
    /// Its time was over.
    Expired,
}

/// Polls the connection until it ends, is idle for too long, or the gateway stops. `say_so`: how the client is told to go, where
/// the protocol can; it is closed a little later then, as requests may be on their way.
pub(super) async fn drive<C>(client: &Client, mut connection: Pin<&mut C>, say_so: Option<fn(Pin<&mut C>)>) -> End
where
    C: Future<Output = hyper::Result<()>>,
{
    let worker = &client.worker;
    let mut stopped = pin!(worker.stopped());
    let mut timer = pin!(sleep_until(Instant::now() + worker.limits.head));
    let mut last_look = LastLook::default();
    let (mut stopping, mut leaving) = (None, None);
    let mut is_known = false;
    poll_fn(|cx| {
        if !is_known {
            // Of one task all its life.
            client.activity.is_driven_by(cx.waker());
            is_known = true;
        }
        loop {
            match connection.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Done),
                Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
                Poll::Pending => {}
            }
            if stopping.is_none() && stopped.as_mut().poll(cx).is_ready() {
                stopping = Some(Instant::now());
                if let Some(say_so) = say_so.filter(|_| leaving.is_none()) {
                    say_so(connection.as_mut());
                    continue;
                }
            }
            let deadline = client.activity.deadline(&worker.limits, stopping.or(leaving));
            if let Some(deadline) = deadline
                && deadline < timer.deadline()
            {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It fired: either the connection's time is over, or it is due again only later.
            let now = Instant::now();
            match deadline {
                Some(deadline) if deadline <= now => {}
                Some(deadline) => {
                    timer.as_mut().reset(deadline);
                    last_look = LastLook::default();
                    continue;
                }
                None => {
                    timer.as_mut().reset(now + worker.limits.head);
                    continue;
                }
            }
            if !client.activity.is_idle() {
                return Poll::Ready(End::Expired);
            }
            if let Some(say_so) = say_so.filter(|_| stopping.or(leaving).is_none()) {
                leaving = Some(now);
                say_so(connection.as_mut());
                continue;
            }
            return last_look.poll(cx).map(|()| End::Expired);
        }
    })
    .await
}

/// One turn of the runtime: what came while this thread was busy elsewhere is told by the system then, and read.
#[derive(Default)]
struct LastLook(Option<Pin<Box<dyn Future<Output = ()>>>>);

impl LastLook {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(yield_now())).as_mut().poll(cx)
    }
}
