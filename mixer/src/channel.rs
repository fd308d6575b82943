//! Who hears whom: the channels of a room, into which legs speak and of which they hear as much as they are told to.
//!
//! ```text
//!                speaks into   hears
//!  anybody       MAIN          MAIN at 0 dB
//!  an aside      k             k at 0 dB, MAIN at −15 dB or not at all
//!  coach         k             MAIN at 0 dB, k at 0 dB
//!  coached       MAIN          MAIN at 0 dB, k at 0 dB
//!  interpreter   k             MAIN at 0 dB
//!  its audience  MAIN          k at 0 dB, MAIN at −12 dB
//! ```

/// How many channels a room has.
const CHANNELS: u8 = 32;

/// One channel of a room. Numbers mean something within one room only: a leg that leaves is back at the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(u8);

impl Channel {
    /// Where everybody speaks who was not told otherwise.
    pub const MAIN: Self = Self(0);

    /// The channel of this number, 0 to 31.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < CHANNELS {
            Some(Self(number))
        } else {
            None
        }
    }

    /// 0 to 31.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A set of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channels(u32);

impl Channels {
    /// No channel: the leg is not heard.
    pub const NONE: Self = Self(0);
    /// [`Channel::MAIN`] alone.
    pub const MAIN: Self = Self::only(Channel::MAIN);

    /// One channel alone.
    #[must_use]
    pub const fn only(channel: Channel) -> Self {
        Self(1 << channel.0)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, channel: Channel) -> Self {
        Self(self.0 | Self::only(channel).0)
    }

    /// Whether the channel is one of these.
    #[must_use]
    pub const fn contains(self, channel: Channel) -> bool {
        self.0 & Self::only(channel).0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Channel> {
        (0..CHANNELS)
            .map(Channel)
            .filter(move |channel| self.contains(*channel))
    }
}

impl Default for Channels {
    fn default() -> Self {
        Self::MAIN
    }
}

impl FromIterator<Channel> for Channels {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        channels.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_has_32_channels_and_main_is_the_first() {
        assert_eq!(Channel::new(0), Some(Channel::MAIN));
        assert_eq!(Channel::new(31).map(Channel::number), Some(31));
        assert_eq!(Channel::new(32), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let chosen = [31, 4, 0, 4].into_iter().filter_map(Channel::new);
        let set: Channels = chosen.collect();
        let numbers: Vec<u8> = set.iter().map(Channel::number).collect();
        assert_eq!(numbers, [0, 4, 31]);
        assert!(set.contains(Channel::MAIN) && !set.is_empty());
        assert!(Channels::NONE.is_empty() && !Channels::NONE.contains(Channel::MAIN));
    }
}
