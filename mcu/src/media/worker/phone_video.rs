//! Phones' video on a worker: its sockets in the poll, and what comes from them.

use std::time::Instant;

use mio::Token;
use plenum_mixer::{Feedback, Input, LegId, Track};

use super::links::ToRoom;
use super::phones::BATCH;
use super::run::Worker;
use crate::media::MediaError;
use crate::media::metrics::Dropped;
use crate::media::phone::{PhoneInput, PhoneVideo};

impl Worker {
    /// Reads a phone's socket for video. True when it may hold more.
    pub(super) fn read_phone_video(&mut self, leg: LegId, token: Token) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut more = true;
        for _ in 0..BATCH {
            let now = Instant::now();
            let Some(phone) = self.phone(leg) else { break };
            let is_rtp = phone.video.is_some_and(|(rtp, _)| rtp == token);
            let Some(video) = phone.phone.video() else {
                more = false;
                break;
            };
            let Some(received) = video.receive(is_rtp, &mut scratch) else {
                more = false;
                break;
            };
            let Ok((length, source)) = received else {
                continue;
            };
            let Some(datagram) = scratch.get_mut(..length) else {
                continue;
            };
            let judged = if is_rtp {
                Ok(video.on_rtp(now, source, datagram))
            } else {
                Err(video.on_rtcp(now, source, datagram))
            };
            self.metrics.rtp.packets_in.inc();
            self.metrics
                .rtp
                .bytes_in
                .inc_by(u64::try_from(length).unwrap_or_default());
            match judged {
                Ok(PhoneInput::Packet { packet, .. }) => {
                    let track = Track::Camera;
                    self.give(leg, now, Input::Packet { leg, packet, track });
                }
                Ok(PhoneInput::Malformed) | Err(None) => {
                    self.metrics.dropped(Dropped::Malformed, 1);
                }
                Ok(PhoneInput::Unauthentic) => self.metrics.dropped(Dropped::Unauthentic, 1),
                Ok(PhoneInput::Unlatched) => self.metrics.dropped(Dropped::Unlatched, 1),
                Ok(PhoneInput::OverBudget) => self.metrics.dropped(Dropped::OverBudget, 1),
                Err(Some(true)) => self.viewer_lost_picture(leg, now),
                Err(Some(false)) | Ok(PhoneInput::Handshake) => {}
            }
        }
        self.scratch = scratch;
        self.look_after_handshakes(leg);
        more
    }

    /// A phone asks for a keyframe; how often it is given one is the room's affair.
    pub(super) fn viewer_lost_picture(&mut self, leg: LegId, now: Instant) {
        let feedback = Feedback::KeyframeRequest { slot: 0 };
        self.give(leg, now, Input::Feedback { leg, feedback });
    }

    /// Takes on what signalling has agreed for a phone's video.
    pub(super) fn set_phone_video(
        &mut self,
        leg: LegId,
        video: Option<PhoneVideo>,
        now: Instant,
    ) -> Result<(), MediaError> {
        let limits = self.config.limits.clone();
        let phone = self.phone(leg).ok_or(MediaError::UnknownLeg)?;
        let fresh = video.as_ref().is_some_and(|video| video.sockets.is_some());
        let gone = video.is_none();
        let mut former = phone.phone.set_video(video, &limits, now);
        if (fresh || gone)
            && let Some((rtp, rtcp)) = phone.video.take()
        {
            self.tokens.remove(&rtp);
            self.tokens.remove(&rtcp);
        }
        if let Some(former) = &mut former
            && let Err(error) = former.deregister(self.poll.registry())
        {
            tracing::warn!(%error, "phone's video socket was not registered");
        }
        if fresh {
            self.register_phone_video(leg)?;
        }
        if let Some(phone) = self.phone(leg) {
            let config = phone.phone.leg_config(leg);
            self.tell_room(leg, now, ToRoom::Reconfigure(Box::new(config)));
        }
        self.look_after_handshakes(leg);
        Ok(())
    }

    fn register_phone_video(&mut self, leg: LegId) -> Result<(), MediaError> {
        let (rtp, rtcp) = (Token(self.next_token), Token(self.next_token + 1));
        let registry = self
            .poll
            .registry()
            .try_clone()
            .map_err(|e| MediaError::Start(e.to_string()))?;
        let phone = self.phone(leg).ok_or(MediaError::UnknownLeg)?;
        let Some(video) = phone.phone.video() else {
            return Ok(());
        };
        video
            .register(&registry, rtp, rtcp)
            .map_err(|e| MediaError::Start(e.to_string()))?;
        phone.video = Some((rtp, rtcp));
        self.next_token += 2;
        self.tokens.insert(rtp, leg);
        self.tokens.insert(rtcp, leg);
        Ok(())
    }
}
