//! One participant's media state, which goes along when the leg moves to another room.

mod receiver;
mod stretch;

use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::audio::{FRAME, Frame};

use crate::bus::apply_gain;
use crate::level::LevelMeter;
use crate::sender::AudioSender;
use crate::talkers::Candidate;
use crate::video::Viewer;
use crate::{Channel, Channels, LegConfig, LegId, LegStats};

pub(crate) use receiver::{Pull, Receiver};

/// Audio of a leg that waits to be played, at most: 200 ms.
const JITTER_CAP: Duration = Duration::from_millis(200);

/// One participant's media: what it negotiated, its jitter buffer and decoder, its outgoing sequence and timestamps.
#[derive(Debug)]
pub struct Leg {
    pub(crate) config: LegConfig,
    pub(crate) gates: Gates,
    pub(crate) receiver: Receiver,
    pub(crate) sender: AudioSender,
    pub(crate) sent: u64,
    pub(crate) meter: LevelMeter,
    pub(crate) voice: Voice,
    pub(crate) viewer: Viewer,
    /// The tick whose audio was pulled last.
    pub(crate) pulled_at: Option<MediaTime>,
}

/// What the focus has ordered for a leg.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent orders, each with its own command"
)]
pub(crate) struct Gates {
    pub(crate) muted: bool,
    pub(crate) deaf: bool,
    pub(crate) held: bool,
    pub(crate) camera: bool,
    /// Channels into which its voice goes.
    pub(crate) speaks: Channels,
    /// Channels of which it hears anything.
    pub(crate) hears: Channels,
    /// Linear.
    pub(crate) gain: f32,
}

/// What a leg adds to the bus.
#[derive(Debug)]
pub(crate) struct Voice {
    /// Gain reached at the end of the last tick; zero: it is not in the bus.
    pub(crate) level: f32,
    /// This tick's share of the bus, to be subtracted again from what the leg hears.
    pub(crate) share: Option<Box<Frame>>,
    /// Whether `share` is of this tick.
    pub(crate) present: bool,
}

impl Leg {
    /// A leg that is in no room yet.
    #[must_use]
    pub fn new(config: LegConfig, _now: MediaTime) -> Self {
        let gates = Gates {
            muted: config.muted,
            deaf: false,
            held: false,
            camera: true,
            speaks: Channels::MAIN,
            hears: Channels::MAIN,
            gain: 1.0,
        };
        let id = config.id;
        Self {
            config,
            gates,
            receiver: Receiver::new(JITTER_CAP),
            sender: AudioSender::new(id),
            sent: 0,
            meter: LevelMeter::default(),
            voice: Voice {
                level: 0.0,
                share: None,
                present: false,
            },
            viewer: Viewer::new(id),
            pulled_at: None,
        }
    }

    /// Which leg this is.
    #[must_use]
    pub fn id(&self) -> LegId {
        self.config.id
    }

    /// Takes on newly negotiated media; sequence, timestamps and the jitter buffer go on. The id and what was ordered since
    /// (muted, …) stay as they were.
    pub fn reconfigure(&mut self, config: LegConfig) {
        let id = self.config.id;
        self.config = LegConfig { id, ..config };
    }

    /// Counters of the leg.
    #[must_use]
    pub fn stats(&self) -> LegStats {
        LegStats {
            sent: self.sent,
            ..self.receiver.stats()
        }
    }

    /// May its voice go into the bus?
    pub(crate) fn may_speak(&self) -> bool {
        !(self.gates.muted || self.gates.held || self.config.listen_only)
            && self.gates.speaks.contains(Channel::MAIN)
    }

    /// Does it hear the others?
    pub(crate) fn hears_room(&self) -> bool {
        !(self.gates.deaf || self.gates.held) && self.gates.hears.contains(Channel::MAIN)
    }

    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            leg: self.id(),
            loudness: self.meter.loudness(),
            speaking: self.meter.speaking(),
        }
    }

    /// Makes this tick's share of the bus from the frame just pulled; `None` when the leg stays out of it.
    pub(crate) fn speak(&mut self, talks: bool) -> Option<&Frame> {
        let to = if talks { self.gates.gain } else { 0.0 };
        let from = std::mem::replace(&mut self.voice.level, to);
        self.voice.present = from > 0.0 || to > 0.0;
        if !self.voice.present {
            return None;
        }
        let share = self.voice.share.get_or_insert_with(|| Box::new([0; FRAME]));
        apply_gain(self.receiver.frame(), from, to, share);
        Some(share)
    }

    /// What the leg has added to the bus in this tick.
    pub(crate) fn share(&self) -> Option<&Frame> {
        self.voice.share.as_deref().filter(|_| self.voice.present)
    }
}
