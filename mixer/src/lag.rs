//! How late voices are mixed, so that sender reports can say so: a picture is forwarded at once, a voice waits in its jitter buffer, and
//! whoever sees and hears both lines them up by what the reports say (RFC 3550 §6.4.1).

use std::time::Duration;

use plenum_codecs::MediaTime;

/// A packet holds what was said in the 20 ms before it left.
const PACKET: u64 = 20_000_000;
/// A delay counts for so much of the smoothed one: about a second of ticks.
const SMOOTHING: u64 = 48;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// In ns; `None` before anybody has spoken.
    smooth: Option<u64>,
}

impl Lag {
    /// Who has the floor is mixed so many ns later than the fastest of their packets would allow.
    pub(crate) fn note(&mut self, delay: u64) {
        let late = delay.saturating_add(PACKET);
        let before = self.smooth.unwrap_or(late);
        self.smooth = Some((before * (SMOOTHING - 1) + late) / SMOOTHING);
    }

    /// When what is mixed at that time was said, as pictures that come then were taken.
    pub(crate) fn said(&self, mixed: MediaTime) -> MediaTime {
        mixed.saturating_sub(Duration::from_nanos(self.smooth.unwrap_or(0)))
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and shows its figures"
)]
mod tests {
    use bytes::Bytes;
    use plenum_codecs::audio::{AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, Frame};
    use plenum_codecs::tone::Tone;
    use plenum_codecs::video::VideoCodec;
    use plenum_codecs::{AudioLevel, MediaPacket};

    use crate::{
        AudioSetting, Input, Leg, LegConfig, LegId, Output, Room, RoomConfig, Track, VideoSetting,
    };

    use super::*;

    /// A click and a flash every second, and how long they are.
    const EVERY: u64 = 1_000;
    const LENGTH: u64 = 100;

    fn leg(id: u64) -> LegConfig {
        let video = vec![(96, VideoCodec::Vp8)];
        LegConfig {
            id: LegId(id),
            audio: AudioSetting {
                receive: vec![(111, AudioCodec::Opus)],
                send: Some((111, EncoderSetting::of(AudioCodec::Opus))),
                telephone_event: None,
                comfort_noise: None,
                level_extension: true,
            },
            video: Some(VideoSetting {
                receive: video.clone(),
                send: video,
                slots: 1,
                limit: None,
            }),
            muted: false,
            listen_only: false,
        }
    }

    fn packet(payload_type: u8, number: u64, timestamp: u64, payload: Bytes) -> MediaPacket {
        MediaPacket {
            payload_type,
            marker: true,
            sequence: u16::try_from(number % 65_536).unwrap(),
            timestamp: u32::try_from(timestamp).unwrap(),
            ssrc: u32::from(payload_type),
            audio_level: (payload_type == 111).then_some(AudioLevel {
                dbov: 20,
                voice: true,
            }),
            payload,
        }
    }

    /// By how much the click comes after the flash, in ms, for who plays both by the reports: of each second but the first two. Packets
    /// are delayed by up to `jitter` ms.
    fn skews(jitter: u64) -> Vec<i64> {
        let start = 10_000;
        let at = MediaTime::from_millis;
        let mut room = Room::new(RoomConfig::default(), at(start));
        for id in [1, 2] {
            room.insert(at(start), Leg::new(leg(id), at(start)));
        }
        let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus)).unwrap();
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut tone = Tone::new(500.0, 9_000.0);
        let mut murmur = Tone::new(300.0, 300.0);
        let mut random = fastrand::Rng::with_seed(3);
        let (mut under_way, mut flashes, mut clicks) = (Vec::new(), Vec::new(), Vec::new());
        let mut loud = false;
        for step in 0..12 * EVERY {
            let now = start + step;
            let mut send = |track, packet| {
                under_way.push((now + random.u64(0..=jitter), track, packet));
            };
            if step % 20 == 0 {
                let frame: Frame = std::array::from_fn(|sample| {
                    // What the packet holds was said in the 20 ms before.
                    let said = step + 980 + u64::try_from(sample / 48).unwrap();
                    let (quiet, click) = (murmur.next_sample(), tone.next_sample());
                    if said % EVERY < LENGTH { click } else { quiet }
                });
                let payload = encoder.encode(&frame).unwrap();
                send(
                    Track::Audio,
                    packet(111, step / 20, step / 20 * 960, payload),
                );
            }
            if step % 40 == 0 {
                // A keyframe each, whose third byte says whether it flashes.
                let flash = u8::from(step % EVERY < LENGTH);
                let payload = Bytes::copy_from_slice(&[0x10, 0, flash, 0]);
                send(Track::Camera, packet(96, step / 40, step * 90, payload));
            }
            let arrived = under_way.extract_if(.., |(due, ..)| *due <= now);
            for (_, track, packet) in arrived.collect::<Vec<_>>() {
                let leg = LegId(1);
                room.handle(at(now), Input::Packet { leg, track, packet });
            }
            while room.deadline() <= at(now) {
                room.handle(at(now), Input::Timeout);
            }
            while let Some(output) = room.poll_output() {
                match output {
                    Output::Video {
                        leg: LegId(2),
                        packet,
                        ..
                    } if packet.payload[2] == 1 => {
                        flashes.push(packet.captured);
                    }
                    Output::Audio {
                        leg: LegId(2),
                        packet,
                    } => {
                        let mut pcm = Vec::new();
                        decoder.decode(&packet.payload, &mut pcm).unwrap();
                        let begins = pcm.iter().position(|sample| sample.abs() > 3_000);
                        if let Some(sample) = begins.filter(|_| !loud) {
                            let after = Duration::from_millis(u64::try_from(sample / 48).unwrap());
                            clicks.push(packet.captured + after);
                        }
                        loud = begins.is_some();
                    }
                    _ => {}
                }
            }
        }
        // Of several pictures that flash the first.
        let mut last = MediaTime::ZERO;
        flashes.retain(|flash| {
            let first = flash.since(last) > Duration::from_millis(EVERY / 2);
            last = *flash;
            first
        });
        let clicks = clicks.iter().map(|click| {
            let millis = |time: MediaTime| i64::try_from(time.as_millis()).unwrap();
            let near = flashes.iter().map(|flash| millis(*click) - millis(*flash));
            near.min_by_key(|skew| skew.abs()).unwrap()
        });
        clicks.skip(3).collect()
    }

    #[test]
    fn lips_and_voice_are_together_within_45_ms_by_what_reports_say() {
        for jitter in [0, 40] {
            let skews = skews(jitter);
            println!("jitter {jitter} ms: the click comes {skews:?} ms after the flash");
            assert!(skews.len() >= 7, "{skews:?}");
            assert!(skews.iter().all(|skew| skew.abs() <= 45), "{skews:?}");
        }
    }
}
