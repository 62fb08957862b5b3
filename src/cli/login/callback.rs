//! The end of a login in the browser: one request to a loopback port, which brings the code (RFC 8252, section 7.3).

use crate::cli::exit::{Exit, Failure};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The most bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// How long a browser may take for its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// The path of the request that is waited for.
pub(super) const PATH: &str = "/callback";

/// What the browser brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    Code(String),
    Refusal(String),
}

/// Waits for the request that has `state`. Others are answered and forgotten: anybody on this machine, and any page in
/// the browser, may ask this port.
pub(super) async fn wait(listener: &TcpListener, state: &str, issuer: &str) -> Result<Brought, Failure> {
    loop {
        let accepted = listener.accept().await;
        let (mut stream, _) = accepted.map_err(|error| {
            Failure::new(Exit::Failed, format!("the browser's answer cannot be waited for: {error}"))
        })?;
        let Ok(Some(target)) = tokio::time::timeout(PATIENCE, target(&mut stream)).await else { continue };
        let brought = read(&target, state, issuer);
        let (status, text) = match &brought {
            Some(Brought::Code(_)) => ("200 OK", "You are logged in. This page can be closed."),
            Some(Brought::Refusal(_)) => ("200 OK", "The login was refused. The terminal has the reason."),
            None => ("404 Not Found", "There is nothing here."),
        };
        // A browser that went away has brought what it had.
        let _gone = tokio::time::timeout(PATIENCE, answer(&mut stream, status, text)).await;
        if let Some(brought) = brought {
            return Ok(brought);
        }
    }
}

/// The target of a GET request; `None` when it is no such request.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(chunk.get(..read)?);
        if head.len() > MAX_HEAD {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.lines().next()?.split(' ');
    (words.next() == Some("GET")).then_some(())?;
    words.next().map(str::to_owned)
}

/// What the target brings, if it is of this login.
fn read(target: &str, state: &str, issuer: &str) -> Option<Brought> {
    let (path, query) = target.split_once('?')?;
    (path == PATH).then_some(())?;
    let mut fields = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(&value.replace('+', " ")).decode_utf8().ok()?.into_owned();
        // One that comes twice is nobody's login.
        if fields.insert(name, value).is_some() {
            return None;
        }
    }
    let given = fields.get("state")?;
    bool::from(given.as_bytes().ct_eq(state.as_bytes())).then_some(())?;
    // RFC 9207: another issuer's answer must not be taken to this one.
    if fields.get("iss").is_some_and(|given| given != issuer) {
        return Some(Brought::Refusal("the answer is of another issuer".to_owned()));
    }
    if let Some(error) = fields.get("error") {
        let more = fields.get("error_description").map(|more| format!(": {more}")).unwrap_or_default();
        return Some(Brought::Refusal(format!("{error}{more}")));
    }
    fields.remove("code").map(Brought::Code)
}

async fn answer(stream: &mut TcpStream, status: &str, text: &str) -> std::io::Result<()> {
    let page = format!("<!doctype html><meta charset=utf-8><title>doorstep</title><p>{text}</p>\n");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         content-security-policy: default-src 'none'\r\nreferrer-policy: no-referrer\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(target: &str) -> Option<Brought> {
        read(target, "s1", "https://issuer")
    }

    #[test]
    fn a_code_counts_with_its_state_alone() {
        assert_eq!(seen("/callback?code=c%2B1&state=s1"), Some(Brought::Code("c+1".to_owned())));
        assert_eq!(seen("/callback?state=s1&code=c&iss=https%3A%2F%2Fissuer"), Some(Brought::Code("c".to_owned())));
        for other in [
            "/callback?code=c",
            "/callback?code=c&state=s2",
            "/callback?code=c&state=s1&state=s1",
            "/callback?code=a&code=b&state=s1",
            "/callback?state=s1",
            "/other?code=c&state=s1",
            "/callback",
            "/favicon.ico",
            "/callback?code=%ff&state=s1",
        ] {
            assert_eq!(seen(other), None, "{other}");
        }
    }

    #[test]
    fn a_refusal_is_told_and_another_issuers_answer_is_one() {
        let refusal = seen("/callback?error=access_denied&error_description=not+today&state=s1");
        assert_eq!(refusal, Some(Brought::Refusal("access_denied: not today".to_owned())));
        let other = seen("/callback?code=c&state=s1&iss=https%3A%2F%2Fevil");
        assert!(matches!(other, Some(Brought::Refusal(said)) if said.contains("another issuer")));
    }

    #[tokio::test]
    async fn what_is_not_of_this_login_is_answered_and_forgotten() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ask = async |target: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        };
        let browser = async {
            assert!(ask("/callback?code=stolen&state=guess").await.starts_with("HTTP/1.1 404"));
            assert!(ask("/callback?code=right&state=s1").await.contains("You are logged in"));
        };
        let (brought, ()) = tokio::join!(wait(&listener, "s1", "https://issuer"), browser);
        assert_eq!(brought.unwrap(), Brought::Code("right".to_owned()));
    }
}
