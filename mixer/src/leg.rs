//! One participant's media state, which goes along when the leg moves to another room.

mod keys;
mod preroll;
mod receiver;
mod stretch;

use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::audio::{FRAME, Frame};
use smallvec::SmallVec;

use crate::capture::Capture;
use crate::denoiser::{Blend, Denoiser};
use crate::gain::apply_gain;
use crate::level::LevelMeter;
use crate::leveller::Leveller;
use crate::limiter::Limiter;
use crate::mix::Hearing;
use crate::outlet::Outlet;
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
    pub(crate) outlet: Outlet,
    pub(crate) receiver: Receiver,
    pub(crate) meter: LevelMeter,
    denoiser: Option<Denoiser>,
    leveller: Leveller,
    /// The room it is in levels voices.
    pub(crate) levelled: bool,
    pub(crate) voice: Voice,
    pub(crate) viewer: Viewer,
    pub(crate) capture: Option<Capture>,
    /// The tick whose audio was pulled last.
    pub(crate) pulled_at: Option<MediaTime>,
    /// A tick has to look at it for its voice.
    pub(crate) awake: bool,
    /// In this tick it needs a mix of its own.
    pub(crate) own: bool,
}

/// What the focus has ordered for a leg.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent orders, each with its own command"
)]
pub(crate) struct Gates {
    pub(crate) muted: bool,
    pub(crate) deaf: bool,
    pub(crate) held: bool,
    pub(crate) camera: bool,
    pub(crate) screen: bool,
    pub(crate) denoised: bool,
    /// Channels into which its voice goes.
    pub(crate) speaks: Channels,
    /// What it hears unless it is deaf or held.
    pub(crate) hears: Hearing,
    /// Linear.
    pub(crate) gain: f32,
}

/// What a leg adds to the channels it speaks into.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    shares: SmallVec<[Share; 1]>,
}

/// What it adds to one channel.
#[derive(Debug)]
struct Share {
    channel: Channel,
    /// Gain reached at the end of the last tick; zero: it is not in the bus.
    level: f32,
    /// Of what is louder than it came in.
    limiter: Limiter,
    /// Of this tick, to be subtracted again from what the leg hears.
    frame: Box<Frame>,
    /// Whether `frame` is of this tick.
    present: bool,
}

impl Share {
    /// Takes on a frame at a gain that changes within it.
    fn put(&mut self, frame: &Frame, from: f32, to: f32) {
        let unity = 1.0_f32.to_bits();
        if from.to_bits() == unity && to.to_bits() == unity && self.limiter.is_idle() {
            self.frame.copy_from_slice(frame);
            return;
        }
        let mut scaled = [0; FRAME];
        apply_gain(frame, from, to, &mut scaled);
        self.limiter.process(&scaled, &mut self.frame);
    }
}

impl Voice {
    /// Something of it was in a bus at the end of the last tick.
    pub(crate) fn is_up(&self) -> bool {
        self.shares.iter().any(|share| share.level > 0.0)
    }

    /// Out of all buses at once.
    pub(crate) fn cut(&mut self) {
        self.shares.clear();
    }

    /// Makes this tick's shares of a frame: all of it in the channels where the leg talks, none in others, and gently from the one
    /// to the other.
    fn speak(&mut self, frame: &Frame, talks: Channels, gain: f32) {
        for channel in talks.iter() {
            if !self.shares.iter().any(|share| share.channel == channel) {
                self.shares.push(Share {
                    channel,
                    level: 0.0,
                    limiter: Limiter::default(),
                    frame: Box::new([0; FRAME]),
                    present: false,
                });
            }
        }
        for share in &mut self.shares {
            let to = if talks.contains(share.channel) {
                gain
            } else {
                0.0
            };
            let from = std::mem::replace(&mut share.level, to);
            share.present = from > 0.0 || to > 0.0;
            if share.present {
                share.put(frame, from, to);
            }
        }
        self.shares
            .retain(|share| share.present || share.channel == Channel::MAIN);
    }

    /// What was added to which channel in this tick.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (Channel, &Frame)> {
        let present = self.shares.iter().filter(|share| share.present);
        present.map(|share| (share.channel, &*share.frame))
    }
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
            screen: false,
            denoised: false,
            speaks: Channels::MAIN,
            hears: Hearing::main(),
            gain: 1.0,
        };
        let id = config.id;
        Self {
            outlet: Outlet::new(id, &config.audio),
            config,
            gates,
            receiver: Receiver::new(JITTER_CAP),
            meter: LevelMeter::default(),
            denoiser: None,
            leveller: Leveller::default(),
            levelled: false,
            voice: Voice::default(),
            viewer: Viewer::new(id),
            capture: None,
            pulled_at: None,
            awake: false,
            own: false,
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
        self.outlet.configure(&self.config.audio);
    }

    /// Counters of the leg.
    #[must_use]
    pub fn stats(&self) -> LegStats {
        LegStats {
            sent: self.outlet.sent,
            ..self.receiver.stats()
        }
    }

    /// May its voice go into the bus?
    pub(crate) fn may_speak(&self) -> bool {
        let Gates { muted, held, .. } = self.gates;
        !(muted || held || self.config.listen_only || self.gates.speaks.is_empty())
    }

    /// What it hears of the room as things stand.
    pub(crate) fn hearing(&self) -> Hearing {
        if self.gates.deaf || self.gates.held {
            Hearing::nothing()
        } else {
            self.gates.hears.clone()
        }
    }

    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            leg: self.id(),
            channels: self.gates.speaks,
            // As loud as it is going to be in the mix: a quiet caller's turn counts as much as a loud one's.
            loudness: self.meter.loudness()
                + if self.levelled {
                    self.leveller.gain_db()
                } else {
                    0.0
                },
            speaking: self.meter.speaking(),
        }
    }

    /// Takes in the level (−dBov) of the frame just decoded.
    pub(crate) fn measured(&mut self, dbov: u8) {
        if self.levelled {
            self.leveller.update(dbov, self.meter.noise());
        }
    }

    /// How loud its voice goes into the mix, linear.
    fn gain(&self) -> f32 {
        self.gates.gain
            * if self.levelled {
                self.leveller.gain()
            } else {
                1.0
            }
    }

    /// Makes this tick's shares from the frame just pulled, for the channels in which it talks.
    pub(crate) fn speak(&mut self, talks: Channels) {
        let gain = self.gain();
        let mut clean = [0; FRAME];
        let heard = !talks.is_empty() || self.voice.is_up();
        let frame = if heard && self.denoise(&mut clean) {
            &clean
        } else {
            self.receiver.frame()
        };
        self.voice.speak(frame, talks, gain);
    }

    /// Takes the noise out of this tick's frame; false when the frame is to be heard as it came in.
    fn denoise(&mut self, out: &mut Frame) -> bool {
        let blend = match (&self.denoiser, self.gates.denoised) {
            (None, false) => return false,
            (None, true) => Blend::In,
            (Some(_), true) => Blend::Clean,
            (Some(_), false) => Blend::Out,
        };
        self.denoiser
            .get_or_insert_with(Denoiser::new)
            .process(self.receiver.frame(), blend, out);
        if blend == Blend::Out {
            self.denoiser = None;
        }
        true
    }

    /// What the leg has added to the main channel in this tick.
    pub(crate) fn share(&self) -> Option<&Frame> {
        self.voice
            .shares()
            .find(|(channel, _)| *channel == Channel::MAIN)
            .map(|(_, frame)| frame)
    }

    /// Nothing has come from it, nothing waits, and nothing of it is heard or captured any more.
    pub(crate) fn rests(&self) -> bool {
        self.receiver.is_idle()
            && self.meter.is_silent()
            && !self.voice.is_up()
            && self.capture.is_none()
    }
}
