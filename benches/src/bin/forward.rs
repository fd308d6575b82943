//! What forwarding a camera's packet to one more viewer costs its worker, all in, and that nothing is decoded for it.
//!
//! A noisy camera whose packets are nearly all full is shown to a crowd ([`plenum_benches::crowd`]) in a process of its own. The
//! worker thread's CPU time with the camera on and off gives the cost, so that what viewers hear falls out. The floor, sealing as
//! much and the kernel's send, is measured in the same run. The viewers send no feedback and take no transport-wide numbers, as padding
//! would be taken for pictures; what reading feedback costs is not in it.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_benches::Figure;
use plenum_benches::crowd::{self, Crowd};
use plenum_benches::floor::floor;
use plenum_benches::process::thread_cpu_micros;
use plenum_mcu::media::{Clip, Media, MediaConfig};
use plenum_mixer::{Command, RoomConfig};
use prometheus::Registry;
use tokio::sync::mpsc;

const VIEWERS: usize = 100;
const TIME: Duration = Duration::from_secs(10);
/// Payload of a forwarded packet, at most.
const BYTES: usize = 1_180;

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(crowd::ROLE) {
        return crowd::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(floor(BYTES, true, VIEWERS)?))
}

/// CPU of the worker in µs, and datagrams and bytes sent to viewers.
#[derive(Debug, Clone, Copy)]
struct Used {
    cpu: f64,
    packets: f64,
    bytes: f64,
}

impl Used {
    fn so_far(registry: &Registry) -> Result<Self> {
        let families = registry.gather();
        let sent = |name: &str| -> f64 {
            let metrics = families.iter().filter(|f| f.name() == name);
            let metrics = metrics.flat_map(|f| f.get_metric()).filter(|m| {
                let is = |value: &str| m.get_label().iter().any(|l| l.value() == value);
                is("webrtc") && is("out")
            });
            metrics.map(|m| m.get_counter().get_value()).sum()
        };
        Ok(Self {
            cpu: thread_cpu_micros("media-0")?,
            packets: sent("plenum_media_packets_total"),
            bytes: sent("plenum_media_bytes_total"),
        })
    }

    async fn over(registry: &Registry) -> Result<Self> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = Self::so_far(registry)?;
        tokio::time::sleep(TIME).await;
        Ok(Self::so_far(registry)? - before)
    }
}

impl std::ops::Sub for Used {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            cpu: self.cpu - other.cpu,
            packets: self.packets - other.packets,
            bytes: self.bytes - other.bytes,
        }
    }
}

async fn measure(floor: f64) -> Result<()> {
    let registry = Registry::new();
    let config = MediaConfig {
        udp_port: 0,
        ..MediaConfig::default()
    };
    let media = Media::start(config, &registry)?;
    // Events are not of interest; the worker drops the oldest when nobody takes them.
    let (events, _kept) = mpsc::channel(16);
    let config = RoomConfig {
        video_slots: 1,
        ..RoomConfig::default()
    };
    let room = media.open_room(config, events).await?;
    let camera = media.next_leg();
    let clip = Clip::build(&[0; 48_000], |_, picture| {
        picture.y.iter_mut().for_each(|y| *y = fastrand::u8(..));
    })?;
    media.add_clip(room, camera, clip).await?;
    let mut crowd = Crowd::start()?;
    for _ in 0..VIEWERS {
        let leg = media.next_leg();
        let answer = media.add_peer(room, leg, crowd.offer_video()?).await?;
        crowd.accept(&answer.sdp)?;
    }
    let seen = crowd.heard()?;
    let on = Used::over(&registry).await?;
    let seen = crowd.heard()? - seen;
    media.command(
        room,
        Command::Camera {
            leg: camera,
            on: false,
        },
    )?;
    let off = Used::over(&registry).await?;
    let forwarded = on - off;
    let size = forwarded.bytes / forwarded.packets;
    ensure!(
        forwarded.packets > 20_000.0 && seen > 20_000,
        "{} forwarded, {seen} seen",
        forwarded.packets
    );
    ensure!(size > 1_000.0, "packets of {size} bytes");
    print(
        "forward_packet",
        forwarded.cpu / forwarded.packets,
        "us",
        floor,
    );
    print("forward_packet_size", size, "bytes", 1_200.0);
    let left = media.stop(Duration::from_secs(2)).await;
    ensure!(left == 0, "media worker did not stop");
    Ok(())
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
