//! The echo WebSocket (RFC 6455): the handshake, then every message back to where it came from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use http::header::{CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Method, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::server::Stage;

const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Why a request to the WebSocket is no opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHandshake {
    /// It asks for no upgrade, or for another version than 13.
    UpgradeRequired,
    /// Its key is missing or not 16 bytes in base64.
    BadKey,
}

/// The value for `Sec-WebSocket-Accept`, when the request is an opening handshake (RFC 6455, section 4.2.1).
pub fn accept(method: &Method, version: Version, fields: &HeaderMap) -> Result<HeaderValue, NoHandshake> {
    let asks = method == Method::GET
        && version == Version::HTTP_11
        && has_token(fields, &UPGRADE, "websocket")
        && has_token(fields, &CONNECTION, "upgrade")
        && fields.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !asks {
        return Err(NoHandshake::UpgradeRequired);
    }
    let key = fields.get(SEC_WEBSOCKET_KEY).ok_or(NoHandshake::BadKey)?.as_bytes();
    match STANDARD.decode(key) {
        Ok(nonce) if nonce.len() == 16 => {
            HeaderValue::try_from(derive_accept_key(key)).map_err(|_| NoHandshake::BadKey)
        }
        Ok(_) | Err(_) => Err(NoHandshake::BadKey),
    }
}

fn has_token(fields: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = fields.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// Echoes until the client closes, or until the server does, which the client is told with a close frame (1001).
pub async fn echo(upgrade: OnUpgrade, mut stage: Stage) {
    let Ok(upgraded) = upgrade.await else { return };
    let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
    loop {
        let message = tokio::select! {
            () = stage.closing() => return say_goodbye(&mut socket).await,
            message = socket.next() => message,
        };
        // A ping is answered, and a close confirmed, by the protocol layer while the next message is awaited.
        let sent = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => {
                socket.flush().await
            }
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Sends the close frame and waits a moment for the client's, as RFC 6455, section 7.1.1, has it.
async fn say_goodbye(socket: &mut WebSocketStream<TokioIo<Upgraded>>) {
    let frame = CloseFrame { code: CloseCode::Away, reason: "this front end is shutting down".into() };
    if socket.close(Some(frame)).await.is_ok() {
        let answered = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), answered).await;
    }
}
