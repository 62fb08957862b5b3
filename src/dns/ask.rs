//! One question to one name server, as any client asks it: a datagram, and a stream when the answer does not fit.

use super::rfc2136::{MAX_DATAGRAM, receive, send};
use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long each datagram is waited for; a lost one is sent again.
const PATIENCE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const STREAM_PATIENCE: Duration = Duration::from_secs(5);

/// Asks `server`, without recursion, for the records of `name`.
pub(super) async fn ask(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, String> {
    let mut question = Message::query();
    question.metadata.recursion_desired = false;
    question.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_DATAGRAM).set_version(0);
    question.set_edns(edns);
    let bytes = question.to_vec().map_err(|error| format!("{name} cannot be asked for: {error}"))?;
    let answer = by_datagram(server, &question, &bytes).await?;
    if answer.metadata.truncation { by_stream(server, &question, &bytes).await } else { Ok(answer) }
}

async fn by_datagram(server: SocketAddr, question: &Message, bytes: &[u8]) -> Result<Message, String> {
    let local: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let failed = |error: std::io::Error| format!("{server} cannot be asked: {error}");
    let socket = UdpSocket::bind(local).await.map_err(failed)?;
    // A connected socket hears nobody else.
    socket.connect(server).await.map_err(failed)?;
    let mut last = format!("{server} gave no answer");
    for patience in PATIENCE {
        if let Err(error) = socket.send(bytes).await {
            last = failed(error);
            continue;
        }
        match timeout(patience, matching(&socket, question)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = failed(error),
            Err(_) => {}
        }
    }
    Err(last)
}

/// The first datagram that answers the question; others may be late, or forged.
async fn matching(socket: &UdpSocket, question: &Message) -> std::io::Result<Message> {
    let mut bytes = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut bytes).await?;
        let answer = Message::from_vec(bytes.get(..length).unwrap_or_default());
        if let Ok(answer) = answer
            && answers(question, &answer)
        {
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &Message, bytes: &[u8]) -> Result<Message, String> {
    let conversation = async {
        let mut stream = TcpStream::connect(server).await?;
        send(&mut stream, bytes).await?;
        receive(&mut stream).await
    };
    let received = match timeout(STREAM_PATIENCE, conversation).await {
        Ok(received) => received.map_err(|error| format!("{server} cannot be asked by TCP: {error}"))?,
        Err(_) => return Err(format!("{server} gave no answer by TCP")),
    };
    let answer = Message::from_vec(&received).ok().filter(|answer| answers(question, answer));
    answer.ok_or_else(|| format!("{server} sent something that is no answer to the question"))
}

fn answers(question: &Message, answer: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries
}
