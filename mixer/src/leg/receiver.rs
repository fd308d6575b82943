//! Incoming audio of one leg: packets in at any time, one frame of 20 ms out per tick. Knows nothing of other legs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, FRAME, Frame, level_dbov, payload_samples};
use plenum_codecs::sequence::{TimestampUnwrapper, Unwrapper};
use plenum_codecs::telephone_event::{Digit, DigitDetector};
use plenum_codecs::{MediaPacket, MediaTime};

use super::stretch;
use crate::config::AudioSetting;
use crate::jitter::{Body, JitterBuffer, Step, Stored};
use crate::stats::LegStats;

/// Undecoded packets kept of a silent leg, so that the decoder knows what came before an onset: 60 ms.
const SKIPPED: usize = 3;
/// Quieter than this (−dBov) a frame may be removed or put in unheard.
const SILENT: u8 = 55;
/// Ticks between corrections of the delay.
const CORRECTION_TICKS: u32 = 5;
/// Above this deviation the delay is corrected in every tick: 80 ms.
const URGENT: i64 = 3_840;

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
            Stored {
                body: Body::Quiet,
                timestamp: 0,
                samples: 0,
            }
        } else if setting.comfort_noise == Some(packet.payload_type) {
            Stored {
                body: Body::Quiet,
                timestamp: 0,
                samples: 0,
            }
        } else {
            let Some(stored) = self.audio(&packet, setting) else {
                self.stats.malformed += 1;
                return None;
            };
            stored
        };
        let sequence = self.sequence.unwrap(packet.sequence);
        self.buffer.push(now, sequence, stored, self.pcm.len());
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
        self.since_correction += 1;
        let deviation = self.buffer.deviation(now, self.pcm.len());
        let due = self.since_correction >= CORRECTION_TICKS || deviation.abs() > URGENT;
        if due && deviation < 0 && self.is_silent_now(how) {
            self.since_correction = 0;
            self.stats.grown += FRAME as u64;
            self.frame.fill(0);
            return 127;
        }
        self.fill(now, how, FRAME);
        if due && deviation > 0 {
            self.shorten(now, how, deviation);
        }
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

    fn audio(&mut self, packet: &MediaPacket, setting: &AudioSetting) -> Option<Stored> {
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
                self.stats.concealed += samples as u64;
            }
            _ => self.append_silence(samples as u64),
        }
    }

    fn append_silence(&mut self, samples: u64) {
        let length = self.pcm.len() + usize::try_from(samples).unwrap_or(0);
        self.pcm.resize(length, 0);
    }

    /// Shortens what is waiting: a whole frame when nobody hears it, else one period of the voice.
    fn shorten(&mut self, now: MediaTime, how: Pull, deviation: i64) {
        if self.buffer.queued() == 0 && self.pcm.len() < 2 * FRAME {
            return;
        }
        self.fill(now, how, 2 * FRAME);
        let quiet = how == Pull::Skip || level_dbov(self.pcm.get(..FRAME).unwrap_or(&[])) > SILENT;
        let removed = if quiet && deviation >= 960 && self.pcm.len() >= 2 * FRAME {
            self.pcm.drain(..FRAME);
            FRAME
        } else {
            stretch::shorten(&mut self.pcm)
        };
        self.stats.shrunk += removed as u64;
        self.since_correction = 0;
    }

    fn is_silent_now(&self, how: Pull) -> bool {
        how == Pull::Skip || level_dbov(self.frame.as_slice()) > SILENT
    }
}
