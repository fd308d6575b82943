//! The codecs as their users see them, judged by tone levels and signal-to-noise ratios.

use super::*;
use crate::tone::{Tone, tone_rms};
use proptest::prelude::*;
use std::f64::consts::{SQRT_2, TAU};

const ALL: [AudioCodec; 4] = AudioCodec::ALL;

/// A voice-like sound: harmonics of a pitch that glides, in syllables.
fn voice(frames: usize) -> Vec<Frame> {
    let mut phase = 0.0f64;
    (0..frames)
        .map(|frame| {
            std::array::from_fn(|i| {
                let t = (frame * FRAME + i) as f64 / 48_000.0;
                phase += (130.0 + 25.0 * (t * 2.1).sin()) / 48_000.0;
                let beat = 0.52 + 0.48 * (t * 25.0).sin();
                let sum: f64 = (1..=16)
                    .map(|k| (TAU * phase * f64::from(k)).sin() / f64::from(k))
                    .sum();
                (5_000.0 * beat * sum) as i16
            })
        })
        .collect()
}

fn tone(hertz: f64, frames: usize) -> Vec<Frame> {
    let mut tone = Tone::new(hertz, 10_000.0);
    (0..frames)
        .map(|_| std::array::from_fn(|_| tone.next_sample()))
        .collect()
}

fn encode(setting: EncoderSetting, frames: &[Frame]) -> Vec<Bytes> {
    let mut encoder = AudioEncoder::new(setting).unwrap();
    frames
        .iter()
        .map(|frame| encoder.encode(frame).unwrap())
        .collect()
}

fn snr(wanted: &[i16], got: &[i16]) -> f64 {
    let signal: f64 = wanted.iter().map(|&a| f64::from(a).powi(2)).sum();
    let noise: f64 = wanted
        .iter()
        .zip(got)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum();
    10.0 * (signal / noise.max(1e-9)).log10()
}

/// The best ratio over all delays up to 20 ms.
fn snr_aligned(wanted: &[i16], got: &[i16]) -> f64 {
    (0..FRAME)
        .map(|delay| snr(&wanted[..wanted.len() - delay], &got[delay..]))
        .fold(f64::MIN, f64::max)
}

#[test]
fn a_tone_comes_through_every_codec_at_its_level() {
    for setting in ALL
        .map(EncoderSetting::of)
        .into_iter()
        .chain([EncoderSetting::opus(OpusMode::LOSSY)])
    {
        let mut decoder = AudioDecoder::new(setting.codec).unwrap();
        let mut heard = Vec::new();
        for payload in encode(setting, &tone(1_000.0, 50)) {
            assert_eq!(payload_samples(setting.codec, &payload), Ok(FRAME));
            let before = heard.len();
            decoder.decode(&payload, &mut heard).unwrap();
            assert_eq!(heard.len() - before, FRAME);
        }
        let level = 20.0 * (tone_rms(&heard[9_600..], 1_000.0) * SQRT_2 / 10_000.0).log10();
        assert!(level.abs() < 0.5, "{setting:?}: {level:.2} dB");
        let other = 20.0 * (tone_rms(&heard[9_600..], 1_370.0) * SQRT_2 / 10_000.0).log10();
        assert!(other < -40.0, "{setting:?}: {other:.2} dB of another tone");
    }
}

#[test]
fn telephone_codecs_keep_a_voice_to_their_noise() {
    let frames = voice(50);
    for (codec, wanted) in [
        (AudioCodec::G722, 20.0),
        (AudioCodec::Pcmu, 30.0),
        (AudioCodec::Pcma, 30.0),
    ] {
        let mut decoder = AudioDecoder::new(codec).unwrap();
        let mut heard = Vec::new();
        for payload in encode(EncoderSetting::of(codec), &frames) {
            assert_eq!(payload.len(), 160);
            decoder.decode(&payload, &mut heard).unwrap();
        }
        let ratio = snr_aligned(&frames.concat(), &heard);
        assert!(ratio > wanted, "{codec:?}: {ratio:.1} dB");
    }
}

#[test]
fn g722_carries_what_the_telephone_cuts_off() {
    for (codec, range) in [
        (AudioCodec::G722, -1.0..1.0),
        (AudioCodec::Pcmu, f64::NEG_INFINITY..-40.0),
    ] {
        let mut decoder = AudioDecoder::new(codec).unwrap();
        let mut heard = Vec::new();
        for payload in encode(EncoderSetting::of(codec), &tone(6_000.0, 50)) {
            decoder.decode(&payload, &mut heard).unwrap();
        }
        let level = 20.0 * (tone_rms(&heard[9_600..], 6_000.0) * SQRT_2 / 10_000.0).log10();
        assert!(range.contains(&level), "{codec:?}: 6 kHz at {level:.1} dB");
    }
}

#[test]
fn opus_keeps_a_voice_to_15_db_and_its_bit_rate() {
    let frames = voice(100);
    for mode in [
        OpusMode::MIX,
        OpusMode::LowDelay {
            bitrate: 64_000,
            complexity: 5,
        },
    ] {
        let OpusMode::LowDelay { bitrate, .. } = mode else {
            unreachable!()
        };
        let payloads = encode(EncoderSetting::opus(mode), &frames);
        let bits = payloads.iter().map(Bytes::len).sum::<usize>() * 8 / 2;
        let asked = bitrate as usize;
        assert!(
            (asked * 7 / 10..asked * 13 / 10).contains(&bits),
            "{bits} bit/s instead of {asked}"
        );
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut heard = Vec::new();
        payloads
            .iter()
            .for_each(|payload| decoder.decode(payload, &mut heard).unwrap());
        let ratio = snr_aligned(&frames.concat(), &heard);
        assert!(ratio > 15.0, "{mode:?}: {ratio:.1} dB");
    }
}

#[test]
fn a_lost_frame_of_a_tone_is_concealed_at_its_level() {
    for codec in ALL {
        let payloads = encode(EncoderSetting::of(codec), &tone(200.0, 30));
        let mut decoder = AudioDecoder::new(codec).unwrap();
        let mut heard = Vec::new();
        for (i, payload) in payloads.iter().enumerate() {
            if i == 20 {
                decoder.conceal(FRAME, &mut heard);
            } else {
                decoder.decode(payload, &mut heard).unwrap();
            }
        }
        assert_eq!(heard.len(), 30 * FRAME);
        // The gap, moved by the decoders' delay of about 3 ms, four whole periods of the tone.
        let gap = &heard[20 * FRAME + 144..21 * FRAME + 144];
        let level = 20.0 * (tone_rms(gap, 200.0) * SQRT_2 / 10_000.0).log10();
        assert!(level.abs() < 3.0, "{codec:?}: {level:.1} dB in the gap");
        // No click where the gap begins and ends: a step is not much larger than the steepest of the tone, 262 per sample.
        let step = heard[19 * FRAME..23 * FRAME]
            .windows(2)
            .map(|pair| pair[0].abs_diff(pair[1]))
            .max();
        assert!(step < Some(800), "{codec:?}: a step of {step:?}");
    }
}

#[test]
fn a_gap_is_closer_to_what_was_lost_when_the_next_payload_is_at_hand() {
    for codec in [AudioCodec::Pcmu, AudioCodec::Pcma] {
        let payloads = encode(EncoderSetting::of(codec), &voice(200));
        let lost = |i: usize| i % 10 == 5;
        let run = |mode: u8| {
            let mut decoder = AudioDecoder::new(codec).unwrap();
            let mut heard = Vec::new();
            for (i, payload) in payloads.iter().enumerate() {
                match mode {
                    1 if lost(i) => decoder.conceal(FRAME, &mut heard),
                    2 if lost(i) => decoder.conceal_before(&payloads[i + 1], FRAME, &mut heard),
                    _ => decoder.decode(payload, &mut heard).unwrap(),
                }
                assert_eq!(heard.len(), (i + 1) * FRAME);
            }
            // The gaps and 10 ms after them, where speech is faded in.
            (0..200)
                .filter(|&i| lost(i))
                .flat_map(|i| heard[i * FRAME..(i + 1) * FRAME + 480].to_vec())
                .collect::<Vec<_>>()
        };
        let (whole, one, both) = (run(0), run(1), run(2));
        let (one, both) = (snr(&whole, &one), snr(&whole, &both));
        assert!(
            both > one + 2.0,
            "{codec:?}: {one:.1} dB from one side, {both:.1} from both"
        );
    }
}

/// Too little after the gap to know a pitch, or a codec that decodes only in order: concealment as ever.
#[test]
fn the_next_payload_is_of_use_or_does_no_harm() {
    for codec in ALL {
        for octets in [1, 40, 80, 100, 160, 480, 960] {
            let mut decoder = AudioDecoder::new(codec).unwrap();
            let mut out = Vec::new();
            decoder.conceal_before(&vec![0x55; octets], 2_880, &mut out);
            assert_eq!(out.len(), 2_880, "{codec:?}, {octets} octets");
        }
    }
}

#[test]
fn a_long_gap_fades_to_silence() {
    for codec in ALL {
        let mut decoder = AudioDecoder::new(codec).unwrap();
        let mut heard = Vec::new();
        encode(EncoderSetting::of(codec), &voice(20))
            .iter()
            .for_each(|payload| decoder.decode(payload, &mut heard).unwrap());
        heard.clear();
        for _ in 0..50 {
            decoder.conceal(FRAME, &mut heard);
        }
        assert_eq!(heard.len(), 50 * FRAME);
        assert!(
            level_dbov(&heard[..FRAME]) < 40,
            "{codec:?} begins at {}",
            level_dbov(&heard[..FRAME])
        );
        assert!(
            level_dbov(&heard[49 * FRAME..]) > 60,
            "{codec:?} ends at {}",
            level_dbov(&heard[49 * FRAME..])
        );
    }
}

#[test]
fn concealment_of_any_length_is_exactly_as_long_as_asked() {
    for codec in ALL {
        let mut decoder = AudioDecoder::new(codec).unwrap();
        for samples in [0, 1, 119, 120, 480, 960, 2_880, 5_760, 12_000] {
            let mut out = vec![7; 3];
            decoder.conceal(samples, &mut out);
            assert_eq!(
                (out.len(), &out[..3]),
                (samples + 3, [7; 3].as_slice()),
                "{codec:?}"
            );
        }
    }
}

#[test]
fn in_band_fec_restores_what_concealment_cannot_guess() {
    let payloads = encode(EncoderSetting::opus(OpusMode::LOSSY), &voice(200));
    // The encoder protects what it takes for speech; in every ten frames one that is protected gets lost.
    let protects = |payload: &Bytes| {
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        decoder.decode_fec(payload, FRAME, &mut Vec::new()).unwrap()
    };
    let lost: Vec<usize> = (1..19)
        .filter_map(|ten| (ten * 10..ten * 10 + 8).find(|&i| protects(&payloads[i + 1])))
        .collect();
    assert!(
        lost.len() >= 10,
        "only {} of 18 tens have a protected frame",
        lost.len()
    );
    let lost_frames = |samples: &[i16]| -> Vec<i16> {
        lost.iter()
            .flat_map(|i| samples[i * FRAME..(i + 1) * FRAME].to_vec())
            .collect()
    };
    let run = |lost: &[usize], fec: bool| {
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut heard = Vec::new();
        for (i, payload) in payloads.iter().enumerate() {
            if !lost.contains(&i) {
                decoder.decode(payload, &mut heard).unwrap();
            } else if fec {
                assert_eq!(
                    decoder.decode_fec(&payloads[i + 1], FRAME, &mut heard),
                    Ok(true)
                );
            } else {
                decoder.conceal(FRAME, &mut heard);
            }
            assert_eq!(heard.len(), (i + 1) * FRAME);
        }
        lost_frames(&heard)
    };
    let (whole, repaired, guessed) = (run(&[], false), run(&lost, true), run(&lost, false));
    let (with, without) = (snr(&whole, &repaired), snr(&whole, &guessed));
    assert!(
        with > without + 3.0,
        "lost frames: {with:.1} dB with FEC, {without:.1} dB without"
    );
    assert!(with > 8.0, "lost frames: {with:.1} dB with FEC");
}

#[test]
fn low_delay_has_no_fec_and_says_so() {
    let payloads = encode(EncoderSetting::of(AudioCodec::Opus), &voice(10));
    let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
    let mut out = Vec::new();
    for payload in &payloads {
        assert_eq!(decoder.decode_fec(payload, FRAME, &mut out), Ok(false));
    }
    assert_eq!(
        AudioDecoder::new(AudioCodec::Pcma)
            .unwrap()
            .decode_fec(&[0xd5; 160], FRAME, &mut out),
        Ok(false)
    );
    assert!(out.is_empty());
}

#[test]
fn stereo_is_mixed_down() {
    let mut encoder = ::opus::Encoder::new(
        SAMPLE_RATE,
        ::opus::Channels::Stereo,
        ::opus::Application::Audio,
    )
    .unwrap();
    encoder.set_bitrate(::opus::Bitrate::Bits(128_000)).unwrap();
    let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
    let (mut left, mut right) = (Tone::new(400.0, 8_000.0), Tone::new(900.0, 8_000.0));
    let mut heard = Vec::new();
    for _ in 0..50 {
        let pcm: Vec<i16> = (0..FRAME)
            .flat_map(|_| [left.next_sample(), right.next_sample()])
            .collect();
        decoder
            .decode(&encoder.encode_vec(&pcm, 1_275).unwrap(), &mut heard)
            .unwrap();
    }
    assert_eq!(heard.len(), 50 * FRAME);
    for hertz in [400.0, 900.0] {
        let level = 20.0 * (tone_rms(&heard[9_600..], hertz) * SQRT_2 / 4_000.0).log10();
        assert!(level.abs() < 1.0, "{hertz} Hz at {level:.1} dB");
    }
}

#[test]
fn payloads_of_up_to_120_ms_are_taken() {
    for (codec, format) in [
        (AudioCodec::G722, "G.722 payload"),
        (AudioCodec::Pcmu, "G.711 payload"),
        (AudioCodec::Pcma, "G.711 payload"),
    ] {
        let mut decoder = AudioDecoder::new(codec).unwrap();
        for octets in [1, 80, 160, 240, 960] {
            let mut out = Vec::new();
            decoder.decode(&vec![0x55; octets], &mut out).unwrap();
            assert_eq!(out.len(), octets * 6);
        }
        let mut out = Vec::new();
        assert_eq!(
            decoder.decode(&[0x55; 961], &mut out),
            Err(CodecError::TooLarge {
                format,
                size: 5_766,
                limit: 5_760
            })
        );
        assert!(decoder.decode(&[], &mut out).unwrap_err().is_peer_fault());
        assert!(out.is_empty());
    }
}

#[test]
fn levels_are_in_dbov() {
    let square: Vec<i16> = (0..960)
        .map(|i| if i % 48 < 24 { 32_767 } else { -32_768 })
        .collect();
    assert_eq!(level_dbov(&square), 0);
    let mut sine = Vec::new();
    Tone::new(1_000.0, 32_767.0).extend(960, &mut sine);
    assert_eq!(level_dbov(&sine), 3);
    sine.clear();
    Tone::new(1_000.0, 3_276.7).extend(960, &mut sine);
    assert_eq!(level_dbov(&sine), 23);
    assert_eq!(level_dbov(&[0; 960]), 127);
    assert_eq!(level_dbov(&[]), 127);
    let faint: Vec<i16> = (0..960).map(|i| i16::from(i == 0)).collect();
    assert_eq!(level_dbov(&faint), 120);
}

#[test]
fn settings_out_of_range_are_refused() {
    for bitrate in [0, 5_999, 510_001, u32::MAX] {
        let error = AudioEncoder::new(EncoderSetting::opus(OpusMode::Voip {
            bitrate,
            fec_loss_percent: 10,
        }))
        .unwrap_err();
        assert!(matches!(
            error,
            CodecError::Setting {
                what: "opus bit rate",
                ..
            }
        ));
    }
}

#[test]
fn g711_renditions_are_shared_whatever_the_opus_mode() {
    let with = |codec, opus| EncoderSetting { codec, opus };
    assert_eq!(
        with(AudioCodec::Pcmu, OpusMode::MIX),
        with(AudioCodec::Pcmu, OpusMode::LOSSY)
    );
    assert_ne!(
        with(AudioCodec::Pcmu, OpusMode::MIX),
        with(AudioCodec::Pcma, OpusMode::MIX)
    );
    assert_ne!(
        EncoderSetting::opus(OpusMode::MIX),
        EncoderSetting::opus(OpusMode::LOSSY)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes: no panic, at most 120 ms, nothing appended on an error, and the announced length is kept.
    #[test]
    fn any_payload_is_survived(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6)) {
        for codec in ALL {
            let mut decoder = AudioDecoder::new(codec).unwrap();
            for payload in &payloads {
                let mut out = Vec::new();
                let announced = payload_samples(codec, payload);
                match decoder.decode(payload, &mut out) {
                    Ok(()) => prop_assert_eq!(Ok(out.len()), announced),
                    Err(_) => prop_assert!(out.is_empty()),
                }
                out.clear();
                let restored = decoder.decode_fec(payload, FRAME, &mut out);
                prop_assert_eq!(out.len(), if restored == Ok(true) { FRAME } else { 0 });
            }
        }
    }
}

#[test]
fn a_copied_encoder_goes_on_exactly_where_the_original_stands() {
    let settings = ALL
        .map(EncoderSetting::of)
        .into_iter()
        .chain([EncoderSetting::opus(OpusMode::LOSSY)]);
    for setting in settings {
        let mut original = AudioEncoder::new(setting).unwrap();
        let frames = voice(120);
        for frame in &frames[..50] {
            original.encode(frame).unwrap();
        }
        let mut copy = original.clone();
        for frame in &frames[50..] {
            assert_eq!(
                original.encode(frame).unwrap(),
                copy.encode(frame).unwrap(),
                "{setting:?}"
            );
        }
    }
}

#[test]
fn an_independent_frame_lets_a_decoder_go_over_to_another_encoder() {
    // Of speech coding, where it matters most: the other encoder has heard something else until half a second ago.
    let setting = EncoderSetting::opus(OpusMode::LOSSY);
    let frames = tone(440.0, 150);
    let residue = |independent: bool| {
        let [mut one, mut other] = [(); 2].map(|()| AudioEncoder::new(setting).unwrap());
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut heard = Vec::new();
        let other_words = voice(150);
        for (i, frame) in frames.iter().enumerate() {
            let before = one.encode(frame).unwrap();
            let heard_there = if i < 75 { &other_words[i] } else { frame };
            let after = if independent && i == 100 {
                other.encode_independent(heard_there).unwrap()
            } else {
                other.encode(heard_there).unwrap()
            };
            let payload = if i < 100 { before } else { after };
            decoder.decode(&payload, &mut heard).unwrap();
        }
        let wanted: Vec<i16> = frames.iter().flatten().copied().collect();
        snr_aligned(
            &wanted[98 * FRAME..103 * FRAME],
            &heard[98 * FRAME..103 * FRAME],
        )
    };
    let (dependent, independent) = (residue(false), residue(true));
    assert!(
        independent > dependent + 3.0,
        "{dependent:.1} dB, with an independent frame {independent:.1} dB"
    );
}
