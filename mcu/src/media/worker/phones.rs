//! Phone legs and clips on a worker: reading their sockets, reports, and the clock of the clips.

use std::time::Instant;

use mio::Token;
use plenum_mixer::{Feedback, Input, LegId, Track};

use super::legs::{Kind, PhoneLeg};
use super::links::ToRoom;
use super::run::{Timer, Worker};
use crate::media::LegGone;
use crate::media::metrics::Dropped;
use crate::media::phone::{PhoneInput, PhoneReport};

/// Datagrams read from one phone's socket before others have their turn.
pub(super) const BATCH: usize = 16;

impl Worker {
    /// Reads a phone's RTP or RTCP socket. True when it may hold more.
    pub(super) fn read_phone(&mut self, token: Token) -> bool {
        let Some(&leg) = self.tokens.get(&token) else {
            return false;
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut more = true;
        let mut shaken = false;
        for _ in 0..BATCH {
            let now = Instant::now();
            let Some(phone) = self.phone(leg) else { break };
            if ![phone.rtp, phone.rtcp].contains(&token) {
                self.scratch = scratch;
                return self.read_phone_video(leg, token);
            }
            let is_rtp = phone.rtp == token;
            let received = if is_rtp {
                phone.phone.receive(&mut scratch)
            } else {
                phone.phone.receive_rtcp(&mut scratch)
            };
            let Some(received) = received else {
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
                Ok(phone.phone.on_rtp(now, source, datagram))
            } else {
                Err(phone.phone.on_rtcp(now, source, datagram))
            };
            self.metrics.rtp.packets_in.inc();
            self.metrics
                .rtp
                .bytes_in
                .inc_by(u64::try_from(length).unwrap_or_default());
            match judged {
                Ok(input) => {
                    shaken |= matches!(input, PhoneInput::Handshake);
                    self.on_phone_input(leg, now, input);
                }
                Err(PhoneReport::Read { lost }) => {
                    if let Some(fraction) = lost {
                        let feedback = Feedback::Loss { fraction };
                        self.give(leg, now, Input::Feedback { leg, feedback });
                    }
                }
                Err(PhoneReport::Handshake) => shaken = true,
                Err(PhoneReport::OverBudget) => self.metrics.dropped(Dropped::OverBudget, 1),
                Err(PhoneReport::Malformed) => self.metrics.dropped(Dropped::Malformed, 1),
                Err(PhoneReport::Unauthentic) => self.metrics.dropped(Dropped::Unauthentic, 1),
            }
        }
        self.scratch = scratch;
        if shaken {
            self.look_after_handshakes(leg);
        }
        more
    }

    /// Has the clock look after what handshakes a phone has under way, or ends a leg that will have no keys.
    pub(super) fn look_after_handshakes(&mut self, leg: LegId) {
        if let Some(phone) = self.phone(leg)
            && let Some(due) = phone.phone.handshakes_due()
        {
            self.timers.set(Timer::Handshake(leg), due);
        }
    }

    /// Handshakes of a phone's are due.
    pub(super) fn advance_handshakes(&mut self, leg: LegId, now: Instant) {
        let Some(phone) = self.phone(leg) else { return };
        match phone.phone.advance_handshakes(now) {
            None => self.look_after_handshakes(leg),
            Some(fault) => self.gone(leg, LegGone::NoKeys(fault)),
        }
    }

    pub(super) fn phone(&mut self, leg: LegId) -> Option<&mut PhoneLeg> {
        match &mut self.legs.get_mut(&leg)?.kind {
            Kind::Phone(phone) => Some(phone),
            Kind::Peer(_) | Kind::Clip(_) => None,
        }
    }

    fn on_phone_input(&mut self, leg: LegId, now: Instant, input: PhoneInput) {
        match input {
            PhoneInput::Packet { packet, first } => {
                if first {
                    self.tell_room(leg, now, ToRoom::Connected(leg));
                }
                self.give(
                    leg,
                    now,
                    Input::Packet {
                        leg,
                        packet,
                        track: Track::Audio,
                    },
                );
            }
            PhoneInput::Malformed => self.metrics.dropped(Dropped::Malformed, 1),
            PhoneInput::Unauthentic => self.metrics.dropped(Dropped::Unauthentic, 1),
            PhoneInput::Unlatched => self.metrics.dropped(Dropped::Unlatched, 1),
            PhoneInput::OverBudget => self.metrics.dropped(Dropped::OverBudget, 1),
            PhoneInput::Handshake => {}
        }
    }

    /// A phone's RTCP report is due.
    pub(super) fn report_phone(&mut self, leg: LegId, now: Instant) {
        let Some(phone) = self.phone(leg) else { return };
        let reported = phone.phone.report(now);
        let video = phone.phone.video().and_then(|video| video.report(now));
        let due = phone.phone.report_due();
        self.timers.set(Timer::Report(leg), due);
        for reported in reported.into_iter().chain(video) {
            self.metrics.rtp.lost.inc_by(reported.lost);
            self.metrics.rtp.jitter.observe(reported.jitter);
        }
    }

    /// A clip's next packets are due.
    pub(super) fn play_clip(&mut self, leg: LegId, now: Instant) {
        let mut packets = std::mem::take(&mut self.clip_packets);
        if let Some(Kind::Clip(clip)) = self.legs.get_mut(&leg).map(|l| &mut l.kind) {
            let next = clip.due(now, &mut packets);
            self.timers.set(Timer::Clip(leg), next);
        }
        for (track, packet) in packets.drain(..) {
            self.give(leg, now, Input::Packet { leg, packet, track });
        }
        self.clip_packets = packets;
    }
}
