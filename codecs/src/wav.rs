//! WAV files in memory: read to 48 kHz mono, and written from it. Files themselves are the caller's.

use std::io::Cursor;

use crate::audio::SAMPLE_RATE;
use crate::error::CodecError;
use crate::resample::{Ratio, Upsampler};

/// Longest recording that is read: one hour at 48 kHz.
pub const MAX_SAMPLES: usize = 3_600 * SAMPLE_RATE as usize;

/// Reads a 16-bit PCM WAV of 8, 16 or 48 kHz; stereo is mixed down. Gives 48 kHz mono.
///
/// # Errors
/// [`CodecError::Malformed`] when it is no such WAV or cut short, [`CodecError::TooLarge`] when it is longer than an hour.
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, CodecError> {
    let reader = hound::WavReader::new(Cursor::new(bytes))
        .map_err(|_| CodecError::malformed("WAV", "a RIFF header with a fmt chunk expected"))?;
    let spec = reader.spec();
    if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err(CodecError::malformed(
            "WAV",
            "16-bit integer samples expected",
        ));
    }
    if !(1..=2).contains(&spec.channels) {
        return Err(CodecError::malformed("WAV", "one or two channels expected"));
    }
    let ratio = Ratio::of_rate(spec.sample_rate);
    if ratio.is_none() && spec.sample_rate != SAMPLE_RATE {
        return Err(CodecError::malformed(
            "WAV",
            "a sample rate of 8000, 16000 or 48000 Hz expected",
        ));
    }
    let length = reader.duration() as usize * ratio.map_or(1, Ratio::factor);
    if length > MAX_SAMPLES {
        return Err(CodecError::TooLarge {
            format: "WAV",
            size: length,
            limit: MAX_SAMPLES,
        });
    }
    let samples: Vec<i16> = reader
        .into_samples()
        .collect::<Result<_, _>>()
        .map_err(|_| CodecError::malformed("WAV", "as many samples as announced expected"))?;
    let mono = if spec.channels == 1 {
        samples
    } else {
        samples
            .chunks_exact(2)
            .map(|pair| pair[0].midpoint(pair[1]))
            .collect()
    };
    let Some(ratio) = ratio else {
        return Ok(mono);
    };
    Ok(upsample(ratio, &mono))
}

/// Raises a whole recording without shifting it: the filter's delay is cut from the front, and its tail fetched by silence.
fn upsample(ratio: Ratio, mono: &[i16]) -> Vec<i16> {
    const DELAY: usize = 24;
    let mut out = Vec::with_capacity((mono.len() + DELAY) * ratio.factor());
    let mut resampler = Upsampler::new(ratio);
    resampler.push(mono, &mut out);
    resampler.push(&[0; DELAY], &mut out);
    out.drain(..DELAY * ratio.factor());
    out
}

/// Writes 48 kHz mono as a 16-bit PCM WAV.
///
/// # Errors
/// [`CodecError::TooLarge`] when it is longer than an hour.
pub fn write(samples: &[i16]) -> Result<Vec<u8>, CodecError> {
    let too_large = || CodecError::TooLarge {
        format: "WAV",
        size: samples.len(),
        limit: MAX_SAMPLES,
    };
    if samples.len() > MAX_SAMPLES {
        return Err(too_large());
    }
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::with_capacity(44 + samples.len() * 2));
    // Writing into memory fails only by size, which was checked.
    let mut writer = hound::WavWriter::new(&mut bytes, spec).map_err(|_| too_large())?;
    for &sample in samples {
        writer.write_sample(sample).map_err(|_| too_large())?;
    }
    writer.finalize().map_err(|_| too_large())?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::tone::{Tone, tone_rms};

    fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples
            .iter()
            .for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut samples = Vec::new();
        Tone::new(440.0, 9_000.0).extend(4_801, &mut samples);
        assert_eq!(read(&write(&samples).unwrap()).unwrap(), samples);
    }

    #[test]
    fn low_rates_are_raised_and_stereo_is_mixed_down() {
        for (rate, every) in [(8_000, 6), (16_000, 3)] {
            let mut fine = Vec::new();
            Tone::new(1_000.0, 9_000.0).extend(24_000, &mut fine);
            let coarse: Vec<i16> = fine
                .iter()
                .step_by(every)
                .flat_map(|&sample| [sample, sample])
                .collect();
            let raised = read(&wav(rate, 2, &coarse)).unwrap();
            assert_eq!(raised.len(), fine.len());
            let level = tone_rms(&raised, 1_000.0) * std::f64::consts::SQRT_2;
            assert!((level - 9_000.0).abs() < 30.0, "level {level} at {rate} Hz");
            // Not shifted by more than half a sample of the lower rate: a tone of 1 kHz differs by its slope at most.
            let shift = raised[4_800..19_200]
                .iter()
                .zip(&fine[4_800..])
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert!(
                shift < Some(u16::try_from(every * 700).unwrap()),
                "differs by {shift:?} at {rate} Hz"
            );
        }
    }

    #[test]
    fn other_formats_and_cut_files_are_refused() {
        let good = wav(8_000, 1, &[1, 2, 3, 4]);
        assert!(read(&good).is_ok());
        assert!(read(&good[..good.len() - 3]).is_err());
        assert!(read(&good[..20]).is_err());
        assert!(read(b"not a wav").is_err());
        assert!(read(&wav(44_100, 1, &[0; 100])).is_err());
        assert!(read(&wav(8_000, 3, &[0; 99])).is_err());
    }
}
