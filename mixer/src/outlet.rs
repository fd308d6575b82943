//! What a leg is sent: which mix in which setting by which encoder, and the numbers of its packets. Goes along when the leg moves.

use plenum_codecs::AudioLevel;
use plenum_codecs::MediaTime;
use plenum_codecs::audio::EncoderSetting;

use crate::config::AudioSetting;
use crate::loss::LossWatch;
use crate::mix::MixId;
use crate::rendition::{Encoded, Private, QUIET, SharedId};
use crate::sender::AudioSender;
use crate::{LegId, OutPacket};

/// A change of setting waits at most so long for a quiet moment: 1 s in ticks.
const PATIENCE: u32 = 50;

/// The outgoing audio of a leg.
#[derive(Debug)]
pub(crate) struct Outlet {
    sender: AudioSender,
    pub(crate) sent: u64,
    negotiated: Option<(u8, EncoderSetting)>,
    level_extension: bool,
    /// What is encoded now; follows what is wanted when nobody hears the change.
    setting: Option<EncoderSetting>,
    waited: u32,
    pub(crate) loss: LossWatch,
    /// What it hears; means something in the room only.
    pub(crate) mix: MixId,
    /// What it heard until this tick, if that is another mix.
    pub(crate) before: Option<MixId>,
    /// The encoder it listened to last.
    pub(crate) shared: Option<SharedId>,
    /// The encoder of its own.
    pub(crate) private: Option<Box<Private>>,
    /// Needs more than the next payload of a shared encoder.
    pub(crate) special: bool,
}

impl Outlet {
    pub(crate) fn new(leg: LegId, audio: &AudioSetting) -> Self {
        let mut outlet = Self {
            sender: AudioSender::new(leg),
            sent: 0,
            negotiated: None,
            level_extension: false,
            setting: None,
            waited: 0,
            loss: LossWatch::default(),
            mix: MixId::MAIN,
            before: None,
            shared: None,
            private: None,
            special: false,
        };
        outlet.configure(audio);
        outlet
    }

    /// Takes on what was negotiated. Another codec counts at once: the other end has another decoder.
    pub(crate) fn configure(&mut self, audio: &AudioSetting) {
        self.negotiated = audio.send;
        self.level_extension = audio.level_extension;
        let codec = |setting: Option<EncoderSetting>| setting.map(|setting| setting.codec);
        if codec(self.setting) != codec(self.wanted()) {
            self.setting = self.wanted();
            self.private = None;
            self.shared = None;
        }
    }

    /// The setting in use; `None` when nothing is sent.
    pub(crate) fn setting(&self) -> Option<EncoderSetting> {
        self.setting
    }

    /// Whether another setting is wanted than is in use.
    pub(crate) fn is_changing(&self) -> bool {
        self.setting != self.wanted()
    }

    /// Goes over to the wanted setting when the mix is quiet or it has waited for long enough; true when it has.
    pub(crate) fn change(&mut self, level: u8) -> bool {
        if !self.is_changing() {
            return false;
        }
        self.waited += 1;
        if level < QUIET && self.waited <= PATIENCE {
            return false;
        }
        self.waited = 0;
        self.setting = self.wanted();
        true
    }

    /// Whether the next payload of a shared encoder is all it needs from now on.
    pub(crate) fn is_plain(&self) -> bool {
        self.private.is_none() && self.before.is_none() && !self.is_changing()
    }

    /// The packet of the tick `at`.
    pub(crate) fn packet(&mut self, at: MediaTime, encoded: &Encoded) -> Option<OutPacket> {
        let (payload_type, setting) = self.negotiated?;
        let stamp = self.sender.stamp(at, setting.codec.frame_timestamps());
        self.sent += 1;
        let level = AudioLevel {
            dbov: encoded.level,
            voice: encoded.voice,
        };
        Some(OutPacket {
            payload_type,
            marker: stamp.marker,
            sequence: stamp.sequence,
            timestamp: stamp.timestamp,
            payload: encoded.payload.clone(),
            audio_level: self.level_extension.then_some(level),
            captured: at,
        })
    }

    fn wanted(&self) -> Option<EncoderSetting> {
        self.negotiated.map(|(_, setting)| self.loss.apply(setting))
    }
}
