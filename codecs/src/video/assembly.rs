//! Puts a frame together from packets in order: notices gaps, and bounds the size. Knows no payload format.

use bytes::Bytes;

use super::VideoFrame;
use crate::error::CodecError;
use crate::packet::MediaPacket;

/// Largest encoded frame that is put together, in octets; what is larger is dropped and reported.
pub const MAX_FRAME: usize = 2 * 1024 * 1024;

/// A packet that is older than the newest by up to so many is late; by more, its sender has begun anew.
const LATE: u16 = 1_000;

/// A frame in the making.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    ssrc: Option<u32>,
    /// Sequence number that comes next.
    expected: Option<u16>,
    timestamp: Option<u32>,
    data: Vec<u8>,
    keyframe: bool,
    /// The frame of `timestamp` lacks something and is dropped.
    broken: bool,
    /// The packet before ended a frame, so this one begins one.
    at_start: bool,
    lost: bool,
}

/// What a packet is to the frame in the making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Belongs to the past: drop it.
    Late,
    /// Holds nothing.
    Padding,
    /// First packet of a frame for sure.
    Start,
    /// A frame begins here or has begun before; what came before is lost.
    Unsure,
    /// Goes on with the frame.
    Inside,
    /// Belongs to a frame that is dropped already.
    Broken,
}

impl Assembly {
    /// Accounts for the packet's sequence number and timestamp.
    pub(super) fn place(&mut self, packet: &MediaPacket) -> Place {
        if self
            .ssrc
            .replace(packet.ssrc)
            .is_some_and(|ssrc| ssrc != packet.ssrc)
        {
            *self = Self {
                ssrc: self.ssrc,
                lost: true,
                ..Self::default()
            };
        }
        let gap = self.expected != Some(packet.sequence);
        let behind = |expected: u16| expected.wrapping_sub(packet.sequence);
        if self
            .expected
            .is_some_and(|expected| (1..=LATE).contains(&behind(expected)))
        {
            return Place::Late;
        }
        self.expected = Some(packet.sequence.wrapping_add(1));
        if packet.payload.is_empty() {
            // Padding of a bandwidth probe belongs to no frame; only a gap before it matters.
            if gap {
                self.fail();
                self.at_start = false;
            }
            return Place::Padding;
        }
        let starts = self.at_start && !gap;
        self.at_start = packet.marker;
        if gap {
            self.lost |= self.timestamp.is_some();
        }
        if starts || self.timestamp != Some(packet.timestamp) {
            // A frame that is still open here never got its marker.
            self.lost |= !self.data.is_empty() || self.broken;
            self.timestamp = Some(packet.timestamp);
            self.reset();
            return if starts { Place::Start } else { Place::Unsure };
        }
        if gap {
            self.fail();
        }
        if self.broken {
            Place::Broken
        } else {
            Place::Inside
        }
    }

    fn reset(&mut self) {
        self.data.clear();
        self.keyframe = false;
        self.broken = false;
    }

    /// Drops the frame in the making.
    pub(super) fn fail(&mut self) {
        self.data.clear();
        self.broken = true;
        self.lost = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub(super) fn mark_keyframe(&mut self) {
        self.keyframe = true;
    }

    /// Appends to the frame, up to [`MAX_FRAME`].
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let size = self.data.len() + bytes.len();
        if size > MAX_FRAME {
            self.fail();
            return Err(CodecError::TooLarge {
                format: "video frame",
                size,
                limit: MAX_FRAME,
            });
        }
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    /// Gives out the frame whose last packet came. `None` when it is broken or empty.
    pub(super) fn finish(&mut self) -> Option<VideoFrame> {
        let timestamp = self.timestamp?;
        if self.broken || self.data.is_empty() {
            return None;
        }
        let frame = VideoFrame {
            timestamp,
            keyframe: self.keyframe,
            follows_loss: std::mem::take(&mut self.lost),
            data: Bytes::copy_from_slice(&self.data),
        };
        self.reset();
        Some(frame)
    }
}
