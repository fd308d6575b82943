//! What a phone's keys do in a conference, and what it alone hears of that.

use std::sync::Arc;

use plenum_dialin::attendant::PromptKey;
use plenum_dialin::commands::{InCallCommand, spoken};
use plenum_dialin::{Digit, DigitSource};
use plenum_mixer::{Audience, LegId};

use super::focus::Focus;
use super::order::Denied;
use super::roster::Mute;
use super::seat::Order;
use crate::auth::Role;
use crate::config::Announce;
use crate::media::clock;
use crate::prompts::Counted;
use crate::signal::protocol::{EndReason, Kind, LeaveReason};

/// Names in one roll call; of more people only how many they are.
const NAMES: usize = 20;
/// A key makes somebody so much louder or softer, dB.
const STEP_DB: i8 = 3;

impl Focus {
    /// A key of a phone in the conference.
    pub(super) async fn key(&mut self, leg: LegId, digit: Digit, source: DigitSource) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        if self.key_number(&participant, leg, digit) {
            return;
        }
        let table = Arc::clone(&self.around);
        let Some(person) = self.roster.get_mut(&participant) else {
            return;
        };
        if !person.keying.admits(clock::now(), source, digit) {
            return;
        }
        let host = person.role == Role::Host;
        match person.keys.digit(&table.config.keys, clock::now(), digit) {
            Some(command) if command.is_for_hosts() && !host => {
                self.say(leg, PromptKey::NotAllowed);
            }
            Some(command) => self.obey(&participant, leg, command).await,
            None => {}
        }
    }

    async fn obey(&mut self, participant: &str, leg: LegId, command: InCallCommand) {
        match command {
            InCallCommand::Help => self.explain_keys(participant, leg),
            InCallCommand::ToggleMute => self.toggle_mute(participant, leg),
            InCallCommand::ToggleHand => self.toggle_hand(participant, leg),
            InCallCommand::RollCall => self.call_roll(leg),
            InCallCommand::Count => {
                let words = self.count(leg);
                self.tell_alone(leg, vec![words]);
            }
            InCallCommand::Louder => self.change_gain(participant, STEP_DB).await,
            InCallCommand::Softer => self.change_gain(participant, -STEP_DB).await,
            InCallCommand::Leave => {
                if !self.handset_left(participant, EndReason::Left).await {
                    self.leave(participant, LeaveReason::Left, EndReason::Left)
                        .await;
                }
            }
            InCallCommand::ToggleRecording => self.toggle_recording(leg).await,
            InCallCommand::MuteAudience => self.mute_audience(!self.audience_muted),
            InCallCommand::ToggleLock => {
                let on = !self.locked;
                let words = if on {
                    PromptKey::LockedNow
                } else {
                    PromptKey::UnlockedNow
                };
                let done = self.order(Order::Lock(on)).await;
                self.confirm(leg, done, words);
            }
            InCallCommand::AdmitAll => {
                let words = match self.admit_all().await {
                    0 => PromptKey::NobodyWaits,
                    _ => PromptKey::Admitted,
                };
                self.say(leg, words);
            }
            InCallCommand::DenyAll => {
                let words = match self.turn_all_away().await {
                    0 => PromptKey::NobodyWaits,
                    _ => PromptKey::TurnedAway,
                };
                self.say(leg, words);
            }
            InCallCommand::ToggleAnnouncements => self.toggle_announcements(leg),
            InCallCommand::DialOut => self.begin_number(leg),
            InCallCommand::End => self.close(EndReason::ConferenceEnded).await,
        }
    }

    fn confirm(&mut self, leg: LegId, done: Result<(), Denied>, words: PromptKey) {
        self.say(
            leg,
            match done {
                Ok(()) => words,
                Err(_) => PromptKey::NotAllowed,
            },
        );
    }

    fn tell_alone(&mut self, leg: LegId, sounds: Vec<Arc<[i16]>>) {
        self.play(Audience::Leg(leg), sounds);
    }

    fn toggle_mute(&mut self, participant: &str, leg: LegId) {
        let Some(person) = self.roster.get(participant) else {
            return;
        };
        let since = person.host_muted.map(|at| at.elapsed());
        let mute = person.mute.toggled(since);
        if mute == Mute::Off && self.is_silenced(participant) {
            return self.say(leg, PromptKey::MutedByHost);
        }
        self.set_mute(participant, mute);
    }

    fn toggle_hand(&mut self, participant: &str, leg: LegId) {
        let Some(person) = self.roster.get_mut(participant) else {
            return;
        };
        person.hand = !person.hand;
        let words = if person.hand {
            PromptKey::HandUp
        } else {
            PromptKey::HandDown
        };
        self.show(participant);
        self.say(leg, words);
    }

    async fn change_gain(&mut self, participant: &str, by_db: i8) {
        let Some(person) = self.roster.get(participant) else {
            return;
        };
        let order = Order::Gain(participant.to_owned(), person.gain_db.saturating_add(by_db));
        // At the end of the scale it stays as it is.
        let _ = self.order(order).await;
    }

    /// What the keys do that this one may press, out of the table.
    fn explain_keys(&mut self, participant: &str, leg: LegId) {
        let host = self.is_host(participant);
        let around = Arc::clone(&self.around);
        let language = self.language_of(leg);
        let mut sounds = Vec::new();
        for (command, keys) in around.config.keys.help(host) {
            sounds.push(around.prompts.say(language, command.help()));
            let spoken = keys.chars().filter_map(spoken);
            sounds.extend(spoken.map(|key| around.prompts.say(language, key)));
        }
        self.tell_alone(leg, sounds);
    }

    /// How many are here, in the language of whoever asks.
    fn count(&self, leg: LegId) -> Arc<[i16]> {
        let (prompts, language) = (&self.around.prompts, self.language_of(leg));
        match self.roster.guests() {
            0 | 1 => prompts.say(language, PromptKey::OnlyYou),
            people => prompts.count(language, Counted::Inside, people),
        }
    }

    /// Who is here, in their own voices, and how many have said no name.
    fn call_roll(&mut self, leg: LegId) {
        let mut sounds = vec![self.count(leg)];
        let people = self.roster.iter().filter(|it| it.kind != Kind::Host);
        let names: Vec<_> = people.filter_map(|it| it.spoken.clone()).collect();
        let nameless = self.roster.guests() - names.len();
        let any = !names.is_empty();
        sounds.extend(names.into_iter().take(NAMES));
        if any && nameless > 0 {
            let language = self.language_of(leg);
            let prompts = &self.around.prompts;
            sounds.push(prompts.count(language, Counted::Nameless, nameless));
        }
        self.tell_alone(leg, sounds);
    }

    /// Whether comings and goings are heard: as configured, or by tones where that is not at all.
    fn toggle_announcements(&mut self, leg: LegId) {
        let configured = self.around.config.announce;
        let (now, words) = match self.announcing {
            Announce::Off if configured == Announce::Off => {
                (Announce::Tones, PromptKey::AnnouncementsOn)
            }
            Announce::Off => (configured, PromptKey::AnnouncementsOn),
            Announce::Tones | Announce::Names => (Announce::Off, PromptKey::AnnouncementsOff),
        };
        self.announcing = now;
        self.say(leg, words);
    }
}
