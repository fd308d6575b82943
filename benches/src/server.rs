//! A server with one media worker and one room in which one clip plays, and what that worker has used.

use std::ops::Sub;
use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_mcu::media::{Clip, Media, MediaConfig, RoomEvent, RoomId};
use plenum_mixer::{LegId, RoomConfig};
use prometheus::Registry;
use tokio::sync::mpsc;

use crate::process::thread_cpu_micros;

/// See the module.
#[derive(Debug)]
pub struct Server {
    /// The worker.
    pub media: Media,
    /// The room.
    pub room: RoomId,
    /// Whose clip plays.
    pub player: LegId,
    registry: Registry,
    /// Events are not of interest; the worker drops the oldest when nobody takes them.
    _events: mpsc::Receiver<(RoomId, RoomEvent)>,
}

/// What the worker has used, and what went over the lines of one kind of leg.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Time on a processor, µs.
    pub cpu: f64,
    /// Packets sent.
    pub out: f64,
    /// Bytes of them.
    pub bytes_out: f64,
    /// Packets received.
    pub came: f64,
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            cpu: self.cpu - other.cpu,
            out: self.out - other.out,
            bytes_out: self.bytes_out - other.bytes_out,
            came: self.came - other.came,
        }
    }
}

impl Server {
    /// With a room of that many video slots.
    ///
    /// # Errors
    /// When media cannot be had.
    pub async fn start(video_slots: u8, clip: Clip) -> Result<Self> {
        let registry = Registry::new();
        let config = MediaConfig {
            udp_port: 0,
            ..MediaConfig::default()
        };
        let media = Media::start(config, &registry)?;
        let (events, kept) = mpsc::channel(16);
        let config = RoomConfig {
            video_slots,
            ..RoomConfig::default()
        };
        let room = media.open_room(config, events).await?;
        let player = media.next_leg();
        media.add_clip(room, player, clip).await?;
        Ok(Self {
            media,
            room,
            player,
            registry,
            _events: kept,
        })
    }

    /// What is used over `time` for legs of that kind (`webrtc` or `rtp`), once all has settled.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub async fn measure(&self, kind: &str, time: Duration) -> Result<Used> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = self.used(kind)?;
        tokio::time::sleep(time).await;
        Ok(self.used(kind)? - before)
    }

    fn used(&self, kind: &str) -> Result<Used> {
        let families = self.registry.gather();
        let count = |name: &str, direction: &str| -> f64 {
            families
                .iter()
                .filter(|f| f.name() == name)
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
            out: count("plenum_media_packets_total", "out"),
            bytes_out: count("plenum_media_bytes_total", "out"),
            came: count("plenum_media_packets_total", "in"),
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the worker does not stop.
    pub async fn stop(self) -> Result<()> {
        let left = self.media.stop(Duration::from_secs(2)).await;
        ensure!(left == 0, "media worker did not stop");
        Ok(())
    }
}
