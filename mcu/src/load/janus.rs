//! A browser's signalling with Janus: its WebSocket API and the AudioBridge plugin, to compare like with like.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::stop;

use super::http::{Socket, Target};
use super::webrtc::{Identity, Offer, Peer};

const PATIENCE: Duration = Duration::from_secs(20);
/// Janus forgets a session after a minute.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// A browser in the room.
pub(super) struct Session {
    socket: Socket,
    session: u64,
    handle: u64,
}

/// Joins an AudioBridge room and negotiates.
///
/// # Errors
/// When Janus cannot be reached, refuses, or answers otherwise than documented.
pub(super) async fn join(
    target: &Target,
    room: u64,
    name: &str,
    identity: &Identity,
) -> anyhow::Result<(Session, UdpSocket, Peer)> {
    let mut session = Session {
        socket: target.socket("/", Some("janus-protocol")).await?,
        session: 0,
        handle: 0,
    };
    session.session = session.id(json!({ "janus": "create" })).await?;
    let attach = json!({ "janus": "attach", "plugin": "janus.plugin.audiobridge" });
    session.handle = session.id(attach).await?;
    let body = json!({ "request": "join", "room": room, "display": name });
    session.message(body, None).await?;
    session.until(|said| event(said) == Some("joined")).await?;
    let media = UdpSocket::bind(SocketAddr::new(target.local, 0)).context("no UDP port")?;
    let offer = Offer::make(identity, media.local_addr()?)?;
    let jsep = json!({ "type": "offer", "sdp": offer.sdp, "trickle": false });
    let body = json!({ "request": "configure", "muted": false });
    session.message(body, Some(jsep)).await?;
    let said = session
        .until(|said| said["jsep"]["type"] == "answer")
        .await?;
    let answer = said["jsep"]["sdp"]
        .as_str()
        .context("no SDP in the answer")?;
    let peer = offer.accept(answer)?;
    Ok((session, media, peer))
}

fn event(said: &Value) -> Option<&str> {
    said["plugindata"]["data"]["audiobridge"].as_str()
}

impl Session {
    async fn send(&mut self, mut message: Value) -> anyhow::Result<()> {
        message["transaction"] = json!("load");
        if self.session != 0 {
            message["session_id"] = json!(self.session);
        }
        if self.handle != 0 {
            message["handle_id"] = json!(self.handle);
        }
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    async fn message(&mut self, body: Value, jsep: Option<Value>) -> anyhow::Result<()> {
        let mut message = json!({ "janus": "message", "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.send(message).await
    }

    /// The id in the answer to a request that makes something.
    async fn id(&mut self, request: Value) -> anyhow::Result<u64> {
        self.send(request).await?;
        let said = self.until(|said| said["janus"] == "success").await?;
        said["data"]["id"].as_u64().context("no id in the answer")
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let search = async {
            loop {
                let message = self.socket.next().await.context("Janus hung up")??;
                let Message::Text(text) = message else {
                    continue;
                };
                let said: Value = serde_json::from_str(&text)?;
                if said["janus"] == "error" {
                    bail!("Janus refuses: {}", said["error"]);
                }
                if let Some(reason) = said["plugindata"]["data"]["error"].as_str() {
                    bail!("the AudioBridge refuses: {reason}");
                }
                if wanted(&said) {
                    return Ok(said);
                }
            }
        };
        timeout(PATIENCE, search)
            .await
            .with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))?
    }

    /// Stays until told to leave.
    ///
    /// # Errors
    /// When Janus ends it earlier.
    pub(super) async fn stay(mut self, mut leave: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut keepalive = interval_at(Instant::now() + KEEPALIVE, KEEPALIVE);
        loop {
            tokio::select! {
                () = stop::requested(&mut leave) => {
                    self.handle = 0;
                    return self.send(json!({ "janus": "destroy" })).await;
                }
                _ = keepalive.tick() => {
                    let handle = std::mem::take(&mut self.handle);
                    self.send(json!({ "janus": "keepalive" })).await?;
                    self.handle = handle;
                }
                message = self.socket.next() => {
                    message.context("Janus hung up")??;
                }
            }
        }
    }
}
