//! RTP payload format of VP8 (RFC 7741), and the rewriting of its numbers when a viewer is switched between sources.

use bytes::{BufMut, Bytes, BytesMut};

use super::VideoFrame;
use super::assembly::{Assembly, Place};
use crate::error::CodecError;
use crate::packet::MediaPacket;

const FORMAT: &str = "VP8 payload";

/// The number of a picture, as wide as its sender writes it (RFC 7741 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureId {
    /// Seven bits.
    Short(u8),
    /// Fifteen bits.
    Long(u16),
}

/// Payload descriptor (RFC 7741 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// N: no other picture refers to this one.
    pub non_reference: bool,
    /// S: a VP8 partition begins here.
    pub start_of_partition: bool,
    /// PID: index of the partition, 0..=7.
    pub partition: u8,
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// Running number of the base temporal layer.
    pub tl0_pic_idx: Option<u8>,
    /// Temporal layer (0..=3) and the layer-sync bit.
    pub temporal: Option<(u8, bool)>,
    /// Running number of the keyframe, 0..=31.
    pub key_idx: Option<u8>,
}

/// Where the numbers to rewrite are.
struct Layout {
    descriptor: Descriptor,
    picture_id_at: Option<usize>,
    tl0_at: Option<usize>,
    size: usize,
}

fn layout(payload: &[u8]) -> Result<Layout, CodecError> {
    let short = || CodecError::malformed(FORMAT, "a whole descriptor expected");
    let at = |index: usize| payload.get(index).copied().ok_or_else(short);
    let first = at(0)?;
    let mut descriptor = Descriptor {
        non_reference: first & 0x20 != 0,
        start_of_partition: first & 0x10 != 0,
        partition: first & 0x07,
        ..Descriptor::default()
    };
    let (mut size, mut picture_id_at, mut tl0_at) = (1, None, None);
    if first & 0x80 != 0 {
        let extension = at(1)?;
        size = 2;
        if extension & 0x80 != 0 {
            let high = at(size)?;
            picture_id_at = Some(size);
            descriptor.picture_id = Some(if high & 0x80 == 0 {
                size += 1;
                PictureId::Short(high)
            } else {
                size += 2;
                PictureId::Long(u16::from_be_bytes([high & 0x7f, at(size - 1)?]))
            });
        }
        if extension & 0x40 != 0 {
            descriptor.tl0_pic_idx = Some(at(size)?);
            tl0_at = Some(size);
            size += 1;
        }
        if extension & 0x30 != 0 {
            let octet = at(size)?;
            size += 1;
            descriptor.temporal =
                (extension & 0x20 != 0).then_some((octet >> 6, octet & 0x20 != 0));
            descriptor.key_idx = (extension & 0x10 != 0).then_some(octet & 0x1f);
        }
    }
    if payload.len() <= size {
        return Err(CodecError::malformed(
            FORMAT,
            "data after the descriptor expected",
        ));
    }
    Ok(Layout {
        descriptor,
        picture_id_at,
        tl0_at,
        size,
    })
}

impl Descriptor {
    /// Reads the descriptor; gives it and its size in octets. There is at least one octet of data after it.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when the payload ends too early.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), CodecError> {
        layout(payload).map(|layout| (layout.descriptor, layout.size))
    }

    /// Appends the descriptor. Numbers are cut to their width.
    pub fn write(&self, out: &mut BytesMut) {
        let has_layer = self.temporal.is_some() || self.key_idx.is_some();
        let extended = self.picture_id.is_some() || self.tl0_pic_idx.is_some() || has_layer;
        let bit = |set: bool, mask: u8| if set { mask } else { 0 };
        out.put_u8(
            bit(extended, 0x80)
                | bit(self.non_reference, 0x20)
                | bit(self.start_of_partition, 0x10)
                | (self.partition & 0x07),
        );
        if !extended {
            return;
        }
        out.put_u8(
            bit(self.picture_id.is_some(), 0x80)
                | bit(self.tl0_pic_idx.is_some(), 0x40)
                | bit(self.temporal.is_some(), 0x20)
                | bit(self.key_idx.is_some(), 0x10),
        );
        match self.picture_id {
            Some(PictureId::Short(id)) => out.put_u8(id & 0x7f),
            Some(PictureId::Long(id)) => out.put_u16(id | 0x8000),
            None => {}
        }
        if let Some(index) = self.tl0_pic_idx {
            out.put_u8(index);
        }
        if has_layer {
            let (layer, sync) = self.temporal.unwrap_or_default();
            out.put_u8((layer & 3) << 6 | bit(sync, 0x20) | (self.key_idx.unwrap_or(0) & 0x1f));
        }
    }
}

/// Whether a keyframe begins with this payload: partition 0 starts, and the frame tag's lowest bit is 0 (RFC 6386 §9.1).
#[must_use]
pub fn is_keyframe_start(payload: &[u8]) -> bool {
    layout(payload).is_ok_and(
        |Layout {
             descriptor, size, ..
         }| {
            descriptor.start_of_partition && descriptor.partition == 0 && payload[size] & 1 == 0
        },
    )
}

/// Height in pixels of the keyframe that begins with this payload; `None` when none does.
#[must_use]
pub fn keyframe_height(payload: &[u8]) -> Option<u16> {
    if !is_keyframe_start(payload) {
        return None;
    }
    let frame = payload.get(layout(payload).ok()?.size..)?;
    keyframe_size(frame).map(|(_, height)| height)
}

/// Width and height that a keyframe (without descriptor) announces (RFC 6386 §9.1); `None` when it is no keyframe.
#[must_use]
pub fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    match *frame {
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if tag & 1 == 0 => Some((
            u16::from_le_bytes([w0, w1]) & 0x3fff,
            u16::from_le_bytes([h0, h1]) & 0x3fff,
        )),
        _ => None,
    }
}

/// Overwrites the picture id (cut to the width that is there) and TL0PICIDX in place, where the payload has them.
///
/// # Errors
/// [`CodecError::Malformed`] when the payload has no whole descriptor; it is unchanged then.
pub fn rewrite(payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) -> Result<(), CodecError> {
    let layout = layout(payload)?;
    if let (Some(at), Some(id)) = (layout.picture_id_at, layout.descriptor.picture_id) {
        let [high, low] = picture_id.to_be_bytes();
        match id {
            PictureId::Short(_) => payload[at] = low & 0x7f,
            PictureId::Long(_) => {
                payload[at] = high | 0x80;
                payload[at + 1] = low;
            }
        }
    }
    if let Some(at) = layout.tl0_at {
        payload[at] = tl0_pic_idx;
    }
    Ok(())
}

/// Keeps picture id and TL0PICIDX running on for one viewer while its sources change. Ids of other than 15 bits are put on the
/// same 15-bit line.
#[derive(Debug, Clone, Default)]
pub struct Continuity {
    picture_offset: u16,
    tl0_offset: u8,
    /// The highest numbers given out.
    newest: Option<(u16, u8)>,
    switched: bool,
}

const ID_MASK: u16 = 0x7fff;

impl Continuity {
    /// Numbers of the first source go through unchanged.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next payload comes from another source: its numbers are moved to go on from the highest given out.
    pub fn source_changed(&mut self) {
        self.switched = true;
    }

    /// A copy of the payload with continuous numbers. A payload without numbers is passed on as it is, without a copy.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when the payload has no whole descriptor.
    pub fn rewrite(&mut self, payload: &Bytes) -> Result<Bytes, CodecError> {
        let layout = layout(payload)?;
        let Layout {
            descriptor:
                Descriptor {
                    picture_id,
                    tl0_pic_idx,
                    ..
                },
            ..
        } = layout;
        if picture_id.is_none() && tl0_pic_idx.is_none() {
            return Ok(payload.clone());
        }
        let tl0 = tl0_pic_idx.unwrap_or(0);
        let id = match picture_id {
            Some(PictureId::Long(id)) => id,
            Some(PictureId::Short(id)) => self.lengthen(id),
            None => 0,
        };
        if std::mem::take(&mut self.switched)
            && let Some((newest_id, newest_tl0)) = self.newest
        {
            self.picture_offset = newest_id.wrapping_add(1).wrapping_sub(id) & ID_MASK;
            self.tl0_offset = newest_tl0.wrapping_add(1).wrapping_sub(tl0);
        }
        let out_id = id.wrapping_add(self.picture_offset) & ID_MASK;
        let out_tl0 = tl0.wrapping_add(self.tl0_offset);
        let (newest_id, newest_tl0) = self.newest.unwrap_or((out_id, out_tl0));
        self.newest = Some((
            if out_id.wrapping_sub(newest_id) & ID_MASK < 0x4000 {
                out_id
            } else {
                newest_id
            },
            if out_tl0.wrapping_sub(newest_tl0) < 0x80 {
                out_tl0
            } else {
                newest_tl0
            },
        ));
        let mut copy = BytesMut::from(&payload[..]);
        rewrite(&mut copy, out_id, out_tl0)?;
        Ok(copy.freeze())
    }

    /// The 15-bit id of the present source that is nearest to the newest and ends in these seven bits.
    fn lengthen(&self, id: u8) -> u16 {
        let Some((newest, _)) = self.newest.filter(|_| !self.switched) else {
            return u16::from(id);
        };
        let newest = newest.wrapping_sub(self.picture_offset) & ID_MASK;
        let ahead = u16::from(id).wrapping_sub(newest) & 0x7f;
        let moved = if ahead < 64 {
            newest.wrapping_add(ahead)
        } else {
            newest.wrapping_sub(128 - ahead)
        };
        moved & ID_MASK
    }
}

/// Cuts a frame into payloads of at most `mtu` octets (descriptor included). `picture_id` is cut to 15 bits; `tl0_pic_idx`
/// is written when given. Nothing comes of an empty frame.
#[must_use]
pub fn packetize(frame: &[u8], picture_id: u16, tl0_pic_idx: Option<u8>, mtu: usize) -> Vec<Bytes> {
    // The longest descriptor we write has six octets.
    let room = mtu.saturating_sub(6).max(1);
    let count = frame.len().div_ceil(room);
    let even = frame.len().div_ceil(count.max(1)).max(1);
    frame
        .chunks(even)
        .enumerate()
        .map(|(i, chunk)| {
            let descriptor = Descriptor {
                start_of_partition: i == 0,
                picture_id: Some(PictureId::Long(picture_id & ID_MASK)),
                tl0_pic_idx,
                temporal: tl0_pic_idx.map(|_| (0, false)),
                ..Descriptor::default()
            };
            let mut payload = BytesMut::with_capacity(chunk.len() + 6);
            descriptor.write(&mut payload);
            payload.put_slice(chunk);
            payload.freeze()
        })
        .collect()
}

/// Puts frames together from packets that come in order; gaps are noticed by sequence number, frames that lack something are
/// dropped.
#[derive(Debug, Default)]
pub struct Depacketizer(Assembly);

impl Depacketizer {
    /// A depacketizer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next packet; gives the frame that it completes. Late packets are ignored.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] or [`CodecError::TooLarge`]; the frame is dropped then.
    pub fn push(&mut self, packet: &MediaPacket) -> Result<Option<VideoFrame>, CodecError> {
        let place = self.0.place(packet);
        if matches!(place, Place::Late | Place::Padding | Place::Broken) {
            return Ok(None);
        }
        let (descriptor, size) =
            Descriptor::parse(&packet.payload).inspect_err(|_| self.0.fail())?;
        let data = &packet.payload[size..];
        let begins = descriptor.start_of_partition && descriptor.partition == 0;
        match place {
            Place::Start | Place::Unsure if begins => {
                if data[0] & 1 == 0 {
                    self.0.mark_keyframe();
                }
            }
            Place::Inside if !begins && !self.0.is_empty() => {}
            _ => {
                self.0.fail();
                return Ok(None);
            }
        }
        self.0.append(data)?;
        Ok(if packet.marker { self.0.finish() } else { None })
    }
}
