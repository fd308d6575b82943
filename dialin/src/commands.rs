//! In-conference commands of a phone: `*` and a digit, out of a table. Pure; knows no roster and no audio.

use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::Digit;

/// What a caller can order by keys while in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InCallCommand {
    /// `*6`: mute or unmute oneself.
    ToggleMute,
    /// `*2`: start or stop the recording; hosts only.
    ToggleRecording,
    /// `*5`: raise or lower the hand.
    ToggleHand,
    /// `*0`: hear what the keys do.
    Help,
}

/// Which keys after `*` give which command. More rows, more commands.
const TABLE: &[(char, InCallCommand)] = &[
    ('2', InCallCommand::ToggleRecording),
    ('6', InCallCommand::ToggleMute),
    ('5', InCallCommand::ToggleHand),
    ('0', InCallCommand::Help),
];

/// Keys of one sequence must come within this time of each other.
const WITHIN: Duration = Duration::from_secs(3);

/// The command machine of one phone leg.
#[derive(Debug, Default)]
pub struct CommandKeys {
    /// When the last `*` came, if the next key may complete a command.
    star: Option<MediaTime>,
}

impl CommandKeys {
    /// A machine that has seen no key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one key; says which command it completes.
    pub fn digit(&mut self, now: MediaTime, digit: Digit) -> Option<InCallCommand> {
        let key = digit.as_char();
        if key == '*' {
            self.star = Some(now);
            return None;
        }
        let star = self.star.take()?;
        if now.since(star) > WITHIN {
            return None;
        }
        TABLE
            .iter()
            .find(|(of, _)| *of == key)
            .map(|(_, command)| *command)
    }
}
