//! What the legs say: speech and silence, encoded once and sent by all.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use plenum_codecs::audio::{
    AudioCodec, AudioEncoder, EncoderSetting, FRAME, Frame, OpusMode, level_dbov,
};
use plenum_codecs::{AudioLevel, wav};

use crate::prompts::PromptLibrary;

/// Quieter than this is no voice to a browser's detector, −dBov.
const VOICE: u8 = 50;
/// Pause between two rounds of the speech: one second.
const PAUSE: usize = 48_000;
/// A silent encoder has settled after so many frames.
const SETTLING: usize = 25;

/// The speech as samples: 48 kHz mono, whole frames.
#[derive(Debug, Clone)]
pub(super) struct Speech(pub(super) Arc<[i16]>);

impl Speech {
    /// A WAV, or what the host of the demo conference says.
    ///
    /// # Errors
    /// When the WAV cannot be read or is shorter than a second.
    pub(super) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut samples = match file {
            None => PromptLibrary::load(None)?.demo_host().to_vec(),
            Some(path) => {
                let named = || path.display().to_string();
                let bytes = std::fs::read(path).with_context(named)?;
                wav::read(&bytes).with_context(named)?
            }
        };
        ensure!(samples.len() >= 48_000, "the speech lasts under a second");
        samples.resize((samples.len() + PAUSE).next_multiple_of(FRAME), 0);
        Ok(Self(samples.into()))
    }

    /// A part of the endless repetition, from a frame on.
    pub(super) fn part(&self, frame: usize, samples: usize) -> Vec<i16> {
        let begin = frame * FRAME % self.0.len();
        let endless = self.0.iter().cycle().skip(begin);
        endless.take(samples).copied().collect()
    }
}

/// One encoded frame with its loudness.
#[derive(Debug, Clone)]
pub(super) struct Spoken {
    pub(super) payload: Bytes,
    pub(super) level: AudioLevel,
}

/// The speech and silence in one codec.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) speech: Vec<Spoken>,
    /// The same, 6 dB quieter: the other talkers', so that the one who is measured is heard among them.
    pub(super) murmur: Vec<Spoken>,
    pub(super) silence: Spoken,
}

impl Voice {
    /// # Errors
    /// When the codec fails.
    pub(super) fn encode(codec: AudioCodec, speech: &Speech) -> anyhow::Result<Self> {
        let quiet = speech.0.iter().map(|sample| sample / 2).collect::<Vec<_>>();
        let silent = encode(codec, &[0; SETTLING * FRAME])?;
        Ok(Self {
            speech: encode(codec, &speech.0)?,
            murmur: encode(codec, &quiet)?,
            silence: silent.last().cloned().context("no silence")?,
        })
    }
}

/// As a browser encodes: for speech, with FEC in reserve.
fn setting(codec: AudioCodec) -> EncoderSetting {
    match codec {
        AudioCodec::Opus => EncoderSetting::opus(OpusMode::Voip {
            bitrate: 32_000,
            fec_loss_percent: 1,
        }),
        other => EncoderSetting::of(other),
    }
}

fn encode(codec: AudioCodec, samples: &[i16]) -> anyhow::Result<Vec<Spoken>> {
    let mut encoder = AudioEncoder::new(setting(codec))?;
    let frames = samples.as_chunks::<FRAME>().0;
    frames
        .iter()
        .map(|frame: &Frame| {
            let dbov = level_dbov(frame);
            Ok(Spoken {
                payload: encoder.encode(frame)?,
                level: AudioLevel {
                    dbov,
                    voice: dbov < VOICE,
                },
            })
        })
        .collect()
}
