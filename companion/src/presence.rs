//! Presence: many devices, one person's own wish and what the engine knows, aggregated into one state.
//!
//! [`Presentity`] holds the sources; [`Presentity::state`] is the aggregation, a pure function of sources and time.
//! It knows no watcher: who may see what is [`crate::visibility`]'s.

mod aggregate;
pub mod board;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time since some fixed beginning, the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Moment(pub Duration);

impl Moment {
    /// From milliseconds since 1970; before that is 1970.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }

    /// Whole milliseconds since the beginning.
    #[must_use]
    pub fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whole seconds since the beginning, for tables.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A device's lease lasts this long unless renewed.
pub const LEASE: Duration = Duration::from_secs(30);
/// A lease that ran out without a sign-out is believed this much longer.
pub const LOST_LEASE_GRACE: Duration = Duration::from_secs(15);

/// What others see of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Signed in and active.
    Available,
    /// By own wish.
    Busy,
    /// One other person on the line.
    InCall,
    /// In a room, or more than two people.
    InConference,
    /// From the calendar.
    InMeeting,
    /// By own wish, or presenting.
    DoNotDisturb,
    /// How the team sees Do not disturb: see [`crate::visibility`].
    #[serde(rename = "urgent_only")]
    UrgentOnly,
    /// By own wish.
    BeRightBack,
    /// Idle for long, out of office, or by own wish.
    Away,
    /// Idle.
    Inactive,
    /// Busy and idle.
    BusyInactive,
    /// No device.
    Offline,
    /// Nobody here can tell: a contact who is not a user of this server.
    Unknown,
}

/// Class of a state: its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Green.
    Available,
    /// Half green.
    AvailableIdle,
    /// Red.
    Busy,
    /// Half red.
    BusyIdle,
    /// Red with a bar.
    DoNotDisturb,
    /// Yellow.
    Away,
    /// Grey.
    Offline,
    /// White.
    Unknown,
}

impl State {
    /// All of them, for tables.
    pub const ALL: [Self; 13] = [
        Self::Available,
        Self::Busy,
        Self::InCall,
        Self::InConference,
        Self::InMeeting,
        Self::DoNotDisturb,
        Self::UrgentOnly,
        Self::BeRightBack,
        Self::Away,
        Self::Inactive,
        Self::BusyInactive,
        Self::Offline,
        Self::Unknown,
    ];

    /// The state's colour.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Available => Class::Available,
            Self::Inactive => Class::AvailableIdle,
            Self::Busy | Self::InCall | Self::InConference | Self::InMeeting => Class::Busy,
            Self::BusyInactive => Class::BusyIdle,
            Self::DoNotDisturb | Self::UrgentOnly => Class::DoNotDisturb,
            Self::BeRightBack | Self::Away => Class::Away,
            Self::Offline => Class::Offline,
            Self::Unknown => Class::Unknown,
        }
    }
}

impl Class {
    /// The plain state of this colour: all that a viewer learns who sees the class only.
    #[must_use]
    pub const fn plain(self) -> State {
        match self {
            Self::Available => State::Available,
            Self::AvailableIdle => State::Inactive,
            Self::Busy => State::Busy,
            Self::BusyIdle => State::BusyInactive,
            Self::DoNotDisturb => State::DoNotDisturb,
            Self::Away => State::Away,
            Self::Offline => State::Offline,
            Self::Unknown => State::Unknown,
        }
    }
}

/// A state that a person may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Hides automatic states that began before it.
    Available,
    /// Busy.
    Busy,
    /// Never lowered by anything automatic.
    DoNotDisturb,
    /// Until the next call or conference.
    BeRightBack,
    /// Until the next call or conference.
    Away,
    /// Offline to everybody else.
    AppearOffline,
}

impl Choice {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Available,
        Self::Busy,
        Self::DoNotDisturb,
        Self::BeRightBack,
        Self::Away,
        Self::AppearOffline,
    ];

    /// Its word on the wire and in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Busy => "busy",
            Self::DoNotDisturb => "do_not_disturb",
            Self::BeRightBack => "be_right_back",
            Self::Away => "away",
            Self::AppearOffline => "appear_offline",
        }
    }

    /// The choice of a word; `None` for any other.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.word() == word)
    }
}

/// A [`Choice`] in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manual {
    /// What was chosen.
    pub choice: Choice,
    /// An administrator's state that behaves as the choice: its id.
    pub custom: Option<Arc<str>>,
    /// When.
    pub since: Moment,
    /// When it lapses, if ever.
    pub until: Option<Moment>,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A browser on a desk.
    Browser,
    /// A mobile device.
    Mobile,
    /// A telephone, which takes no messages.
    Phone,
}

/// One signed-in client of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// What it is.
    pub kind: DeviceKind,
    /// The lease ends then; see [`LEASE`].
    pub lease_until: Moment,
    /// Somebody last touched it then; `None` when it cannot tell.
    pub last_active: Option<Moment>,
    /// Audio, video or sharing runs on it: it counts as active.
    pub media: bool,
    /// Shows something on its full screen since then.
    pub full_screen: Option<Moment>,
}

/// How a person is engaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engagement {
    /// From the calendar.
    Meeting,
    /// Two people.
    Call,
    /// A room or more than two people.
    Conference,
}

/// An engagement in time, told by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engaged {
    /// Which kind.
    pub engagement: Engagement,
    /// When it began.
    pub since: Moment,
    /// It ends then unless renewed.
    pub until: Option<Moment>,
    /// Shows its screen to others since then.
    pub presenting: Option<Moment>,
    /// What it is about.
    pub subject: Option<Arc<str>>,
}

/// What an interval of the calendar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusyKind {
    /// In a meeting.
    Busy,
    /// Out of the office.
    OutOfOffice,
}

/// An interval of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// Its beginning.
    pub from: Moment,
    /// Its end, which is no longer part of it.
    pub until: Moment,
    /// What it means.
    pub kind: BusyKind,
    /// Its title.
    pub subject: Option<Arc<str>>,
}

/// Out of the office by the person's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfOffice {
    /// Since then.
    pub since: Moment,
    /// Until then, if known.
    pub until: Option<Moment>,
    /// What others read.
    pub text: Option<Arc<str>>,
}

/// A person's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Available and idle this long: Inactive.
    pub inactive: Duration,
    /// Idle this long: Away, or Busy, inactive.
    pub away: Duration,
    /// Presenting, or a full screen, means Do not disturb.
    pub presenting_is_dnd: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inactive: Duration::from_secs(300),
            away: Duration::from_secs(900),
            presenting_is_dnd: true,
        }
    }
}

/// All that is known of one person. `D` names devices, `E` engagements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presentity<D: Ord, E: Ord> {
    /// Signed-in clients.
    pub devices: BTreeMap<D, Device>,
    /// Current engagements.
    pub engaged: BTreeMap<E, Engaged>,
    /// The calendar, in order of beginnings.
    pub calendar: Arc<[Busy]>,
    /// Own wish.
    pub manual: Option<Manual>,
    /// Out of office by own word.
    pub out_of_office: Option<OutOfOffice>,
    /// Own limits.
    pub limits: Limits,
}

impl<D: Ord, E: Ord> Default for Presentity<D, E> {
    fn default() -> Self {
        Self {
            devices: BTreeMap::new(),
            engaged: BTreeMap::new(),
            calendar: Arc::new([]),
            manual: None,
            out_of_office: None,
            limits: Limits::default(),
        }
    }
}

/// What a person is busy with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Which kind.
    pub engagement: Engagement,
    /// What it is about.
    pub subject: Option<Arc<str>>,
}

/// The truth about a person at one moment, before anybody's level of access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The state.
    pub state: State,
    /// The administrator's state that it is, by id.
    pub custom: Option<Arc<str>>,
    /// What they are busy with, whatever the state.
    pub activity: Option<Activity>,
    /// Out of office now.
    pub out_of_office: bool,
    /// Kinds of devices, when none is a browser.
    pub devices: Vec<DeviceKind>,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            state: State::Offline,
            custom: None,
            activity: None,
            out_of_office: false,
            devices: Vec::new(),
        }
    }
}
