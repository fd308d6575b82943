//! The small rendition of a composite: H.264 for whoever takes less than the whole picture, within what all of them take.
//! Scaled from the canvas, encoded once, at a part of its frame rate where the bounds want that.

use plenum_codecs::video::encoder::VideoSetting;
use plenum_codecs::video::h264::Limit;
use plenum_codecs::video::{I420Picture, VideoCodec};
use plenum_codecs::{CodecError, MediaTime};
use plenum_mixer::Input;
use plenum_mixer::compose::{Rect, Scaler};

use super::rendition::Rendition;

/// By how much the sides are divided, the first that is within bounds.
const DIVISORS: [u16; 4] = [1, 2, 4, 8];
/// Every picture, or every second.
const EVERY: std::ops::RangeInclusive<u8> = 1..=2;
/// Pixels of moving pictures that a bit is spread over at most: beyond that a smaller picture shows more.
const PIXELS_PER_BIT: u64 = 30;
/// What the encoder needs at least, in bits per second.
const LEAST_BITRATE: u32 = 20_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) rendition: Rendition,
    picture: I420Picture,
    scaler: Scaler,
    every: u8,
    /// Pictures since one was encoded.
    passed: u8,
}

impl Small {
    /// For a composite of that setting.
    pub(super) fn new(whole: VideoSetting, limit: Limit) -> Result<Self, CodecError> {
        let (setting, every) = within(whole, limit);
        Ok(Self {
            rendition: Rendition::small(setting)?,
            picture: I420Picture::black(setting.width, setting.height)?,
            scaler: Scaler::default(),
            every,
            passed: every,
        })
    }

    /// Takes the canvas; packets come of it when a picture is due.
    pub(super) fn encode(
        &mut self,
        canvas: &I420Picture,
        at: MediaTime,
        out: &mut Vec<Input>,
    ) -> Result<bool, CodecError> {
        self.passed = self.passed.saturating_add(1);
        if self.passed < self.every {
            return Ok(false);
        }
        self.passed = 0;
        let whole = |picture: &I420Picture| Rect {
            x: 0,
            y: 0,
            width: picture.width(),
            height: picture.height(),
        };
        let into = whole(&self.picture);
        self.scaler
            .scale(canvas, whole(canvas), &mut self.picture, into);
        self.rendition.encode(&self.picture, at, out)?;
        Ok(true)
    }

    pub(super) const fn codec() -> VideoCodec {
        VideoCodec::H264
    }
}

/// The largest picture within the bounds, at the highest frame rate; the smallest there is when none is.
fn within(whole: VideoSetting, limit: Limit) -> (VideoSetting, u8) {
    let bitrate = whole.bitrate.min(limit.bitrate).max(LEAST_BITRATE);
    let all = DIVISORS.into_iter().flat_map(|divisor| {
        EVERY.map(move |every| {
            let side = |side: u16| ((side / divisor) & !1).max(16);
            let setting = VideoSetting {
                width: side(whole.width),
                height: side(whole.height),
                bitrate,
                frame_rate: (whole.frame_rate / every).max(1),
            };
            (setting, every)
        })
    });
    let mut last = (whole, 1);
    for (setting, every) in all {
        last = (setting, every);
        let VideoSetting {
            width,
            height,
            frame_rate,
            ..
        } = setting;
        let pixels = u64::from(width) * u64::from(height) * u64::from(frame_rate);
        if limit.takes(width, height, frame_rate, bitrate.min(limit.bitrate))
            && pixels <= u64::from(bitrate) * PIXELS_PER_BIT
        {
            break;
        }
    }
    last
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const WHOLE: VideoSetting = VideoSetting {
        width: 1_280,
        height: 720,
        bitrate: 2_000_000,
        frame_rate: 30,
    };

    fn of(level: u8, bitrate: u32) -> (u16, u16, u8, u32) {
        let limit = Limit::of_level(level, false).unwrap();
        let limit = Limit {
            bitrate: limit.bitrate.min(bitrate),
            ..limit
        };
        let (setting, _) = within(WHOLE, limit);
        (
            setting.width,
            setting.height,
            setting.frame_rate,
            setting.bitrate,
        )
    }

    #[test]
    fn the_largest_picture_within_the_bounds_is_made() {
        assert_eq!(of(31, 2_000_000), (1_280, 720, 30, 2_000_000));
        assert_eq!(of(31, 1_000_000), (1_280, 720, 30, 1_000_000));
        // 512 kbit/s are too little for 720p.
        assert_eq!(of(31, 512_000), (1_280, 720, 15, 512_000));
        assert_eq!(of(30, 384_000), (640, 360, 30, 384_000));
        assert_eq!(of(22, 2_000_000), (640, 360, 15, 2_000_000));
        assert_eq!(of(13, 700_000), (320, 180, 30, 700_000));
        assert_eq!(of(10, 64_000), (160, 90, 15, 64_000));
    }
}
