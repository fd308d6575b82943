//! In which encodings the composite is to be had: vocabulary of the seam between the room and its composer, without behaviour of its own.

use plenum_codecs::video::VideoCodec;

use crate::video::MARGIN;

/// How large a rendition of the composite is, and so what a line must carry for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Size {
    /// As configured.
    #[default]
    Whole,
    /// Half its sides.
    Half,
    /// A quarter of its sides, every second picture.
    Quarter,
}

impl Size {
    /// All of them, the largest first.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Half, Self::Quarter];

    /// By what the sides of the whole picture are divided.
    #[must_use]
    pub const fn divisor(self) -> u16 {
        match self {
            Self::Whole => 1,
            Self::Half => 2,
            Self::Quarter => 4,
        }
    }

    /// The next larger one.
    #[must_use]
    pub const fn larger(self) -> Option<Self> {
        match self {
            Self::Whole => None,
            Self::Half => Some(Self::Whole),
            Self::Quarter => Some(Self::Half),
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Half => 1,
            Self::Quarter => 2,
        }
    }
}

/// One encoding of the composite, for however many viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendition {
    /// In which codec.
    pub codec: VideoCodec,
    /// How large.
    pub size: Size,
}

impl Rendition {
    /// All there can be.
    pub fn all() -> impl Iterator<Item = Self> {
        let codecs = [VideoCodec::Vp8, VideoCodec::H264];
        Size::ALL
            .into_iter()
            .flat_map(move |size| codecs.map(|codec| Self { codec, size }))
    }

    const fn bit(self) -> u8 {
        let codec = match self.codec {
            VideoCodec::Vp8 => 0,
            VideoCodec::H264 => 1,
        };
        1 << (self.size.place() * 2 + codec)
    }
}

/// Renditions that somebody sees; none while nobody views the composite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Renditions(u8);

impl Renditions {
    /// Whether that one is among them.
    #[must_use]
    pub const fn contains(self, rendition: Rendition) -> bool {
        self.0 & rendition.bit() != 0
    }

    /// Adds one.
    pub fn insert(&mut self, rendition: Rendition) {
        self.0 |= rendition.bit();
    }

    /// There is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Rendition> for Renditions {
    fn from_iter<T: IntoIterator<Item = Rendition>>(renditions: T) -> Self {
        let mut all = Self::default();
        renditions
            .into_iter()
            .for_each(|rendition| all.insert(rendition));
        all
    }
}

/// The bit rates of the sizes, and their heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    rates: [u32; 3],
    /// Of the whole, in pixels; 0: not told.
    height: u16,
}

impl Ladder {
    /// What half the sides need beside the whole at the same sharpness, in 1/1000: a little more than a quarter.
    const HALF: u64 = 300;
    /// A quarter of the sides and half of the pictures: what is left beside the sound on a line of 300 kbit/s.
    const QUARTER: u64 = 75;
    /// In bit/s; less is no picture.
    const LEAST: u32 = 40_000;

    /// For a whole picture of so many bit/s.
    #[must_use]
    pub fn below(whole: u32) -> Self {
        let part = |part: u64| {
            let rate = u64::from(whole) * part / 1_000;
            u32::try_from(rate).map_or(whole, |rate| rate.max(Self::LEAST))
        };
        Self {
            rates: [whole, part(Self::HALF), part(Self::QUARTER)],
            height: 0,
        }
    }

    /// The same, where the whole picture is so many pixels high.
    #[must_use]
    pub const fn of_height(self, height: u16) -> Self {
        Self { height, ..self }
    }

    /// The largest size within so many bit/s and pixels of height, else the smallest.
    #[must_use]
    pub fn within(&self, bits_per_second: Option<u64>, height: Option<u16>) -> Size {
        let bits = bits_per_second.unwrap_or(u64::MAX);
        let height = height.unwrap_or(u16::MAX);
        let fits = |size: &Size| {
            u64::from(self.rate(*size)) <= bits && self.height / size.divisor() <= height
        };
        Size::ALL.into_iter().find(fits).unwrap_or(Size::Quarter)
    }

    /// What the whole picture takes, in bit/s, where viewers are sent so much at most and it may take `configured`: so much less that they
    /// get it, but not below half of that. There a smaller size shows more, whose share is that of the whole as it was.
    #[must_use]
    pub fn whole_within(configured: u32, most: Option<u64>) -> u32 {
        let fits = most.map(|most| most.saturating_mul(MARGIN.1) / MARGIN.0);
        let fits = fits.and_then(|fits| u32::try_from(fits).ok());
        fits.filter(|fits| (configured / 2..configured).contains(fits))
            .unwrap_or(configured)
    }

    /// In bit/s.
    #[must_use]
    pub const fn rate(&self, size: Size) -> u32 {
        self.rates[size.place()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_within_both_limits_or_the_smallest() {
        let ladder = Ladder::below(2_000_000);
        assert_eq!(ladder.within(None, Some(1)), Size::Whole, "no height told");
        let ladder = ladder.of_height(720);
        for (bits, height, size) in [
            (None, None, Size::Whole),
            (None, Some(720), Size::Whole),
            (None, Some(719), Size::Half),
            (Some(1_999_999), Some(720), Size::Half),
            (Some(599_999), Some(720), Size::Quarter),
            (None, Some(200), Size::Quarter),
            (None, Some(16), Size::Quarter),
        ] {
            assert_eq!(ladder.within(bits, height), size, "{bits:?} {height:?}");
        }
    }

    #[test]
    fn the_whole_picture_gives_way_to_a_limit_as_far_as_half() {
        let whole = |most| Ladder::whole_within(1_500_000, most);
        assert_eq!(whole(None), 1_500_000);
        assert_eq!(whole(Some(5_000_000)), 1_500_000);
        // What is new to a viewer leaves a fifth of the line free.
        assert_eq!(whole(Some(1_200_000)), 1_000_000);
        assert_eq!(whole(Some(900_000)), 750_000);
        assert_eq!(whole(Some(800_000)), 1_500_000);
        assert_eq!(whole(Some(u64::MAX)), 1_500_000);
    }
}
