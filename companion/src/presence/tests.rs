#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

const NOW: u64 = 10_000;

fn at(seconds: u64) -> Moment {
    Moment::seconds(seconds)
}

fn device(idle: u64) -> Device {
    Device {
        kind: DeviceKind::Browser,
        full_screen: None,
        lease_until: at(NOW + 10),
        last_active: Some(at(NOW - idle)),
        media: false,
    }
}

fn manual(choice: Choice, since: u64) -> Option<Manual> {
    Some(Manual {
        choice,
        custom: None,
        since: at(since),
        until: None,
    })
}

fn engaged(engagement: Engagement, since: u64) -> Engaged {
    Engaged {
        engagement,
        since: at(since),
        until: None,
        presenting: None,
        subject: None,
    }
}

fn out(since: u64, until: Option<u64>) -> Option<OutOfOffice> {
    Some(OutOfOffice {
        since: at(since),
        until: until.map(at),
        text: None,
    })
}

fn busy(from: u64, until: u64, kind: BusyKind) -> Busy {
    Busy {
        from: at(from),
        until: at(until),
        kind,
        subject: Some("Budget".into()),
    }
}

fn person(
    devices: &[Device],
    engagements: &[Engaged],
    manual: Option<Manual>,
) -> Presentity<usize, usize> {
    Presentity {
        devices: devices.iter().copied().enumerate().collect(),
        engaged: engagements.iter().cloned().enumerate().collect(),
        manual,
        ..Presentity::default()
    }
}

/// What the devices say, which conferences and calls there are, what was set by hand, and what it adds up to.
type Row<'a> = (&'a str, &'a [Device], &'a [Engaged], Option<Manual>, State);

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn the_table_of_aggregation_holds() {
    use Choice as C;
    use Engagement as E;
    use State as S;
    let in_media = Device {
        media: true,
        ..device(5_000)
    };
    let expired = |ago| Device {
        lease_until: at(NOW - ago),
        ..device(0)
    };
    let cannot_tell = Device {
        last_active: None,
        ..device(0)
    };
    let presents = Engaged {
        presenting: Some(at(9_000)),
        ..engaged(E::Conference, 9_000)
    };
    let full_screen = Device {
        full_screen: Some(at(9_000)),
        ..device(0)
    };
    let over = Engaged {
        until: Some(at(NOW)),
        ..engaged(E::Call, 9_000)
    };
    let lapsed = Some(Manual {
        choice: C::Busy,
        custom: None,
        since: at(9_000),
        until: Some(at(NOW)),
    });
    let table: &[Row] = &[
        ("no device", &[], &[], None, S::Offline),
        (
            "no device, whatever is wished",
            &[],
            &[],
            manual(C::Busy, 9_000),
            S::Offline,
        ),
        (
            "lease lost 14 s ago",
            &[expired(14)],
            &[],
            None,
            S::Available,
        ),
        ("lease lost 15 s ago", &[expired(15)], &[], None, S::Offline),
        ("active", &[device(0)], &[], None, S::Available),
        ("299 s idle", &[device(299)], &[], None, S::Available),
        ("300 s idle", &[device(300)], &[], None, S::Inactive),
        ("900 s idle", &[device(900)], &[], None, S::Away),
        (
            "the most active device wins",
            &[device(900), device(1)],
            &[],
            None,
            S::Available,
        ),
        (
            "a device that cannot tell beats an away one",
            &[cannot_tell, device(950)],
            &[],
            None,
            S::Inactive,
        ),
        (
            "live media counts as active",
            &[in_media],
            &[],
            None,
            S::Available,
        ),
        ("a wish lapses", &[device(0)], &[], lapsed, S::Available),
        ("busy", &[device(300)], &[], manual(C::Busy, 9_000), S::Busy),
        (
            "busy and idle",
            &[device(900)],
            &[],
            manual(C::Busy, 9_000),
            S::BusyInactive,
        ),
        (
            "appear offline",
            &[device(0)],
            &[engaged(E::Call, 9_500)],
            manual(C::AppearOffline, 9_000),
            S::Offline,
        ),
        (
            "call",
            &[device(0)],
            &[engaged(E::Call, 9_500)],
            None,
            S::InCall,
        ),
        (
            "conference over call over meeting",
            &[device(0)],
            &[
                engaged(E::Meeting, 1),
                engaged(E::Conference, 2),
                engaged(E::Call, 3),
            ],
            None,
            S::InConference,
        ),
        (
            "call over meeting",
            &[device(0)],
            &[engaged(E::Call, 2), engaged(E::Meeting, 3)],
            None,
            S::InCall,
        ),
        (
            "available hides what began before",
            &[device(0)],
            &[engaged(E::Conference, 8_000)],
            manual(C::Available, 9_000),
            S::Available,
        ),
        (
            "available shows what came later",
            &[device(0)],
            &[engaged(E::Conference, 9_500)],
            manual(C::Available, 9_000),
            S::InConference,
        ),
        (
            "a later call beats away",
            &[device(0)],
            &[engaged(E::Call, 9_500)],
            manual(C::Away, 9_000),
            S::InCall,
        ),
        (
            "an earlier call does not beat away",
            &[device(0)],
            &[engaged(E::Call, 8_000)],
            manual(C::Away, 9_000),
            S::Away,
        ),
        (
            "a later conference beats be right back",
            &[device(0)],
            &[engaged(E::Conference, 9_500)],
            manual(C::BeRightBack, 9_000),
            S::InConference,
        ),
        (
            "a later meeting does not beat away",
            &[device(0)],
            &[engaged(E::Meeting, 9_500)],
            manual(C::Away, 9_000),
            S::Away,
        ),
        (
            "a call is media: nobody in one is idle, with no other device either",
            &[],
            &[engaged(E::Call, 9_500)],
            None,
            S::InCall,
        ),
        (
            "an engagement that nobody renewed lapses",
            &[device(0)],
            &[over],
            None,
            S::Available,
        ),
        (
            "in a meeting and idle for long",
            &[device(900)],
            &[engaged(E::Meeting, 9_500)],
            None,
            S::BusyInactive,
        ),
        (
            "in a meeting and idle",
            &[device(300)],
            &[engaged(E::Meeting, 9_500)],
            None,
            S::InMeeting,
        ),
        (
            "busy and in a call on an idle desk",
            &[device(900)],
            &[engaged(E::Call, 9_500)],
            manual(C::Busy, 9_000),
            S::InCall,
        ),
        ("a full screen", &[full_screen], &[], None, S::DoNotDisturb),
        (
            "available since after the full screen",
            &[full_screen],
            &[],
            manual(C::Available, 9_500),
            S::Available,
        ),
        (
            "available since before presenting began",
            &[device(0)],
            std::slice::from_ref(&presents),
            manual(C::Available, 8_000),
            S::DoNotDisturb,
        ),
        (
            "appear offline while presenting",
            &[device(0)],
            std::slice::from_ref(&presents),
            manual(C::AppearOffline, 8_000),
            S::Offline,
        ),
        (
            "presenting",
            &[device(0)],
            std::slice::from_ref(&presents),
            None,
            S::DoNotDisturb,
        ),
        (
            "do not disturb is not lowered by a call",
            &[device(0)],
            &[engaged(E::Call, 9_500)],
            manual(C::DoNotDisturb, 9_000),
            S::DoNotDisturb,
        ),
        (
            "do not disturb is not lowered by idleness",
            &[device(5_000)],
            &[],
            manual(C::DoNotDisturb, 9_000),
            S::DoNotDisturb,
        ),
        (
            "a meeting",
            &[device(0)],
            &[engaged(E::Meeting, 9_500)],
            None,
            S::InMeeting,
        ),
    ];
    for (story, devices, engagements, manual, expected) in table {
        assert_eq!(
            person(devices, engagements, manual.clone()).state(at(NOW)),
            *expected,
            "{story}"
        );
    }
}

#[test]
fn out_of_office_is_away_and_a_call_beats_it() {
    let mut away = person(&[device(0)], &[], None);
    away.out_of_office = out(1, None);
    assert_eq!(away.state(at(NOW)), State::Away);
    away.engaged.insert(0, engaged(Engagement::Call, 9_000));
    assert_eq!(away.state(at(NOW)), State::InCall);
    away.engaged.clear();
    away.manual = manual(Choice::Available, 9_000);
    assert_eq!(away.state(at(NOW)), State::Available);
}

#[test]
fn the_calendar_makes_meetings_and_absences() {
    use BusyKind::{Busy as Meeting, OutOfOffice as Out};
    let mut ann = person(&[device(0)], &[], None);
    ann.calendar = [
        busy(9_000, NOW, Meeting),
        busy(NOW, NOW + 100, Meeting),
        busy(NOW + 50, NOW + 200, Out),
        busy(NOW + 200, NOW + 300, Meeting),
    ]
    .into();
    let story = [
        (8_999, State::Available, None),
        (9_000, State::InMeeting, Some(NOW + 300)),
        (NOW, State::InMeeting, Some(NOW + 300)),
        (NOW + 60, State::Away, Some(NOW + 300)),
        (NOW + 250, State::InMeeting, Some(NOW + 300)),
        (NOW + 300, State::Available, None),
    ];
    for (now, state, free) in story {
        ann.devices.insert(
            0,
            Device {
                lease_until: at(now + 10),
                last_active: Some(at(now)),
                ..device(0)
            },
        );
        assert_eq!(ann.state(at(now)), state, "{now}");
        assert_eq!(ann.next_free(at(now)), free.map(at), "{now}");
    }
    let meeting = ann.observe(at(NOW + 250)).activity;
    assert_eq!(meeting.and_then(|told| told.subject), Some("Budget".into()));
    ann.manual = manual(Choice::Busy, NOW + 55);
    assert_eq!(
        ann.state(at(NOW + 60)),
        State::InMeeting,
        "busy by own word, later than the absence"
    );
    ann.manual = manual(Choice::Away, NOW + 55);
    assert_eq!(ann.observe(at(NOW + 60)).activity, None);
}

#[test]
fn a_state_of_the_administrators_shows_while_it_is_what_shows() {
    let mut ann = person(&[device(0)], &[], None);
    ann.manual = Some(Manual {
        choice: Choice::Busy,
        custom: Some("court".into()),
        since: at(9_000),
        until: None,
    });
    assert_eq!(ann.observe(at(NOW)).custom, Some("court".into()));
    ann.engaged.insert(0, engaged(Engagement::Call, 9_500));
    assert_eq!(ann.state(at(NOW)), State::InCall);
    assert_eq!(ann.observe(at(NOW)).custom, None);
}

#[test]
fn marks_name_devices_when_there_is_no_browser() {
    let of = |kinds: &[DeviceKind]| {
        let devices: Vec<_> = kinds
            .iter()
            .map(|kind| Device {
                kind: *kind,
                ..device(0)
            })
            .collect();
        person(&devices, &[], None).observe(at(NOW)).devices
    };
    use DeviceKind::{Browser, Mobile, Phone};
    assert_eq!(of(&[Mobile]), [Mobile]);
    assert_eq!(of(&[Phone, Mobile]), [Mobile, Phone]);
    assert_eq!(of(&[Mobile, Browser]), []);
}

/// Where the state changes by itself, and nowhere else between.
#[test]
fn the_next_change_is_never_missed() {
    let mut ann = person(&[], &[], None);
    ann.devices.insert(
        0,
        Device {
            lease_until: at(NOW + 5_000),
            ..device(0)
        },
    );
    ann.manual = Some(Manual {
        choice: Choice::Busy,
        custom: None,
        since: at(9_000),
        until: Some(at(NOW + 1_000)),
    });
    ann.calendar = [busy(NOW + 2_000, NOW + 2_500, BusyKind::Busy)].into();
    ann.out_of_office = out(1, Some(NOW + 700));
    let mut now = at(NOW);
    let mut visited = vec![(now, ann.state(now))];
    while let Some(next) = ann.next_change(now) {
        let before = Moment(next.0 - Duration::from_millis(1));
        assert_eq!(ann.state(now), ann.state(before));
        now = next;
        visited.push((now, ann.state(now)));
    }
    let states: Vec<_> = visited.iter().map(|(_, state)| *state).collect();
    assert!(states.contains(&State::BusyInactive));
    assert_eq!(states.last(), Some(&State::Offline));
    assert_eq!(now, at(NOW + 5_015));
}

#[test]
fn presenting_is_do_not_disturb_only_if_wished() {
    let mut presenter = person(
        &[device(0)],
        &[Engaged {
            presenting: Some(at(9_000)),
            ..engaged(Engagement::Conference, 1)
        }],
        None,
    );
    presenter.limits.presenting_is_dnd = false;
    assert_eq!(presenter.state(at(NOW)), State::InConference);
}

#[test]
fn a_renewed_lease_keeps_the_device_and_a_lost_one_is_forgotten() {
    let mut person: Presentity<u8, u8> = Presentity::default();
    person.renew(at(0), 1, DeviceKind::Browser, true);
    person.renew(at(29), 1, DeviceKind::Browser, false);
    assert_eq!(person.state(at(58)), State::Available);
    assert!(!person.expire(at(73)));
    assert_eq!(person.state(at(74)), State::Offline);
    assert!(person.expire(at(74)));
}

proptest! {
    #[test]
    fn the_order_of_devices_and_engagements_never_matters(
        idle in proptest::collection::vec(0_u64..2_000, 1..5),
        kinds in proptest::collection::vec(0_u8..3, 0..4),
    ) {
        let kind = |number: &u8| match number { 0 => Engagement::Meeting, 1 => Engagement::Call, _ => Engagement::Conference };
        let devices: Vec<_> = idle.iter().map(|idle| device(*idle)).collect();
        let engagements: Vec<_> = kinds.iter().map(|number| engaged(kind(number), 9_000)).collect();
        let forward = person(&devices, &engagements, None).state(at(NOW));
        let backward = person(
            &devices.iter().rev().copied().collect::<Vec<_>>(),
            &engagements.iter().rev().cloned().collect::<Vec<_>>(),
            None,
        );
        prop_assert_eq!(forward, backward.state(at(NOW)));
    }

    #[test]
    fn do_not_disturb_stands_while_any_device_is_signed_in(idle in 0_u64..9_000, kind in 0_u8..3, since in 0_u64..10_000) {
        let kind = match kind { 0 => Engagement::Meeting, 1 => Engagement::Call, _ => Engagement::Conference };
        let state = person(&[device(idle)], &[engaged(kind, since)], manual(Choice::DoNotDisturb, 5_000)).state(at(NOW));
        prop_assert_eq!(state, State::DoNotDisturb);
    }
}

#[test]
fn states_are_written_in_snake_case() {
    let names = ["available", "busy", "in_call", "in_conference", "offline"];
    let states = [
        State::Available,
        State::Busy,
        State::InCall,
        State::InConference,
        State::Offline,
    ];
    for (name, state) in names.iter().zip(states) {
        let text: State = serde::Deserialize::deserialize(serde::de::value::StrDeserializer::<
            serde::de::value::Error,
        >::new(name))
        .unwrap();
        assert_eq!(text, state);
    }
}
