//! The front end over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::{Options, serve};

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start() -> Running {
    let options = Options::from_variables(|name| match name {
        "PORT" => Some("0".to_owned()),
        "DOORSTEP_USER" => Some("haimaz".to_owned()),
        _ => None,
    });
    let options = options.unwrap();
    let listener = TcpListener::bind(options.address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(options, listener, shutdown.clone()));
    Running { address, shutdown, task }
}

impl Running {
    async fn send(&self, method: Method, path: &str) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "front").body(Full::new(Bytes::new()));
        sender.send_request(request.unwrap()).await.unwrap()
    }

    async fn text(&self, path: &str) -> (StatusCode, String) {
        let answer = self.send(Method::GET, path).await;
        let status = answer.status();
        let content = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(content.to_vec()).unwrap())
    }

    async fn ended(self) {
        tokio::time::timeout(Duration::from_secs(10), self.task).await.expect("the server ends").unwrap();
    }
}

#[tokio::test]
async fn the_paths_answer_and_bad_ones_get_a_sentence() {
    let front = start().await;
    assert!(front.text("/").await.1.starts_with("user: haimaz\n"));
    assert_eq!(front.text("/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(front.text("/slow?ms=1").await.1, "answered after 1 ms\n");
    assert_eq!(front.text("/bytes/200000").await.1.len(), 200_000);
    assert_eq!(front.text("/status/418").await.0, StatusCode::IM_A_TEAPOT);
    assert_eq!(front.text("/status/204").await, (StatusCode::NO_CONTENT, String::new()));
    for path in ["/slow", "/slow?ms=60001", "/bytes/x", "/bytes/1073741825", "/bytes/-1", "/status/99", "/status/101"] {
        let (status, sentence) = front.text(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(sentence.contains("; give "), "{path}: {sentence}");
    }
    assert!(front.text("/nowhere").await.1.starts_with("There is nothing at \"/nowhere\"; this front end knows /"));
    assert_eq!(front.text("/ws").await.0, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn head_has_the_length_and_no_content() {
    let answer = start().await.send(Method::HEAD, "/bytes/1000000000").await;
    assert_eq!(answer.headers()["content-length"], "1000000000");
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn http2_with_prior_knowledge_echoes_content_and_trailers() {
    let front = start().await;
    let stream = TcpStream::connect(front.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
    let frames = [Frame::data(Bytes::from_static(b"hello")), Frame::trailers(trailers.clone())];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, std::io::Error>)));
    let answer = sender.send_request(Request::post("http://front/echo").body(body).unwrap()).await.unwrap();
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    assert_eq!(collected.to_bytes(), "hello");
}

#[tokio::test]
async fn the_clock_ticks_at_once_with_an_id() {
    let answer = start().await.send(Method::GET, "/events").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let frame = answer.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(frame.starts_with(b"id: 1\nevent: time\ndata: 2"), "{frame:?}");
}

#[tokio::test]
async fn the_websocket_echoes_and_is_told_when_the_server_goes() {
    let front = start().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", front.address)).await.unwrap();
    for message in [Message::text("grüß"), Message::binary(vec![0, 1, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"p")));
    front.shutdown.cancel();
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(socket.next().await.is_none());
    front.ended().await;
}

#[tokio::test]
async fn a_server_that_ends_accepts_a_little_longer_and_finishes_what_it_has() {
    let front = start().await;
    let (slow, shutdown) = (front.text("/slow?ms=1500"), front.shutdown.clone());
    let late = async {
        // Long enough for the slow request to be under way, far less than the drain.
        tokio::time::sleep(Duration::from_millis(50)).await;
        shutdown.cancel();
        tokio::task::yield_now().await;
        front.send(Method::GET, "/healthz").await
    };
    let ((status, _), late) = tokio::join!(slow, late);
    assert_eq!(status, StatusCode::OK);
    assert_eq!((late.status(), &late.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
    front.ended().await;
}

#[tokio::test]
async fn a_port_in_use_is_told_with_what_to_change() {
    let front = start().await;
    let error = super::listen(front.address).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{} is in use by another program; set PORT to a free one, or HOST to another address", front.address)
    );
}
