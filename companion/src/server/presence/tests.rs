#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::presence::DeviceKind;
use crate::presence::board::{Alive, Reason};
use crate::server::hub::Hub;

/// Resident memory, bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// 10,000 connected people who watch a hundred others each: what a watcher takes, and how long one change needs to all.
#[tokio::test]
async fn ten_thousand_watchers_take_thirty_kib_each_at_most() {
    const PEOPLE: usize = 10_000;
    const CONTACTS: usize = 100;
    let before = resident();
    let hub = Hub::default();
    let presence = Presence::new(Vec::new());
    let mut inlets = Vec::new();
    for number in 0..PEOPLE {
        let user = format!("01J{number:023}");
        let (outlet, inlet) = hub.come(&user, "session");
        inlets.push(inlet);
        let id = outlet.id;
        presence.with(|state| state.outlets.insert(id, outlet));
        presence.board(|board, now| {
            let viewer = Viewer {
                user: user.as_str().into(),
                domain: Some("example.org".into()),
                colleague: true,
            };
            board.come(id, viewer);
            let alive = Alive {
                kind: DeviceKind::Browser,
                active: true,
                full_screen: false,
            };
            board.alive(now, &user, id, alive);
            for contact in 0..CONTACTS {
                // Everybody watches the first; the others are spread.
                let other = (number * contact * 7 + contact) % PEOPLE;
                board.watch(now, id, &format!("01J{other:023}"), Reason::Contact);
            }
        });
    }
    presence.tell();
    for inlet in &mut inlets {
        while let Ok(_frame) = tokio::time::timeout(Duration::ZERO, inlet.next()).await {}
    }
    let each = resident().saturating_sub(before) / PEOPLE;
    let started = clock::instant();
    let first = format!("01J{:023}", 0);
    assert!(presence.wish(&first, Some((Choice::Busy, None))));
    presence.tell();
    let fan_out = clock::instant().saturating_duration_since(started);
    let mut told = 0;
    for inlet in &mut inlets {
        if let Ok(Some(frame)) = tokio::time::timeout(Duration::ZERO, inlet.next()).await {
            told += usize::from(frame.text.as_str().contains("busy"));
        }
    }
    eprintln!(
        "a watcher of {CONTACTS} takes {each} bytes; one change to {told} watchers takes {fan_out:?}"
    );
    assert_eq!(told, PEOPLE);
    assert!(each <= 30 * 1024, "{each} bytes");
}
