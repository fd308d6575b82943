//! What one leg costs in 20 ms, by what it does: taking in its packet, its part of the tick, and the packet it is sent. No sockets, no SRTP.
//!
//! Time is the thread's own on the processor. The floor of a talking phone is what its codec and resampling cost alone, measured in the same
//! run; the others' are the design's.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use plenum_benches::{Figure, thread_time};
use plenum_codecs::audio::g711::Law;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, Frame};
use plenum_codecs::dtmf::ToneDetector;
use plenum_codecs::tone::Tone;
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{AudioSetting, Input, Leg, LegConfig, LegId, Room, RoomConfig, Track};

const TICKS: u32 = 500;
const WARMING: u32 = 100;
/// Design §8: a silent listener's phone.
const SILENT_FLOOR: f64 = 5.0;
/// Design §8: codec, resampling and tone detection of a talking phone.
const TALKING_FLOOR: f64 = 9.5;

/// What a leg sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Talks,
    Silent,
    /// Each packet has an SSRC of its own: an attack.
    Flaps,
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    codec: AudioCodec,
    way: Way,
}

impl Kind {
    fn payload_type(self) -> u8 {
        self.codec.static_payload_type().unwrap_or(111)
    }

    fn leg(self, id: u64, now: MediaTime) -> Leg {
        let audio = AudioSetting {
            receive: vec![(self.payload_type(), self.codec)],
            send: Some((self.payload_type(), EncoderSetting::of(self.codec))),
            telephone_event: Some((101, self.codec.clock_rate())),
            comfort_noise: None,
            level_extension: self.codec == AudioCodec::Opus,
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

    /// Two seconds of it.
    fn payloads(self, id: u64) -> anyhow::Result<Vec<Bytes>> {
        let mut encoder = AudioEncoder::new(EncoderSetting::of(self.codec))?;
        let loudness = if self.way == Way::Silent {
            12.0
        } else {
            3_000.0
        };
        let mut frames = voice(id, loudness);
        (0..100).map(|_| Ok(encoder.encode(&frames())?)).collect()
    }

    fn packet(self, id: u64, tick: u32, payload: &Bytes) -> anyhow::Result<Input> {
        let dbov = if self.way == Way::Silent { 70 } else { 20 };
        let packet = MediaPacket {
            payload_type: self.payload_type(),
            marker: false,
            sequence: u16::try_from(tick & 0xffff)?,
            timestamp: tick.wrapping_mul(self.codec.frame_timestamps()),
            ssrc: if self.way == Way::Flaps { tick } else { 1 },
            audio_level: (self.codec == AudioCodec::Opus)
                .then_some(AudioLevel { dbov, voice: false }),
            payload: payload.clone(),
        };
        Ok(Input::Packet {
            leg: LegId(id),
            packet,
            track: Track::Audio,
        })
    }
}

/// Harmonics of a pitch.
fn voice(id: u64, loudness: f64) -> impl FnMut() -> Frame {
    let pitch = 110.0 + 7.0 * f64::from(u32::try_from(id % 16).unwrap_or(0));
    let mut tones: Vec<Tone> = (1..8u32)
        .map(|harmonic| Tone::new(pitch * f64::from(harmonic), loudness / f64::from(harmonic)))
        .collect();
    move || {
        std::array::from_fn(|_| {
            tones
                .iter_mut()
                .map(Tone::next_sample)
                .fold(0, i16::saturating_add)
        })
    }
}

/// µs per tick of a room with these legs, the best of three runs.
fn tick(legs: &[(Kind, u64)]) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        best = best.min(run(legs)?);
    }
    Ok(best)
}

fn run(legs: &[(Kind, u64)]) -> anyhow::Result<f64> {
    let mut now = MediaTime::from_millis(1_000);
    let config = RoomConfig {
        max_talkers: 16,
        ..RoomConfig::default()
    };
    let mut room = Room::new(config, now);
    let kinds: Vec<Kind> = legs
        .iter()
        .flat_map(|&(kind, count)| (0..count).map(move |_| kind))
        .collect();
    let mut voices = Vec::new();
    for (id, kind) in (0u64..).zip(&kinds) {
        room.insert(now, kind.leg(id, now));
        voices.push(kind.payloads(id)?);
    }
    let mut spent = Duration::ZERO;
    for tick in 0..WARMING + TICKS {
        let mut inputs = Vec::with_capacity(kinds.len());
        for ((id, kind), voice) in (0u64..).zip(&kinds).zip(&voices) {
            let payload = voice
                .get(tick as usize % voice.len().max(1))
                .context("no voice")?;
            inputs.push(kind.packet(id, tick, payload)?);
        }
        now += Duration::from_millis(20);
        let began = thread_time();
        for input in inputs {
            room.handle(now, input);
        }
        room.handle(now, Input::Timeout);
        while let Some(output) = room.poll_output() {
            black_box(output);
        }
        if tick >= WARMING {
            spent += thread_time().saturating_sub(began);
        }
    }
    let talking = kinds.iter().filter(|kind| kind.way == Way::Talks).count();
    ensure!(
        room.stats().talkers >= talking,
        "{talking} are to be in the mix"
    );
    Ok(spent.as_secs_f64() * 1e6 / f64::from(TICKS))
}

/// µs that codec and resampling of one phone cost in 20 ms, both ways.
fn bare(codec: AudioCodec) -> anyhow::Result<f64> {
    let kind = Kind {
        codec,
        way: Way::Talks,
    };
    let payloads = kind.payloads(1)?;
    let mut frames = voice(2, 3_000.0);
    let frames: Vec<Frame> = (0..100).map(|_| frames()).collect();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let mut decoder = AudioDecoder::new(codec)?;
        let mut encoder = AudioEncoder::new(EncoderSetting::of(codec))?;
        let mut pcm = Vec::with_capacity(FRAME);
        let began = thread_time();
        for _ in 0..5 {
            for (payload, frame) in payloads.iter().zip(&frames) {
                pcm.clear();
                decoder.decode(payload, &mut pcm)?;
                black_box(&pcm);
                black_box(encoder.encode(frame)?);
            }
        }
        best = best.min(thread_time().saturating_sub(began).as_secs_f64() * 1e6 / 500.0);
    }
    Ok(best)
}

/// µs that looking for digits in the sound of a talking phone costs in 20 ms, beside its leg.
fn listening() -> anyhow::Result<f64> {
    let kind = Kind {
        codec: AudioCodec::Pcmu,
        way: Way::Talks,
    };
    let payloads = kind.payloads(1)?;
    let mut detector = ToneDetector::new();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let began = thread_time();
        for payload in payloads.iter().cycle().take(5_000) {
            black_box(detector.push(payload.iter().map(|octet| Law::Mu.decode(*octet))));
        }
        best = best.min(thread_time().saturating_sub(began).as_secs_f64() * 1e6 / 5_000.0);
    }
    Ok(best)
}

fn main() -> anyhow::Result<()> {
    use AudioCodec::{G722, Opus, Pcmu};
    let show = |name: &str, value: f64, floor: f64| {
        let figure = Figure {
            name,
            value,
            unit: "µs",
            floor,
        };
        println!("{figure}");
    };
    if std::env::args().nth(1).as_deref() == Some("bare") {
        show("leg_g711_bare", bare(Pcmu)?, TALKING_FLOOR);
        return Ok(());
    }
    let kind = |codec, way| Kind { codec, way };
    let listener = (kind(Opus, Way::Silent), 1);
    let alone = tick(&[listener])?;
    for (name, codec) in [("g711", Pcmu), ("g722", G722)] {
        let floor = bare(codec)?;
        show(&format!("leg_{name}_bare"), floor, TALKING_FLOOR);
        let talking = tick(&[listener, (kind(codec, Way::Talks), 8)])?;
        show(
            &format!("leg_{name}_talking"),
            (talking - alone) / 8.0,
            floor,
        );
    }
    let talkers = (kind(Pcmu, Way::Talks), 3);
    for (name, codec) in [("g711", Pcmu), ("opus", Opus)] {
        // One silent leg is there in both rooms: the rendition that they share is not theirs alone.
        let few = tick(&[talkers, (kind(codec, Way::Silent), 1)])?;
        let many = tick(&[talkers, (kind(codec, Way::Silent), 101)])?;
        show(
            &format!("leg_{name}_silent"),
            (many - few) / 100.0,
            SILENT_FLOOR,
        );
    }
    let flapping = tick(&[listener, (kind(Pcmu, Way::Flaps), 8)])?;
    show(
        "leg_g711_ssrc_flapping",
        (flapping - alone) / 8.0,
        2.0 * TALKING_FLOOR,
    );
    show("leg_g711_tones", listening()?, TALKING_FLOOR);
    Ok(())
}
