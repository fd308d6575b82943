//! Phones go from one conference to another by the API: no hang-up, no gap, and what was muted stays so.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage};

const PHONE: f64 = 1_447.0;

/// The phone's id in the actor's conference.
async fn phone_of(actor: &Actor) -> String {
    until(
        "the phone in the conference",
        Duration::from_secs(30),
        || {
            let view = actor.bot.view();
            let found = view
                .roster
                .iter()
                .find(|(_, person)| person.kind == "phone");
            let (id, _) = found.context("no phone")?;
            Ok(id.clone())
        },
    )
    .await
    .unwrap()
}

/// Waits until the actor sees that the participant is muted, or is not.
async fn see_muted(actor: &Actor, participant: &str, on: bool) {
    let what = if on {
        "the mute"
    } else {
        "the end of the mute"
    };
    until(what, SOON, || {
        let view = actor.bot.view();
        let person = view.roster.get(participant);
        ensure!(person.is_some_and(|person| person.muted == on));
        Ok(())
    })
    .await
    .unwrap();
}

fn heard_of(actor: &Actor) -> plenum_tests::tone::Recording {
    actor.bot.peer.senses.heard()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_moved_is_heard_there_and_comes_back_muted() {
    let mut stage = Stage::open("moving").unwrap();
    let other = stage.server.conference("elsewhere").unwrap();
    let ann = stage.enter(&stage.host(), 0, false).await.unwrap();
    let here = std::mem::replace(&mut stage.conference, other.clone());
    let bob = stage.enter(&stage.host(), 1, false).await.unwrap();
    let folder = scratch("moving-phone").unwrap();
    let microphone = folder.join("voice.wav");
    sine(PHONE, -20.0, 120.0, 48_000)
        .write(&microphone)
        .unwrap();
    let mut phone = Baresip::start(&folder, &microphone, "pcmu/8000/1").unwrap();
    phone
        .dial(&format!("sip:plenum@{}", stage.server.sip))
        .unwrap();
    phone
        .key(&format!("{}#{}#", here.id, here.guest_pin))
        .unwrap();
    let id = phone_of(&ann).await;

    let path =
        |conference: &str, id: &str| format!("/conferences/{conference}/participants/{id}/move");
    let post = |path: &str, to: &str| {
        let body = json!({ "conference": to });
        stage.server.rest("POST", path, &body).unwrap().0
    };
    assert_eq!(post(&path(&here.id, "nobody"), &other.id), 404);
    assert_eq!(post(&path(&here.id, &id), "999999999"), 404);
    assert_eq!(post(&path(&here.id, &id), &here.id), 409);
    let browser = ann.bot.view().roster;
    let browser = browser.iter().find(|(_, person)| person.kind == "browser");
    assert_eq!(post(&path(&here.id, browser.unwrap().0), &other.id), 409);
    sleep(Duration::from_secs(1)).await;
    let mute =
        |id: &str, on: bool| json!({"type": "mute_participant", "participant": id, "on": on});
    ann.bot.say(mute(&id, true)).await.unwrap();
    see_muted(&ann, &id, true).await;

    assert_eq!(post(&path(&here.id, &id), &other.id), 204);
    let there = phone_of(&bob).await;
    // Muted by a host, it can be unmuted by one, wherever it is.
    see_muted(&bob, &there, true).await;
    bob.bot.say(mute(&there, false)).await.unwrap();
    see_muted(&bob, &there, false).await;
    until("the phone gone from the first", SOON, || {
        ensure!(ann.bot.view().roster.len() == 1);
        Ok(())
    })
    .await
    .unwrap();
    phone.check_in_call().unwrap();
    // Keys are of the new conference.
    sleep(Duration::from_millis(1_500)).await;
    ann.bot.peer.senses.forget_sound();
    bob.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(3)).await;
    judge("Bob", &heard_of(&bob), bob.tone, &[PHONE]).unwrap();
    let alone = heard_of(&ann).loudness();
    assert!(alone < -55.0, "Ann, alone, hears {alone:.1} dB");
    phone.key("*6").unwrap();
    see_muted(&bob, &there, true).await;

    // Back, and Bob's conference ends: the phone's does not.
    assert_eq!(post(&path(&other.id, &there), &here.id), 204);
    let back = phone_of(&ann).await;
    see_muted(&ann, &back, true).await;
    bob.bot.say(json!({"type": "end"})).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    phone.check_in_call().unwrap();
    let heard = phone.hang_up().unwrap();
    judge("the phone", &heard.last(2.0).unwrap(), PHONE, &[ann.tone]).unwrap();
    until("the call's end", SOON, || {
        let left = stage.alive("plenum_calls")?;
        ensure!(left < 0.5, "{left}");
        Ok(())
    })
    .await
    .unwrap();
}
