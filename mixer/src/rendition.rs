//! What comes out: one encoder per distinct mix and setting, for all who hear the same, and one for each leg that hears a mix of
//! its own. Knows mixes and payloads, not legs.
//!
//! A listener's decoder leans on what it has heard, so that it cannot be handed from one encoder to another just so. From a shared
//! encoder to a private one it goes by a copy of the shared one, which goes on where that stands. The other way, the private
//! encoder is kept until both make the same payloads; where there is no shared one, it becomes it. When they do not come together,
//! and between settings, it goes with a frame that is predicted from nothing, in a quiet moment if one comes.

use std::collections::VecDeque;

use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting, Frame, level_dbov};

use crate::bus::Mix;
use crate::limiter::Limiter;
use crate::mix::{HeardMix, MixId, Mixes, remember};
use crate::outlet::Outlet;
use crate::stats::{EncodeCount, Encodes};

/// A leg keeps its own encoder so long after it needed it: 200 ms in ticks.
const PRIVATE_HOLD: u32 = 10;
/// Quieter than this (−dBov) going over to another encoder is not heard.
pub(crate) const QUIET: u8 = 50;
/// A leg that could be handed over only by an independent frame waits at most so long for a better moment: 2 s in ticks.
const PATIENCE: u32 = 100;
/// So many equal payloads in a row and one encoder can take over from the other unheard.
const ALIKE: u32 = 3;
/// A shared encoder that nobody listens to goes after 1 s, in ticks.
const SHARED_HOLD: u64 = 50;

/// One payload and how loud it is.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) payload: Bytes,
    /// −dBov.
    pub(crate) level: u8,
    /// Somebody speaks in the mix.
    pub(crate) voice: bool,
}

/// Counters that rendering adds to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct RenditionStats {
    pub(crate) encodes: Encodes,
    pub(crate) failures: u64,
}

impl RenditionStats {
    fn count(&mut self, codec: AudioCodec, which: fn(&mut EncodeCount) -> &mut u64) {
        *which(self.encodes.of(codec)) += 1;
    }

    /// A new encoder that has heard the frames of `past`.
    fn warm(
        &mut self,
        setting: EncoderSetting,
        past: &VecDeque<Box<Frame>>,
    ) -> Option<AudioEncoder> {
        let Ok(mut encoder) = AudioEncoder::new(setting) else {
            self.failures += 1;
            return None;
        };
        for frame in past {
            self.count(setting.codec, |count| &mut count.warming);
            self.failures += u64::from(encoder.encode(frame).is_err());
        }
        Some(encoder)
    }
}

/// Place of a shared encoder. May be out of date: it is compared with what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedId(usize);

#[derive(Debug)]
struct Shared {
    mix: MixId,
    setting: EncoderSetting,
    encoder: AudioEncoder,
    /// Tick of `encoded`.
    tick: u64,
    encoded: Option<Encoded>,
    /// A leg comes over from another encoder in this tick, and what it has heard is no ground to predict from.
    joined: bool,
}

/// The encoder of one leg, for a mix of its own.
#[derive(Debug)]
pub(crate) struct Private {
    setting: EncoderSetting,
    encoder: AudioEncoder,
    limiter: Limiter,
    frame: Box<Frame>,
    history: VecDeque<Box<Frame>>,
    /// Ticks since the leg had a mix of its own.
    idle: u32,
    /// Of this tick.
    payload: Bytes,
    /// Ticks in a row in which the shared encoder has made the same payload: both stand at the same, or nearly.
    alike: u32,
}

impl Private {
    fn new(setting: EncoderSetting, encoder: AudioEncoder, heard: &HeardMix) -> Self {
        Self {
            setting,
            encoder,
            limiter: heard.limiter,
            frame: heard.frame.clone(),
            history: heard.history.clone(),
            idle: 0,
            payload: Bytes::new(),
            alike: 0,
        }
    }

    /// Whether it may give way to the shared encoder, if there is one: nobody hears it, or it was waited for long enough.
    /// `level` is that of the mix in −dBov.
    pub(crate) fn may_retire(&self, level: u8) -> bool {
        let unheard = self.alike >= ALIKE || level >= QUIET;
        // Only Opus has independent frames. An encoder of G.722 is cheap enough to be kept until the mix is quiet.
        let forced = self.setting.codec == AudioCodec::Opus && self.idle > PRIVATE_HOLD + PATIENCE;
        self.idle > PRIVATE_HOLD && (unheard || forced)
    }
}

/// All encoders of a room that more than one leg may listen to, and what all encoders have done.
#[derive(Debug, Default)]
pub(crate) struct Renditions {
    tick: u64,
    /// By [`SharedId`].
    shared: Vec<Option<Shared>>,
    pub(crate) stats: RenditionStats,
}

impl Renditions {
    /// A new tick, whose mixes are made. Encoders that nobody needs any more go.
    pub(crate) fn begin(&mut self, mixes: &Mixes) {
        self.tick += 1;
        for place in &mut self.shared {
            let stays = place.as_ref().is_some_and(|shared| {
                self.tick - shared.tick <= SHARED_HOLD && mixes.get(shared.mix).is_some()
            });
            if !stays {
                *place = None;
            }
        }
    }

    /// This tick's payload of a mix that is nobody's own: encoded for the first who asks, then shared. `place` is where it was
    /// last time.
    pub(crate) fn shared(
        &mut self,
        mixes: &Mixes,
        mix: MixId,
        setting: EncoderSetting,
        place: &mut Option<SharedId>,
    ) -> Option<&Encoded> {
        let id = match *place {
            Some(id) if self.is_at(id, mix, setting) => id,
            _ => self.find(mix, setting).or_else(|| {
                let encoder = self.stats.warm(setting, &mixes.get(mix)?.history)?;
                Some(self.open(mix, setting, encoder))
            })?,
        };
        *place = Some(id);
        let shared = self.shared.get_mut(id.0)?.as_mut()?;
        if shared.tick != self.tick {
            shared.tick = self.tick;
            let mix = mixes.get(mix)?;
            shared.encoded = self.stats.encode(shared, mix);
        }
        shared.encoded.as_ref()
    }

    /// A leg comes over to the shared encoder of another setting in this tick.
    pub(crate) fn join(&mut self, mixes: &Mixes, mix: MixId, setting: EncoderSetting) {
        let id = self.find(mix, setting).or_else(|| {
            let encoder = self.stats.warm(setting, &mixes.get(mix)?.history)?;
            Some(self.open(mix, setting, encoder))
        });
        if let Some(shared) = id.and_then(|id| self.shared.get_mut(id.0)?.as_mut()) {
            shared.joined = true;
        }
    }

    /// A leg gives up its own encoder in this tick, to listen to the shared one; where there is none, its own becomes it.
    pub(crate) fn retire(&mut self, mix: MixId, private: Private) {
        let found = self.find(mix, private.setting);
        match found.and_then(|id| self.shared.get_mut(id.0)?.as_mut()) {
            Some(shared) => shared.joined |= private.alike < ALIKE,
            None => {
                self.open(mix, private.setting, private.encoder);
            }
        }
    }

    /// An encoder for a leg alone. `heard` is the mix it has heard, `place` the encoder it listened to; `fresh`: it has heard nothing
    /// yet, so that its decoder stands where a new encoder does.
    pub(crate) fn fork(
        &mut self,
        heard: &HeardMix,
        setting: EncoderSetting,
        place: Option<SharedId>,
        fresh: bool,
    ) -> Option<Private> {
        let listened = place
            .and_then(|id| self.shared.get(id.0)?.as_ref())
            .filter(|shared| shared.setting == setting && shared.tick + 1 == self.tick);
        let encoder = match listened {
            Some(shared) => shared.encoder.clone(),
            None if fresh => self.stats.warm(setting, &VecDeque::new())?,
            None => self.stats.warm(setting, &heard.history)?,
        };
        Some(Private::new(setting, encoder, heard))
    }

    /// A leg leaves the room: it takes an encoder along that goes on where its decoder stands.
    pub(crate) fn detach(&self, mixes: &Mixes, outlet: &mut Outlet) {
        let listened = outlet
            .shared
            .take()
            .and_then(|id| self.shared.get(id.0)?.as_ref());
        if outlet.private.is_none()
            && let Some(shared) = listened
            && Some(shared.setting) == outlet.setting()
            && shared.tick == self.tick
            && let Some(heard) = mixes.get(shared.mix)
        {
            let private = Private::new(shared.setting, shared.encoder.clone(), heard);
            outlet.private = Some(Box::new(private));
        }
        outlet.before = None;
        outlet.special = false;
    }

    /// This tick's payload of a leg's own mix; `own` is false when it is not really its own any more.
    pub(crate) fn private(
        &mut self,
        private: &mut Private,
        setting: EncoderSetting,
        own: bool,
        mix: &Mix,
    ) -> Option<(Bytes, u8)> {
        private.idle = if own { 0 } else { private.idle + 1 };
        if own {
            private.alike = 0;
        }
        remember(&mut private.history, &mut private.frame);
        let mut independent = false;
        if private.setting != setting {
            private.encoder = self.stats.warm(setting, &private.history)?;
            private.setting = setting;
            independent = true;
        }
        private.limiter.process(mix, &mut private.frame);
        self.stats.count(setting.codec, |count| &mut count.private);
        let payload = if independent {
            private.encoder.encode_independent(&private.frame)
        } else {
            private.encoder.encode(&private.frame)
        };
        self.stats.failures += u64::from(payload.is_err());
        private.payload = payload.ok()?;
        let level = level_dbov(private.frame.as_slice());
        Some((private.payload.clone(), level))
    }

    /// At the end of a tick: a leg's own encoder is compared with the shared one.
    pub(crate) fn compare(&self, mix: MixId, private: &mut Private) {
        let found = self.find(mix, private.setting);
        let shared = found.and_then(|id| self.shared.get(id.0)?.as_ref());
        let encoded = shared
            .filter(|shared| shared.tick == self.tick)
            .and_then(|shared| shared.encoded.as_ref());
        let same = encoded.is_some_and(|encoded| encoded.payload == private.payload);
        private.alike = if same { private.alike + 1 } else { 0 };
    }

    fn is_at(&self, id: SharedId, mix: MixId, setting: EncoderSetting) -> bool {
        matches!(self.shared.get(id.0), Some(Some(shared)) if shared.mix == mix && shared.setting == setting)
    }

    fn find(&self, mix: MixId, setting: EncoderSetting) -> Option<SharedId> {
        (0..self.shared.len())
            .map(SharedId)
            .find(|id| self.is_at(*id, mix, setting))
    }

    fn open(&mut self, mix: MixId, setting: EncoderSetting, encoder: AudioEncoder) -> SharedId {
        let free = self.shared.iter().position(Option::is_none);
        let index = free.unwrap_or(self.shared.len());
        if free.is_none() {
            self.shared.push(None);
        }
        self.shared[index] = Some(Shared {
            mix,
            setting,
            encoder,
            // Of the tick before: not encoded in this one.
            tick: self.tick - 1,
            encoded: None,
            joined: false,
        });
        SharedId(index)
    }
}

impl RenditionStats {
    fn encode(&mut self, shared: &mut Shared, mix: &HeardMix) -> Option<Encoded> {
        self.count(shared.setting.codec, |count| &mut count.shared);
        let payload = if std::mem::take(&mut shared.joined) {
            shared.encoder.encode_independent(&mix.frame)
        } else {
            shared.encoder.encode(&mix.frame)
        };
        self.failures += u64::from(payload.is_err());
        Some(Encoded {
            payload: payload.ok()?,
            level: mix.level,
            voice: mix.voice,
        })
    }
}
