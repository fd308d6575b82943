//! What each viewer is to see, cameras, the composite or nothing: its own choice, else the room's, and the composite where it cannot
//! decode what others send. Routes nothing itself.

use std::collections::VecDeque;

use plenum_codecs::MediaTime;

use super::Switchboard;
use crate::legs::Legs;
use crate::{Event, Leg, LegId, Output};

/// What a viewer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Viewing {
    /// Cameras and screens as they come, each in a slot; who sends in no codec of the viewer's is not seen.
    Cameras,
    /// The composite, in slot 0; cameras while there is no composer.
    #[default]
    Composite,
    /// No video at all.
    Nothing,
}

impl Switchboard {
    /// A viewer's own choice; `None`: what the room gives.
    pub(crate) fn set_view(
        &mut self,
        now: MediaTime,
        leg: LegId,
        view: Option<Viewing>,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        let Some(viewer) = legs.get_mut(leg).map(|leg| &mut leg.viewer) else {
            return;
        };
        if std::mem::replace(&mut viewer.choice, view) != view {
            self.viewer_changed(now, leg, legs, out);
        }
    }

    /// What viewers see who have made no choice.
    pub(crate) fn set_default_view(
        &mut self,
        now: MediaTime,
        view: Viewing,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        if std::mem::replace(&mut self.default_view, view) != view {
            self.assign_all(now, legs, out);
        }
    }

    /// What a viewer shall see if it can be had. Who has chosen nothing and cannot decode every camera shall see the composite.
    pub(super) fn wish(&self, leg: &Leg) -> Viewing {
        let view = leg.viewer.choice.unwrap_or(self.default_view);
        let chosen = leg.viewer.choice.is_some();
        if view == Viewing::Cameras && !chosen && self.misses_any(leg) {
            Viewing::Composite
        } else {
            view
        }
    }

    /// Somebody else sends video in no codec of this viewer's.
    fn misses_any(&self, leg: &Leg) -> bool {
        let Some(video) = &leg.config.video else {
            return false;
        };
        let others = self.publishers.iter().filter(|publisher| {
            publisher.leg != LegId::COMPOSITE && publisher.leg.owner() != leg.config.id
        });
        let mut others = others.filter(|publisher| !publisher.streams.is_empty());
        others.any(|publisher| {
            publisher
                .coding_for(&video.send, &leg.viewer, |_| true)
                .is_none()
        })
    }

    /// Tells the focus whether anybody shall see the composite, when that has changed.
    pub(super) fn tell_wanted(&mut self, legs: &Legs, out: &mut VecDeque<Output>) {
        let on = legs
            .iter()
            .any(|leg| takes_video(leg) && leg.viewer.wish == Viewing::Composite);
        if std::mem::replace(&mut self.composite_wanted, on) != on {
            out.push_back(Output::Event(Event::CompositeWanted { on }));
        }
    }
}

/// Whether there is anything that it could be sent, now or once it is connected: the composer is begun meanwhile.
fn takes_video(leg: &Leg) -> bool {
    let video = leg.config.video.as_ref();
    video.is_some_and(|video| !video.send.is_empty())
}
