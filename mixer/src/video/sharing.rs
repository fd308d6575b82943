//! The layer of each slot, chosen anew as viewers' lines and senders' layers change.

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::MediaTime;
use smallvec::SmallVec;

use super::layers::{self, Source};
use super::publisher::{Coding, Layers};
use super::{StreamKey, Switchboard, Viewer};
use crate::legs::Legs;
use crate::{LegId, Output};

/// Between looks at what lines carry.
const INTERVAL: Duration = Duration::from_millis(200);

/// The lesser of what is known.
fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// The index of the layer for each slot, of those that there are for it.
fn choose(
    usable: Option<u64>,
    slots: &[(Option<Coding>, Option<u8>)],
    layers: &[Layers],
) -> SmallVec<[Option<usize>; 4]> {
    let sources: SmallVec<[Source; 4]> = slots
        .iter()
        .zip(layers)
        .map(|((_, seen), layers)| Source {
            rates: layers.iter().map(|(_, rate)| *rate).collect(),
            seen: layers.iter().position(|(layer, _)| Some(*layer) == *seen),
        })
        .collect();
    layers::choose(usable, &sources)
}

impl Switchboard {
    /// Chooses the layers of a viewer's slots; whether any is another now.
    pub(super) fn share(&self, now: MediaTime, viewer: &mut Viewer) -> bool {
        let slots = viewer.sources();
        let usable = least(viewer.line.usable(now), self.limit_of(viewer));
        let mut layered = false;
        let mut layers: SmallVec<[Layers; 4]> = SmallVec::new();
        for (coding, _) in &slots {
            let publisher = coding.and_then(|coding| {
                let mut publishers = self.publishers.iter();
                publishers.find(|publisher| publisher.leg == coding.leg)
            });
            let of = publisher.zip(*coding);
            layered |= publisher.is_some_and(|publisher| publisher.known > 1);
            layers.push(of.map_or_else(Layers::new, |(publisher, coding)| {
                let layers = publisher.layers(now, coding.payload_type);
                publisher.within(viewer.most_height, coding.payload_type, layers)
            }));
        }
        let chosen = choose(usable, &slots, &layers);
        viewer.wishes.clear();
        if layered {
            viewer
                .wishes
                .extend(self.wishes(usable, viewer.most_height, &slots));
        }
        let mut changed = false;
        for (slot, ((coding, _), (layers, chosen))) in
            (0..).zip(slots.iter().zip(layers.iter().zip(chosen)))
        {
            let layer = chosen.and_then(|chosen| layers.get(chosen));
            let wanted = coding.zip(layer).map(|(coding, (layer, _))| {
                let key = StreamKey {
                    leg: coding.leg,
                    payload_type: coding.payload_type,
                    layer: *layer,
                };
                (key, coding.sent)
            });
            changed |= wanted != viewer.wanted(slot);
            viewer.want(slot, wanted);
        }
        changed
    }

    /// What a viewer, or with `None` everybody, is sent at most in bit/s.
    pub(crate) fn limit(
        &mut self,
        now: MediaTime,
        leg: Option<LegId>,
        limit: Option<u64>,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        match leg {
            None => self.limit = limit,
            Some(leg) => {
                let Some(leg) = legs.get_mut(leg) else { return };
                if std::mem::replace(&mut leg.viewer.limit, limit) == limit {
                    return;
                }
            }
        }
        self.assign_all(now, legs, out);
    }

    /// How high a viewer's pictures are at most, in pixels, where they come in several sizes.
    pub(crate) fn limit_height(
        &mut self,
        now: MediaTime,
        leg: LegId,
        most: Option<u16>,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        if let Some(leg) = legs.get_mut(leg)
            && std::mem::replace(&mut leg.viewer.most_height, most) != most
        {
            self.assign_all(now, legs, out);
        }
    }

    /// What a viewer is sent at most, in bit/s.
    pub(super) fn limit_of(&self, viewer: &Viewer) -> Option<u64> {
        least(viewer.limit, self.limit)
    }

    /// Which layers the slots would have if all that are known came.
    fn wishes(
        &self,
        usable: Option<u64>,
        most_height: Option<u16>,
        slots: &[(Option<Coding>, Option<u8>)],
    ) -> SmallVec<[(LegId, u8); 4]> {
        let layers: SmallVec<[Layers; 4]> = slots
            .iter()
            .map(|(coding, _)| {
                let publisher = coding.and_then(|coding| {
                    let mut publishers = self.publishers.iter();
                    publishers.find(|publisher| publisher.leg == coding.leg)
                });
                publisher
                    .zip(*coding)
                    .map_or_else(Layers::new, |(publisher, coding)| {
                        let known = publisher.known_layers(coding.payload_type);
                        publisher.within(most_height, coding.payload_type, known)
                    })
            })
            .collect();
        let chosen = choose(usable, slots, &layers);
        let mut wishes = SmallVec::new();
        for ((coding, _), (layers, chosen)) in slots.iter().zip(layers.iter().zip(chosen)) {
            let layer = chosen.and_then(|chosen| layers.get(chosen));
            wishes.extend(
                coding
                    .zip(layer)
                    .map(|(coding, (layer, _))| (coding.leg, *layer)),
            );
        }
        wishes
    }

    /// Several times a second: viewers whose lines have changed get other layers, and those of a sender that gave one up.
    pub(super) fn share_anew(
        &mut self,
        now: MediaTime,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        if now.since(self.shared) < INTERVAL || self.publishers.is_empty() {
            return;
        }
        self.shared = now;
        let publishers = self.publishers.iter_mut();
        let ceased = publishers.fold(false, |any, publisher| {
            publisher.layer_ceased(now) | publisher.heights.take_changed() | any
        });
        let mut changed = false;
        for leg in legs.iter_mut() {
            // Of most, who only listen or whose line is unknown, nothing has changed.
            if !ceased && leg.viewer.line.usable(now).is_none() {
                continue;
            }
            self.fit_composite(now, &mut leg.viewer);
            if self.share(now, &mut leg.viewer) {
                changed = true;
                self.drop_gone(&mut leg.viewer, out);
            }
        }
        if changed {
            self.rebuild_routes(legs);
            self.request_keyframes(now, out);
        }
    }

    /// Takes what does not exist any more, or what nothing follows, off the air.
    pub(super) fn drop_gone(&self, viewer: &mut Viewer, out: &mut VecDeque<Output>) {
        viewer.drop_gone(
            |key| {
                let mut publishers = self.publishers.iter();
                publishers.any(|publisher| publisher.stream(key).is_some())
            },
            out,
        );
    }
}
