//! A deploy under load: no request fails, and other people's connections stay.

use crate::harness::{Doorstep, Wrk, alone, wait_for};
use std::time::Instant;

#[test]
fn a_new_tag_under_load_fails_no_request_and_closes_no_other_websocket() {
    let _turn = alone();
    let doorstep = Doorstep::start();
    let url = doorstep.deploy("haimaz", "integration", "first");
    doorstep.deploy("chanigo", "staging", "other");
    let socket = OpenWebSocket::open(&doorstep, "frontchanigo.dev.localhost");

    let mut load = Wrk::start(doorstep.http, "fronthaimaz.int.localhost", 20);
    let mut deploys = 0;
    while load.runs() {
        doorstep.deploy("haimaz", "integration", &format!("next-{deploys}"));
        let page = doorstep.curl(&[&url]);
        assert!(page.contains(&format!("next-{deploys}")), "--wait ended before the new tag answered: {page}");
        deploys += 1;
    }
    let requests = load.finish().without_failure();
    println!("{deploys} roll-outs, {requests} requests, 0 failed");
    assert!(deploys > 1, "the load ended before a second roll-out");
    socket.still_echoes();
    doorstep.stop();
}

#[test]
fn the_same_while_a_hundred_other_environments_come_and_go() {
    let _turn = alone();
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "first");
    doorstep.deploy("chanigo", "staging", "other");
    let socket = OpenWebSocket::open(&doorstep, "frontchanigo.dev.localhost");

    let load = Wrk::start(doorstep.http, "fronthaimaz.int.localhost", 300);
    let began = Instant::now();
    let parameters = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"];
    for number in 0..100 {
        let user = format!("other{number}");
        doorstep.cli_ok(&[&["env", "deploy", "integration", "--user", &user], &parameters[..]].concat());
        if number >= 10 {
            doorstep.cli_ok(&["env", "delete", "integration", "--user", &format!("other{}", number - 10), "--yes"]);
        }
        if number % 25 == 0 {
            doorstep.deploy("haimaz", "integration", &format!("next-{number}"));
        }
    }
    for number in 90..100 {
        doorstep.cli_ok(&["env", "delete", "integration", "--user", &format!("other{number}"), "--yes"]);
    }
    println!("100 environments came and went in {:?}", began.elapsed());
    let requests = load.stop().without_failure();
    println!("{requests} requests, 0 failed");
    wait_for("the two that stayed", || {
        let environments = doorstep.api("/environments");
        let items = environments["items"].as_array().cloned().unwrap_or_default();
        let ready = items.iter().filter(|item| item["ready"] == true).count();
        if (items.len(), ready) == (2, 2) { Ok(()) } else { Err(format!("{ready} of {} are ready", items.len())) }
    });
    socket.still_echoes();
    doorstep.stop();
}

/// A WebSocket that was opened before something happened elsewhere.
struct OpenWebSocket {
    runtime: tokio::runtime::Runtime,
    socket: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
}

impl OpenWebSocket {
    fn open(doorstep: &Doorstep, host: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let socket = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(doorstep.http).await.unwrap();
            tokio_tungstenite::client_async(format!("ws://{host}/ws"), stream).await.unwrap().0
        });
        Self { runtime, socket }
    }

    fn still_echoes(mut self) {
        use futures::{SinkExt, StreamExt};
        use tokio_tungstenite::tungstenite::Message;
        self.runtime.block_on(async {
            self.socket.send(Message::text("still here")).await.unwrap();
            let answer = self.socket.next().await.unwrap().unwrap();
            assert_eq!(answer.into_text().unwrap().as_str(), "still here");
        });
    }
}
