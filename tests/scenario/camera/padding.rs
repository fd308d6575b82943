//! What a sender sends to learn of its line: numbered packets without a payload.

use bytes::Bytes;
use plenum_codecs::MediaPacket;
use plenum_mixer::{Input, Track};

use super::Studio;

impl Studio {
    /// Somebody's camera sends so many packets of padding.
    pub(crate) fn pads(&mut self, person: usize, count: usize) {
        let person = &mut self.people[person];
        let (leg, timestamp, track) = (person.leg, person.timestamp, Track::Camera);
        let stream = &mut person.streams[0];
        let (payload_type, ssrc) = (stream.payload_type, u32::from(stream.payload_type));
        let packets: Vec<MediaPacket> = (0..count)
            .map(|_| {
                stream.sequence = stream.sequence.wrapping_add(1);
                MediaPacket {
                    payload_type,
                    marker: false,
                    sequence: stream.sequence,
                    timestamp,
                    ssrc,
                    audio_level: None,
                    payload: Bytes::new(),
                }
            })
            .collect();
        for packet in packets {
            self.room
                .handle(self.now, Input::Packet { leg, packet, track });
            self.collect();
        }
    }
}
