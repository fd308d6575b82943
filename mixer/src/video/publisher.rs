//! A camera as it comes in: one stream per codec, their order, and when a keyframe was last asked for.

use std::time::Duration;

use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::video::VideoCodec;
use plenum_codecs::{MediaPacket, MediaTime};
use smallvec::SmallVec;

use super::Viewer;
use crate::LegId;

/// One incoming video stream of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamKey {
    pub(crate) leg: LegId,
    pub(crate) payload_type: u8,
}

/// A leg that sends camera packets, or a screen.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) leg: LegId,
    pub(super) streams: SmallVec<[Stream; 2]>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) payload_type: u8,
    codec: VideoCodec,
    ssrc: u32,
    sequence: Unwrapper,
    last_packet: MediaTime,
    last_request: Option<MediaTime>,
    /// Slots that show it, or wait for its keyframe.
    pub(super) routes: Vec<Route>,
    /// How many of them wait for its keyframe.
    awaiting: usize,
    /// A viewer has asked for a keyframe since the last request.
    pub(super) asked: bool,
}

/// A slot that takes a stream's packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) viewer: LegId,
    pub(super) slot: u8,
    /// It waits for a keyframe to begin with.
    pub(super) awaited: bool,
}

/// What a packet turned out to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) sequence: u64,
    pub(super) keyframe_start: bool,
    /// The first packet of its stream: nobody can be watching it yet.
    pub(super) new_stream: bool,
}

impl Publisher {
    pub(super) fn new(leg: LegId) -> Self {
        Self {
            leg,
            streams: SmallVec::new(),
        }
    }

    pub(super) fn stream(&self, key: StreamKey) -> Option<&Stream> {
        if key.leg != self.leg {
            return None;
        }
        self.streams
            .iter()
            .find(|stream| stream.payload_type == key.payload_type)
    }

    pub(super) fn stream_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        if key.leg != self.leg {
            return None;
        }
        self.streams
            .iter_mut()
            .find(|stream| stream.payload_type == key.payload_type)
    }

    pub(super) fn arrive(
        &mut self,
        now: MediaTime,
        packet: &MediaPacket,
        codec: VideoCodec,
    ) -> Arrival {
        let known = self.streams.iter().position(|stream| {
            (stream.payload_type, stream.ssrc, stream.codec)
                == (packet.payload_type, packet.ssrc, codec)
        });
        let index = known.unwrap_or_else(|| {
            let mut stream = Stream::new(now, packet, codec);
            if let Some(at) = self
                .streams
                .iter()
                .position(|old| old.payload_type == packet.payload_type)
            {
                // A sender that keeps changing its SSRC does not get around the throttle.
                stream.last_request = self.streams.remove(at).last_request;
            }
            self.streams.push(stream);
            self.streams.len() - 1
        });
        let stream = &mut self.streams[index];
        stream.last_packet = now;
        let sequence = stream.sequence.unwrap(packet.sequence);
        // An old keyframe that comes late is no place to switch: what follows it has passed already.
        let in_order = stream.sequence.newest() == Some(sequence);
        Arrival {
            sequence,
            keyframe_start: in_order && codec.is_keyframe_start(&packet.payload),
            new_stream: known.is_none(),
        }
    }

    /// The stream that a viewer of these codecs is to get, of those that it `may`: the one it sees already, else the first codec of
    /// its list.
    pub(super) fn stream_for(
        &self,
        codecs: &[(u8, VideoCodec)],
        viewer: &Viewer,
        may: impl Fn(u8) -> bool,
    ) -> Option<(StreamKey, u8)> {
        let offer = |stream: &Stream| {
            may(stream.payload_type).then_some(())?;
            let payload_type = codecs.iter().find(|(_, codec)| *codec == stream.codec)?.0;
            Some((
                StreamKey {
                    leg: self.leg,
                    payload_type: stream.payload_type,
                },
                payload_type,
            ))
        };
        let seen = self
            .streams
            .iter()
            .filter_map(offer)
            .find(|(key, _)| viewer.shows(*key));
        seen.or_else(|| {
            codecs.iter().find_map(|(_, codec)| {
                self.streams
                    .iter()
                    .filter(|stream| stream.codec == *codec)
                    .find_map(offer)
            })
        })
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
    fn new(now: MediaTime, packet: &MediaPacket, codec: VideoCodec) -> Self {
        Self {
            payload_type: packet.payload_type,
            codec,
            ssrc: packet.ssrc,
            sequence: Unwrapper::new(),
            last_packet: now,
            last_request: None,
            routes: Vec::new(),
            awaiting: 0,
            asked: false,
        }
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

    /// True when a keyframe is wanted and the last request is long enough ago; counts as asked then.
    pub(super) fn due_for_keyframe(&mut self, now: MediaTime, interval: Duration) -> bool {
        let rested = self
            .last_request
            .is_none_or(|last| now.since(last) >= interval);
        let due = rested && (self.awaiting > 0 || self.asked);
        if due {
            self.last_request = Some(now);
            self.asked = false;
        }
        due
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
        let mut stream = Stream::new(MediaTime::from_millis(0), &packet, VideoCodec::Vp8);
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
