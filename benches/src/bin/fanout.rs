//! What one more WebRTC listener costs its worker per packet: SRTP, the stack's books and the kernel's send.
//!
//! Real clients listen over loopback; the worker thread's CPU time with few and with many of them gives the
//! slope, so that the room's own work (decode, mix, one encode) falls out.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::Duration;

use anyhow::{Context as _, Result};
use plenum_mcu::media::{Clip, Media, MediaConfig};
use plenum_mixer::RoomConfig;
use plenum_tests::bot::Bot;
use prometheus::Registry;
use tokio::sync::mpsc;

/// Design §8: GCM 0.1 µs and the kernel's send 2.0 µs.
const FLOOR_US: f64 = 2.1;
const FEW: usize = 5;
const MANY: usize = 55;
const TIME: Duration = Duration::from_secs(8);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let registry = Registry::new();
    let media = Media::start(
        MediaConfig {
            udp_port: 0,
            ..MediaConfig::default()
        },
        &registry,
    )?;
    // Events are not of interest here; the worker drops the oldest when nobody takes them.
    let (events, _kept) = mpsc::channel(16);
    let room = media
        .open_room(
            RoomConfig {
                video_slots: 0,
                ..RoomConfig::default()
            },
            events,
        )
        .await?;
    let noise: Vec<i16> = (0..48_000).map(|_| fastrand::i16(-4_000..4_000)).collect();
    media
        .add_clip(room, media.next_leg(), Clip::build(&noise, |_, _| ())?)
        .await?;
    let mut bots = Vec::new();
    let few = measure(&media, &registry, room, &mut bots, FEW).await?;
    let many = measure(&media, &registry, room, &mut bots, MANY).await?;
    let per_packet = (many.0 - few.0) / (many.1 - few.1);
    println!(
        "fanout_webrtc_listener_packet {per_packet:.2} us {FLOOR_US} {:.2}",
        per_packet / FLOOR_US
    );
    anyhow::ensure!(
        media.stop(Duration::from_secs(2)).await == 0,
        "media worker did not stop"
    );
    Ok(())
}

/// CPU time of the worker in µs and packets sent, with `count` listeners over [`TIME`].
async fn measure(
    media: &Media,
    registry: &Registry,
    room: plenum_mcu::media::RoomId,
    bots: &mut Vec<Bot>,
    count: usize,
) -> Result<(f64, f64)> {
    while bots.len() < count {
        let bot = Bot::new().await?;
        let answer = media
            .add_peer(room, media.next_leg(), bot.offer().await?)
            .await?;
        bot.accept(&answer.sdp).await?;
        bot.connected(Duration::from_secs(10)).await?;
        bots.push(bot);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (cpu, packets) = (worker_cpu()?, packets_out(registry));
    tokio::time::sleep(TIME).await;
    Ok((worker_cpu()? - cpu, packets_out(registry) - packets))
}

/// µs of CPU the thread of worker 0 has used.
fn worker_cpu() -> Result<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim() == "media-0" {
            let schedstat = std::fs::read_to_string(path.join("schedstat"))?;
            let nanos: f64 = schedstat
                .split(' ')
                .next()
                .context("empty schedstat")?
                .parse()?;
            return Ok(nanos / 1_000.0);
        }
    }
    anyhow::bail!("no media worker among the threads")
}

fn packets_out(registry: &Registry) -> f64 {
    let families = registry.gather();
    let packets = families
        .iter()
        .filter(|f| f.name() == "plenum_media_packets_total")
        .flat_map(|f| f.get_metric());
    let is = |m: &prometheus::proto::Metric, value: &str| {
        m.get_label().iter().any(|l| l.value() == value)
    };
    packets
        .filter(|m| is(m, "webrtc") && is(m, "out"))
        .map(|m| m.get_counter().get_value())
        .sum()
}
