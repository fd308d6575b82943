//! In-conference commands of a phone: keys in a row, out of a table. Pure; knows no roster and no audio.
//!
//! A table is a profile, the keys that people know from another system, with rows of the administrator's own over it.

use std::fmt;
use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::Digit;

use crate::attendant::PromptKey;

/// What a caller can order by keys while in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InCallCommand {
    /// Hear what the keys do.
    Help,
    /// Mute or unmute oneself.
    ToggleMute,
    /// Raise or lower the hand.
    ToggleHand,
    /// Hear who is here, by the names that they have said.
    RollCall,
    /// Hear how many are here.
    Count,
    /// Be heard louder.
    Louder,
    /// Be heard softer.
    Softer,
    /// Goodbye.
    Leave,
    /// Hosts: start or stop the recording.
    ToggleRecording,
    /// Hosts: mute all guests, or give the control of it back.
    MuteAudience,
    /// Hosts: lock or unlock.
    ToggleLock,
    /// Hosts: let in all who wait in the lobby.
    AdmitAll,
    /// Hosts: turn away all who wait in the lobby.
    DenyAll,
    /// Hosts: whether comings and goings are heard.
    ToggleAnnouncements,
    /// Hosts: end it for all.
    End,
    /// Hosts: call a phone; its number is keyed next, then `#`.
    DialOut,
}

impl InCallCommand {
    /// Every command.
    pub const ALL: [Self; 16] = [
        Self::Help,
        Self::ToggleMute,
        Self::ToggleHand,
        Self::RollCall,
        Self::Count,
        Self::Louder,
        Self::Softer,
        Self::Leave,
        Self::ToggleRecording,
        Self::MuteAudience,
        Self::ToggleLock,
        Self::AdmitAll,
        Self::DenyAll,
        Self::ToggleAnnouncements,
        Self::End,
        Self::DialOut,
    ];

    /// As configured.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::ToggleMute => "mute",
            Self::ToggleHand => "hand",
            Self::RollCall => "roll-call",
            Self::Count => "count",
            Self::Louder => "louder",
            Self::Softer => "softer",
            Self::Leave => "leave",
            Self::ToggleRecording => "record",
            Self::MuteAudience => "mute-audience",
            Self::ToggleLock => "lock",
            Self::AdmitAll => "admit-all",
            Self::DenyAll => "deny-all",
            Self::ToggleAnnouncements => "announcements",
            Self::End => "end",
            Self::DialOut => "dial-out",
        }
    }

    /// Whether only a host may.
    #[must_use]
    pub const fn is_for_hosts(self) -> bool {
        matches!(
            self,
            Self::ToggleRecording
                | Self::MuteAudience
                | Self::ToggleLock
                | Self::AdmitAll
                | Self::DenyAll
                | Self::ToggleAnnouncements
                | Self::End
                | Self::DialOut
        )
    }

    /// Its words in the spoken help: "To …, press", before the keys.
    #[must_use]
    pub const fn help(self) -> PromptKey {
        match self {
            Self::Help => PromptKey::HelpAgain,
            Self::ToggleMute => PromptKey::HelpMute,
            Self::ToggleHand => PromptKey::HelpHand,
            Self::RollCall => PromptKey::HelpRollCall,
            Self::Count => PromptKey::HelpCount,
            Self::Louder => PromptKey::HelpLouder,
            Self::Softer => PromptKey::HelpSofter,
            Self::Leave => PromptKey::HelpLeave,
            Self::ToggleRecording => PromptKey::HelpRecord,
            Self::MuteAudience => PromptKey::HelpMuteAudience,
            Self::ToggleLock => PromptKey::HelpLock,
            Self::AdmitAll => PromptKey::HelpAdmitAll,
            Self::DenyAll => PromptKey::HelpDenyAll,
            Self::ToggleAnnouncements => PromptKey::HelpAnnouncements,
            Self::End => PromptKey::HelpEnd,
            Self::DialOut => PromptKey::HelpDialOut,
        }
    }
}

/// The keys of a well-known system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Lync and Skype for Business, and `*2` to record, `*0` to call a phone.
    Lync,
    /// Teams.
    Teams,
    /// Pexip Infinity, as far as there is such a command here.
    Pexip,
    /// `FreeSWITCH`'s conference: single keys.
    FreeSwitch,
}

/// Keys and commands, in the order in which help tells of them.
type Rows = &'static [(&'static str, InCallCommand)];

/// What Lync and Teams share.
const CONSOLE: Rows = &[
    ("*1", InCallCommand::Help),
    ("*6", InCallCommand::ToggleMute),
    ("*5", InCallCommand::ToggleHand),
    ("*3", InCallCommand::RollCall),
    ("*4", InCallCommand::MuteAudience),
    ("*7", InCallCommand::ToggleLock),
    ("*8", InCallCommand::AdmitAll),
    ("*9", InCallCommand::ToggleAnnouncements),
];

impl Profile {
    /// Reads its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "lync" => Some(Self::Lync),
            "teams" => Some(Self::Teams),
            "pexip" => Some(Self::Pexip),
            "freeswitch" => Some(Self::FreeSwitch),
            _ => None,
        }
    }

    /// Its rows, what it shares with another before what it has alone.
    fn rows(self) -> [Rows; 2] {
        use InCallCommand as C;
        match self {
            Self::Lync => [CONSOLE, &[("*2", C::ToggleRecording), ("*0", C::DialOut)]],
            Self::Teams => [CONSOLE, &[]],
            Self::Pexip => [
                &[
                    ("*0", C::Help),
                    ("*6", C::ToggleMute),
                    ("*1", C::ToggleHand),
                    ("*5", C::MuteAudience),
                    ("*7", C::ToggleLock),
                    ("##", C::End),
                ],
                &[],
            ],
            Self::FreeSwitch => [
                &[
                    ("0", C::ToggleMute),
                    ("3", C::Louder),
                    ("1", C::Softer),
                    ("#", C::Leave),
                ],
                &[],
            ],
        }
    }
}

/// Why a row of a table cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// It is not of the form `KEYS COMMAND`.
    Form,
    /// Its keys are not one to four of `0` to `9`, `*` and `#`.
    Keys,
    /// There is no such command.
    Command,
    /// Its keys begin another row's, or begin with them: which of the two is meant could not be told.
    Ambiguous,
}

impl RowError {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "is not of the form \"KEYS COMMAND\"",
            Self::Keys => "does not begin with one to four of the keys 0 to 9, * and #",
            Self::Command => "names no command",
            Self::Ambiguous => "cannot be told from another row whose keys begin alike",
        }
    }
}

/// Longest row of keys.
const LONGEST: usize = 4;

/// Which keys give which command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTable {
    rows: Vec<(String, InCallCommand)>,
}

impl CommandTable {
    /// The rows of a profile.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let rows = profile.rows().into_iter().flatten();
        Self {
            rows: rows
                .map(|(keys, command)| ((*keys).to_owned(), *command))
                .collect(),
        }
    }

    /// Lays a row over it, as `"*4 roll-call"`; the command `none` takes the keys out.
    ///
    /// # Errors
    /// When it cannot be read or would be ambiguous; the table is as before.
    pub fn lay(&mut self, row: &str) -> Result<(), RowError> {
        let (keys, command) = row.trim().split_once(' ').ok_or(RowError::Form)?;
        let is_key = |key: u8| key.is_ascii_digit() || key == b'*' || key == b'#';
        if !(1..=LONGEST).contains(&keys.len()) || !keys.bytes().all(is_key) {
            return Err(RowError::Keys);
        }
        let command = command.trim();
        let command = match InCallCommand::ALL.iter().find(|it| it.as_str() == command) {
            Some(command) => Some(*command),
            None if command == "none" => None,
            None => return Err(RowError::Command),
        };
        let alike =
            |other: &str| other != keys && (other.starts_with(keys) || keys.starts_with(other));
        if command.is_some() && self.rows.iter().any(|(other, _)| alike(other)) {
            return Err(RowError::Ambiguous);
        }
        self.rows.retain(|(other, _)| other != keys);
        self.rows
            .extend(command.map(|command| (keys.to_owned(), command)));
        Ok(())
    }

    /// Each command that a host or a guest has, once, with its keys, in the order of the table.
    pub fn help(&self, host: bool) -> impl Iterator<Item = (InCallCommand, &str)> {
        let known = |at: usize, command| {
            let earlier = self.rows.iter().take(at);
            earlier.into_iter().any(|(_, other)| *other == command)
        };
        self.rows
            .iter()
            .enumerate()
            .filter(move |(at, (_, command))| {
                (host || !command.is_for_hosts()) && !known(*at, *command)
            })
            .map(|(_, (keys, command))| (*command, keys.as_str()))
    }
}

impl Default for CommandTable {
    fn default() -> Self {
        Self::new(Profile::Lync)
    }
}

/// Keys of one sequence must come within this time of each other.
const WITHIN: Duration = Duration::from_secs(3);

/// The command machine of one phone leg. Debug shows no key.
#[derive(Default)]
pub struct CommandKeys {
    typed: String,
    last: Option<MediaTime>,
}

impl fmt::Debug for CommandKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommandKeys(redacted)")
    }
}

impl CommandKeys {
    /// A machine that has seen no key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one key; says which command of `table` it completes.
    pub fn digit(
        &mut self,
        table: &CommandTable,
        now: MediaTime,
        digit: Digit,
    ) -> Option<InCallCommand> {
        if self.last.is_none_or(|last| now.since(last) > WITHIN) {
            self.typed.clear();
        }
        self.last = Some(now);
        self.typed.push(digit.as_char());
        let begins = |typed: &str| table.rows.iter().any(|(keys, _)| keys.starts_with(typed));
        if !begins(&self.typed) {
            // Mistyped: a new row may begin with this very key.
            self.typed.clear();
            self.typed.push(digit.as_char());
        }
        let row = table.rows.iter().find(|(keys, _)| *keys == self.typed);
        if row.is_some() || !begins(&self.typed) {
            self.typed.clear();
        }
        row.map(|(_, command)| *command)
    }
}

/// A key as it is spoken; `None` for those that no table has.
#[must_use]
pub const fn spoken(key: char) -> Option<PromptKey> {
    Some(match key {
        '0' => PromptKey::Zero,
        '1' => PromptKey::One,
        '2' => PromptKey::Two,
        '3' => PromptKey::Three,
        '4' => PromptKey::Four,
        '5' => PromptKey::Five,
        '6' => PromptKey::Six,
        '7' => PromptKey::Seven,
        '8' => PromptKey::Eight,
        '9' => PromptKey::Nine,
        '*' => PromptKey::Star,
        '#' => PromptKey::Pound,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [Profile; 4] = [
        Profile::Lync,
        Profile::Teams,
        Profile::Pexip,
        Profile::FreeSwitch,
    ];

    #[test]
    fn every_row_of_every_profile_could_have_been_configured() {
        for profile in PROFILES {
            let mut table = CommandTable { rows: Vec::new() };
            for (keys, command) in profile.rows().into_iter().flatten() {
                assert_eq!(table.lay(&format!("{keys} {}", command.as_str())), Ok(()));
            }
            assert_eq!(table, CommandTable::new(profile));
        }
    }

    #[test]
    fn own_rows_replace_add_and_take_out_and_what_is_ambiguous_is_refused() {
        let mut table = CommandTable::default();
        assert_eq!(table.lay("*4 count"), Ok(()));
        assert_eq!(table.lay("*9 none"), Ok(()));
        assert_eq!(table.lay("*91 end"), Ok(()));
        for (row, error) in [
            ("*4", RowError::Form),
            ("+1 help", RowError::Keys),
            ("*****1 help", RowError::Keys),
            ("*4 dance", RowError::Command),
            ("*41 help", RowError::Ambiguous),
            ("* help", RowError::Ambiguous),
        ] {
            assert_eq!(table.lay(row), Err(error), "{row}");
        }
        let help: Vec<_> = table.help(false).map(|(command, _)| command).collect();
        assert!(help.contains(&InCallCommand::Count));
        assert!(!help.contains(&InCallCommand::End));
        let hosts = table.help(true).collect::<Vec<_>>();
        assert!(hosts.contains(&(InCallCommand::End, "*91")));
        let helps = hosts.iter().filter(|(it, _)| *it == InCallCommand::Help);
        assert_eq!(helps.count(), 1, "help is told once");
    }

    #[test]
    fn keys_are_read_by_the_longest_row_that_they_begin() {
        let press = |profile, keys: &str| {
            let (table, mut machine) = (CommandTable::new(profile), CommandKeys::new());
            keys.chars()
                .filter_map(|key| {
                    machine.digit(&table, MediaTime::from_millis(5), Digit::from_char(key)?)
                })
                .collect::<Vec<_>>()
        };
        use InCallCommand as C;
        assert_eq!(press(Profile::Pexip, "#1##"), [C::End]);
        assert_eq!(press(Profile::Pexip, "**7"), [C::ToggleLock]);
        assert_eq!(
            press(Profile::FreeSwitch, "0*5#"),
            [C::ToggleMute, C::Leave]
        );
        assert_eq!(press(Profile::Teams, "*2*3"), [C::RollCall]);
    }
}
