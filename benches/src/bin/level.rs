//! What levelling a voice, limiting a mix and taking the noise out of a voice cost. By difference of rooms whose ticks are otherwise the same, in CPU time of the thread.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use plenum_benches::Figure;
use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting};
use plenum_codecs::tone::Tone;
use plenum_codecs::{MediaPacket, MediaTime};
use plenum_mixer::{AudioSetting, Command, Input, Leg, LegConfig, LegId, Room, RoomConfig, Track};

const VOICES: u8 = 8;
const TICKS: u32 = 3_000;
const WARMING: u32 = 500;
/// Passes over a frame cost a fraction of this; nothing that is done per voice or mix may cost more.
const FLOOR_MICROS: f64 = 2.0;
/// Design §7: the network alone, twice 10 ms.
const NETWORK_MICROS: f64 = 77.0;

fn phone(id: LegId, now: MediaTime) -> Leg {
    let config = LegConfig {
        id,
        audio: AudioSetting {
            receive: vec![(0, AudioCodec::Pcmu)],
            send: None,
            telephone_event: None,
            comfort_noise: None,
            level_extension: false,
        },
        video: None,
        muted: false,
        listen_only: false,
    };
    Leg::new(config, now)
}

/// Two seconds of syllables, eight ticks each, with a peak of `amplitude`.
fn voice(pitch: f64, amplitude: f64) -> anyhow::Result<Vec<Bytes>> {
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Pcmu))?;
    let mut tones: Vec<Tone> = (1..8u32)
        .map(|harmonic| Tone::new(pitch * f64::from(harmonic), amplitude / 4.0))
        .collect();
    let mut course = [0.02, 0.3, 0.7, 1.0, 0.9, 0.6, 0.3, 0.1]
        .into_iter()
        .cycle();
    (0..100)
        .map(|_| {
            let loudness = course.next().unwrap_or(1.0);
            let frame = std::array::from_fn(|_| {
                let sample = tones
                    .iter_mut()
                    .map(Tone::next_sample)
                    .fold(0, i16::saturating_add);
                #[expect(clippy::cast_possible_truncation, reason = "made smaller")]
                let sample = (f64::from(sample) * loudness) as i16;
                sample
            });
            Ok(encoder.encode(&frame)?)
        })
        .collect()
}

/// CPU time of this thread so far.
fn spent() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text
        .split_whitespace()
        .next()
        .context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// What the eight voices of a room are like, and what is done to them.
#[derive(Debug, Clone, Copy)]
struct Work {
    amplitude: f64,
    levelling: bool,
    denoise: bool,
}

/// Mean time of a tick in µs.
fn measure(work: Work) -> anyhow::Result<f64> {
    let mut now = MediaTime::from_millis(1_000);
    let config = RoomConfig {
        max_talkers: VOICES.into(),
        levelling: work.levelling,
        ..RoomConfig::default()
    };
    let mut room = Room::new(config, now);
    let mut voices = Vec::new();
    for id in 0..VOICES {
        let leg = LegId(id.into());
        room.insert(now, phone(leg, now));
        let on = work.denoise;
        room.handle(now, Input::Command(Command::Denoise { leg, on }));
        voices.push((leg, voice(100.0 + 13.0 * f64::from(id), work.amplitude)?));
    }
    let mut began = Duration::ZERO;
    for tick in 0..WARMING + TICKS {
        if tick == WARMING {
            anyhow::ensure!(
                room.stats().talkers == usize::from(VOICES),
                "all are to be mixed"
            );
            began = spent()?;
        }
        now += Duration::from_millis(20);
        for (leg, voice) in &voices {
            let packet = MediaPacket {
                payload_type: 0,
                marker: false,
                sequence: u16::try_from(tick & 0xffff)?,
                timestamp: tick.wrapping_mul(160),
                ssrc: 1,
                audio_level: None,
                payload: voice
                    .get(tick as usize % voice.len().max(1))
                    .context("a voice is empty")?
                    .clone(),
            };
            room.handle(
                now,
                Input::Packet {
                    leg: *leg,
                    packet,
                    track: Track::Audio,
                },
            );
        }
        room.handle(now, Input::Timeout);
        while let Some(output) = room.poll_output() {
            black_box(output);
        }
    }
    Ok((spent()?.saturating_sub(began)).as_secs_f64() * 1e6 / f64::from(TICKS))
}

/// The best of three: what the work costs, not what the neighbours on the machine do.
fn best(work: Work) -> anyhow::Result<f64> {
    let mut value = f64::INFINITY;
    for _ in 0..3 {
        value = value.min(measure(work)?);
    }
    Ok(value)
}

fn main() -> anyhow::Result<()> {
    let bare = Work {
        amplitude: 400.0,
        levelling: false,
        denoise: false,
    };
    let plain = best(bare)?;
    let levelled = best(Work {
        levelling: true,
        ..bare
    })?;
    let limited = best(Work {
        amplitude: 20_000.0,
        ..bare
    })?;
    let denoised = best(Work {
        denoise: true,
        ..bare
    })?;
    let voices = f64::from(VOICES);
    for (name, value, floor) in [
        (
            "mixer_leveller_per_voice",
            (levelled - plain) / voices,
            FLOOR_MICROS,
        ),
        ("mixer_limiter_per_mix", limited - plain, FLOOR_MICROS),
        (
            "leg_noise_suppression",
            (denoised - plain) / voices,
            NETWORK_MICROS,
        ),
    ] {
        let figure = Figure {
            name,
            value,
            unit: "µs",
            floor,
        };
        println!("{figure:.2}");
    }
    Ok(())
}
