//! The composite in the switchboard: cameras go to the composer beside the slots that show them, and what it makes of them is one
//! more publisher, which whoever is to see it ([`super::view`]) has in slot 0. Composes nothing itself.

use std::collections::VecDeque;

use plenum_codecs::video::VideoCodec;
use plenum_codecs::video::h264::Limit;
use plenum_codecs::{MediaPacket, MediaTime};

use super::publisher::StreamKey;
use super::{Switchboard, Viewing};
use crate::legs::Legs;
use crate::{Compose, LegId, Output, Renditions, Track, VideoSetting};

/// The composite's streams are told apart by these.
pub(super) const fn payload_type(codec: VideoCodec) -> u8 {
    match codec {
        VideoCodec::Vp8 => 0,
        VideoCodec::H264 => 1,
    }
}

/// The stream of the small rendition.
const SMALL: u8 = 2;

/// Whether a stream of the composite is for a viewer of that setting.
pub(super) fn suits(stream: u8, setting: Option<&VideoSetting>) -> bool {
    let limited = setting.is_some_and(|video| video.limit.is_some());
    limited == (stream == SMALL)
}

const fn codec(payload_type: u8) -> VideoCodec {
    match payload_type {
        0 => VideoCodec::Vp8,
        _ => VideoCodec::H264,
    }
}

/// What the switchboard knows of the composite.
#[derive(Debug, Default)]
pub(super) struct Composite {
    pub(super) on: bool,
    /// Viewers have come, gone or changed since the renditions were counted.
    pub(super) stale: bool,
    wanted: Renditions,
    /// What the small rendition is bound by, if somebody sees it.
    small: Option<Limit>,
    /// Which of a camera's streams the composer gets.
    taken: Vec<StreamKey>,
}

impl Switchboard {
    /// There is a composer from now on, or none any more.
    pub(crate) fn set_composite(
        &mut self,
        now: MediaTime,
        on: bool,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        let before = std::mem::replace(&mut self.composite.on, on);
        if on {
            // Whoever composes now has been told nothing yet, also when somebody else has composed until now.
            self.composite.wanted = Renditions::default();
            self.composite.small = None;
        }
        self.composite.stale = true;
        self.composite.taken.clear();
        if before == on {
            return;
        }
        self.publishers
            .retain(|publisher| publisher.leg != LegId::COMPOSITE);
        self.assign_all(now, legs, out);
    }

    /// Hands a camera's packet to the composer, if it is of the stream that it gets.
    pub(super) fn feed(
        &mut self,
        now: MediaTime,
        key: StreamKey,
        codec: VideoCodec,
        keyframe_start: bool,
        packet: &MediaPacket,
        out: &mut VecDeque<Output>,
    ) {
        if self.composite.wanted == Renditions::default() && self.composite.small.is_none() {
            return;
        }
        let publishers = &self.publishers;
        let exists = |key: &StreamKey| {
            publishers
                .iter()
                .any(|publisher| publisher.stream(*key).is_some())
        };
        let fits = self.fitting_layer(now, key) == key.layer;
        let taken = &mut self.composite.taken;
        match taken.iter_mut().find(|taken| taken.leg == key.leg) {
            None => taken.push(key),
            Some(taken) if *taken == key => {}
            // The layer that fits its tile begins with a keyframe.
            Some(taken) if taken.payload_type == key.payload_type && fits => {
                if !keyframe_start {
                    self.wants_keyframe(key);
                    self.request_keyframes(now, out);
                    return;
                }
                *taken = key;
            }
            // A camera may come in two codecs at once; the other one takes over when this one has ceased.
            Some(taken) if exists(taken) => return,
            Some(taken) => *taken = key,
        }
        out.push_back(Output::Compose(Compose::Camera {
            leg: key.leg,
            codec,
            packet: packet.clone(),
        }));
    }

    /// Sends a packet of the composite to whoever sees it in this codec.
    pub(crate) fn composed(
        &mut self,
        now: MediaTime,
        codec: VideoCodec,
        packet: &MediaPacket,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        // A rendition that nobody wants any more may still be on its way.
        if self.composite.on && self.composite.wanted.contains(codec) {
            self.spread_composed(now, (payload_type(codec), codec), packet, legs, out);
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
        if self.composite.on && self.composite.small.is_some() {
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

    /// The layer of a camera whose size is nearest its tile's: the fewer share the picture, the larger.
    fn fitting_layer(&self, now: MediaTime, key: StreamKey) -> u8 {
        let publisher = self
            .publishers
            .iter()
            .find(|publisher| publisher.leg == key.leg);
        let layers = publisher.map(|publisher| publisher.layers(now, key.payload_type));
        let layers = layers.unwrap_or_default();
        let publishers = self.publishers.iter();
        let cameras = publishers.filter(|publisher| publisher.leg != LegId::COMPOSITE);
        let above = match cameras.count() {
            0 | 1 => 0,
            2..=4 => 1,
            _ => 2,
        };
        let most = layers.len().saturating_sub(1);
        let fitting = layers.get(most.saturating_sub(above));
        fitting.map_or(key.layer, |(layer, _)| *layer)
    }

    /// Tells the composer which renditions are seen by anybody, when that has changed.
    pub(super) fn count_renditions(
        &mut self,
        now: MediaTime,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        if !std::mem::take(&mut self.composite.stale) {
            return;
        }
        self.tell_wanted(legs, out);
        let (wanted, small) = if self.composite.on {
            (renditions(legs), small(legs))
        } else {
            Default::default()
        };
        let same = std::mem::replace(&mut self.composite.wanted, wanted) == wanted;
        if !same {
            out.push_back(Output::Compose(Compose::Wanted(wanted)));
        }
        let same_small = std::mem::replace(&mut self.composite.small, small) == small;
        if !same_small {
            out.push_back(Output::Compose(Compose::Small(small)));
        }
        if same && same_small {
            return;
        }
        let composite = self
            .publishers
            .iter_mut()
            .find(|publisher| publisher.leg == LegId::COMPOSITE);
        if let Some(publisher) = composite {
            publisher
                .streams
                .retain(|stream| match stream.payload_type {
                    SMALL => small.is_some(),
                    other => wanted.contains(codec(other)),
                });
            self.assign_all(now, legs, out);
        }
    }

    /// A camera is off or gone.
    pub(super) fn camera_gone(&mut self, leg: LegId, out: &mut VecDeque<Output>) {
        if self.composite.on && leg != LegId::COMPOSITE {
            self.composite.taken.retain(|key| key.leg != leg);
            out.push_back(Output::Compose(Compose::CameraOff { leg }));
        }
    }

    /// The request for a keyframe as it leaves the room.
    pub(super) fn keyframe_request(leg: LegId, track: Track, payload_type: u8) -> Output {
        if leg == LegId::COMPOSITE && payload_type == SMALL {
            Output::Compose(Compose::KeyframeSmall)
        } else if leg == LegId::COMPOSITE {
            Output::Compose(Compose::Keyframe(codec(payload_type)))
        } else {
            Output::KeyframeRequest {
                leg: leg.owner(),
                track,
                payload_type,
            }
        }
    }
}

/// What was negotiated with those who see the composite.
fn viewers(legs: &Legs) -> impl Iterator<Item = &VideoSetting> {
    let viewers = legs
        .iter()
        .filter(|leg| leg.viewer.wish == Viewing::Composite);
    viewers.filter_map(|leg| leg.config.video.as_ref())
}

/// What everybody takes who cannot take the composite as it is: one rendition serves all of them.
fn small(legs: &Legs) -> Option<Limit> {
    viewers(legs)
        .filter(|video| {
            video.slots > 0 && video.send.iter().any(|(_, sent)| *sent == VideoCodec::H264)
        })
        .filter_map(|video| video.limit)
        .reduce(Limit::min)
}

/// As few as serve everybody: one, if there is a codec that all take, else both.
fn renditions(legs: &Legs) -> Renditions {
    let mut all = [true; 2];
    let mut any = [false; 2];
    for video in viewers(legs).filter(|video| video.slots > 0 && video.limit.is_none()) {
        let takes = [VideoCodec::Vp8, VideoCodec::H264]
            .map(|codec| video.send.iter().any(|(_, sent)| *sent == codec));
        if takes == [false; 2] {
            continue;
        }
        for (index, takes) in takes.into_iter().enumerate() {
            all[index] &= takes;
            any[index] |= takes;
        }
    }
    match (any, all) {
        ([false, false], _) => Renditions::default(),
        ([true, _], [true, _]) => Renditions {
            vp8: true,
            h264: false,
        },
        ([_, true], [_, true]) => Renditions {
            vp8: false,
            h264: true,
        },
        _ => Renditions {
            vp8: true,
            h264: true,
        },
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod tests;
