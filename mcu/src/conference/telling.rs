//! How sessions learn what has changed: each message is made once, whoever hears it, and changes of people are gathered by
//! [`super::news`]. Knows no policy.

use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use serde_json::value::RawValue;

use super::focus::Focus;
use super::news::Told;
use super::roster::Roster;
use super::seat::Link;
use crate::auth::Role;
use crate::signal::protocol::{DialIn, LeaveReason, ServerMessage};

/// Participants in one message: it stays below 256 KiB whatever they are called, and the largest conference is told in as many
/// messages as a session's queue has room for.
const PART: usize = 400;

type Shown<'a> = ServerMessage<&'a RawValue>;

impl Focus {
    /// Says it to everybody, after whatever is new about people. Sessions that do not read lose their connection, not their place.
    pub(super) fn tell_all(&mut self, message: &ServerMessage) {
        self.publish(Instant::now());
        let text = Utf8Bytes::from(message.to_json());
        let slow = self.roster.iter().filter(|person| !person.send(&text));
        let slow = slow.map(|person| person.id.clone()).collect();
        self.cut_off(slow);
    }

    /// Says it to one.
    pub(super) fn tell(&mut self, participant: &str, message: &ServerMessage) {
        self.send(participant, &Utf8Bytes::from(message.to_json()));
    }

    fn send(&mut self, participant: &str, text: &Utf8Bytes) {
        let person = self.roster.get(participant);
        if person.is_some_and(|person| !person.send(text)) {
            self.cut_off(vec![participant.to_owned()]);
        }
    }

    fn cut_off(&mut self, slow: Vec<String>) {
        for participant in slow {
            self.around.metrics.slow_sessions.inc();
            self.roster.disconnect(&participant, Instant::now());
        }
    }

    /// Tells `participant`, who has just come or come back, everything.
    pub(super) fn brief(&mut self, participant: &str, role: Role, resume: String) {
        let person = self.roster.get(participant);
        if !person.is_some_and(|person| matches!(person.link, Link::Session(_))) {
            return;
        }
        let floor = self.floor.and_then(|leg| self.roster.owner(leg));
        let floor = floor.map(str::to_owned);
        self.roster.render_all();
        let mut others: Vec<&RawValue> = self.roster.all_shown_but(participant).collect();
        let further = others.split_off(others.len().min(PART - 1));
        others.extend(self.roster.shown(participant));
        let joined = Shown::Joined {
            participant: participant.to_owned(),
            role,
            resume,
            conference: self.conference_view(),
            dial_in: self.around.dial_in(&self.record.number).map(|way| DialIn {
                personal: self.record.pins.guest.is_some(),
                ..way
            }),
            roster: others,
            floor,
        };
        let further = further.chunks(PART).map(|part| Shown::Roster {
            participants: part.to_vec(),
        });
        let texts: Vec<Utf8Bytes> = std::iter::once(joined)
            .chain(further)
            .map(|message| message.to_json().into())
            .collect();
        for text in texts {
            self.send(participant, &text);
        }
        self.news.briefed(participant);
    }

    /// Shows everybody how `participant` is now.
    pub(super) fn show(&mut self, participant: &str) {
        self.paint_people();
        if self.roster.get(participant).is_some() {
            self.news.changed(participant);
            self.publish_due(Instant::now());
        }
    }

    /// Tells everybody that `participant` has gone.
    pub(super) fn show_leaving(&mut self, participant: &str, reason: LeaveReason) {
        self.news.left(participant, reason);
        self.publish_due(Instant::now());
    }

    /// Tells what is new about people, if the time has come.
    pub(super) fn publish_due(&mut self, now: Instant) {
        if self.news.due(now).is_some_and(|due| due <= now) {
            self.publish(now);
        }
    }

    /// Tells what is new about people.
    pub(super) fn publish(&mut self, now: Instant) {
        if self.news.due(now).is_none() {
            return;
        }
        let bulletin = self.news.take(now, self.roster.len());
        self.roster.render(bulletin.ids());
        let common = texts(&self.roster, bulletin.common());
        let mut slow = Vec::new();
        for person in self.roster.iter() {
            if !matches!(person.link, Link::Session(_)) {
                continue;
            }
            let own = bulletin
                .own(&person.id)
                .map(|changes| texts(&self.roster, changes));
            let texts = own.as_ref().unwrap_or(&common);
            if !texts.iter().all(|text| person.send(text)) {
                slow.push(person.id.clone());
            }
        }
        self.cut_off(slow);
    }
}

/// All `changes`, as few messages as they fit into.
fn texts<'a>(roster: &'a Roster, changes: impl Iterator<Item = (&'a str, Told)>) -> Vec<Utf8Bytes> {
    let changes: Vec<Shown<'a>> = changes
        .filter_map(|(id, told)| change(roster, id, told))
        .collect();
    changes
        .chunks(PART)
        .map(|changes| match changes {
            [alone] => alone.to_json().into(),
            _ => Shown::Changes {
                changes: changes.to_vec(),
            }
            .to_json()
            .into(),
        })
        .collect()
}

/// What is told of `id`; `None` when it is not here any more.
fn change<'a>(roster: &'a Roster, id: &str, told: Told) -> Option<Shown<'a>> {
    Some(match told {
        Told::Joined => Shown::ParticipantJoined {
            participant: roster.shown(id)?,
        },
        Told::Changed => Shown::ParticipantChanged {
            participant: roster.shown(id)?,
        },
        Told::Talking => Shown::Talking {
            participant: id.to_owned(),
            on: roster.get(id)?.talking,
        },
        Told::Left(reason) => Shown::ParticipantLeft {
            participant: id.to_owned(),
            reason,
        },
    })
}
