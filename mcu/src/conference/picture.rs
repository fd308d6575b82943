//! What viewers see: cameras as they come, or one picture of all, which a shared screen dominates. Keeps the composer informed of who is there.

use plenum_mixer::compose::Person;
use plenum_mixer::{Command as MixerCommand, LegId};

use super::focus::Focus;
use super::order::Denied;
use super::roster::Mute;
use crate::composite::Composite;
use crate::config::{VideoPolicy, is_banner};
use crate::signal::protocol::Kind;
use crate::signal::view::View;

/// The layout while a screen is shared; it is built in.
const PRESENTATION: &str = "presentation";

/// The conference's picture.
#[derive(Debug)]
pub(super) struct Picture {
    policy: VideoPolicy,
    /// Of the composite, now or when there is one.
    layout: String,
    /// What it was before a screen was shared, and will be again unless a host lays it out meanwhile.
    laid_aside: Option<String>,
    /// Somebody shall see it, as the mixer says.
    pub(super) wanted: bool,
    /// Runs while somebody shall see it, and may.
    composite: Option<Composite>,
    /// As the composer knows them.
    people: Vec<Person>,
    /// The conference's own banner, instead of the operator's.
    banner: Option<String>,
}

impl Picture {
    pub(super) fn new(policy: VideoPolicy, layout: String) -> Self {
        Self {
            policy,
            layout,
            laid_aside: None,
            wanted: false,
            composite: None,
            people: Vec::new(),
            banner: None,
        }
    }

    pub(super) const fn policy(&self) -> VideoPolicy {
        self.policy
    }

    pub(super) fn set_policy(&mut self, policy: VideoPolicy) {
        self.policy = policy;
    }

    /// The layout of the composite, if some see it or all are given it.
    pub(super) fn layout(&self) -> Option<&str> {
        let shown = self.is_composed() || self.policy == VideoPolicy::Composite;
        shown.then_some(self.layout.as_str())
    }

    /// There is a composite.
    pub(super) fn is_composed(&self) -> bool {
        self.composite.is_some()
    }

    /// What viewers see who have not chosen.
    pub(super) fn given(&self) -> View {
        match self.policy {
            VideoPolicy::Off => View::Nothing,
            VideoPolicy::Switched => View::Cameras,
            VideoPolicy::Composite => View::Composite,
        }
    }

    pub(super) fn talking(&self, leg: LegId, on: bool) {
        if let Some(composite) = &self.composite {
            composite.talking(leg, on);
        }
    }

    pub(super) fn floor(&self, holder: Option<LegId>) {
        if let (Some(composite), Some(holder)) = (&self.composite, holder) {
            composite.floor(holder);
        }
    }
}

impl Focus {
    /// Begins to compose if that is wanted and not done yet. Without a composer viewers see cameras.
    pub(super) fn start_composite(&mut self) {
        let Some(room) = self.room else { return };
        let wanted = self.picture.wanted || self.picture.policy == VideoPolicy::Composite;
        if !wanted || self.picture.composite.is_some() {
            return;
        }
        let around = &self.around;
        match around.composites.start(
            &around.media,
            room,
            &self.picture.layout,
            self.rules.max_video,
        ) {
            Ok(composite) => {
                if self.picture.banner.is_some() {
                    composite.banner(self.picture.banner.clone());
                }
                self.picture.composite = Some(composite);
                self.picture.people.clear();
                self.paint_people();
                for leg in self
                    .roster
                    .iter()
                    .filter(|person| person.talking)
                    .filter_map(|person| person.leg)
                {
                    self.picture.talking(leg, true);
                }
                self.picture
                    .floor(self.floor.map(|holder| self.face_of(holder)));
            }
            Err(error) => tracing::warn!(%error, "a composite did not begin"),
        }
    }

    /// Tells the composer who is there, when that has changed.
    pub(super) fn paint_people(&mut self) {
        let Some(composite) = &self.picture.composite else {
            return;
        };
        let people: Vec<Person> = self
            .roster
            .iter()
            .filter_map(|person| {
                let own = Person {
                    leg: person.leg.or(person.ear())?,
                    name: person.name.clone(),
                    phone: person.kind == Kind::Phone,
                    muted: person.mute != Mute::Off || person.held,
                    camera: person.camera,
                };
                let screen = person.presenting.then(|| Person {
                    leg: own.leg.screen(),
                    camera: true,
                    muted: false,
                    ..own.clone()
                });
                Some(std::iter::once(own).chain(screen))
            })
            .flatten()
            .collect();
        if self.picture.people != people {
            self.picture.people.clone_from(&people);
            composite.people(people);
        }
    }

    /// Tells the room what viewers see who have not chosen.
    pub(super) fn give_view(&self) {
        self.command_room(MixerCommand::DefaultView(self.picture.given().into()));
    }

    /// Begins to compose, or ends it, as the policy and what viewers wish want it.
    pub(super) fn settle_picture(&mut self) {
        if self.picture.wanted || self.picture.policy == VideoPolicy::Composite {
            self.start_composite();
        } else {
            self.finish_composite();
        }
    }

    /// Viewers who have not chosen see a composite from now on, or cameras again.
    pub(super) fn order_composite(&mut self, on: bool) -> Result<(), Denied> {
        self.require_video()?;
        let policy = if on {
            VideoPolicy::Composite
        } else {
            VideoPolicy::Switched
        };
        let before = std::mem::replace(&mut self.picture.policy, policy);
        if on {
            // At once, to know whether it can be had; else it would begin when the mixer has counted who shall see it.
            self.start_composite();
            if self.picture.composite.is_none() {
                self.picture.policy = before;
                return Err(Denied::Unavailable("The picture cannot be composed now."));
            }
        } else if !self.picture.wanted {
            self.finish_composite();
        }
        if before != policy {
            self.give_view();
            self.show_conference();
            self.tell_all_slots();
        }
        Ok(())
    }

    /// After a composer's fault its viewers see cameras already: so say pages, and hosts may try again.
    pub(super) fn heed_composite(&mut self) {
        let composite = &self.picture.composite;
        if composite.as_ref().is_some_and(Composite::has_ended) {
            self.finish_composite();
            self.picture.policy = VideoPolicy::Switched;
            self.give_view();
            self.show_conference();
            self.tell_all_slots();
        }
    }

    /// Shows `target` large whoever speaks, or with `None` whoever speaks. Without media it waits until there is some.
    pub(super) fn order_spotlight(&mut self, target: Option<String>) -> Result<(), Denied> {
        let leg = match &target {
            Some(target) => {
                let person = self.roster.get(target).ok_or(Denied::Nobody)?;
                person.leg.or(person.ear())
            }
            None => None,
        };
        if self.spotlight != target {
            self.spotlight = target;
            self.command_room(MixerCommand::Spotlight { leg });
            self.show_conference();
        }
        Ok(())
    }

    /// Somebody has left who may have been shown large.
    pub(super) fn forget_spotlight(&mut self, participant: &str) {
        if self.spotlight.take_if(|who| who == participant).is_some() {
            self.show_conference();
        }
    }

    /// Lays the composite out in another way, now or when there is one. It stays so when a share ends.
    pub(super) fn order_layout(&mut self, name: &str) -> Result<(), Denied> {
        self.lay_out(name)?;
        self.picture.laid_aside = None;
        Ok(())
    }

    /// What stands at the top of the composite, now or when there is one; `None`: what the operator has there.
    pub(super) fn order_banner(&mut self, text: Option<String>) -> Result<(), Denied> {
        let text = text.map(|text| text.trim().to_owned());
        if !text.as_deref().is_none_or(is_banner) {
            return Err(Denied::Invalid(
                "A banner is one line of at most 120 signs.",
            ));
        }
        self.picture.banner.clone_from(&text);
        if let Some(composite) = &self.picture.composite {
            composite.banner(text);
        }
        Ok(())
    }

    /// The composite takes as much as viewers may be sent.
    pub(super) fn fit_composite(&self) {
        if let Some(composite) = &self.picture.composite {
            let bitrate = self.around.composites.bitrate(self.rules.max_video);
            composite.bitrate(bitrate);
            // The room gives sizes by what they take.
            let ladder = self.around.composites.ladder(bitrate);
            self.command_room(MixerCommand::CompositeRates(ladder));
        }
    }

    /// A screen begins to be shared, which the composite is laid out for, or no screen is any more, and it is as it was before.
    pub(super) fn stage_screen(&mut self, on: bool) {
        let name = match (on, self.picture.laid_aside.take()) {
            (true, None) => {
                self.picture.laid_aside = Some(self.picture.layout.clone());
                PRESENTATION.to_owned()
            }
            (true, aside) => {
                self.picture.laid_aside = aside;
                return;
            }
            (false, Some(before)) => before,
            (false, None) => return,
        };
        if let Err(denied) = self.lay_out(&name) {
            tracing::error!(?denied, "the layout for a screen is missing");
        }
    }

    fn lay_out(&mut self, name: &str) -> Result<(), Denied> {
        let Some(layout) = self.around.composites.layout(name) else {
            return Err(Denied::Invalid("There is no such layout."));
        };
        if self.picture.layout == name {
            return Ok(());
        }
        name.clone_into(&mut self.picture.layout);
        if let Some(composite) = &self.picture.composite {
            composite.layout(layout.clone());
            self.show_conference();
        }
        Ok(())
    }

    /// The picture ends with its room.
    pub(super) fn finish_composite(&mut self) {
        self.picture.composite = None;
    }
}
