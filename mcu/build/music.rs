//! Cuts a loop out of Debian's music on hold. Knows nothing of who hears it.

use std::path::Path;

use super::fault::Fault;
use super::prompts::{Sound, read, samples};

/// Quiet and without drums, so that it bears repeating and a phone's codec; CC-BY-SA 3.0, see `THIRD-PARTY.md`.
const SOURCE: &str = "/usr/share/asterisk/moh/macroform-the_simplicity.wav";
/// Where the loop begins and how long it is, seconds.
const FROM: f64 = 60.0;
const LENGTH: f64 = 45.0;
/// The end passes into the beginning over this long, seconds.
const FADE: f64 = 2.0;
/// Loudness, as RMS over the whole: −30 dBFS, 10 dB below speech.
const RMS: f64 = 1_036.0;

/// The loop: its last sample is followed by its first without a seam.
pub(crate) fn build() -> Result<Sound, Fault> {
    let remedy = "apt-get install asterisk-moh-opsound-wav (or `make deps`)";
    let whole = read(Path::new(SOURCE), remedy)?;
    let (from, length) = (samples(FROM, whole.rate), samples(LENGTH, whole.rate));
    let fade = samples(FADE, whole.rate);
    let Some(piece) = whole.samples.get(from..from + length + fade) else {
        return Err(Fault::new(format!("{SOURCE} is too short"), remedy));
    };
    let (looped, after) = piece.split_at(length);
    let mut mixed: Vec<f64> = looped.iter().map(|&sample| f64::from(sample)).collect();
    // At the loop's beginning what follows its end fades out: the end passes into it as it did in the piece.
    for (index, (sample, next)) in mixed.iter_mut().zip(after).enumerate() {
        let turn = position(index, fade) * std::f64::consts::FRAC_PI_2;
        *sample = *sample * turn.sin() + f64::from(*next) * turn.cos();
    }
    let energy: f64 = mixed.iter().map(|sample| sample.powi(2)).sum();
    let gain = RMS / (energy / position(mixed.len(), 1)).sqrt().max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, which clips"
    )]
    let samples = mixed.iter().map(|sample| (sample * gain) as i16).collect();
    Ok(Sound {
        rate: whole.rate,
        samples,
    })
}

#[expect(clippy::cast_precision_loss, reason = "minutes of samples are exact")]
fn position(index: usize, whole: usize) -> f64 {
    index as f64 / whole as f64
}
