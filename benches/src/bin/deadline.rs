//! Missed deadlines: a big room with three talkers spread over two workers, with small rooms beside it on both.
//!
//! Its listeners are phone legs on Opus whose packets go to a port where nobody reads, so that the load is the
//! server's own. `deadline <seconds> <listeners>` runs longer or with more of them.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result};
use plenum_benches::Figure;
use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::Direction;
use plenum_mcu::media::{Clip, Media, MediaConfig, PhoneMedia, RoomEvent, RoomId};
use plenum_mixer::RoomConfig;
use prometheus::Registry;
use tokio::sync::mpsc;

const SECONDS: u64 = 20;
const LISTENERS: usize = 300;
/// Rooms of two beside the big one.
const SMALL_ROOMS: usize = 40;

type Kept = Vec<mpsc::Receiver<(RoomId, RoomEvent)>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(SECONDS), |a| a.parse())?;
    let listeners = arguments.next().map_or(Ok(LISTENERS), |a| a.parse())?;
    let registry = Registry::new();
    let config = MediaConfig {
        workers: 2,
        udp_port: 0,
        rtp_silence: Duration::from_secs(3_600),
        ..MediaConfig::default()
    };
    let media = Media::start(config, &registry)?;
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    let mut kept = Kept::new();
    let big = open(&media, &mut kept).await?;
    for _ in 0..3 {
        talk(&media, big).await?;
    }
    for _ in 0..listeners {
        listen(&media, big, &sink).await?;
    }
    for _ in 0..SMALL_ROOMS {
        let room = open(&media, &mut kept).await?;
        talk(&media, room).await?;
        listen(&media, room, &sink).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = Counts::read(&registry)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = Counts::read(&registry)?;
    let (ticks, misses) = (after.ticks - before.ticks, after.misses - before.misses);
    anyhow::ensure!(ticks > 0.0, "no room has ticked");
    let figure = Figure {
        name: &format!("deadline_misses_{listeners}_listeners_{SMALL_ROOMS}_rooms"),
        value: misses * 1e5 / ticks,
        unit: "per_100k_ticks",
        floor: 1.0,
    };
    println!("{figure}");
    let wanted = (listeners + SMALL_ROOMS) as f64 * 50.0;
    let figure = Figure {
        name: &format!("deadline_packets_{listeners}_listeners_{SMALL_ROOMS}_rooms"),
        value: (after.packets - before.packets) / seconds.max(1) as f64,
        unit: "per_second",
        floor: wanted,
    };
    println!("{figure}");
    anyhow::ensure!(after.crossing < 0.5, "packets were dropped between workers");
    let running = media.stop(Duration::from_secs(2)).await;
    anyhow::ensure!(running == 0, "media workers did not stop");
    Ok(())
}

async fn open(media: &Media, kept: &mut Kept) -> Result<RoomId> {
    // Events are not of interest here; the worker drops the oldest when nobody takes them.
    let (events, receiver) = mpsc::channel(16);
    kept.push(receiver);
    Ok(media.open_room(RoomConfig::default(), events).await?)
}

/// Somebody whose second of noise goes round and round.
async fn talk(media: &Media, room: RoomId) -> Result<()> {
    let noise: Vec<i16> = (0..48_000).map(|_| fastrand::i16(-4_000..4_000)).collect();
    let clip = Clip::build(&noise, |_, _| ())?;
    media.add_clip(room, media.next_leg(), clip).await?;
    Ok(())
}

async fn listen(media: &Media, room: RoomId, sink: &UdpSocket) -> Result<()> {
    let session = PhoneMedia {
        remote_rtp: sink.local_addr()?,
        remote_rtcp: sink.local_addr()?,
        codec: AudioCodec::Opus,
        payload_type: 111,
        receive_payload_type: 111,
        telephone_event: None,
        comfort_noise: None,
        direction: Direction::SendReceive,
        ptime: 20,
        srtp: None,
    };
    let sockets = media.bind_rtp()?;
    media
        .add_phone(room, media.next_leg(), sockets, session)
        .await?;
    Ok(())
}

/// Since the start.
struct Counts {
    ticks: f64,
    misses: f64,
    packets: f64,
    crossing: f64,
}

impl Counts {
    fn read(registry: &Registry) -> Result<Self> {
        let families = registry.gather();
        let of = |name: &str, labels: &[&str]| -> Result<f64> {
            let family = families
                .iter()
                .find(|f| f.name() == name)
                .with_context(|| format!("no metric {name}"))?;
            let metrics = family.get_metric().iter().filter(|metric| {
                let has = |wanted: &&str| metric.get_label().iter().any(|l| l.value() == *wanted);
                labels.iter().all(has)
            });
            let value = metrics
                .map(|m| m.get_counter().get_value() + m.get_histogram().get_sample_count() as f64);
            Ok(value.sum())
        };
        Ok(Self {
            ticks: of("plenum_media_tick_seconds", &[])?,
            misses: of("plenum_media_deadline_misses_total", &[])?,
            packets: of("plenum_media_packets_total", &["rtp", "out"])?,
            crossing: of("plenum_media_dropped_total", &["crossing"])?,
        })
    }
}
