#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};

use super::*;
use crate::presence::{Choice, Engagement};

fn at(ms: u64) -> Moment {
    Moment(std::time::Duration::from_millis(ms))
}

fn viewer(user: &str) -> Viewer {
    Viewer {
        user: user.into(),
        domain: Some("example.org".into()),
        colleague: true,
    }
}

fn desk(active: bool) -> Alive {
    Alive {
        kind: DeviceKind::Browser,
        active,
        full_screen: false,
    }
}

fn wish(choice: Choice, now: Moment) -> Option<Manual> {
    Some(Manual {
        choice,
        custom: None,
        since: now,
        until: None,
    })
}

fn rules(user: &str, level: Level) -> Rules {
    Rules {
        users: [(user.to_owned(), level)].into(),
        ..Rules::default()
    }
}

/// What each watcher is told at `now`, as JSON.
fn told(board: &mut Board, now: Moment) -> HashMap<Watcher, Vec<Value>> {
    let (told, _) = board.flush(now);
    told.into_iter()
        .map(|told| {
            let presence = told.presence.iter();
            let values = presence.map(|text| serde_json::from_str(text).unwrap());
            (told.watcher, values.collect())
        })
        .collect()
}

/// Ann (device 1) is watched by Bob (2) and Eve (3).
fn three() -> Board {
    let mut board = Board::default();
    for (watcher, user) in [(1, "ann"), (2, "bob"), (3, "eve")] {
        board.come(watcher, viewer(user));
        board.watch(at(0), watcher, "ann", Reason::Contact);
    }
    board
}

#[test]
fn watchers_are_told_once_of_what_they_see_changed() {
    let mut board = three();
    board.rules(at(0), "ann", rules("eve", Level::Public));
    board.alive(at(100), "ann", 1, desk(true));
    assert!(board.is_dirty());
    let first = told(&mut board, at(200));
    let seen = json!({"user": "ann", "state": "available", "class": "available"});
    assert_eq!(first[&3], [seen]);
    assert_eq!(first[&2][0]["since"], 200);
    assert!(first.contains_key(&1), "an own device is told, too");
    board.alive(at(10_000), "ann", 1, desk(true));
    assert!(!board.is_dirty(), "a renewed lease is no news");
    board.note(at(10_100), "ann", Some("Deadline".into()));
    let second = told(&mut board, at(10_200));
    assert_eq!(second[&2][0]["note"], "Deadline");
    assert!(!second.contains_key(&3), "the public sees no note");
    board.unwatch(2, "ann", Reason::Contact);
    board.choose(at(20_000), "ann", wish(Choice::Busy, at(20_000)));
    assert!(!told(&mut board, at(20_100)).contains_key(&2));
}

#[test]
fn time_alone_brings_changes_and_nobody_is_looked_at_in_between() {
    let mut board = three();
    board.alive(at(0), "ann", 1, desk(true));
    board.flush(at(0));
    let mut now = at(0);
    let mut states = Vec::new();
    for _ in 0..120 {
        now = at(now.ms().unsigned_abs() + 10_000);
        if now <= at(1_000_000) {
            board.alive(now, "ann", 1, desk(false));
        }
        for presence in told(&mut board, now).remove(&2).unwrap_or_default() {
            states.push((now.ms() / 1000, presence["state"].clone()));
        }
    }
    let expected = [
        (300, json!("inactive")),
        (900, json!("away")),
        (1050, json!("offline")),
    ];
    assert_eq!(states, expected);
    assert_eq!(board.next(), None, "an offline person has no timer");
}

#[test]
fn an_own_device_sees_the_own_wish() {
    let mut board = three();
    board.alive(at(0), "ann", 1, desk(true));
    board.flush(at(0));
    board.choose(at(1_000), "ann", wish(Choice::AppearOffline, at(1_000)));
    let hidden = told(&mut board, at(1_100));
    let offline = json!({"user": "ann", "state": "offline", "class": "offline"});
    assert_eq!(hidden[&2], [offline]);
    assert_eq!(hidden[&1][0]["choice"], "appear_offline");
}

#[test]
fn an_own_device_sees_when_it_is_back_in_office() {
    let mut board = three();
    board.alive(at(0), "ann", 1, desk(true));
    let away = |until| OutOfOffice {
        since: at(0),
        until,
        text: Some("at the fair".into()),
    };
    board.out_of_office(at(0), "ann", Some(away(None)));
    board.flush(at(0));
    board.out_of_office(at(1_000), "ann", Some(away(Some(at(900_000)))));
    let later = told(&mut board, at(1_100));
    assert_eq!(
        later.keys().collect::<Vec<_>>(),
        [&1],
        "nobody else sees it"
    );
    assert_eq!(later[&1][0]["oof_until"], at(900_000).ms());
    assert_eq!(later[&1][0].get("until"), None);
}

#[test]
fn a_level_that_changes_shows_at_once_and_to_nobody_else() {
    let mut board = three();
    board.alive(at(0), "ann", 1, desk(true));
    board.flush(at(0));
    board.rules(at(1_000), "ann", rules("eve", Level::Blocked));
    let changed = told(&mut board, at(1_100));
    assert_eq!(changed.keys().collect::<Vec<_>>(), [&3]);
    assert_eq!(changed[&3][0]["state"], "offline");
    board.rules(at(2_000), "ann", Rules::default());
    assert_eq!(told(&mut board, at(2_100))[&3][0]["state"], "available");
}

/// Whatever a person does, a blocked watcher hears nothing, and what it asks for reads like somebody who never signed in.
#[test]
fn a_blocked_watcher_hears_nothing_at_all() {
    let mut board = three();
    board.rules(at(0), "ann", rules("eve", Level::Blocked));
    board.flush(at(0));
    let mut now = 0;
    let mut heard = 0;
    let mut step = |board: &mut Board| {
        now += 7_000;
        heard += told(board, at(now)).contains_key(&3) as usize;
        let seen = board.view(at(now), "ann", &viewer("eve"));
        let nobody = board.view(at(now), "zoe", &viewer("eve"));
        assert_eq!(*seen, nobody.replace("zoe", "ann"));
        at(now)
    };
    let now = step(&mut board);
    board.alive(now, "ann", 1, desk(true));
    let now = step(&mut board);
    board.note(now, "ann", Some("here".into()));
    let now = step(&mut board);
    board.choose(now, "ann", wish(Choice::DoNotDisturb, now));
    let now = step(&mut board);
    let conference = Engaged {
        engagement: Engagement::Conference,
        since: now,
        until: None,
        presenting: Some(now),
        subject: Some("Budget".into()),
    };
    board.engaged(now, "ann", "p_1", conference);
    let now = step(&mut board);
    board.left(now, "ann", "p_1");
    board.sign_out(now, "ann", 1);
    step(&mut board);
    step(&mut board);
    assert_eq!(heard, 0);
}

#[test]
fn a_tagged_contact_is_told_once_and_only_when_it_lasts() {
    let mut board = three();
    board.watch(at(0), 2, "ann", Reason::Tagged);
    board.alive(at(0), "ann", 1, desk(true));
    board.choose(at(0), "ann", wish(Choice::Busy, at(0)));
    board.flush(at(0));
    let flip = |board: &mut Board, now, choice| {
        board.choose(at(now), "ann", wish(choice, at(now)));
        board.flush(at(now));
    };
    let alerts = |board: &mut Board, now| {
        board.alive(at(now), "ann", 1, desk(true));
        let (told, _) = board.flush(at(now));
        told.iter()
            .map(|told| (told.watcher, told.tagged.len()))
            .filter(|(_, count)| *count > 0)
            .collect::<Vec<_>>()
    };
    flip(&mut board, 1_000, Choice::Available);
    flip(&mut board, 3_000, Choice::Busy);
    flip(&mut board, 4_000, Choice::Available);
    assert_eq!(alerts(&mut board, 6_100), [], "it has flickered");
    assert_eq!(board.next(), Some(at(9_000)));
    assert_eq!(alerts(&mut board, 9_000), [(2, 1)]);
    assert_eq!(alerts(&mut board, 20_000), []);
}

#[test]
fn whoever_is_forgotten_takes_no_room() {
    let mut board = three();
    board.alive(at(0), "ann", 1, desk(true));
    board.flush(at(0));
    for watcher in 1..4 {
        board.go(watcher);
    }
    board.sign_out(at(1), "ann", 1);
    board.flush(at(2));
    assert_eq!(board.counts(), (0, 0, 0));
    assert_eq!(board.next(), None);
}

#[test]
fn reasons_to_watch_add_up() {
    let mut board = three();
    board.watch(at(0), 2, "ann", Reason::Asked);
    assert_eq!(board.watched(2, Reason::Asked), 1);
    board.unwatch(2, "ann", Reason::Contact);
    board.alive(at(0), "ann", 1, desk(true));
    assert!(told(&mut board, at(1)).contains_key(&2));
    board.unwatch(2, "ann", Reason::Asked);
    assert_eq!(board.watched(2, Reason::Asked), 0);
}

#[test]
fn levels_go_by_user_then_domain_then_role() {
    let rules = Rules {
        users: [("eve".to_owned(), Level::Team)].into(),
        domains: [("example.org".to_owned(), Level::Personal)].into(),
    };
    assert_eq!(rules.level(&viewer("eve")), Level::Team);
    assert_eq!(rules.level(&viewer("bob")), Level::Personal);
    let stranger = Viewer {
        domain: None,
        ..viewer("x")
    };
    assert_eq!(rules.level(&stranger), Level::Company);
    let guest = Viewer {
        colleague: false,
        ..stranger
    };
    assert_eq!(rules.level(&guest), Level::Public);
}
