//! Guessers: from however many addresses, a conference's PINs are tried so often and no more, and those inside notice nothing.

use std::net::Ipv4Addr;

use anyhow::ensure;
use plenum_tests::attendee::{Line, join, until};
use plenum_tests::server::Server;
use plenum_tests::workspace;
use serde_json::{Value, json};

use crate::stage::{SOON, Stage};

/// What `pin` gets from another address each time.
async fn knocks(server: &Server, conference: &str, pin: &str, place: u8) -> Value {
    let from = Ipv4Addr::new(127, 0, 9, place);
    let mut line = Line::open_from(server.http, from).await.unwrap();
    line.say(&join(conference, "Eve", Some(pin))).await.unwrap();
    let answer = line.hear().await.unwrap().unwrap();
    match answer["code"].as_str() {
        Some(code) => json!(code),
        None => answer["type"].clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_was_guessed_at_is_shut_to_all_who_come_by_it_and_stays_so_over_a_restart() {
    let folder = workspace::scratch("attendees-guessing").unwrap();
    let server = Server::start(&folder, 10).unwrap();
    let conference = server.conference("Guessed").unwrap();
    let stage = Stage { server, conference };
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    let id = stage.conference.id.clone();
    let pin = stage.conference.guest_pin.clone();
    for place in 1..=20 {
        let wrong = knocks(&stage.server, &id, "000000", place).await;
        assert_eq!(wrong, "wrong_pin");
    }
    until("word to the host", SOON, || {
        ensure!(host.bot.view().guessed == [600]);
        Ok(())
    })
    .await
    .unwrap();
    // The right PIN gets the same words as a wrong one, whether it is known to be right (the host's) or not.
    assert_eq!(knocks(&stage.server, &id, &pin, 21).await, "wrong_pin");
    let known = &stage.conference.host_pin;
    assert_eq!(knocks(&stage.server, &id, known, 22).await, "wrong_pin");
    let other = stage.server.conference("Beside").unwrap();
    let beside = knocks(&stage.server, &other.id, &other.guest_pin, 23).await;
    assert_eq!(beside, "joined");
    assert_eq!(host.bot.view().ended, None);

    let Stage { server, .. } = stage;
    server.kill();
    let server = Server::start(&folder, 10).unwrap();
    assert_eq!(knocks(&server, &id, &pin, 24).await, "wrong_pin");
    let path = format!("/conferences/{id}");
    let rotate = |body: Value| server.rest("PATCH", &path, &body).unwrap().0;
    assert_eq!(rotate(json!({ "guest_pin": "12" })), 422);
    assert_eq!(rotate(json!({ "guest_pin": "730911" })), 204);
    assert_eq!(knocks(&server, &id, "730911", 25).await, "joined");
    assert_eq!(knocks(&server, &id, &pin, 26).await, "wrong_pin");
}
