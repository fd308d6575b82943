//! The tick of a room with three talkers and many listeners, all on Opus: decode, mix, encode, and a packet for everyone.
//! Everything of 20 ms counts: taking in the talkers' packets, the tick, and polling its outputs. No sockets, no SRTP.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use plenum_benches::Figure;
use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting};
use plenum_codecs::tone::Tone;
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{AudioSetting, Input, Leg, LegConfig, LegId, Room, RoomConfig, Track};

const OPUS: u8 = 111;
const TALKERS: u64 = 3;
const TICKS: u32 = 1_000;
/// Design §8: three decodes, three private encodes and one shared one.
const FLOOR_MICROS: f64 = 233.0;

fn leg(id: u64, now: MediaTime) -> Leg {
    let audio = AudioSetting {
        receive: vec![(OPUS, AudioCodec::Opus)],
        send: Some((OPUS, EncoderSetting::of(AudioCodec::Opus))),
        telephone_event: None,
        comfort_noise: None,
        level_extension: true,
    };
    let config = LegConfig {
        id: LegId(id),
        audio,
        video: None,
        muted: false,
        listen_only: false,
    };
    Leg::new(config, now)
}

/// Two seconds of a voice-like chord per talker, encoded beforehand.
fn speech(talker: u64) -> anyhow::Result<Vec<Bytes>> {
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus))?;
    let pitch = 110.0 + 30.0 * f64::from(u32::try_from(talker)?);
    let mut tones: Vec<Tone> = (1..12u32)
        .map(|harmonic| Tone::new(pitch * f64::from(harmonic), 4_000.0 / f64::from(harmonic)))
        .collect();
    (0..100)
        .map(|_| {
            let frame = std::array::from_fn(|_| {
                tones
                    .iter_mut()
                    .map(Tone::next_sample)
                    .fold(0, i16::saturating_add)
            });
            Ok(encoder.encode(&frame)?)
        })
        .collect()
}

fn packet(talker: u64, tick: u32, payload: &Bytes) -> anyhow::Result<Input> {
    let packet = MediaPacket {
        payload_type: OPUS,
        marker: false,
        sequence: u16::try_from(tick & 0xffff)?,
        timestamp: tick.wrapping_mul(960),
        ssrc: 1,
        audio_level: Some(AudioLevel {
            dbov: 20,
            voice: true,
        }),
        payload: payload.clone(),
    };
    Ok(Input::Packet {
        leg: LegId(talker),
        packet,
        track: Track::Audio,
    })
}

/// Mean time of a tick in µs.
fn measure(listeners: u64) -> anyhow::Result<f64> {
    let mut now = MediaTime::from_millis(1_000);
    let mut room = Room::new(RoomConfig::default(), now);
    for id in 0..TALKERS + listeners {
        room.insert(now, leg(id, now));
    }
    let voices = (0..TALKERS).map(speech).collect::<Result<Vec<_>, _>>()?;
    let mut spent = Duration::ZERO;
    let warming = 100;
    for tick in 0..warming + TICKS {
        if tick == warming {
            spent = Duration::ZERO;
            anyhow::ensure!(
                room.stats().talkers == 3,
                "three talkers are to be in the mix"
            );
        }
        let mut inputs = Vec::new();
        for (talker, voice) in (0..TALKERS).zip(&voices) {
            let payload = voice
                .get(tick as usize % voice.len().max(1))
                .context("a voice is empty")?;
            inputs.push(packet(talker, tick, payload)?);
        }
        now += Duration::from_millis(20);
        let began = Instant::now();
        for input in inputs {
            room.handle(now, input);
        }
        room.handle(now, Input::Timeout);
        while let Some(output) = room.poll_output() {
            black_box(output);
        }
        spent += began.elapsed();
    }
    let encodes = room.stats().encodes.opus;
    anyhow::ensure!(
        encodes.private + encodes.shared <= 4 * u64::from(warming + TICKS),
        "listeners must not cost encodes: {encodes:?}"
    );
    Ok(spent.as_secs_f64() * 1e6 / f64::from(TICKS))
}

fn main() -> anyhow::Result<()> {
    for listeners in [10, 100, 1_000] {
        // The best of three: what the work costs, not what the neighbours on the machine do.
        let mut value = f64::INFINITY;
        for _ in 0..3 {
            value = value.min(measure(listeners)?);
        }
        let name = format!("room_tick_3_talkers_{listeners}_listeners");
        let figure = Figure {
            name: &name,
            value,
            unit: "µs",
            floor: FLOOR_MICROS,
        };
        println!("{figure}");
    }
    Ok(())
}
