//! Ears of sipp: sockets at the addresses that its SDP announces, since sipp itself cannot record.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::tone::{Recording, from_mulaw};

/// One received RTP packet: sequence number, timestamp, payload type, payload.
type Packet = (u16, u32, u8, Vec<u8>);

/// Receives RTP at one port until it is asked what it has heard.
#[derive(Debug)]
pub struct Recorder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Packet>>>,
}

impl Recorder {
    /// Binds 127.0.0.1:`port`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("binding the recorder to {port}"))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || receive(&socket, &stopped));
        Ok(Self { stop, thread })
    }

    /// Stops and hands out the G.711 µ-law audio in the order of its timestamps; what was lost is silence.
    ///
    /// # Errors
    /// When nothing came, or something other than µ-law.
    pub fn finish(self) -> Result<Recording> {
        self.stop.store(true, Ordering::Relaxed);
        let packets = self
            .thread
            .join()
            .map_err(|_panic| anyhow!("the recorder's thread panicked"))??;
        let Some((_, first, _, _)) = packets.first() else {
            bail!("no RTP came to the recorder");
        };
        if let Some((_, _, other, _)) = packets.iter().find(|(_, _, pt, _)| *pt != 0) {
            bail!("the server sent payload type {other}, announced was 0 alone");
        }
        let mut samples: Vec<i16> = Vec::new();
        for (_, timestamp, _, payload) in &packets {
            let at = usize::try_from(timestamp.wrapping_sub(*first))?;
            // More than 10 min after the first: a timestamp that ran backwards.
            if at > 8000 * 600 {
                bail!("timestamp {timestamp} does not follow {first}");
            }
            if samples.len() < at + payload.len() {
                samples.resize(at + payload.len(), 0);
            }
            for (sample, byte) in samples.iter_mut().skip(at).zip(payload) {
                *sample = from_mulaw(*byte);
            }
        }
        Ok(Recording {
            samples,
            rate: 8000,
        })
    }
}

fn receive(socket: &UdpSocket, stop: &AtomicBool) -> Result<Vec<Packet>> {
    let mut packets = Vec::new();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let count = match socket.recv(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error).context("receiving RTP"),
        };
        let packet = buffer.get(..count).unwrap_or_default();
        let [v, pt, s0, s1, t0, t1, t2, t3, _, _, _, _, payload @ ..] = packet else {
            bail!("a datagram of {count} bytes is no RTP");
        };
        if *v != 0x80 {
            bail!(
                "unexpected RTP header byte {v:#x}: padding, extension or CSRC was not negotiated"
            );
        }
        packets.push((
            u16::from_be_bytes([*s0, *s1]),
            u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            pt & 0x7f,
            payload.to_vec(),
        ));
    }
    Ok(packets)
}
