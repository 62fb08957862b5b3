//! A way to a name server on which messages get lost, by a seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happened on the way.
#[derive(Debug, Default)]
pub struct Losses {
    /// Connections in all.
    pub connections: AtomicUsize,
    /// Questions that never arrived.
    pub questions: AtomicUsize,
    /// Answers that were lost after the server had acted.
    pub answers: AtomicUsize,
}

/// Listens on a free port and leads to `server`; of a hundred connections, `percent` lose their question or their answer.
pub async fn lossy(server: SocketAddr, percent: u8, seed: u64) -> (SocketAddr, Arc<Losses>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let losses = Arc::new(Losses::default());
    let told = losses.clone();
    tokio::spawn(async move {
        let mut chance = fastrand::Rng::with_seed(seed);
        while let Ok((client, _)) = listener.accept().await {
            told.connections.fetch_add(1, Ordering::Relaxed);
            let is_lost = chance.u8(0..100) < percent;
            let is_question = chance.bool();
            tokio::spawn(way(client, server, is_lost.then_some(is_question), told.clone()));
        }
    });
    (address, losses)
}

async fn way(mut client: TcpStream, server: SocketAddr, lost: Option<bool>, losses: Arc<Losses>) -> Option<()> {
    let question = message(&mut client).await?;
    if lost == Some(true) {
        losses.questions.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let mut stream = TcpStream::connect(server).await.ok()?;
    stream.write_all(&question).await.ok()?;
    loop {
        let answer = message(&mut stream).await?;
        if lost == Some(false) {
            losses.answers.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        client.write_all(&answer).await.ok()?;
    }
}

/// A message with its length before it.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(2 + usize::from(length), 0);
    stream.read_exact(&mut bytes[2..]).await.ok()?;
    Some(bytes)
}
