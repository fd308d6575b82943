//! Incoming audio of one leg: packets in at any time, one frame of 20 ms out per tick. Knows nothing of other legs.

use std::time::Duration;

use plenum_codecs::audio::comfort_noise::{ComfortNoise, NoiseGenerator};
use plenum_codecs::audio::{
    AudioCodec, AudioDecoder, FRAME, Frame, level_dbov, mends_loss_before, payload_level,
    payload_samples,
};
use plenum_codecs::sequence::{TimestampUnwrapper, Unwrapper};
use plenum_codecs::telephone_event::{Digit, DigitSource};
use plenum_codecs::{MediaPacket, MediaTime};

use super::keys::Keys;
use super::preroll::{Preroll, Skipped};
use super::stretch;
use crate::config::AudioSetting;
use crate::jitter::{Body, JitterBuffer, Step, Stored, TOLERATED_UNDER};
use crate::stats::LegStats;

/// An Opus payload of no more octets is DTX (RFC 7587 §3.1.3).
const DTX_OCTETS: usize = 2;
/// Quieter than this (−dBov) a whole frame may be removed unheard.
const SILENT: u8 = 55;
/// The first 60 ms of a word that is caught up on are not stretched.
const PREROLL_TICKS: u32 = 3;
/// When nothing comes after a frame as quiet as this (−dBov), the sender pauses: Opus DTX need not send a packet to say so.
const BACKGROUND: u8 = 50;
/// The delay is too long as soon as it is a tick's phase more than packets need, which is so much less than the target.
const TOLERATED_OVER: i64 = -TOLERATED_UNDER;
/// A whole frame goes only when 2.5 ms more than packets need are left, so that it does not have to come back.
const LEFT: i64 = TOLERATED_UNDER - 120;
/// What waits beyond whole frames delays and lets no packet come later. It may be 7.5 ms, and is looked at over so many ticks, because
/// packets that hold no whole number of frames leave a remainder now and then.
const TOLERATED_SPARE: usize = 360;
const SPARE_TICKS: u32 = 8;
/// Ticks between corrections of the delay, …
const CORRECTION_TICKS: u32 = 5;
/// … which come in every second tick when it is off by 15 ms, …
const HURRIED: i64 = 720;
/// … and in every tick, however it sounds, by 60 ms.
const URGENT: i64 = 2_880;
/// How alike (−1 to 1) the sides of a seam have to be, normally and when hurried.
const ALIKE: f32 = 0.85;
const ALIKE_HURRIED: f32 = 0.5;

/// What to do with the packets that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    /// The frame is going to be heard or measured.
    Decode,
    /// Nobody will hear it: let time pass at no cost, but the leg may become loud.
    Skip,
    /// Nobody may hear it.
    Discard,
}

/// What is heard while the sender sends nothing on purpose.
#[derive(Debug)]
enum Background {
    Silence,
    /// The sender has described it (RFC 3389).
    Noise(Box<NoiseGenerator>),
    /// The decoder knows it (Opus DTX).
    Decoder,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    ssrc: Option<u32>,
    sequence: Unwrapper,
    timestamp: TimestampUnwrapper,
    buffer: JitterBuffer,
    decoder: Option<(AudioCodec, AudioDecoder)>,
    /// Decoded, not yet played.
    pcm: Vec<i16>,
    preroll: Preroll,
    keys: Keys,
    /// The frame of this tick.
    frame: Box<Frame>,
    since_correction: u32,
    /// Least that has waited beyond whole frames, and ticks in which it was looked at.
    spare: (usize, u32),
    /// Of the last tick in which it could be told, in samples.
    delay: i64,
    /// The last payload said that nothing follows for a while (Opus DTX).
    paused: bool,
    background: Background,
    /// Level of the last frame in −dBov.
    level: u8,
    /// Samples made up because nothing came: whether for a loss or in a pause, the next packet tells.
    unexplained: u64,
    /// Timestamp at the end of the last packet that was played, and how many had been lost until then.
    ended: Option<(u64, u64)>,
    /// Ticks for which the delay is left alone: the beginning of a word is being caught up on.
    untouched: u32,
    decodes: u64,
    stats: LegStats,
}

impl Receiver {
    pub(crate) fn new(cap: Duration) -> Self {
        Self {
            ssrc: None,
            sequence: Unwrapper::new(),
            timestamp: TimestampUnwrapper::new(),
            buffer: JitterBuffer::new(cap),
            decoder: None,
            pcm: Vec::new(),
            preroll: Preroll::default(),
            keys: Keys::default(),
            frame: Box::new([0; FRAME]),
            since_correction: 0,
            spare: (usize::MAX, 0),
            delay: 0,
            paused: false,
            background: Background::Silence,
            level: 127,
            unexplained: 0,
            ended: None,
            untouched: 0,
            decodes: 0,
            stats: LegStats::default(),
        }
    }

    /// Takes in one packet; a key press comes out, and how it was sent.
    pub(crate) fn push(
        &mut self,
        now: MediaTime,
        packet: MediaPacket,
        setting: &AudioSetting,
    ) -> Option<(Digit, DigitSource)> {
        self.stats.received += 1;
        self.stats.last_packet = Some(now);
        if self
            .ssrc
            .replace(packet.ssrc)
            .is_some_and(|before| before != packet.ssrc)
        {
            self.sequence = Unwrapper::new();
            self.timestamp = TimestampUnwrapper::new();
            self.buffer.restart();
            self.preroll.clear();
            self.background = Background::Silence;
            self.ended = None;
        }
        let event = setting
            .telephone_event
            .filter(|(payload_type, _)| *payload_type == packet.payload_type);
        let mut digit = None;
        let stored = if let Some((payload_type, _)) = event {
            let detected = self.keys.event(&packet, payload_type);
            self.stats.malformed += u64::from(detected.is_err());
            let detected = detected.ok().flatten();
            digit = detected.map(|digit| (digit, DigitSource::Event));
            quiet(now, None)
        } else if setting.comfort_noise == Some(packet.payload_type) {
            let Ok(noise) = ComfortNoise::parse(&packet.payload) else {
                self.stats.malformed += 1;
                return None;
            };
            quiet(now, Some(noise))
        } else {
            let Some(stored) = self.audio(now, &packet, setting) else {
                self.stats.malformed += 1;
                return None;
            };
            let heard = self.keys.sound(&packet, setting);
            digit = heard.map(|digit| (digit, DigitSource::Tone));
            stored
        };
        let sequence = self.sequence.unwrap(packet.sequence);
        self.buffer.push(sequence, stored, self.pcm.len());
        digit
    }

    /// Nothing has come and nothing waits: there is nothing to pull.
    pub(crate) fn is_idle(&self) -> bool {
        self.pcm.is_empty() && self.buffer.is_idle()
    }

    /// Level that the sender states for what is due next; `None` when it has to be decoded to be known.
    pub(crate) fn stated_level(&self) -> Option<u8> {
        match self.buffer.peek().map(|packet| &packet.body) {
            Some(Body::Audio { level, .. }) => *level,
            Some(Body::Quiet(_)) | None => {
                self.buffer.is_idle().then_some(match &self.background {
                    Background::Noise(generator) => generator.dbov(),
                    Background::Silence | Background::Decoder => 127,
                })
            }
        }
    }

    /// Plays 20 ms into [`Receiver::frame`] (unless skipped) and gives its level in −dBov.
    pub(crate) fn pull(&mut self, now: MediaTime, how: Pull) -> u8 {
        self.fill(now, how, FRAME);
        self.correct(now, how);
        let have = self.pcm.len().min(FRAME);
        if how != Pull::Decode {
            self.pcm.drain(..have);
            self.level = 127;
            return 127;
        }
        for (out, sample) in self
            .frame
            .iter_mut()
            .zip(self.pcm.drain(..have).chain(std::iter::repeat(0)))
        {
            *out = sample;
        }
        self.level = level_dbov(self.frame.as_slice());
        self.level
    }

    /// The frame of the last [`Receiver::pull`].
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Payloads decoded so far.
    pub(crate) fn decodes(&self) -> u64 {
        self.decodes
    }

    /// A video packet came: the leg lives.
    pub(crate) fn note_video(&mut self, now: MediaTime) {
        self.stats.video_received += 1;
        self.stats.last_packet = Some(now);
    }

    pub(crate) fn stats(&self) -> LegStats {
        let buffer = self.buffer.stats;
        let nanos = |samples: u64| samples * 62_500 / 3;
        LegStats {
            lost: buffer.lost,
            late: buffer.late,
            duplicates: buffer.duplicates,
            overflowed: buffer.overflowed,
            jitter_ns: self.buffer.jitter_nanos(),
            buffer_ns: nanos(self.buffer.queued() + self.pcm.len() as u64),
            delay_ns: nanos(u64::try_from(self.delay).unwrap_or(0)),
            target_ns: nanos(u64::try_from(self.buffer.target()).unwrap_or(0)),
            ..self.stats
        }
    }

    fn audio(
        &mut self,
        now: MediaTime,
        packet: &MediaPacket,
        setting: &AudioSetting,
    ) -> Option<Stored> {
        let (_, codec) = *setting
            .receive
            .iter()
            .find(|(payload_type, _)| *payload_type == packet.payload_type)?;
        let samples = payload_samples(codec, &packet.payload).ok()?;
        let scale = u64::from(48_000 / codec.clock_rate());
        let timestamp = self.timestamp.unwrap(packet.timestamp) * scale;
        let level = packet
            .audio_level
            .map(|level| level.dbov)
            .or_else(|| payload_level(codec, &packet.payload));
        let body = Body::Audio {
            codec,
            payload: packet.payload.clone(),
            level,
        };
        Some(Stored {
            body,
            timestamp,
            samples: samples as u64,
            mends: mends_loss_before(codec, &packet.payload),
            arrived: now,
        })
    }

    /// Plays packets until `wanted` samples are there or the buffer has nothing.
    fn fill(&mut self, now: MediaTime, how: Pull, wanted: usize) {
        while self.pcm.len() < wanted {
            match self.buffer.step(now, self.pcm.len()) {
                Step::Play(packet) => self.play(&packet, how),
                Step::Lost { samples } => {
                    self.stats.concealed += std::mem::take(&mut self.unexplained);
                    self.ended = None;
                    self.replace_lost(samples, how);
                }
                Step::Starved => {
                    self.starve(how);
                    break;
                }
                Step::Wait => {
                    self.wait(wanted, how);
                    break;
                }
            }
        }
    }

    fn play(&mut self, packet: &Stored, how: Pull) {
        let (codec, payload, level) = match &packet.body {
            Body::Audio {
                codec,
                payload,
                level,
            } => (*codec, payload, *level),
            Body::Quiet(None) => return,
            Body::Quiet(Some(noise)) => return self.hush(*noise),
        };
        self.explain(packet);
        self.background = Background::Silence;
        if how != Pull::Decode {
            self.preroll.push(Skipped {
                codec,
                payload: payload.clone(),
                samples: packet.samples,
                level: level.filter(|_| how == Pull::Skip),
            });
            self.append_silence(packet.samples);
            return;
        }
        self.play_preroll();
        let mut pcm = std::mem::take(&mut self.pcm);
        let decoded = self.decode(codec, payload, &mut pcm);
        self.pcm = pcm;
        if !decoded {
            self.stats.malformed += 1;
            let samples = usize::try_from(packet.samples).unwrap_or(0);
            self.stats.concealed += self.conceal(samples, how);
        }
    }

    /// The packet that follows tells a pause, in which time went on without packets, from packets that were late.
    fn explain(&mut self, packet: &Stored) {
        let made_up = std::mem::take(&mut self.unexplained);
        let now = (packet.timestamp + packet.samples, self.buffer.stats.lost);
        let paused = self.ended.replace(now).is_some_and(|(ended, lost)| {
            lost == self.buffer.stats.lost && packet.timestamp >= ended + made_up
        });
        self.stats.concealed += if paused { 0 } else { made_up };
    }

    /// A leg begins to be heard: its decoder learns what came before, and the beginning of the word is caught up on.
    fn play_preroll(&mut self) {
        let mut word = Vec::new();
        while let Some((before, is_word)) = self.preroll.pop() {
            self.decode(before.codec, &before.payload, &mut word);
            if !is_word {
                word.clear();
            }
        }
        if !word.is_empty() {
            // What waits is the silence that stood for the rest of the last packet.
            self.pcm = word;
            self.untouched = PREROLL_TICKS;
        }
    }

    /// The sender describes its background instead of sending it.
    fn hush(&mut self, noise: ComfortNoise) {
        match &mut self.background {
            Background::Noise(generator) => generator.change(noise),
            background => *background = Background::Noise(Box::new(NoiseGenerator::new(noise))),
        }
    }

    /// Nothing is there in time: a loss or a pause.
    fn starve(&mut self, how: Pull) {
        let opus = matches!(&self.decoder, Some((AudioCodec::Opus, _)));
        if opus && (self.paused || self.level >= BACKGROUND) {
            self.background = Background::Decoder;
            self.wait(self.pcm.len() + FRAME, how);
            return;
        }
        self.unexplained += self.conceal(FRAME, how);
    }

    /// The sender pauses, or its first packet waits.
    fn wait(&mut self, wanted: usize, how: Pull) {
        let missing = wanted.saturating_sub(self.pcm.len());
        match (&mut self.background, &mut self.decoder) {
            (Background::Noise(generator), _) if how == Pull::Decode => {
                generator.extend(missing, &mut self.pcm);
                self.pcm.truncate(wanted);
            }
            (Background::Decoder, Some((_, decoder))) if how == Pull::Decode => {
                decoder.pause(missing, &mut self.pcm);
            }
            _ => self.pcm.resize(self.pcm.len() + missing, 0),
        }
    }

    fn decode(&mut self, codec: AudioCodec, payload: &[u8], out: &mut Vec<i16>) -> bool {
        if self
            .decoder
            .as_ref()
            .is_none_or(|(current, _)| *current != codec)
        {
            self.decoder = AudioDecoder::new(codec)
                .ok()
                .map(|decoder| (codec, decoder));
        }
        self.decodes += 1;
        self.paused = codec == AudioCodec::Opus && payload.len() <= DTX_OCTETS;
        self.decoder
            .as_mut()
            .is_some_and(|(_, decoder)| decoder.decode(payload, out).is_ok())
    }

    fn replace_lost(&mut self, samples: usize, how: Pull) {
        if how == Pull::Decode
            && let Some(Stored {
                body: Body::Audio { codec, payload, .. },
                samples: following,
                ..
            }) = self.buffer.following()
            && let Some((current, decoder)) = &mut self.decoder
            && current == codec
        {
            // The next packet mends the one before it; what was lost before that is concealed first.
            let recoverable = samples.min(usize::try_from(*following).unwrap_or(0));
            let earlier = samples - recoverable;
            if earlier > 0 {
                decoder.conceal(earlier, &mut self.pcm);
                self.stats.concealed += earlier as u64;
            }
            if recoverable > 0
                && decoder
                    .decode_fec(payload, recoverable, &mut self.pcm)
                    .unwrap_or(false)
            {
                self.stats.recovered += 1;
            } else {
                decoder.conceal_before(payload, recoverable, &mut self.pcm);
                self.stats.concealed += recoverable as u64;
            }
            return;
        }
        self.stats.concealed += self.conceal(samples, how);
    }

    /// Gives how much of it was made up.
    fn conceal(&mut self, samples: usize, how: Pull) -> u64 {
        match &mut self.decoder {
            Some((_, decoder)) if how == Pull::Decode && self.preroll.is_empty() => {
                decoder.conceal(samples, &mut self.pcm);
                samples as u64
            }
            _ => {
                self.append_silence(samples as u64);
                0
            }
        }
    }

    fn append_silence(&mut self, samples: u64) {
        let length = self.pcm.len() + usize::try_from(samples).unwrap_or(0);
        self.pcm.resize(length, 0);
    }

    /// Brings the delay nearer to its target.
    fn correct(&mut self, now: MediaTime, how: Pull) {
        self.since_correction += 1;
        let Some(timing) = self.buffer.timing(now, self.pcm.len()) else {
            return;
        };
        self.delay = timing.delay;
        if self.untouched > 0 {
            self.untouched -= 1;
            return;
        }
        let spare = self.pcm.len() % FRAME;
        let always_spare = self.watch_spare(spare);
        if timing.under() > TOLERATED_UNDER {
            self.expand(timing.under(), how);
        } else if timing.over() > TOLERATED_OVER {
            // A packet later than the margin would be missed: only what is beyond it may go.
            let frame = i64::try_from(FRAME).unwrap_or(0);
            let limit = if timing.under() + frame <= LEFT {
                stretch::MAX_LAG
            } else {
                spare
            };
            self.accelerate(now, how, timing.over(), limit);
        } else if always_spare > TOLERATED_SPARE {
            self.accelerate(now, how, TOLERATED_OVER, always_spare);
        }
    }

    /// What has waited beyond whole frames in each of the last ticks; zero until that is known.
    fn watch_spare(&mut self, spare: usize) -> usize {
        let (least, ticks) = self.spare;
        let least = least.min(spare);
        if ticks + 1 < SPARE_TICKS {
            self.spare = (least, ticks + 1);
            return 0;
        }
        self.spare = (usize::MAX, 0);
        least
    }

    /// How alike a seam has to be now, by so much is the delay off; `None`: the last correction was just before.
    fn wanted_likeness(&self, off: i64) -> Option<f32> {
        match (off, self.since_correction) {
            (URGENT.., _) => Some(-1.0),
            (HURRIED.., 2..) => Some(ALIKE_HURRIED),
            (_, CORRECTION_TICKS..) => Some(ALIKE),
            _ => None,
        }
    }

    fn expand(&mut self, under: i64, how: Pull) {
        let added = if how != Pull::Decode {
            let missing = usize::try_from(under).unwrap_or(0);
            self.append_silence(missing as u64);
            missing
        } else if let Some(wanted) = self.wanted_likeness(under) {
            let before = self.frame.as_slice();
            stretch::lengthen(before, &mut self.pcm, stretch::MAX_LAG, wanted)
        } else {
            0
        };
        self.corrected(added);
        self.stats.expanded += added as u64;
    }

    /// Shortens what is waiting: a whole frame when nobody hears it, else a period of the voice.
    fn accelerate(&mut self, now: MediaTime, how: Pull, over: i64, limit: usize) {
        let Some(wanted) = self.wanted_likeness(over) else {
            return;
        };
        let waiting = usize::try_from(self.buffer.queued()).unwrap_or(usize::MAX);
        if limit < stretch::MIN_LAG || waiting.saturating_add(self.pcm.len()) < 2 * FRAME {
            return;
        }
        self.fill(now, how, 2 * FRAME);
        let quiet =
            how != Pull::Decode || level_dbov(self.pcm.get(..FRAME).unwrap_or(&[])) > SILENT;
        let whole = i64::try_from(FRAME).is_ok_and(|frame| over >= frame);
        let removed = if quiet && whole && self.pcm.len() >= 2 * FRAME {
            self.pcm.drain(..FRAME);
            FRAME
        } else {
            stretch::shorten(self.frame.as_slice(), &mut self.pcm, limit, wanted)
        };
        self.corrected(removed);
        self.stats.accelerated += removed as u64;
    }

    fn corrected(&mut self, samples: usize) {
        if samples > 0 {
            self.since_correction = 0;
            self.spare = (usize::MAX, 0);
        }
    }
}

/// Takes a sequence number, and no time of its own.
fn quiet(now: MediaTime, noise: Option<ComfortNoise>) -> Stored {
    Stored {
        body: Body::Quiet(noise),
        timestamp: 0,
        samples: 0,
        mends: false,
        arrived: now,
    }
}

#[cfg(test)]
mod tests;
