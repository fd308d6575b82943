//! Free ports for servers under test. The tests run in parallel, so each asks for a block of its own.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

/// Ports below the kernel's own choice for outgoing sockets (32768 on), so that nobody takes them in between.
const RANGE: Range<u16> = 10_240..32_000;

fn free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The first of `count` successive ports that are free for UDP and TCP on 127.0.0.1; even, as RTP wants it. This process is never
/// given one of them again: a server binds its ports for RTP only when a call comes.
///
/// # Errors
/// When 1,000 random tries find none.
pub fn block(count: u16) -> Result<u16> {
    static GIVEN: Mutex<Vec<Range<u16>>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1000 {
        let first = fastrand::u16(RANGE.start..RANGE.end - count) & !1;
        let block = first..first + count;
        let apart = |other: &Range<u16>| block.end <= other.start || other.end <= block.start;
        if given.iter().all(apart) && block.clone().all(free) {
            given.push(block);
            return Ok(first);
        }
    }
    bail!("no {count} successive free ports found")
}
