//! Incoming audio of one leg: packets in at any time, one frame of 20 ms out per tick. Knows nothing of other legs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::{
    AudioCodec, AudioDecoder, FRAME, Frame, carries_fec, level_dbov, payload_samples,
};
use plenum_codecs::sequence::{TimestampUnwrapper, Unwrapper};
use plenum_codecs::telephone_event::{Digit, DigitDetector};
use plenum_codecs::{MediaPacket, MediaTime};

use super::stretch;
use crate::config::AudioSetting;
use crate::jitter::{Body, JitterBuffer, Step, Stored};
use crate::stats::LegStats;

/// Undecoded packets kept of a silent leg, so that the decoder knows what came before an onset: 60 ms.
const SKIPPED: usize = 3;
/// An Opus payload of no more octets is DTX (RFC 7587 §3.1.3).
const DTX_OCTETS: usize = 2;
/// Quieter than this (−dBov) a whole frame may be removed unheard.
const SILENT: u8 = 55;
/// The delay is left alone while it is off by less than this: 2.5 ms too long, 5 ms too short.
const TOLERATED_OVER: i64 = 120;
const TOLERATED_UNDER: i64 = 240;
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
    /// Nobody will hear it: let time pass at no cost.
    Skip,
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
    scratch: Vec<i16>,
    skipped: VecDeque<(AudioCodec, Bytes)>,
    digits: Option<(u8, DigitDetector)>,
    /// The frame of this tick.
    frame: Box<Frame>,
    since_correction: u32,
    /// Of the last tick in which it could be told, in samples.
    delay: i64,
    /// The last payload said that nothing follows for a while (Opus DTX).
    paused: bool,
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
            scratch: Vec::new(),
            skipped: VecDeque::new(),
            digits: None,
            frame: Box::new([0; FRAME]),
            since_correction: 0,
            delay: 0,
            paused: false,
            decodes: 0,
            stats: LegStats::default(),
        }
    }

    /// Takes in one packet; a key press comes out.
    pub(crate) fn push(
        &mut self,
        now: MediaTime,
        packet: MediaPacket,
        setting: &AudioSetting,
    ) -> Option<Digit> {
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
            self.skipped.clear();
        }
        let event = setting
            .telephone_event
            .filter(|(payload_type, _)| *payload_type == packet.payload_type);
        let mut digit = None;
        let stored = if let Some((payload_type, _)) = event {
            digit = self.detect(&packet, payload_type);
            quiet(now)
        } else if setting.comfort_noise == Some(packet.payload_type) {
            quiet(now)
        } else {
            let Some(stored) = self.audio(now, &packet, setting) else {
                self.stats.malformed += 1;
                return None;
            };
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
            Some(Body::Audio { level, .. }) => level.map(|level| level.dbov),
            Some(Body::Quiet) | None => self.buffer.is_idle().then_some(127),
        }
    }

    /// Plays 20 ms into [`Receiver::frame`] (unless skipped) and gives its level in −dBov.
    pub(crate) fn pull(&mut self, now: MediaTime, how: Pull) -> u8 {
        self.fill(now, how, FRAME);
        self.correct(now, how);
        let have = self.pcm.len().min(FRAME);
        if how == Pull::Skip {
            self.pcm.drain(..have);
            return 127;
        }
        for (out, sample) in self
            .frame
            .iter_mut()
            .zip(self.pcm.drain(..have).chain(std::iter::repeat(0)))
        {
            *out = sample;
        }
        level_dbov(self.frame.as_slice())
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

    fn detect(&mut self, packet: &MediaPacket, payload_type: u8) -> Option<Digit> {
        if self
            .digits
            .as_ref()
            .is_none_or(|(known, _)| *known != payload_type)
        {
            self.digits = Some((payload_type, DigitDetector::new()));
        }
        let detected = self
            .digits
            .as_mut()
            .map(|(_, detector)| detector.push(packet))?;
        self.stats.malformed += u64::from(detected.is_err());
        detected.ok().flatten()
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
        let body = Body::Audio {
            codec,
            payload: packet.payload.clone(),
            level: packet.audio_level,
        };
        Some(Stored {
            body,
            timestamp,
            samples: samples as u64,
            fec: carries_fec(codec, &packet.payload),
            arrived: now,
        })
    }

    /// Plays packets until `wanted` samples are there or the buffer has nothing.
    fn fill(&mut self, now: MediaTime, how: Pull, wanted: usize) {
        while self.pcm.len() < wanted {
            match self.buffer.step(now, self.pcm.len()) {
                Step::Play(packet) => self.play(&packet, how),
                Step::Lost { samples } => self.replace_lost(samples, how),
                Step::Starved => {
                    self.conceal(FRAME, how);
                    break;
                }
                Step::Wait => {
                    self.pcm.resize(wanted, 0);
                    break;
                }
            }
        }
    }

    fn play(&mut self, packet: &Stored, how: Pull) {
        let Body::Audio { codec, payload, .. } = &packet.body else {
            return;
        };
        if how == Pull::Skip {
            if self.skipped.len() == SKIPPED {
                self.skipped.pop_front();
            }
            self.skipped.push_back((*codec, payload.clone()));
            self.append_silence(packet.samples);
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some((codec, before)) = self.skipped.pop_front() {
            scratch.clear();
            self.decode(codec, &before, &mut scratch);
        }
        self.scratch = scratch;
        let mut pcm = std::mem::take(&mut self.pcm);
        let decoded = self.decode(*codec, payload, &mut pcm);
        self.pcm = pcm;
        if !decoded {
            self.stats.malformed += 1;
            self.conceal(usize::try_from(packet.samples).unwrap_or(0), how);
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
            // FEC holds the one packet before; what was lost before that is concealed first.
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
                decoder.conceal(recoverable, &mut self.pcm);
                self.stats.concealed += recoverable as u64;
            }
            return;
        }
        self.conceal(samples, how);
    }

    fn conceal(&mut self, samples: usize, how: Pull) {
        match &mut self.decoder {
            Some((_, decoder)) if how == Pull::Decode && self.skipped.is_empty() => {
                decoder.conceal(samples, &mut self.pcm);
                // After DTX it is the comfort noise that the sender has asked for.
                self.stats.concealed += if self.paused { 0 } else { samples as u64 };
            }
            _ => self.append_silence(samples as u64),
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
        if timing.under() > TOLERATED_UNDER {
            self.expand(timing.under(), how);
        } else if timing.over() > TOLERATED_OVER {
            // A packet later than the margin would be missed: only what is beyond it may go.
            let spare = self.pcm.len() % FRAME;
            let frame = i64::try_from(FRAME).unwrap_or(0);
            let limit = if timing.under() + frame <= TOLERATED_UNDER {
                stretch::MAX_LAG
            } else {
                spare
            };
            self.accelerate(now, how, timing.over(), limit);
        }
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
        let added = if how == Pull::Skip {
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
        let quiet = how == Pull::Skip || level_dbov(self.pcm.get(..FRAME).unwrap_or(&[])) > SILENT;
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
        }
    }
}

/// Takes a sequence number, is heard as silence.
fn quiet(now: MediaTime) -> Stored {
    Stored {
        body: Body::Quiet,
        timestamp: 0,
        samples: 0,
        fec: false,
        arrived: now,
    }
}

#[cfg(test)]
mod tests;
