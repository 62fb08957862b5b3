//! Upgrades: the backend is asked first; when it agrees, both connections become one stream of bytes.

use super::body::{RequestBody, ResponseBody};
use super::fields;
use super::forward::{self, RESPONSE_VERSION};
use super::record::Record;
use super::refusal::Refusal;
use super::request::Upgrade;
use super::respond;
use super::send::send;
use super::worker::ConnectionGuard;
use crate::routing::Rule;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Bytes that are copied at once, each way.
const COPIED_BYTES: usize = 16 * 1024;
/// How long one way may be silent after the other has ended: nobody is there to be heard, most likely.
const LINGER: Duration = Duration::from_secs(10);

/// Asks the backend for the upgrade. A refusal by the backend is an ordinary response; its connection is not pooled.
pub(super) async fn forward(
    mut record: Box<Record>,
    request: Request<RequestBody>,
    rule: &Rule,
    upgrade: Upgrade,
    client: OnUpgrade,
) -> Result<Response<ResponseBody>, (Refusal, Box<Record>)> {
    let worker = record.client().worker.clone();
    let limits = &worker.limits;
    let (mut response, lease) = match send(&worker, rule, request, &mut record).await {
        Ok(answer) => answer,
        Err(refusal) => return Err((forward::explain(&worker, rule, refusal), record)),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let idle = rule.timeouts.idle.unwrap_or(limits.stream_idle);
        drop(lease);
        return Ok(respond::forward_and_close(response, idle, record));
    }
    let backend = hyper::upgrade::on(&mut response);
    let agreed = agreement(response, &upgrade);
    if matches!(upgrade, Upgrade::Field(_)) {
        record.client().activity.is_tunnel();
    }
    record.answered(agreed.status());
    let idle = rule.timeouts.idle.unwrap_or(limits.upgrade_idle);
    let guard = worker.enter_always(record.client().peer.ip());
    drop(tokio::task::spawn_local(async move {
        // The lease counts the request until the stream has ended.
        let _lease = lease;
        join(guard, client, backend, idle, record).await;
    }));
    Ok(agreed)
}

/// The response that tells the client of the upgrade: 101, or 200 to an extended CONNECT (RFC 8441, section 5).
fn agreement(response: Response<Incoming>, upgrade: &Upgrade) -> Response<ResponseBody> {
    let (mut parts, _) = response.into_parts();
    let protocol = parts.headers.get(header::UPGRADE).cloned();
    fields::to_client(&mut parts.headers, parts.status);
    parts.version = RESPONSE_VERSION;
    match upgrade {
        Upgrade::Field(asked) => {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, protocol.unwrap_or_else(|| asked.clone()));
        }
        Upgrade::ExtendedConnect => {
            parts.status = StatusCode::OK;
            parts.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        }
    }
    Response::from_parts(parts, ResponseBody::Nothing)
}

/// Copies both ways until both have ended, one breaks, or nothing moves for `idle`.
async fn join(guard: ConnectionGuard, client: OnUpgrade, backend: OnUpgrade, idle: Duration, mut record: Box<Record>) {
    let (client, backend) = match tokio::join!(client, backend) {
        (Ok(client), Ok(backend)) => (TokioIo::new(client), TokioIo::new(backend)),
        (Err(error), _) | (_, Err(error)) => {
            tracing::debug!(%error, "an upgrade was not completed");
            record.end = Some("UpgradeFailed");
            return;
        }
    };
    let metrics = &guard.worker().metrics;
    metrics.upgrades.increment(1.0);
    let moved = Moved { last: Cell::new(Instant::now()), up: Cell::new(0), down: Cell::new(0), half: Notify::new() };
    let end = splice(client, backend, &moved, idle).await;
    metrics.upgrades.decrement(1.0);
    record.bytes_in.set(moved.up.get());
    record.bytes_out = moved.down.get();
    record.end = end;
}

/// What has moved so far.
struct Moved {
    last: Cell<Instant>,
    up: Cell<u64>,
    down: Cell<u64>,
    /// Told when one way has ended.
    half: Notify,
}

/// Returns how it ended, if not by both sides.
async fn splice<C, B>(client: C, backend: B, moved: &Moved, idle: Duration) -> Option<&'static str>
where
    C: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (mut client_reads, mut client_writes) = split(client);
    let (mut backend_reads, mut backend_writes) = split(backend);
    let both = async {
        tokio::try_join!(
            copy(&mut client_reads, &mut backend_writes, &moved.up, moved),
            copy(&mut backend_reads, &mut client_writes, &moved.down, moved),
        )
    };
    let silence = async {
        tokio::select! {
            () = silent(&moved.last, idle) => Some("Idle"),
            () = moved.half.notified() => {
                silent(&moved.last, idle.min(LINGER)).await;
                None
            }
        }
    };
    tokio::select! {
        ended = both => ended.err().map(|_| "Abort"),
        end = silence => end,
    }
}

/// Ends when nothing has moved for `limit`.
async fn silent(last: &Cell<Instant>, limit: Duration) {
    loop {
        let until = last.get() + limit;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

async fn copy<R, W>(from: &mut R, to: &mut W, bytes: &Cell<u64>, moved: &Moved) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = Vec::with_capacity(COPIED_BYTES);
    loop {
        buffer.clear();
        if from.read_buf(&mut buffer).await? == 0 {
            moved.half.notify_one();
            return to.shutdown().await;
        }
        moved.last.set(Instant::now());
        to.write_all(&buffer).await?;
        to.flush().await?;
        bytes.set(bytes.get() + buffer.len() as u64);
        moved.last.set(Instant::now());
    }
}
