//! A conference's rule on video: none, cameras or one picture of all, and how much of it each viewer is sent at most.

use plenum_mixer::Command;

use super::focus::Focus;
use super::manners::{MOST_VIDEO_KBPS, Rules, bits};
use super::order::Denied;
use crate::config::VideoPolicy;

/// Of pictures, in pixels; none that is sent is higher.
const MOST_HEIGHT: u16 = 4_320;

impl Focus {
    /// There is no video here.
    pub(super) fn is_blind(&self) -> bool {
        self.picture.policy() == VideoPolicy::Off
    }

    /// Whatever concerns video is refused where there is none.
    pub(super) fn require_video(&self) -> Result<(), Denied> {
        if self.is_blind() {
            return Err(Denied::Forbidden("This conference has no video."));
        }
        Ok(())
    }

    /// What is kept has changed: brings about what it says of video now, unless it said so before.
    pub(super) fn video_rules_changed(&mut self, before: Rules) {
        if self.rules.max_video != before.max_video {
            self.give_limit();
            self.fit_composite();
        }
        if self.rules.video == before.video {
            return;
        }
        let was_blind = self.is_blind();
        self.picture.set_policy(self.rules.video);
        let people: Vec<String> = self.roster.iter().map(|person| person.id.clone()).collect();
        if self.is_blind() != was_blind {
            if self.is_blind() {
                self.stop_presenting();
            }
            for id in &people {
                if let Some(person) = self.roster.get_mut(id) {
                    person.video_muted = !was_blind;
                }
                self.settle_camera(id);
                self.command_view(id);
                self.show(id);
            }
        }
        self.settle_picture();
        self.give_view();
        self.show_conference();
        self.tell_all_slots();
    }

    /// Tells the room what everybody is sent at most.
    pub(super) fn give_limit(&self) {
        self.command_room(Command::VideoLimit {
            leg: None,
            bits_per_second: self.rules.max_video,
        });
    }

    /// `target` is sent so many kbit/s of video at most; 0: as everybody.
    pub(super) fn order_limit(&mut self, target: &str, kilobits: u32) -> Result<(), Denied> {
        if kilobits > MOST_VIDEO_KBPS {
            return Err(Denied::Invalid("max_video_kbps must be 20000 at most."));
        }
        let person = self.roster.get_mut(target).ok_or(Denied::Nobody)?;
        person.max_video = bits(kilobits);
        self.gate_limit(target);
        Ok(())
    }

    /// `target` is sent pictures of so many pixels' height at most, where they come in several sizes; 0: as everybody.
    pub(super) fn order_height(&mut self, target: &str, pixels: u32) -> Result<(), Denied> {
        let pixels = u16::try_from(pixels)
            .ok()
            .filter(|most| *most <= MOST_HEIGHT);
        let most = pixels.ok_or(Denied::Invalid("max_video_height must be 4320 at most."))?;
        let person = self.roster.get_mut(target).ok_or(Denied::Nobody)?;
        person.max_video_height = (most > 0).then_some(most);
        self.gate_limit(target);
        Ok(())
    }

    /// Tells the room what `target` is sent at most: after a change, and when its leg is a new one.
    pub(super) fn gate_limit(&self, target: &str) {
        if let Some(person) = self.roster.get(target)
            && let Some(leg) = person.leg
        {
            let (bits_per_second, most) = (person.max_video, person.max_video_height);
            self.command_room(Command::VideoLimit {
                leg: Some(leg),
                bits_per_second,
            });
            self.command_room(Command::VideoHeight { leg, most });
        }
    }
}
