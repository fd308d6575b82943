#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

/// 2026-12-01 00:00 UTC, a Tuesday.
const DAY: u64 = 1_796_083_200;
const HOUR: u64 = 3_600;

fn week() -> Window {
    Window {
        from: Moment::seconds(DAY),
        until: Moment::seconds(DAY + 7 * 24 * HOUR),
    }
}

fn calendar(events: &str) -> String {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nEND:VTIMEZONE\r\n";
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{zone}{events}END:VCALENDAR\r\n")
}

fn event(lines: &[&str]) -> String {
    let lines = lines.join("\r\n");
    format!("BEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\n")
}

/// Beginnings and ends in hours since Tuesday's midnight, UTC.
fn hours(text: &str) -> Vec<(u64, u64, BusyKind)> {
    let hour = |moment: Moment| (moment.0.as_secs() - DAY) / HOUR;
    read(text, week(), "Europe/Berlin", &mut || true)
        .unwrap()
        .iter()
        .map(|busy| (hour(busy.from), hour(busy.until), busy.kind))
        .collect()
}

#[test]
fn entries_mean_what_their_programs_mean() {
    use BusyKind::{Busy, OutOfOffice};
    let at = ["DTSTART:20261201T090000Z", "DTEND:20261201T100000Z"];
    let table: &[(&str, &[&str], Option<BusyKind>)] = &[
        ("a meeting", &[], Some(Busy)),
        ("cancelled", &["STATUS:CANCELLED"], None),
        ("tentative", &["STATUS:TENTATIVE"], None),
        ("transparent", &["TRANSP:TRANSPARENT"], None),
        ("opaque", &["TRANSP:OPAQUE"], Some(Busy)),
        (
            "Outlook: out of office",
            &["X-MICROSOFT-CDO-BUSYSTATUS:OOF"],
            Some(OutOfOffice),
        ),
        (
            "Outlook: out of office is shown though transparent",
            &["TRANSP:TRANSPARENT", "X-MICROSOFT-CDO-BUSYSTATUS:OOF"],
            Some(OutOfOffice),
        ),
        (
            "Outlook: elsewhere",
            &["X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE"],
            None,
        ),
    ];
    for (story, lines, kind) in table {
        let text = calendar(&event(&[&["UID:1"], &at[..], lines].concat()));
        let expected: Vec<_> = kind.iter().map(|kind| (9, 10, *kind)).collect();
        assert_eq!(hours(&text), expected, "{story}");
    }
}

#[test]
fn times_are_in_their_zones() {
    let text = calendar(
        &[
            event(&[
                "UID:1",
                "DTSTART;TZID=America/New_York:20261201T090000",
                "DURATION:PT1H",
            ]),
            event(&[
                "UID:2",
                "DTSTART;TZID=W. Europe Standard Time:20261201T190000",
                "DURATION:PT1H",
            ]),
            event(&["UID:3", "DTSTART:20261202T010000", "DURATION:PT1H"]),
            event(&[
                "UID:4",
                "DTSTART;VALUE=DATE:20261203",
                "DTEND;VALUE=DATE:20261204",
            ]),
        ]
        .concat(),
    );
    let busy = |from, until| (from, until, BusyKind::Busy);
    let expected = [busy(14, 15), busy(18, 19), busy(24, 25), busy(47, 71)];
    assert_eq!(hours(&text), expected);
}

#[test]
fn repetitions_are_left_out_moved_and_ended() {
    let rule = |more: &str| format!("RRULE:FREQ=DAILY{more}");
    let start = "DTSTART;TZID=Europe/Berlin:20261101T100000";
    let busy = |day: u64, hour: u64| (24 * day + hour, 24 * day + hour + 1, BusyKind::Busy);
    let series = |more: &str, lines: &[&str]| {
        let rule = rule(more);
        event(
            &[
                &["UID:1", "SEQUENCE:0", start, "DURATION:PT1H", &rule][..],
                lines,
            ]
            .concat(),
        )
    };
    let every: Vec<_> = (0..7).map(|day| busy(day, 9)).collect();
    assert_eq!(hours(&calendar(&series("", &[]))), every);
    let two = [busy(0, 9), busy(1, 9)];
    for end in [
        ";UNTIL=20261202T090000Z",
        ";UNTIL=20261202T100000",
        ";UNTIL=20261202",
        ";COUNT=32",
    ] {
        assert_eq!(hours(&calendar(&series(end, &[]))), two, "{end}");
    }
    let left_out = series(";COUNT=33", &["EXDATE;TZID=Europe/Berlin:20261202T100000"]);
    assert_eq!(hours(&calendar(&left_out)), [busy(0, 9), busy(2, 9)]);
    let moved = event(&[
        "UID:1",
        "SEQUENCE:3",
        "RECURRENCE-ID;TZID=Europe/Berlin:20261202T100000",
        "DTSTART;TZID=Europe/Berlin:20261202T150000",
        "DURATION:PT1H",
    ]);
    let cancelled = event(&[
        "UID:1",
        "SEQUENCE:4",
        "RECURRENCE-ID;TZID=Europe/Berlin:20261203T100000",
        "DTSTART;TZID=Europe/Berlin:20261203T100000",
        "DURATION:PT1H",
        "STATUS:CANCELLED",
    ]);
    let other = event(&[
        "UID:2",
        "SEQUENCE:0",
        start,
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY;BYDAY=TH",
    ]);
    let text = calendar(&[series(";COUNT=33", &[]), moved, cancelled, other].concat());
    assert_eq!(hours(&text), [busy(0, 9), busy(1, 14), busy(2, 9)]);
}

#[test]
fn free_busy_has_no_subjects() {
    let text = calendar(
        "BEGIN:VFREEBUSY\r\nFREEBUSY;FBTYPE=BUSY:20261201T080000Z/20261201T090000Z,20261201T100000Z/PT1H\r\n\
         FREEBUSY;FBTYPE=FREE:20261201T110000Z/20261201T120000Z\r\n\
         FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261202T000000Z/20261203T000000Z\r\nEND:VFREEBUSY\r\n",
    );
    let expected = [
        (8, 9, BusyKind::Busy),
        (10, 11, BusyKind::Busy),
        (24, 48, BusyKind::OutOfOffice),
    ];
    assert_eq!(hours(&text), expected);
}

#[test]
fn subjects_are_kept_short_and_private_ones_not_at_all() {
    let long = format!("SUMMARY:{}", "x".repeat(1_000));
    let times = ["DTSTART:20261201T090000Z", "DTEND:20261201T100000Z"];
    let of = |lines: &[&str]| {
        let text = calendar(&event(&[&["UID:1"], &times[..], lines].concat()));
        let found = read(&text, week(), "UTC", &mut || true).unwrap();
        found.first().unwrap().subject.as_deref().map(str::to_owned)
    };
    assert_eq!(
        of(&["SUMMARY:Budget\\, again"]).as_deref(),
        Some("Budget, again")
    );
    assert_eq!(of(&[&long]).map(|text| text.len()), Some(MAX_SUBJECT));
    assert_eq!(of(&["SUMMARY:Doctor", "CLASS:PRIVATE"]), None);
}

/// Each of these would take minutes or gigabytes if the reader let it.
#[test]
fn hostile_calendars_end_soon() {
    let hostile = [
        "FREQ=SECONDLY;BYHOUR=3;BYMINUTE=3;BYSECOND=3",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY",
        "FREQ=DAILY;COUNT=4294967295",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=MONTHLY;BYSETPOS=366;BYDAY=MO",
    ];
    let events: String = (0..200)
        .map(|number| {
            let rule = hostile.get(number % hostile.len()).unwrap();
            event(&[
                &format!("UID:{number}"),
                "DTSTART:20200101T000000Z",
                "DURATION:P9999999D",
                &format!("RRULE:{rule}"),
            ])
        })
        .collect();
    let mut asked = 0;
    let mut alive = || {
        asked += 1;
        asked < 100
    };
    let end = read(&calendar(&events), week(), "UTC", &mut alive);
    assert_eq!(end, Err(CalendarError::TooLong));
    assert!(
        read(&calendar(&events), week(), "UTC", &mut || true)
            .unwrap()
            .len()
            <= MAX_INTERVALS
    );
    let nested = "BEGIN:VEVENT\r\n".repeat(MAX_COMPONENTS + 1);
    let end = read(&calendar(&nested), week(), "UTC", &mut || true);
    assert_eq!(end, Err(CalendarError::TooLarge));
    let huge = "x".repeat(MAX_BYTES + 1);
    assert_eq!(
        read(&huge, week(), "UTC", &mut || true),
        Err(CalendarError::TooLarge)
    );
    assert_eq!(
        read("<html>", week(), "UTC", &mut || true),
        Err(CalendarError::NotACalendar)
    );
}

proptest! {
    #[test]
    fn whatever_comes_intervals_are_whole_and_in_order(
        lines in proptest::collection::vec(
            (proptest::sample::select(vec!["DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID;RANGE=THISANDFUTURE", "SEQUENCE", "UID"]),
             "(2026120[1-3]T0[0-9]0000Z?)|(-?P[0-9]{1,9}[DWH])|(FREQ=(DAILY|WEEKLY);COUNT=[0-9]{1,3})|.{0,20}"),
            0..12),
    ) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let found = read(&calendar(&event(&lines)), week(), "Europe/Berlin", &mut || true).unwrap_or_default();
        prop_assert!(found.iter().all(|busy| busy.from < busy.until));
        prop_assert!(found.is_sorted_by_key(|busy| busy.from));
    }
}
