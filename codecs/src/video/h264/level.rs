//! What a decoder of H.264 can take: levels (ITU-T H.264 table A-1) as `profile-level-id` names them (RFC 6184 §8.1).

/// Bounds of pictures that a decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Macroblocks of 16x16 pixels in a picture (`MaxFS`).
    pub macroblocks: u32,
    /// Macroblocks per second (`MaxMBPS`).
    pub macroblocks_per_second: u32,
    /// Bits per second (`MaxBR`).
    pub bitrate: u32,
}

/// `level_idc`, `MaxMBPS`, `MaxFS`, `MaxBR` in 1,000 bit/s.
const TABLE: [(u8, u32, u32, u32); 16] = [
    (10, 1_485, 99, 64),
    (11, 3_000, 396, 192),
    (12, 6_000, 396, 384),
    (13, 11_880, 396, 768),
    (20, 11_880, 396, 2_000),
    (21, 19_800, 792, 4_000),
    (22, 20_250, 1_620, 4_000),
    (30, 40_500, 1_620, 10_000),
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (41, 245_760, 8_192, 50_000),
    (42, 522_240, 8_704, 50_000),
    (50, 589_824, 22_080, 135_000),
    (51, 983_040, 36_864, 240_000),
    (52, 2_073_600, 36_864, 240_000),
];

impl Limit {
    /// The bounds of a level; `None` when there is no such level. `level_1b` is what `constraint_set3_flag` says beside 11.
    #[must_use]
    pub fn of_level(level_idc: u8, level_1b: bool) -> Option<Self> {
        let (_, rate, size, bitrate) = *TABLE.iter().find(|row| row.0 == level_idc)?;
        let level = Self {
            macroblocks: size,
            macroblocks_per_second: rate,
            bitrate: bitrate * 1_000,
        };
        if level_idc == 11 && level_1b {
            return Some(Self {
                macroblocks: 99,
                macroblocks_per_second: 1_485,
                bitrate: 128_000,
            });
        }
        Some(level)
    }

    /// Whether pictures of `width` x `height` pixels, so many per second with so many bits per second, are within.
    #[must_use]
    pub fn takes(&self, width: u16, height: u16, frame_rate: u8, bitrate: u32) -> bool {
        let macroblocks = macroblocks(width, height);
        macroblocks <= self.macroblocks
            && macroblocks * u32::from(frame_rate) <= self.macroblocks_per_second
            && bitrate <= self.bitrate
    }

    /// What both take.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            macroblocks: self.macroblocks.min(other.macroblocks),
            macroblocks_per_second: self
                .macroblocks_per_second
                .min(other.macroblocks_per_second),
            bitrate: self.bitrate.min(other.bitrate),
        }
    }
}

/// Macroblocks of a picture.
#[must_use]
pub fn macroblocks(width: u16, height: u16) -> u32 {
    u32::from(width).div_ceil(16) * u32::from(height).div_ceil(16)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn level_3_1_takes_720p30_and_not_more() {
        let level = Limit::of_level(31, false).unwrap();
        assert!(level.takes(1_280, 720, 30, 2_000_000));
        assert!(!level.takes(1_280, 736, 30, 2_000_000));
        assert!(!level.takes(1_280, 720, 31, 2_000_000));
        assert!(!level.takes(1_280, 720, 30, 14_000_001));
    }

    #[test]
    fn level_1b_is_told_by_its_flag() {
        assert_eq!(Limit::of_level(11, true).unwrap().macroblocks, 99);
        assert_eq!(Limit::of_level(11, false).unwrap().macroblocks, 396);
        assert_eq!(Limit::of_level(14, false), None);
    }
}
