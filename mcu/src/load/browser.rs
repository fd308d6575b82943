//! A browser's signalling with Plenum: the WebSocket of docs/signalling.md, as little of it as a listener needs.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::stop;

use super::http::{Socket, Target};
use super::webrtc::{Identity, Offer, Peer};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is read of the server's messages.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    sdp: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: String,
}

/// Into which conference, and how.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) conference: String,
    pub(super) pin: Option<String>,
}

/// A browser in the conference; its media is elsewhere.
pub(super) struct Session(Socket);

/// Joins and negotiates; the peer's handshake is still to come.
///
/// # Errors
/// When the server cannot be reached, refuses, or answers otherwise than documented.
pub(super) async fn join(
    target: &Target,
    door: &Door,
    name: &str,
    identity: &Identity,
) -> anyhow::Result<(Session, UdpSocket, Peer)> {
    let mut socket = target.socket("/api/v1/signal", None).await?;
    let mut join = json!({
        "type": "join", "version": 1, "conference": door.conference, "name": name
    });
    if let Some(pin) = &door.pin {
        join["pin"] = json!(pin);
    }
    socket.send(Message::text(join.to_string())).await?;
    until(&mut socket, "joined").await?;
    let media = UdpSocket::bind(SocketAddr::new(target.local, 0)).context("no UDP port")?;
    let offer = Offer::make(identity, media.local_addr()?)?;
    let message = json!({ "type": "offer", "sdp": offer.sdp });
    socket.send(Message::text(message.to_string())).await?;
    let answer = until(&mut socket, "answer").await?;
    let peer = offer.accept(&answer.sdp)?;
    Ok((Session(socket), media, peer))
}

/// Waits for a message of a kind; refusals are errors.
async fn until(socket: &mut Socket, wanted: &str) -> anyhow::Result<Said> {
    let search = async {
        loop {
            let message = socket.next().await.context("the server hung up")??;
            let Message::Text(text) = message else {
                continue;
            };
            let said: Said = serde_json::from_str(&text)
                .map_err(|error| anyhow!("a message that cannot be read: {error}"))?;
            match said.kind.as_str() {
                kind if kind == wanted => return Ok(said),
                "error" => bail!("the server refuses: {} ({})", said.message, said.code),
                "ended" => bail!("the session was ended"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, search)
        .await
        .with_context(|| format!("no {wanted} within {} s", PATIENCE.as_secs()))?
}

impl Session {
    /// Stays until told to leave.
    ///
    /// # Errors
    /// When the server ends it earlier.
    pub(super) async fn stay(mut self, mut leave: watch::Receiver<bool>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stop::requested(&mut leave) => {
                    self.0.send(Message::text(r#"{"type":"leave"}"#)).await?;
                    // The server says `ended` and closes; not to hear it changes nothing.
                    let _ = timeout(Duration::from_secs(2), async {
                        while let Some(Ok(_)) = self.0.next().await {}
                    }).await;
                    return Ok(());
                }
                message = self.0.next() => {
                    // Pings are answered by the library while it is read.
                    let message = message.context("the server hung up")??;
                    if let Message::Text(text) = message
                        && text.starts_with(r#"{"type":"ended""#)
                    {
                        bail!("the server ended the session: {text}");
                    }
                }
            }
        }
    }
}
