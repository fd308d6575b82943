//! One task per TCP or TLS connection: bytes in to the driver, bytes out from a bounded queue. Ends when the driver drops
//! the queue, when the peer closes, or on an error. Handshakes run here, where they keep nobody waiting.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::endpoint::StreamId;

/// Messages that wait to be written; a peer that lets it fill up loses its connection.
const QUEUE: usize = 64;

/// A connect, a handshake, or one write, may take this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a connection's task tells the driver.
#[derive(Debug)]
pub(super) enum StreamEvent {
    Bytes(StreamId, Bytes),
    Closed(StreamId),
}

/// Serves an accepted connection, after its handshake if it is one of TLS.
pub(super) fn run(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    stream: StreamId,
    inbox: mpsc::Sender<StreamEvent>,
) -> mpsc::Sender<Bytes> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let task = Task {
            stream,
            inbox,
            waiting,
            early: Vec::new(),
        };
        match tls {
            None => task.serve(socket, |socket| async { Ok(socket) }).await,
            Some(acceptor) => task.serve(socket, |socket| acceptor.accept(socket)).await,
        }
    });
    queue
}

/// Connects, then serves; what is queued meanwhile waits.
pub(super) fn connect(
    to: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    stream: StreamId,
    inbox: mpsc::Sender<StreamEvent>,
) -> mpsc::Sender<Bytes> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let task = Task {
            stream,
            inbox,
            waiting,
            early: Vec::new(),
        };
        match tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await {
            Ok(Ok(socket)) => match tls {
                None => task.serve(socket, |socket| async { Ok(socket) }).await,
                Some((connector, name)) => {
                    task.serve(socket, |socket| connector.connect(name, socket))
                        .await;
                }
            },
            _ => task.closed().await,
        }
    });
    queue
}

/// One connection's.
struct Task {
    stream: StreamId,
    inbox: mpsc::Sender<StreamEvent>,
    waiting: mpsc::Receiver<Bytes>,
    /// What was to be written before the handshake was done, as many as the queue holds at most.
    early: Vec<Bytes>,
}

impl Task {
    async fn serve<S, F>(mut self, socket: TcpStream, handshake: impl FnOnce(TcpStream) -> F)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<S>>,
    {
        if let Err(error) = self.run(socket, handshake).await {
            tracing::debug!(%error, "connection ended");
        }
        self.closed().await;
    }

    async fn closed(self) {
        let event = StreamEvent::Closed(self.stream);
        if self.inbox.send(event).await.is_err() {
            tracing::trace!("connection outlived the endpoint");
        }
    }

    async fn run<S, F>(
        &mut self,
        socket: TcpStream,
        handshake: impl FnOnce(TcpStream) -> F,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<S>>,
    {
        socket.set_nodelay(true)?;
        let handshake = tokio::time::timeout(PATIENCE, handshake(socket));
        tokio::pin!(handshake);
        let socket = loop {
            tokio::select! {
                socket = &mut handshake => break socket??,
                // One connection too many ends now, not when its patience does.
                message = self.waiting.recv() => match message {
                    Some(message) if self.early.len() < QUEUE => self.early.push(message),
                    _ => return Ok(()),
                },
            }
        };
        self.pump(socket).await
    }

    async fn pump(&mut self, socket: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(socket);
        for message in std::mem::take(&mut self.early) {
            write(&mut writer, &message).await?;
        }
        let mut buffer = BytesMut::with_capacity(8 * 1024);
        loop {
            tokio::select! {
                read = reader.read_buf(&mut buffer) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    let bytes = StreamEvent::Bytes(self.stream, buffer.split().freeze());
                    if self.inbox.send(bytes).await.is_err() {
                        return Ok(());
                    }
                    buffer.reserve(8 * 1024);
                }
                message = self.waiting.recv() => match message {
                    Some(message) => write(&mut writer, &message).await?,
                    None => {
                        // Over TLS this says that nothing was cut off.
                        return tokio::time::timeout(PATIENCE, writer.shutdown()).await?;
                    }
                },
            }
        }
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let written = async {
        writer.write_all(message).await?;
        writer.flush().await
    };
    tokio::time::timeout(PATIENCE, written).await?
}
