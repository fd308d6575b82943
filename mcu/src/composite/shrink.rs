//! The canvas made smaller, for viewers whose lines or devices take less than the whole picture; every picture or every second.

use plenum_codecs::CodecError;
use plenum_codecs::video::I420Picture;
use plenum_codecs::video::encoder::VideoSetting;
use plenum_codecs::video::h264::Limit;
use plenum_mixer::compose::{Rect, Scaler};
use plenum_mixer::{Ladder, Size};

/// By how much the sides are divided for phones, the first that is within bounds.
const DIVISORS: [u16; 4] = [1, 2, 4, 8];
/// Every picture, or every second.
const EVERY: std::ops::RangeInclusive<u8> = 1..=2;
/// Pixels of moving pictures that a bit is spread over at most: beyond that a smaller picture shows more.
const PIXELS_PER_BIT: u64 = 30;
/// What the encoder needs at least, in bits per second.
const LEAST_BITRATE: u32 = 20_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Shrink {
    picture: I420Picture,
    scaler: Scaler,
    every: u8,
    /// Pictures since one was taken.
    passed: u8,
}

impl Shrink {
    /// To that size; of the whole pictures every one, or every second.
    pub(super) fn to(setting: VideoSetting, every: u8) -> Result<Self, CodecError> {
        Ok(Self {
            picture: I420Picture::black(setting.width, setting.height)?,
            scaler: Scaler::default(),
            every,
            passed: every,
        })
    }

    /// The smaller picture, when one is due.
    pub(super) fn take(&mut self, canvas: &I420Picture) -> Option<&I420Picture> {
        self.passed = self.passed.saturating_add(1);
        if self.passed < self.every {
            return None;
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
            .scale(canvas.view(), whole(canvas), &mut self.picture, into);
        Some(&self.picture)
    }
}

/// What a size of the composite is encoded as, and which of its pictures are.
pub(super) fn sized(whole: VideoSetting, ladder: &Ladder, size: Size) -> (VideoSetting, u8) {
    let every = if size == Size::Quarter { 2 } else { 1 };
    let setting = VideoSetting {
        bitrate: ladder.rate(size).max(LEAST_BITRATE),
        ..part(whole, size.divisor(), every)
    };
    (setting, every)
}

fn part(whole: VideoSetting, divisor: u16, every: u8) -> VideoSetting {
    let side = |side: u16| ((side / divisor) & !1).max(16);
    VideoSetting {
        width: side(whole.width),
        height: side(whole.height),
        frame_rate: (whole.frame_rate / every).max(1),
        ..whole
    }
}

/// The largest picture within the bounds, at the highest frame rate; the smallest there is when none is.
pub(super) fn within(whole: VideoSetting, limit: Limit) -> (VideoSetting, u8) {
    let bitrate = whole.bitrate.min(limit.bitrate).max(LEAST_BITRATE);
    let all = DIVISORS.into_iter().flat_map(|divisor| {
        EVERY.map(move |every| {
            let setting = VideoSetting {
                bitrate,
                ..part(whole, divisor, every)
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

    #[test]
    fn each_size_is_a_part_of_the_whole() {
        let ladder = Ladder::below(WHOLE.bitrate);
        let of = |size| {
            let (setting, every) = sized(WHOLE, &ladder, size);
            let VideoSetting {
                width,
                height,
                bitrate,
                frame_rate,
            } = setting;
            (width, height, frame_rate, bitrate, every)
        };
        assert_eq!(of(Size::Whole), (1_280, 720, 30, 2_000_000, 1));
        assert_eq!(of(Size::Half), (640, 360, 30, 600_000, 1));
        assert_eq!(of(Size::Quarter), (320, 180, 15, 150_000, 2));
    }
}
