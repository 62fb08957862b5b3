//! Bodies that come in pieces: a run of bytes of a known length, and a clock of server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::StreamBody;
use tokio::time::{MissedTickBehavior, interval};

use super::server::Stage;

const CHUNK_BYTES: usize = 64 * 1024;
static CHUNK: [u8; CHUNK_BYTES] = [b'.'; CHUNK_BYTES];

/// A body of as many bytes as it was made with, made as they are taken.
pub struct Run {
    left: u64,
}

impl Run {
    /// A body of `bytes` bytes.
    pub fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }
}

impl Body for Run {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = usize::try_from(self.left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        if length == 0 {
            return Poll::Ready(None);
        }
        self.left -= length as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK).slice(..length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// One event a second with the time, the first at once, numbered from `first`, until the client goes or the server closes.
pub fn clock(first: u64, stage: Stage) -> impl Body<Data = Bytes, Error = Infallible> + Send + 'static {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    StreamBody::new(stream::unfold((first, seconds, stage), |(id, mut seconds, mut stage)| async move {
        tokio::select! {
            () = stage.closing() => None,
            _ = seconds.tick() => {
                let now = jiff::Timestamp::now();
                let event = format!("id: {id}\nevent: time\ndata: {now:.3}\n\n");
                Some((Ok(Frame::data(Bytes::from(event))), (id.wrapping_add(1), seconds, stage)))
            }
        }
    }))
}
