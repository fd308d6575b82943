//! The first word after a pause of Opus DTX: nothing of its beginning is cut, 20 ms by 20 ms.

use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, FRAME, level_dbov};

use crate::hearing::speech;
use crate::pauses::Line;

const WORDS: usize = 20;
/// 1.5 s of the room between words, at −68 dBov: the encoder sends nothing, and the leg leaves the mix.
const PAUSE: usize = 72_000;
const NOISE: i16 = 22;
/// 30 ms of breath before every second word, below what counts as speech.
const BREATH: usize = 1_440;
const FAINTER: i16 = 64;
/// The first 60 ms.
const ONSET: usize = 3 * FRAME;
/// The gain of a word is that of its first half second.
const WORD: usize = 24_000;
/// So much later the room may be than who decodes the packets at once: 2.5 ms of its own codec, and 60 ms that are being caught up on.
const REACH: usize = 120 + ONSET;
/// What is quieter than this (−dBov) is no part of a word.
const BACKGROUND: u8 = 60;

/// How a word's beginning is heard.
#[derive(Debug)]
struct Onset {
    /// Samples later than who decodes the packets at once.
    lag: usize,
    /// 1: the same shape.
    likeness: f64,
    /// dB of the whole word above what the packets hold: levelling.
    gain: f64,
    /// The same of each 20 ms, without that gain; what is background is left out.
    pieces: Vec<f64>,
}

fn power(samples: &[i16]) -> f64 {
    let squares = samples.iter().map(|&sample| f64::from(sample).powi(2));
    squares.sum::<f64>().max(1.0)
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

impl Onset {
    fn of(sent: &[i16], heard: &[i16]) -> Self {
        let onset = &sent[..ONSET];
        let energy = power(onset);
        let likenesses = (0..=REACH).map(|lag| {
            let heard = &heard[lag..lag + ONSET];
            let pairs = onset.iter().zip(heard);
            let product: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            product / (energy * power(heard)).sqrt()
        });
        let best = likenesses.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let (lag, likeness) = best.unwrap();
        let heard = &heard[lag..];
        let gain = decibels(power(&heard[..WORD]) / power(&sent[..WORD]));
        let pieces = onset.chunks(FRAME).zip(heard.chunks(FRAME));
        let pieces = pieces
            .filter(|(sent, _)| level_dbov(sent) < BACKGROUND)
            .map(|(sent, heard)| decibels(power(heard) / power(sent)) - gain)
            .collect();
        Self {
            lag,
            likeness,
            gain,
            pieces,
        }
    }
}

/// Words after pauses, and where they begin.
fn text() -> (Vec<i16>, Vec<usize>) {
    let mut random = fastrand::Rng::with_seed(1);
    let (mut said, mut begins) = (Vec::new(), Vec::new());
    for word in 0..WORDS {
        // Of all phases to the packets.
        said.resize(said.len() + PAUSE + 131 * word, 0);
        begins.push(said.len());
        let text = speech(1, u64::try_from(word).unwrap());
        if word % 2 == 1 {
            let breath = text.iter().skip(4_800).take(BREATH);
            said.extend(breath.map(|sample| sample / FAINTER));
        }
        said.extend(text);
    }
    said.resize(said.len() + PAUSE, 0);
    for sample in &mut said {
        *sample = sample.saturating_add(random.i16(-NOISE..=NOISE));
    }
    (said, begins)
}

/// What is heard is compared with what the packets hold: what the talker's encoder leaves out is not ours to bring. The levels alone
/// would not do: of a word that swells, a beginning that is cut leaves the rest louder, and levelling changes both.
#[test]
fn with_dtx_no_words_beginning_is_cut() {
    let (said, begins) = text();
    let mut line = Line::new(AudioCodec::Opus);
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(32_000)).unwrap();
    encoder.set_dtx(true).unwrap();
    let mut ear = AudioDecoder::new(AudioCodec::Opus).unwrap();
    let (mut sent, mut kept_back, mut skipped) = (Vec::new(), 0, 0);
    for frame in said.as_chunks::<FRAME>().0 {
        let payload = encoder.encode_vec(frame, 1_275).unwrap();
        let dtx = payload.len() <= 2;
        let packet = (111, Bytes::from(payload), Some(level_dbov(frame)));
        if dtx {
            ear.pause(FRAME, &mut sent);
        } else {
            ear.decode(&packet.1, &mut sent).unwrap();
        }
        // Of DTX the first frame goes out, to say so.
        kept_back = if dtx { kept_back + 1 } else { 0 };
        skipped += usize::from(kept_back > 1);
        line.passes((kept_back <= 1).then_some(packet));
    }
    assert!(
        skipped > WORDS * 20,
        "the encoder has not paused: {skipped}"
    );
    for (word, begin) in begins.into_iter().enumerate() {
        // What the talker's encoder adds: 6.5 ms.
        let begin = begin + 312;
        let onset = Onset::of(&sent[begin..], &line.heard[begin..]);
        println!("word {word}: {onset:.2?}");
        assert!(onset.likeness > 0.98, "word {word}: {onset:.2?}");
        assert!(onset.lag <= REACH && onset.gain.abs() < 6.0);
        assert!(!onset.pieces.is_empty());
        for piece in &onset.pieces {
            assert!(piece.abs() < 1.0, "word {word}: {onset:.2?}");
        }
    }
}
