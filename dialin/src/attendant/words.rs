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
    Help,
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
    HelpHost,
}

impl PromptKey {
    /// Every prompt, for the owner of the manifest to check against.
    pub const ALL: [Self; 32] = [
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
        Self::Help,
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
        Self::HelpHost,
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
            Self::Help => "help",
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
            Self::HelpHost => "help-host",
        }
    }
}
