//! One participant's media state, which goes along when the leg moves to another room.

use plenum_codecs::MediaTime;

use crate::{LegConfig, LegId};

/// One participant's media: what it negotiated, its jitter buffer and decoder, its outgoing sequence and timestamps.
#[derive(Debug)]
pub struct Leg {
    pub(crate) config: LegConfig,
}

impl Leg {
    /// A leg that is in no room yet.
    #[must_use]
    pub fn new(config: LegConfig, _now: MediaTime) -> Self {
        Self { config }
    }

    /// Which leg this is.
    #[must_use]
    pub fn id(&self) -> LegId {
        self.config.id
    }

    /// Takes on newly negotiated media; sequence, timestamps and the jitter buffer go on. The id stays as it was.
    pub fn reconfigure(&mut self, config: LegConfig) {
        let id = self.config.id;
        self.config = LegConfig { id, ..config };
    }
}
