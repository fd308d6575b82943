//! The control plane of a whole server in this process, driven as clients do: WebSocket, REST, SIP.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;
mod crowd;
mod pins;
mod ruling;

use std::time::{Duration, Instant};

use serde_json::json;

use client::{Client, Folder, conference, request, rest, start};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story from end to end")]
async fn people_join_see_each_other_and_a_host_rules() {
    let folder = Folder::new("rules");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", " Ann\u{0} ", "1111").await;
    let mut bob = Client::connect(server.http).await;
    let joined = bob.attempt("4711", "Bob", json!({ "pin": "9999" })).await;
    assert_eq!(joined["role"], "host");
    let names: Vec<_> = joined["roster"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Ann", "Bob"]);
    assert_eq!(joined["roster"][0]["presence"], "in_conference");
    let sip = server.sip.unwrap();
    assert_eq!(joined["dial_in"]["sip"], format!("sip:4711@{sip}"));
    let came = ann.hear(&["participant_joined"]).await;
    assert_eq!(came["participant"]["id"], bob.id);

    // A guest may not rule.
    for message in [
        json!({ "type": "lock", "on": true }),
        json!({ "type": "end" }),
        json!({ "type": "remove", "participant": bob.id }),
        json!({ "type": "mute_participant", "participant": bob.id, "on": true }),
    ] {
        ann.say(message).await;
        assert_eq!(ann.hear(&["error"]).await["code"], "forbidden");
    }
    // The host mutes her: she may lift it, and whoever muted themselves is left alone.
    bob.say(json!({ "type": "mute_participant", "participant": ann.id, "on": true }))
        .await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["muted"],
        true
    );
    ann.say(json!({ "type": "mute", "on": false })).await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["muted"],
        false
    );
    ann.say(json!({ "type": "mute", "on": true })).await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["muted"],
        true
    );
    bob.say(json!({ "type": "mute_participant", "participant": ann.id, "on": false }))
        .await;
    assert_eq!(bob.hear(&["error"]).await["code"], "forbidden");
    // Cameras ask others for slots.
    ann.say(json!({ "type": "hand", "on": true })).await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["hand"],
        true
    );

    // Locked: guests stay out, hosts do not.
    bob.say(json!({ "type": "lock", "on": true })).await;
    assert_eq!(
        ann.hear(&["conference"]).await["conference"]["locked"],
        true
    );
    let mut carl = Client::connect(server.http).await;
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "pin": "1111" })).await["code"],
        "locked"
    );
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "pin": "9999" })).await["type"],
        "joined"
    );
    let (_, shown) = rest(
        server.http,
        &folder.0,
        "GET",
        "/api/v1/conferences/4711",
        None,
    )
    .await;
    assert_eq!(
        (shown["participants"].as_u64(), shown["locked"].as_bool()),
        (Some(3), Some(true))
    );

    // Presence of a participant, until it leaves.
    let path = format!("/api/v1/presence/{}", ann.id);
    assert_eq!(
        rest(server.http, &folder.0, "GET", &path, None).await.1["presence"],
        "in_conference"
    );
    let wish = json!({ "manual": "do_not_disturb" });
    assert_eq!(
        rest(server.http, &folder.0, "PUT", &path, Some(wish))
            .await
            .1["presence"],
        "do_not_disturb"
    );
    assert_eq!(
        bob.hear(&["participant_changed"]).await["participant"]["id"],
        ann.id
    );

    bob.say(json!({ "type": "remove", "participant": ann.id }))
        .await;
    assert_eq!(ann.hear(&["ended"]).await["reason"], "removed");
    let left = bob.hear(&["participant_left"]).await;
    assert_eq!(
        (left["participant"].as_str(), left["reason"].as_str()),
        (Some(ann.id.as_str()), Some("removed"))
    );
    assert_eq!(
        rest(server.http, &folder.0, "GET", &path, None).await.1["presence"],
        "offline"
    );
    carl.say(json!({ "type": "end" })).await;
    assert_eq!(bob.hear(&["ended"]).await["reason"], "conference_ended");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_tells_nothing_to_those_who_guess() {
    let folder = Folder::new("door");
    let server = start(&folder.0, "[conference]\nmax_participants = 2\n").await;
    conference(server.http, &folder.0).await;
    let mut eve = Client::connect(server.http).await;
    let wrong = eve.attempt("4711", "Eve", json!({ "pin": "0000" })).await;
    let unknown = eve.attempt("4712", "Eve", json!({ "pin": "0000" })).await;
    assert_eq!(
        (&wrong, wrong["code"].as_str()),
        (&unknown, Some("wrong_pin"))
    );
    assert_eq!(
        eve.attempt("4711", "Eve", json!({})).await["code"],
        "wrong_pin"
    );
    assert_eq!(
        eve.attempt("nowhere", "Eve", json!({ "pin": "0000" }))
            .await["code"],
        "conference_unknown"
    );
    eve.say(json!({ "type": "leave" })).await;
    assert_eq!(eve.hear(&["error"]).await["code"], "not_joined");

    // Two wrong attempts slow the third answer down, right or wrong.
    let before = Instant::now();
    let _ann = Client::join(server.http, "4711", "Ann", "1111").await;
    assert!(
        before.elapsed() >= Duration::from_millis(500),
        "{:?}",
        before.elapsed()
    );
    let _bob = Client::join(server.http, "4711", "Bob", "1111").await;
    let mut carl = Client::connect(server.http).await;
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "pin": "1111" })).await["code"],
        "full"
    );
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "version": 2 })).await["code"],
        "unsupported_version"
    );
    carl.say(json!({ "type": "join", "version": 1 })).await;
    assert_eq!(carl.hear(&["error"]).await["code"], "bad_message");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_in_time_has_the_same_place_and_who_does_not_leaves_the_roster() {
    let folder = Folder::new("resume");
    let server = start(&folder.0, "[conference]\nresume_grace_seconds = 3\n").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let bob = Client::join(server.http, "4711", "Bob", "1111").await;
    ann.hear(&["participant_joined"]).await;
    let (id, secret) = (bob.id.clone(), bob.resume.clone());
    drop(bob);
    let mut bob = Client::connect(server.http).await;
    let joined = bob
        .attempt("4711", "Bob", json!({ "resume": secret }))
        .await;
    assert_eq!(joined["participant"], id, "{joined}");
    assert_ne!(joined["resume"], secret);
    // The old secret is spent; without a PIN it opens nothing.
    let mut thief = Client::connect(server.http).await;
    assert_eq!(
        thief
            .attempt("4711", "Thief", json!({ "resume": secret }))
            .await["code"],
        "wrong_pin"
    );
    // A second connection with the right secret replaces the first.
    let mut again = Client::connect(server.http).await;
    let secret = bob.resume.clone();
    assert_eq!(
        again
            .attempt("4711", "Bob", json!({ "resume": secret }))
            .await["participant"],
        id
    );
    assert_eq!(bob.hear(&["ended"]).await["reason"], "replaced");
    drop(again);
    let gone = Instant::now();
    let left = ann.hear(&["participant_joined", "participant_left"]).await;
    assert_eq!(
        (left["participant"].as_str(), left["reason"].as_str()),
        (Some(id.as_str()), Some("lost")),
        "{left}"
    );
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(6)).contains(&gone.elapsed()),
        "{:?}",
        gone.elapsed()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_the_door_is_bounded_and_keeps_nobody_out_who_is_in() {
    const PLACES: usize = 256;
    let folder = Folder::new("crowd");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let mut crowd = Vec::new();
    for _ in 0..PLACES {
        crowd.push(Client::connect(server.http).await);
    }
    let url = format!("ws://{}/api/v1/signal", server.http);
    match tokio_tungstenite::connect_async(&url).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => {
            assert_eq!(refused.status(), 503);
        }
        other => panic!("one too many was not refused: {other:?}"),
    }
    ann.say(json!({ "type": "ping" })).await;
    ann.hear(&["pong"]).await;
    // Whoever joins makes room for the next.
    let answer = crowd[0]
        .attempt("4711", "Bob", json!({ "pin": "1111" }))
        .await;
    assert_eq!(answer["type"], "joined", "{answer}");
    crowd.push(Client::connect(server.http).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_leaves_the_roster_within_twenty_seconds() {
    let folder = Folder::new("silent");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    // Its socket stays open but nobody reads it: pings are not answered.
    let silent = Client::join(server.http, "4711", "Silent", "1111").await;
    ann.hear(&["participant_joined"]).await;
    let since = Instant::now();
    let left = ann.hear(&["participant_left"]).await;
    assert_eq!(
        (left["participant"].as_str(), left["reason"].as_str()),
        (Some(silent.id.as_str()), Some("lost"))
    );
    assert!(
        since.elapsed() <= Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story from end to end")]
async fn rest_makes_lists_and_forgets_conferences_and_a_token_opens_one() {
    let folder = Folder::new("rest");
    let server = start(&folder.0, "").await;
    let (status, problem) = request(server.http, None, "GET", "/api/v1/conferences", None).await;
    assert_eq!((status, problem["status"].as_u64()), (401, Some(401)));
    let bad = json!({ "name": "x", "id": "12ab" });
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "POST",
            "/api/v1/conferences",
            Some(bad)
        )
        .await
        .0,
        422
    );
    let unknown = json!({ "name": "x", "pin": "1234" });
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "POST",
            "/api/v1/conferences",
            Some(unknown)
        )
        .await
        .0,
        422
    );
    conference(server.http, &folder.0).await;
    let again = json!({ "name": "Other", "id": "4711" });
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "POST",
            "/api/v1/conferences",
            Some(again)
        )
        .await
        .0,
        409
    );
    let (_, list) = rest(server.http, &folder.0, "GET", "/api/v1/conferences", None).await;
    assert_eq!(list["conferences"][0]["id"], "4711");
    assert!(!list.to_string().contains("argon2"));

    let wanted = json!({ "role": "host", "name": "Dora", "user": "dora@example.org" });
    let (status, token) = rest(
        server.http,
        &folder.0,
        "POST",
        "/api/v1/conferences/4711/tokens",
        Some(wanted),
    )
    .await;
    assert_eq!(status, 201);
    let mut dora = Client::connect(server.http).await;
    let joined = dora
        .attempt("4711", "somebody", json!({ "token": token["token"] }))
        .await;
    assert_eq!(
        (
            joined["role"].as_str(),
            joined["roster"][0]["name"].as_str()
        ),
        (Some("host"), Some("Dora"))
    );
    let (_, presence) = rest(
        server.http,
        &folder.0,
        "GET",
        "/api/v1/presence/dora@example.org",
        None,
    )
    .await;
    assert_eq!(
        (presence["presence"].as_str(), presence["class"].as_str()),
        (Some("in_conference"), Some("busy"))
    );

    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "DELETE",
            "/api/v1/conferences/4711",
            None
        )
        .await
        .0,
        204
    );
    assert_eq!(dora.hear(&["ended"]).await["reason"], "conference_ended");
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "GET",
            "/api/v1/conferences/4711",
            None
        )
        .await
        .0,
        404
    );
    let (_, description) = request(server.http, None, "GET", "/api/v1/openapi.json", None).await;
    assert!(description["paths"]["/api/v1/conferences/{id}/tokens"]["post"].is_object());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_goodbye_and_conferences_outlive_it() {
    let folder = Folder::new("stop");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(ann.hear(&["ended"]).await["reason"], "server_stopping");
    drop(ann);
    tokio::time::timeout(Duration::from_secs(10), stopping)
        .await
        .unwrap()
        .unwrap();
    let server = start(&folder.0, "").await;
    let _ann = Client::join(server.http, "4711", "Ann", "1111").await;
    server.stop().await;
}
