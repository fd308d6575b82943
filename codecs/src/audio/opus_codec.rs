//! Opus decoding by libopus: concealment and in-band FEC. The `opus` crate is named only here.

use opus::{Channels, Decoder, packet};

use super::{FRAME, MAX_PAYLOAD_SAMPLES, SAMPLE_RATE};
use crate::error::CodecError;

/// libopus conceals in multiples of 2.5 ms.
const GRAIN: usize = 120;

fn library(error: &opus::Error) -> CodecError {
    CodecError::Library {
        library: "libopus",
        call: error.function(),
        code: error.code() as i64,
    }
}

/// Samples at 48 kHz in a payload, at most 120 ms (RFC 6716 §3.2.5).
pub(super) fn payload_samples(payload: &[u8]) -> Result<usize, CodecError> {
    if payload.is_empty() {
        return Err(CodecError::malformed(
            "opus payload",
            "at least a TOC octet expected",
        ));
    }
    let samples = packet::get_nb_samples(payload, SAMPLE_RATE).map_err(|_| {
        CodecError::malformed("opus payload", "a frame count that fits 120 ms expected")
    })?;
    match samples {
        0 => Err(CodecError::malformed(
            "opus payload",
            "at least one frame expected",
        )),
        1..=MAX_PAYLOAD_SAMPLES => Ok(samples),
        _ => Err(CodecError::TooLarge {
            format: "opus payload",
            size: samples,
            limit: MAX_PAYLOAD_SAMPLES,
        }),
    }
}

/// Concealment is left as libopus makes it for 60 ms and fades to silence until 200 ms: on steady sounds libopus would hum
/// for ever.
const GAP_WHOLE: usize = 2_880;
const GAP_FADE: usize = 6_720;

/// Mono decoder at 48 kHz.
#[derive(Debug)]
pub(super) struct OpusDecoder {
    decoder: Decoder,
    /// Samples concealed since the last payload.
    gap: usize,
}

impl OpusDecoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        Decoder::new(SAMPLE_RATE, Channels::Mono)
            .map(|decoder| Self { decoder, gap: 0 })
            .map_err(|error| library(&error))
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        let samples = payload_samples(payload)?;
        self.run(payload, samples, false, out).map_err(|_| {
            CodecError::malformed("opus payload", "frames as the TOC announces expected")
        })?;
        self.gap = 0;
        Ok(())
    }

    pub(super) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let (start, end) = (out.len(), out.len() + samples);
        while out.len() < end && self.gap + (out.len() - start) < GAP_WHOLE + GAP_FADE {
            let grains = (end - out.len()).div_ceil(GRAIN) * GRAIN;
            if self
                .run(&[], grains.min(MAX_PAYLOAD_SAMPLES), false, out)
                .is_err()
            {
                break;
            }
        }
        out.resize(end, 0);
        for (i, sample) in out[start..].iter_mut().enumerate() {
            *sample = fade(*sample, (self.gap + i).saturating_sub(GAP_WHOLE));
        }
        self.gap = self.gap.saturating_add(samples);
    }

    /// What libopus plays in a pause: the background, which does not fade.
    pub(super) fn pause(&mut self, samples: usize, out: &mut Vec<i16>) {
        let end = out.len() + samples;
        while out.len() < end {
            let grains = (end - out.len()).div_ceil(GRAIN) * GRAIN;
            if self
                .run(&[], grains.min(MAX_PAYLOAD_SAMPLES), false, out)
                .is_err()
            {
                break;
            }
        }
        out.resize(end, 0);
    }

    pub(super) fn decode_fec(
        &mut self,
        next: &[u8],
        samples: usize,
        out: &mut Vec<i16>,
    ) -> Result<bool, CodecError> {
        payload_samples(next)?;
        if samples == 0
            || samples > MAX_PAYLOAD_SAMPLES
            || !samples.is_multiple_of(GRAIN)
            || !has_fec(next)?
        {
            return Ok(false);
        }
        self.run(next, samples, true, out).map_err(|_| {
            CodecError::malformed("opus payload", "frames as the TOC announces expected")
        })?;
        self.gap = 0;
        Ok(true)
    }

    /// Decodes into the end of `out`, which is left as it was on an error.
    fn run(
        &mut self,
        payload: &[u8],
        samples: usize,
        fec: bool,
        out: &mut Vec<i16>,
    ) -> Result<(), opus::Error> {
        let start = out.len();
        out.resize(start + samples, 0);
        let made = self.decoder.decode(payload, &mut out[start..], fec);
        out.truncate(start + made.as_ref().copied().unwrap_or(0));
        made.map(|_| ())
    }
}

/// A sample `position` samples into the fade.
fn fade(sample: i16, position: usize) -> i16 {
    let left = i32::try_from(GAP_FADE.saturating_sub(position)).unwrap_or(0);
    let whole = i32::try_from(GAP_FADE).unwrap_or(i32::MAX);
    i16::try_from(i32::from(sample) * left / whole).unwrap_or(sample)
}

/// Whether a payload carries in-band FEC for the one before it: the LBRR flag at the head of the first SILK frame
/// (RFC 6716 §4.2.3: per channel one voice bit for each 20 ms, then the flag).
pub(super) fn has_fec(payload: &[u8]) -> Result<bool, CodecError> {
    let toc = payload.first().copied().unwrap_or(0);
    if toc & 0x80 != 0 {
        return Ok(false); // CELT only
    }
    let parsed = packet::parse(payload).map_err(|_| {
        CodecError::malformed("opus payload", "frames as the TOC announces expected")
    })?;
    let Some(&head) = parsed.frames.first().and_then(|frame| frame.first()) else {
        return Ok(false); // a frame of no octets is DTX
    };
    let frame_samples = packet::get_samples_per_frame(payload, SAMPLE_RATE).unwrap_or(FRAME);
    let silk_frames = (frame_samples / FRAME).max(1);
    let stereo = toc & 0x04 != 0;
    Ok((head >> (7 - silk_frames)) & 1 == 1
        || stereo && (head >> 6usize.saturating_sub(2 * silk_frames)) & 1 == 1)
}
