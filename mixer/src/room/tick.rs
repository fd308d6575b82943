//! The 20 ms tick: who is heard, what the bus holds, and a packet for everyone.

use plenum_codecs::audio::FRAME;
use plenum_codecs::{AudioLevel, MediaTime};

use super::Room;
use crate::leg::{Leg, Pull};
use crate::rendition::{Common, Encoded};
use crate::{Audience, Channel, Event, OutPacket, Output, bus};

impl Room {
    pub(super) fn tick(&mut self, at: MediaTime) {
        self.stats.ticks += 1;
        self.measure(at);
        self.choose(at);
        self.sum(at);
        self.render(at);
        self.tap(at);
        self.video.tick(at, &mut self.legs, &mut self.outputs);
    }

    /// Learns how loud everyone is. What a header states is not decoded for that.
    fn measure(&mut self, at: MediaTime) {
        self.candidates.clear();
        for leg in self.legs.values_mut() {
            if leg.receiver.is_idle() && leg.meter.is_silent() {
                continue;
            }
            if !leg.may_speak() {
                leg.meter.update(127);
                continue;
            }
            let level = leg
                .receiver
                .stated_level()
                .unwrap_or_else(|| pull(leg, at, Pull::Decode, &mut self.stats.decodes));
            leg.meter.update(level);
            self.candidates.push(leg.candidate());
        }
    }

    /// Chooses who is mixed and who has the floor.
    fn choose(&mut self, at: MediaTime) {
        for (leg, on) in self.talkers.select(&self.candidates) {
            self.event(Event::Talking { leg, on });
        }
        let talkers = &self.talkers;
        self.candidates
            .retain(|candidate| talkers.contains(candidate.leg));
        if self.floor.update(&self.candidates) {
            let holder = self.floor.holder();
            self.event(Event::Floor { holder });
            if let Some(holder) = holder {
                self.video
                    .floor_changed(at, holder, &mut self.legs, &mut self.outputs);
            }
        }
    }

    /// Fills the bus with voices and players.
    fn sum(&mut self, at: MediaTime) {
        self.bus.clear();
        for (id, leg) in &mut self.legs {
            let talks = self.talkers.contains(*id);
            let heard = talks || leg.voice.level > 0.0;
            if leg.pulled_at != Some(at) && (heard || !leg.receiver.is_idle()) {
                let how = if heard { Pull::Decode } else { Pull::Skip };
                pull(leg, at, how, &mut self.stats.decodes);
            }
            if let Some(share) = leg.speak(talks) {
                self.bus.add(share);
            }
        }
        for play in self.players.advance() {
            self.outputs
                .push_back(Output::Event(Event::PlayFinished { play }));
        }
        for audience in [Audience::Everyone, Audience::Channel(Channel::MAIN)] {
            for frame in self.players.frames(audience) {
                self.bus.add(frame);
            }
        }
    }

    /// Encodes each mix once and hands everyone a packet.
    fn render(&mut self, at: MediaTime) {
        self.renditions.begin(self.bus.full());
        let voice = self.talkers.len() > 0;
        for (&id, leg) in &mut self.legs {
            let Some((payload_type, setting)) = leg.config.audio.send else {
                continue;
            };
            let own = leg.share().is_some() || (!leg.gates.held && self.players.any_for(id));
            let common = if leg.hears_room() {
                Common::Full
            } else {
                Common::Silence
            };
            let encoded = if own || self.renditions.is_private(id) {
                let mut mix = [0; FRAME];
                match leg.share() {
                    _ if common == Common::Silence => {}
                    Some(share) => self.bus.minus(share, &mut mix),
                    None => mix.copy_from_slice(self.bus.full()),
                }
                if !leg.gates.held {
                    self.players
                        .frames(Audience::Leg(id))
                        .for_each(|frame| bus::add(&mut mix, frame));
                }
                self.renditions.private(id, setting, own, common, &mix)
            } else {
                self.renditions.shared(common, setting)
            };
            let Some(Encoded { payload, level }) = encoded else {
                continue;
            };
            let stamp = leg.sender.stamp(at, setting.codec.frame_timestamps());
            leg.sent += 1;
            let audio_level = leg
                .config
                .audio
                .level_extension
                .then_some(AudioLevel { dbov: level, voice });
            let packet = OutPacket {
                payload_type,
                marker: stamp.marker,
                sequence: stamp.sequence,
                timestamp: stamp.timestamp,
                payload,
                audio_level,
                captured: at,
            };
            self.outputs.push_back(Output::Audio { leg: id, packet });
        }
    }
}

/// Plays 20 ms of a leg and counts what was decoded for it.
fn pull(leg: &mut Leg, at: MediaTime, how: Pull, decodes: &mut u64) -> u8 {
    let before = leg.receiver.decodes();
    let level = leg.receiver.pull(at, how);
    *decodes += leg.receiver.decodes() - before;
    leg.pulled_at = Some(at);
    level
}
