//! What the attendant hears and says: numbers that no log may show, and prompts by name.

use std::fmt;

/// A conference number as keyed or dialled: 1 to 16 digits. Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConferenceNumber(String);

/// A PIN as keyed: 0 to 16 digits. Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl ConferenceNumber {
    /// Reads a number of 1 to 16 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| Self(text.to_owned()))
    }

    /// The digits. Not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pin {
    /// Reads a PIN of 0 to 16 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| Self(text.to_owned()))
    }

    /// The digits, to compare against a hash. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConferenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConferenceNumber(redacted)")
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

/// A prompt by its name in the prompt manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named by the words that it stands for")]
pub enum PromptKey {
    Welcome,
    EnterConferenceId,
    EnterPin,
    InvalidConference,
    InvalidPin,
    TryLater,
    Locked,
    Full,
    Joining,
    Goodbye,
    Muted,
    Unmuted,
    FirstParticipant,
    Timeout,
    FiveMinutes,
    OneMinute,
    Aside,
    Returned,
    SayName,
    ReviewName,
    InvalidChoice,
    HasJoined,
    HasLeft,
    RecordingStarted,
    RecordingStopped,
    RecordingPaused,
    RecordingResumed,
    RecordingFailed,
    BeingRecorded,
    NotAllowed,
    WaitForHost,
    WaitForLeader,
    LeaderArrived,
    NowIn,
    SentToLobby,
    NotAdmitted,
    SomebodyWaits,
    LeaderLeft,
    HandUp,
    HandDown,
    LockedNow,
    UnlockedNow,
    AudienceMuted,
    AudienceUnmuted,
    MutedByHost,
    AnnouncementsOn,
    AnnouncementsOff,
    NobodyWaits,
    Admitted,
    TurnedAway,
    OnlyYou,
    HelpAgain,
    HelpMute,
    HelpHand,
    HelpRollCall,
    HelpCount,
    HelpLouder,
    HelpSofter,
    HelpLeave,
    HelpRecord,
    HelpMuteAudience,
    HelpLock,
    HelpAdmitAll,
    HelpDenyAll,
    HelpAnnouncements,
    HelpEnd,
    HelpDialOut,
    Invited,
    EnterNumber,
    Calling,
    CallBusy,
    CallNoAnswer,
    CallRefused,
    CallFailed,
    BeingMoved,
    Star,
    Pound,
    Zero,
    One,
    Two,
    Three,
    Four,
    Five,
    Six,
    Seven,
    Eight,
    Nine,
}

impl PromptKey {
    /// Every prompt, for the owner of the manifest to check against.
    pub const ALL: [Self; 87] = [
        Self::Welcome,
        Self::EnterConferenceId,
        Self::EnterPin,
        Self::InvalidConference,
        Self::InvalidPin,
        Self::TryLater,
        Self::Locked,
        Self::Full,
        Self::Joining,
        Self::Goodbye,
        Self::Muted,
        Self::Unmuted,
        Self::FirstParticipant,
        Self::Timeout,
        Self::FiveMinutes,
        Self::OneMinute,
        Self::Aside,
        Self::Returned,
        Self::SayName,
        Self::ReviewName,
        Self::InvalidChoice,
        Self::HasJoined,
        Self::HasLeft,
        Self::RecordingStarted,
        Self::RecordingStopped,
        Self::RecordingPaused,
        Self::RecordingResumed,
        Self::RecordingFailed,
        Self::BeingRecorded,
        Self::NotAllowed,
        Self::WaitForHost,
        Self::WaitForLeader,
        Self::LeaderArrived,
        Self::NowIn,
        Self::SentToLobby,
        Self::NotAdmitted,
        Self::SomebodyWaits,
        Self::LeaderLeft,
        Self::HandUp,
        Self::HandDown,
        Self::LockedNow,
        Self::UnlockedNow,
        Self::AudienceMuted,
        Self::AudienceUnmuted,
        Self::MutedByHost,
        Self::AnnouncementsOn,
        Self::AnnouncementsOff,
        Self::NobodyWaits,
        Self::Admitted,
        Self::TurnedAway,
        Self::OnlyYou,
        Self::HelpAgain,
        Self::HelpMute,
        Self::HelpHand,
        Self::HelpRollCall,
        Self::HelpCount,
        Self::HelpLouder,
        Self::HelpSofter,
        Self::HelpLeave,
        Self::HelpRecord,
        Self::HelpMuteAudience,
        Self::HelpLock,
        Self::HelpAdmitAll,
        Self::HelpDenyAll,
        Self::HelpAnnouncements,
        Self::HelpEnd,
        Self::HelpDialOut,
        Self::Invited,
        Self::EnterNumber,
        Self::Calling,
        Self::CallBusy,
        Self::CallNoAnswer,
        Self::CallRefused,
        Self::CallFailed,
        Self::BeingMoved,
        Self::Star,
        Self::Pound,
        Self::Zero,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Four,
        Self::Five,
        Self::Six,
        Self::Seven,
        Self::Eight,
        Self::Nine,
    ];

    /// The key in the prompt manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::EnterConferenceId => "enter-conference-id",
            Self::EnterPin => "enter-pin",
            Self::InvalidConference => "invalid-conference",
            Self::InvalidPin => "invalid-pin",
            Self::TryLater => "try-later",
            Self::Locked => "locked",
            Self::Full => "full",
            Self::Joining => "joining",
            Self::Goodbye => "goodbye",
            Self::Muted => "muted",
            Self::Unmuted => "unmuted",
            Self::FirstParticipant => "first-participant",
            Self::Timeout => "timeout",
            Self::FiveMinutes => "five-minutes",
            Self::OneMinute => "one-minute",
            Self::Aside => "aside",
            Self::Returned => "returned",
            Self::SayName => "say-name",
            Self::ReviewName => "review-name",
            Self::InvalidChoice => "invalid-choice",
            Self::HasJoined => "has-joined",
            Self::HasLeft => "has-left",
            Self::RecordingStarted => "recording-started",
            Self::RecordingStopped => "recording-stopped",
            Self::RecordingPaused => "recording-paused",
            Self::RecordingResumed => "recording-resumed",
            Self::RecordingFailed => "recording-failed",
            Self::BeingRecorded => "being-recorded",
            Self::NotAllowed => "not-allowed",
            Self::WaitForHost => "wait-for-host",
            Self::WaitForLeader => "wait-for-leader",
            Self::LeaderArrived => "leader-arrived",
            Self::NowIn => "now-in",
            Self::SentToLobby => "sent-to-lobby",
            Self::NotAdmitted => "not-admitted",
            Self::SomebodyWaits => "somebody-waits",
            Self::LeaderLeft => "leader-left",
            Self::HandUp => "hand-up",
            Self::HandDown => "hand-down",
            Self::LockedNow => "locked-now",
            Self::UnlockedNow => "unlocked-now",
            Self::AudienceMuted => "audience-muted",
            Self::AudienceUnmuted => "audience-unmuted",
            Self::MutedByHost => "muted-by-host",
            Self::AnnouncementsOn => "announcements-on",
            Self::AnnouncementsOff => "announcements-off",
            Self::NobodyWaits => "nobody-waits",
            Self::Admitted => "admitted",
            Self::TurnedAway => "turned-away",
            Self::OnlyYou => "only-you",
            Self::HelpAgain => "help-again",
            Self::HelpMute => "help-mute",
            Self::HelpHand => "help-hand",
            Self::HelpRollCall => "help-roll-call",
            Self::HelpCount => "help-count",
            Self::HelpLouder => "help-louder",
            Self::HelpSofter => "help-softer",
            Self::HelpLeave => "help-leave",
            Self::HelpRecord => "help-record",
            Self::HelpMuteAudience => "help-mute-audience",
            Self::HelpLock => "help-lock",
            Self::HelpAdmitAll => "help-admit-all",
            Self::HelpDenyAll => "help-deny-all",
            Self::HelpAnnouncements => "help-announcements",
            Self::HelpEnd => "help-end",
            Self::HelpDialOut => "help-dial-out",
            Self::Invited => "invited",
            Self::EnterNumber => "enter-number",
            Self::Calling => "calling",
            Self::CallBusy => "call-busy",
            Self::CallNoAnswer => "call-no-answer",
            Self::CallRefused => "call-refused",
            Self::CallFailed => "call-failed",
            Self::BeingMoved => "being-moved",
            Self::Star => "star",
            Self::Pound => "pound",
            Self::Zero => "zero",
            Self::One => "one",
            Self::Two => "two",
            Self::Three => "three",
            Self::Four => "four",
            Self::Five => "five",
            Self::Six => "six",
            Self::Seven => "seven",
            Self::Eight => "eight",
            Self::Nine => "nine",
        }
    }
}
