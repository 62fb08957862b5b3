//! What is answered where no head was read: hyper could not, it did not come in time, or there was no place.

use crate::api::problem::{Code, Problem};
use crate::api::request_id::RequestId;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// How long a client may take to read an answer, and how much more of its request is read meanwhile: a connection that is
/// closed with unread bytes is reset, and the answer with it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 1 << 20;

/// The problem of a head that hyper could not read.
pub(super) fn unreadable(error: &hyper::Error, head_bytes: usize, fields: usize) -> Problem {
    if error.is_parse_too_large() || error.to_string().contains("URI too long") {
        let said = format!("the head of the request has more than {head_bytes} bytes, or more than {fields} fields");
        return Problem::new(Code::HeadTooLarge, said);
    }
    Problem::new(Code::Malformed, "the head of the request is not one of HTTP/1.1")
}

/// The problem of a head that did not come in time.
pub(super) fn too_slow(time: Duration) -> Problem {
    let said = format!("the head of the request was not complete after {} seconds", time.as_secs());
    Problem::new(Code::HeadTooSlow, said)
}

/// The problem of a connection that has no place.
pub(super) fn crowded() -> Problem {
    let said = "there are as many connections with a call under way as there may be; try again in a moment";
    Problem::new(Code::TooManyConnections, said)
}

/// Writes `problem` as the answer, and closes.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(problem: Problem, mut stream: S) {
    let id = RequestId::made();
    let status = problem.code_status();
    let named = Problem { request_id: Some(id.as_str().into()), ..problem };
    let body = serde_json::to_string(&named).unwrap_or_default();
    let retry = if status.is_server_error() { "retry-after: 2\r\n" } else { "" };
    let whole = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nx-request-id: {}\r\n{retry}connection: close\r\n\r\n{body}",
        body.len(),
        id.as_str(),
    );
    if let Ok(Ok(())) = timeout(LINGER, stream.write_all(whole.as_bytes())).await {
        close(stream).await;
    }
}

/// Closes for writing, and reads on for a moment, so that the client can read what was written last.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let lingering = async {
        stream.shutdown().await?;
        let mut rest = vec![0; 4096];
        let mut stream = stream.take(LINGER_BYTES);
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // Whether the client has gone or still writes: the connection ends here.
    drop(timeout(LINGER, lingering).await);
}
