//! A leg's keys: its telephone-events, or the tones in its sound if it can send no events. They are looked for on packets as they come, before
//! anything is stretched or concealed, and whether or not anybody hears the leg.

use plenum_codecs::audio::AudioCodec;
use plenum_codecs::audio::g711::Law;
use plenum_codecs::audio::g722::LowerBand;
use plenum_codecs::dtmf::ToneDetector;
use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::telephone_event::{Digit, DigitDetector};
use plenum_codecs::{CodecError, MediaPacket};

use crate::config::AudioSetting;

/// So many lost packets in a row are passed over, as a tone may run on in them; more are a pause.
const PASSED_OVER: u64 = 2;
/// Samples of silence that end whatever was keyed: 60 ms.
const PAUSE: usize = 480;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// By the payload type of the events.
    events: Option<(u8, DigitDetector)>,
    tones: Option<Box<Tones>>,
}

impl Keys {
    /// A packet of telephone-events.
    pub(super) fn event(
        &mut self,
        packet: &MediaPacket,
        payload_type: u8,
    ) -> Result<Option<Digit>, CodecError> {
        let known = self.events.take_if(|(known, _)| *known == payload_type);
        let mut detector = known.map_or_else(DigitDetector::new, |(_, detector)| detector);
        let digit = detector.push(packet);
        self.events = Some((payload_type, detector));
        digit
    }

    /// A packet of sound.
    pub(super) fn sound(&mut self, packet: &MediaPacket, setting: &AudioSetting) -> Option<Digit> {
        if setting.telephone_event.is_some() {
            return None;
        }
        let (_, codec) = setting
            .receive
            .iter()
            .find(|(payload_type, _)| *payload_type == packet.payload_type)?;
        self.tones.get_or_insert_default().push(packet, *codec)
    }
}

/// Digits in G.711, and in the lower band of G.722.
#[derive(Debug, Default)]
struct Tones {
    detector: ToneDetector,
    lower: LowerBand,
    sequence: Unwrapper,
    ssrc: Option<u32>,
    last: Option<u64>,
}

impl Tones {
    /// Takes in a packet of sound; a key press comes out. Not of Opus, which leaves of tones what it likes: with it a phone has
    /// telephone-events.
    fn push(&mut self, packet: &MediaPacket, codec: AudioCodec) -> Option<Digit> {
        if codec == AudioCodec::Opus {
            return None;
        }
        if self.ssrc.replace(packet.ssrc) != Some(packet.ssrc) {
            self.sequence = Unwrapper::new();
            self.lower = LowerBand::default();
            self.last = None;
        }
        let sequence = self.sequence.unwrap(packet.sequence);
        let missing = match self.last {
            Some(last) if sequence <= last => return None,
            Some(last) => sequence - last - 1,
            None => 0,
        };
        self.last = Some(sequence);
        if missing > PASSED_OVER {
            // Nothing is keyed by silence.
            let _ = self.detector.push(std::iter::repeat_n(0, PAUSE));
        }
        let octets = packet.payload.iter().copied();
        let (detector, lower) = (&mut self.detector, &mut self.lower);
        match codec {
            AudioCodec::Pcma => detector.push(octets.map(|octet| Law::A.decode(octet))),
            AudioCodec::Pcmu => detector.push(octets.map(|octet| Law::Mu.decode(octet))),
            AudioCodec::G722 => detector.push(octets.map(|octet| lower.decode(octet))),
            AudioCodec::Opus => None,
        }
    }
}
