#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

const NOW: u64 = 10_000;

fn at(seconds: u64) -> Moment {
    Moment::seconds(seconds)
}

fn device(idle: u64) -> Device {
    Device {
        lease_until: at(NOW + 10),
        last_active: Some(at(NOW - idle)),
        media: false,
    }
}

fn manual(choice: Choice, since: u64) -> Option<Manual> {
    Some(Manual {
        choice,
        since: at(since),
        until: None,
    })
}

fn engaged(engagement: Engagement, since: u64) -> Engaged {
    Engaged {
        engagement,
        since: at(since),
        presenting: false,
    }
}

fn person(
    devices: &[Device],
    engagements: &[Engaged],
    manual: Option<Manual>,
) -> Presentity<usize, usize> {
    Presentity {
        devices: devices.iter().copied().enumerate().collect(),
        engaged: engagements.iter().copied().enumerate().collect(),
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
        presenting: true,
        ..engaged(E::Conference, 9_000)
    };
    let lapsed = Some(Manual {
        choice: C::Busy,
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
            "presenting",
            &[device(0)],
            &[presents],
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
            person(devices, engagements, *manual).state(at(NOW)),
            *expected,
            "{story}"
        );
    }
}

#[test]
fn out_of_office_is_away_and_a_call_beats_it() {
    let mut away = person(&[device(0)], &[], None);
    away.out_of_office = Some(at(1));
    assert_eq!(away.state(at(NOW)), State::Away);
    away.engaged.insert(0, engaged(Engagement::Call, 9_000));
    assert_eq!(away.state(at(NOW)), State::InCall);
    away.engaged.clear();
    away.manual = manual(Choice::Available, 9_000);
    assert_eq!(away.state(at(NOW)), State::Available);
}

#[test]
fn presenting_is_do_not_disturb_only_if_wished() {
    let mut presenter = person(
        &[device(0)],
        &[Engaged {
            presenting: true,
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
    person.renew(at(0), 1, true, false);
    person.renew(at(29), 1, false, false);
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
            &engagements.iter().rev().copied().collect::<Vec<_>>(),
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
