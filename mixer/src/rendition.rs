//! What comes out: one encoder per setting for all who hear the same mix, and one for each leg that hears a mix of its own.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use plenum_codecs::audio::{AudioEncoder, EncoderSetting, FRAME, Frame, level_dbov};

use crate::LegId;
use crate::bus::Mix;
use crate::limiter::Limiter;
use crate::stats::Encodes;

/// Frames that a new encoder is warmed with, so that its first payload fits to what the listener's decoder has heard: 60 ms.
const WARM_FRAMES: usize = 3;
/// A leg keeps its own encoder so long after it needed it: 200 ms in ticks, more than the warm-up, so that by then the shared
/// encoder has heard the same for long enough.
const PRIVATE_HOLD: u64 = 10;
/// A shared encoder that nobody listens to goes after 1 s.
const SHARED_HOLD: u64 = 50;

/// One payload and how loud it is.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) payload: Bytes,
    /// −dBov.
    pub(crate) level: u8,
}

/// Counters that rendering adds to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct RenditionStats {
    pub(crate) encodes: Encodes,
    pub(crate) failures: u64,
}

/// What a leg hears that needs no mix of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Common {
    /// All that is in the bus.
    Full,
    /// Nothing (deafened, held).
    Silence,
}

#[derive(Debug)]
struct Shared {
    common: Common,
    setting: EncoderSetting,
    encoder: AudioEncoder,
    /// Tick of `payload`.
    tick: u64,
    payload: Option<Bytes>,
}

#[derive(Debug)]
struct Private {
    setting: EncoderSetting,
    encoder: AudioEncoder,
    limiter: Limiter,
    /// Tick in which the leg last had a mix of its own.
    needed: u64,
}

/// All encoders of a room.
#[derive(Debug)]
pub(crate) struct Renditions {
    tick: u64,
    shared: Vec<Shared>,
    private: BTreeMap<LegId, Private>,
    limiter: Limiter,
    full: Box<Frame>,
    full_level: u8,
    /// The last frames of the full mix before this tick's, oldest first.
    history: VecDeque<Box<Frame>>,
    scratch: Box<Frame>,
    pub(crate) stats: RenditionStats,
}

impl Renditions {
    pub(crate) fn new() -> Self {
        Self {
            tick: 0,
            shared: Vec::new(),
            private: BTreeMap::new(),
            limiter: Limiter::default(),
            full: Box::new([0; FRAME]),
            full_level: 127,
            history: VecDeque::new(),
            scratch: Box::new([0; FRAME]),
            stats: RenditionStats::default(),
        }
    }

    /// A new tick with its full mix. Encoders that nobody needs any more go.
    pub(crate) fn begin(&mut self, full: &Mix) {
        self.tick += 1;
        let mut oldest = match self.history.pop_front() {
            Some(frame) if self.history.len() + 1 >= WARM_FRAMES => frame,
            Some(frame) => {
                self.history.push_front(frame);
                Box::new([0; FRAME])
            }
            None => Box::new([0; FRAME]),
        };
        std::mem::swap(&mut oldest, &mut self.full);
        self.history.push_back(oldest);
        self.limiter.process(full, &mut self.full);
        self.full_level = level_dbov(self.full.as_slice());
        let tick = self.tick;
        self.shared
            .retain(|shared| tick - shared.tick <= SHARED_HOLD);
        self.private
            .retain(|_, private| tick - private.needed <= PRIVATE_HOLD);
    }

    /// This tick's full mix, limited: what a silent listener hears.
    pub(crate) fn full(&self) -> &Frame {
        &self.full
    }

    /// Does the leg have an encoder of its own still?
    pub(crate) fn is_private(&self, leg: LegId) -> bool {
        !self.private.is_empty() && self.private.contains_key(&leg)
    }

    /// The leg has left.
    pub(crate) fn remove(&mut self, leg: LegId) {
        self.private.remove(&leg);
    }

    /// This tick's payload of a common mix: encoded for the first who asks, then shared.
    pub(crate) fn shared(&mut self, common: Common, setting: EncoderSetting) -> Option<Encoded> {
        let level = if common == Common::Full {
            self.full_level
        } else {
            127
        };
        let index = self
            .shared
            .iter()
            .position(|shared| shared.common == common && shared.setting == setting);
        let index = match index {
            Some(index) => index,
            None => self.open_shared(common, setting)?,
        };
        let shared = self.shared.get_mut(index)?;
        if shared.tick != self.tick {
            shared.tick = self.tick;
            self.stats.encodes.of(setting.codec).shared += 1;
            let silence = [0; FRAME];
            let frame = if common == Common::Full {
                &*self.full
            } else {
                &silence
            };
            shared.payload = shared.encoder.encode(frame).ok();
            self.stats.failures += u64::from(shared.payload.is_none());
        }
        shared
            .payload
            .clone()
            .map(|payload| Encoded { payload, level })
    }

    /// This tick's payload of a leg's own mix. `own` is false when the mix is not really its own any more; then the encoder is
    /// soon given up. `heard` is what the leg has heard before it had a mix of its own.
    pub(crate) fn private(
        &mut self,
        leg: LegId,
        setting: EncoderSetting,
        own: bool,
        heard: Common,
        mix: &Mix,
    ) -> Option<Encoded> {
        if self
            .private
            .get(&leg)
            .is_none_or(|private| private.setting != setting)
        {
            let encoder = self.warm(setting, heard)?;
            let private = Private {
                setting,
                encoder,
                limiter: self.limiter,
                needed: self.tick,
            };
            self.private.insert(leg, private);
        }
        let private = self.private.get_mut(&leg)?;
        if own {
            private.needed = self.tick;
        }
        private.limiter.process(mix, &mut self.scratch);
        let level = level_dbov(self.scratch.as_slice());
        self.stats.encodes.of(setting.codec).private += 1;
        let payload = private.encoder.encode(&self.scratch).ok();
        self.stats.failures += u64::from(payload.is_none());
        payload.map(|payload| Encoded { payload, level })
    }

    fn open_shared(&mut self, common: Common, setting: EncoderSetting) -> Option<usize> {
        let encoder = self.warm(setting, common)?;
        // Of the tick before: not encoded in this one.
        self.shared.push(Shared {
            common,
            setting,
            encoder,
            tick: self.tick - 1,
            payload: None,
        });
        Some(self.shared.len() - 1)
    }

    fn warm(&mut self, setting: EncoderSetting, heard: Common) -> Option<AudioEncoder> {
        let Ok(mut encoder) = AudioEncoder::new(setting) else {
            self.stats.failures += 1;
            return None;
        };
        if heard == Common::Full {
            for frame in &self.history {
                self.stats.encodes.of(setting.codec).warming += 1;
                self.stats.failures += u64::from(encoder.encode(frame).is_err());
            }
        }
        Some(encoder)
    }
}
