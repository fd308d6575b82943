//! Switched video: the publishers of a room and the way of their packets into the viewers' slots. Never decodes.

mod assign;
mod composite;
mod demand;
mod fit;
mod gaps;
mod heights;
mod held;
mod layers;
mod publisher;
mod renditions;
mod sharing;
mod view;
mod viewer;

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::video::VideoCodec;
use plenum_codecs::{MediaPacket, MediaTime};

use crate::legs::Legs;
use crate::{Event, Leg, LegId, Output, Track};

use composite::Composite;
pub(crate) use layers::MARGIN;
use publisher::{Arrival, Publisher, Route, StreamKey};
pub use view::Viewing;
use viewer::Incoming;
pub(crate) use viewer::Viewer;

/// Speakers whose order is remembered; beyond that nobody's tile would show it.
const REMEMBERED_SPEAKERS: usize = 64;
/// A composite that says that it is older does not go by the room's clock.
const LONGEST_ENCODING: Duration = Duration::from_millis(500);

/// Who publishes, who is shown to whom.
#[derive(Debug)]
pub(crate) struct Switchboard {
    publishers: Vec<Publisher>,
    /// Most recent holder of the floor first.
    speakers: Vec<LegId>,
    max_slots: u8,
    keyframe_interval: Duration,
    camera_silence: Duration,
    composite: Composite,
    /// Of viewers who have made no choice.
    default_view: Viewing,
    /// What each viewer is sent at most, in bit/s.
    limit: Option<u64>,
    /// Somebody shall see the composite, as last told.
    composite_wanted: bool,
    /// When the lines were last looked at.
    shared: MediaTime,
    /// When senders were last told which sizes are used, and whether slots were given anew since.
    demanded: MediaTime,
    given: bool,
    pub(crate) forwarded: u64,
    pub(crate) keyframe_requests: u64,
}

impl Switchboard {
    pub(crate) fn new(
        max_slots: u8,
        keyframe_interval: Duration,
        camera_silence: Duration,
    ) -> Self {
        Self {
            publishers: Vec::new(),
            speakers: Vec::new(),
            max_slots,
            keyframe_interval,
            camera_silence,
            composite: Composite::default(),
            default_view: Viewing::default(),
            limit: None,
            composite_wanted: false,
            shared: MediaTime::ZERO,
            demanded: MediaTime::ZERO,
            given: false,
            forwarded: 0,
            keyframe_requests: 0,
        }
    }

    /// A leg has come in (or its video was negotiated anew): give it pictures.
    pub(crate) fn viewer_changed(
        &mut self,
        now: MediaTime,
        id: LegId,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        self.composite.stale = true;
        self.given = true;
        if let Some(leg) = legs.get_mut(id) {
            self.assign(now, leg, out);
        }
        self.drop_routes(id);
        if let Some(leg) = legs.get(id) {
            self.add_routes(leg);
        }
        self.request_keyframes(now, out);
    }

    /// A leg has left the room or switched its camera off, or a screen is no longer shared.
    pub(crate) fn unpublish(
        &mut self,
        now: MediaTime,
        source: LegId,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        let before = self.publishers.len();
        self.publishers.retain(|publisher| publisher.leg != source);
        if self.publishers.len() != before {
            self.camera_gone(source, out);
            self.assign_all(now, legs, out);
        }
    }

    /// Forgets a leg that has left.
    pub(crate) fn forget_speaker(&mut self, leg: LegId) {
        self.speakers.retain(|speaker| *speaker != leg);
    }

    /// A leg has left and watches no more: its slots take no packets of others.
    pub(crate) fn drop_routes(&mut self, leg: LegId) {
        self.composite.stale = true;
        for stream in self
            .publishers
            .iter_mut()
            .flat_map(|publisher| &mut publisher.streams)
        {
            stream.drop_routes(leg);
        }
    }

    /// The floor has passed on.
    pub(crate) fn floor_changed(
        &mut self,
        now: MediaTime,
        holder: LegId,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        self.speakers.retain(|speaker| *speaker != holder);
        self.speakers.insert(0, holder);
        self.speakers.truncate(REMEMBERED_SPEAKERS);
        self.assign_all(now, legs, out);
    }

    /// Forwards a packet of a camera or a screen to all slots that show it, or begin to show it with this keyframe. False when the
    /// packet's payload type was not negotiated.
    pub(crate) fn forward(
        &mut self,
        now: MediaTime,
        from: LegId,
        track: Track,
        packet: &MediaPacket,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) -> bool {
        let setting = legs
            .get(from.owner())
            .and_then(|leg| leg.config.video.as_ref());
        let codec = setting
            .and_then(|video| {
                video
                    .receive
                    .iter()
                    .find(|(payload_type, _)| *payload_type == packet.payload_type)
            })
            .map(|(_, codec)| *codec);
        let Some(codec) = codec else { return false };
        let key = StreamKey {
            leg: from,
            payload_type: packet.payload_type,
            layer: publisher::layer_of(track),
        };
        // What only pads goes where the pictures of its stream go, or its number would be missing there; of itself it begins nothing.
        if packet.payload.is_empty() && !self.knows(key, packet.ssrc) {
            return false;
        }
        let arrival = self.spread(now, key, track, (codec, packet), legs, out);
        if self.composite.is_on() {
            self.feed(now, key, (codec, packet), arrival, out);
            if arrival.new_stream {
                self.composer_wants_keyframe(now, from, out);
            }
        }
        true
    }

    /// Sends a packet of a stream into all slots that show it, or begin to show it with this keyframe.
    fn spread(
        &mut self,
        now: MediaTime,
        key: StreamKey,
        track: Track,
        (codec, packet): (VideoCodec, &MediaPacket),
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) -> Arrival {
        let arrival = self.publisher(key.leg).arrive(now, track, packet, codec);
        if arrival.new_stream {
            for viewer in legs.iter_mut() {
                viewer.viewer.lose(key);
            }
            self.assign_all(now, legs, out);
        } else if arrival.measured && legs.iter().any(|leg| leg.viewer.most_height.is_some()) {
            self.assign_all(now, legs, out);
        }
        let Some(stream) = self
            .publishers
            .iter()
            .find_map(|publisher| publisher.stream(key))
        else {
            return arrival;
        };
        let incoming = Incoming {
            key,
            codec,
            sequence: arrival.sequence,
            now,
            shown: shown(now, key.leg, packet),
            packet,
        };
        let mut switched = false;
        for &Route { viewer, slot, .. } in &stream.routes {
            let Some(leg) = legs.get_mut(viewer) else {
                continue;
            };
            let begins = arrival.keyframe_start && leg.viewer.switch(slot, incoming, out);
            switched |= begins;
            let overtook =
                (begins && arrival.overtaken).then(|| stream.held.after(arrival.sequence));
            let held = overtook.into_iter().flatten();
            let held = held.map(|(sequence, packet)| Incoming {
                sequence: *sequence,
                packet,
                ..incoming
            });
            for incoming in std::iter::once(incoming).chain(held) {
                if let Some(packet) = leg.viewer.rewrite(slot, incoming) {
                    self.forwarded += 1;
                    out.push_back(Output::Video {
                        leg: viewer,
                        slot,
                        packet,
                    });
                }
            }
        }
        if switched {
            // Whose rendition it was may be seen by nobody any more.
            self.composite.stale |= key.leg == LegId::COMPOSITE;
            self.rebuild_routes(legs);
        }
        if arrival.new_stream {
            self.request_keyframes(now, out);
        }
        arrival
    }

    /// A viewer has lost the picture in a slot.
    pub(crate) fn viewer_wants_keyframe(
        &mut self,
        now: MediaTime,
        viewer: &Leg,
        slot: u8,
        out: &mut VecDeque<Output>,
    ) {
        let Some(key) = viewer.viewer.on_air(slot) else {
            return;
        };
        if let Some(stream) = self
            .publishers
            .iter_mut()
            .find_map(|publisher| publisher.stream_mut(key))
        {
            stream.asked = true;
        }
        self.request_keyframes(now, out);
    }

    /// Once per tick: cameras that went silent leave, keyframes still missing are asked for again.
    pub(crate) fn tick(&mut self, now: MediaTime, legs: &mut Legs, out: &mut VecDeque<Output>) {
        let mut gone: Vec<LegId> = Vec::new();
        for publisher in &mut self.publishers {
            if publisher.drop_silent_streams(now, self.camera_silence) {
                gone.push(publisher.leg);
            }
        }
        if !gone.is_empty() {
            self.publishers
                .retain(|publisher| !publisher.streams.is_empty());
            for leg in gone {
                if !self.publishers.iter().any(|publisher| publisher.leg == leg) {
                    self.camera_gone(leg, out);
                }
            }
            self.assign_all(now, legs, out);
        }
        self.share_anew(now, legs, out);
        self.count_renditions(now, legs, out);
        self.tell_demand(now, legs, out);
        self.request_keyframes(now, out);
    }

    fn knows(&self, key: StreamKey, ssrc: u32) -> bool {
        let mut publishers = self.publishers.iter();
        let stream = publishers.find_map(|publisher| publisher.stream(key));
        stream.is_some_and(|stream| stream.ssrc == ssrc)
    }

    fn publisher(&mut self, leg: LegId) -> &mut Publisher {
        let index = self
            .publishers
            .iter()
            .position(|publisher| publisher.leg == leg)
            .unwrap_or_else(|| {
                self.publishers.push(Publisher::new(leg));
                self.publishers.len() - 1
            });
        &mut self.publishers[index]
    }

    fn assign_all(&mut self, now: MediaTime, legs: &mut Legs, out: &mut VecDeque<Output>) {
        self.composite.stale = true;
        self.given = true;
        for leg in legs.iter_mut() {
            self.assign(now, leg, out);
        }
        self.rebuild_routes(legs);
        self.request_keyframes(now, out);
    }

    /// Chooses the sources of one viewer's slots.
    fn assign(&self, now: MediaTime, leg: &mut Leg, out: &mut VecDeque<Output>) {
        leg.viewer.wish = self.wish(leg);
        let setting = leg.config.video.as_ref();
        let composite = self.composite.is_on() && leg.viewer.wish == Viewing::Composite;
        let most = match leg.viewer.wish {
            Viewing::Nothing => 0,
            Viewing::Composite if composite => 1,
            Viewing::Composite | Viewing::Cameras => self.max_slots,
        };
        let negotiated = setting.map_or(0, |video| video.slots);
        let slots = negotiated.min(most);
        let codecs = setting.map_or(&[][..], |video| video.send.as_slice());
        let order = self.publishers_by_recency();
        let codings: Vec<_> = order
            .into_iter()
            .filter(|publisher| publisher.leg.owner() != leg.config.id)
            .filter(|publisher| composite == (publisher.leg == LegId::COMPOSITE))
            .filter_map(|publisher| {
                let may = |stream| !composite || renditions::suits(stream, publisher, leg);
                publisher.coding_for(codecs, &leg.viewer, may)
            })
            .collect();
        leg.viewer.resize(slots, negotiated, out);
        let sources: Vec<LegId> = codings.iter().map(|coding| coding.leg).collect();
        let chosen = assign::slots(&leg.viewer.wanted_sources(), &sources);
        for (slot, source) in (0..slots).zip(chosen) {
            let coding = codings.iter().find(|coding| Some(coding.leg) == source);
            leg.viewer.give(slot, coding.copied());
        }
        self.share(now, &mut leg.viewer);
        self.drop_gone(&mut leg.viewer, out);
    }

    /// A shared screen before all cameras, then whoever spoke last.
    fn publishers_by_recency(&self) -> Vec<&Publisher> {
        let rank = |leg: LegId| {
            self.speakers
                .iter()
                .position(|speaker| *speaker == leg)
                .unwrap_or(usize::MAX)
        };
        let mut order: Vec<&Publisher> = self.publishers.iter().collect();
        order.sort_by_key(|publisher| (!publisher.leg.is_screen(), rank(publisher.leg)));
        order
    }

    fn rebuild_routes(&mut self, legs: &Legs) {
        for stream in self
            .publishers
            .iter_mut()
            .flat_map(|publisher| &mut publisher.streams)
        {
            stream.clear_routes();
        }
        if self.publishers.is_empty() {
            return;
        }
        for leg in legs.iter() {
            self.add_routes(leg);
        }
    }

    /// The way into the slots of one viewer, which has none yet.
    fn add_routes(&mut self, leg: &Leg) {
        for (slot, key, awaited) in leg.viewer.routes() {
            if let Some(stream) = self
                .publishers
                .iter_mut()
                .find_map(|publisher| publisher.stream_mut(key))
            {
                let viewer = leg.config.id;
                stream.add_route(Route {
                    viewer,
                    slot,
                    awaited,
                });
            }
        }
    }

    fn request_keyframes(&mut self, now: MediaTime, out: &mut VecDeque<Output>) {
        for publisher in &mut self.publishers {
            let leg = publisher.leg;
            for stream in &mut publisher.streams {
                if stream.due_for_keyframe(now, self.keyframe_interval) {
                    self.keyframe_requests += 1;
                    out.push_back(Self::keyframe_request(
                        leg,
                        stream.track,
                        stream.payload_type,
                    ));
                }
            }
        }
    }
}

/// When what a packet shows came to the server. The timestamps of a composite say when it was composed: encoding takes its time.
fn shown(now: MediaTime, source: LegId, packet: &MediaPacket) -> MediaTime {
    if source != LegId::COMPOSITE {
        return now;
    }
    let ticks = now.video_timestamp().wrapping_sub(packet.timestamp);
    let age = Duration::from_micros(u64::from(ticks) * 100 / 9);
    if age > LONGEST_ENCODING {
        now
    } else {
        now.saturating_sub(age)
    }
}

/// The event that another source is on the air.
fn slot_event(leg: LegId, slot: u8, source: Option<LegId>) -> Output {
    Output::Event(Event::Slot { leg, slot, source })
}
