//! What 20 ms of a room cost: taking in what was sent to it, the tick, and polling its outputs. No sockets, no SRTP.
//!
//! The floor of each line is measured in the same run: the decoder and encoder calls that the work cannot do without, on the same
//! sounds. Times are CPU time of the thread, so that neighbours on the machine disturb them less.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use plenum_benches::Figure;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, Frame};
use plenum_codecs::tone::Tone;
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{
    AudioSetting, Channel, Channels, Command, Input, Leg, LegConfig, LegId, Room, RoomConfig, Track,
};

const OPUS: u8 = 111;
/// Three decodes, three private encodes and one shared one on the reference machine (design §8).
const REFERENCE_MICROS: f64 = 233.0;
/// What a listener that says nothing may add to a tick, in ns.
const LISTENER_NANOS: f64 = 60.0;
/// Ticks before anything is measured.
const WARMING: u32 = 100;
/// Each figure is the best of so many runs.
const RUNS: usize = 3;

/// CPU time of this thread (proc(5), schedstat).
fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = stat.split_whitespace().next().context("empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn micros(work: impl FnOnce() -> anyhow::Result<()>, times: u32) -> anyhow::Result<f64> {
    let before = cpu_time()?;
    work()?;
    let spent = cpu_time()?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(times))
}

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

/// Two seconds of a voice-like chord.
fn voice(talker: u64) -> anyhow::Result<Vec<Frame>> {
    let pitch = 110.0 + 13.0 * f64::from(u32::try_from(talker)?);
    let mut tones: Vec<Tone> = (1..12u32)
        .map(|harmonic| Tone::new(pitch * f64::from(harmonic), 2_000.0 / f64::from(harmonic)))
        .collect();
    let mut sample = || {
        let tones = tones.iter_mut().map(Tone::next_sample);
        tones.fold(0, i16::saturating_add)
    };
    Ok((0..100)
        .map(|_| std::array::from_fn(|_| sample()))
        .collect())
}

fn encoded(frames: &[Frame]) -> anyhow::Result<Vec<Bytes>> {
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus))?;
    let payloads = frames.iter().map(|frame| Ok(encoder.encode(frame)?));
    payloads.collect()
}

/// A room and what is sent to it.
struct Scene {
    /// The first of them talk without pause.
    talkers: u64,
    /// After them come so many who send silence, and say so.
    silent: u64,
    /// And so many who send nothing.
    listeners: u64,
    /// Ticks that are measured.
    ticks: u32,
    /// Orders to the room beforehand.
    orders: Vec<Command>,
    /// What it cannot do without.
    decodes: u32,
    encodes: u32,
}

/// Voices that are mixed at once.
const MIXED: u64 = 8;

impl Scene {
    fn talking(talkers: u64, listeners: u64) -> Self {
        let few = u32::try_from(talkers.min(MIXED)).unwrap_or(8);
        Self {
            talkers,
            silent: 0,
            listeners,
            ticks: 500,
            orders: Vec::new(),
            decodes: few,
            encodes: few + u32::from(listeners > 0 || talkers > MIXED),
        }
    }

    /// Mean CPU time of a tick and of the bare codec calls in it, in µs.
    fn measure(&self) -> anyhow::Result<(f64, f64)> {
        let mut now = MediaTime::from_millis(1_000);
        let mut room = Room::new(RoomConfig::default(), now);
        for id in 0..self.talkers + self.silent + self.listeners {
            room.insert(now, leg(id, now));
        }
        for order in &self.orders {
            room.handle(now, Input::Command(order.clone()));
        }
        let voices = (0..self.talkers)
            .map(|talker| encoded(&voice(talker)?))
            .collect::<Result<Vec<_>, _>>()?;
        let silence = encoded(&[[0; FRAME]; 4])?;
        let mut schedule = Vec::new();
        for tick in 0..WARMING + self.ticks {
            let mut inputs = Vec::new();
            for (id, voice) in (0u64..).zip(&voices) {
                inputs.push(packet(id, tick, voice, 20)?);
            }
            for id in self.talkers..self.talkers + self.silent {
                inputs.push(packet(id, tick, &silence, 127)?);
            }
            schedule.push(inputs);
        }
        let measured = schedule.split_off(WARMING as usize);
        let mut live = |schedule: Vec<Vec<Input>>| {
            for inputs in schedule {
                now += Duration::from_millis(20);
                for input in inputs {
                    room.handle(now, input);
                }
                room.handle(now, Input::Timeout);
                while let Some(output) = room.poll_output() {
                    black_box(output);
                }
            }
            room.stats()
        };
        let before = live(schedule);
        let mut after = before;
        let work = || {
            after = live(measured);
            Ok(())
        };
        let spent = micros(work, self.ticks)?;
        let encodes = after.encodes.opus.shared + after.encodes.opus.private
            - before.encodes.opus.shared
            - before.encodes.opus.private;
        let decodes = after.decodes - before.decodes;
        let all = u64::from(self.ticks);
        // More than are mixed take turns of 3 s: who comes is decoded from 80 ms before, who goes is encoded for 2 s at most.
        let turns = if self.talkers > MIXED {
            all * MIXED / 150
        } else {
            0
        };
        let enough = [
            u64::from(self.decodes) * all + 5 * turns,
            u64::from(self.encodes) * all + 100 * turns,
        ];
        anyhow::ensure!(
            decodes <= enough[0] && encodes <= enough[1],
            "{decodes} decodes and {encodes} encodes in {all} ticks; {enough:?} are enough"
        );
        anyhow::ensure!(
            encodes + 5 >= u64::from(self.encodes) * all,
            "{encodes} encodes in {all} ticks are too few for a comparison"
        );
        Ok((spent, self.floor()?))
    }

    /// The same decoder and encoder calls alone: of one voice, and of all together.
    fn floor(&self) -> anyhow::Result<f64> {
        let mut frames = voice(0)?;
        let payloads = encoded(&frames)?;
        for talker in 1..u64::from(self.decodes) {
            for (mix, frame) in frames.iter_mut().zip(voice(talker)?) {
                for (mix, sample) in mix.iter_mut().zip(frame) {
                    *mix = mix.saturating_add(sample);
                }
            }
        }
        let setting = EncoderSetting::of(AudioCodec::Opus);
        let mut decoders = (0..self.decodes)
            .map(|_| AudioDecoder::new(AudioCodec::Opus))
            .collect::<Result<Vec<_>, _>>()?;
        let mut encoders = (0..self.encodes)
            .map(|_| AudioEncoder::new(setting))
            .collect::<Result<Vec<_>, _>>()?;
        let mut pcm = Vec::new();
        let work = || {
            for (frame, payload) in frames.iter().zip(&payloads).cycle().take(200) {
                for decoder in &mut decoders {
                    pcm.clear();
                    decoder.decode(payload, &mut pcm)?;
                    black_box(&pcm);
                }
                for encoder in &mut encoders {
                    black_box(encoder.encode(frame)?);
                }
            }
            Ok(())
        };
        micros(work, 200)
    }

    /// The best of some runs: what the work costs, not what the neighbours do.
    fn best(&self) -> anyhow::Result<(f64, f64)> {
        let mut best = (f64::INFINITY, f64::INFINITY);
        for _ in 0..RUNS {
            let (spent, floor) = self.measure()?;
            best = (best.0.min(spent), best.1.min(floor));
        }
        Ok(best)
    }

    fn print(&self, name: &str) -> anyhow::Result<f64> {
        let (value, floor) = self.best()?;
        let figure = Figure {
            name,
            value,
            unit: "µs",
            floor,
        };
        println!("{figure}");
        Ok(value)
    }
}

fn packet(leg: u64, tick: u32, payloads: &[Bytes], dbov: u8) -> anyhow::Result<Input> {
    let payload = payloads
        .get(tick as usize % payloads.len().max(1))
        .context("a voice is empty")?;
    let packet = MediaPacket {
        payload_type: OPUS,
        marker: false,
        sequence: u16::try_from(tick & 0xffff)?,
        timestamp: tick.wrapping_mul(960),
        ssrc: 1,
        audio_level: Some(AudioLevel {
            dbov,
            voice: dbov < 50,
        }),
        payload: payload.clone(),
    };
    Ok(Input::Packet {
        leg: LegId(leg),
        packet,
        track: Track::Audio,
    })
}

/// One talker, two interpreters, and an audience of three languages; a coach for the talker beside.
fn with_channels(listeners: u64) -> anyhow::Result<Scene> {
    let channel = |number| Channel::new(number).context("a room has 32 channels");
    let mut orders = Vec::new();
    for (leg, number) in [(1, 1), (2, 2), (3, 3)] {
        orders.push(Command::Speak {
            leg: LegId(leg),
            channels: Channels::only(channel(number)?),
        });
    }
    orders.push(Command::Hear {
        leg: LegId(0),
        hears: vec![(Channel::MAIN, 0.0), (channel(3)?, 0.0)],
    });
    for id in 4..4 + listeners {
        let hears = match id % 3 {
            0 => continue,
            language => vec![
                (channel(u8::try_from(language)?)?, 0.0),
                (Channel::MAIN, -12.0),
            ],
        };
        orders.push(Command::Hear {
            leg: LegId(id),
            hears,
        });
    }
    Ok(Scene {
        orders,
        decodes: 4,
        // The three mixes of the audience, and the talker's, who hears its coach.
        encodes: 4,
        ..Scene::talking(4, listeners)
    })
}

fn main() -> anyhow::Result<()> {
    let (_, bare) = Scene::talking(3, 10).best()?;
    let figure = Figure {
        name: "room_tick_bare_codec_calls",
        value: bare,
        unit: "µs",
        floor: REFERENCE_MICROS,
    };
    println!("{figure}");
    let mut ticks = Vec::new();
    for listeners in [10, 100, 1_000, 2_000] {
        let name = format!("room_tick_3_talkers_{listeners}_listeners");
        ticks.push(Scene::talking(3, listeners).print(&name)?);
    }
    if let [few, .., many] = ticks[..] {
        let figure = Figure {
            name: "room_tick_each_further_listener",
            value: (many - few) * 1e3 / 1_990.0,
            unit: "ns",
            floor: LISTENER_NANOS,
        };
        println!("{figure}");
    }
    let silent = Scene {
        silent: 500,
        ticks: 200,
        ..Scene::talking(3, 1)
    };
    silent.print("room_tick_3_talkers_500_sending_silence")?;
    Scene::talking(8, 100).print("room_tick_8_talkers_100_listeners")?;
    Scene::talking(50, 0).print("room_tick_50_all_talking")?;
    with_channels(300)?.print("room_tick_4_channels_300_listeners")?;
    Ok(())
}
