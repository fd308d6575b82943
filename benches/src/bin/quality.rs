//! Speech from a talker on a bad line through a room to a listener on a good one: how late it comes and what PESQ says of it.
//!
//! Lines are `name value unit floor ratio`. For delays the floor is the most that is allowed (ratio ≤ 1 is met), for PESQ the least
//! that is wanted (ratio ≥ 1 is met). The recordings stay in a folder (first argument, else `target/quality`) for ears and other
//! tools; QUALITY_STATS=1 shows the talker's counters on stderr. Without the `pesq` module of Python they are not scored, and stderr says so. Time is virtual, every chance seeded.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use plenum_benches::Figure;
use plenum_codecs::audio::{
    AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, OpusMode, level_dbov,
};
use plenum_codecs::resample::{Downsampler, Ratio};
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime, wav};
use plenum_mixer::{
    AudioSetting, Input, Leg, LegConfig, LegId, LegStats, Output, Room, RoomConfig, Track,
};

/// Harvard sentences (IEEE 269), by three voices.
const TEXTS: [(&str, &str); 3] = [
    (
        "slt",
        "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It's easy to tell the depth of a well.",
    ),
    (
        "rms",
        "These days a chicken leg is a rare dish. Rice is often served in round bowls. The juice of lemons makes fine punch.",
    ),
    (
        "awb",
        "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage. Four hours of steady work faced us.",
    ),
];
/// Silence between two recordings: 0.8 s.
const PAUSE: usize = 38_400;
/// Samples in one step of the search for a lag.
const COARSE: usize = 12;
/// One way over the network without jitter.
const NETWORK: Duration = Duration::from_millis(20);
const TALKER: LegId = LegId(1);
const LISTENER: LegId = LegId(2);

/// What happens on the way to the server.
#[derive(Debug, Clone, Copy)]
struct Line {
    name: &'static str,
    codec: AudioCodec,
    loss: f64,
    jitter: Duration,
    clock_millionths: i32,
    /// PESQ wanted.
    goal: Option<f64>,
}

const fn line(name: &'static str, codec: AudioCodec, loss: f64, jitter: u64, goal: f64) -> Line {
    Line {
        name,
        codec,
        loss,
        jitter: Duration::from_millis(jitter),
        clock_millionths: 0,
        goal: Some(goal),
    }
}

const fn skewed(name: &'static str, codec: AudioCodec, clock_millionths: i32, goal: f64) -> Line {
    Line {
        clock_millionths,
        ..line(name, codec, 0.0, 0, goal)
    }
}

const LINES: [Line; 12] = [
    line("opus_clean", AudioCodec::Opus, 0.0, 0, 4.2),
    line("opus_loss_5", AudioCodec::Opus, 0.05, 0, 3.6),
    line("opus_loss_10", AudioCodec::Opus, 0.10, 0, 3.3),
    line("opus_loss_5_jitter_30", AudioCodec::Opus, 0.05, 30, 3.4),
    skewed("opus_plus_200_ppm", AudioCodec::Opus, 200, 4.2),
    skewed("opus_minus_200_ppm", AudioCodec::Opus, -200, 4.2),
    line("g711_clean", AudioCodec::Pcmu, 0.0, 0, 3.9),
    line("g711_loss_5", AudioCodec::Pcmu, 0.05, 0, 3.0),
    Line {
        goal: None,
        ..line("g711_loss_10", AudioCodec::Pcmu, 0.10, 0, 1.0)
    },
    line("g711_loss_5_jitter_30", AudioCodec::Pcmu, 0.05, 30, 3.1),
    skewed("g711_plus_200_ppm", AudioCodec::Pcmu, 200, 3.9),
    skewed("g711_minus_200_ppm", AudioCodec::Pcmu, -200, 3.9),
];

/// Where the words of each text begin and end in what the talker says.
type Spans = Vec<(usize, usize)>;

/// The texts twice, with pauses: a bad line is a different one the second time.
fn speech(folder: &Path) -> anyhow::Result<(Vec<i16>, Spans)> {
    let mut said = vec![0; 2 * PAUSE];
    let mut spans = Vec::new();
    for round in 0..2 {
        for (voice, text) in TEXTS {
            let file = folder.join(format!("{voice}.wav"));
            if round == 0 {
                let status = Command::new("flite")
                    .args(["-voice", voice, "-t", text, "-o"])
                    .arg(&file)
                    .status()
                    .context("flite did not start (make deps installs it)")?;
                ensure!(status.success(), "flite failed: {status}");
            }
            let words = wav::read(&std::fs::read(&file)?)?;
            let begin = said.len();
            said.extend_from_slice(&words);
            spans.push((begin, said.len()));
            said.resize(said.len() + PAUSE, 0);
        }
    }
    Ok((said, spans))
}

fn payload_type(codec: AudioCodec) -> u8 {
    codec.static_payload_type().unwrap_or(111)
}

fn leg(id: LegId, codec: AudioCodec, now: MediaTime) -> Leg {
    let audio = AudioSetting {
        receive: vec![(payload_type(codec), codec)],
        send: Some((payload_type(codec), EncoderSetting::of(codec))),
        telephone_event: None,
        comfort_noise: None,
        level_extension: codec == AudioCodec::Opus,
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

/// What a browser's encoder does: FEC as RTCP reports loss.
fn talkers_setting(line: Line) -> EncoderSetting {
    if line.codec != AudioCodec::Opus {
        return EncoderSetting::of(line.codec);
    }
    EncoderSetting::opus(OpusMode::Voip {
        bitrate: 32_000,
        fec_loss_percent: if line.loss > 0.07 {
            10
        } else if line.loss > 0.0 {
            5
        } else {
            0
        },
    })
}

/// The talker's packets by time of arrival; of equal times in order.
fn packets(
    said: &[i16],
    line: Line,
    seed: u64,
    begin: MediaTime,
) -> anyhow::Result<BTreeMap<(MediaTime, u16), MediaPacket>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut encoder = AudioEncoder::new(talkers_setting(line))?;
    let frame_time =
        Duration::from_millis(20).div_f64(1.0 + f64::from(line.clock_millionths) / 1e6);
    let mut arriving = BTreeMap::new();
    for (index, frame) in said.as_chunks::<FRAME>().0.iter().enumerate() {
        let packet = MediaPacket {
            payload_type: payload_type(line.codec),
            marker: false,
            sequence: u16::try_from(index & 0xffff)?,
            timestamp: u32::try_from(index)?.wrapping_mul(line.codec.frame_timestamps()),
            ssrc: 7,
            audio_level: (line.codec == AudioCodec::Opus).then_some(AudioLevel {
                dbov: level_dbov(frame),
                voice: false,
            }),
            payload: encoder.encode(frame)?,
        };
        // A frame is sent when its last sample has been spoken.
        let sent = begin + frame_time.mul_f64(f64::from(u32::try_from(index + 1)?));
        let arrival = sent + NETWORK + line.jitter.mul_f64(random.f64());
        if random.f64() >= line.loss {
            arriving.insert((arrival, packet.sequence), packet);
        }
    }
    Ok(arriving)
}

/// What the listener hears: its sample `n` at `begin` + n/48 ms, as if its own network took no time.
fn converse(
    said: &[i16],
    line: Line,
    seed: u64,
    phase: Duration,
) -> anyhow::Result<(Vec<i16>, LegStats)> {
    let mut now = MediaTime::from_millis(1_000);
    let mut arriving = packets(said, line, seed, now + phase)?;
    let mut room = Room::new(RoomConfig::default(), now);
    room.insert(now, leg(TALKER, line.codec, now));
    room.insert(now, leg(LISTENER, line.codec, now));
    let mut decoder = AudioDecoder::new(line.codec)?;
    let phase_samples = usize::try_from(phase.as_micros())? * 48 / 1_000;
    let mut heard = Vec::with_capacity(said.len() + 48_000);
    // The first tick is 20 ms from now, and the talker begins `phase` from now.
    heard.resize(FRAME, 0);
    while heard.len() < said.len() + 24_000 {
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
                decoder.decode(&packet.payload, &mut heard)?;
            }
        }
    }
    let stats = room.leg_stats(TALKER).context("the talker has left")?;
    heard.drain(..phase_samples);
    Ok((heard, stats))
}

/// Samples by which the codecs alone delay: the talker's, and what the room encodes for the listener.
fn codec_delay(said: &[i16], spans: &Spans, line: Line) -> anyhow::Result<usize> {
    let mut sample = said.to_vec();
    for setting in [talkers_setting(line), EncoderSetting::of(line.codec)] {
        let mut encoder = AudioEncoder::new(setting)?;
        let mut decoder = AudioDecoder::new(line.codec)?;
        let mut decoded = Vec::with_capacity(sample.len());
        for frame in sample.as_chunks::<FRAME>().0 {
            decoder.decode(&encoder.encode(frame)?, &mut decoded)?;
        }
        sample = decoded;
    }
    let mut found = lags(said, &sample, spans);
    found.sort_unstable();
    found
        .get(found.len() / 2)
        .copied()
        .context("what comes from the codecs is not like what goes in")
}

/// Means of twelve samples: enough to find a lag to 0.25 ms.
fn coarse(samples: &[i16]) -> Vec<f32> {
    samples
        .chunks_exact(COARSE)
        .map(|few| few.iter().map(|&sample| f32::from(sample)).sum::<f32>())
        .collect()
}

/// In samples at 48 kHz, for each half second of speech in which it can be told: how late it is heard (up to 250 ms).
fn lags(said: &[i16], heard: &[i16], spans: &Spans) -> Vec<usize> {
    const WINDOW: usize = 24_000 / COARSE;
    const REACH: usize = 12_000 / COARSE;
    let (said, heard) = (coarse(said), coarse(heard));
    let mut found = Vec::new();
    for &(begin, end) in spans {
        for at in (begin / COARSE..(end / COARSE).saturating_sub(WINDOW)).step_by(WINDOW) {
            let Some(window) = said.get(at..at + WINDOW) else {
                continue;
            };
            let energy: f32 = window.iter().map(|sample| sample * sample).sum();
            let best = (0..REACH)
                .filter_map(|lag| Some((lag, heard.get(at + lag..at + lag + WINDOW)?)))
                .map(|(lag, other)| {
                    let product: f32 = window.iter().zip(other).map(|(a, b)| a * b).sum();
                    let power: f32 = other.iter().map(|sample| sample * sample).sum();
                    (lag, product / (energy * power).sqrt().max(1.0))
                })
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((lag, likeness)) = best
                && likeness > 0.5
            {
                found.push(lag * COARSE);
            }
        }
    }
    found
}

/// A 16-bit mono WAV at 16 kHz (wideband) or 8 kHz.
fn store(path: &Path, samples: &[i16], wideband: bool) -> anyhow::Result<()> {
    let (ratio, rate) = if wideband {
        (Ratio::Three, 16_000u32)
    } else {
        (Ratio::Six, 8_000)
    };
    let mut low = Vec::new();
    Downsampler::new(ratio).push(samples, &mut low);
    let size = u32::try_from(low.len() * 2)?;
    let mut file = Vec::with_capacity(44 + low.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend(size.to_le_bytes());
    low.iter()
        .for_each(|sample| file.extend(sample.to_le_bytes()));
    std::fs::write(path, file)?;
    Ok(())
}

/// Runs a line with two seeds and phases, stores the recordings, and gives the server's share of the delay (p95, ms).
fn run(said: &[i16], spans: &Spans, line: Line, folder: &Path) -> anyhow::Result<f64> {
    let codecs = codec_delay(said, spans, line)?;
    let fixed = codecs + FRAME + usize::try_from(NETWORK.as_micros())? * 48 / 1_000;
    let mut delays = Vec::new();
    for seed in 0..2u64 {
        let phase = Duration::from_millis(3 + 9 * seed);
        let (heard, stats) = converse(said, line, seed, phase)?;
        if std::env::var_os("QUALITY_STATS").is_some() {
            eprintln!("{} {stats:?}", line.name);
        }
        delays.extend(
            lags(said, &heard, spans)
                .into_iter()
                .map(|lag| lag.saturating_sub(fixed)),
        );
        for (index, &(begin, end)) in spans.iter().enumerate() {
            let (from, to) = (begin - PAUSE / 2, end + PAUSE / 2);
            let name = format!("{}.{seed}.{index}", line.name);
            let wideband = line.codec == AudioCodec::Opus;
            let cut = |samples: &[i16]| samples.get(from..to).map(<[i16]>::to_vec);
            let reference = cut(said).context("the text is cut short")?;
            let degraded = cut(&heard).context("what was heard is cut short")?;
            store(
                &folder.join(format!("{name}.ref.wav")),
                &reference,
                wideband,
            )?;
            store(&folder.join(format!("{name}.deg.wav")), &degraded, wideband)?;
        }
    }
    delays.sort_unstable();
    let p95 = delays
        .get(delays.len() * 95 / 100)
        .context("nothing of the speech was recognised")?;
    Ok(f64::from(u32::try_from(*p95)?) / 48.0)
}

/// Mean PESQ of each line's recordings.
fn score(folder: &Path) -> anyhow::Result<BTreeMap<String, f64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/pesq.py");
    let output = Command::new("python3").arg(script).arg(folder).output()?;
    ensure!(
        output.status.success(),
        "scripts/pesq.py failed (pip install pesq): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for scored in String::from_utf8(output.stdout)?.lines() {
        let (name, value) = scored
            .split_once(' ')
            .context("scripts/pesq.py is to print `name score`")?;
        let (line, _) = name.split_once('.').unwrap_or((name, ""));
        let sum = sums.entry(line.to_owned()).or_default();
        *sum = (sum.0 + value.parse::<f64>()?, sum.1 + 1.0);
    }
    Ok(sums
        .into_iter()
        .map(|(line, (sum, count))| (line, sum / count))
        .collect())
}

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/quality"), PathBuf::from);
    let wanted = std::env::args().nth(2);
    std::fs::create_dir_all(&folder)?;
    let recordings = folder.join("recordings");
    if recordings.exists() {
        std::fs::remove_dir_all(&recordings)?;
    }
    std::fs::create_dir_all(&recordings)?;
    let (said, spans) = speech(&folder)?;
    let lines = LINES
        .iter()
        .filter(|line| wanted.as_ref().is_none_or(|part| line.name.contains(part)));
    for line in lines.clone() {
        let value = run(&said, &spans, *line, &recordings)?;
        // The server may add 40 ms on a clean path; mouth to ear is not to exceed 100 ms with loss, of which network and frame take 40.
        let clean = line.loss == 0.0;
        let name = format!("delay_{}_p95", line.name);
        let figure = Figure {
            name: &name,
            value,
            unit: "ms",
            floor: if clean { 40.0 } else { 60.0 },
        };
        println!("{figure}");
    }
    let scores = match score(&recordings) {
        Ok(scores) => scores,
        Err(error) => {
            eprintln!("quality: no PESQ: {error}");
            return Ok(());
        }
    };
    for line in lines {
        let value = *scores
            .get(line.name)
            .context("a line has not been scored")?;
        let name = format!("pesq_{}", line.name);
        let figure = Figure {
            name: &name,
            value,
            unit: "MOS-LQO",
            floor: line.goal.unwrap_or(value),
        };
        println!("{figure:.2}");
    }
    Ok(())
}
