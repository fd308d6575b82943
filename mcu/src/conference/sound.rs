//! What a conference plays to its people: tones and words at comings and goings, announcements, music for who waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_codecs::audio::SAMPLE_RATE;
use plenum_dialin::attendant::{Language, PromptKey};
use plenum_mixer::{Audience, Command, LegId, PlayId, Sound};

use super::focus::Focus;
use super::roster::Participant;
use crate::config::{Announce, LonelyMusic};
use crate::signal::protocol::{Kind, RecordingState};

/// Entry tones are heard in conferences up to this size.
const TONES_UP_TO: usize = 30;
/// Who has just been left alone hears music after this.
const LONELY: Duration = Duration::from_secs(2);
/// Spoken comings and goings that may wait; of further ones a tone is heard.
const WAITING: usize = 3;
/// The pause between the words for the first participant and the music.
const BREATH: Duration = Duration::from_millis(500);

/// Whether the one who is there is alone.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Others are there, or nobody is.
    #[default]
    Others,
    /// Alone; from then on with music.
    AloneUntil(Instant),
    Alone,
}

impl Company {
    /// What it is now that `people` are there.
    fn of(self, people: usize, now: Instant) -> Self {
        match self {
            _ if people != 1 => Self::Others,
            Self::Others => Self::AloneUntil(now + LONELY),
            Self::AloneUntil(then) if then <= now => Self::Alone,
            same => same,
        }
    }
}

/// Comings and goings in words, one after the other.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    playing: Option<PlayId>,
    waiting: VecDeque<Sound>,
}

impl Focus {
    /// Tones and words for somebody who has come in.
    pub(super) fn entered(&mut self, participant: &str, kind: Kind) {
        let alone = self.roster.len() == 1;
        let leg = self.roster.get(participant).and_then(Participant::ear);
        if let (Kind::Phone, true, Some(leg)) = (kind, alone, leg) {
            let words = self.words_for(leg, PromptKey::FirstParticipant);
            self.company = Company::AloneUntil(Instant::now() + duration(&words) + BREATH);
            self.play(Audience::Leg(leg), words);
        }
        if let (Kind::Phone, RecordingState::On, Some(leg)) = (kind, self.recording_state(), leg) {
            self.say(leg, PromptKey::BeingRecorded);
        }
        // Before the tone, which would be a note of the music otherwise.
        self.settle_music(Some(participant));
        if !alone {
            let spoken = self
                .roster
                .get(participant)
                .and_then(|person| person.spoken.clone());
            let tone = Arc::clone(&self.around.tones.entered);
            self.tell_of(spoken, PromptKey::HasJoined, tone);
        }
    }

    /// The same for somebody who has gone.
    pub(super) fn left(&mut self, person: &Participant) {
        if person.kind != Kind::Host && self.roster.guests() > 0 {
            let tone = Arc::clone(&self.around.tones.left);
            self.tell_of(person.spoken.clone(), PromptKey::HasLeft, tone);
        }
        self.settle_music(None);
    }

    /// In words where somebody has said a name, else by a tone.
    fn tell_of(&mut self, name: Option<Arc<[i16]>>, words: PromptKey, tone: Arc<[i16]>) {
        let announce = self.announcing;
        if announce == Announce::Off || self.roster.len() > TONES_UP_TO {
            return;
        }
        match name.filter(|_| announce == Announce::Names) {
            Some(name) if self.spoken.waiting.len() < WAITING => {
                let words = self.around.prompts.say(self.common_language(), words);
                self.spoken.waiting.push_back(vec![name, words].into());
                self.speak_next();
            }
            _ => {
                self.play(Audience::Everyone, tone);
            }
        }
    }

    fn speak_next(&mut self) {
        if self.spoken.playing.is_none()
            && let Some(words) = self.spoken.waiting.pop_front()
        {
            self.spoken.playing = Some(self.play(Audience::Everyone, words));
        }
    }

    pub(super) fn say_muted(&mut self, leg: LegId, on: bool) {
        self.say(
            leg,
            if on {
                PromptKey::Muted
            } else {
                PromptKey::Unmuted
            },
        );
    }

    pub(super) fn say(&mut self, leg: LegId, prompt: PromptKey) {
        let pcm = self.words_for(leg, prompt);
        self.play(Audience::Leg(leg), pcm);
    }

    /// Tells a phone, alone, that it is about to be somewhere else; gives how long that takes.
    pub(super) fn forewarn(&mut self, leg: LegId) -> Duration {
        let words = self.words_for(leg, PromptKey::BeingMoved);
        if words.is_empty() {
            return Duration::ZERO;
        }
        let pause = duration(&words);
        self.play(Audience::Leg(leg), words);
        pause
    }

    fn words_for(&self, leg: LegId, prompt: PromptKey) -> Arc<[i16]> {
        self.around.prompts.say(self.language_of(leg), prompt)
    }

    /// What whoever has that leg is spoken to in.
    pub(super) fn language_of(&self, leg: LegId) -> Language {
        let person = self.roster.owner(leg).and_then(|id| self.roster.get(id));
        person.map_or(self.around.prompts.house(), |person| person.language)
    }

    /// What all are spoken to in: the language that all phones share, else the house's.
    pub(super) fn common_language(&self) -> Language {
        let phones = self
            .roster
            .iter()
            .filter(|person| person.phone_leg().is_some());
        let mut languages = phones.map(|person| person.language);
        let house = self.around.prompts.house();
        match languages.next() {
            Some(first) if languages.all(|language| language == first) => first,
            _ => house,
        }
    }

    /// Says it to all.
    pub(super) fn announce(&mut self, prompt: PromptKey) {
        let pcm = self.around.prompts.say(self.common_language(), prompt);
        self.play(Audience::Everyone, pcm);
    }

    pub(super) fn play(&mut self, to: Audience, sound: impl Into<Sound>) -> PlayId {
        self.start_player(to, sound.into(), false)
    }

    fn start_player(&mut self, to: Audience, sound: Sound, repeat: bool) -> PlayId {
        self.next_play += 1;
        let play = PlayId(self.next_play);
        self.command_room(Command::Play {
            play,
            to,
            sound,
            repeat,
        });
        play
    }

    /// When music must be looked at again.
    pub(super) fn music_due(&self) -> Option<Instant> {
        match self.company {
            Company::AloneUntil(then) => Some(then),
            Company::Others | Company::Alone => None,
        }
    }

    /// Music plays for whoever is held, and for whoever has been alone for a moment. Looks at `changed`, and at everybody when
    /// somebody is or was alone.
    pub(super) fn settle_music(&mut self, changed: Option<&str>) {
        let was_alone = self.company == Company::Alone;
        self.company = self.company.of(self.roster.len(), Instant::now());
        let alone = self.company == Company::Alone;
        let wish = self.around.config.music_when_alone;
        let mut changes = Vec::new();
        let all = (alone || was_alone).then(|| self.roster.iter());
        let one = changed.and_then(|changed| self.roster.get(changed));
        let one = one.filter(|_| !(alone || was_alone));
        for person in all.into_iter().flatten().chain(one) {
            let lonely = alone
                && match wish {
                    LonelyMusic::Off => false,
                    LonelyMusic::Phones => person.phone_leg().is_some(),
                    LonelyMusic::All => person.kind != Kind::Host,
                };
            let wanted = person.held || lonely;
            match (wanted, person.music, person.ear()) {
                (true, None, Some(leg)) => changes.push((person.id.clone(), Ok(leg))),
                (false, Some(play), _) => changes.push((person.id.clone(), Err(play))),
                _ => {}
            }
        }
        for (participant, change) in changes {
            let music = match change {
                Ok(leg) => {
                    let pcm = self.around.prompts.music();
                    Some(self.start_player(Audience::Leg(leg), pcm.into(), true))
                }
                Err(play) => {
                    self.command_room(Command::StopPlay { play });
                    None
                }
            };
            if let Some(person) = self.roster.get_mut(&participant) {
                person.music = music;
            }
        }
    }

    /// The mixer ended a player by itself.
    pub(super) fn play_finished(&mut self, play: PlayId) {
        if self.spoken.playing == Some(play) {
            self.spoken.playing = None;
            self.speak_next();
        }
        // Music has no end: too many others displaced it. It may begin again with the next change.
        let listener = self
            .roster
            .iter()
            .find(|person| person.music == Some(play))
            .map(|person| person.id.clone());
        if let Some(person) = listener.and_then(|id| self.roster.get_mut(&id)) {
            person.music = None;
        }
    }
}

/// How long 48 kHz samples last.
fn duration(pcm: &[i16]) -> Duration {
    let millis = pcm.len() * 1_000 / SAMPLE_RATE as usize;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn music_waits_two_seconds_after_the_others_have_left_and_ends_when_somebody_comes() {
        let start = Instant::now();
        let left = Company::Others.of(1, start);
        assert_eq!(left, Company::AloneUntil(start + LONELY));
        assert_eq!(left.of(1, start + LONELY / 2), left);
        let alone = left.of(1, start + LONELY);
        assert_eq!(alone, Company::Alone);
        assert_eq!(alone.of(2, start + LONELY), Company::Others);
        assert_eq!(left.of(2, start), Company::Others);
        assert_eq!(alone.of(0, start), Company::Others);
    }
}
