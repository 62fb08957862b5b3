//! Accepting connections, and ending in an order that loses no request.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::{self, Answer};
use super::{Identity, Options};

/// How long connections are still accepted after the word to end: gateways need a moment to see that this pod goes.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a connection may idle. Longer than gateways pool theirs, so that they close first and no request is lost.
const IDLE: Duration = Duration::from_secs(180);
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How far the server's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    Serving,
    Draining,
    Closing,
}

/// A view of the server's life, for whatever has to end with it.
#[derive(Clone)]
pub struct Stage(watch::Receiver<Life>);

impl Stage {
    /// Returns when streams have to end.
    pub async fn closing(&mut self) {
        // An error means that the server is gone, which is an end too.
        let _ = self.0.wait_for(|life| *life == Life::Closing).await;
    }

    fn draining(&self) -> bool {
        *self.0.borrow() >= Life::Draining
    }
}

/// What every answer may need.
pub struct Front {
    /// Whom the page presents.
    pub identity: Identity,
    /// The server's life.
    pub stage: Stage,
    /// Tasks that the server waits for at its end.
    pub tasks: TaskTracker,
}

/// Answers on `listener` until `shutdown`, and returns when what was under way then is done.
pub async fn serve(options: Options, listener: TcpListener, shutdown: CancellationToken) {
    let (life, watched) = watch::channel(Life::Serving);
    let tasks = TaskTracker::new();
    let front = Arc::new(Front { identity: options.identity, stage: Stage(watched), tasks: tasks.clone() });
    tokio::select! {
        () = accept(&listener, &front) => {}
        () = shutdown.cancelled() => {}
    }
    life.send_replace(Life::Draining);
    let _ = tokio::time::timeout(DRAIN, accept(&listener, &front)).await;
    drop(listener);
    life.send_replace(Life::Closing);
    tasks.close();
    tasks.wait().await;
}

async fn accept(listener: &TcpListener, front: &Arc<Front>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                front.tasks.spawn(connection(stream, Arc::clone(front)));
            }
            // Mostly a lack of file descriptors, which only time heals.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, front: Arc<Front>) {
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(IDLE));
    let mut stage = front.stage.clone();
    let service = service_fn(move |request| answer(request, Arc::clone(&front)));
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // The connection's own errors are the client's doing (gone, or no HTTP) and nothing to tell anyone.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stage.closing() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(request: http::Request<Incoming>, front: Arc<Front>) -> Result<Answer, Infallible> {
    let version = request.version();
    let mut answer = answers::answer(request, &front).await;
    let keeps = answer.status() == StatusCode::SWITCHING_PROTOCOLS || version >= Version::HTTP_2;
    if front.stage.draining() && !keeps {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer)
}
