//! A calendar's bytes (iCalendar, RFC 5545) to busy intervals.
//!
//! Parsing, recurrences and time zones are `calcard`'s; what an entry means for presence is decided here. The bytes are
//! anybody's: sizes, numbers of entries and of repetitions are bounded, and whoever calls may end the work between entries.

use std::collections::BTreeMap;

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::dates::TimeOrDelta;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType as Kind, ICalendarEntry,
    ICalendarFreeBusyType, ICalendarFrequency, ICalendarParameterName, ICalendarParameterValue,
    ICalendarPeriod, ICalendarProperty as Property, ICalendarRecurrenceRule, ICalendarStatus,
    ICalendarTransparency, ICalendarValue as Value,
};
use calcard::{Entry, Parser};
use chrono::{DateTime, Datelike, TimeZone, Timelike};

use crate::presence::{Busy, BusyKind, Moment};

/// Largest calendar, bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Intervals that are kept, the earliest ones.
pub const MAX_INTERVALS: usize = 512;
/// Components of one calendar.
const MAX_COMPONENTS: usize = 20_000;
/// Time zones that a calendar brings along.
const MAX_ZONES: usize = 64;
/// Repetitions of one entry from its beginning: a daily one runs for half a century.
const MAX_REPETITIONS: usize = 20_000;
/// Longest subject that is kept, characters.
const MAX_SUBJECT: usize = 200;

/// Why a calendar is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Too many bytes or entries.
    #[error("the calendar is larger than {MAX_BYTES} bytes or {MAX_COMPONENTS} entries")]
    TooLarge,
    /// There is no `BEGIN:VCALENDAR` in it.
    #[error("expected an iCalendar, found something else")]
    NotACalendar,
    /// The caller ended the work.
    #[error("the calendar took too long to read")]
    TooLong,
    /// The name of the time zone for times without one.
    #[error("unknown time zone")]
    Zone,
}

/// The part of time that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Intervals that end later than this,
    pub from: Moment,
    /// and begin before this.
    pub until: Moment,
}

/// Busy intervals of `text` within `window`, in order of their beginnings. Times without a zone are in `zone`
/// (`Europe/Berlin`). The work goes on while `alive` says so, which is asked before each entry.
///
/// # Errors
/// See [`CalendarError`].
pub fn read(
    text: &str,
    window: Window,
    zone: &str,
    alive: &mut dyn FnMut() -> bool,
) -> Result<Vec<Busy>, CalendarError> {
    if text.len() > MAX_BYTES {
        return Err(CalendarError::TooLarge);
    }
    let zone: Tz = zone.parse().map_err(|_| CalendarError::Zone)?;
    let mut found = Vec::new();
    let mut is_calendar = false;
    let mut parser = Parser::new(text);
    loop {
        match parser.entry() {
            Entry::ICalendar(calendar) => {
                is_calendar = true;
                Reader { window, zone }.calendar(calendar, alive, &mut found)?;
            }
            Entry::Eof => break,
            _ => {}
        }
        if !alive() {
            return Err(CalendarError::TooLong);
        }
    }
    if !is_calendar {
        return Err(CalendarError::NotACalendar);
    }
    found.sort_by_key(|busy: &Busy| (busy.from, busy.until));
    found.truncate(MAX_INTERVALS);
    Ok(found)
}

/// Whether `name` is a time zone for [`read`].
#[must_use]
pub fn is_zone(name: &str) -> bool {
    name.parse::<Tz>().is_ok()
}

struct Reader {
    window: Window,
    zone: Tz,
}

impl Reader {
    fn calendar(
        &self,
        calendar: ICalendar,
        alive: &mut dyn FnMut() -> bool,
        found: &mut Vec<Busy>,
    ) -> Result<(), CalendarError> {
        if calendar.components.len() > MAX_COMPONENTS {
            return Err(CalendarError::TooLarge);
        }
        let zones = zones(&calendar);
        for component in &calendar.components {
            if component.component_type == Kind::VFreebusy {
                self.free_busy(component, found);
            }
        }
        // Recurrences and what replaces single ones of them belong together by UID, which the library does not look at.
        let mut by_uid: BTreeMap<String, Vec<ICalendarComponent>> = BTreeMap::new();
        for (number, component) in calendar.components.into_iter().enumerate() {
            if component.component_type == Kind::VEvent {
                let uid = component
                    .uid()
                    .map_or_else(|| format!("\0{number}"), str::to_owned);
                by_uid.entry(uid).or_default().push(component);
            }
        }
        for events in by_uid.into_values() {
            if !alive() {
                return Err(CalendarError::TooLong);
            }
            self.events(&zones, events, found);
        }
        Ok(())
    }

    /// One entry of the calendar with all that belongs to it.
    fn events(
        &self,
        zones: &[ICalendarComponent],
        events: Vec<ICalendarComponent>,
        found: &mut Vec<Busy>,
    ) {
        let mut one = ICalendar {
            components: zones.to_vec(),
        };
        let resolve = one.build_owned_tz_resolver().with_default(self.zone);
        for mut event in events {
            let zone = event
                .property(&Property::Dtstart)
                .and_then(ICalendarEntry::tz_id)
                .map(str::to_owned);
            let zone = resolve.resolve_or_default(zone.as_deref());
            event.entries.retain_mut(|entry| {
                let rule = match (&entry.name, entry.values.first_mut()) {
                    // What replaces a repetition has a later number, but is found by the first one's.
                    (Property::Sequence, _) => return false,
                    (Property::Rrule, Some(Value::RecurrenceRule(rule))) => rule,
                    _ => return true,
                };
                self.bound(rule, zone)
            });
            one.components.push(event);
        }
        for event in one.expand_dates(self.zone, MAX_REPETITIONS).events {
            let end = match event.end {
                TimeOrDelta::Time(end) => Some(end),
                TimeOrDelta::Delta(delta) => event.start.checked_add_signed(delta),
            };
            let component = usize::try_from(event.comp_id)
                .ok()
                .and_then(|at| one.components.get(at));
            if let (Some(end), Some(component)) = (end, component)
                && let Some(kind) = meaning(component)
            {
                self.keep(&event.start, &end, kind, subject(component), found);
            }
        }
    }

    /// Ends a rule with the window and brings its end to the time of the entry's zone, in which the library compares. `false`
    /// for what repeats within an hour: no meeting does.
    fn bound(&self, rule: &mut ICalendarRecurrenceRule, zone: Tz) -> bool {
        let last = in_zone(self.window.until, zone);
        let until = rule
            .until
            .as_ref()
            .and_then(|until| until.to_date_time_with_tz(zone))
            .map(|until| until.with_timezone(&zone));
        let date_only = rule.until.as_ref().is_some_and(|until| !until.has_time());
        let end = match (until, last) {
            // An end without a time is that whole day.
            (Some(until), last) if date_only => until
                .checked_add_signed(chrono::TimeDelta::seconds(86_399))
                .min(last.or(Some(until))),
            (Some(until), Some(last)) => Some(until.min(last)),
            (until, last) => until.or(last),
        };
        rule.until = end.as_ref().and_then(partial);
        rule.until.is_some()
            && !matches!(
                rule.freq,
                ICalendarFrequency::Secondly | ICalendarFrequency::Minutely
            )
    }

    /// VFREEBUSY: intervals without subjects.
    fn free_busy(&self, component: &ICalendarComponent, found: &mut Vec<Busy>) {
        for entry in component
            .entries
            .iter()
            .filter(|entry| entry.name == Property::Freebusy)
        {
            let kind = entry
                .params
                .iter()
                .find(|param| param.name == ICalendarParameterName::Fbtype);
            let kind = match kind.map(|param| &param.value) {
                Some(ICalendarParameterValue::Fbtype(
                    ICalendarFreeBusyType::Free | ICalendarFreeBusyType::BusyTentative,
                )) => continue,
                Some(ICalendarParameterValue::Fbtype(ICalendarFreeBusyType::BusyUnavailable)) => {
                    BusyKind::OutOfOffice
                }
                _ => BusyKind::Busy,
            };
            for value in &entry.values {
                let (start, end) = match value {
                    Value::Period(ICalendarPeriod::Range { start, end }) => (
                        start.to_date_time_with_tz(Tz::UTC),
                        end.to_date_time_with_tz(Tz::UTC),
                    ),
                    Value::Period(ICalendarPeriod::Duration { start, duration }) => {
                        let start = start.to_date_time_with_tz(Tz::UTC);
                        let end = start
                            .zip(duration.to_time_delta())
                            .and_then(|(start, delta)| start.checked_add_signed(delta));
                        (start, end)
                    }
                    _ => continue,
                };
                if let (Some(start), Some(end)) = (start, end) {
                    self.keep(&start, &end, kind, None, found);
                }
            }
        }
    }

    fn keep(
        &self,
        start: &DateTime<Tz>,
        end: &DateTime<Tz>,
        kind: BusyKind,
        subject: Option<String>,
        found: &mut Vec<Busy>,
    ) {
        let from = Moment::from_ms(start.timestamp_millis());
        let until = Moment::from_ms(end.timestamp_millis());
        let matters = from < until && until > self.window.from && from < self.window.until;
        // The earliest ones are kept in the end; this bound is for memory.
        if matters && found.len() < 16 * MAX_INTERVALS {
            found.push(Busy {
                from,
                until,
                kind,
                subject: subject.map(Into::into),
            });
        }
    }
}

/// What an entry means; `None` when its time is free.
fn meaning(event: &ICalendarComponent) -> Option<BusyKind> {
    let microsoft = |entry: &&ICalendarEntry| {
        matches!(&entry.name, Property::Other(name)
            if name.eq_ignore_ascii_case("X-MICROSOFT-CDO-BUSYSTATUS"))
    };
    let told = event.entries.iter().find(microsoft);
    let told = told.and_then(|entry| match entry.values.first() {
        Some(Value::Text(word)) => Some(word.to_ascii_uppercase()),
        _ => None,
    });
    let status = event.status();
    match (status, told.as_deref()) {
        (Some(ICalendarStatus::Cancelled | ICalendarStatus::Tentative), _)
        | (_, Some("FREE" | "TENTATIVE" | "WORKINGELSEWHERE")) => None,
        (_, Some("OOF")) => Some(BusyKind::OutOfOffice),
        _ if event.transparency() == Some(&ICalendarTransparency::Transparent) => None,
        _ => Some(BusyKind::Busy),
    }
}

fn subject(event: &ICalendarComponent) -> Option<String> {
    let private = event
        .property(&Property::Class)
        .and_then(|entry| entry.values.first())
        .is_some_and(|class| {
            !matches!(
                class,
                Value::Classification(calcard::icalendar::ICalendarClassification::Public)
            )
        });
    match event.property(&Property::Summary)?.values.first()? {
        Value::Text(text) if !private => {
            let text = text.trim().chars().filter(|letter| !letter.is_control());
            Some(text.take(MAX_SUBJECT).collect()).filter(|text: &String| !text.is_empty())
        }
        _ => None,
    }
}

/// The calendar's own zones, bare of all but their names.
fn zones(calendar: &ICalendar) -> Vec<ICalendarComponent> {
    let is_name = |entry: &&ICalendarEntry| {
        let short = matches!(entry.values.first(), Some(Value::Text(text)) if text.len() <= 256);
        short
            && match &entry.name {
                Property::Tzid => true,
                Property::Other(name) => {
                    matches!(name.as_str(), "X-LIC-LOCATION" | "X-MICROSOFT-CDO-TZID")
                }
                _ => false,
            }
    };
    let bare = |zone: &ICalendarComponent| ICalendarComponent {
        component_type: Kind::VTimezone,
        entries: zone
            .entries
            .iter()
            .filter(is_name)
            .take(3)
            .cloned()
            .collect(),
        component_ids: Vec::new(),
    };
    calendar.timezones().take(MAX_ZONES).map(bare).collect()
}

fn in_zone(moment: Moment, zone: Tz) -> Option<DateTime<Tz>> {
    zone.timestamp_millis_opt(moment.ms()).single()
}

/// The time on the wall, without a zone.
fn partial(time: &DateTime<Tz>) -> Option<PartialDateTime> {
    Some(PartialDateTime {
        year: Some(u16::try_from(time.year()).ok()?),
        month: Some(u8::try_from(time.month()).ok()?),
        day: Some(u8::try_from(time.day()).ok()?),
        hour: Some(u8::try_from(time.hour()).ok()?),
        minute: Some(u8::try_from(time.minute()).ok()?),
        second: Some(u8::try_from(time.second()).ok()?),
        ..PartialDateTime::default()
    })
}

#[cfg(test)]
mod tests;
