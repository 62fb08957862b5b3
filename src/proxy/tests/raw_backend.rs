//! A backend that keeps every byte it gets, and answers with bytes that may be wrong.

use super::harness::within;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub struct RawBackend {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl RawBackend {
    /// Answers what comes on a connection with `answer`, as soon as there is a whole head; each further head again.
    pub async fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let new = Self { address, received: Arc::default(), accepted: Arc::default(), ended: Arc::default() };
        let (received, accepted, ended) = (new.received.clone(), new.accepted.clone(), new.ended.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                let (received, ended) = (received.clone(), ended.clone());
                tokio::spawn(async move {
                    let (mut bytes, mut answered) = (Vec::<u8>::new(), 0);
                    let mut buffer = [0; 4096];
                    loop {
                        let read = stream.read(&mut buffer).await.unwrap_or_default();
                        if read == 0 {
                            break;
                        }
                        received.lock().unwrap().extend(&buffer[..read]);
                        bytes.extend(&buffer[..read]);
                        let heads = bytes.windows(4).filter(|window| window == b"\r\n\r\n").count();
                        while answered < heads {
                            answered += 1;
                            stream.write_all(answer).await.ok();
                        }
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        new
    }

    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until every connection that there was has ended.
    pub async fn all_ended(&self) {
        within(async {
            while self.ended.load(Ordering::SeqCst) < self.accepted() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}
