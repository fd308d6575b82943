//! The end of a tick: each distinct mix is encoded once, and everyone is handed a packet.

use plenum_codecs::MediaTime;
use plenum_codecs::audio::FRAME;

use super::Room;
use crate::mix::cross_fade;
use crate::rendition::Encoded;
use crate::{Audience, Channels, Leg, LegId, Output, bus};

/// Encoders that legs keep for themselves only so that a change is unheard, at most, in a room. Beyond that, as when a whole audience
/// changes over, legs are handed over at once, by one frame that predicts from nothing.
const PATIENT_ENCODERS: usize = 8;

impl Room {
    /// Encodes each mix once and hands everyone a packet.
    pub(super) fn render(&mut self, at: MediaTime) {
        let talking: Channels = self.talkers.channels().collect();
        self.mixes.make(&self.buses, talking);
        self.renditions.begin(&self.mixes);
        self.gather_special();
        let special = std::mem::take(&mut self.special);
        let mut spare = PATIENT_ENCODERS;
        // All that depends on where shared encoders stand comes before any of them goes on.
        for &leg in &special {
            self.prepare(leg, &mut spare);
        }
        for &leg in &special {
            self.render_special(at, leg);
        }
        for leg in self.legs.iter_mut().filter(|leg| !leg.outlet.special) {
            let id = leg.id();
            let outlet = &mut leg.outlet;
            let Some(setting) = outlet.setting() else {
                continue;
            };
            let encoded =
                self.renditions
                    .shared(&self.mixes, outlet.mix, setting, &mut outlet.shared);
            if let Some(mut packet) = encoded.and_then(|encoded| outlet.packet(at, encoded)) {
                packet.captured = self.lag.said(at);
                self.outputs.push_back(Output::Audio { leg: id, packet });
            }
        }
        self.special = special;
        let (legs, renditions) = (&mut self.legs, &self.renditions);
        self.special.retain(|&id| {
            let Some(leg) = legs.get_mut(id) else {
                return false;
            };
            if let Some(private) = &mut leg.outlet.private {
                renditions.compare(leg.outlet.mix, private);
            }
            leg.outlet.special = !leg.outlet.is_plain();
            leg.outlet.special
        });
    }

    /// The leg's next packet needs more than a payload of a shared encoder.
    pub(super) fn mark_special(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(id)
            && !leg.outlet.special
        {
            leg.outlet.special = true;
            self.special.push(id);
        }
    }

    /// Those who add to what they hear, and those for whom something plays, have a mix of their own.
    fn gather_special(&mut self) {
        let special = &mut self.special;
        let mixes = &self.mixes;
        self.legs.each_awake(|leg| {
            if !leg.outlet.special && hears_itself(leg, mixes) {
                leg.outlet.special = true;
                special.push(leg.id());
            }
        });
        let listeners: smallvec::SmallVec<[LegId; 8]> = self.players.listeners().collect();
        for leg in listeners {
            self.mark_special(leg);
        }
    }

    /// Settles which encoder a leg will listen to; `spare` more may have one of their own that could do without.
    fn prepare(&mut self, id: LegId, spare: &mut usize) {
        let Some(leg) = self.legs.get_mut(id) else {
            return;
        };
        let own = hears_itself(leg, &self.mixes) || self.players.any_for(id);
        let outlet = &mut leg.outlet;
        let heard = self.mixes.get(outlet.before.unwrap_or(outlet.mix));
        let Some(heard) = heard else { return };
        let changed = outlet.change(heard.level);
        let Some(setting) = outlet.setting() else {
            return;
        };
        let fades = outlet.before.is_some();
        let waits = !own && (fades || outlet.private.is_some());
        let patient = waits && *spare > 0;
        if (own || (fades && patient)) && outlet.private.is_none() {
            let fresh = outlet.sent == 0;
            let private = self.renditions.fork(heard, setting, outlet.shared, fresh);
            outlet.private = private.map(Box::new);
        } else if !own
            && let Some(private) = outlet
                .private
                .take_if(|private| !patient || (!fades && private.may_retire(heard.level)))
        {
            self.renditions.retire(outlet.mix, *private);
        } else if (changed || fades) && outlet.private.is_none() {
            self.renditions.join(&self.mixes, outlet.mix, setting);
        }
        *spare -= usize::from(waits && outlet.private.is_some());
        leg.own = own || fades;
    }

    fn render_special(&mut self, at: MediaTime, id: LegId) {
        let Some(leg) = self.legs.get_mut(id) else {
            return;
        };
        let Some(setting) = leg.outlet.setting() else {
            leg.outlet.before = None;
            return;
        };
        let packet = if let Some(mut private) = leg.outlet.private.take() {
            let Some(heard) = self.mixes.get(leg.outlet.mix) else {
                return;
            };
            let mut mix = [0; FRAME];
            heard.minus(leg.voice.shares(), &mut mix);
            if let Some(before) = leg.outlet.before.take()
                && let Some(before) = self.mixes.get(before)
            {
                let mut faded = [0; FRAME];
                before.minus(leg.voice.shares(), &mut faded);
                cross_fade(&faded, &mut mix);
            }
            self.players
                .frames(Audience::Leg(id))
                .for_each(|frame| bus::add(&mut mix, frame));
            let encoded = self
                .renditions
                .private(&mut private, setting, leg.own, &mix);
            leg.outlet.private = Some(private);
            let voice = heard.voice;
            encoded.and_then(|(payload, level)| {
                let encoded = Encoded {
                    payload,
                    level,
                    voice,
                };
                leg.outlet.packet(at, &encoded)
            })
        } else {
            let outlet = &mut leg.outlet;
            outlet.before = None;
            let encoded =
                self.renditions
                    .shared(&self.mixes, outlet.mix, setting, &mut outlet.shared);
            encoded.and_then(|encoded| outlet.packet(at, encoded))
        };
        if let Some(mut packet) = packet {
            packet.captured = self.lag.said(at);
            self.outputs.push_back(Output::Audio { leg: id, packet });
        }
    }
}

/// Whether the leg adds to what it hears, or until now heard, so that its mix is its own.
fn hears_itself(leg: &Leg, mixes: &crate::mix::Mixes) -> bool {
    let heard = [Some(leg.outlet.mix), leg.outlet.before];
    leg.voice.shares().any(|(channel, _)| {
        heard.iter().flatten().any(|mix| {
            mixes
                .get(*mix)
                .is_some_and(|mix| mix.hearing.hears(channel))
        })
    })
}
