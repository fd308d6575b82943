//! The 20 ms tick: who is heard, and what the buses hold. What comes of it is rendered in `render`.

use plenum_codecs::MediaTime;

use super::Room;
use crate::leg::{Leg, Pull};
use crate::{Channel, Event, Output};

impl Room {
    pub(super) fn tick(&mut self, at: MediaTime) {
        self.stats.ticks += 1;
        self.measure(at);
        self.choose(at);
        self.sum(at);
        self.note_lag();
        self.render(at);
        self.tap(at);
        self.legs.rest(Leg::rests);
        self.video.tick(at, &mut self.legs, &mut self.outputs);
    }

    /// Learns how loud everyone is who is awake. What a header states is not decoded for that.
    fn measure(&mut self, at: MediaTime) {
        self.candidates.clear();
        let (candidates, decodes) = (&mut self.candidates, &mut self.stats.decodes);
        self.legs.each_awake(|leg| {
            if leg.receiver.is_idle() && leg.meter.is_silent() {
                return;
            }
            if !leg.may_speak() {
                leg.meter.update(127);
                return;
            }
            let level = leg
                .receiver
                .stated_level()
                .unwrap_or_else(|| pull(leg, at, Pull::Decode, decodes));
            leg.meter.update(level);
            candidates.push(leg.candidate());
        });
    }

    /// Chooses who is mixed and who has the floor.
    fn choose(&mut self, at: MediaTime) {
        for (leg, on) in self.talkers.select(&self.candidates) {
            self.event(Event::Talking { leg, on });
        }
        let talkers = &self.talkers;
        self.candidates
            .retain(|candidate| talkers.of(candidate.leg).contains(Channel::MAIN));
        if self.floor.update(&self.candidates) {
            self.show_floor(at);
        }
    }

    /// Tells who has the floor now, and shows them.
    pub(super) fn show_floor(&mut self, at: MediaTime) {
        let holder = self.floor.holder();
        self.event(Event::Floor { holder });
        if let Some(holder) = holder {
            let face = self.faces.of(holder);
            self.video
                .floor_changed(at, face, &mut self.legs, &mut self.outputs);
        }
    }

    /// Learns how late the voice is mixed that the picture is of.
    fn note_lag(&mut self) {
        let holder = self.floor.holder().and_then(|leg| self.legs.get(leg));
        if let Some(leg) = holder.filter(|leg| !leg.receiver.is_idle()) {
            self.lag.note(leg.receiver.stats().delay_ns);
        }
    }

    /// Fills the buses with voices and players.
    fn sum(&mut self, at: MediaTime) {
        self.buses.clear();
        let mut captured = None;
        let (talkers, buses, decodes) = (&self.talkers, &mut self.buses, &mut self.stats.decodes);
        self.legs.each_awake(|leg| {
            let talks = talkers.of(leg.id());
            let heard = !talks.is_empty() || leg.voice.is_up() || leg.capture.is_some();
            if leg.pulled_at != Some(at) && (heard || !leg.receiver.is_idle()) {
                let how = match (heard, leg.may_speak()) {
                    (true, _) => Pull::Decode,
                    (false, true) => Pull::Skip,
                    (false, false) => Pull::Discard,
                };
                pull(leg, at, how, decodes);
            }
            if let Some(capture) = &mut leg.capture
                && capture.push(leg.receiver.frame())
            {
                captured = Some(leg.id());
            }
            leg.speak(talks);
            for (channel, share) in leg.voice.shares() {
                buses.add(channel, share);
            }
        });
        // Of two that are full in one tick the other ends with the next.
        if let Some(leg) = captured {
            self.end_capture(leg);
        }
        for play in self.players.advance() {
            self.outputs
                .push_back(Output::Event(Event::PlayFinished { play }));
        }
        for (channel, frame) in self.players.public() {
            match channel {
                Some(channel) => self.buses.add(channel, frame),
                None => self.buses.announce(frame),
            }
        }
    }
}

/// Plays 20 ms of a leg and counts what was decoded for it.
fn pull(leg: &mut Leg, at: MediaTime, how: Pull, decodes: &mut u64) -> u8 {
    let before = leg.receiver.decodes();
    let level = leg.receiver.pull(at, how);
    *decodes += leg.receiver.decodes() - before;
    leg.pulled_at = Some(at);
    if how == Pull::Decode {
        leg.measured(level);
    }
    level
}
