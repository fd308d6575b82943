//! A phone goes from one conference to another without hanging up: its leg moves from room to room and keeps its stream, its call gets another
//! seat.

use std::time::Duration;

use plenum_mixer::LegId;
use tokio::sync::mpsc;

use super::Conferences;
use super::entry::Refusal;
use super::focus::Focus;
use super::order::Denied;
use super::roster::Mute;
use super::seat::{Action, Command, Link, Newcomer, Notice, Seat, Transfer};
use crate::signal::protocol::{EndReason, Kind, LeaveReason};
use crate::store::ConferenceRecord;

const ON_ITS_WAY: Denied = Denied::Unavailable("They are being moved already.");

/// What one conference hands to another. As long as it is on its way, nobody else can have it.
#[derive(Debug)]
pub(crate) struct Handed {
    newcomer: Newcomer,
    call: mpsc::Sender<Notice>,
    mute: Mute,
}

impl Conferences {
    /// Moves a phone from the conference with ULID `from` into that of `to`, past its PIN, lock and lobby, as whom a host calls.
    pub(crate) async fn move_phone(
        &self,
        from: &str,
        participant: &str,
        to: &ConferenceRecord,
    ) -> Result<(), Denied> {
        if from == to.id {
            return Err(Denied::Forbidden("They are in this conference already."));
        }
        let (conferences, to) = (self.clone(), to.clone());
        let (from, participant) = (from.to_owned(), participant.to_owned());
        // Beside whoever asks, who may be gone before it is done: a phone is in one conference or in the other.
        let carried = tokio::spawn(async move { conferences.carry(&from, participant, &to).await });
        let lost = |_| Err(Denied::Unavailable("They could not be moved."));
        carried.await.unwrap_or_else(lost)
    }

    async fn carry(
        &self,
        from: &str,
        participant: String,
        to: &ConferenceRecord,
    ) -> Result<(), Denied> {
        let name = participant.clone();
        let warned = self.ask(from, |reply| {
            Command::Transfer(Transfer::Forewarn {
                participant: name,
                reply,
            })
        });
        tokio::time::sleep(warned.await.unwrap_or(Err(Denied::Nobody))?).await;
        let name = participant.clone();
        let handed = self.ask(from, |reply| {
            Command::Transfer(Transfer::HandOver {
                participant: name,
                reply,
            })
        });
        let Handed {
            newcomer,
            call,
            mute,
        } = handed.await.unwrap_or(Err(Denied::Nobody))?;
        let leg = newcomer.leg;
        let joined = self.join(to, newcomer).await;
        let back = joined.is_err().then(|| call.clone());
        let outcome = match joined {
            Ok(seat) => {
                Self::seat_moved(seat, call, mute).await;
                Ok(())
            }
            Err(Refusal::Full) => Err(Denied::Unavailable("The other conference is full.")),
            Err(_) => Err(Denied::Unavailable(
                "The other conference takes nobody now.",
            )),
        };
        let left = back.clone();
        let settled = self.ask(from, |reply| {
            Command::Transfer(Transfer::HandedOver {
                participant,
                leg,
                back,
                reply,
            })
        });
        if settled.await.is_none()
            && let Some(call) = left
        {
            // Its conference has ended without it.
            let _ = call.try_send(Notice::Ended(EndReason::ConferenceEnded));
        }
        outcome
    }

    /// Tells the call of its new seat, before its old conference forgets it and may end.
    async fn seat_moved(seat: Seat, call: mpsc::Sender<Notice>, mute: Mute) {
        let act = |action| Command::Act {
            participant: seat.participant.clone(),
            generation: seat.generation,
            action,
        };
        // Whoever is muted stays so, by whom they were; a focus that is gone mutes nobody.
        let muted = match mute {
            Mute::Off => None,
            Mute::BySelf => Some(Action::Mute(true)),
            Mute::ByHost => Some(Action::StayMuted),
        };
        if let Some(muted) = muted {
            let _ = seat.commands.send(act(muted)).await;
        }
        let leave = act(Action::Leave);
        let focus = seat.commands.clone();
        if call.send(Notice::Moved(Box::new(seat))).await.is_err() {
            // It hung up on its way, and knows nothing of its new seat.
            let _ = focus.send(leave).await;
        }
    }
}

impl Focus {
    pub(super) fn transfer(&mut self, transfer: Transfer) {
        match transfer {
            Transfer::Refer {
                participant,
                order,
                told,
                reply,
            } => {
                // A call that is gone meanwhile hears nothing.
                let _ = reply.send(self.refer(&participant, order, told).is_ok());
            }
            Transfer::Forewarn { participant, reply } => {
                let leg = self.may_move(&participant);
                let pause = leg.map(|leg| leg.map_or(Duration::ZERO, |leg| self.forewarn(leg)));
                // Whoever asked is gone: it stays, and has heard it for nothing.
                let _ = reply.send(pause);
            }
            Transfer::HandOver { participant, reply } => {
                let handed = self.hand_over(&participant);
                if handed.is_err() {
                    // It has heard that it goes, and stays.
                    self.came_back(&participant);
                }
                if let Err(Ok(handed)) = reply.send(handed) {
                    // Whoever asked is gone: it stays.
                    let leg = handed.newcomer.leg;
                    self.handed_over(&participant, leg, Some(handed.call));
                }
            }
            Transfer::HandedOver {
                participant,
                leg,
                back,
                reply,
            } => {
                self.handed_over(&participant, leg, back);
                let _ = reply.send(());
            }
        }
    }

    /// The leg of `participant`, if they can be moved.
    fn may_move(&self, participant: &str) -> Result<Option<LegId>, Denied> {
        let person = self.roster.get(participant).ok_or(Denied::Nobody)?;
        if person.kind != Kind::Phone {
            return Err(Denied::Forbidden("Only phones can be moved."));
        }
        if self.dialling.sends(participant) {
            return Err(Denied::Unavailable("They are being transferred."));
        }
        match person.link {
            Link::Call(_) => Ok(person.leg),
            _ => Err(ON_ITS_WAY),
        }
    }

    /// What `participant` takes along. Until [`Focus::handed_over`] the call hears nothing of this conference, and what becomes of the
    /// participant here is nothing to its leg.
    fn hand_over(&mut self, participant: &str) -> Result<Handed, Denied> {
        self.may_move(participant)?;
        let person = self.roster.get_mut(participant).ok_or(Denied::Nobody)?;
        let call = match std::mem::replace(&mut person.link, Link::None) {
            Link::Call(call) => call,
            other => {
                person.link = other;
                return Err(ON_ITS_WAY);
            }
        };
        let handed = Handed {
            newcomer: Newcomer {
                name: person.name.clone(),
                kind: person.kind,
                role: person.role,
                user: (person.user != person.id).then(|| person.user.clone()),
                link: Link::Call(call.clone()),
                leg: person.leg,
                spoken: person.spoken.clone(),
                language: person.language,
                invited: true,
            },
            call,
            mute: person.mute,
        };
        self.roster.set_leg(participant, None);
        Ok(handed)
    }

    /// It is gone with `leg`, or back with its leg and its call.
    fn handed_over(
        &mut self,
        participant: &str,
        leg: Option<LegId>,
        back: Option<mpsc::Sender<Notice>>,
    ) {
        let Some(call) = back else {
            if let Some(leg) = leg {
                self.forget_number(leg);
            }
            // Its leg is in the other room and stays there.
            self.take_out(participant, LeaveReason::Left);
            return;
        };
        if let Some(person) = self.roster.get_mut(participant) {
            person.link = Link::Call(call);
            self.roster.set_leg(participant, leg);
            self.came_back(participant);
        } else {
            // Removed meanwhile: the call ends, and its leg with it.
            let _ = call.try_send(Notice::Ended(EndReason::Removed));
        }
    }
}
