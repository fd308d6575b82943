//! A viewer's slots: what each shows and is to show, and the numbers that run on whatever it shows.

use std::collections::VecDeque;

use plenum_codecs::video::{VideoCodec, vp8::Continuity};
use plenum_codecs::{MediaPacket, MediaTime};
use smallvec::SmallVec;

use super::fit::Fit;
use super::layers::Line;
use super::publisher::Coding;
use super::{StreamKey, Viewing, assign::Slots, slot_event};
use crate::{LegId, OutPacket, Output, Rendition};

/// A camera packet on its way into slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) key: StreamKey,
    pub(super) codec: VideoCodec,
    /// Unwrapped.
    pub(super) sequence: u64,
    pub(super) now: MediaTime,
    /// When what it shows came to the server; earlier than `now` for a composite.
    pub(super) shown: MediaTime,
    pub(super) packet: &'a MediaPacket,
}

#[derive(Debug, Clone, Copy)]
struct OnAir {
    key: StreamKey,
    payload_type: u8,
    codec: VideoCodec,
    /// The incoming number of the keyframe it began with, and the outgoing one it became.
    first_in: u64,
    first_out: u64,
    timestamp_offset: u32,
}

#[derive(Debug)]
struct Slot {
    /// Who has the slot, whether or not the line carries a layer of theirs.
    source: Option<Coding>,
    wanted: Option<(StreamKey, u8)>,
    on_air: Option<OnAir>,
    next_sequence: u64,
    last_timestamp: u32,
    last_at: Option<MediaTime>,
    pictures: Continuity,
}

/// The outgoing video of one leg.
#[derive(Debug)]
pub(crate) struct Viewer {
    leg: LegId,
    pub(crate) line: Line,
    /// What it is sent at most, in bit/s, whatever its line carries.
    pub(super) limit: Option<u64>,
    /// How high its pictures are at most, in pixels, where they come in several sizes.
    pub(super) most_height: Option<u16>,
    /// The size of the composite that its line carries.
    pub(super) fit: Fit,
    /// What it shall see of the composite, as last counted.
    pub(super) rendition: Option<Rendition>,
    /// What it has chosen to see, if it has.
    pub(super) choice: Option<Viewing>,
    /// What it shall see if that can be had, as of the last assignment.
    pub(super) wish: Viewing,
    /// Of whom it would have which size, in each of its slots, if all of them came.
    pub(super) wishes: SmallVec<[(LegId, u8); 4]>,
    /// Its own camera was told to leave sizes out.
    pub(super) capped: bool,
    slots: Vec<Slot>,
    /// Slots in use; the others keep their numbers for the case that they come back.
    active: u8,
}

impl Viewer {
    pub(crate) fn new(leg: LegId) -> Self {
        Self {
            leg,
            line: Line::default(),
            limit: None,
            most_height: None,
            fit: Fit::default(),
            rendition: None,
            wishes: SmallVec::new(),
            capped: false,
            choice: None,
            wish: Viewing::default(),
            slots: Vec::new(),
            active: 0,
        }
    }

    /// The leg changes rooms: nobody here is on the air any more. The numbers go on.
    pub(crate) fn leave(&mut self) {
        self.choice = None;
        self.limit = None;
        self.most_height = None;
        self.rendition = None;
        self.wishes.clear();
        for slot in &mut self.slots {
            slot.source = None;
            slot.wanted = None;
            slot.on_air = None;
        }
        self.active = 0;
    }

    /// Uses the first `active` of the `negotiated` slots; that one of them shows nothing any more is told.
    pub(super) fn resize(&mut self, active: u8, negotiated: u8, out: &mut VecDeque<Output>) {
        while self.slots.len() < usize::from(active) {
            self.slots.push(Slot::new(self.leg, self.slots.len()));
        }
        for (index, slot) in (0..).zip(&mut self.slots).skip(usize::from(active)) {
            slot.source = None;
            slot.wanted = None;
            if slot.on_air.take().is_some() && index < negotiated {
                out.push_back(slot_event(self.leg, index, None));
            }
        }
        self.active = active;
    }

    pub(super) fn wanted_sources(&self) -> Slots {
        self.active()
            .map(|slot| slot.source.map(|source| source.leg))
            .collect()
    }

    /// Whom a slot is to show.
    pub(super) fn give(&mut self, slot: u8, source: Option<Coding>) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            slot.source = source;
        }
    }

    /// Whom the slots are to show, and the layer that each shows of them now.
    pub(super) fn sources(&self) -> SmallVec<[(Option<Coding>, Option<u8>); 4]> {
        let seen = |slot: &Slot| {
            let on_air = slot.on_air.filter(|on_air| {
                let leg = slot.source.map(|source| source.leg);
                leg == Some(on_air.key.leg)
            });
            on_air.map(|on_air| on_air.key.layer)
        };
        self.active()
            .map(|slot| (slot.source, seen(slot)))
            .collect()
    }

    /// What a slot is to show, as last said by [`Self::want`].
    pub(super) fn wanted(&self, slot: u8) -> Option<(StreamKey, u8)> {
        self.slots.get(usize::from(slot))?.wanted
    }

    /// The stream that a slot is to show, and the payload type for the viewer.
    pub(super) fn want(&mut self, slot: u8, wanted: Option<(StreamKey, u8)>) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            slot.wanted = wanted;
            if let (Some(on_air), Some((key, payload_type))) = (&mut slot.on_air, wanted)
                && on_air.key == key
            {
                on_air.payload_type = payload_type;
            }
        }
    }

    /// Takes sources off the air that do not exist any more or that nothing follows.
    pub(super) fn drop_gone(
        &mut self,
        exists: impl Fn(StreamKey) -> bool,
        out: &mut VecDeque<Output>,
    ) {
        for (index, slot) in (0..self.active).zip(&mut self.slots) {
            if slot
                .on_air
                .is_some_and(|on_air| slot.wanted.is_none() || !exists(on_air.key))
            {
                slot.on_air = None;
                out.push_back(slot_event(self.leg, index, None));
            }
        }
    }

    /// The stream has begun anew: wait for a keyframe before showing it again.
    pub(super) fn lose(&mut self, key: StreamKey) {
        for slot in &mut self.slots {
            slot.on_air.take_if(|on_air| on_air.key == key);
        }
    }

    /// Whether a slot shows a layer of this.
    pub(super) fn shows(&self, coding: Coding) -> bool {
        let (leg, payload_type) = (coding.leg, coding.payload_type);
        self.active().any(|slot| {
            let key = slot.on_air.map(|on_air| on_air.key);
            key.is_some_and(|key| (key.leg, key.payload_type) == (leg, payload_type))
        })
    }

    pub(super) fn on_air(&self, slot: u8) -> Option<StreamKey> {
        self.active()
            .nth(usize::from(slot))
            .and_then(|slot| slot.on_air)
            .map(|on_air| on_air.key)
    }

    /// Slots with the streams whose packets they take: what is on the air, and (true) what is awaited.
    pub(super) fn routes(&self) -> SmallVec<[(u8, StreamKey, bool); 8]> {
        let mut routes = SmallVec::new();
        for (index, slot) in (0u8..).zip(self.active()) {
            let on_air = slot.on_air.map(|on_air| on_air.key);
            if let Some(key) = on_air {
                routes.push((index, key, false));
            }
            if let Some((key, _)) = slot.wanted.filter(|(key, _)| Some(*key) != on_air) {
                routes.push((index, key, true));
            }
        }
        routes
    }

    /// Begins to show a stream with its keyframe if the slot waits for it. It leaves the slot it was in until now, so that no
    /// source is ever shown twice.
    pub(super) fn switch(
        &mut self,
        slot: u8,
        incoming: Incoming<'_>,
        out: &mut VecDeque<Output>,
    ) -> bool {
        let index = usize::from(slot);
        let key = incoming.key;
        let Some((_, payload_type)) = self
            .slots
            .get(index)
            .and_then(|slot| slot.wanted)
            .filter(|(wanted, _)| *wanted == key)
        else {
            return false;
        };
        if self
            .slots
            .get(index)
            .and_then(|slot| slot.on_air)
            .is_some_and(|on_air| on_air.key == key)
        {
            return false;
        }
        let mut same = false;
        for (other, former) in (0..self.active).zip(&mut self.slots) {
            if former
                .on_air
                .take_if(|on_air| on_air.key.leg == key.leg)
                .is_some()
            {
                if other == slot {
                    // Another layer of whom it shows already: nobody need be told.
                    same = true;
                } else {
                    out.push_back(slot_event(self.leg, other, None));
                }
            }
        }
        if let Some(slot) = self.slots.get_mut(index) {
            slot.begin(incoming, payload_type);
        }
        if !same {
            out.push_back(slot_event(self.leg, slot, Some(key.leg)));
        }
        true
    }

    /// The packet as the viewer gets it; `None` when the slot does not show the stream.
    pub(super) fn rewrite(&mut self, slot: u8, incoming: Incoming<'_>) -> Option<OutPacket> {
        let Incoming {
            key,
            sequence,
            now,
            shown,
            packet,
            ..
        } = incoming;
        let slot = self.slots.get_mut(usize::from(slot))?;
        let on_air = slot
            .on_air
            .filter(|on_air| on_air.key == key && sequence >= on_air.first_in)?;
        let payload = if on_air.codec == VideoCodec::Vp8 && !packet.payload.is_empty() {
            slot.pictures.rewrite(&packet.payload).ok()?
        } else {
            packet.payload.clone()
        };
        let out = on_air.first_out + (sequence - on_air.first_in);
        let timestamp = packet.timestamp.wrapping_add(on_air.timestamp_offset);
        if out >= slot.next_sequence {
            slot.next_sequence = out + 1;
            slot.last_timestamp = timestamp;
            slot.last_at = Some(now);
        }
        Some(OutPacket {
            payload_type: on_air.payload_type,
            marker: packet.marker,
            sequence: out,
            timestamp,
            payload,
            audio_level: None,
            captured: shown,
        })
    }

    fn active(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().take(usize::from(self.active))
    }
}

impl Slot {
    fn new(leg: LegId, index: usize) -> Self {
        let scattered =
            (leg.0.wrapping_mul(8) + index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            source: None,
            wanted: None,
            on_air: None,
            // Below 2^15: RFC 3711 §3.3.1.
            next_sequence: scattered >> 49,
            last_timestamp: u32::try_from(scattered & 0xffff_ffff).unwrap_or(0),
            last_at: None,
            pictures: Continuity::new(),
        }
    }

    fn begin(&mut self, incoming: Incoming<'_>, payload_type: u8) {
        let Incoming {
            key,
            sequence,
            now,
            packet,
            codec,
            ..
        } = incoming;
        // The picture goes on after the time that really passed, at least one unit, so that its timestamp is a new one.
        let passed = self
            .last_at
            .map_or(0, |last| now.since(last).as_micros() * 90 / 1_000)
            .clamp(1, 90_000 * 3_600);
        let first = self
            .last_timestamp
            .wrapping_add(u32::try_from(passed).unwrap_or(1));
        self.pictures.source_changed();
        self.on_air = Some(OnAir {
            key,
            payload_type,
            codec,
            first_in: sequence,
            first_out: self.next_sequence,
            timestamp_offset: first.wrapping_sub(packet.timestamp),
        });
    }
}
