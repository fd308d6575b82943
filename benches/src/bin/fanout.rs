//! What one more listener costs its worker: the packet out and the silent packet in, of browsers and of phones,
//! and the memory.
//!
//! Listeners are lean ([`plenum_benches::crowd`]) and in a process of their own. The worker thread's CPU time
//! with few and with many of them gives the slope, so that the room's own work (decode, mix, one encode) falls
//! out. The floors, sealing a packet and the kernel's send, are measured in the same run.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use plenum_benches::Figure;
use plenum_benches::crowd::{self, Crowd};
use plenum_benches::floor::{drain, drained, floor};
use plenum_benches::process::{resident_kib, thread_cpu_micros};
use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::Direction;
use plenum_mcu::media::{Clip, Media, MediaConfig, PhoneMedia, RoomId};
use plenum_mixer::RoomConfig;
use prometheus::Registry;
use tokio::sync::mpsc;

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

fn print(name: &str, value: f64, unit: &str, floor: f64) {
    let figure = Figure {
        name,
        value,
        unit,
        floor,
    };
    println!("{figure:.2}");
}

/// A server with one worker and one room in which somebody talks.
struct Server {
    media: Media,
    registry: Registry,
    room: RoomId,
    /// Events are not of interest; the worker drops the oldest when nobody takes them.
    _events: mpsc::Receiver<(RoomId, plenum_mcu::media::RoomEvent)>,
}

impl Server {
    async fn start() -> Result<Self> {
        let registry = Registry::new();
        let config = MediaConfig {
            udp_port: 0,
            ..MediaConfig::default()
        };
        let media = Media::start(config, &registry)?;
        let (events, kept) = mpsc::channel(16);
        let config = RoomConfig {
            video_slots: 0,
            ..RoomConfig::default()
        };
        let room = media.open_room(config, events).await?;
        let noise: Vec<i16> = (0..48_000).map(|_| fastrand::i16(-4_000..4_000)).collect();
        media
            .add_clip(room, media.next_leg(), Clip::build(&noise, |_, _| ())?)
            .await?;
        Ok(Self {
            media,
            registry,
            room,
            _events: kept,
        })
    }

    /// CPU of the worker in µs, packets out and packets in over [`TIME`].
    async fn measure(&self, kind: &str) -> Result<Used> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = self.used(kind)?;
        tokio::time::sleep(TIME).await;
        let after = self.used(kind)?;
        Ok(Used {
            cpu: after.cpu - before.cpu,
            out: after.out - before.out,
            came: after.came - before.came,
        })
    }

    fn used(&self, kind: &str) -> Result<Used> {
        let families = self.registry.gather();
        let count = |direction: &str| -> f64 {
            families
                .iter()
                .filter(|f| f.name() == "plenum_media_packets_total")
                .flat_map(|f| f.get_metric())
                .filter(|m| {
                    let is = |value: &str| m.get_label().iter().any(|l| l.value() == value);
                    is(kind) && is(direction)
                })
                .map(|m| m.get_counter().get_value())
                .sum()
        };
        Ok(Used {
            cpu: thread_cpu_micros("media-0")?,
            out: count("out"),
            came: count("in"),
        })
    }

    async fn stop(self) -> Result<()> {
        let left = self.media.stop(Duration::from_secs(2)).await;
        anyhow::ensure!(left == 0, "media worker did not stop");
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Used {
    cpu: f64,
    out: f64,
    came: f64,
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
    let server = Server::start().await?;
    let mut crowd = Crowd::start()?;
    join(&server, &mut crowd, FEW).await?;
    let few = server.measure("webrtc").await?;
    let resident = resident_kib()?;
    join(&server, &mut crowd, MANY - FEW).await?;
    let many = server.measure("webrtc").await?;
    let heard = crowd.heard()?;
    crowd.speak(true)?;
    let speaking = server.measure("webrtc").await?;
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
    let server = Server::start().await?;
    let desk = Desk::start();
    desk.call(&server, FEW).await?;
    let few = server.measure("rtp").await?;
    let resident = resident_kib()?;
    desk.call(&server, MANY - FEW).await?;
    let many = server.measure("rtp").await?;
    desk.speaking.store(true, Ordering::Relaxed);
    let speaking = server.measure("rtp").await?;
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
