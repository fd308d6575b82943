#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs::File;
use std::io::BufReader;

use ogg::PacketReader;
use plenum_codecs::audio::{AudioCodec, AudioDecoder};

use super::*;
use crate::scratch::Folder;

const ANN: LegId = LegId(1);
const BOB: LegId = LegId(2);

/// A room that ticks.
struct Room {
    folder: Folder,
    take: Option<Take>,
    at: u64,
}

impl Room {
    fn new(format: Format, tracks: bool) -> Self {
        let folder = Folder::new();
        let spec = Spec { format, tracks };
        let take = Take::create(
            folder.path().join("take"),
            "01J9ZQ6Y7T0000000000000000".into(),
            ("1001".into(), "Weekly".into()),
            spec,
        )
        .unwrap();
        Self {
            folder,
            take: Some(take),
            at: 77_000_000,
        }
    }

    fn take(&mut self) -> &mut Take {
        self.take.as_mut().unwrap()
    }

    fn knows(&mut self, leg: LegId, participant: &str, name: &str) {
        let who = Who {
            participant: participant.into(),
            name: name.into(),
        };
        self.take().knows(leg, who);
    }

    /// One tick in which each of `legs` says a frame, and the mix is their sum.
    fn ticks(&mut self, legs: &[(LegId, Frame)]) {
        let mut mix = Box::new([0; FRAME]);
        for (_, frame) in legs {
            mix.iter_mut()
                .zip(frame)
                .for_each(|(mix, sample)| *mix += sample);
        }
        let frame = TapFrame {
            at: MediaTime::from_nanos(self.at),
            mix,
            legs: legs
                .iter()
                .map(|(leg, frame)| (*leg, Box::new(*frame)))
                .collect(),
        };
        self.at += TICK;
        self.take().frame(&frame).unwrap();
    }

    fn is_silent_for(&mut self, ticks: usize) {
        (0..ticks).for_each(|_| self.ticks(&[]));
    }

    fn ends(&mut self, end: End) -> Manifest {
        assert_eq!(self.take.take().unwrap().end(end, 0), end);
        Manifest::load(&self.folder.path().join("take")).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("take").join(name)
    }

    fn wav(&self, name: &str) -> Vec<i16> {
        hound::WavReader::open(self.path(name))
            .unwrap()
            .into_samples()
            .map(Result::unwrap)
            .collect()
    }

    fn opus(&self, name: &str) -> Vec<i16> {
        let file = BufReader::new(File::open(self.path(name)).unwrap());
        let mut reader = PacketReader::new(file);
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut samples = Vec::new();
        for number in 0.. {
            match reader.read_packet().unwrap() {
                None => break,
                Some(_) if number < 2 => {}
                Some(packet) => decoder.decode(&packet.data, &mut samples).unwrap(),
            }
        }
        samples.split_off(120)
    }
}

fn click(at: usize) -> Frame {
    std::array::from_fn(|i| if i == at { 12_000 } else { 0 })
}

fn peaks(samples: &[i16]) -> Vec<usize> {
    (0..samples.len()).filter(|&i| samples[i] > 6_000).collect()
}

#[test]
fn clicks_made_at_once_are_at_the_same_sample_of_every_file() {
    let mut room = Room::new(Format::Both, true);
    room.knows(ANN, "p_1", "Ann");
    room.knows(BOB, "p_2", "Bob");
    room.is_silent_for(10);
    room.ticks(&[(ANN, click(100))]);
    room.is_silent_for(700);
    room.ticks(&[(ANN, click(333)), (BOB, click(333))]);
    room.is_silent_for(3);
    let manifest = room.ends(End::Stopped);
    let (first, both) = (10 * FRAME + 100, 711 * FRAME + 333);
    assert_eq!(peaks(&room.wav("mix.wav")), [first, both]);
    assert_eq!(peaks(&room.wav("legs/1-Ann.wav")), [first, both]);
    assert_eq!(peaks(&room.wav("legs/2-Bob.wav")), [both]);
    let played = room.opus("mix.opus");
    let loudest = (0..played.len()).max_by_key(|&i| played[i]).unwrap();
    assert!(loudest.abs_diff(both) <= 2, "{loudest} in Opus, not {both}");
    for name in ["mix.wav", "legs/1-Ann.wav", "legs/2-Bob.wav"] {
        assert_eq!(room.wav(name).len(), 715 * FRAME, "{name}");
    }
    assert_eq!(manifest.duration_ms, 715 * 20);
    let heard: Vec<_> = manifest
        .files
        .iter()
        .map(|file| (file.participant.as_deref(), file.heard_from_ms))
        .collect();
    assert_eq!(
        heard,
        [
            (None, 0),
            (None, 0),
            (Some("Ann"), 200),
            (Some("Bob"), 14_220)
        ]
    );
}

#[test]
fn tracks_of_opus_are_aligned_with_the_mix() {
    let mut room = Room::new(Format::Opus, true);
    room.knows(BOB, "p_2", "Bob");
    room.is_silent_for(500);
    room.ticks(&[(BOB, click(500))]);
    room.is_silent_for(10);
    room.ends(End::Stopped);
    for name in ["mix.opus", "legs/1-Bob.opus"] {
        let played = room.opus(name);
        let loudest = (0..played.len()).max_by_key(|&i| played[i]).unwrap();
        assert!(
            loudest.abs_diff(500 * FRAME + 500) <= 2,
            "{name}: {loudest}"
        );
    }
}

#[test]
fn a_pause_leaves_no_sound_and_the_manifest_says_where_it_was() {
    let mut room = Room::new(Format::Wav, false);
    room.ticks(&[(ANN, [1; FRAME])]);
    room.take().pause().unwrap();
    let paused = Manifest::load(&room.folder.path().join("take")).unwrap();
    assert_eq!(paused.state, State::Paused);
    (0..500).for_each(|_| room.ticks(&[(ANN, [2; FRAME])]));
    room.take().resume().unwrap();
    room.ticks(&[(ANN, [3; FRAME])]);
    let manifest = room.ends(End::Stopped);
    assert_eq!(room.wav("mix.wav"), [[1; FRAME], [3; FRAME]].concat());
    assert_eq!(
        (manifest.state, manifest.duration_ms),
        (State::Finished, 40)
    );
    let pause = manifest.pauses.first().unwrap();
    assert_eq!((pause.at_ms, manifest.pauses.len()), (20, 1));
    assert!(pause.until_ms.is_some_and(|until| until >= pause.from_ms));
}

#[test]
fn ticks_that_are_missing_are_silence_so_that_the_clock_stays() {
    let mut room = Room::new(Format::Wav, false);
    room.ticks(&[(ANN, [1; FRAME])]);
    // Three ticks are left out, then the room is off its grid by some milliseconds.
    room.at += 3 * TICK + 6_000_000;
    room.ticks(&[(ANN, [2; FRAME])]);
    room.ticks(&[(ANN, [3; FRAME])]);
    room.ends(End::Stopped);
    let silence = [0; FRAME];
    let expected = [
        [1; FRAME], silence, silence, silence, [2; FRAME], [3; FRAME],
    ];
    assert_eq!(room.wav("mix.wav"), expected.concat());
}

#[test]
fn whoever_comes_back_with_another_leg_goes_on_in_their_track() {
    let mut room = Room::new(Format::Wav, true);
    room.knows(ANN, "p_1", "Ann");
    room.ticks(&[(ANN, [1; FRAME])]);
    room.knows(BOB, "p_1", "Ann");
    room.ticks(&[(BOB, [2; FRAME])]);
    let manifest = room.ends(End::Stopped);
    assert_eq!(manifest.files.len(), 2, "{:?}", manifest.files);
    assert_eq!(
        room.wav("legs/1-Ann.wav"),
        [[1; FRAME], [2; FRAME]].concat()
    );
}

#[test]
fn no_name_is_a_path() {
    for (name, file) in [
        ("Ann Smith", "3-Ann-Smith"),
        ("../../etc/passwd", "3-etc-passwd"),
        ("/", "3"),
        ("..", "3"),
        ("", "3"),
        ("a\0b\\c:d", "3-a-b-c-d"),
        ("Zoë 王", "3-Zoë-王"),
        ("+49 30 ••• 56", "3-49-30-56"),
    ] {
        assert_eq!(file_name(3, name), file);
    }
    let long = file_name(200, &"ü".repeat(500));
    assert!(long.len() < 100, "{long}");
}

#[test]
fn a_recording_that_failed_has_files_that_play() {
    let mut room = Room::new(Format::Both, false);
    (0..80).for_each(|_| room.ticks(&[(ANN, [500; FRAME])]));
    let manifest = room.ends(End::DiskFull);
    assert_eq!(
        (manifest.state, manifest.end),
        (State::Failed, Some(End::DiskFull))
    );
    assert_eq!(room.wav("mix.wav"), [500; 80 * FRAME]);
    let played = room.opus("mix.opus").len();
    assert!(played >= 49 * FRAME, "only whole pages: {played} samples");
}
