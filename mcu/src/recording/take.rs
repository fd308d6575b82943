//! One recording's files on one clock: which tick goes to which sample of which file. No thread, no queue.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use plenum_codecs::MediaTime;
use plenum_codecs::audio::{FRAME, Frame};
use plenum_mixer::{LegId, TapFrame};

use super::manifest::{End, Manifest, Pause, State, Track as TrackEntry};
use super::opus::{self, OpusFile};
use super::wav::{self, WavFile};
use super::{Format, Spec};
use crate::store::now_ms;

/// A tick, in nanoseconds.
const TICK: u64 = 20_000_000;
/// A tick, in milliseconds.
const TICK_MS: u64 = 20;
/// People with a track of their own at most: each is an open file. Whoever comes later is in the mix only.
const TRACKS: usize = 200;
/// Characters of a name in a file's name.
const NAME: usize = 40;
/// Folder of the tracks.
const LEGS: &str = "legs";

/// How one file is written.
enum Sink {
    Wav(WavFile),
    Opus(Box<OpusFile>),
}

/// One file and how far it is.
struct Track {
    sink: Sink,
    frames: u64,
}

impl Track {
    fn create(path: &Path, title: &str) -> io::Result<Self> {
        let sink = if path.extension().is_some_and(|extension| extension == "wav") {
            Sink::Wav(WavFile::create(path)?)
        } else {
            Sink::Opus(Box::new(OpusFile::create(path, title)?))
        };
        Ok(Self { sink, frames: 0 })
    }

    /// Puts a frame to its place; what is missing before it is silence.
    fn put(&mut self, index: u64, frame: &Frame) -> io::Result<()> {
        self.fill(index)?;
        self.frames += 1;
        match &mut self.sink {
            Sink::Wav(file) => file.write(frame),
            Sink::Opus(file) => file.write(frame),
        }
    }

    fn fill(&mut self, to: u64) -> io::Result<()> {
        let missing = to.saturating_sub(self.frames);
        self.frames += missing;
        match &mut self.sink {
            Sink::Wav(file) => file.silence(missing),
            Sink::Opus(file) => file.silence(missing),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Wav(file) => file.flush(),
            Sink::Opus(file) => file.flush(),
        }
    }

    fn finish(mut self, length: u64) -> io::Result<()> {
        self.fill(length)?;
        match self.sink {
            Sink::Wav(file) => file.finish(),
            Sink::Opus(file) => file.finish(),
        }
    }
}

/// Whose leg that is.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// Their id: somebody who comes back with another leg goes on in the same track.
    pub(super) participant: String,
    pub(super) name: String,
}

/// See the module.
pub(super) struct Take {
    folder: PathBuf,
    manifest: Manifest,
    mix: Vec<Track>,
    /// By participant; absent: the legs have no tracks.
    tracks: Option<HashMap<String, Track>>,
    extension: &'static str,
    people: HashMap<LegId, Who>,
    /// Frames so far.
    length: u64,
    /// A tick and its place, from which the others follow. `None` at the start and after a pause.
    origin: Option<(MediaTime, u64)>,
}

impl Take {
    /// Makes the folder with its first files.
    pub(super) fn create(
        folder: PathBuf,
        id: String,
        conference: (String, String),
        spec: Spec,
    ) -> io::Result<Self> {
        crate::secret::create_folder(&folder).map_err(|error| error.source)?;
        let (wav, opus) = match spec.format {
            Format::Wav => (true, false),
            Format::Opus => (false, true),
            Format::Both => (true, true),
        };
        let (conference, name) = conference;
        let mut take = Self {
            manifest: Manifest {
                id,
                conference,
                name,
                state: State::Recording,
                end: None,
                started_ms: now_ms(),
                ended_ms: None,
                duration_ms: 0,
                pauses: Vec::new(),
                files: Vec::new(),
                dropped_frames: 0,
            },
            folder,
            mix: Vec::new(),
            tracks: spec.tracks.then(HashMap::new),
            extension: if wav { "wav" } else { "opus" },
            people: HashMap::new(),
            length: 0,
            origin: None,
        };
        if spec.tracks {
            crate::secret::create_folder(&take.folder.join(LEGS)).map_err(|error| error.source)?;
        }
        for name in [wav.then_some("mix.wav"), opus.then_some("mix.opus")]
            .into_iter()
            .flatten()
        {
            let track = Track::create(&take.folder.join(name), &take.manifest.name)?;
            take.mix.push(track);
            take.enter(name.to_owned(), None, 0);
        }
        take.save()?;
        Ok(take)
    }

    pub(super) fn id(&self) -> &str {
        &self.manifest.id
    }

    pub(super) fn started_ms(&self) -> i64 {
        self.manifest.started_ms
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is recorded so far.
    pub(super) fn duration_ms(&self) -> u64 {
        self.length * TICK_MS
    }

    pub(super) fn knows(&mut self, leg: LegId, who: Who) {
        self.people.insert(leg, who);
    }

    /// Puts a tick into the files.
    pub(super) fn frame(&mut self, frame: &TapFrame) -> io::Result<()> {
        if self.manifest.state != State::Recording {
            // It was on its way when the pause began.
            return Ok(());
        }
        let (at, place) = *self.origin.get_or_insert((frame.at, self.length));
        let since = u64::try_from(frame.at.since(at).as_nanos()).unwrap_or(u64::MAX);
        let index = (place + (since + TICK / 2) / TICK).max(self.length);
        self.length = index + 1;
        for track in &mut self.mix {
            track.put(index, &frame.mix)?;
        }
        for (leg, samples) in &frame.legs {
            self.leg(*leg, index, samples)?;
        }
        Ok(())
    }

    fn leg(&mut self, leg: LegId, index: u64, samples: &Frame) -> io::Result<()> {
        let Some(tracks) = &mut self.tracks else {
            return Ok(());
        };
        let who = self.people.entry(leg).or_insert_with(|| Who {
            participant: format!("leg {}", leg.0),
            name: String::new(),
        });
        if let Some(track) = tracks.get_mut(&who.participant) {
            return track.put(index, samples);
        }
        // A file begins with the first sound of its owner.
        if tracks.len() >= TRACKS || samples.iter().all(|&sample| sample == 0) {
            return Ok(());
        }
        let (number, person) = (tracks.len() + 1, who.clone());
        let name = format!(
            "{LEGS}/{}.{}",
            file_name(number, &person.name),
            self.extension
        );
        let mut track = Track::create(&self.folder.join(&name), &person.name)?;
        track.put(index, samples)?;
        tracks.insert(person.participant, track);
        self.enter(name, Some(person.name), index);
        self.save()
    }

    fn enter(&mut self, name: String, participant: Option<String>, index: u64) {
        self.manifest.files.push(TrackEntry {
            name,
            participant,
            heard_from_ms: index * TICK_MS,
        });
    }

    /// Leaves out what comes until [`Take::resume`].
    pub(super) fn pause(&mut self) -> io::Result<()> {
        if self.manifest.state == State::Recording {
            self.manifest.state = State::Paused;
            self.origin = None;
            self.manifest.pauses.push(Pause {
                at_ms: self.duration_ms(),
                from_ms: now_ms(),
                until_ms: None,
            });
        }
        self.flush()?;
        self.save()
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        if self.manifest.state == State::Paused {
            self.manifest.state = State::Recording;
            if let Some(pause) = self.manifest.pauses.last_mut() {
                pause.until_ms = Some(now_ms());
            }
        }
        self.save()
    }

    /// Afterwards a crash loses nothing of what came so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.mix
            .iter_mut()
            .chain(self.tracks.iter_mut().flat_map(HashMap::values_mut))
            .try_for_each(Track::flush)
    }

    fn save(&mut self) -> io::Result<()> {
        self.manifest.duration_ms = self.duration_ms();
        self.manifest.save(&self.folder)
    }

    /// Ends it, in whatever state it is; gives how it ended.
    pub(super) fn end(mut self, end: End, dropped: u64) -> End {
        self.manifest.dropped_frames = dropped;
        let mut end = end;
        if !end.is_failure()
            && let Err(error) = self.finish_tracks()
        {
            tracing::warn!(%error, "recording could not be finished");
            end = End::from(&error);
        }
        // What is still open is closed as it is; then the files say what they hold.
        self.mix.clear();
        self.tracks = None;
        if end.is_failure() {
            repair(&self.folder, &self.manifest);
        }
        self.manifest.fail_or_finish(end, now_ms());
        if let Err(error) = self.save() {
            tracing::warn!(%error, "manifest of a recording could not be written");
        }
        end
    }

    /// All files to the same length.
    fn finish_tracks(&mut self) -> io::Result<()> {
        let length = self.length;
        self.mix
            .drain(..)
            .chain(
                self.tracks
                    .take()
                    .into_iter()
                    .flat_map(HashMap::into_values),
            )
            .try_for_each(|track| track.finish(length))
    }
}

/// Makes the files of a recording that was not finished playable; gives the length of the longest in milliseconds.
pub(super) fn repair(folder: &Path, manifest: &Manifest) -> u64 {
    let mut longest = 0;
    for track in &manifest.files {
        let path = folder.join(&track.name);
        let repaired = if track.name.ends_with(".wav") {
            wav::repair(&path)
        } else {
            opus::repair(&path)
        };
        match repaired {
            Ok(samples) => longest = longest.max(samples * TICK_MS / FRAME as u64),
            Err(error) => tracing::warn!(%error, "a file of a recording is beyond repair"),
        }
    }
    longest
}

/// `3-Ann-Smith`: letters and digits of a name, so that no name is a path.
fn file_name(number: usize, name: &str) -> String {
    let words: Vec<&str> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let name: String = words.join("-").chars().take(NAME).collect();
    if name.is_empty() {
        number.to_string()
    } else {
        format!("{number}-{name}")
    }
}

#[cfg(test)]
mod tests;
