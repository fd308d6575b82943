//! Free ports for servers under test. The tests run in parallel, so each asks for a block of its own.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

use anyhow::{Result, bail};

/// Ports below the kernel's own choice for outgoing sockets (32768 on), so that nobody takes them in between.
const RANGE: Range<u16> = 10_240..32_000;

fn free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The first of `count` successive ports that are free for UDP and TCP on 127.0.0.1; even, as RTP wants it.
///
/// # Errors
/// When 1,000 random tries find none.
pub fn block(count: u16) -> Result<u16> {
    for _ in 0..1000 {
        let first = fastrand::u16(RANGE.start..RANGE.end - count) & !1;
        if (first..first + count).all(free) {
            return Ok(first);
        }
    }
    bail!("no {count} successive free ports found")
}
