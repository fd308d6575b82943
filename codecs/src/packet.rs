//! One RTP packet as the cores see it. The wire format belongs to the transports.

use bytes::Bytes;

/// Loudness of a packet as its sender states it (RFC 6464).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioLevel {
    /// −dBov: 0 is the loudest, 127 silence.
    pub dbov: u8,
    /// The sender's voice activity detector says speech.
    pub voice: bool,
}

impl AudioLevel {
    /// Digital silence.
    pub const SILENCE: Self = Self {
        dbov: 127,
        voice: false,
    };

    /// Reads the one-byte extension of RFC 6464 §3: voice bit, then seven bits of −dBov.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            dbov: byte & 0x7f,
            voice: byte & 0x80 != 0,
        }
    }

    /// Writes the one-byte extension of RFC 6464 §3. Levels above 127 count as 127.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        let level = if self.dbov > 127 { 127 } else { self.dbov };
        if self.voice { level | 0x80 } else { level }
    }
}

/// An RTP packet without its wire format (RFC 3550 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPacket {
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock rate.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Level from the header extension, when there is one.
    pub audio_level: Option<AudioLevel>,
    /// Payload without padding.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_byte_holds_voice_and_level() {
        for byte in 0..=255u8 {
            assert_eq!(AudioLevel::from_byte(byte).to_byte(), byte);
        }
        assert_eq!(
            AudioLevel {
                dbov: 200,
                voice: true
            }
            .to_byte(),
            0xff
        );
        assert_eq!(
            AudioLevel::from_byte(0x9e),
            AudioLevel {
                dbov: 30,
                voice: true
            }
        );
    }
}
