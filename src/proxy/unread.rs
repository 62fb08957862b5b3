//! Answers a request whose head was never read: hyper could not, or it did not come in time.

use super::connection::Client;
use super::fields;
use super::record;
use super::refusal::Refusal;
use super::respond;
use http::HeaderMap;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the client may take to read the answer, and how much more of its request is read meanwhile: a connection that
/// is closed with unread bytes is reset, and the answer with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 256 * 1024;

/// Writes the answer to `refusal`, and closes.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(client: &Client, refusal: &Refusal, mut stream: S) {
    let request_id = fields::request_id(&HeaderMap::new());
    let id = request_id.to_str().unwrap_or_default();
    let answer = respond::unread(refusal, id);
    let written = timeout(LINGER, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        let mut stream = stream.take(LINGER_BYTES);
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    });
    // The log tells what was answered, whether the client has read it or not.
    drop(written.await);
    record::unseen_request(client, refusal, id, Some(refusal.status()));
}
