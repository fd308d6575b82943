use proptest::prelude::*;

use super::*;
use crate::presence::Activity;

fn known(state: State) -> Known {
    Known {
        observed: Observed {
            state,
            custom: Some("court".into()),
            activity: Some(Activity {
                engagement: Engagement::Call,
                subject: Some("Budget".into()),
            }),
            out_of_office: true,
            devices: vec![DeviceKind::Mobile],
        },
        custom_text: Some("In court".into()),
        since: Moment::seconds(5),
        note: Some("Deadline".into()),
        oof: Some("Back on Monday".into()),
        location: Some(Location {
            kind: LocationKind::Home,
            text: "Attic".into(),
            audience: Vec::new(),
        }),
        last_active: Some(Moment::seconds(6)),
        next_free: Some(Moment::seconds(7)),
    }
}

#[test]
fn each_level_sees_exactly_its_fields() {
    let busy = known(State::Busy);
    let everything = Seen {
        state: State::Busy,
        class: Class::Busy,
        custom: Some("court"),
        text: Some("In court"),
        activity: Some(Engagement::Call),
        subject: Some("Budget"),
        note: Some("Deadline"),
        location: Some(Place {
            kind: LocationKind::Home,
            text: "Attic",
        }),
        oof: Some("Back on Monday"),
        devices: &[DeviceKind::Mobile],
        since: Some(5_000),
        last_active: Some(6_000),
        next_free: Some(7_000),
    };
    assert_eq!(view(&busy, Level::Personal), everything);
    assert_eq!(view(&busy, Level::Team), everything);
    let company = Seen {
        subject: None,
        location: None,
        last_active: None,
        next_free: None,
        ..everything
    };
    assert_eq!(view(&busy, Level::Company), company);
    assert_eq!(view(&busy, Level::Public), Seen::only(State::Busy));
    assert_eq!(view(&busy, Level::Blocked), Seen::only(State::Offline));
}

#[test]
fn the_public_sees_a_class_only() {
    for state in State::ALL {
        let known = known(state);
        let seen = view(&known, Level::Public);
        assert_eq!(seen, Seen::only(state.class().plain()), "{state:?}");
    }
}

#[test]
fn the_team_reads_urgent_interruptions_only_and_alone_comes_through() {
    let quiet = known(State::DoNotDisturb);
    for level in Level::ALL {
        let (state, reaches) = match level {
            Level::Team => (State::UrgentOnly, Reach::Now),
            Level::Blocked => (State::Offline, Reach::Never),
            _ => (State::DoNotDisturb, Reach::Later),
        };
        assert_eq!(view(&quiet, level).state, state);
        assert_eq!(reach(State::DoNotDisturb, level), reaches);
    }
    assert_eq!(reach(State::Available, Level::Public), Reach::Now);
    assert_eq!(reach(State::Available, Level::Blocked), Reach::Never);
}

#[test]
fn a_location_is_for_whom_its_owner_says() {
    let mut home = known(State::Available);
    home.location.as_mut().expect("set above").audience = vec![Level::Company, Level::Blocked];
    let sees_it = Level::ALL.map(|level| view(&home, level).location.is_some());
    assert_eq!(sees_it, [false, false, true, false, false]);
    assert!(own_view(&home).location.is_some());
}

#[test]
fn an_offline_person_shows_their_words_to_friends_and_team_only() {
    let gone = known(State::Offline);
    for level in [Level::Personal, Level::Team] {
        let words = Seen {
            note: Some("Deadline"),
            oof: Some("Back on Monday"),
            ..Seen::only(State::Offline)
        };
        assert_eq!(view(&gone, level), words);
    }
}

#[test]
fn the_last_touch_alone_is_no_news() {
    let early = known(State::Available);
    let late = Known {
        last_active: Some(Moment::seconds(99)),
        ..early.clone()
    };
    assert!(!view(&early, Level::Team).differs(&view(&late, Level::Team)));
    assert!(view(&early, Level::Team).differs(&view(&known(State::Busy), Level::Team)));
}

#[test]
fn the_documentation_prints_the_table() {
    let document = include_str!("../../../docs/companion.md");
    assert!(
        document.contains(&markdown()),
        "docs/companion.md must hold:\n{}",
        markdown()
    );
}

fn any_known() -> impl Strategy<Value = Known> {
    (
        0..State::ALL.len(),
        any::<bool>(),
        proptest::option::of(".{0,8}"),
        proptest::option::of(".{0,8}"),
        0_u64..1_000_000,
        proptest::option::of(0_u64..1_000_000),
        proptest::sample::subsequence(Level::ALL.to_vec(), 0..5),
    )
        .prop_map(|(state, out, note, oof, since, touched, audience)| Known {
            observed: Observed {
                state: State::ALL.get(state).copied().unwrap_or(State::Busy),
                out_of_office: out,
                ..known(State::Busy).observed
            },
            custom_text: Some("In court".into()),
            since: Moment::seconds(since),
            note,
            oof,
            location: Some(Location {
                kind: LocationKind::Other,
                text: "x".into(),
                audience,
            }),
            last_active: touched.map(Moment::seconds),
            next_free: touched.map(Moment::seconds),
        })
}

proptest! {
    /// Whatever somebody does, who is blocked sees what a truly offline person, whatever they have written, shows to the
    /// levels that people have by default; every field of it, at every time.
    #[test]
    fn blocked_is_offline_in_every_field(anybody in any_known(), gone in any_known()) {
        let offline = Known { observed: Observed { state: State::Offline, ..gone.observed }, ..gone };
        let blocked = serde_json::to_string(&view(&anybody, Level::Blocked)).expect("a view is JSON");
        for level in [Level::Company, Level::Public, Level::Blocked] {
            let truly = serde_json::to_string(&view(&offline, level)).expect("a view is JSON");
            prop_assert_eq!(&blocked, &truly);
        }
    }
}
