//! The fence: a client whose writes are sent only while this process leads.
//!
//! A process that was stopped in the middle of its work wakes up later and would go on, while another one leads. So the
//! clock is asked each time that anything of a write is done, before it is done: when it is begun, while it waits for
//! credentials or for a connection, and while it is sent. A write under way when the term ends is dropped. What remains is
//! a process that is stopped between the last look at the clock and the system call behind it, for longer than the
//! difference between a term and its lease.

use super::term::Term;
use crate::telemetry::metrics;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use tower::BoxError;

/// A write was held back.
#[derive(Debug, thiserror::Error)]
#[error("the write was not sent: another manager leads, or may lead by now")]
pub struct Fenced;

/// A client like `client` that sends writes only while `term` is held. It reads at any time.
pub fn fenced(client: &Client, term: Term) -> Client {
    let namespace = client.default_namespace().to_owned();
    Client::new(Fence { client: client.clone(), term }, namespace)
}

#[derive(Clone)]
struct Fence {
    client: Client,
    term: Term,
}

impl tower::Service<Request<Body>> for Fence {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { client, term } = self.clone();
        Box::pin(async move {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
            match reads {
                true => Ok(client.send(request).await?),
                false => send(&client, &term, request).await,
            }
        })
    }
}

async fn send(client: &Client, term: &Term, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let mut sending = pin!(client.send(request));
    let mut over = pin!(term.over());
    poll_fn(|context| {
        // Asked anew at each step: after a pause, the timer may not have been looked at yet.
        if !term.is_held() || over.as_mut().poll(context).is_ready() {
            metrics::write_fenced();
            return Poll::Ready(Err(Fenced.into()));
        }
        sending.as_mut().poll(context).map_err(BoxError::from)
    })
    .await
}
