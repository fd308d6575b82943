//! One task per TCP connection: bytes in to the driver, bytes out from a bounded queue. Ends when the driver drops
//! the queue, when the peer closes, or on an error.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::endpoint::StreamId;

/// Messages that wait to be written; a peer that lets it fill up loses its connection.
const QUEUE: usize = 64;

/// A connect, or one write, may take this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a connection's task tells the driver.
#[derive(Debug)]
pub(super) enum StreamEvent {
    Bytes(StreamId, Bytes),
    Closed(StreamId),
}

/// Serves an accepted connection.
pub(super) fn run(
    socket: TcpStream,
    stream: StreamId,
    inbox: mpsc::Sender<StreamEvent>,
) -> mpsc::Sender<Bytes> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(serve(socket, stream, inbox, waiting));
    queue
}

/// Connects, then serves; what is queued meanwhile waits.
pub(super) fn connect(
    to: SocketAddr,
    stream: StreamId,
    inbox: mpsc::Sender<StreamEvent>,
) -> mpsc::Sender<Bytes> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await {
            Ok(Ok(socket)) => serve(socket, stream, inbox, waiting).await,
            _ => closed(stream, &inbox).await,
        }
    });
    queue
}

async fn serve(
    socket: TcpStream,
    stream: StreamId,
    inbox: mpsc::Sender<StreamEvent>,
    mut waiting: mpsc::Receiver<Bytes>,
) {
    if let Err(error) = pump(socket, stream, &inbox, &mut waiting).await {
        tracing::debug!(%error, "connection ended");
    }
    closed(stream, &inbox).await;
}

async fn closed(stream: StreamId, inbox: &mpsc::Sender<StreamEvent>) {
    if inbox.send(StreamEvent::Closed(stream)).await.is_err() {
        tracing::trace!("connection outlived the endpoint");
    }
}

async fn pump(
    mut socket: TcpStream,
    stream: StreamId,
    inbox: &mpsc::Sender<StreamEvent>,
    waiting: &mut mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut reader, mut writer) = socket.split();
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        tokio::select! {
            read = reader.read_buf(&mut buffer) => {
                if read? == 0 {
                    return Ok(());
                }
                if inbox.send(StreamEvent::Bytes(stream, buffer.split().freeze())).await.is_err() {
                    return Ok(());
                }
                buffer.reserve(8 * 1024);
            }
            message = waiting.recv() => match message {
                Some(message) => tokio::time::timeout(PATIENCE, writer.write_all(&message)).await??,
                None => return Ok(()),
            },
        }
    }
}
