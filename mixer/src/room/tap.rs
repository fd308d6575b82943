//! The tap for a recording: what a silent listener hears in a tick, and what each leg adds to it.

use plenum_codecs::MediaTime;

use super::Room;
use crate::mix::MixId;
use crate::{Output, Tap, TapFrame};

impl Room {
    /// Copies the tick's frames out, when somebody records.
    pub(super) fn tap(&mut self, at: MediaTime) {
        let legs = match self.tap {
            Tap::Off => return,
            Tap::Mix => Vec::new(),
            Tap::MixAndLegs => self
                .legs
                .iter()
                .filter_map(|leg| Some((leg.id(), Box::new(*leg.share()?))))
                .collect(),
        };
        let Some(main) = self.mixes.get(MixId::MAIN) else {
            return;
        };
        let mix = main.frame.clone();
        self.outputs
            .push_back(Output::Tap(TapFrame { at, mix, legs }));
    }
}
