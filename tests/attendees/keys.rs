//! A host on a soft phone rules by its keys, and hears the answers alone.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{SOON, Stage};

/// The phone's voice; it mutes itself before anybody listens.
const PHONE: f64 = 1_447.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_the_phone_rules_by_keys_and_hears_the_answers_alone() {
    let rows = "\n[conference]\nkeys = [\"#8 deny-all\"]\n";
    let stage = Stage::open_with("attendees-keys", rows).unwrap();
    let bob = stage.enter(&stage.guest(), 1, false).await.unwrap();
    let folder = scratch("host-keys").unwrap();
    let microphone = folder.join("voice.wav");
    let voice = sine(PHONE, -20.0, 90.0, 48_000);
    voice.write(&microphone).unwrap();
    let mut phone = Baresip::start(&folder, &microphone, "pcmu/8000/1").unwrap();
    let uri = format!("sip:plenum@{}", stage.server.sip);
    phone.dial(&uri).unwrap();
    let digits = format!("{}#{}#", stage.conference.id, stage.conference.host_pin);
    phone.key(&digits).unwrap();
    let id = until("the phone inside", Duration::from_secs(30), || {
        let view = bob.bot.view();
        let phone = view.roster.iter().find(|(_, it)| it.kind == "phone");
        let (id, phone) = phone.ok_or_else(|| anyhow::anyhow!("not in"))?;
        ensure!(phone.role == "host");
        Ok(id.clone())
    })
    .await
    .unwrap();
    let seen = |what: &'static str, test: fn(&plenum_tests::attendee::View, &str) -> bool| {
        let (bot, id) = (&bob.bot, id.clone());
        async move {
            until(what, SOON, || {
                ensure!(test(&bot.view(), &id), "{:?}", bot.view());
                Ok(())
            })
            .await
            .unwrap();
        }
    };
    phone.key("*6").unwrap();
    seen("the phone's mute", |view, id| view.roster[id].muted).await;
    phone.key("*5").unwrap();
    seen("the phone's hand", |view, id| view.roster[id].hand).await;
    phone.key("*7").unwrap();
    seen("the lock", |view, _| view.locked).await;
    phone.key("*7").unwrap();
    seen("the lock's end", |view, _| !view.locked).await;

    phone.key("*4").unwrap();
    seen("the audience's mute", |view, _| {
        view.audience_muted && view.roster[&view.participant].muted
    })
    .await;
    bob.bot.mute(false).await.unwrap();
    seen("the refusal", |view, _| view.errors == ["forbidden"]).await;
    assert!(bob.bot.view().roster[&bob.bot.id()].muted);
    phone.key("*4").unwrap();
    seen("the end of it", |view, _| !view.audience_muted).await;
    assert!(
        bob.bot.view().roster[&bob.bot.id()].muted,
        "by oneself only"
    );
    bob.bot.mute(false).await.unwrap();
    seen("Bob's own unmute", |view, _| {
        !view.roster[&view.participant].muted
    })
    .await;

    let path = format!("/conferences/{}", stage.conference.id);
    let lobby = json!({ "lobby": "guests" });
    assert_eq!(stage.server.rest("PATCH", &path, &lobby).unwrap().0, 204);
    let cleo = stage.enter(&stage.guest(), 2, false).await.unwrap();
    assert_eq!(cleo.bot.view().waits_for.as_deref(), Some("host"));
    phone.key("*8").unwrap();
    until("Cleo inside", SOON, || {
        ensure!(cleo.bot.view().waits_for.is_none());
        Ok(())
    })
    .await
    .unwrap();

    let dan = stage.enter(&stage.guest(), 3, false).await.unwrap();
    assert_eq!(dan.bot.view().waits_for.as_deref(), Some("host"));
    phone.key("#8").unwrap();
    until("Dan turned away", SOON, || {
        ensure!(dan.bot.view().ended.as_deref() == Some("denied"));
        Ok(())
    })
    .await
    .unwrap();

    // Nobody speaks: the help is heard by the phone alone.
    bob.bot.mute(true).await.unwrap();
    cleo.bot.mute(true).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    phone.key("*1").unwrap();
    sleep(Duration::from_secs(1)).await;
    bob.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(5)).await;
    let others = bob.bot.peer.senses.heard().loudness();
    assert!(others < -55.0, "Bob hears the help at {others:.1} dB");
    let heard = phone.hang_up().unwrap();
    let help = heard.last(5.0).unwrap().loudness();
    assert!(help > -35.0, "the phone hears the help at {help:.1} dB");
}
