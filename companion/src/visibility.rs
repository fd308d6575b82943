//! Who sees what: [`TABLE`], field by field, for each level of access. Everything that shows a person to another asks it.
//!
//! An offline person shows nothing else to the levels that people have by default, so that a blocked viewer, who sees
//! [`State::Offline`] always, cannot tell the two apart.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::presence::{Class, DeviceKind, Engagement, Moment, Observed, State};

/// How much of a person another may see.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Friends and family.
    Personal,
    /// Who may interrupt.
    Team,
    /// Colleagues.
    #[default]
    Company,
    /// Everybody else.
    Public,
    /// Nobody is there.
    Blocked,
}

impl Level {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Self; 5] = [
        Self::Personal,
        Self::Team,
        Self::Company,
        Self::Public,
        Self::Blocked,
    ];

    /// Its word on the wire and in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Team => "team",
            Self::Company => "company",
            Self::Public => "public",
            Self::Blocked => "blocked",
        }
    }

    /// The level of a word; `None` for any other.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }

    const fn column(self) -> usize {
        self as usize
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The colour. Who sees not even that sees Offline.
    Class,
    /// The state by name, an administrator's text, since when, device marks.
    State,
    /// Do not disturb reads "Urgent interruptions only".
    UrgentWording,
    /// Call, conference or meeting.
    Activity,
    /// What the activity is about.
    Subject,
    /// The person's note and out-of-office text.
    Note,
    /// Where the person is, unless the person names other levels.
    Location,
    /// Whether the calendar is busy now.
    FreeBusyNow,
    /// The calendar's busy times and the next free one.
    Schedule,
    /// The name.
    Name,
    /// Title, company and e-mail.
    Profile,
    /// Telephone at work.
    WorkPhone,
    /// Mobile telephone.
    MobilePhone,
    /// Telephone at home.
    HomePhone,
    /// When a device was last touched.
    LastActive,
    /// Messages and calls come through Do not disturb.
    Interrupts,
    /// Note and out-of-office text also while the person is offline.
    NoteWhileOffline,
}

/// Field, how the documentation calls it, and whether Personal, Team, Company, Public and Blocked see it.
pub const TABLE: [(Field, &str, [bool; 5]); 17] = {
    use Field as F;
    const Y: bool = true;
    const N: bool = false;
    [
        (F::Class, "`class`", [Y, Y, Y, Y, N]),
        (
            F::State,
            "`state`, `text`, `custom`, `since`, `devices`",
            [Y, Y, Y, N, N],
        ),
        (
            F::UrgentWording,
            "Do not disturb reads `urgent_only`",
            [N, Y, N, N, N],
        ),
        (F::Activity, "`activity`", [Y, Y, Y, N, N]),
        (F::Subject, "`subject`", [Y, Y, N, N, N]),
        (F::Note, "`note`, `oof`", [Y, Y, Y, N, N]),
        (
            F::Location,
            "`location`, unless `for` names other levels",
            [Y, Y, N, N, N],
        ),
        (
            F::FreeBusyNow,
            "`free_busy`: the interval that runs now",
            [Y, Y, Y, N, N],
        ),
        (
            F::Schedule,
            "`free_busy` with subjects, `next_free`",
            [Y, Y, N, N, N],
        ),
        (F::Name, "`name`", [Y, Y, Y, Y, Y]),
        (F::Profile, "`title`, `company`, `email`", [Y, Y, Y, Y, N]),
        (F::WorkPhone, "`work_phone`", [Y, Y, Y, N, N]),
        (F::MobilePhone, "`mobile`", [Y, Y, N, N, N]),
        (F::HomePhone, "`home_phone`", [Y, N, N, N, N]),
        (F::LastActive, "`last_active`", [Y, Y, N, N, N]),
        (
            F::Interrupts,
            "comes through Do not disturb",
            [N, Y, N, N, N],
        ),
        (
            F::NoteWhileOffline,
            "`note`, `oof` of an offline person",
            [Y, Y, N, N, N],
        ),
    ]
};

/// Whether `level` sees `field`.
#[must_use]
pub fn sees(level: Level, field: Field) -> bool {
    TABLE
        .iter()
        .find(|(row, ..)| *row == field)
        .and_then(|(_, _, columns)| columns.get(level.column()))
        .copied()
        .unwrap_or(false)
}

/// The table in Markdown, as in `docs/companion.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "| what | Personal | Team | Company | Public | Blocked |\n|---|---|---|---|---|---|\n",
    );
    for (_, name, columns) in TABLE {
        let cells: Vec<_> = columns
            .iter()
            .map(|seen| if *seen { "●" } else { "–" })
            .collect();
        // A String takes whatever is written.
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// Where a person is, by own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// `office`, `home` or `other`.
    pub kind: LocationKind,
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Levels that see it in place of the table's; Blocked never does.
    #[serde(default, rename = "for", skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Level>,
}

/// Kinds of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationKind {
    /// At work.
    Office,
    /// At home.
    Home,
    /// Elsewhere.
    Other,
}

impl Location {
    fn is_for(&self, level: Level) -> bool {
        match self.audience.as_slice() {
            [] => sees(level, Field::Location),
            audience => level != Level::Blocked && audience.contains(&level),
        }
    }
}

/// All that is known of a person and could be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The aggregated truth.
    pub observed: Observed,
    /// Text of the administrator's state that it is.
    pub custom_text: Option<Arc<str>>,
    /// Since when the state holds.
    pub since: Moment,
    /// Own note.
    pub note: Option<String>,
    /// Out-of-office text, shown while out of office.
    pub oof: Option<String>,
    /// Where they are.
    pub location: Option<Location>,
    /// When a device was last touched.
    pub last_active: Option<Moment>,
    /// When the calendar is next free, if it is busy.
    pub next_free: Option<Moment>,
}

/// What one viewer sees: the wire's `Presence` without the user. Times in ms since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen<'a> {
    /// State.
    pub state: State,
    /// Its colour.
    pub class: Class,
    /// The administrator's state, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<&'a str>,
    /// Its text in the house's first language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// What they are busy with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Engagement>,
    /// What that is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    /// Own note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
    /// Where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Place<'a>>,
    /// Out-of-office text; empty when out of office without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oof: Option<&'a str>,
    /// Devices, when there is no browser among them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub devices: &'a [DeviceKind],
    /// Since when the state holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// When a device was last touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active: Option<i64>,
    /// When the calendar is next free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_free: Option<i64>,
}

/// A [`Location`] as others see it: not for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place<'a> {
    /// Kind of place.
    pub kind: LocationKind,
    /// Its name.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: &'a str,
}

impl Seen<'_> {
    /// Nothing but a state.
    #[must_use]
    pub const fn only(state: State) -> Self {
        Self {
            state,
            class: state.class(),
            custom: None,
            text: None,
            activity: None,
            subject: None,
            note: None,
            location: None,
            oof: None,
            devices: &[],
            since: None,
            last_active: None,
            next_free: None,
        }
    }

    /// Whether a viewer must be told: the last touch of a device alone is no news.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        Self {
            last_active: None,
            ..self.clone()
        } != Self {
            last_active: None,
            ..other.clone()
        }
    }
}

/// What `level` sees of what is `known`.
#[must_use]
pub fn view(known: &Known, level: Level) -> Seen<'_> {
    let seen = |field| sees(level, field);
    let observed = &known.observed;
    if !seen(Field::Class) {
        return Seen::only(State::Offline);
    }
    let words = |field| {
        let note = known.note.as_deref().filter(|_| seen(field));
        let oof = (observed.out_of_office && seen(field))
            .then(|| known.oof.as_deref().unwrap_or_default());
        (note, oof)
    };
    if observed.state == State::Offline {
        let (note, oof) = words(Field::NoteWhileOffline);
        return Seen {
            note,
            oof,
            ..Seen::only(State::Offline)
        };
    }
    let by_name = seen(Field::State);
    let (note, oof) = words(Field::Note);
    let activity = observed.activity.as_ref();
    Seen {
        custom: observed.custom.as_deref().filter(|_| by_name),
        text: known
            .custom_text
            .as_deref()
            .filter(|_| by_name && observed.custom.is_some()),
        activity: activity
            .filter(|_| seen(Field::Activity))
            .map(|activity| activity.engagement),
        subject: activity
            .filter(|_| seen(Field::Subject))
            .and_then(|activity| activity.subject.as_deref()),
        note,
        oof,
        location: known
            .location
            .as_ref()
            .filter(|location| location.is_for(level))
            .map(place),
        devices: if by_name { &observed.devices } else { &[] },
        since: by_name.then(|| known.since.ms()),
        last_active: known
            .last_active
            .filter(|_| seen(Field::LastActive))
            .map(Moment::ms),
        next_free: known
            .next_free
            .filter(|_| seen(Field::Schedule))
            .map(Moment::ms),
        ..Seen::only(worded(observed.state, level))
    }
}

/// What a person sees of themselves: everything.
#[must_use]
pub fn own_view(known: &Known) -> Seen<'_> {
    let mut seen = view(known, Level::Personal);
    seen.location = known.location.as_ref().map(place);
    seen
}

fn place(location: &Location) -> Place<'_> {
    Place {
        kind: location.kind,
        text: &location.text,
    }
}

fn worded(state: State, level: Level) -> State {
    match state {
        State::DoNotDisturb if sees(level, Field::UrgentWording) => State::UrgentOnly,
        state if sees(level, Field::State) => state,
        state => state.class().plain(),
    }
}

/// How a message or a call of somebody's reaches a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At once, with alert and ringing.
    Now,
    /// Kept, shown later as missed; nothing rings.
    Later,
    /// Not at all; the sender sees what an offline person's would.
    Never,
}

/// How somebody at `level` reaches a person whose true state is `state`.
#[must_use]
pub fn reach(state: State, level: Level) -> Reach {
    match state {
        _ if level == Level::Blocked => Reach::Never,
        State::DoNotDisturb | State::UrgentOnly if !sees(level, Field::Interrupts) => Reach::Later,
        _ => Reach::Now,
    }
}

#[cfg(test)]
mod tests;
