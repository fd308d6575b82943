//! People who speak and music that plays key no digit: Debian's `asterisk-core-sounds-*-g722` (English, Spanish, French, Italian, Russian) and
//! `asterisk-moh-opsound-wav`, through G.711 at three levels, and through G.722.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};

use plenum_codecs::audio::g711::Law;
use plenum_codecs::audio::g722::LowerBand;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, Frame};
use plenum_codecs::dtmf::ToneDetector;
use plenum_codecs::resample::{Downsampler, Ratio};
use plenum_codecs::wav;

const SPEECH: &str = "/usr/share/asterisk/sounds";
const MUSIC: &str = "/usr/share/asterisk/moh";
/// Of the recordings', as numerators over 4.
const LEVELS: [i32; 3] = [8, 4, 1];

fn files(folder: &Path, kind: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, kind, found);
        } else if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
}

/// 48 kHz.
fn samples(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "wav") {
        return wav::read(&bytes).unwrap();
    }
    let mut decoder = AudioDecoder::new(AudioCodec::G722).unwrap();
    let mut pcm = Vec::new();
    for payload in bytes.chunks(160) {
        // What is left at the end may be no whole payload.
        let _ = decoder.decode(payload, &mut pcm);
    }
    pcm
}

/// Digits that are heard in what is not one, at all levels by both laws, and as it is in G.722.
fn false_digits(pcm: &[i16]) -> usize {
    narrow_digits(pcm) + wide_digits(pcm)
}

fn wide_digits(pcm: &[i16]) -> usize {
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::G722)).unwrap();
    let (mut lower, mut detector) = (LowerBand::default(), ToneDetector::new());
    let heard = |frame: &Frame| {
        let payload = encoder.encode(frame).unwrap();
        detector.push(payload.into_iter().map(|octet| lower.decode(octet)))
    };
    pcm.as_chunks::<FRAME>().0.iter().filter_map(heard).count()
}

fn narrow_digits(pcm: &[i16]) -> usize {
    let mut narrow = Vec::new();
    Downsampler::new(Ratio::Six).push(pcm, &mut narrow);
    let mut count = 0;
    for level in LEVELS {
        for law in [Law::A, Law::Mu] {
            let mut detector = ToneDetector::new();
            let heard = |sample: &i16| {
                let scaled = (i32::from(*sample) * level / 4).clamp(-32_768, 32_767);
                law.decode(law.encode(i16::try_from(scaled).unwrap_or_default()))
            };
            count += narrow
                .chunks(160)
                .filter(|chunk| detector.push(chunk.iter().map(heard)).is_some())
                .count();
        }
    }
    count
}

#[test]
fn recorded_speech_keys_no_digit() {
    let mut paths = Vec::new();
    files(Path::new(SPEECH), "g722", &mut paths);
    assert!(
        paths.len() > 2_000,
        "asterisk-core-sounds-*-g722 are not installed"
    );
    let mut seconds = 0;
    let mut wrong = Vec::new();
    for path in &paths {
        let pcm = samples(path);
        seconds += pcm.len() / 48_000;
        let count = false_digits(&pcm);
        if count > 0 {
            wrong.push((path, count));
        }
    }
    assert!(seconds > 1_800, "{seconds} s of speech");
    assert!(wrong.is_empty(), "of {seconds} s: {wrong:?}");
}

#[test]
fn music_keys_no_digit() {
    let mut paths = Vec::new();
    files(Path::new(MUSIC), "wav", &mut paths);
    assert!(
        !paths.is_empty(),
        "asterisk-moh-opsound-wav is not installed"
    );
    for path in &paths {
        assert_eq!(false_digits(&samples(path)), 0, "{}", path.display());
    }
}
