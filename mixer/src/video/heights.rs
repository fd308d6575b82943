//! How high the sizes are in which a camera comes, by its keyframes. Kept longer than their streams, which are forgotten while nobody wants
//! them and would else be asked for to be looked at again.

use plenum_codecs::video::VideoCodec;
use smallvec::SmallVec;

/// Sizes that are known of one camera, in all its payload types.
const MOST: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Known {
    payload_type: u8,
    layer: u8,
    codec: VideoCodec,
    /// Pixels; of H.264 whole macroblocks.
    height: u16,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Heights {
    known: SmallVec<[Known; 3]>,
    changed: bool,
}

impl Heights {
    /// A keyframe is so high; true when nothing was known of that size. Of what changes later [`Self::take_changed`] tells: a sender may
    /// change it with each packet.
    pub(super) fn learn(
        &mut self,
        (payload_type, layer): (u8, u8),
        codec: VideoCodec,
        height: u16,
    ) -> bool {
        let now = Known {
            payload_type,
            layer,
            codec,
            height,
        };
        let mut known = self.known.iter_mut();
        if let Some(known) =
            known.find(|known| (known.payload_type, known.layer) == (payload_type, layer))
        {
            self.changed |= known.height != height;
            *known = now;
            return false;
        }
        let is_new = self.known.len() < MOST;
        if is_new {
            self.known.push(now);
        }
        is_new
    }

    /// Whether a height has changed since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether that size is known to be higher than `most` pixels.
    pub(super) fn exceeds(&self, (payload_type, layer): (u8, u8), most: u16) -> bool {
        let mut known = self.known.iter();
        let known = known.find(|known| (known.payload_type, known.layer) == (payload_type, layer));
        known.is_some_and(|known| {
            let most = match known.codec {
                VideoCodec::H264 => most.checked_next_multiple_of(16).unwrap_or(most),
                VideoCodec::Vp8 => most,
            };
            known.height > most
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_is_measured_in_macroblocks_and_vp8_in_pixels() {
        for (codec, height, most, exceeds) in [
            (VideoCodec::Vp8, 360, 360, false),
            (VideoCodec::Vp8, 360, 359, true),
            (VideoCodec::H264, 368, 360, false),
            (VideoCodec::H264, 368, 352, true),
        ] {
            let mut heights = Heights::default();
            assert!(!heights.exceeds((96, 1), most), "nothing is known");
            assert!(heights.learn((96, 1), codec, height));
            assert_eq!(heights.exceeds((96, 1), most), exceeds, "{codec:?} {most}");
            assert!(!heights.exceeds((96, 2), 1));
        }
    }

    #[test]
    fn a_size_is_new_once_and_a_change_is_told_once() {
        let mut heights = Heights::default();
        assert!(heights.learn((96, 0), VideoCodec::Vp8, 180));
        for height in [180, 360, 180] {
            assert!(!heights.learn((96, 0), VideoCodec::Vp8, height));
        }
        assert!(heights.take_changed());
        assert!(!heights.take_changed());
        let all = (0..=u8::MAX).filter(|layer| heights.learn((97, *layer), VideoCodec::Vp8, 1));
        assert_eq!(all.count(), MOST - 1);
    }
}
