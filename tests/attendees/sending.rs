//! Hosts and the API send a phone elsewhere (REFER): it leaves when it has got there, and stays whatever else happens.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::text_phone::TextPhone;
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::dial_out::{NUMBER, PHONE, becomes, config, leaves_nothing, set_up, start, voice};
use crate::stage::{Actor, SOON, Stage};

/// The voice of who is sent, Hz.
const CALLER: f64 = 1_171.0;

/// A phone in the conference by the guests' PIN, and its id.
async fn caller(stage: &Stage, host: &Actor, name: &str, level: f64) -> (Baresip, String) {
    let folder = scratch(&format!("{name}-caller")).unwrap();
    let microphone = folder.join("voice.wav");
    sine(CALLER, level, 120.0, 48_000)
        .write(&microphone)
        .unwrap();
    let mut phone = start(&folder, &microphone);
    phone
        .dial(&format!("sip:plenum@{}", stage.server.sip))
        .unwrap();
    let digits = format!("{}#{}#", stage.conference.id, stage.conference.guest_pin);
    phone.key(&digits).unwrap();
    (phone, inside(host).await)
}

/// The id of the phone that is in.
async fn inside(host: &Actor) -> String {
    until("the phone inside", Duration::from_secs(30), || {
        let roster = host.bot.view().roster;
        let phone = roster.iter().find(|(_, person)| person.kind == "phone");
        Ok(phone.context("no phone")?.0.clone())
    })
    .await
    .unwrap()
}

async fn alone(host: &Actor) {
    until("the phone gone", SOON, || {
        let roster = host.bot.view().roster;
        ensure!(roster.len() == 1, "{roster:?}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn errors(actor: &Actor, expected: &[&str]) {
    until("the refusals", SOON, || {
        let errors = actor.bot.view().errors;
        ensure!(errors == expected, "{errors:?}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn transfer(actor: &Actor, participant: &str, to: &str) {
    let message = json!({"type": "transfer", "participant": participant, "to": to});
    actor.bot.say(message).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_sent_to_another_and_leaves_when_that_has_answered() {
    let (stage, mut called) = set_up("send-away", true, "");
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    let (mut phone, id) = caller(&stage, &host, "send-away", -20.0).await;
    let guest = stage.enter(&stage.guest(), 1, false).await.unwrap();
    let to = format!("sip:{NUMBER}@{}", called.sip);

    // Not by guests, not to what may not be called or where no trunk leads, and no browser.
    transfer(&guest, &id, &to).await;
    errors(&guest, &["forbidden"]).await;
    guest.bot.leave().await.unwrap();
    for (participant, to) in [
        (id.as_str(), "900123"),
        (&id, "sip:900123@127.0.0.1"),
        (&id, &format!("sip:{NUMBER}@elsewhere.example")),
        (&id, "sip:ann@127.0.0.1"),
        (&id, "sip:"),
        ("nobody", NUMBER),
    ] {
        transfer(&host, participant, to).await;
    }
    let bad = "bad_message";
    let refused = ["forbidden", "forbidden", "forbidden", bad, bad, bad];
    errors(&host, &refused).await;
    assert!(host.bot.view().calls.is_empty());

    transfer(&host, &id, &to).await;
    becomes(&host, "transferred").await;
    called.wait_established(SOON).unwrap();
    alone(&host).await;
    phone.wait_closed(SOON).unwrap();
    sleep(Duration::from_secs(3)).await;
    let heard = called.hang_up().unwrap();
    judge("the other", &heard.last(2.0).unwrap(), PHONE, &[CALLER]).unwrap();
    leaves_nothing(&stage).await;
    let log = stage.server.log_tail();
    assert!(!log.contains(NUMBER), "the number is in the log:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_not_taken_there_is_in_as_before_and_alone_has_heard_of_it() {
    let (stage, mut called) = set_up("send-busy", false, "");
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    host.bot.mute(true).await.unwrap();
    let (phone, id) = caller(&stage, &host, "send-busy", -90.0).await;
    let path = format!(
        "/conferences/{}/participants/{id}/transfer",
        stage.conference.id
    );
    let post = |path: &str, to: &str| {
        let body = json!({ "to": to });
        stage.server.rest("POST", path, &body).unwrap()
    };
    sleep(Duration::from_secs(3)).await;
    host.bot.peer.senses.forget_sound();
    let to = format!("sip:{NUMBER}@{}", called.sip);
    let (status, body) = post(&path, &to);
    assert_eq!(status, 202, "{body}");
    assert_eq!(post(&path, &to).0, 503, "one at a time");
    let move_on = format!(
        "/conferences/{}/participants/{id}/move",
        stage.conference.id
    );
    let other = stage.server.conference("elsewhere").unwrap();
    let order = json!({ "conference": other.id });
    let (moved, _) = stage.server.rest("POST", &move_on, &order).unwrap();
    assert_eq!(moved, 503, "who is on their way is moved nowhere");
    called.wait_ringing(Duration::from_secs(15)).unwrap();
    called.decline().unwrap();
    becomes(&host, "busy").await;
    let calls = format!("/conferences/{}/calls", stage.conference.id);
    let (_, listed) = stage.server.rest("GET", &calls, &Value::Null).unwrap();
    assert_eq!(listed["calls"][0]["state"], "busy", "{listed}");
    assert!(listed["calls"][0]["transferred"].is_string(), "{listed}");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(inside(&host).await, id);
    let others = host.bot.peer.senses.heard().loudness();
    assert!(others < -55.0, "the host hears the words at {others:.1} dB");
    let conference = format!("/conferences/{}", stage.conference.id);
    for (path, to, expected) in [
        (
            format!("{conference}/participants/none/transfer"),
            NUMBER,
            404,
        ),
        (path.clone(), "+1900", 409),
        (path.clone(), "ann", 422),
    ] {
        assert_eq!(post(&path, to).0, expected, "{to}");
    }
    let heard = phone.hang_up().unwrap();
    let words = heard.last(5.0).unwrap().loudness();
    assert!(words > -45.0, "it hears that it is back at {words:.1} dB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_refuses_hears_first_and_then_that_it_is_back_and_one_that_tells_is_let_go() {
    let (folder, microphone) = voice("send-refused");
    let called = Baresip::start_as(&folder, &microphone, NUMBER, true).unwrap();
    let more = config(&called, "") + "direct = true\n";
    let stage = Stage::open_with("send-refused", &more).unwrap();
    let trunk = &stage.conference;
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    let (server, number) = (stage.server.sip, trunk.id.clone());
    let text = tokio::task::spawn_blocking(move || TextPhone::call(server, &number, "", CALLER));
    let mut text = text.await.unwrap().unwrap();
    let id = inside(&host).await;
    for (round, status) in ["603 Decline", "501 Not Implemented"]
        .into_iter()
        .enumerate()
    {
        transfer(&host, &id, NUMBER).await;
        text = tokio::task::spawn_blocking(move || {
            let refer = text.sent_away(status).unwrap();
            let to = format!("Refer-To: <sip:{NUMBER}@127.0.0.1>");
            assert!(refer.lines().any(|row| row == to), "{refer}");
            assert!(refer.contains("\r\nReferred-By: <sip:"), "{refer}");
            text
        })
        .await
        .unwrap();
        until("the refusal", SOON, || {
            let calls = host.bot.view().calls;
            ensure!(calls.len() == round + 1, "{calls:?}");
            ensure!(calls.iter().all(|it| it.2 == "refused"), "{calls:?}");
            Ok(())
        })
        .await
        .unwrap();
    }
    assert_eq!(inside(&host).await, id);
    transfer(&host, &id, NUMBER).await;
    let told = tokio::task::spawn_blocking(move || {
        text.sent_away("202 Accepted").unwrap();
        text.tell(2, "180 Ringing", false).unwrap();
        text
    });
    let mut text = told.await.unwrap();
    becomes(&host, "ringing").await;
    assert_eq!(inside(&host).await, id);
    tokio::task::spawn_blocking(move || {
        text.tell(3, "200 OK", true).unwrap();
        text.hung_up_on().unwrap();
    })
    .await
    .unwrap();
    becomes(&host, "transferred").await;
    alone(&host).await;
    leaves_nothing(&stage).await;
}
