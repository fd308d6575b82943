//! Socket pairs for phone legs: RTP on an even port, RTCP on the odd one above it (RFC 3550 §11).

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use super::{MediaConfig, MediaError};

/// Receive buffer asked of the kernel for each phone socket: 100 packets of G.711 with room to spare.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// Which pairs are out. A mutex because calls bind from any task, and dropping a pair returns it; neither
/// happens per packet.
#[derive(Debug)]
struct Leased {
    taken: HashSet<u16>,
    next: u16,
}

#[derive(Debug, Clone)]
pub(super) struct PortPool {
    leased: Arc<Mutex<Leased>>,
    bind: IpAddr,
    announced: IpAddr,
    first: u16,
    pairs: u16,
}

/// A bound RTP/RTCP pair of one call. Dropping it closes the sockets and returns the ports.
#[derive(Debug)]
pub struct RtpSockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    /// The RTP address to write into SDP: the announced address with the bound port.
    pub local: SocketAddr,
    pub(super) lease: PortLease,
}

/// Keeps a pair of ports out of the pool while it lives.
#[derive(Debug)]
pub(super) struct PortLease {
    port: u16,
    leased: Arc<Mutex<Leased>>,
}

impl Drop for PortLease {
    fn drop(&mut self) {
        self.leased
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .taken
            .remove(&self.port);
    }
}

impl PortPool {
    pub(super) fn new(config: &MediaConfig) -> Self {
        let range = &config.rtp_ports;
        let first = range.start().saturating_add(range.start() % 2);
        let span = u32::from(*range.end())
            .saturating_add(1)
            .saturating_sub(u32::from(first));
        Self {
            leased: Arc::new(Mutex::new(Leased {
                taken: HashSet::new(),
                next: 0,
            })),
            bind: config.bind,
            announced: config.announced.unwrap_or(config.bind),
            first,
            pairs: u16::try_from(span / 2).unwrap_or(0),
        }
    }

    pub(super) fn in_use(&self) -> usize {
        self.leased
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .taken
            .len()
    }

    /// Binds the next free pair, going round so that a port just released rests a while and a late packet
    /// of the old call does not meet a new one. Pairs that another program holds are skipped.
    pub(super) fn bind(&self) -> Result<RtpSockets, MediaError> {
        for _ in 0..self.pairs {
            let Some(lease) = self.lease() else { break };
            let Ok((rtp, rtcp)) = bind_pair(self.bind, lease.port) else {
                continue;
            };
            let local = SocketAddr::new(self.announced, lease.port);
            return Ok(RtpSockets {
                rtp,
                rtcp,
                local,
                lease,
            });
        }
        Err(MediaError::PortsExhausted)
    }

    fn lease(&self) -> Option<PortLease> {
        let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..self.pairs {
            let port = self.first + leased.next * 2;
            leased.next = (leased.next + 1) % self.pairs;
            if leased.taken.insert(port) {
                return Some(PortLease {
                    port,
                    leased: Arc::clone(&self.leased),
                });
            }
        }
        None
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    Ok((
        bind_one(address, port)?,
        bind_one(address, port.saturating_add(1))?,
    ))
}

fn bind_one(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, port))?;
    socket.set_nonblocking(true)?;
    // A smaller buffer than asked for still works; the kernel caps it silently anyway.
    if let Err(error) = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "phone socket keeps its default buffer");
    }
    Ok(socket)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn pool(range: std::ops::RangeInclusive<u16>) -> PortPool {
        PortPool::new(&MediaConfig {
            rtp_ports: range,
            ..MediaConfig::default()
        })
    }

    #[test]
    fn pairs_are_even_and_odd_and_run_out_without_leaking() {
        let pool = pool(42_301..=42_308);
        for _ in 0..5 {
            let held: Vec<_> = std::iter::from_fn(|| pool.bind().ok()).collect();
            let mut ports: Vec<_> = held.iter().map(|s| s.local.port()).collect();
            ports.sort_unstable();
            assert_eq!(ports, [42_302, 42_304, 42_306]);
            for pair in &held {
                assert_eq!(
                    pair.rtp.local_addr().unwrap().port() + 1,
                    pair.rtcp.local_addr().unwrap().port()
                );
            }
            assert!(matches!(pool.bind(), Err(MediaError::PortsExhausted)));
            drop(held);
            assert_eq!(pool.in_use(), 0);
        }
    }

    #[test]
    fn a_pair_held_by_another_program_is_skipped() {
        let other = UdpSocket::bind(("127.0.0.1", 42_321)).unwrap();
        let pool = pool(42_320..=42_323);
        let pair = pool.bind().unwrap();
        assert_eq!(pair.local.port(), 42_322);
        drop((other, pair));
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn the_announced_address_is_told_instead_of_the_bound_one() {
        let announced = Some(IpAddr::from([203, 0, 113, 7]));
        let config = MediaConfig {
            rtp_ports: 42_330..=42_331,
            announced,
            ..MediaConfig::default()
        };
        let pair = PortPool::new(&config).bind().unwrap();
        assert_eq!(pair.local, SocketAddr::from(([203, 0, 113, 7], 42_330)));
        assert!(pair.rtp.local_addr().unwrap().ip().is_loopback());
    }
}
