//! Requests that two readers might read differently are refused, or forwarded in one form.

use super::harness::*;

async fn refused(gateway: &Gateway, request: &str, status: &str) {
    let response = gateway.raw(request.as_bytes()).await;
    assert!(
        response.starts_with(&format!("HTTP/1.1 {status}")) || response.starts_with(&format!("HTTP/1.0 {status}")),
        "{request:?} got {response:?}"
    );
    assert_eq!(response.matches("HTTP/1.").count(), 1, "the rest was read as a request: {response}");
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: \r\n",
        "Content_Length: 5\r\n",
        "X-Forwarded_For: 1.1.1.1\r\n",
        "Upgrade: websocket\r\n",
        "Host: b.test\r\n",
        "X: a\r\n folded\r\n",
        "X : a\r\n",
    ] {
        refused(&gateway, &format!("{post}{fields}\r\n0\r\n\r\n{smuggled}"), "400").await;
    }
    refused(&gateway, "GET / HTTP/1.1\r\n\r\n", "400").await;
    refused(&gateway, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400").await;
    refused(&gateway, "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400").await;
    refused(&gateway, "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400").await;
    refused(&gateway, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", "501").await;
    refused(&gateway, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "400").await;
    let long = "x".repeat(70_000);
    refused(&gateway, &format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {long}\r\n\r\n"), "431").await;
    let many = "X: 1\r\n".repeat(101);
    refused(&gateway, &format!("GET / HTTP/1.1\r\nHost: a.test\r\n{many}\r\n"), "431").await;
    let record = gateway.record(|record| record["refusal"] == "HeadTooLarge").await;
    assert_eq!(record["status"], 431);
    assert_eq!(record["request_id"].as_str().unwrap().len(), 32);
    gateway.stop().await;
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_answered_like_every_other_request() {
    let gateway = Gateway::new(&[]);
    for (head, code) in [
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\n: a\r\n\r\n", "BadRequest"),
        ("GET / HTTP/9.1\r\nHost: a.test\r\n\r\n", "BadRequest"),
        ("G\x01T / HTTP/1.1\r\nHost: a.test\r\n\r\n", "BadRequest"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999999999999999\r\n\r\n", "BadRequest"),
    ] {
        let answer = gateway.raw(head.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains(&format!("\"code\":\"{code}\"")),
            "{head:?} {answer}"
        );
        assert!(answer.contains("\r\nx-request-id: ") && answer.contains("error=http_request_error"), "{answer}");
        let (_, content) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(content).unwrap()["status"], 400);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn content_that_breaks_its_framing_is_the_clients_fault() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for content in [
        "FFFFFFFFFFFFFFFFF\r\n",
        "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        "-1\r\n",
        "3\nabc\n",
        "3\r\nabcXX",
        "\r\n",
        "3;a\nb\r\nabc\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        refused(&gateway, &format!("{head}{content}0\r\n\r\n{smuggled}"), "400").await;
    }
    let record = gateway.record(|record| record["refusal"] == "BadRequest").await;
    assert_eq!(record["status"], 400);
    assert!(gateway.cluster.endpoints().all().all(|endpoint| !endpoint.load.is_ejected()), "nobody else is blamed");
    gateway.stop().await;
}

#[tokio::test]
async fn a_pipelined_head_is_refused_like_a_first_one() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let first = "POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";
    let last = "GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content_Length: 5\r\n",
        "X : a\r\n",
    ] {
        let second = format!("POST /second HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n0\r\n\r\n");
        let response = gateway.raw(format!("{first}{second}{last}").as_bytes()).await;
        let statuses: Vec<&str> = response.split("HTTP/1.1 ").skip(1).filter_map(|text| text.get(..3)).collect();
        assert_eq!(statuses, ["200", "400"], "{fields:?}: {response}");
        assert!(!response.contains("GET /last"), "{fields:?}: {response}");
    }
    // What only looks like such a head is content.
    let both = "POST /second HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
    let length = both.len();
    let quoting = format!("POST /quoting HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{both}");
    let chunked = "POST /chunked HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let response = gateway.raw(format!("{quoting}{chunked}{last}").as_bytes()).await;
    assert_eq!(response.matches("HTTP/1.1 200").count(), 3, "{response}");
    gateway.stop().await;
}

#[tokio::test]
async fn identity_fields_are_the_gateways_own() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let response = gateway
        .raw(
            b"GET /p?q=1 HTTP/1.1\r\nHost: A.test.:8080\r\nX-Forwarded-For: 6.6.6.6\r\nx-real-IP: 6.6.6.6\r\n\
              X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nConnection: close, X-Forwarded-For\r\n\
              Connection: X-Drop, x-real-ip\r\nX-Drop: 1\r\nProxy-Connection: keep-alive\r\nTE: trailers, gzip\r\n\r\n",
        )
        .await;
    assert!(response.contains("GET /p?q=1\n"), "{response}");
    for kept in [
        "x-forwarded-for: 127.0.0.1\n",
        "x-real-ip: 127.0.0.1\n",
        "x-forwarded-proto: http\n",
        "host: a.test:8080\n",
        "x-forwarded-host: a.test:8080\n",
        "te: trailers\n",
        "x-request-id: ",
    ] {
        assert!(response.contains(kept), "{kept:?} {response}");
    }
    for gone in ["6.6.6.6", "x-drop", "proxy-connection"] {
        assert!(!response.contains(gone), "{gone:?} {response}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests_also_pipelined() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let one = "POST /one HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";
    let two = "POST /two HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n";
    let three = "GET /three HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let response = gateway.raw(format!("{one}{two}{three}").as_bytes()).await;
    assert_eq!(response.matches("HTTP/1.1 200").count(), 3, "{response}");
    for told in ["POST /one", "content: abc", "POST /two", "content: def", "GET /three"] {
        assert!(response.contains(told), "{told}: {response}");
    }
    gateway.stop().await;
}
