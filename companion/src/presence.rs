//! Presence: many devices, one person's own wish and what the engine knows, aggregated into one state.
//!
//! [`Presentity`] holds the sources; [`Presentity::state`] is the aggregation, a pure function of sources and time.
//! It knows no watcher: who may see what is decided by whoever shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time since some fixed beginning, the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Moment(pub Duration);

impl Moment {
    /// Whole seconds since the beginning, for tables.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    fn since(self, earlier: Self) -> Duration {
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
}

impl State {
    /// The state's colour.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Available => Class::Available,
            Self::Inactive => Class::AvailableIdle,
            Self::Busy | Self::InCall | Self::InConference | Self::InMeeting => Class::Busy,
            Self::BusyInactive => Class::BusyIdle,
            Self::DoNotDisturb => Class::DoNotDisturb,
            Self::BeRightBack | Self::Away => Class::Away,
            Self::Offline => Class::Offline,
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

/// A [`Choice`] in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manual {
    /// What was chosen.
    pub choice: Choice,
    /// When.
    pub since: Moment,
    /// When it lapses, if ever.
    pub until: Option<Moment>,
}

/// One signed-in client of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// The lease ends then; see [`LEASE`].
    pub lease_until: Moment,
    /// Somebody last touched it then; `None` when it cannot tell.
    pub last_active: Option<Moment>,
    /// Audio, video or sharing runs on it: it counts as active.
    pub media: bool,
}

/// How a person is engaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engagement {
    /// From the calendar.
    Meeting,
    /// Two people.
    Call,
    /// A room or more than two people.
    Conference,
}

/// An engagement in time, told by the engine or the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engaged {
    /// Which kind.
    pub engagement: Engagement,
    /// When it began.
    pub since: Moment,
    /// Shows its screen to others.
    pub presenting: bool,
}

/// A person's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Available and idle this long: Inactive.
    pub inactive: Duration,
    /// Idle this long: Away, or Busy, inactive.
    pub away: Duration,
    /// Presenting means Do not disturb.
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
    /// Own wish.
    pub manual: Option<Manual>,
    /// Out of office since.
    pub out_of_office: Option<Moment>,
    /// Own limits.
    pub limits: Limits,
}

impl<D: Ord, E: Ord> Default for Presentity<D, E> {
    fn default() -> Self {
        Self {
            devices: BTreeMap::new(),
            engaged: BTreeMap::new(),
            manual: None,
            out_of_office: None,
            limits: Limits::default(),
        }
    }
}

impl<D: Ord, E: Ord> Presentity<D, E> {
    /// Signs a device in or keeps it signed in. `active` when somebody touched it.
    pub fn renew(&mut self, now: Moment, device: D, active: bool, media: bool) {
        let lease_until = now.plus(LEASE);
        let entry = self.devices.entry(device).or_insert(Device {
            lease_until,
            last_active: Some(now),
            media,
        });
        entry.lease_until = lease_until;
        entry.media = media;
        if active {
            entry.last_active = Some(now);
        }
    }

    /// Forgets devices whose lease ran out and whose grace has passed; `true` when nothing is left to know.
    pub fn expire(&mut self, now: Moment) -> bool {
        self.devices.retain(|_, device| is_signed_in(device, now));
        self.devices.is_empty() && self.engaged.is_empty() && self.wish(now).is_none()
    }

    /// What others see at `now`.
    #[must_use]
    pub fn state(&self, now: Moment) -> State {
        let wish = self.wish(now);
        let choice = wish.map(|manual| manual.choice);
        let Some(idle) = self.idle(now) else {
            return State::Offline;
        };
        let presenting = self.limits.presenting_is_dnd
            && self.engaged.values().any(|engaged| engaged.presenting);
        let engaged = self.strongest(wish);
        match (choice, engaged) {
            (Some(Choice::AppearOffline), _) => State::Offline,
            (Some(Choice::DoNotDisturb), _) => State::DoNotDisturb,
            (_, Some(_)) if presenting => State::DoNotDisturb,
            (_, Some(Engagement::Conference)) => State::InConference,
            (_, Some(Engagement::Call)) => State::InCall,
            (Some(Choice::BeRightBack), _) => State::BeRightBack,
            (Some(Choice::Away), _) => State::Away,
            _ if self.is_out_of_office(wish) => State::Away,
            (_, Some(Engagement::Meeting)) => State::InMeeting,
            (Some(Choice::Busy), _) if idle >= self.limits.away => State::BusyInactive,
            (Some(Choice::Busy), _) => State::Busy,
            _ if idle >= self.limits.away => State::Away,
            _ if idle >= self.limits.inactive => State::Inactive,
            _ => State::Available,
        }
    }

    /// The own wish unless it has lapsed.
    fn wish(&self, now: Moment) -> Option<Manual> {
        self.manual
            .filter(|manual| manual.until.is_none_or(|until| now < until))
    }

    /// The strongest engagement that the own wish does not hide.
    fn strongest(&self, wish: Option<Manual>) -> Option<Engagement> {
        let shows = |engaged: &&Engaged| match wish {
            Some(Manual {
                choice: Choice::Available | Choice::Away | Choice::BeRightBack,
                since,
                ..
            }) => engaged.since >= since,
            _ => true,
        };
        self.engaged
            .values()
            .filter(shows)
            .map(|engaged| engaged.engagement)
            .max()
    }

    fn is_out_of_office(&self, wish: Option<Manual>) -> bool {
        let hidden_since = wish
            .filter(|manual| manual.choice == Choice::Available)
            .map(|manual| manual.since);
        self.out_of_office
            .is_some_and(|since| hidden_since.is_none_or(|hidden| since >= hidden))
    }

    /// How long the most active device has been idle; `None` when there is no device. A device that cannot tell is
    /// less active than an idle one, more than an away one.
    fn idle(&self, now: Moment) -> Option<Duration> {
        let idle = |device: &Device| match device.last_active {
            _ if device.media => Duration::ZERO,
            Some(last) => now.since(last),
            None => self.limits.away.saturating_sub(Duration::from_nanos(1)),
        };
        self.devices
            .values()
            .filter(|device| is_signed_in(device, now))
            .map(idle)
            .min()
    }
}

fn is_signed_in(device: &Device, now: Moment) -> bool {
    now < device.lease_until.plus(LOST_LEASE_GRACE)
}

#[cfg(test)]
mod tests;
