//! Ends a connection on which no request is under way; answers one whose head was never read: hyper could not, or it did not come in time.

use super::connection::Client;
use super::fields;
use super::record;
use super::refusal::Refusal;
use super::respond;
use http::HeaderMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the client may take to read the answer, and how much more of its request is read meanwhile: a connection that
/// is closed with unread bytes is reset, and the answer with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 256 * 1024;

/// What is said at last on a connection on which no request is under way.
pub(super) fn last_words<'c, S>(
    client: &'c Client,
    refusal: Option<Refusal>,
    mut stream: S,
) -> Pin<Box<dyn Future<Output = ()> + 'c>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'c,
{
    Box::pin(async move {
        match refusal {
            Some(refusal) => answer(client, &refusal, stream).await,
            // A TLS client is told that nothing was cut off.
            None => drop(timeout(LINGER, stream.shutdown()).await),
        }
    })
}

/// Writes the answer to `refusal`, and closes.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(client: &Client, refusal: &Refusal, mut stream: S) {
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
