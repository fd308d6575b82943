//! The signalling WebSocket, frame by frame. What the messages mean is in `docs/signalling.md`; they are kept as JSON here, so that
//! the server's own types cannot hide a difference.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// One open socket. Dropping it closes TCP without a goodbye.
#[derive(Debug)]
pub struct Line(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Line {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn open(http: SocketAddr) -> Result<Self> {
        let url = format!("ws://{http}/api/v1/signal");
        let (socket, _) = connect_async(&url)
            .await
            .with_context(|| format!("opening {url}"))?;
        Ok(Self(socket))
    }

    /// Opens the socket from another address of this machine.
    ///
    /// # Errors
    /// When the address is not this machine's or the server does not take it.
    pub async fn open_from(http: SocketAddr, from: Ipv4Addr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let stream = MaybeTlsStream::Plain(socket.connect(http).await?);
        let (socket, _) = client_async(format!("ws://{http}/api/v1/signal"), stream).await?;
        Ok(Self(socket))
    }

    /// Says something.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn say(&mut self, message: &Value) -> Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }

    /// The next message; `None` when the server has closed. Pings are answered on the way. May be cancelled.
    ///
    /// # Errors
    /// When the connection breaks or the server says something that is no JSON.
    pub async fn hear(&mut self) -> Result<Option<Value>> {
        while let Some(frame) = self.0.next().await {
            match frame? {
                Message::Text(text) => {
                    return serde_json::from_str(&text).map(Some).context("JSON");
                }
                Message::Close(_) => return Ok(None),
                Message::Ping(_) | Message::Pong(_) => {}
                other => bail!("unexpected frame {other:?}"),
            }
        }
        Ok(None)
    }

    /// The next message of this type; others before it are skipped.
    ///
    /// # Errors
    /// When it does not come within `limit`.
    pub async fn expect(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        let wanted = async {
            loop {
                let message = self.hear().await?.context("the server closed")?;
                if message["type"] == kind {
                    return Ok(message);
                }
            }
        };
        timeout(limit, wanted)
            .await
            .with_context(|| format!("no {kind} within {limit:?}"))?
    }
}

/// A `join`.
#[must_use]
pub fn join(conference: &str, name: &str, pin: Option<&str>) -> Value {
    let mut message = json!({"type": "join", "version": 1, "conference": conference, "name": name});
    if let (Some(pin), Some(message)) = (pin, message.as_object_mut()) {
        message.insert("pin".to_owned(), json!(pin));
    }
    message
}
