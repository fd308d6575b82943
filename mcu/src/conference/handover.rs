//! A phone goes from one conference to another without hanging up: its leg moves from room to room and keeps its stream, its call gets another
//! seat.

use tokio::sync::mpsc;

use super::Conferences;
use super::entry::Refusal;
use super::focus::Focus;
use super::order::Denied;
use super::roster::Mute;
use super::seat::{Action, Command, Link, Newcomer, Notice, Transfer};
use crate::signal::protocol::{Kind, LeaveReason};
use crate::store::ConferenceRecord;

/// What one conference hands to another. As long as it is on its way, nobody else can have it.
#[derive(Debug)]
pub(crate) struct Handed {
    newcomer: Newcomer,
    call: mpsc::Sender<Notice>,
    muted: bool,
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
        let name = participant.to_owned();
        let handed = self.ask(from, |reply| {
            Command::Transfer(Transfer::HandOver {
                participant: name,
                reply,
            })
        });
        let handed = handed.await.unwrap_or(Err(Denied::Nobody))?;
        let joined = self.join(to, handed.newcomer).await;
        let taken = joined.is_ok();
        let call = handed.call;
        let back = (!taken).then(|| call.clone());
        let name = participant.to_owned();
        let settled = self.ask(from, |reply| {
            Command::Transfer(Transfer::HandedOver {
                participant: name,
                back,
                reply,
            })
        });
        // A conference that is gone has nobody to forget.
        let _ = settled.await;
        let seat = joined.map_err(|refusal| match refusal {
            Refusal::Full => Denied::Forbidden("The other conference is full."),
            _ => Denied::Unavailable("The other conference takes nobody now."),
        })?;
        let act = |action| Command::Act {
            participant: seat.participant.clone(),
            generation: seat.generation,
            action,
        };
        if handed.muted {
            // Whoever is muted stays so; a focus that is gone mutes nobody.
            let _ = seat.commands.send(act(Action::Mute(true))).await;
        }
        let leave = act(Action::Leave);
        let focus = seat.commands.clone();
        if call.send(Notice::Moved(Box::new(seat))).await.is_err() {
            // It hung up on its way, and knows nothing of its new seat.
            let _ = focus.send(leave).await;
        }
        Ok(())
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
            Transfer::HandOver { participant, reply } => {
                if let Err(Ok(handed)) = reply.send(self.hand_over(&participant)) {
                    // Whoever asked is gone: it stays.
                    self.handed_over(&participant, Some(handed.call));
                }
            }
            Transfer::HandedOver {
                participant,
                back,
                reply,
            } => {
                self.handed_over(&participant, back);
                let _ = reply.send(());
            }
        }
    }

    /// What `participant` takes along. Until [`Focus::handed_over`] the call hears nothing of this conference.
    fn hand_over(&mut self, participant: &str) -> Result<Handed, Denied> {
        let person = self.roster.get_mut(participant).ok_or(Denied::Nobody)?;
        if person.kind != Kind::Phone {
            return Err(Denied::Forbidden("Only phones can be moved."));
        }
        let on_its_way = Denied::Unavailable("They are being moved already.");
        let call = match std::mem::replace(&mut person.link, Link::None) {
            Link::Call(call) => call,
            other => {
                person.link = other;
                return Err(on_its_way);
            }
        };
        Ok(Handed {
            newcomer: Newcomer {
                name: person.name.clone(),
                kind: person.kind,
                role: person.role,
                user: None,
                link: Link::Call(call.clone()),
                leg: person.leg,
                spoken: person.spoken.clone(),
                language: person.language,
                invited: true,
            },
            call,
            muted: person.mute != Mute::Off,
        })
    }

    /// It is gone, or back with its call.
    fn handed_over(&mut self, participant: &str, back: Option<mpsc::Sender<Notice>>) {
        if let Some(call) = back {
            if let Some(person) = self.roster.get_mut(participant) {
                person.link = Link::Call(call);
            }
            return;
        }
        if let Some(leg) = self.roster.get(participant).and_then(|person| person.leg) {
            self.forget_number(leg);
        }
        // Its leg is in the other room and stays there.
        self.take_out(participant, LeaveReason::Left);
    }
}
