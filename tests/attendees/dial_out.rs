//! Hosts and the API call phones: whoever presses 1 is in, and whatever else happens is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage};

/// The phone's voice, Hz.
pub(crate) const PHONE: f64 = 1_447.0;
pub(crate) const NUMBER: &str = "3015550123";

/// A folder for the phone, and its voice in it.
pub(crate) fn voice(name: &str) -> (PathBuf, PathBuf) {
    let folder = scratch(&format!("{name}-phone")).unwrap();
    let microphone = folder.join("voice.wav");
    sine(PHONE, -20.0, 120.0, 48_000)
        .write(&microphone)
        .unwrap();
    (folder, microphone)
}

/// A phone of that number, and a server whose only way out leads to it.
pub(crate) fn set_up(name: &str, picks_up: bool, more: &str) -> (Stage, Baresip) {
    let (folder, microphone) = voice(name);
    let phone = Baresip::start_as(&folder, &microphone, NUMBER, picks_up).unwrap();
    let stage = Stage::open_with(name, &config(&phone, more)).unwrap();
    (stage, phone)
}

pub(crate) fn config(phone: &Baresip, more: &str) -> String {
    format!(
        "\n[dial_out]\nallow = [\"3\"]\nring_seconds = 6\n{more}\n[[sip.trunks]]\nname = \"pbx\"\naddresses = [\"127.0.0.1\"]\n\
         outbound = true\nproxy = \"{}\"\ncaller_id = \"4930\"\n",
        phone.sip
    )
}

/// Orders a call by the page's messages.
async fn call(host: &Actor, number: &str, name: Option<&str>) {
    let mut message = json!({"type": "call_phone", "number": number});
    if let Some(name) = name {
        message["name"] = json!(name);
    }
    host.bot.say(message).await.unwrap();
}

/// Waits until the last call is in this state; gives its id.
pub(crate) async fn becomes(host: &Actor, wanted: &str) -> String {
    let what = format!("a call that is {wanted}");
    until(&what, Duration::from_secs(20), || {
        let view = host.bot.view();
        let (call, _, state) = view.calls.last().context("no call")?;
        ensure!(
            state == wanted,
            "{:?}, errors {:?}",
            view.calls,
            view.errors
        );
        Ok(call.clone())
    })
    .await
    .unwrap()
}

pub(crate) async fn roster_has(host: &Actor, name: &str, there: bool) {
    until(name, SOON, || {
        let view = host.bot.view();
        let found = view.roster.values().any(|person| person.name == name);
        ensure!(found == there, "{:?}", view.roster);
        Ok(())
    })
    .await
    .unwrap();
}

/// Nothing of any call is left.
pub(crate) async fn leaves_nothing(stage: &Stage) {
    until("the calls' end", Duration::from_secs(10), || {
        for metric in ["plenum_calls", "plenum_trunk_calls"] {
            let left = stage.alive(metric)?;
            ensure!(left < 0.5, "{metric} {left}");
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_presses_1_is_on_the_roster_and_heard_both_ways() {
    let (stage, mut phone) = set_up("dial-out", true, "");
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    // Neither the lock nor the lobby is for whom a host calls.
    host.bot
        .say(json!({"type": "lock", "on": true}))
        .await
        .unwrap();
    host.bot
        .say(json!({"type": "lobby", "on": true}))
        .await
        .unwrap();
    call(&host, NUMBER, Some("Zoe")).await;
    becomes(&host, "answered").await;
    phone.wait_established(SOON).unwrap();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(host.bot.view().roster.len(), 1, "not before the key");
    phone.key("2").unwrap();
    assert_eq!(host.bot.view().roster.len(), 1, "not by another key");
    phone.key("1").unwrap();
    becomes(&host, "joined").await;
    roster_has(&host, "Zoe", true).await;
    let zoe = host
        .bot
        .view()
        .roster
        .values()
        .find(|it| it.name == "Zoe")
        .cloned();
    let zoe = zoe.unwrap();
    assert_eq!((zoe.kind.as_str(), zoe.role.as_str()), ("phone", "guest"));
    sleep(Duration::from_millis(1_500)).await;
    host.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(4)).await;
    let heard = host.bot.peer.senses.heard();
    judge(host.name, &heard, host.tone, &[PHONE]).unwrap();
    let heard = phone.hang_up().unwrap();
    judge("Zoe", &heard.last(3.0).unwrap(), PHONE, &[host.tone]).unwrap();
    roster_has(&host, "Zoe", false).await;
    becomes(&host, "ended").await;
    leaves_nothing(&stage).await;
    let log = stage.server.log_tail();
    assert!(!log.contains(NUMBER), "the number is in the log:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_behind_a_trunk_of_handshakes_is_offered_one_and_is_heard_both_ways() {
    let name = "dial-out-dtls";
    let (folder, microphone) = voice(name);
    let mut phone = Baresip::start_as_secret(&folder, &microphone, NUMBER).unwrap();
    let config = config(&phone, "") + "srtp = \"dtls\"\n";
    let stage = Stage::open_with(name, &config).unwrap();
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    call(&host, NUMBER, None).await;
    becomes(&host, "answered").await;
    phone.wait_established(SOON).unwrap();
    sleep(Duration::from_secs(1)).await;
    phone.key("1").unwrap();
    becomes(&host, "joined").await;
    sleep(Duration::from_millis(1_500)).await;
    host.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(4)).await;
    let heard = host.bot.peer.senses.heard();
    judge(host.name, &heard, host.tone, &[PHONE]).unwrap();
    let log = phone.log();
    assert!(log.contains("DTLS-SRTP complete (audio/RTP)"), "{log}");
    let heard = phone.hang_up().unwrap();
    judge("the phone", &heard.last(3.0).unwrap(), PHONE, &[host.tone]).unwrap();
    becomes(&host, "ended").await;
    leaves_nothing(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_no_answer_and_second_thoughts_are_told() {
    let (stage, mut phone) = set_up("dial-out-refused", false, "");
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();

    call(&host, NUMBER, None).await;
    becomes(&host, "ringing").await;
    phone.wait_ringing(SOON).unwrap();
    phone.decline().unwrap();
    let busy = becomes(&host, "busy").await;
    let name = host.bot.view().calls[0].1.clone();
    assert_eq!(name, "30155•••23", "a number is shown in part");

    host.bot
        .say(json!({"type": "call_again", "call": busy}))
        .await
        .unwrap();
    becomes(&host, "ringing").await;
    assert_eq!(host.bot.view().calls.len(), 1, "in place of the first");
    becomes(&host, "no_answer").await;
    phone.wait_closed(SOON).unwrap();
    phone.forget();

    call(&host, NUMBER, Some("Zoe")).await;
    let third = becomes(&host, "ringing").await;
    host.bot
        .say(json!({"type": "call_cancel", "call": third}))
        .await
        .unwrap();
    becomes(&host, "cancelled").await;
    phone.wait_closed(SOON).unwrap();
    host.bot
        .say(json!({"type": "call_cancel", "call": third}))
        .await
        .unwrap();
    until("the call's row is gone", SOON, || {
        ensure!(
            host.bot.view().calls.len() == 1,
            "{:?}",
            host.bot.view().calls
        );
        Ok(())
    })
    .await
    .unwrap();

    // There is no such number at that phone.
    call(&host, "3095550199", None).await;
    becomes(&host, "unreachable").await;
    leaves_nothing(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_hosts_call_and_only_what_is_allowed_and_so_many_at_once() {
    let (stage, mut phone) = set_up("dial-out-guard", false, "calls_per_conference = 1");
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    let guest = stage.enter(&stage.guest(), 1, false).await.unwrap();
    call(&guest, NUMBER, None).await;
    call(&host, "900123", None).await;
    call(&host, "Ann", None).await;
    until("the refusals", SOON, || {
        let (guest, host) = (guest.bot.view().errors, host.bot.view().errors);
        ensure!(
            guest == ["forbidden"] && host == ["forbidden", "bad_message"],
            "{guest:?} {host:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    assert!(host.bot.view().calls.is_empty());
    call(&host, NUMBER, None).await;
    becomes(&host, "ringing").await;
    assert!(guest.bot.view().calls.is_empty(), "guests are not told");
    call(&host, NUMBER, None).await;
    until("the third refusal", SOON, || {
        ensure!(
            host.bot.view().errors.len() == 3,
            "{:?}",
            host.bot.view().errors
        );
        Ok(())
    })
    .await
    .unwrap();
    phone.wait_ringing(SOON).unwrap();
    // The conference's end takes the call back.
    host.bot.say(json!({"type": "end"})).await.unwrap();
    phone.wait_closed(SOON).unwrap();
    leaves_nothing(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_calls_phones_and_a_voice_mail_never_gets_in() {
    let (stage, mut phone) = set_up("dial-out-api", true, "");
    let path = format!("/conferences/{}/calls", stage.conference.id);
    let order = json!({"number": "301 555-0123", "name": "Zoe"});
    let (status, _) = stage.server.rest("POST", &path, &order).unwrap();
    assert_eq!(status, 409, "nobody is in the conference");
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    host.bot.mute(true).await.unwrap();
    let (status, body) = stage.server.rest("POST", &path, &order).unwrap();
    assert_eq!(status, 202, "{body}");
    let id = body["call"].as_str().unwrap().to_owned();
    phone.wait_established(SOON).unwrap();
    // The words are heard by the phone alone: three times, then goodbye.
    sleep(Duration::from_secs(1)).await;
    host.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(2)).await;
    let others = host.bot.peer.senses.heard().loudness();
    assert!(
        others < -55.0,
        "the host hears the invitation at {others:.1} dB"
    );
    phone.wait_closed(Duration::from_secs(45)).unwrap();
    let listed = |stage: &Stage| stage.server.rest("GET", &path, &Value::Null).unwrap().1;
    becomes(&host, "not_confirmed").await;
    let calls = listed(&stage);
    assert_eq!(calls["calls"][0]["state"], "not_confirmed", "{calls}");
    assert_eq!(host.bot.view().roster.len(), 1);
    let (status, _) = stage
        .server
        .rest("DELETE", &format!("{path}/{id}"), &Value::Null)
        .unwrap();
    assert_eq!(status, 204);
    assert_eq!(listed(&stage)["calls"], json!([]));
    let (status, _) = stage
        .server
        .rest("DELETE", &format!("{path}/{id}"), &Value::Null)
        .unwrap();
    assert_eq!(status, 404);
    let (status, _) = stage
        .server
        .rest("POST", &path, &json!({"number": "+1900"}))
        .unwrap();
    assert_eq!(status, 409);
    leaves_nothing(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_the_phone_calls_by_keys_and_hears_alone_what_becomes_of_it() {
    let (stage, mut called) = set_up("dial-out-keys", false, "");
    let bob = stage.enter(&stage.host(), 1, false).await.unwrap();
    bob.bot.mute(true).await.unwrap();
    let folder = scratch("dial-out-keys-host").unwrap();
    let silence = folder.join("silence.wav");
    sine(PHONE, -90.0, 120.0, 48_000).write(&silence).unwrap();
    let mut phone = start(&folder, &silence);
    phone
        .dial(&format!("sip:plenum@{}", stage.server.sip))
        .unwrap();
    let digits = format!("{}#{}#", stage.conference.id, stage.conference.host_pin);
    phone.key(&digits).unwrap();
    until("the phone inside", Duration::from_secs(30), || {
        ensure!(bob.bot.view().roster.len() == 2);
        Ok(())
    })
    .await
    .unwrap();
    phone.key("*0").unwrap();
    phone.key(&format!("{NUMBER}#")).unwrap();
    becomes(&bob, "ringing").await;
    called.wait_ringing(SOON).unwrap();
    sleep(Duration::from_secs(2)).await;
    bob.bot.peer.senses.forget_sound();
    called.decline().unwrap();
    becomes(&bob, "busy").await;
    sleep(Duration::from_millis(2_500)).await;
    let others = bob.bot.peer.senses.heard().loudness();
    assert!(others < -55.0, "Bob hears the answer at {others:.1} dB");
    let heard = phone.hang_up().unwrap();
    let words = heard.last(2.5).unwrap().loudness();
    assert!(words > -40.0, "who asked hears the answer at {words:.1} dB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_the_phone_hands_its_place_to_another_phone_and_a_guest_may_not() {
    let (stage, mut called) = set_up("refer", true, "confirm = false");
    let bob = stage.enter(&stage.host(), 1, false).await.unwrap();
    let there = |expected: usize| {
        let bot = &bob.bot;
        async move {
            until("so many people", Duration::from_secs(30), || {
                let view = bot.view();
                ensure!(view.roster.len() == expected, "{:?}", view.roster);
                Ok(())
            })
            .await
            .unwrap();
        }
    };
    let conference = &stage.conference;
    for (pin, may) in [(&conference.guest_pin, false), (&conference.host_pin, true)] {
        let folder = scratch(&format!("refer-phone-{may}")).unwrap();
        let microphone = folder.join("microphone.wav");
        sine(PHONE, -90.0, 120.0, 48_000)
            .write(&microphone)
            .unwrap();
        let mut phone = start(&folder, &microphone);
        phone
            .dial(&format!("sip:plenum@{}", stage.server.sip))
            .unwrap();
        phone.key(&format!("{}#{pin}#", conference.id)).unwrap();
        there(2).await;
        phone.transfer(&format!("sip:{NUMBER}@127.0.0.1")).unwrap();
        if may {
            becomes(&bob, "joined").await;
            // It hangs up by itself when it hears that the other is in.
            phone.wait_closed(SOON).unwrap();
            called.wait_established(SOON).unwrap();
            until("the other in its place", SOON, || {
                let view = bob.bot.view();
                let other = view.roster.values().any(|it| it.name == "30155•••23");
                ensure!(view.roster.len() == 2 && other, "{:?}", view.roster);
                Ok(())
            })
            .await
            .unwrap();
        } else {
            sleep(Duration::from_secs(2)).await;
            phone.check_in_call().unwrap();
            assert!(
                bob.bot.view().calls.is_empty(),
                "{:?}",
                bob.bot.view().calls
            );
            phone.hang_up().unwrap();
            there(1).await;
        }
    }
    called.hang_up().unwrap();
    becomes(&bob, "ended").await;
    leaves_nothing(&stage).await;
}

pub(crate) fn start(folder: &Path, microphone: &Path) -> Baresip {
    Baresip::start(folder, microphone, "pcmu/8000/1").unwrap()
}
