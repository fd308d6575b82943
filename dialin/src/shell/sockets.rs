//! Binds the UDP socket and the TCP listener on one port, and the listener for TLS.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use super::SipError;
use super::tls::{Tls, TlsSettings};

/// Receive buffer of the UDP socket, bytes: a burst of 2,000 INVITEs (the kernel may grant less).
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Tries to find a port that is free for both when the system chooses.
const TRIES: usize = 16;

pub(super) fn bind_pair(bind: SocketAddr) -> Result<(UdpSocket, TcpListener), SipError> {
    let mut tries = if bind.port() == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        let udp = udp(bind).map_err(|source| SipError::Bind {
            transport: "UDP",
            address: bind,
            source,
        })?;
        let same = udp.local_addr().map_err(|source| SipError::Bind {
            transport: "UDP",
            address: bind,
            source,
        })?;
        match tcp(same) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(_) if tries > 0 => {}
            Err(source) => {
                return Err(SipError::Bind {
                    transport: "TCP",
                    address: same,
                    source,
                });
            }
        }
    }
}

pub(super) fn bind_tls(settings: TlsSettings) -> Result<Tls, SipError> {
    let listener = tcp(settings.bind).map_err(|source| SipError::Bind {
        transport: "TLS",
        address: settings.bind,
        source,
    })?;
    Ok(Tls::new(listener, settings))
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::warn!(%error, "receive buffer of the SIP socket cannot be enlarged");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?; // a restart need not wait for TIME_WAIT
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    TcpListener::from_std(socket.into())
}
