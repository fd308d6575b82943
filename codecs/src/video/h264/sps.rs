//! The picture size in a sequence parameter set: what a decoder would have to allocate, known before it does.

use super::{SPS, nal_type};

/// The parameter set of a scalable layer begins alike, and the decoder allocates for it too.
const SUBSET_SPS: u8 = 15;

/// Width times height that a sequence parameter set announces (ITU-T H.264 §7.3.2.1.1), before cropping; `None` when the unit
/// is none or cannot be read.
#[must_use]
pub fn sps_pixels(unit: &[u8]) -> Option<usize> {
    let (width, height) = sps_size(unit)?;
    Some(usize::try_from(width * height).unwrap_or(usize::MAX))
}

/// Width and height that it announces, likewise: whole macroblocks, so a height of 1,080 is 1,088 here.
pub(super) fn sps_size(unit: &[u8]) -> Option<(u64, u64)> {
    let (&[header, profile, _, _], body) = unit.split_first_chunk::<4>()?;
    if !matches!(nal_type(header), SPS | SUBSET_SPS) {
        return None;
    }
    let mut bits = BitReader {
        bytes: without_emulation(body),
        position: 0,
    };
    bits.unsigned()?; // seq_parameter_set_id
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        skip_high_profile(&mut bits)?;
    }
    bits.unsigned()?; // log2_max_frame_num_minus4
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.bits(1)?;
            bits.unsigned()?;
            bits.unsigned()?;
            for _ in 0..bits.unsigned()?.min(255) {
                bits.unsigned()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?; // max_num_ref_frames
    bits.bits(1)?;
    let width = bits.unsigned()?.checked_add(1)?;
    let units = bits.unsigned()?.checked_add(1)?;
    let fields = 2 - bits.bits(1)?;
    let height = u64::from(units) * u64::from(fields) * 16;
    Some((u64::from(width) * 16, height))
}

fn skip_high_profile(bits: &mut BitReader) -> Option<()> {
    let chroma = bits.unsigned()?;
    if chroma == 3 {
        bits.bits(1)?;
    }
    bits.unsigned()?;
    bits.unsigned()?;
    bits.bits(1)?;
    if bits.bits(1)? == 1 {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.bits(1)? == 1 {
                let (mut last, mut next) = (8i64, 8i64);
                for _ in 0..if list < 6 { 16 } else { 64 } {
                    if next != 0 {
                        let code = i64::from(bits.unsigned()?);
                        let delta = if code % 2 == 1 {
                            (code + 1) / 2
                        } else {
                            -(code / 2)
                        };
                        next = (last + delta).rem_euclid(256);
                    }
                    last = if next == 0 { last } else { next };
                }
            }
        }
    }
    Some(())
}

/// Takes out the octets that keep start codes from appearing (ITU-T H.264 §7.4.1).
fn without_emulation(bytes: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let mut clean = Vec::with_capacity(bytes.len());
    for &octet in bytes {
        if zeros >= 2 && octet == 3 {
            zeros = 0;
            continue;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        clean.push(octet);
    }
    clean
}

/// Reads bits, most significant first.
struct BitReader {
    bytes: Vec<u8>,
    position: usize,
}

impl BitReader {
    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let octet = *self.bytes.get(self.position / 8)?;
            value = value << 1 | u32::from(octet >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    /// Exp-Golomb code ue(v).
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bits(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}
