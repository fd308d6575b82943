//! The composite in the switchboard: cameras go to the composer beside the slots that show them, and what it makes of them is one
//! more publisher, which whoever is to see it ([`super::view`]) has in slot 0. Composes nothing itself.

use std::collections::VecDeque;

use plenum_codecs::video::VideoCodec;
use plenum_codecs::video::h264::Limit;
use plenum_codecs::{MediaPacket, MediaTime};

use super::Switchboard;
use super::publisher::{Arrival, StreamKey};
use super::renditions::{self, SMALL};
use crate::legs::Legs;
use crate::{Compose, Ladder, LegId, Output, Rendition, Renditions, Track};

/// What the switchboard knows of the composite.
#[derive(Debug, Default)]
pub(super) struct Composite {
    /// What its renditions take, while there is a composer.
    pub(super) ladder: Option<Ladder>,
    /// Viewers have come, gone or changed since the renditions were counted.
    pub(super) stale: bool,
    pub(super) wanted: Renditions,
    /// What the small rendition is bound by, if somebody sees it.
    pub(super) small: Option<Limit>,
    /// Which of a camera's streams the composer gets.
    taken: Vec<StreamKey>,
}

impl Composite {
    pub(super) const fn is_on(&self) -> bool {
        self.ladder.is_some()
    }
}

impl Switchboard {
    /// There is a composer from now on, or none any more.
    pub(crate) fn set_composite(
        &mut self,
        now: MediaTime,
        ladder: Option<Ladder>,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        let before = std::mem::replace(&mut self.composite.ladder, ladder);
        if ladder.is_some() {
            // Whoever composes now has been told nothing yet, also when somebody else has composed until now.
            self.composite.wanted = Renditions::default();
            self.composite.small = None;
        }
        self.composite.stale = true;
        self.composite.taken.clear();
        if before.is_some() == ladder.is_some() {
            return;
        }
        self.publishers
            .retain(|publisher| publisher.leg != LegId::COMPOSITE);
        self.assign_all(now, legs, out);
    }

    /// The same composer's renditions take more now, or less.
    pub(crate) fn set_rates(&mut self, ladder: Ladder) {
        if self.composite.is_on() {
            self.composite.ladder = Some(ladder);
            self.composite.stale = true;
        }
    }

    /// Hands a camera's packet to the composer, if it is of the stream that it gets.
    pub(super) fn feed(
        &mut self,
        now: MediaTime,
        key: StreamKey,
        (codec, packet): (VideoCodec, &MediaPacket),
        arrival: Arrival,
        out: &mut VecDeque<Output>,
    ) {
        if self.feeds_nothing() {
            return;
        }
        let publishers = &self.publishers;
        let exists = |key: &StreamKey| {
            publishers
                .iter()
                .any(|publisher| publisher.stream(*key).is_some())
        };
        let fits = self.fitting_layer(now, key) == key.layer;
        let mut begins = false;
        let taken = &mut self.composite.taken;
        match taken.iter_mut().find(|taken| taken.leg == key.leg) {
            None => taken.push(key),
            Some(taken) if *taken == key => {}
            // The layer that fits its tile begins with a keyframe.
            Some(taken) if taken.payload_type == key.payload_type && fits => {
                if !arrival.keyframe_start {
                    self.wants_keyframe(key);
                    self.request_keyframes(now, out);
                    return;
                }
                *taken = key;
                begins = true;
            }
            // A camera may come in two codecs at once; the other one takes over when this one has ceased.
            Some(taken) if exists(taken) => return,
            Some(taken) => *taken = key,
        }
        let mut publishers = publishers.iter();
        let stream = publishers.find_map(|publisher| publisher.stream(key));
        let overtook = stream.filter(|_| begins && arrival.overtaken);
        let overtook = overtook.map(|stream| stream.held.after(arrival.sequence));
        let held = overtook.into_iter().flatten().map(|(_, packet)| packet);
        for packet in std::iter::once(packet).chain(held) {
            out.push_back(Output::Compose(Compose::Camera {
                leg: key.leg,
                codec,
                packet: packet.clone(),
            }));
        }
    }

    /// Sends a packet of the composite to whoever sees this rendition.
    pub(crate) fn composed(
        &mut self,
        now: MediaTime,
        rendition: Rendition,
        packet: &MediaPacket,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        // A rendition that nobody wants any more may still be on its way.
        if self.composite.is_on() && self.composite.wanted.contains(rendition) {
            let stream = (renditions::payload_type(rendition), rendition.codec);
            self.spread_composed(now, stream, packet, legs, out);
        }
    }

    /// The same of the small rendition.
    pub(crate) fn composed_small(
        &mut self,
        now: MediaTime,
        packet: &MediaPacket,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        if self.composite.is_on() && self.composite.small.is_some() {
            self.spread_composed(now, (SMALL, VideoCodec::H264), packet, legs, out);
        }
    }

    fn spread_composed(
        &mut self,
        now: MediaTime,
        (payload_type, codec): (u8, VideoCodec),
        packet: &MediaPacket,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        let key = StreamKey {
            leg: LegId::COMPOSITE,
            payload_type,
            layer: 0,
        };
        let packet = MediaPacket {
            payload_type,
            ..packet.clone()
        };
        self.spread(now, key, Track::Camera, (codec, &packet), legs, out);
    }

    /// The composer cannot show a camera before its next keyframe.
    pub(crate) fn composer_wants_keyframe(
        &mut self,
        now: MediaTime,
        leg: LegId,
        out: &mut VecDeque<Output>,
    ) {
        let taken = self.composite.taken.iter().find(|key| key.leg == leg);
        if let Some(key) = taken.copied() {
            self.wants_keyframe(key);
            self.request_keyframes(now, out);
        }
    }

    fn wants_keyframe(&mut self, key: StreamKey) {
        let mut publishers = self.publishers.iter_mut();
        if let Some(stream) = publishers.find_map(|publisher| publisher.stream_mut(key)) {
            stream.asked = true;
        }
    }

    /// How many layers of each camera the composer uses, the smallest first.
    pub(super) fn composer_uses(&self) -> Vec<(LegId, u8)> {
        if self.feeds_nothing() {
            return Vec::new();
        }
        let cameras = self.publishers.iter();
        let cameras = cameras.filter(|publisher| publisher.leg != LegId::COMPOSITE);
        let above = self.above();
        cameras
            .map(|publisher| (publisher.leg, publisher.known.saturating_sub(above).max(1)))
            .collect()
    }

    const fn feeds_nothing(&self) -> bool {
        self.composite.wanted.is_empty() && self.composite.small.is_none()
    }

    /// How many layers below the largest one is nearest its tile: the fewer share the picture, the larger.
    fn above(&self) -> u8 {
        let publishers = self.publishers.iter();
        let cameras = publishers.filter(|publisher| publisher.leg != LegId::COMPOSITE);
        match cameras.count() {
            0 | 1 => 0,
            2..=4 => 1,
            _ => 2,
        }
    }

    /// The layer of a camera whose size is nearest its tile's, or the next smaller one that comes.
    fn fitting_layer(&self, now: MediaTime, key: StreamKey) -> u8 {
        let mut publishers = self.publishers.iter();
        let Some(publisher) = publishers.find(|publisher| publisher.leg == key.leg) else {
            return key.layer;
        };
        let layers = publisher.layers(now, key.payload_type);
        let wished = publisher
            .known
            .saturating_sub(1)
            .saturating_sub(self.above());
        let mut fitting = layers.iter().rev().filter(|(layer, _)| *layer <= wished);
        let fitting = fitting.next().or_else(|| layers.first());
        fitting.map_or(key.layer, |(layer, _)| *layer)
    }

    /// A camera is off or gone.
    pub(super) fn camera_gone(&mut self, leg: LegId, out: &mut VecDeque<Output>) {
        if self.composite.is_on() && leg != LegId::COMPOSITE {
            self.composite.taken.retain(|key| key.leg != leg);
            out.push_back(Output::Compose(Compose::CameraOff { leg }));
        }
    }

    /// The request for a keyframe as it leaves the room.
    pub(super) fn keyframe_request(leg: LegId, track: Track, payload_type: u8) -> Output {
        if leg == LegId::COMPOSITE {
            let wanted = renditions::rendition(payload_type);
            Output::Compose(wanted.map_or(Compose::KeyframeSmall, Compose::Keyframe))
        } else {
            Output::KeyframeRequest {
                leg: leg.owner(),
                track,
                payload_type,
            }
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod tests;
