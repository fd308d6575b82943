//! Listens for digits in the sound of a leg that cannot send them otherwise: on its packets as they come, before anything is stretched or
//! concealed, and whether or not anybody hears the leg.

use plenum_codecs::MediaPacket;
use plenum_codecs::audio::AudioCodec;
use plenum_codecs::audio::g711::Law;
use plenum_codecs::dtmf::ToneDetector;
use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::telephone_event::Digit;

/// So many lost packets in a row are passed over, as a tone may run on in them; more are a pause.
const PASSED_OVER: u64 = 2;
/// Samples of silence that end whatever was keyed: 60 ms.
const PAUSE: usize = 480;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tones {
    detector: ToneDetector,
    sequence: Unwrapper,
    ssrc: Option<u32>,
    last: Option<u64>,
}

impl Tones {
    /// Takes in a packet of sound; a key press comes out. Of G.711 only: with another codec a phone has telephone-events.
    pub(crate) fn push(&mut self, packet: &MediaPacket, codec: AudioCodec) -> Option<Digit> {
        let law = match codec {
            AudioCodec::Pcma => Law::A,
            AudioCodec::Pcmu => Law::Mu,
            AudioCodec::G722 | AudioCodec::Opus => return None,
        };
        if self.ssrc.replace(packet.ssrc) != Some(packet.ssrc) {
            self.sequence = Unwrapper::new();
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
        self.detector
            .push(packet.payload.iter().map(|octet| law.decode(*octet)))
    }
}
