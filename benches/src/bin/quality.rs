//! Speech through a room on bad lines: what PESQ says of it, and how late it comes.
//!
//! Two tables. `up`: the talker's line to the server is bad and the listener's is good; the talker encodes as a browser does (VOIP, in-band
//! FEC once RTCP reports loss, 32 kbit/s). `down`: the talker's line is good, the listener's loses packets, and it plays in order with FEC
//! and concealment but without a jitter buffer. Lines are `name value unit floor ratio`:
//!
//! - `pesq_…`: the floor is the ceiling, what the two encodes and decodes alone leave of it without any network;
//! - `goal_…`: the same figure against what is wanted (ratio ≥ 1 is met);
//! - `delay_…`: the server's share of the delay, 95 of 100 half seconds of speech, against what is allowed (≤ 1 is met);
//! - `ear_…`: from mouth to ear, with 20 ms of network and without the listener's own buffer.
//!
//! The recordings stay in a folder (first argument, else `target/quality`) for ears and other tools; a second argument picks lines by a
//! part of their name. QUALITY_STATS=1 shows the talker's counters on stderr. Without the `pesq` module of Python the recordings are not
//! scored, and stderr says so. Time is virtual, every chance seeded.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use plenum_benches::Figure;
use plenum_benches::pesq::{self, Band};
use plenum_benches::speech::{PAUSE, Speech};
use plenum_codecs::audio::{
    AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, OpusMode, carries_fec,
    level_dbov,
};
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{
    AudioSetting, Input, Leg, LegConfig, LegId, LegStats, Output, Room, RoomConfig, Track,
};

/// Utterances of each of the five voices.
const UTTERANCES: usize = 2;
/// One way over the network without jitter.
const NETWORK: Duration = Duration::from_millis(20);
const TALKER: LegId = LegId(1);
const LISTENER: LegId = LegId(2);

/// What happens on the way.
#[derive(Debug, Clone, Copy)]
struct Line {
    name: &'static str,
    codec: AudioCodec,
    /// From the talker to the server.
    up: Network,
    /// Share of packets lost from the server to the listener.
    down_loss: f64,
    /// What the listener is sent.
    rendition: EncoderSetting,
    /// PESQ wanted.
    goal: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Network {
    loss: f64,
    jitter: Duration,
    clock_millionths: i32,
}

impl Line {
    const fn up(name: &'static str, codec: AudioCodec, loss: f64, jitter: u64, goal: f64) -> Self {
        let up = Network {
            loss,
            jitter: Duration::from_millis(jitter),
            clock_millionths: 0,
        };
        Self {
            name,
            codec,
            up,
            down_loss: 0.0,
            rendition: EncoderSetting::of(codec),
            goal: Some(goal),
        }
    }

    const fn down(name: &'static str, rendition: EncoderSetting, loss: f64) -> Self {
        Self {
            down_loss: loss,
            rendition,
            goal: None,
            ..Self::up(name, rendition.codec, 0.0, 0, 0.0)
        }
    }

    const fn clock(self, clock_millionths: i32) -> Self {
        let up = Network {
            clock_millionths,
            ..self.up
        };
        Self { up, ..self }
    }

    /// What a browser's encoder does: FEC as RTCP reports loss.
    fn talkers_setting(&self) -> EncoderSetting {
        if self.codec != AudioCodec::Opus {
            return EncoderSetting::of(self.codec);
        }
        EncoderSetting::opus(OpusMode::Voip {
            bitrate: 32_000,
            fec_loss_percent: match self.up.loss {
                0.0 => 0,
                loss if loss < 0.07 => 5,
                _ => 10,
            },
        })
    }

    fn payload_type(&self) -> u8 {
        self.codec.static_payload_type().unwrap_or(111)
    }

    fn band(&self) -> Band {
        match self.codec {
            AudioCodec::Opus | AudioCodec::G722 => Band::Wide,
            AudioCodec::Pcmu | AudioCodec::Pcma => Band::Narrow,
        }
    }

    fn leg(&self, id: LegId, now: MediaTime) -> Leg {
        let audio = AudioSetting {
            receive: vec![(self.payload_type(), self.codec)],
            send: Some((self.payload_type(), self.rendition)),
            telephone_event: None,
            comfort_noise: None,
            level_extension: self.codec == AudioCodec::Opus,
        };
        let config = LegConfig {
            id,
            audio,
            video: None,
            muted: false,
            listen_only: false,
        };
        Leg::new(config, now)
    }
}

const OPUS: AudioCodec = AudioCodec::Opus;
const PCMU: AudioCodec = AudioCodec::Pcmu;
const MIX: EncoderSetting = EncoderSetting::opus(OpusMode::MIX);
const LOSSY: EncoderSetting = EncoderSetting::opus(OpusMode::LOSSY);

const LINES: [Line; 21] = [
    Line::up("opus_clean", OPUS, 0.0, 0, 4.2),
    Line::up("opus_loss_5", OPUS, 0.05, 0, 3.6),
    Line::up("opus_loss_10", OPUS, 0.10, 0, 3.3),
    Line::up("opus_loss_5_jitter_30", OPUS, 0.05, 30, 3.4),
    Line {
        goal: None,
        ..Line::up("opus_jitter_30", OPUS, 0.0, 30, 0.0)
    },
    Line::up("opus_plus_200_ppm", OPUS, 0.0, 0, 4.2).clock(200),
    Line::up("opus_minus_200_ppm", OPUS, 0.0, 0, 4.2).clock(-200),
    Line::up("g711_clean", PCMU, 0.0, 0, 3.9),
    Line::up("g711_loss_5", PCMU, 0.05, 0, 3.0),
    Line {
        goal: None,
        ..Line::up("g711_loss_10", PCMU, 0.10, 0, 0.0)
    },
    Line::up("g711_loss_5_jitter_30", PCMU, 0.05, 30, 3.1),
    Line::up("g711_plus_200_ppm", PCMU, 0.0, 0, 3.9).clock(200),
    Line::up("g711_minus_200_ppm", PCMU, 0.0, 0, 3.9).clock(-200),
    Line {
        goal: None,
        ..Line::up("g722_loss_5", AudioCodec::G722, 0.05, 0, 0.0)
    },
    Line::down("down_opus_mix_clean", MIX, 0.0),
    Line::down("down_opus_mix_loss_5", MIX, 0.05),
    Line::down("down_opus_mix_loss_10", MIX, 0.10),
    Line::down("down_opus_fec_clean", LOSSY, 0.0),
    Line::down("down_opus_fec_loss_5", LOSSY, 0.05),
    Line::down("down_opus_fec_loss_10", LOSSY, 0.10),
    Line::down("down_g711_loss_5", EncoderSetting::of(PCMU), 0.05),
];

/// The talker's packets by time of arrival; of equal times in order.
fn packets(
    said: &[i16],
    line: &Line,
    seed: u64,
    begin: MediaTime,
) -> anyhow::Result<BTreeMap<(MediaTime, u16), MediaPacket>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut encoder = AudioEncoder::new(line.talkers_setting())?;
    let frame_time =
        Duration::from_millis(20).div_f64(1.0 + f64::from(line.up.clock_millionths) / 1e6);
    let mut arriving = BTreeMap::new();
    for (index, frame) in said.as_chunks::<FRAME>().0.iter().enumerate() {
        let packet = MediaPacket {
            payload_type: line.payload_type(),
            marker: false,
            sequence: u16::try_from(index & 0xffff)?,
            timestamp: u32::try_from(index)?.wrapping_mul(line.codec.frame_timestamps()),
            ssrc: 7,
            audio_level: (line.codec == OPUS).then_some(AudioLevel {
                dbov: level_dbov(frame),
                voice: false,
            }),
            payload: encoder.encode(frame)?,
        };
        // A frame is sent when its last sample has been spoken.
        let sent = begin + frame_time.mul_f64(f64::from(u32::try_from(index + 1)?));
        let arrival = sent + NETWORK + line.up.jitter.mul_f64(random.f64());
        if random.f64() >= line.up.loss {
            arriving.insert((arrival, packet.sequence), packet);
        }
    }
    Ok(arriving)
}

/// The listener's ear: packets in order, each of which may have been lost.
struct Ear {
    random: fastrand::Rng,
    loss: f64,
    codec: AudioCodec,
    decoder: AudioDecoder,
    missing: bool,
    heard: Vec<i16>,
}

impl Ear {
    fn hear(&mut self, packet: &[u8]) -> anyhow::Result<()> {
        if self.random.f64() < self.loss {
            if std::mem::replace(&mut self.missing, true) {
                self.decoder.conceal(FRAME, &mut self.heard);
            }
            return Ok(());
        }
        if std::mem::take(&mut self.missing) {
            let restored = carries_fec(self.codec, packet)
                && self.decoder.decode_fec(packet, FRAME, &mut self.heard)?;
            if !restored {
                self.decoder.conceal(FRAME, &mut self.heard);
            }
        }
        self.decoder.decode(packet, &mut self.heard)?;
        Ok(())
    }
}

/// What the listener hears: its sample `n` at `begin` + n/48 ms, as if its own network took no time.
fn converse(
    said: &[i16],
    line: &Line,
    seed: u64,
    phase: Duration,
) -> anyhow::Result<(Vec<i16>, LegStats)> {
    let mut now = MediaTime::from_millis(1_000);
    let mut arriving = packets(said, line, seed, now + phase)?;
    let mut room = Room::new(RoomConfig::default(), now);
    room.insert(now, line.leg(TALKER, now));
    room.insert(now, line.leg(LISTENER, now));
    let phase_samples = usize::try_from(phase.as_micros())? * 48 / 1_000;
    let mut ear = Ear {
        random: fastrand::Rng::with_seed(seed + 1_000),
        loss: line.down_loss,
        codec: line.codec,
        decoder: AudioDecoder::new(line.codec)?,
        missing: false,
        // The first tick is 20 ms from now, and the talker begins `phase` from now.
        heard: vec![0; FRAME],
    };
    while ear.heard.len() < said.len() + 24_000 {
        now = room.deadline();
        while let Some(entry) = arriving.first_entry() {
            let (arrival, _) = *entry.key();
            if arrival > now {
                break;
            }
            let input = Input::Packet {
                leg: TALKER,
                packet: entry.remove(),
                track: Track::Audio,
            };
            room.handle(arrival, input);
        }
        room.handle(now, Input::Timeout);
        while let Some(output) = room.poll_output() {
            if let Output::Audio { leg, packet } = output
                && leg == LISTENER
            {
                ear.hear(&packet.payload)?;
            }
        }
    }
    let stats = room.leg_stats(TALKER).context("the talker has left")?;
    Ok((ear.heard.split_off(phase_samples), stats))
}

/// What the codecs alone make of it: the talker's, and what the room encodes for the listener.
fn codecs_alone(said: &[i16], line: &Line) -> anyhow::Result<Vec<i16>> {
    let mut sample = said.to_vec();
    for setting in [line.talkers_setting(), line.rendition] {
        let mut encoder = AudioEncoder::new(setting)?;
        let mut decoder = AudioDecoder::new(line.codec)?;
        let mut decoded = Vec::with_capacity(sample.len());
        for frame in sample.as_chunks::<FRAME>().0 {
            decoder.decode(&encoder.encode(frame)?, &mut decoded)?;
        }
        sample = decoded;
    }
    Ok(sample)
}

fn keep(
    folder: &Path,
    name: &str,
    speech: &Speech,
    heard: &[i16],
    band: Band,
) -> anyhow::Result<()> {
    for (index, utterance) in speech.utterances.iter().enumerate() {
        let range = utterance.start - PAUSE / 2..utterance.end + PAUSE / 2;
        let said = speech.samples.get(range.clone());
        let heard = heard.get(range);
        pesq::keep(
            folder,
            &format!("{name}.{index}"),
            said.context("the text is cut short")?,
            heard.context("what was heard is cut short")?,
            band,
        )?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a delay of some 1000 samples")]
fn p95_millis(mut delays: Vec<usize>) -> anyhow::Result<f64> {
    delays.sort_unstable();
    let p95 = delays.get(delays.len() * 95 / 100);
    Ok(*p95.context("nothing of the speech was recognised")? as f64 / 48.0)
}

/// Runs a line with two seeds and phases, keeps the recordings, and says how late speech came.
fn run(speech: &Speech, line: &Line, folder: &Path) -> anyhow::Result<()> {
    let alone = codecs_alone(&speech.samples, line)?;
    keep(
        folder,
        &format!("{}-ceiling", line.name),
        speech,
        &alone,
        line.band(),
    )?;
    let mut codecs = speech.lags(&alone);
    codecs.sort_unstable();
    let codecs = *codecs
        .get(codecs.len() / 2)
        .context("the codecs make something else of the speech")?;
    let fixed = codecs + FRAME + usize::try_from(NETWORK.as_micros())? * 48 / 1_000;
    let mut lags = Vec::new();
    for seed in 0..2u64 {
        let phase = Duration::from_millis(3 + 9 * seed);
        let (heard, stats) = converse(&speech.samples, line, seed, phase)?;
        if std::env::var_os("QUALITY_STATS").is_some() {
            eprintln!("{} {stats:?}", line.name);
        }
        lags.extend(speech.lags(&heard));
        keep(
            folder,
            &format!("{}.{seed}", line.name),
            speech,
            &heard,
            line.band(),
        )?;
    }
    let share = lags.iter().map(|lag| lag.saturating_sub(fixed)).collect();
    let clean = line.up.loss == 0.0 && line.up.jitter.is_zero();
    for (name, value, floor) in [
        ("delay", p95_millis(share)?, if clean { 40.0 } else { 60.0 }),
        ("ear", p95_millis(lags)?, 100.0),
    ] {
        let name = format!("{name}_{}_p95", line.name);
        let figure = Figure {
            name: &name,
            value,
            unit: "ms",
            floor,
        };
        println!("{figure}");
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/quality"), PathBuf::from);
    let wanted = std::env::args().nth(2);
    let recordings = folder.join("recordings");
    if recordings.exists() {
        std::fs::remove_dir_all(&recordings)?;
    }
    std::fs::create_dir_all(&recordings)?;
    let speech = Speech::recorded(UTTERANCES)?;
    let lines = LINES
        .iter()
        .filter(|line| wanted.as_ref().is_none_or(|part| line.name.contains(part)));
    for line in lines.clone() {
        run(&speech, line, &recordings)?;
    }
    let scores = match pesq::score(&recordings) {
        Ok(scores) => scores,
        Err(error) => {
            eprintln!("quality: no PESQ: {error}");
            return Ok(());
        }
    };
    for line in lines {
        let score = |name: &str| scores.get(name).copied().context("not scored");
        let value = score(line.name)?;
        let ceiling = score(&format!("{}-ceiling", line.name))?;
        for (name, floor) in [("pesq", Some(ceiling)), ("goal", line.goal)] {
            let Some(floor) = floor else { continue };
            let name = format!("{name}_{}", line.name);
            let figure = Figure {
                name: &name,
                value,
                unit: "MOS-LQO",
                floor,
            };
            println!("{figure:.2}");
        }
    }
    Ok(())
}
