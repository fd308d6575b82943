//! What hosts and the API order: who is heard, who hears, who must go, how long it lasts.

use std::time::{Duration, Instant};

use plenum_mixer::{Audience, Command as MixerCommand};

use super::dialling::DialOrder;
use super::focus::Focus;
use super::roster::{Mute, Participant};
use super::seat::Order;
use crate::config::NoiseSuppression;
use crate::signal::protocol::{EndReason, ErrorCode, Kind, LeaveReason, ServerMessage};

/// How much louder or softer a participant can be made.
const GAIN_DB: std::ops::RangeInclusive<i8> = -20..=12;
/// A conference is extended by a day at most.
const LONGEST_EXTENSION: Duration = Duration::from_secs(24 * 3600);

/// Why an order or a wish was not carried out, with words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It names nobody in the roster.
    Nobody,
    /// It makes no sense.
    Invalid(&'static str),
    /// Not to be done by this one, to this one, or as things are.
    Forbidden(&'static str),
    /// Not now.
    Unavailable(&'static str),
}

impl Denied {
    /// For browsers.
    pub(super) fn spoken(self) -> (ErrorCode, &'static str) {
        match self {
            Self::Nobody => (ErrorCode::BadMessage, "There is no such participant."),
            Self::Invalid(why) => (ErrorCode::BadMessage, why),
            Self::Forbidden(why) => (ErrorCode::Forbidden, why),
            Self::Unavailable(why) => (ErrorCode::Unavailable, why),
        }
    }
}

impl Focus {
    /// Carries `order` out, or says why not.
    pub(super) async fn order(&mut self, order: Order) -> Result<(), Denied> {
        match order {
            Order::Mute(target, on) => self.mute_other(&target, on)?,
            Order::MuteAudience(on) => self.mute_audience(on),
            Order::Deafen(target, on) => {
                self.change(&target, |person| {
                    std::mem::replace(&mut person.deafened, on) != on
                })?;
            }
            Order::Hold(target, on) => {
                self.change(&target, |person| {
                    std::mem::replace(&mut person.held, on) != on
                })?;
                self.settle_music(Some(&target));
            }
            Order::Gain(target, db) => {
                if !GAIN_DB.contains(&db) {
                    return Err(Denied::Invalid("The gain must be -20 to 12 dB."));
                }
                self.change(&target, |person| {
                    std::mem::replace(&mut person.gain_db, db) != db
                })?;
            }
            Order::LimitVideo(target, kilobits) => self.order_limit(&target, kilobits)?,
            Order::LimitHeight(target, pixels) => self.order_height(&target, pixels)?,
            Order::MuteVideo(target, on) => {
                if !on {
                    self.require_video()?;
                }
                self.change(&target, |person| {
                    std::mem::replace(&mut person.video_muted, on) != on
                })?;
                self.settle_camera(&target);
            }
            Order::Spotlight(target) => self.order_spotlight(target)?,
            Order::Remove(target) => {
                self.require_person(&target)?;
                self.leave(&target, LeaveReason::Removed, EndReason::Removed)
                    .await;
            }
            Order::Lock(on) => self.lock(on).await?,
            Order::Record(on) => self.record_on(on).await?,
            Order::RecordPause(on) => {
                self.pause_recording(on)?;
            }
            Order::End => self.close(EndReason::ConferenceEnded).await,
            Order::Extend(more) => {
                let now = Instant::now();
                let Some(left) = self.limit.left(now) else {
                    return Err(Denied::Forbidden("This conference has no time limit."));
                };
                self.end_in(left + more.min(LONGEST_EXTENSION), now);
            }
            Order::EndIn(left) => self.end_in(left, Instant::now()),
            Order::Announce(to, pcm) => {
                let to = match to {
                    None => Audience::Everyone,
                    Some(target) => {
                        let person = self.roster.get(&target).ok_or(Denied::Nobody)?;
                        let leg = person
                            .ear()
                            .ok_or(Denied::Unavailable("This participant has no audio now."))?;
                        Audience::Leg(leg)
                    }
                };
                self.play(to, pcm);
            }
            Order::Aside(participants, hear_room) => {
                self.open_aside(&participants, hear_room, None)?;
            }
            Order::CloseAside(number) => self.close_aside(number)?,
            Order::Language(name, interpreter) => self.open_language(&name, interpreter)?,
            Order::CloseLanguage(number) => self.close_language(number)?,
            Order::Composite(on) => self.order_composite(on)?,
            Order::View(target, view) => self.order_view(&target, view)?,
            Order::Layout(name) => self.order_layout(&name)?,
            Order::Banner(text) => self.order_banner(text)?,
            Order::StopPresenting => self.stop_presenting(),
            Order::Gate(gate) => self.order_gate(gate).await?,
            Order::Dial(order) => {
                let of_call = !matches!(order, DialOrder::SendAway(..));
                let ordered = self.order_call(order, None);
                ordered.map_err(|denied| match denied {
                    Denied::Nobody if of_call => Denied::Invalid("There is no such call."),
                    other => other,
                })?;
            }
            Order::Manners(manners) => {
                let before = self.rules;
                self.rules = manners.rules(&self.around.config);
                self.video_rules_changed(before);
                self.rules_changed().await;
            }
        }
        Ok(())
    }

    /// Kept before it holds, so that a restart opens no door.
    async fn lock(&mut self, on: bool) -> Result<(), Denied> {
        if self.locked == on {
            return Ok(());
        }
        if let Err(error) = self.around.store.set_locked(&self.record.id, on).await {
            tracing::error!(%error, "a lock could not be kept");
            return Err(Denied::Unavailable("The lock could not be kept."));
        }
        self.locked = on;
        self.show_conference();
        Ok(())
    }

    /// The demo's host can be muted, not removed: it would be back with the next guest.
    pub(super) fn require_person(&self, target: &str) -> Result<(), Denied> {
        match self.roster.get(target).map(|person| person.kind) {
            None => Err(Denied::Nobody),
            Some(Kind::Host) => Err(Denied::Forbidden("The demo's host cannot be removed.")),
            Some(Kind::Browser | Kind::Phone) => Ok(()),
        }
    }

    /// `target` has muted themselves, and is heard all the same.
    fn plays(&self, target: &str) -> bool {
        let person = self.roster.get(target);
        person.is_some_and(|person| !person.is_silent())
    }

    fn mute_other(&mut self, target: &str, on: bool) -> Result<(), Denied> {
        if let Some(person) = self.roster.get_mut(target) {
            person.may_speak = !on;
        }
        match (self.roster.get(target).map(|person| person.mute), on) {
            (None, _) => Err(Denied::Nobody),
            (Some(Mute::Off), true) => {
                self.set_mute(target, Mute::ByHost);
                if let Some(person) = self.roster.get_mut(target) {
                    person.host_muted = Some(Instant::now());
                }
                Ok(())
            }
            (Some(Mute::ByHost), false) => {
                self.set_mute(target, Mute::Off);
                Ok(())
            }
            // Their shared tab is still heard; their microphone is off, whatever the host does later.
            (Some(Mute::BySelf), true) if self.plays(target) => {
                self.set_mute(target, Mute::ByHost);
                Ok(())
            }
            (Some(Mute::BySelf), false) => Err(Denied::Forbidden(
                "Whoever muted themselves can only be unmuted by themselves.",
            )),
            (Some(_), _) => Ok(()),
        }
    }

    /// Changes how `target` is treated, in the room and on every screen; `change` says whether it is different now.
    fn change(
        &mut self,
        target: &str,
        change: impl FnOnce(&mut Participant) -> bool,
    ) -> Result<(), Denied> {
        let person = self.roster.get_mut(target).ok_or(Denied::Nobody)?;
        if change(person) {
            self.gate(target);
            self.show(target);
        }
        Ok(())
    }

    /// Tells the room how the leg of `participant` is to be treated: after a change, and when the leg is a new one.
    pub(super) fn gate(&self, participant: &str) {
        let Some(person) = self.roster.get(participant) else {
            return;
        };
        let Some(leg) = person.ear() else { return };
        // Held, one still hears what plays for oneself alone: the music. The room's own hold is the caller's.
        self.command_room(MixerCommand::Mute {
            leg,
            on: person.is_silent() || person.held,
        });
        self.command_room(MixerCommand::Deafen {
            leg,
            on: person.deafened || person.held,
        });
        self.command_room(MixerCommand::Gain {
            leg,
            db: f32::from(person.gain_db),
        });
        self.command_room(MixerCommand::Denoise {
            leg,
            on: match self.around.config.noise_suppression {
                NoiseSuppression::Off => false,
                NoiseSuppression::Phones => person.phone_leg().is_some(),
                NoiseSuppression::All => true,
            },
        });
        if self.spotlight.as_deref() == Some(participant) {
            let leg = person.leg.or(Some(leg));
            self.command_room(MixerCommand::Spotlight { leg });
        }
        self.gate_pair(participant);
        self.route(participant);
    }

    /// Shows everybody how the conference is now.
    pub(super) fn show_conference(&mut self) {
        let conference = self.conference_view();
        self.tell_all(&ServerMessage::Conference { conference });
    }
}
