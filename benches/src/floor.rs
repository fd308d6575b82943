//! The floor of fan-out: what sealing a packet and handing it to the kernel cost by themselves.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::process::own_cpu_micros;

const TIME: Duration = Duration::from_secs(3);
const FRAME: Duration = Duration::from_millis(20);

/// µs of CPU per packet of sealing `payload` bytes (when `sealed`) and handing them to the kernel, every 20 ms
/// to `count` sockets that somebody empties now and then, as listeners do. The kernel brings a thread's time up
/// to date when it sleeps, so a thread of its own does nothing else, and its sleeps count too.
///
/// # Errors
/// When there are no sockets to be had.
pub fn floor(payload: usize, sealed: bool, count: usize) -> Result<f64> {
    let sockets: Vec<UdpSocket> = (0..count).map(|_| drained()).collect::<Result<_>>()?;
    let addresses: Vec<SocketAddr> = sockets
        .iter()
        .map(UdpSocket::local_addr)
        .collect::<std::io::Result<_>>()?;
    let sender = std::thread::spawn(move || send_bare(&addresses, payload, sealed));
    while !sender.is_finished() {
        sockets.iter().for_each(drain);
        std::thread::sleep(FRAME * 5);
    }
    sender.join().ok().context("the bare sender panicked")?
}

fn send_bare(addresses: &[SocketAddr], payload: usize, sealed: bool) -> Result<f64> {
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?);
    let template: Vec<u8> = vec![0x80; 20 + payload];
    let mut packet = template.clone();
    let mut sent = 0_u32;
    std::thread::sleep(FRAME);
    let begun = own_cpu_micros()?;
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        for to in addresses {
            packet.clear();
            packet.extend_from_slice(&template);
            if sealed {
                let nonce = Nonce::assume_unique_for_key([0; 12]);
                let (head, body) = packet.split_at_mut(20);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*head), body)?;
                packet.extend_from_slice(tag.as_ref());
            }
            sender.send_to(&packet, to)?;
            sent += 1;
        }
        std::thread::sleep(FRAME);
    }
    Ok((own_cpu_micros()? - begun) / f64::from(sent))
}

/// A socket that [`drain`] empties.
///
/// # Errors
/// When there is none to be had.
pub fn drained() -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Throws away what has come.
pub fn drain(socket: &UdpSocket) {
    let mut scratch = [0; 2_048];
    while socket.recv_from(&mut scratch).is_ok() {}
}
