//! Pauses, and the first word after them: comfort noise, Opus DTX, silent legs that are not decoded.

use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::{
    AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, Frame, OpusMode, level_dbov,
};
use plenum_codecs::tone::Tone;
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{Command, Input, Leg, LegId, LegStats, Output, Room, RoomConfig, Track};

use crate::conference::{leg_config, payload_type};

const TALKER: LegId = LegId(1);
const LISTENER: LegId = LegId(2);
const COMFORT_NOISE: u8 = 13;
/// −17.8 dBov.
const AMPLITUDE: f64 = 6_000.0;

/// A talker on a clean line and a listener, 20 ms at a time.
pub(crate) struct Line {
    room: Room,
    now: MediaTime,
    codec: AudioCodec,
    sequence: u16,
    timestamp: u32,
    ear: AudioDecoder,
    pub(crate) heard: Vec<i16>,
}

impl Line {
    pub(crate) fn new(codec: AudioCodec) -> Self {
        let now = MediaTime::from_millis(1_000);
        let mut room = Room::new(RoomConfig::default(), now);
        let mut config = leg_config(TALKER, codec);
        config.audio.comfort_noise = (codec != AudioCodec::Opus).then_some(COMFORT_NOISE);
        room.insert(now, Leg::new(config, now));
        room.insert(now, Leg::new(leg_config(LISTENER, codec), now));
        Self {
            room,
            now,
            codec,
            sequence: 65_500,
            timestamp: u32::MAX - 48_000,
            ear: AudioDecoder::new(codec).unwrap(),
            heard: Vec::new(),
        }
    }

    /// 20 ms in which the talker sends this or nothing.
    pub(crate) fn passes(&mut self, sent: Option<(u8, Bytes, Option<u8>)>) {
        if let Some((payload_type, payload, dbov)) = sent {
            let packet = MediaPacket {
                payload_type,
                marker: false,
                sequence: self.sequence,
                timestamp: self.timestamp,
                ssrc: 7,
                audio_level: dbov.map(|dbov| AudioLevel { dbov, voice: false }),
                payload,
            };
            let input = Input::Packet {
                leg: TALKER,
                packet,
                track: Track::Audio,
            };
            self.room.handle(self.now + Duration::from_millis(7), input);
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.timestamp = self.timestamp.wrapping_add(self.codec.frame_timestamps());
        self.now += Duration::from_millis(20);
        self.room.handle(self.now, Input::Timeout);
        while let Some(output) = self.room.poll_output() {
            if let Output::Audio { leg, packet } = output
                && leg == LISTENER
            {
                self.ear.decode(&packet.payload, &mut self.heard).unwrap();
            }
        }
    }

    fn says(&mut self, encoder: &mut AudioEncoder, frame: &Frame) {
        let payload = encoder.encode(frame).unwrap();
        let level = (self.codec == AudioCodec::Opus).then(|| level_dbov(frame));
        self.passes(Some((payload_type(self.codec), payload, level)));
    }

    fn stats(&self) -> LegStats {
        self.room.leg_stats(TALKER).unwrap()
    }

    /// What has been heard since, from where it is first louder than a 64th of full scale.
    fn since_onset(&self, since: usize) -> &[i16] {
        let heard = self.heard.get(since..).unwrap();
        let onset = heard.iter().position(|sample| sample.unsigned_abs() > 512);
        heard.get(onset.unwrap()..).unwrap()
    }
}

fn tone() -> impl FnMut() -> Frame {
    let mut tone = Tone::new(440.0, AMPLITUDE);
    move || std::array::from_fn(|_| tone.next_sample())
}

fn decibels(samples: &[i16]) -> f64 {
    let energy: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    let length = f64::from(u32::try_from(samples.len()).unwrap());
    10.0 * (energy / length / 32_768.0_f64.powi(2)).max(1e-12).log10()
}

#[test]
fn a_phones_background_is_heard_at_its_level_until_it_speaks_again() {
    for codec in [AudioCodec::Pcmu, AudioCodec::Pcma, AudioCodec::G722] {
        let mut line = Line::new(codec);
        let mut encoder = AudioEncoder::new(EncoderSetting::of(codec)).unwrap();
        let mut speech = tone();
        for _ in 0..50 {
            line.says(&mut encoder, &speech());
        }
        // A description every second: its level, and a spectrum that falls.
        for dbov in [44, 38, 47] {
            for tick in 0..50 {
                let described = Bytes::copy_from_slice(&[dbov, 70, 130]);
                line.passes((tick == 0).then_some((COMFORT_NOISE, described, None)));
            }
            let level = decibels(line.heard.get(line.heard.len() - 40 * FRAME..).unwrap());
            assert!(
                (level + f64::from(dbov)).abs() < 2.0,
                "{codec:?}: {level:.1} dBov instead of −{dbov}"
            );
        }
        let pause = line.heard.len();
        for _ in 0..50 {
            line.says(&mut encoder, &speech());
        }
        let word = line.since_onset(pause);
        let (onset, steady) = (decibels(&word[..2_880]), decibels(&word[24_000..38_400]));
        assert!(
            (onset - steady).abs() < 1.0,
            "{codec:?}: {onset:.1} dBov at first, then {steady:.1}"
        );
        assert!(
            word.len() >= 48 * FRAME,
            "{codec:?}: {} of 50 frames",
            word.len() / FRAME
        );
        let stats = line.stats();
        assert_eq!(
            stats.lost + stats.late + stats.concealed + stats.malformed,
            0,
            "{stats:?}"
        );
    }
}

#[test]
fn a_silent_phones_background_is_not_made_for_nobody() {
    let mut line = Line::new(AudioCodec::Pcmu);
    for _ in 0..500 {
        let described = Bytes::from_static(&[65, 80]);
        line.passes(Some((COMFORT_NOISE, described, None)));
    }
    assert!(line.heard.iter().all(|sample| sample.unsigned_abs() <= 8));
    assert_eq!(line.room.stats().decodes, 0);
}

/// A browser with DTX: nothing is sent in pauses but a frame of two octets at their beginning, and one of the background now and then.
#[test]
fn a_browsers_pauses_with_dtx_are_neither_loss_nor_delay() {
    let mut line = Line::new(AudioCodec::Opus);
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(32_000)).unwrap();
    encoder.set_dtx(true).unwrap();
    let voice = crate::hearing::speech(60, 3);
    let mut random = fastrand::Rng::with_seed(1);
    let (mut kept_back, mut delay) = (0, None);
    // A second of voice, a second and a half of a room at −68 dBov.
    for (index, words) in voice.as_chunks::<FRAME>().0.iter().enumerate().take(1_500) {
        let speaks = index % 125 < 50;
        let frame: Frame = std::array::from_fn(|i| {
            let noise = random.i16(-22..=22);
            if speaks {
                words[i].saturating_add(noise)
            } else {
                noise
            }
        });
        let payload = encoder.encode_vec(&frame, 1_275).unwrap();
        let dtx = payload.len() <= 2;
        let sent = (111, Bytes::from(payload), Some(level_dbov(&frame)));
        let first = dtx && kept_back == 0;
        kept_back = if dtx { kept_back + 1 } else { 0 };
        line.passes((!dtx || first).then_some(sent));
        if index % 125 == 40 {
            delay = Some(line.stats().delay_ns);
        }
    }
    let stats = line.stats();
    assert!(
        stats.received < 1_300,
        "the encoder has not paused: {stats:?}"
    );
    assert_eq!(stats.lost + stats.late + stats.overflowed, 0, "{stats:?}");
    assert_eq!(stats.concealed, 0, "{stats:?}");
    assert!(delay.unwrap() <= 45_000_000, "{delay:?}");
}

/// A word that begins faintly after so much of silence, and what of it is heard.
fn word_after(silence: usize, codec: AudioCodec) -> (Vec<i16>, LegStats, u64) {
    let mut line = Line::new(codec);
    let setting = if codec == AudioCodec::Opus {
        EncoderSetting::opus(OpusMode::Voip {
            bitrate: 32_000,
            fec_loss_percent: 0,
        })
    } else {
        EncoderSetting::of(codec)
    };
    let mut encoder = AudioEncoder::new(setting).unwrap();
    let mut speech = tone();
    for _ in 0..25 {
        line.says(&mut encoder, &speech());
    }
    for _ in 0..silence {
        line.says(&mut encoder, &[0; FRAME]);
    }
    let (pause, decodes) = (line.heard.len(), line.room.stats().decodes);
    // 20 ms at −54 dBov, below what counts as speech, then the word itself.
    let faint = speech().map(|sample| sample / 64);
    line.says(&mut encoder, &faint);
    for _ in 0..30 {
        line.says(&mut encoder, &speech());
    }
    let heard = line.heard.get(pause..).unwrap();
    let onset = heard.iter().position(|sample| sample.unsigned_abs() > 40);
    (
        heard.get(onset.unwrap()..).unwrap().to_vec(),
        line.stats(),
        decodes,
    )
}

#[test]
fn an_onset_after_silence_loses_nothing_of_its_first_60_ms() {
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        // After 200 ms the leg is in the mix still and is decoded all the time; after 3 s it is not.
        let (whole, _, decoded) = word_after(10, codec);
        let (cold, stats, skipped) = word_after(150, codec);
        assert!(
            skipped < decoded + 30,
            "{codec:?}: {decoded} and {skipped} decodes"
        );
        let (wanted, got) = (decibels(&whole[..2_880]), decibels(&cold[..2_880]));
        println!(
            "{codec:?}: first 60 ms at {wanted:.1} dBov decoded throughout, {got:.1} after silence; {stats:?}"
        );
        assert!(
            (got - wanted).abs() < 1.0,
            "{codec:?}: {got:.1} instead of {wanted:.1} dBov"
        );
        assert!(stats.delay_ns < 45_000_000, "caught up: {stats:?}");
    }
}

#[test]
fn silent_legs_are_not_decoded() {
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma] {
        let mut line = Line::new(codec);
        let mut encoder = AudioEncoder::new(EncoderSetting::of(codec)).unwrap();
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..500 {
            // A quiet room: −60 dBov.
            line.says(&mut encoder, &std::array::from_fn(|_| random.i16(-56..=56)));
        }
        let stats = line.room.stats();
        assert_eq!(stats.decodes, 0, "{codec:?}: {stats:?}");
        let leg = line.stats();
        assert!(
            leg.received == 500 && leg.lost + leg.concealed == 0,
            "{leg:?}"
        );
    }
}

#[test]
fn what_is_said_while_muted_is_not_heard_afterwards() {
    let mut line = Line::new(AudioCodec::Opus);
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus)).unwrap();
    let (mut secret, mut public) = (Tone::new(1_000.0, AMPLITUDE), tone());
    let mute = |on| Input::Command(Command::Mute { leg: TALKER, on });
    line.room.handle(line.now, mute(true));
    for _ in 0..100 {
        line.says(&mut encoder, &std::array::from_fn(|_| secret.next_sample()));
    }
    line.room.handle(line.now, mute(false));
    for _ in 0..50 {
        line.says(&mut encoder, &public());
    }
    let heard = line.since_onset(100 * FRAME);
    let leaked = plenum_codecs::tone::tone_rms(&heard[..4_800], 1_000.0);
    assert!(
        leaked < 400.0,
        "what was said while muted comes at {leaked:.0}"
    );
    assert!(decibels(&heard[9_600..14_400]) > -20.0);
}
