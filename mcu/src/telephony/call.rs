//! One phone call from INVITE to its end: answers, lets the attendant talk, sits in the conference, cleans up.
//!
//! The only owner of the call's leg until the focus takes it, and of its attendant's room.

use std::sync::Arc;

use plenum_dialin::attendant::{AttendantResult, Language, PromptKey};
use plenum_dialin::{
    CallCommand, CallEvent, CallId, Caller, EndReason as SipEnd, HangupReason, info,
};
use plenum_mixer::{LegId, RoomConfig};
use tokio::sync::{mpsc, watch};

use super::answer::{Negotiation, Step};
use super::leaving;
use super::masking::shown;
use super::numbers::Number;
use super::talk::{Outcome, Talk};
use super::transfer::{self, Place};
use crate::auth::{GuardKey, Role};
use crate::conference::{
    Action, Admission, Command, Conferences, Credential, Link, Newcomer, Notice, Refusal, Seat,
    Sendoff,
};
use crate::config::TrunkConfig;
use crate::media::{LegGone, RoomEvent, RoomId, RtpSockets};
use crate::signal::protocol::{EndReason, Kind};
use crate::stop;

/// Room events that may wait for the attendant.
const ROOM_EVENTS: usize = 256;

/// What an INVITE says.
pub(super) struct Invitation {
    pub(super) trunk: String,
    pub(super) caller: Caller,
    pub(super) called: String,
    pub(super) offer: Option<String>,
    pub(super) direct: bool,
    pub(super) over_tls: bool,
}

/// A call's ways to the rest of the server.
pub(super) struct Line {
    pub(super) call: CallId,
    pub(super) conferences: Conferences,
    pub(super) commands: mpsc::Sender<CallCommand>,
    pub(super) events: mpsc::Receiver<CallEvent>,
    pub(super) stop: watch::Receiver<bool>,
    /// What its trunk allows and wants.
    pub(super) trunk: Arc<TrunkConfig>,
    /// What was called.
    pub(super) number: Arc<Number>,
    /// What is spoken to the caller.
    pub(super) language: Language,
    /// Where it sits, once it does.
    pub(super) place: Option<Place>,
    /// Where its phone is being sent.
    pub(super) sendoff: Option<Sendoff>,
}

impl Line {
    pub(super) async fn command(&self, command: CallCommand) {
        // An endpoint that is gone has no calls.
        let _ = self.commands.send(command).await;
    }
}

/// How a call came to its end; the label is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By the far end or the endpoint.
    Sip(SipEnd),
    /// Refused with this status, before it was answered.
    Refused(u16),
    /// We hang up.
    HangUp(HangupReason),
}

impl End {
    fn label(self) -> &'static str {
        match self {
            Self::Sip(reason) => reason.as_str(),
            Self::Refused(_) => "refused",
            Self::HangUp(HangupReason::Normal) => "hung_up",
            Self::HangUp(HangupReason::MediaTimeout) => "media_timeout",
            Self::HangUp(HangupReason::MediaSecurity) => "media_security",
            Self::HangUp(HangupReason::ServerStopping) => "server_stopping",
            Self::HangUp(HangupReason::InternalError) => "internal_error",
        }
    }
}

/// The media side of a call.
pub(super) struct Leg {
    pub(super) leg: LegId,
    /// The attendant's room, this call's alone; `None` once the conference has the leg.
    pub(super) room: Option<RoomId>,
    pub(super) events: mpsc::Receiver<(RoomId, RoomEvent)>,
}

/// Runs the call to its end and leaves nothing behind.
pub(super) async fn run(mut line: Line, invitation: Invitation) {
    let call = line.call;
    let who = Who::of(&line.conferences, &invitation);
    tracing::info!(%call, trunk = invitation.trunk, direct = invitation.direct, "call came in");
    let end = match set_up(&mut line, &invitation, who.key).await {
        Err(end) => end,
        Ok((mut negotiation, mut leg, admission)) => {
            let end = attend(&mut line, &mut negotiation, &mut leg, admission, &who).await;
            clean_up(&line.conferences, &mut leg).await;
            end
        }
    };
    finish(&line, end).await;
}

/// Carries the end of a call out, and counts it.
pub(super) async fn finish(line: &Line, end: End) {
    let call = line.call;
    match end {
        End::Sip(_) => {}
        End::Refused(status) => line.command(CallCommand::Refuse { call, status }).await,
        End::HangUp(reason) => line.command(CallCommand::Hangup { call, reason }).await,
    }
    line.conferences
        .around()
        .metrics
        .calls_total
        .with_label_values(&[end.label()])
        .inc();
    tracing::info!(%call, end = end.label(), "call ended");
}

/// Who calls, as shown and as guarded.
struct Who {
    name: String,
    key: GuardKey,
}

impl Who {
    fn of(conferences: &Conferences, invitation: &Invitation) -> Self {
        let Caller {
            display,
            number,
            anonymous,
        } = &invitation.caller;
        Self {
            name: if *anonymous {
                "Anonymous".to_owned()
            } else {
                shown(display, number)
            },
            key: conferences.around().guard.caller(&invitation.trunk, number),
        }
    }
}

/// Answers the call and puts its leg into a room of its own. A direct trunk's call is checked before it is answered.
async fn set_up(
    line: &mut Line,
    invitation: &Invitation,
    key: GuardKey,
) -> Result<(Negotiation, Leg, Option<Admission>), End> {
    let admission = if invitation.direct {
        Some(admit_direct(line, invitation, key).await?)
    } else {
        None
    };
    let media = line.conferences.around().media.clone();
    let sockets = media.bind_rtp().map_err(|error| {
        tracing::warn!(call = %line.call, %error, "no rtp sockets");
        End::Refused(503)
    })?;
    let ours = (sockets.local, media.fingerprint().clone());
    let mut negotiation = Negotiation::new(line.call, ours, &line.trunk, invitation.over_tls);
    negotiation.prepare(&media, invitation.offer.as_deref());
    let sdp = negotiation
        .start(invitation.offer.as_deref())
        .map_err(End::Refused)?;
    line.command(CallCommand::Answer {
        call: line.call,
        sdp,
    })
    .await;
    // With an early offer the stream is known now, with a late one once the ACK brings the answer.
    let mut confirmed = false;
    while !confirmed || negotiation.audio().is_none() {
        match next(line, &mut negotiation).await? {
            Step::Confirmed => confirmed = true,
            Step::Media(Some(answer)) => line.command(answer).await,
            Step::Media(None) | Step::Nothing | Step::Digit(_) | Step::Picture => {}
        }
    }
    let leg = take_seat(line, &mut negotiation, sockets).await?;
    Ok((negotiation, leg, admission))
}

/// Puts the leg of a call that stands into a room of its own.
pub(super) async fn take_seat(
    line: &mut Line,
    negotiation: &mut Negotiation,
    sockets: RtpSockets,
) -> Result<Leg, End> {
    let media = line.conferences.around().media.clone();
    let Some(audio) = negotiation.audio().cloned() else {
        return Err(End::HangUp(HangupReason::InternalError));
    };
    let (outbox, events) = mpsc::channel(ROOM_EVENTS);
    let refused = |error: crate::media::MediaError| {
        tracing::warn!(%error, "call has no media");
        End::HangUp(HangupReason::InternalError)
    };
    let room = media
        .open_room(RoomConfig::default(), outbox)
        .await
        .map_err(refused)?;
    let mut leg = Leg {
        leg: media.next_leg(),
        room: Some(room),
        events,
    };
    if let Err(error) = media.add_phone(room, leg.leg, sockets, audio).await {
        clean_up(&line.conferences, &mut leg).await;
        return Err(refused(error));
    }
    if negotiation.video.is_agreed() {
        apply_video(line, negotiation, leg.leg).await;
    }
    Ok(leg)
}

async fn admit_direct(
    line: &Line,
    invitation: &Invitation,
    key: GuardKey,
) -> Result<Admission, End> {
    let admitted = line
        .conferences
        .admit(&invitation.called, Credential::DirectTrunk, key)
        .await;
    let status = match admitted {
        Ok(admission) => match precheck(&line.conferences, &admission).await {
            Ok(()) => return Ok(admission),
            // 486 Busy Here: there, but not to be entered now.
            Err(_) => 486,
        },
        Err(Refusal::Unavailable) => 503,
        Err(_) => 404,
    };
    Err(End::Refused(status))
}

/// Whether the conference would let the bearer in now; the focus decides again at the join.
pub(super) async fn precheck(
    conferences: &Conferences,
    admission: &Admission,
) -> Result<(), Refusal> {
    let Some(summary) = conferences.summary(&admission.record.id).await else {
        let shut = admission.record.locked && admission.role == Role::Guest;
        return if shut { Err(Refusal::Locked) } else { Ok(()) };
    };
    if conferences.is_in(admission).await {
        return Ok(());
    }
    if summary.locked && admission.role == Role::Guest {
        return Err(Refusal::Locked);
    }
    if summary.participants >= conferences.around().config.max_participants {
        return Err(Refusal::Full);
    }
    Ok(())
}

/// The next thing that the call's signalling says, media changes applied.
pub(super) async fn next(line: &mut Line, negotiation: &mut Negotiation) -> Result<Step, End> {
    let event = tokio::select! {
        event = line.events.recv() => event.ok_or(End::HangUp(HangupReason::InternalError))?,
        () = negotiation.video.wish() => {
            line.command(CallCommand::AskPicture { call: line.call }).await;
            return Ok(Step::Nothing);
        }
        () = stop::requested(&mut line.stop) => return Err(End::HangUp(HangupReason::ServerStopping)),
    };
    Ok(match event {
        CallEvent::Ended { reason, .. } => return Err(End::Sip(reason)),
        CallEvent::Confirmed { .. } => Step::Confirmed,
        CallEvent::Info {
            content_type, body, ..
        } if info::wants_picture(&content_type, &body) => Step::Picture,
        CallEvent::Info {
            content_type, body, ..
        } => info::digit(&content_type, &body).map_or(Step::Nothing, Step::Digit),
        CallEvent::AnswerIn { answer, .. } => {
            negotiation
                .accept(&answer)
                .map_err(|_| End::HangUp(HangupReason::InternalError))?;
            Step::Media(None)
        }
        CallEvent::Offered { call, offer } => {
            negotiation.prepare(&line.conferences.around().media, Some(&offer));
            match negotiation.answer(&offer) {
                Ok(sdp) => Step::Media(Some(CallCommand::AcceptOffer { call, sdp })),
                Err(status) => {
                    line.command(CallCommand::RefuseOffer { call, status })
                        .await;
                    Step::Nothing
                }
            }
        }
        CallEvent::Succeeded {
            call,
            offer,
            over_tls,
        } => {
            negotiation.prepare(&line.conferences.around().media, offer.as_deref());
            let said = negotiation.succeed(offer.as_deref(), over_tls);
            let agreed = said.is_ok() && offer.is_some();
            let command = match said {
                Ok(sdp) => CallCommand::AcceptOffer { call, sdp },
                Err(status) => CallCommand::RefuseOffer { call, status },
            };
            if agreed {
                Step::Media(Some(command))
            } else {
                line.command(command).await;
                Step::Nothing
            }
        }
        CallEvent::OfferWanted { call } => {
            let command = match negotiation.offer() {
                Ok(sdp) => CallCommand::AcceptOffer { call, sdp },
                Err(status) => CallCommand::RefuseOffer { call, status },
            };
            line.command(command).await;
            Step::Nothing
        }
        CallEvent::Referred {
            refer,
            to,
            replaces,
            ..
        } => {
            transfer::begin(line, refer, to, replaces);
            Step::Nothing
        }
        CallEvent::Sent { status, .. } => {
            if transfer::heard(line, status).await {
                return Err(End::HangUp(HangupReason::Normal));
            }
            Step::Nothing
        }
        // Calls of ours: see [`super::outcall`].
        CallEvent::Incoming { .. } | CallEvent::Ringing { .. } | CallEvent::Answered { .. } => {
            Step::Nothing
        }
    })
}

/// Hands changed streams (hold, another address, video that comes or goes) to media, and then gives the far end its `answer`.
pub(super) async fn apply(
    line: &Line,
    negotiation: &mut Negotiation,
    leg: LegId,
    answer: Option<CallCommand>,
) {
    hand_over(line, negotiation, leg).await;
    if let Some(answer) = answer {
        line.command(answer).await;
    }
}

async fn hand_over(line: &Line, negotiation: &mut Negotiation, leg: LegId) {
    let Some(audio) = negotiation.audio().cloned() else {
        return;
    };
    if let Err(error) = line
        .conferences
        .around()
        .media
        .update_phone(leg, audio)
        .await
    {
        tracing::warn!(call = %line.call, %error, "media change was lost");
    }
    apply_video(line, negotiation, leg).await;
}

async fn apply_video(line: &Line, negotiation: &mut Negotiation, leg: LegId) {
    let around = line.conferences.around();
    let limit_for = |limit| around.composites.limit_for(limit);
    let video = negotiation.video.hand_over(limit_for);
    if let Err(error) = around.media.phone_video(leg, video).await {
        tracing::warn!(call = %line.call, %error, "video of a call was lost");
    }
}

/// Tells the conference whether the phone has a camera.
async fn show_camera(negotiation: &Negotiation, seat: &Seat) {
    let act = Command::Act {
        participant: seat.participant.clone(),
        generation: seat.generation,
        action: Action::Camera(negotiation.camera()),
    };
    // A focus that is gone shows nobody.
    let _ = seat.commands.send(act).await;
}

/// The attendant's talk, unless the trunk is direct, then the conference.
async fn attend(
    line: &mut Line,
    negotiation: &mut Negotiation,
    leg: &mut Leg,
    admission: Option<Admission>,
    who: &Who,
) -> End {
    let metrics = line.conferences.around().metrics.attendant.clone();
    let count = |result: &str| metrics.with_label_values(&[result]).inc();
    let direct = admission.is_some();
    let announce = line.conferences.around().config.announce;
    let (admission, spoken): (_, Option<Arc<[i16]>>) = match admission {
        Some(admission) => (admission, None),
        None => match Talk::new(who.key, announce, &line.number)
            .run(line, negotiation, leg)
            .await
        {
            Ok(Outcome::Admitted(admission, spoken)) => (*admission, spoken),
            Ok(Outcome::Refused(result)) => {
                count(result.as_str());
                return End::HangUp(HangupReason::Normal);
            }
            Err(end) => {
                count("hung_up");
                return end;
            }
        },
    };
    let (link, mut ended) = mpsc::channel(4);
    let newcomer = Newcomer {
        name: admission.name.unwrap_or_else(|| who.name.clone()),
        kind: Kind::Phone,
        role: admission.role,
        user: admission.user,
        link: Link::Call(link),
        leg: Some(leg.leg),
        spoken,
        language: line.language,
        invited: false,
    };
    let mut seat = match line.conferences.join(&admission.record, newcomer).await {
        Ok(seat) => seat,
        Err(refusal) => {
            let (prompt, result) = match refusal {
                Refusal::Locked => (PromptKey::Locked, AttendantResult::Locked),
                Refusal::Full => (PromptKey::Full, AttendantResult::Full),
                _ => (PromptKey::TryLater, AttendantResult::Unavailable),
            };
            count(result.as_str());
            super::talk::farewell(line, negotiation, leg, &[prompt, PromptKey::Goodbye]).await;
            return End::HangUp(HangupReason::Normal);
        }
    };
    count(if direct {
        "direct"
    } else {
        AttendantResult::Joined.as_str()
    });
    close_room(&line.conferences, leg).await;
    let end = loop {
        match confer(line, negotiation, leg, &seat, &mut ended).await {
            Stay::Over(end) => break end,
            Stay::Moved(other) => seat = *other,
        }
    };
    leaving::leave_all(&seat, &mut ended).await;
    end
}

/// How a stay in one conference came to its end.
pub(super) enum Stay {
    Over(End),
    /// It goes on in another one.
    Moved(Box<Seat>),
}

/// In the conference: keys by SIP INFO, hold, and the end from either side.
pub(super) async fn confer(
    line: &mut Line,
    negotiation: &mut Negotiation,
    leg: &mut Leg,
    seat: &Seat,
    notices: &mut mpsc::Receiver<Notice>,
) -> Stay {
    line.place = Some(Place::of(seat));
    if negotiation.camera() {
        show_camera(negotiation, seat).await;
    }
    loop {
        tokio::select! {
            step = next(line, negotiation) => match step {
                Err(end) => return Stay::Over(end),
                Ok(Step::Media(answer)) => {
                    apply(line, negotiation, leg.leg, answer).await;
                    show_camera(negotiation, seat).await;
                }
                Ok(Step::Picture) => {
                    if let Err(error) = line.conferences.around().media.phone_wants_keyframe(leg.leg) {
                        tracing::debug!(%error, "a phone's wish for a keyframe was lost");
                    }
                }
                Ok(Step::Digit(digit)) => {
                    let key = Command::Key { participant: seat.participant.clone(), digit };
                    // A focus that is gone says so by `ended`.
                    let _ = seat.commands.send(key).await;
                }
                Ok(Step::Confirmed | Step::Nothing) => {}
            },
            notice = notices.recv() => return match notice {
                Some(Notice::Moved(seat)) => Stay::Moved(seat),
                Some(Notice::SendAway(sendoff)) => {
                    transfer::send(line, sendoff).await;
                    continue;
                }
                Some(Notice::Ended(EndReason::ServerStopping)) => {
                    Stay::Over(End::HangUp(HangupReason::ServerStopping))
                }
                Some(Notice::Ended(_)) | None => Stay::Over(End::HangUp(HangupReason::Normal)),
            },
        }
    }
}

/// Takes the leg and the attendant's room away; either may be gone already.
pub(super) async fn clean_up(conferences: &Conferences, leg: &mut Leg) {
    if let Err(error) = conferences.around().media.remove_leg(leg.leg).await {
        tracing::warn!(%error, "leg could not be removed");
    }
    close_room(conferences, leg).await;
}

/// The attendant has no more to say: its room goes, not to be mixed for nobody.
pub(super) async fn close_room(conferences: &Conferences, leg: &mut Leg) {
    let Some(room) = leg.room.take() else { return };
    if let Err(error) = conferences.around().media.close_room(room).await {
        tracing::warn!(%error, "attendant's room could not be closed");
    }
}

/// Why a leg's own end ends the call.
pub(super) fn end_of(reason: LegGone) -> End {
    End::HangUp(match reason {
        LegGone::RtpSilence | LegGone::IceTimeout => HangupReason::MediaTimeout,
        LegGone::NoKeys(_) => HangupReason::MediaSecurity,
        LegGone::PeerFault | LegGone::RoomFault | LegGone::WorkerFault | LegGone::Closed => {
            HangupReason::InternalError
        }
    })
}
