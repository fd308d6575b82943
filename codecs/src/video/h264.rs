//! RTP payload format of H.264 (RFC 6184), packetization mode 1: single NAL units, STAP-A, FU-A.

mod level;
mod sps;

use bytes::{BufMut, Bytes, BytesMut};

use super::VideoFrame;
use super::assembly::{Assembly, Place};
use crate::error::CodecError;
use crate::packet::MediaPacket;

pub use level::{Limit, macroblocks};
pub use sps::sps_pixels;

const FORMAT: &str = "H.264 payload";
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// NAL unit types (ITU-T H.264 table 7-1, RFC 6184 §5.2).
const IDR: u8 = 5;
const SPS: u8 = 7;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// First octet of a FU-A's second header.
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

const fn nal_type(header: u8) -> u8 {
    header & 0x1f
}

/// One payload, taken apart.
enum Parts<'a> {
    Whole(&'a [u8]),
    Aggregate(&'a [u8]),
    Fragment {
        header: u8,
        start: bool,
        end: bool,
        data: &'a [u8],
    },
}

fn parts(payload: &[u8]) -> Result<Parts<'_>, CodecError> {
    match *payload {
        [] => Err(CodecError::malformed(FORMAT, "a NAL unit header expected")),
        [header, ref rest @ ..] if nal_type(header) == STAP_A => Ok(Parts::Aggregate(rest)),
        [indicator, fu, ref data @ ..] if nal_type(indicator) == FU_A => {
            let (start, end) = (fu & FU_START != 0, fu & FU_END != 0);
            if start && end {
                return Err(CodecError::malformed(
                    FORMAT,
                    "a fragment that is not both first and last expected",
                ));
            }
            if data.is_empty() {
                return Err(CodecError::malformed(
                    FORMAT,
                    "data in the fragment expected",
                ));
            }
            Ok(Parts::Fragment {
                header: (indicator & 0xe0) | nal_type(fu),
                start,
                end,
                data,
            })
        }
        [header, ..] if (1..=23).contains(&nal_type(header)) => Ok(Parts::Whole(payload)),
        _ => Err(CodecError::malformed(
            FORMAT,
            "a NAL unit type of packetization mode 1 expected",
        )),
    }
}

/// The NAL units of an aggregate; an error ends it.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8], CodecError>> {
    std::iter::from_fn(move || {
        let (size, tail) = match *rest {
            [] => return None,
            [high, low, ref tail @ ..] => (usize::from(u16::from_be_bytes([high, low])), tail),
            [_] => (usize::MAX, rest),
        };
        if size == 0 || size > tail.len() {
            rest = &[];
            return Some(Err(CodecError::malformed(
                FORMAT,
                "NAL units as long as announced expected",
            )));
        }
        let (unit, next) = tail.split_at(size);
        rest = next;
        Some(Ok(unit))
    })
}

/// Whether a keyframe begins with this payload: it holds a sequence parameter set.
///
/// An IDR slice alone does not count: when the parameter sets before it were lost, a decoder that is switched to here cannot
/// use it. Every sender of WebRTC, and ours, puts them before each IDR.
#[must_use]
pub fn is_keyframe_start(payload: &[u8]) -> bool {
    holds(payload, SPS)
}

/// Height in pixels, up to 15 too large, of the keyframe that begins with this payload; `None` when none does, or it cannot be read.
#[must_use]
pub fn keyframe_height(payload: &[u8]) -> Option<u16> {
    let size = match parts(payload).ok()? {
        Parts::Whole(unit) => sps::sps_size(unit),
        Parts::Aggregate(rest) => {
            let mut units = aggregated(rest).map_while(Result::ok);
            units.find_map(sps::sps_size)
        }
        Parts::Fragment { .. } => None,
    };
    u16::try_from(size?.1).ok()
}

fn holds(payload: &[u8], wanted: u8) -> bool {
    match parts(payload) {
        Ok(Parts::Whole(unit)) => nal_type(unit[0]) == wanted,
        Ok(Parts::Aggregate(rest)) => aggregated(rest)
            .map_while(Result::ok)
            .any(|unit| nal_type(unit[0]) == wanted),
        Ok(Parts::Fragment { header, start, .. }) => start && nal_type(header) == wanted,
        Err(_) => false,
    }
}

/// The NAL units of an Annex B stream (start codes of three or four octets), without trailing zeros.
pub fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let unit = rest?;
            let end = find_start_code(unit).unwrap_or(unit.len());
            rest = after_start_code(&unit[end..]);
            let trimmed = unit[..end]
                .iter()
                .rposition(|&octet| octet != 0)
                .map_or(0, |last| last + 1);
            if trimmed > 0 {
                return Some(&unit[..trimmed]);
            }
        }
    })
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    find_start_code(bytes).and_then(|at| bytes.get(at + 3..))
}

/// Whether an Annex B access unit holds an IDR slice.
#[must_use]
pub fn is_keyframe(access_unit: &[u8]) -> bool {
    nal_units(access_unit).any(|unit| nal_type(unit[0]) == IDR)
}

/// Cuts an Annex B access unit into payloads of at most `mtu` octets (at least 16). Small neighbours, such as the parameter
/// sets, share a STAP-A; what is too large goes as FU-A. The marker belongs on the last payload.
#[must_use]
pub fn packetize(access_unit: &[u8], mtu: usize) -> Vec<Bytes> {
    let mtu = mtu.max(16);
    let mut payloads = Vec::new();
    let mut group: Vec<&[u8]> = Vec::new();
    let mut group_size = 1;
    for unit in nal_units(access_unit) {
        let fits = group_size + 2 + unit.len() <= mtu.min(usize::from(u16::MAX));
        if !fits {
            flush(&mut group, &mut payloads);
            group_size = 1;
        }
        if unit.len() > mtu {
            fragment(unit, mtu, &mut payloads);
        } else {
            group.push(unit);
            group_size += 2 + unit.len();
        }
    }
    flush(&mut group, &mut payloads);
    payloads
}

/// One unit goes as itself, more as STAP-A (RFC 6184 §5.7.1): F is or-ed, NRI the highest of all.
fn flush(group: &mut Vec<&[u8]>, payloads: &mut Vec<Bytes>) {
    match group.as_slice() {
        [] => {}
        [unit] => payloads.push(Bytes::copy_from_slice(unit)),
        units => {
            let forbidden = units.iter().fold(0, |bits, unit| bits | (unit[0] & 0x80));
            let importance = units.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
            let mut payload =
                BytesMut::with_capacity(units.iter().map(|unit| unit.len() + 2).sum::<usize>() + 1);
            payload.put_u8(forbidden | importance | STAP_A);
            for unit in units {
                payload.put_u16(u16::try_from(unit.len()).unwrap_or(u16::MAX)); // a group is at most 65,535 octets
                payload.put_slice(unit);
            }
            payloads.push(payload.freeze());
        }
    }
    group.clear();
}

fn fragment(unit: &[u8], mtu: usize, payloads: &mut Vec<Bytes>) {
    let (header, data) = (unit[0], &unit[1..]);
    let count = data.len().div_ceil(mtu - 2).max(2);
    let even = data.len().div_ceil(count);
    let last = data.len().div_ceil(even) - 1;
    for (i, chunk) in data.chunks(even).enumerate() {
        let edge = if i == 0 { FU_START } else { 0 } | if i == last { FU_END } else { 0 };
        let mut payload = BytesMut::with_capacity(chunk.len() + 2);
        payload.put_u8((header & 0xe0) | FU_A);
        payload.put_u8(edge | nal_type(header));
        payload.put_slice(chunk);
        payloads.push(payload.freeze());
    }
}

/// Puts access units together from packets that come in order; gaps are noticed by sequence number, access units that lack
/// something are dropped. Output is Annex B with four-octet start codes.
#[derive(Debug, Default)]
pub struct Depacketizer {
    assembly: Assembly,
    /// A FU-A has begun and not ended.
    fragmented: bool,
}

impl Depacketizer {
    /// A depacketizer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next packet; gives the access unit that it completes. Late packets are ignored.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] or [`CodecError::TooLarge`]; the access unit is dropped then.
    pub fn push(&mut self, packet: &MediaPacket) -> Result<Option<VideoFrame>, CodecError> {
        let place = self.assembly.place(packet);
        match place {
            Place::Start => self.fragmented = false,
            // Nothing in the format tells where an access unit begins; after a gap only what can stand first is trusted.
            Place::Unsure => {
                self.fragmented = false;
                if !(holds(&packet.payload, SPS) || holds(&packet.payload, DELIMITER)) {
                    self.assembly.fail();
                    return Ok(None);
                }
            }
            Place::Inside => {}
            Place::Late | Place::Padding | Place::Broken => return Ok(None),
        }
        self.add(&packet.payload)
            .inspect_err(|_| self.assembly.fail())?;
        if !packet.marker {
            return Ok(None);
        }
        if std::mem::take(&mut self.fragmented) {
            self.assembly.fail();
            return Err(CodecError::malformed(
                FORMAT,
                "the last fragment before the marker expected",
            ));
        }
        Ok(self.assembly.finish())
    }

    fn add(&mut self, payload: &[u8]) -> Result<(), CodecError> {
        let parts = parts(payload)?;
        if self.fragmented != matches!(parts, Parts::Fragment { start: false, .. }) {
            return Err(CodecError::malformed(
                FORMAT,
                "the fragments of a NAL unit in a row, the first one first, expected",
            ));
        }
        match parts {
            Parts::Whole(unit) => self.unit(unit),
            Parts::Aggregate(rest) => aggregated(rest).try_for_each(|unit| self.unit(unit?)),
            Parts::Fragment {
                header,
                start,
                end,
                data,
            } => {
                self.fragmented = !end;
                if start {
                    self.unit(&[header])?;
                }
                self.assembly.append(data)
            }
        }
    }

    fn unit(&mut self, unit: &[u8]) -> Result<(), CodecError> {
        if nal_type(unit[0]) == IDR {
            self.assembly.mark_keyframe();
        }
        self.assembly.append(&START_CODE)?;
        self.assembly.append(unit)
    }
}
