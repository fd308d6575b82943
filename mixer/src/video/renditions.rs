//! Which renditions of the composite the viewers see: as few as serve everybody, each in the size that a viewer's line carries. Routes
//! nothing; the composer is told when what is seen has changed.

use std::collections::VecDeque;

use plenum_codecs::MediaTime;
use plenum_codecs::video::VideoCodec;
use plenum_codecs::video::h264::Limit;

use super::publisher::Publisher;
use super::{StreamKey, Switchboard, Viewer, Viewing};
use crate::legs::Legs;
use crate::{Compose, Leg, LegId, Output, Rendition, Renditions, Size, VideoSetting};

/// The stream of the small rendition.
pub(super) const SMALL: u8 = 2;

/// The composite's streams are told apart by these.
pub(super) fn payload_type(rendition: Rendition) -> u8 {
    let codec = match rendition.codec {
        VideoCodec::Vp8 => 0,
        VideoCodec::H264 => 1,
    };
    match rendition.size.divisor() {
        1 => codec,
        2 => 4 + codec,
        _ => 8 + codec,
    }
}

/// Which rendition a stream is of; `None` for the small one.
pub(super) fn rendition(stream: u8) -> Option<Rendition> {
    Rendition::all().find(|rendition| payload_type(*rendition) == stream)
}

/// Whether a stream of the composite is for that viewer: that of its rendition, and until that comes what it sees, or any.
pub(super) fn suits(stream: u8, composite: &Publisher, leg: &Leg) -> bool {
    let setting = leg.config.video.as_ref();
    if setting.is_some_and(|video| video.limit.is_some()) {
        return stream == SMALL;
    }
    let has = |wanted: u8| {
        let mut streams = composite.streams.iter();
        streams.any(|stream| stream.payload_type == wanted)
    };
    let wanted = leg.viewer.rendition.map(payload_type);
    let shown = || shown(&leg.viewer).map(|key| key.payload_type);
    let best = wanted
        .filter(|wanted| has(*wanted))
        .or_else(|| shown().filter(|shown| has(*shown)));
    best.map_or(stream != SMALL, |best| stream == best)
}

/// What a viewer sees of the composite now.
fn shown(viewer: &Viewer) -> Option<StreamKey> {
    viewer
        .on_air(0)
        .filter(|shown| shown.leg == LegId::COMPOSITE)
}

impl Switchboard {
    /// Looks at the line of a viewer of the composite, and whether another size fits it now.
    pub(super) fn fit_composite(&mut self, now: MediaTime, viewer: &mut Viewer) {
        let Some(ladder) = self.composite.ladder else {
            return;
        };
        let Some(estimate) = viewer.line.latest() else {
            return;
        };
        if viewer.wish != Viewing::Composite {
            return;
        }
        let taken = shown(viewer).and_then(|key| {
            let mut publishers = self.publishers.iter();
            publishers.find_map(|publisher| publisher.stream(key)?.rate.known())
        });
        if viewer.fit.look(now, estimate, &ladder, taken) {
            self.composite.stale = true;
        }
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
        let codecs = if self.composite.is_on() {
            codecs(legs)
        } else {
            [false; 2]
        };
        let moved = self.choose(legs, codecs);
        let (wanted, small) = if self.composite.is_on() {
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
        if same && same_small && !moved {
            return;
        }
        let composite = self
            .publishers
            .iter_mut()
            .find(|publisher| publisher.leg == LegId::COMPOSITE);
        if let Some(publisher) = composite {
            publisher.streams.retain(|stream| {
                rendition(stream.payload_type)
                    .map_or(small.is_some(), |rendition| wanted.contains(rendition))
            });
            self.assign_all(now, legs, out);
        }
    }

    /// Gives each viewer its rendition; whether any has another now.
    fn choose(&self, legs: &mut Legs, [vp8, h264]: [bool; 2]) -> bool {
        let most = |viewer: &Viewer| {
            let ladder = self.composite.ladder.as_ref();
            ladder.map_or(Size::Whole, |ladder| {
                ladder.within(self.limit_of(viewer), viewer.most_height)
            })
        };
        let mut moved = false;
        for leg in legs.iter_mut() {
            let setting = leg.config.video.as_ref();
            let setting =
                setting.filter(|_| leg.viewer.wish == Viewing::Composite && (vp8 || h264));
            let wanted = setting
                .filter(|video| video.slots > 0 && video.limit.is_none())
                .and_then(|video| {
                    let mut codecs = video.send.iter().map(|(_, codec)| *codec);
                    codecs.find(|codec| match codec {
                        VideoCodec::Vp8 => vp8,
                        VideoCodec::H264 => h264,
                    })
                })
                .map(|codec| Rendition {
                    codec,
                    size: leg.viewer.fit.size().max(most(&leg.viewer)),
                });
            moved |= std::mem::replace(&mut leg.viewer.rendition, wanted) != wanted;
        }
        moved
    }
}

/// Who sees the composite, and what was negotiated with them.
fn viewers(legs: &Legs) -> impl Iterator<Item = (&Leg, &VideoSetting)> {
    let viewers = legs
        .iter()
        .filter(|leg| leg.viewer.wish == Viewing::Composite);
    let set = viewers.filter_map(|leg| Some((leg, leg.config.video.as_ref()?)));
    set.filter(|(_, video)| video.slots > 0)
}

/// What everybody takes who cannot take the composite as it is: one rendition serves all of them.
fn small(legs: &Legs) -> Option<Limit> {
    viewers(legs)
        .filter(|(_, video)| takes(video)[1])
        .filter_map(|(_, video)| video.limit)
        .reduce(Limit::min)
}

fn takes(video: &VideoSetting) -> [bool; 2] {
    [VideoCodec::Vp8, VideoCodec::H264]
        .map(|codec| video.send.iter().any(|(_, sent)| *sent == codec))
}

/// As few as serve everybody, VP8 and H.264: one, if there is a codec that all take, else both.
fn codecs(legs: &Legs) -> [bool; 2] {
    let mut all = [true; 2];
    let mut any = [false; 2];
    for (_, video) in viewers(legs).filter(|(_, video)| video.limit.is_none()) {
        let takes = takes(video);
        if takes == [false; 2] {
            continue;
        }
        for (index, takes) in takes.into_iter().enumerate() {
            all[index] &= takes;
            any[index] |= takes;
        }
    }
    match (any, all) {
        ([false, false], _) => [false, false],
        ([true, _], [true, _]) => [true, false],
        ([_, true], [_, true]) => [false, true],
        _ => [true, true],
    }
}

/// What viewers shall see, and what they still see until that comes.
fn renditions(legs: &Legs) -> Renditions {
    let seen = viewers(legs).filter(|(_, video)| video.limit.is_none());
    seen.flat_map(|(leg, _)| {
        let shown = shown(&leg.viewer).and_then(|key| rendition(key.payload_type));
        let wanted = leg.viewer.rendition;
        wanted.into_iter().chain(shown.filter(|_| wanted.is_some()))
    })
    .collect()
}
