//! Content on its way: counted, bounded in its silence, never buffered.

use super::activity::Activity;
use super::fields;
use super::record::Record;
use crate::upstream::Lease;
use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Why content did not end as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection that it came from broke.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
}

/// Ends a wait. Costs nothing until there is one: most content comes together with its head.
struct Silence {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, waiting: false }
    }

    /// Nothing is there. Ready when that has been so for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx).map(|()| BodyError::Idle(limit))
    }

    fn broken(&mut self) {
        self.waiting = false;
    }
}

/// How far the content of a request is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// More of it comes.
    #[default]
    Flows,
    /// It was read to its end.
    Ended,
    /// It breaks the rules of its framing, or the client has gone.
    Broken,
    /// Nothing of it came for too long.
    Stalled,
}

/// Counts a request among those that wait for their client's content, until it is answered: from then on both may take their time.
pub(super) struct Awaited {
    activity: Arc<Activity>,
    is_counted: Cell<bool>,
    is_over: Cell<bool>,
}

impl Awaited {
    pub(super) fn new(activity: &Arc<Activity>) -> Rc<Self> {
        Rc::new(Self { activity: activity.clone(), is_counted: Cell::new(false), is_over: Cell::new(false) })
    }

    fn set(&self, is_awaited: bool) {
        let is_awaited = is_awaited && !self.is_over.get();
        if self.is_counted.replace(is_awaited) != is_awaited {
            self.activity.awaits_content(is_awaited);
        }
    }

    /// The request is answered.
    pub(super) fn is_over(&self) {
        self.is_over.set(true);
        self.set(false);
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// The content of a request, on its way to the backend.
pub(super) enum RequestBody {
    /// None.
    Empty,
    /// From the client.
    Streamed(Box<FromClient>),
}

pub(super) struct FromClient {
    incoming: Incoming,
    silence: Silence,
    awaited: Rc<Awaited>,
    bytes: Rc<Cell<u64>>,
    progress: Rc<Cell<Progress>>,
}

impl RequestBody {
    /// The content `incoming`, which `record` counts, and of which it tells how far it is.
    pub(super) fn new(incoming: Incoming, idle: Duration, record: &mut Record) -> Self {
        if incoming.is_end_stream() {
            record.content.set(Progress::Ended);
            return Self::Empty;
        }
        let (bytes, progress) = (record.bytes_in.clone(), record.content.clone());
        let awaited = record.awaits_content();
        Self::Streamed(Box::new(FromClient { incoming, silence: Silence::new(idle), awaited, bytes, progress }))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Streamed(body) => body,
        };
        match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Pending => {
                body.awaited.set(true);
                body.silence.poll(cx).map(|error| {
                    body.progress.set(Progress::Stalled);
                    Some(Err(error))
                })
            }
            Poll::Ready(mut frame) => {
                body.awaited.set(false);
                body.silence.broken();
                if let Some(Ok(frame)) = &mut frame
                    && let Some(trailers) = frame.trailers_mut()
                {
                    fields::check_trailers(trailers);
                }
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    body.bytes.set(body.bytes.get() + data.len() as u64);
                }
                if matches!(frame, Some(Err(_))) {
                    body.progress.set(Progress::Broken);
                } else if frame.is_none() || body.incoming.is_end_stream() {
                    body.progress.set(Progress::Ended);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(body) => body.incoming.size_hint(),
        }
    }
}

/// The content of a response, on its way to the client. It holds the record until it is over.
pub(super) enum ResponseBody {
    /// The gateway's own.
    Own { content: Option<Bytes>, record: Box<Record> },
    /// None, and the record is kept elsewhere: an upgrade.
    Nothing,
    /// From the backend.
    Streamed(FromBackend),
}

pub(super) struct FromBackend {
    incoming: Incoming,
    silence: Silence,
    /// The connection, until the content has ended and it can be given back.
    lease: Option<Lease<RequestBody>>,
    request_content: Rc<Cell<Progress>>,
    record: Box<Record>,
    /// Why it ends, until the head of the response is out.
    broken: Option<Box<BodyError>>,
}

impl FromBackend {
    fn end(&mut self) {
        self.record.completed();
        // While the request's content still flows the connection is of no use to others; dropped, it closes.
        if let Some(lease) = self.lease.take()
            && self.request_content.get() == Progress::Ended
        {
            lease.give_back();
        }
    }

    fn fail(&mut self, error: &BodyError) {
        self.lease = None;
        self.record.end = Some(match error {
            BodyError::Broken(_) => "BackendAbort",
            BodyError::Idle(_) => "BackendIdle",
        });
    }
}

impl ResponseBody {
    /// The gateway's own content.
    pub(super) fn own(content: Bytes, mut record: Box<Record>) -> Self {
        record.bytes_out = content.len() as u64;
        record.completed();
        Self::Own { content: Some(content), record }
    }

    /// The content that comes from a backend.
    pub(super) fn streamed(
        incoming: Incoming,
        idle: Duration,
        lease: Option<Lease<RequestBody>>,
        request_content: Rc<Cell<Progress>>,
        record: Box<Record>,
    ) -> Self {
        let mut body =
            FromBackend { incoming, silence: Silence::new(idle), lease, request_content, record, broken: None };
        if body.incoming.is_end_stream() {
            body.end();
        }
        Self::Streamed(body)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = match &mut *self {
            Self::Nothing => return Poll::Ready(None),
            Self::Own { content, record } => {
                record.client().activity.hands_over();
                return Poll::Ready(content.take().map(|data| Ok(Frame::data(data))));
            }
            Self::Streamed(body) => body,
        };
        if let Some(error) = body.broken.take() {
            return Poll::Ready(Some(Err(*error)));
        }
        match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Pending => {
                body.record.client().activity.waits();
                body.silence.poll(cx).map(|error| {
                    body.fail(&error);
                    Some(Err(error))
                })
            }
            Poll::Ready(Some(Err(error))) => {
                let error = BodyError::from(error);
                body.fail(&error);
                // To HTTP/1.0 the end of the connection is the end of the content: a head would make it look complete.
                if body.record.bytes_out > 0 || body.record.version() < Version::HTTP_11 {
                    return Poll::Ready(Some(Err(error)));
                }
                // It broke at once, and hyper would end without having written the head: the client would see a connection that was closed
                // for no reason, and may ask again what was done. Meanwhile the head goes out.
                body.broken = Some(Box::new(error));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(mut frame))) => {
                body.silence.broken();
                if let Some(trailers) = frame.trailers_mut() {
                    fields::check_trailers(trailers);
                }
                body.record.client().activity.hands_over();
                body.record.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
                if body.incoming.is_end_stream() {
                    body.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                body.end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Own { content, .. } => content.is_none(),
            Self::Streamed(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Own { content, .. } => SizeHint::with_exact(content.as_ref().map_or(0, |data| data.len() as u64)),
            Self::Streamed(body) => body.incoming.size_hint(),
        }
    }
}
