//! A camera as it comes in: one stream per codec, their order, and when a keyframe was last asked for.

use std::time::Duration;

use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::video::VideoCodec;
use plenum_codecs::{MediaPacket, MediaTime};
use smallvec::SmallVec;

use super::Viewer;
use super::demand::Demand;
use super::gaps::Gaps;
use super::heights::Heights;
use super::held::Held;
use super::layers::Rate;
use crate::{LegId, Track};

/// A layer without a packet for so long has ceased: at 5 pictures a second five are missing.
const LAYER_SILENCE: Duration = Duration::from_secs(1);
/// The keyframe that was asked for comes within this time, or is asked for again.
const ANSWERED: Duration = Duration::from_secs(1);

/// One incoming video stream of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamKey {
    pub(crate) leg: LegId,
    pub(crate) payload_type: u8,
    /// Of the same pictures in several sizes; 0 is the smallest, or the only one.
    pub(crate) layer: u8,
}

/// A leg that sends camera packets, or a screen.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) leg: LegId,
    pub(super) streams: SmallVec<[Stream; 3]>,
    /// In how many sizes it has come.
    pub(super) known: u8,
    pub(super) heights: Heights,
    pub(super) demand: Demand,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) payload_type: u8,
    pub(super) track: Track,
    codec: VideoCodec,
    pub(super) ssrc: u32,
    sequence: Unwrapper,
    gaps: Gaps,
    pub(super) held: Held,
    last_packet: MediaTime,
    pub(super) rate: Rate,
    last_request: Option<MediaTime>,
    /// Slots that show it, or wait for its keyframe.
    pub(super) routes: Vec<Route>,
    /// How many of them wait for its keyframe.
    awaiting: usize,
    /// A viewer has asked for a keyframe since the last request.
    pub(super) asked: bool,
    silent: bool,
}

/// A slot that takes a stream's packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) viewer: LegId,
    pub(super) slot: u8,
    /// It waits for a keyframe to begin with.
    pub(super) awaited: bool,
}

/// Layers and their rates in bit/s, the smallest first.
pub(super) type Layers = SmallVec<[(u8, u64); 3]>;

/// In which coding a viewer gets a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    pub(crate) leg: LegId,
    /// As it comes.
    pub(crate) payload_type: u8,
    /// As the viewer gets it.
    pub(crate) sent: u8,
}

/// What a packet turned out to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) sequence: u64,
    pub(super) keyframe_start: bool,
    /// Others of that keyframe have come before it, and are held.
    pub(super) overtaken: bool,
    /// It is the first keyframe of its size that tells how high it is.
    pub(super) measured: bool,
    /// The first packet of its stream: nobody can be watching it yet.
    pub(super) new_stream: bool,
}

impl Publisher {
    pub(super) fn new(leg: LegId) -> Self {
        Self {
            leg,
            streams: SmallVec::new(),
            known: 0,
            heights: Heights::default(),
            demand: Demand::default(),
        }
    }

    pub(super) fn stream(&self, key: StreamKey) -> Option<&Stream> {
        if key.leg != self.leg {
            return None;
        }
        self.streams.iter().find(|stream| stream.is(key))
    }

    pub(super) fn stream_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        if key.leg != self.leg {
            return None;
        }
        self.streams.iter_mut().find(|stream| stream.is(key))
    }

    pub(super) fn arrive(
        &mut self,
        now: MediaTime,
        track: Track,
        packet: &MediaPacket,
        codec: VideoCodec,
    ) -> Arrival {
        let known = self.streams.iter().position(|stream| {
            (stream.payload_type, stream.track, stream.ssrc, stream.codec)
                == (packet.payload_type, track, packet.ssrc, codec)
        });
        let index = known.unwrap_or_else(|| {
            let mut stream = Stream::new(now, track, packet, codec);
            if let Some(at) = self.streams.iter().position(|old| {
                (old.payload_type, old.layer()) == (packet.payload_type, layer_of(track))
            }) {
                // A sender that keeps changing its SSRC does not get around the throttle.
                stream.last_request = self.streams.remove(at).last_request;
            }
            self.known = self.known.max(stream.layer().saturating_add(1));
            self.streams.push(stream);
            self.streams.len() - 1
        });
        let stream = &mut self.streams[index];
        // Padding is no sign that pictures come.
        if !packet.payload.is_empty() {
            stream.last_packet = now;
        }
        stream.rate.count(now, packet.payload.len());
        let newest = stream.sequence.newest();
        let sequence = stream.sequence.unwrap(packet.sequence);
        let in_order = stream.sequence.newest() == Some(sequence);
        let begins = codec.is_keyframe_start(&packet.payload);
        stream.gaps.arrived(now, sequence, begins);
        let height = begins.then(|| codec.keyframe_height(&packet.payload));
        let size = (stream.payload_type, stream.layer());
        let learnt = height.flatten();
        let measured = learnt.is_some_and(|height| self.heights.learn(size, codec, height));
        if newest.is_none() || stream.expects_keyframe(now) {
            stream.held.hold(newest, sequence, packet);
        } else {
            stream.held.release();
        }
        // A keyframe that comes late is a place to switch if what follows it has not passed already.
        let overtaken = begins && !in_order && stream.held.reaches(sequence);
        Arrival {
            sequence,
            keyframe_start: begins && (in_order || overtaken),
            overtaken,
            measured,
            new_stream: known.is_none(),
        }
    }

    /// The payload type, here and to the viewer, in which a viewer of these codecs is to get it, of those that it `may`: that
    /// which it sees already, else the first codec of its list.
    pub(super) fn coding_for(
        &self,
        codecs: &[(u8, VideoCodec)],
        viewer: &Viewer,
        may: impl Fn(u8) -> bool,
    ) -> Option<Coding> {
        let offer = |stream: &Stream| {
            may(stream.payload_type).then_some(())?;
            let sent = codecs.iter().find(|(_, codec)| *codec == stream.codec)?.0;
            Some(Coding {
                leg: self.leg,
                payload_type: stream.payload_type,
                sent,
            })
        };
        let seen = self
            .streams
            .iter()
            .filter_map(offer)
            .find(|coding| viewer.shows(*coding));
        seen.or_else(|| {
            codecs.iter().find_map(|(_, codec)| {
                self.streams
                    .iter()
                    .filter(|stream| stream.codec == *codec)
                    .find_map(offer)
            })
        })
    }

    /// Its layers in one coding with their rates in bit/s, the smallest first. One that has ceased, as a sender whose own line
    /// is weak gives up its largest, is there only if all have.
    pub(super) fn layers(&self, now: MediaTime, payload_type: u8) -> Layers {
        let coded = || {
            let streams = self.streams.iter();
            streams.filter(|stream| stream.payload_type == payload_type)
        };
        let of = |stream: &Stream| (stream.layer(), stream.rate.or_guess(stream.layer()));
        let live = coded().filter(|stream| now.since(stream.last_packet) < LAYER_SILENCE);
        let mut layers: Layers = live.map(of).collect();
        if layers.is_empty() {
            layers = coded().map(of).collect();
        }
        layers.sort_unstable();
        layers
    }

    /// The same of all that it has ever come in: those that do not come now would when asked for.
    pub(super) fn known_layers(&self, payload_type: u8) -> Layers {
        (0..self.known)
            .map(|layer| {
                let mut streams = self.streams.iter();
                let known = streams
                    .find(|stream| (stream.payload_type, stream.layer()) == (payload_type, layer));
                let rate = known.map_or_else(
                    || Rate::default().or_guess(layer),
                    |stream| stream.rate.or_guess(layer),
                );
                (layer, rate)
            })
            .collect()
    }

    /// Those of its layers that are no higher than `most` pixels, or the smallest if all are. How high one is is known from its keyframes.
    pub(super) fn within(&self, most: Option<u16>, payload_type: u8, mut layers: Layers) -> Layers {
        let Some(most) = most else { return layers };
        let too_high = |layer: u8| self.heights.exceeds((payload_type, layer), most);
        let fitting = layers.iter().take_while(|(layer, _)| !too_high(*layer));
        let fitting = fitting.count().max(1);
        layers.truncate(fitting);
        layers
    }

    /// How many of its sizes come, the smallest first.
    pub(super) fn coming(&self, now: MediaTime) -> u8 {
        let streams = self.streams.iter();
        let live = streams.filter(|stream| now.since(stream.last_packet) < LAYER_SILENCE);
        live.map(|stream| stream.layer().saturating_add(1))
            .max()
            .unwrap_or(0)
    }

    /// Whether a layer has ceased since the last call.
    pub(super) fn layer_ceased(&mut self, now: MediaTime) -> bool {
        let mut ceased = false;
        for stream in &mut self.streams {
            let silent = now.since(stream.last_packet) >= LAYER_SILENCE;
            ceased |= silent && !stream.silent;
            stream.silent = silent;
        }
        ceased && self.streams.len() > 1
    }

    /// True when a stream went. A screen on which nothing moves may be silent for long and stays until it is taken away.
    pub(super) fn drop_silent_streams(&mut self, now: MediaTime, silence: Duration) -> bool {
        if self.leg.is_screen() && self.streams.len() == 1 {
            return false;
        }
        let before = self.streams.len();
        self.streams
            .retain(|stream| now.since(stream.last_packet) < silence);
        before != self.streams.len()
    }
}

impl Stream {
    fn new(now: MediaTime, track: Track, packet: &MediaPacket, codec: VideoCodec) -> Self {
        Self {
            payload_type: packet.payload_type,
            track,
            codec,
            ssrc: packet.ssrc,
            sequence: Unwrapper::new(),
            gaps: Gaps::default(),
            held: Held::default(),
            last_packet: now,
            rate: Rate::default(),
            last_request: None,
            routes: Vec::new(),
            awaiting: 0,
            asked: false,
            silent: false,
        }
    }

    pub(super) const fn layer(&self) -> u8 {
        layer_of(self.track)
    }

    fn is(&self, key: StreamKey) -> bool {
        (self.payload_type, self.layer()) == (key.payload_type, key.layer)
    }

    pub(super) fn add_route(&mut self, route: Route) {
        self.awaiting += usize::from(route.awaited);
        self.routes.push(route);
    }

    pub(super) fn drop_routes(&mut self, viewer: LegId) {
        self.routes.retain(|route| {
            let stays = route.viewer != viewer;
            self.awaiting -= usize::from(route.awaited && !stays);
            stays
        });
    }

    pub(super) fn clear_routes(&mut self) {
        self.awaiting = 0;
        self.routes.clear();
    }

    fn expects_keyframe(&self, now: MediaTime) -> bool {
        let asked = self.last_request.map(|last| now.since(last));
        self.awaiting > 0 || asked.is_some_and(|ago| ago < ANSWERED)
    }

    /// True when a keyframe is wanted and the last request is long enough ago; counts as asked then. It is wanted, too, when somebody sees
    /// the stream and something is missing that will not come any more.
    pub(super) fn due_for_keyframe(&mut self, now: MediaTime, interval: Duration) -> bool {
        let rested = self
            .last_request
            .is_none_or(|last| now.since(last) >= interval);
        let seen = || self.routes.len() > self.awaiting;
        let wanted = self.awaiting > 0 || self.asked || (self.gaps.overdue(now) && seen());
        let due = rested && wanted;
        if due {
            self.last_request = Some(now);
            self.asked = false;
        }
        due
    }
}

/// The place of a track among those of its camera.
pub(super) const fn layer_of(track: Track) -> u8 {
    match track {
        Track::Layer(layer) => layer,
        Track::Audio | Track::Camera | Track::Screen => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_is_wanted_while_some_slot_waits_and_its_viewer_is_there() {
        let packet = MediaPacket {
            payload_type: 96,
            marker: true,
            sequence: 1,
            timestamp: 0,
            ssrc: 1,
            audio_level: None,
            payload: bytes::Bytes::new(),
        };
        let mut stream = Stream::new(
            MediaTime::from_millis(0),
            Track::Camera,
            &packet,
            VideoCodec::Vp8,
        );
        let wanted = |stream: &mut Stream| {
            stream.due_for_keyframe(MediaTime::from_millis(0), Duration::ZERO)
        };
        for (viewer, slot, awaited) in [(1, 0, true), (1, 1, false), (2, 0, true)] {
            let viewer = LegId(viewer);
            stream.add_route(Route {
                viewer,
                slot,
                awaited,
            });
        }
        stream.drop_routes(LegId(1));
        assert!(wanted(&mut stream));
        stream.drop_routes(LegId(2));
        assert!(!wanted(&mut stream) && stream.routes.is_empty());
    }
}
