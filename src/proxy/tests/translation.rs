//! From HTTP/2 to HTTP/1.1: what has no one meaning there is an error of its stream, and nothing of it is sent on.

use super::harness::*;
use super::raw_backend::RawBackend;
use super::raw_http2::*;

/// What came back for the stream: a status, or an error code with its frame's kind.
async fn outcome(client: &mut RawClient) -> String {
    match client.find(|frame| [HEADERS, RST_STREAM, GOAWAY].contains(&frame.kind)).await {
        Some(frame) if frame.kind == HEADERS => format!("status {}", frame.status()),
        Some(frame) if frame.kind == RST_STREAM => format!("reset {}", frame.code()),
        Some(frame) => format!("goaway {}", frame.code()),
        None => "end".to_owned(),
    }
}

#[tokio::test]
async fn a_head_that_http1_would_read_differently_is_refused_and_nothing_is_sent_on() {
    let backend = RawBackend::start(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = Gateway::new(&[backend.address]);
    let pseudo = |name: &'static str, value: &'static str| {
        let mut fields = request("POST", "/");
        fields.iter_mut().filter(|(field, _)| *field == name).for_each(|field| field.1 = value);
        fields
    };
    let with = |name: &'static str, value: &'static str| [request("POST", "/"), vec![(name, value)]].concat();
    let without = |name: &str| request("POST", "/").into_iter().filter(|(field, _)| *field != name).collect();
    let bad: Vec<Vec<(&str, &str)>> = vec![
        pseudo(":path", "/a HTTP/1.1\r\nX-Smuggled: 1\r\n\r\nGET /b"),
        pseudo(":path", "/a b"),
        pseudo(":path", "/a\tb"),
        pseudo(":path", "/a\0"),
        pseudo(":path", ""),
        pseudo(":path", "a"),
        pseudo(":path", "*"),
        pseudo(":path", "/a/../b"),
        pseudo(":path", "/a/%2e%2E%2fb"),
        pseudo(":method", "GET / HTTP/1.1\r\nX: 1\r\n\r\nGET"),
        pseudo(":method", "GE T"),
        pseudo(":method", ""),
        pseudo(":authority", "a.test\r\nX: 1"),
        pseudo(":authority", "b@a.test"),
        pseudo(":authority", "a.test/x"),
        pseudo(":authority", "a_b.test"),
        pseudo(":authority", ""),
        pseudo(":scheme", "http://b.test/ HTTP/1.1\r\n"),
        pseudo(":scheme", "ftp"),
        without(":path"),
        without(":method"),
        without(":authority"),
        with(":path", "/twice"),
        with(":other", "x"),
        with("host", "b.test"),
        with("connection", "close"),
        with("proxy-connection", "keep-alive"),
        with("keep-alive", "5"),
        with("upgrade", "websocket"),
        with("transfer-encoding", "chunked"),
        with("te", "gzip"),
        with("X-Upper", "1"),
        with("x-a: 1\r\nx-b", "1"),
        with("x y", "1"),
        with("", "1"),
        with("x-a", "1\r\nx-b: 2"),
        with("x-a", "1\n2"),
        with("x-a", "1\0"),
        with("content-length", "+3"),
        with("content-length", "3, 3"),
        with("content-length", "0x3"),
        with("content-length", "-1"),
        with("content-length", ""),
        with("content-length", "99999999999999999999"),
        with("content_length", "3"),
        [with("content-length", "3"), vec![("content-length", "4")]].concat(),
        [vec![("x-first", "1")], request("POST", "/")].concat(),
    ];
    for fields in bad {
        let mut client = RawClient::connect(gateway.http(), &[]).await;
        client.send(&[headers(1, 0, &fields), frame(DATA, END_STREAM, 1, b"abc")].concat()).await;
        let outcome = outcome(&mut client).await;
        assert!(outcome != "status 200" && outcome != "end", "{fields:?}: {outcome}");
        assert_eq!(backend.received(), "", "{fields:?}: {outcome}");
    }
    let mut many = request("GET", "/");
    many.extend(std::iter::repeat_n(("x", "1"), 101));
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    client.send(&headers(1, END_STREAM, &many)).await;
    outcome(&mut client).await;
    assert_eq!(backend.received(), "", "a hundred and one fields");
    gateway.record(|record| record["refusal"] == "HeadTooLarge").await;
    let mut crumbs = request("GET", "/crumbs");
    crumbs.extend(std::iter::repeat_n(("cookie", "a=1"), 150));
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    client.send(&headers(1, END_STREAM, &crumbs)).await;
    assert_eq!(outcome(&mut client).await, "status 200", "crumbs of a cookie are one field");
    gateway.stop().await;
}

#[tokio::test]
async fn content_that_is_not_as_long_as_it_says_ends_both_streams() {
    for (content, ends) in [("abc", true), ("abcdefgh", true), ("abcdefgh", false), ("", true)] {
        let backend = RawBackend::start(b"").await;
        let gateway = Gateway::new(&[backend.address]);
        let mut client = RawClient::connect(gateway.http(), &[]).await;
        let fields = [request("POST", "/"), vec![("content-length", "5")]].concat();
        let end = if ends { END_STREAM } else { 0 };
        client.send(&[headers(1, 0, &fields), frame(DATA, end, 1, content.as_bytes())].concat()).await;
        assert_eq!(outcome(&mut client).await, "reset 1", "{content:?}: PROTOCOL_ERROR");
        // What has come to the backend is no whole request, and its connection ends.
        backend.all_ended().await;
        let received = backend.received();
        let sent = received.split_once("\r\n\r\n").map_or("", |(_, content)| content);
        assert!(sent.len() < 5, "{content:?}: {received}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn content_of_a_get_is_the_clients_and_reaches_the_backend() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    client.send(&[headers(1, 0, &request("GET", "/")), frame(DATA, END_STREAM, 1, b"abc")].concat()).await;
    let content = client.find(|frame| frame.kind == DATA).await.unwrap();
    let told = String::from_utf8_lossy(&content.payload).into_owned();
    assert!(told.contains("content: abc\n"), "{told}");
    let chunked = "GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = gateway.raw(chunked.as_bytes()).await;
    assert!(answer.contains("content: abc\n"), "{answer}");
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn trailers_cannot_say_who_asks() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let trailers = [
        ("x-sum", "7"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("x-forwarded-user", "root"),
        ("forwarded", "for=6.6.6.6"),
        ("x_real_ip", "6.6.6.6"),
    ];
    let names = trailers.map(|(name, _)| name).join(", ");
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    let fields = [request("POST", "/"), vec![("trailer", &*names)]].concat();
    let bytes = [headers(1, 0, &fields), frame(DATA, 0, 1, b"abc"), headers(1, END_STREAM, &trailers)];
    client.send(&bytes.concat()).await;
    let content = client.find(|frame| frame.kind == DATA).await.unwrap();
    let over_http2 = String::from_utf8_lossy(&content.payload).into_owned();
    let lines: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: {names}\r\n");
    let http1 = format!("{head}Connection: close\r\n\r\n3\r\nabc\r\n0\r\n{lines}\r\n");
    for told in [over_http2, gateway.raw(http1.as_bytes()).await] {
        assert!(told.contains("\"x-sum\": \"7\"") && told.contains("content: abc"), "{told}");
        assert!(!told.contains("6.6.6.6") && !told.contains("root"), "{told}");
    }
    drop(client);
    gateway.stop().await;
}
