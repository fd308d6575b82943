//! What one more listener costs its worker: the packet out and the silent packet in, of browsers and of phones,
//! and the memory.
//!
//! Listeners are lean ([`plenum_benches::crowd`]) and in a process of their own. The worker thread's CPU time
//! with few and with many of them gives the slope, so that the room's own work (decode, mix, one encode) falls
//! out. The floors, sealing a packet and the kernel's send, are measured in the same run.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use plenum_benches::crowd::{self, Crowd};
use plenum_benches::floor::{drain, drained, floor};
use plenum_benches::print;
use plenum_benches::process::resident_kib;
use plenum_benches::server::{Server, Used};
use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::Direction;
use plenum_mcu::media::{Clip, PhoneMedia};

const FEW: usize = 20;
const MANY: usize = 220;
/// The arguments that make the program measure one kind of leg.
const BROWSERS: &str = "browsers";
const PHONES: &str = "phones";
/// Packets per second of each listener.
const RATE: f64 = 50.0;
const TIME: Duration = Duration::from_secs(6);
const FRAME: Duration = Duration::from_millis(20);
/// Payload of the mix: 80 kbit/s of Opus, 64 kbit/s of G.711.
const OPUS_BYTES: usize = 200;
const G711_BYTES: usize = 160;

fn main() -> Result<()> {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
    };
    match std::env::args().nth(1).as_deref() {
        Some(crowd::ROLE) => crowd::run(),
        Some(BROWSERS) => {
            runtime()?.block_on(async { webrtc(floor(OPUS_BYTES, true, MANY)?).await })
        }
        Some(PHONES) => {
            runtime()?.block_on(async { phones(floor(G711_BYTES, false, MANY)?).await })
        }
        _ => {
            // Each in a process of its own: memory that one kind of leg gave back would hide what the other takes.
            for kind in [BROWSERS, PHONES] {
                let status = Command::new(std::env::current_exe()?).arg(kind).status()?;
                anyhow::ensure!(status.success(), "{kind}: {status}");
            }
            Ok(())
        }
    }
}

/// A room in which somebody talks.
async fn talking() -> Result<Server> {
    let noise: Vec<i16> = (0..48_000).map(|_| fastrand::i16(-4_000..4_000)).collect();
    Server::start(0, Clip::build(&noise, |_, _| ())?).await
}

/// µs per packet out between few and many silent listeners, and per packet in of many.
fn print_costs(kind: &str, floor: f64, few: Used, many: Used, speaking: Used) {
    let out = (many.cpu - few.cpu) / (many.out - few.out);
    // The packets that came anyway (checks, reports) are in both.
    let more_out = (speaking.out - many.out) * out;
    let came = (speaking.cpu - many.cpu - more_out) / (speaking.came - many.came);
    print(&format!("fanout_{kind}_packet"), out, "us", floor);
    print(
        &format!("fanout_{kind}_silent_packet_in"),
        came,
        "us",
        floor,
    );
    print(
        &format!("fanout_{kind}_member"),
        (out + came) * RATE / 10_000.0,
        "%core",
        floor * RATE / 10_000.0,
    );
}

async fn webrtc(floor: f64) -> Result<()> {
    let server = talking().await?;
    let mut crowd = Crowd::start()?;
    join(&server, &mut crowd, FEW).await?;
    let few = server.measure("webrtc", TIME).await?;
    let resident = resident_kib()?;
    join(&server, &mut crowd, MANY - FEW).await?;
    let many = server.measure("webrtc", TIME).await?;
    let heard = crowd.heard()?;
    crowd.speak(true)?;
    let speaking = server.measure("webrtc", TIME).await?;
    let grown = resident_kib()? - resident;
    print_costs("webrtc_listener", floor, few, many, speaking);
    anyhow::ensure!(
        crowd.heard()? - heard > 1_000,
        "the crowd did not hear the room"
    );
    print(
        "memory_webrtc_listener",
        grown / f64::from(u32::try_from(MANY - FEW)?),
        "KiB",
        200.0,
    );
    server.stop().await
}

async fn join(server: &Server, crowd: &mut Crowd, count: usize) -> Result<()> {
    for _ in 0..count {
        let leg = server.media.next_leg();
        let answer = server
            .media
            .add_peer(server.room, leg, crowd.offer()?)
            .await?;
        crowd.accept(&answer.sdp)?;
    }
    Ok(())
}

/// A phone's socket, and where the server expects its media.
struct Handset {
    socket: UdpSocket,
    server: SocketAddr,
    sequence: u16,
}

impl Handset {
    async fn call(server: &Server) -> Result<Self> {
        let socket = drained()?;
        let address = socket.local_addr()?;
        let sockets = server.media.bind_rtp()?;
        let local = sockets.local;
        let media = PhoneMedia {
            remote_rtp: address,
            remote_rtcp: address,
            codec: AudioCodec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            telephone_event: None,
            comfort_noise: None,
            direction: Direction::SendReceive,
            ptime: 20,
            srtp: None,
        };
        let leg = server.media.next_leg();
        server
            .media
            .add_phone(server.room, leg, sockets, media)
            .await?;
        Ok(Self {
            socket,
            server: local,
            sequence: 0,
        })
    }

    fn send_silence(&mut self) -> Result<()> {
        let mut packet = vec![0x80, 0];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend_from_slice(&u32::from(self.server.port()).to_be_bytes());
        packet.extend_from_slice(&[0xff; G711_BYTES]);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&packet, self.server)?;
        Ok(())
    }
}

/// Handsets that empty their sockets, and send silence when told to, on a thread of their own.
struct Desk {
    handsets: Arc<Mutex<Vec<Handset>>>,
    speaking: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<()>>,
}

impl Desk {
    fn start() -> Self {
        let handsets = Arc::new(Mutex::new(Vec::<Handset>::new()));
        let (speaking, stop) = (Arc::default(), Arc::default());
        let (theirs, speak, stopped) = (
            Arc::clone(&handsets),
            Arc::clone(&speaking),
            Arc::clone(&stop),
        );
        let thread = std::thread::spawn(move || -> Result<()> {
            while !AtomicBool::load(&stopped, Ordering::Relaxed) {
                let mut handsets = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                for handset in handsets.iter_mut() {
                    drain(&handset.socket);
                    if AtomicBool::load(&speak, Ordering::Relaxed) {
                        handset.send_silence()?;
                    }
                }
                drop(handsets);
                std::thread::sleep(FRAME);
            }
            Ok(())
        });
        Self {
            handsets,
            speaking,
            stop,
            thread,
        }
    }

    async fn call(&self, server: &Server, count: usize) -> Result<()> {
        for _ in 0..count {
            let handset = Handset::call(server).await?;
            self.handsets
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(handset);
        }
        Ok(())
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the handsets panicked")?
    }
}

async fn phones(floor: f64) -> Result<()> {
    let server = talking().await?;
    let desk = Desk::start();
    desk.call(&server, FEW).await?;
    let few = server.measure("rtp", TIME).await?;
    let resident = resident_kib()?;
    desk.call(&server, MANY - FEW).await?;
    let many = server.measure("rtp", TIME).await?;
    desk.speaking.store(true, Ordering::Relaxed);
    let speaking = server.measure("rtp", TIME).await?;
    let grown = resident_kib()? - resident;
    desk.stop()?;
    print_costs("phone", floor, few, many, speaking);
    print(
        "memory_phone_leg",
        grown / f64::from(u32::try_from(MANY - FEW)?),
        "KiB",
        100.0,
    );
    server.stop().await
}
