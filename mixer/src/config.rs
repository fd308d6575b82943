//! How a room and its legs are set up: what negotiation found, as numbers the room needs.

use std::time::Duration;

use plenum_codecs::audio::{AudioCodec, EncoderSetting};
use plenum_codecs::video::VideoCodec;
use plenum_codecs::video::h264::Limit;

use crate::LegId;

/// Limits of a room.
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// How many legs are mixed at once in a channel: the loudest.
    pub max_talkers: usize,
    /// Voices are slowly brought to one loudness, −26 dBov.
    pub levelling: bool,
    /// Upper bound of video slots per viewer.
    pub video_slots: u8,
    /// Keyframe requests to one publisher are at least this far apart.
    pub keyframe_interval: Duration,
    /// A camera without packets for so long leaves its slots.
    pub camera_silence: Duration,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self {
            max_talkers: 8,
            levelling: true,
            video_slots: 4,
            keyframe_interval: Duration::from_millis(500),
            camera_silence: Duration::from_secs(5),
        }
    }
}

/// One leg's media as negotiated.
#[derive(Debug, Clone, PartialEq)]
pub struct LegConfig {
    /// Who.
    pub id: LegId,
    /// Speech in and out.
    pub audio: AudioSetting,
    /// Video in and out, if any.
    pub video: Option<VideoSetting>,
    /// Begins muted; later changes come by `Command::Mute`.
    pub muted: bool,
    /// Is never decoded nor mixed (audience, recorder).
    pub listen_only: bool,
}

/// Audio of a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioSetting {
    /// Payload types it may send. Packets of others are dropped and counted.
    pub receive: Vec<(u8, AudioCodec)>,
    /// Payload type and encoder for what it hears; `None`: nothing is sent to it (a clip leg, which only speaks).
    pub send: Option<(u8, EncoderSetting)>,
    /// Payload type and clock of its telephone events (RFC 4733); without, its digits are tones in its G.711 (ITU-T Q.24).
    pub telephone_event: Option<(u8, u32)>,
    /// Payload type of its comfort noise (RFC 3389).
    pub comfort_noise: Option<u8>,
    /// The RFC 6464 extension was negotiated.
    pub level_extension: bool,
}

/// Video of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VideoSetting {
    /// Payload types it may send with its camera.
    pub receive: Vec<(u8, VideoCodec)>,
    /// Payload types it can be sent, preferred first.
    pub send: Vec<(u8, VideoCodec)>,
    /// How many outgoing video streams it has.
    pub slots: u8,
    /// The composite as it is would be too much for it: it takes H.264 within these bounds. Cameras are forwarded as they come.
    pub limit: Option<Limit>,
}
