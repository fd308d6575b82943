//! The lobby: nobody there hears or sees anybody, and hosts decide who comes in; the same for browsers and phones.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::pcap::Performance;
use plenum_tests::sipp::Calls;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, hear_each_other, sees};

/// Louder than this a tone is heard.
const HEARD: f64 = -45.0;
/// The tone of the phone.
const PHONE: f64 = 787.0;

fn patch(stage: &Stage, body: &Value) -> u16 {
    let path = format!("/conferences/{}", stage.conference.id);
    stage.server.rest("PATCH", &path, body).unwrap().0
}

async fn waits(actor: &Actor, what_for: Option<&str>) -> Result<()> {
    until(&format!("where {} is", actor.name), SOON, || {
        let waits = actor.bot.view().waits_for;
        ensure!(waits.as_deref() == what_for, "waits for {waits:?}");
        Ok(())
    })
    .await
}

async fn listed(host: &Actor, names: &[&str]) -> Result<()> {
    until("the list of who waits", SOON, || {
        let lobby = host.bot.view().lobby;
        let listed: Vec<&str> = lobby.iter().map(|(_, name)| name.as_str()).collect();
        ensure!(listed == names, "{listed:?} wait");
        Ok(())
    })
    .await
}

/// Everybody listens for two seconds; nobody may hear any of the tones.
async fn hear_none(ears: &[&Actor], tones: &[f64]) -> Result<()> {
    sleep(Duration::from_secs(1)).await;
    for actor in ears {
        actor.bot.peer.senses.forget_sound();
    }
    sleep(Duration::from_secs(2)).await;
    for actor in ears {
        let heard = actor.bot.peer.senses.heard();
        for tone in tones {
            let level = heard.level(*tone)?;
            ensure!(
                level < HEARD,
                "{} hears {tone} Hz at {level:.1} dB",
                actor.name
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_wait_unheard_and_unseen_until_a_host_lets_them_in() {
    let stage = Stage::open("attendees-lobby").unwrap();
    assert_eq!(patch(&stage, &json!({ "lobby": "guests" })), 204);
    let host = stage.enter(&stage.host(), 0, true).await.unwrap();
    let bob = stage.enter(&stage.guest(), 1, true).await.unwrap();
    let cleo = stage.enter(&stage.guest(), 2, true).await.unwrap();
    waits(&bob, Some("host")).await.unwrap();
    listed(&host, &["Bob", "Cleo"]).await.unwrap();
    assert_eq!(host.bot.view().roster.len(), 1);
    assert!(bob.bot.view().roster.is_empty());
    hear_none(&[&host, &bob, &cleo], &[host.tone, bob.tone, cleo.tone])
        .await
        .unwrap();
    assert!(bob.bot.peer.senses.persons().is_empty(), "Bob sees nobody");
    assert!(host.bot.peer.senses.persons().is_empty(), "nobody is seen");
    let music = cleo.bot.peer.senses.heard().loudness();
    assert!((-45.0..-20.0).contains(&music), "music at {music:.1} dB");

    // Who waits orders nothing.
    let admit = |who: &Actor| json!({ "type": "admit", "participant": who.bot.id() });
    bob.bot.say(admit(&bob)).await.unwrap();
    until("the refusal", SOON, || {
        ensure!(bob.bot.view().errors == ["forbidden"]);
        Ok(())
    })
    .await
    .unwrap();
    host.bot.say(admit(&bob)).await.unwrap();
    waits(&bob, None).await.unwrap();
    listed(&host, &["Cleo"]).await.unwrap();
    hear_each_other(&[&host, &bob]).await.unwrap();
    sees(&host, &[&bob]).await.unwrap();
    sees(&bob, &[&host]).await.unwrap();

    let back = json!({ "type": "send_to_lobby", "participant": bob.bot.id() });
    host.bot.say(back).await.unwrap();
    waits(&bob, Some("host")).await.unwrap();
    listed(&host, &["Cleo", "Bob"]).await.unwrap();
    let left = host.bot.view().left;
    assert_eq!(left, [(bob.bot.id(), "lobby".to_owned())]);
    hear_none(&[&host, &bob], &[host.tone, bob.tone])
        .await
        .unwrap();

    let deny = json!({ "type": "deny", "participant": cleo.bot.id() });
    host.bot.say(deny).await.unwrap();
    until("Cleo's end", SOON, || {
        let ended = cleo.bot.view().ended;
        ensure!(ended.as_deref() == Some("denied"), "{ended:?}");
        Ok(())
    })
    .await
    .unwrap();
    host.bot.say(json!({ "type": "admit_all" })).await.unwrap();
    waits(&bob, None).await.unwrap();
    listed(&host, &[]).await.unwrap();
    hear_each_other(&[&host, &bob]).await.unwrap();
    sees(&host, &[&bob]).await.unwrap();

    // Without a lobby the next comes in at once; what was set is kept.
    let off = json!({ "type": "lobby", "on": false });
    host.bot.say(off).await.unwrap();
    let dan = stage.enter(&stage.guest(), 3, false).await.unwrap();
    assert_eq!(dan.bot.view().waits_for, None);
    let path = format!("/conferences/{}", stage.conference.id);
    let (_, shown) = stage.server.rest("GET", &path, &Value::Null).unwrap();
    assert_eq!(shown["lobby"], "guests");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_wait_for_the_leader_and_the_conference_ends_after_it_has_left() {
    let stage = Stage::open("attendees-leader").unwrap();
    let manners = json!({ "wait_for_leader": true, "end_with_leader_seconds": 3 });
    assert_eq!(patch(&stage, &manners), 204);
    let mut bob = stage.enter(&stage.guest(), 1, false).await.unwrap();
    waits(&bob, Some("leader")).await.unwrap();
    // A connection that is lost meanwhile costs nobody the place.
    let id = bob.bot.id();
    bob.bot.cut();
    bob.bot.resume().await.unwrap();
    assert_eq!(
        (bob.bot.id(), bob.bot.view().waits_for.is_some()),
        (id, true)
    );
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    waits(&bob, None).await.unwrap();
    hear_each_other(&[&host, &bob]).await.unwrap();
    let left = Instant::now();
    host.bot.leave().await.unwrap();
    until("the end", SOON, || {
        let ended = bob.bot.view().ended;
        ensure!(ended.as_deref() == Some("leader_left"), "{ended:?}");
        Ok(())
    })
    .await
    .unwrap();
    let stayed = left.elapsed();
    assert!(stayed >= Duration::from_millis(2_900), "{stayed:?}");
    until("an empty server", SOON, || {
        let rooms = stage.alive("plenum_media_rooms")?;
        ensure!(rooms == 0.0, "{rooms} rooms");
        Ok(())
    })
    .await
    .unwrap();
}

/// A phone calls, hears music, is let in and then sent back.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_waits_with_music_is_let_in_and_sent_back() {
    let stage = Stage::open("attendees-lobby-phone").unwrap();
    assert_eq!(patch(&stage, &json!({ "wait_for_leader": true })), 204);
    let digits = format!("{}#{}#", stage.conference.id, stage.conference.guest_pin);
    let phone = Calls {
        server: stage.server.sip,
        number: "plenum",
        count: 1,
        per_second: 1,
        stay_seconds: 46,
        performance: Performance {
            lead_ms: 1000,
            digits: &digits,
            tones: false,
            tone: (PHONE, -20.0),
            rise: 0.0,
            seconds: 40,
        },
    }
    .start(&scratch("lobby-phone").unwrap())
    .unwrap();
    let path = format!("/conferences/{}/lobby", stage.conference.id);
    let waiting = until("the phone in the lobby", Duration::from_secs(30), || {
        let (_, body) = stage.server.rest("GET", &path, &Value::Null)?;
        let waiting = body["waiting"][0].clone();
        ensure!(waiting["kind"] == "phone", "{body}");
        Ok(waiting)
    })
    .await
    .unwrap();
    assert_eq!(waiting["waits_for"], "leader");
    sleep(Duration::from_secs(8)).await;
    let host = stage.enter(&stage.host(), 2, false).await.unwrap();
    until("the phone inside", SOON, || {
        ensure!(host.bot.view().roster.len() == 2);
        Ok(())
    })
    .await
    .unwrap();
    sleep(Duration::from_secs(5)).await;
    host.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(2)).await;
    let level = host.bot.peer.senses.heard().level(PHONE).unwrap();
    assert!(level > -35.0, "the host hears the phone at {level:.1} dB");
    let back = json!({ "type": "send_to_lobby", "participant": waiting["id"] });
    host.bot.say(back).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    host.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(2)).await;
    let level = host.bot.peer.senses.heard().level(PHONE).unwrap();
    assert!(level < HEARD, "the host hears the lobby at {level:.1} dB");
    let finish = tokio::task::spawn_blocking(move || phone.finish(Duration::from_secs(60)));
    let mut ears = finish.await.unwrap().unwrap();
    let heard = ears.remove(0).finish().unwrap();
    let seconds = heard.samples.len() as f64 / 8_000.0;
    let starts = (0..).map(|half| f64::from(half) / 2.0);
    let inside: Vec<f64> = starts
        .take_while(|from| from + 1.0 < seconds)
        .filter(|from| {
            let level = heard.between(*from, 1.0).unwrap().level(host.tone);
            level.unwrap() > -35.0
        })
        .collect();
    eprintln!("the host is heard at {inside:?} s of {seconds:.1} s");
    let (from, to) = (inside[0], inside[inside.len() - 1]);
    assert!((5.0..14.0).contains(&(to - from)), "{inside:?}");
    let before = heard.between(from - 4.0, 3.0).unwrap().loudness();
    assert!((-45.0..-15.0).contains(&before), "music at {before:.1} dB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_phone_that_is_not_let_in_is_told_so_and_hung_up() {
    let stage = Stage::open("attendees-lobby-denied").unwrap();
    assert_eq!(patch(&stage, &json!({ "lobby": "guests" })), 204);
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    let folder = scratch("lobby-denied").unwrap();
    let microphone = folder.join("voice.wav");
    let voice = sine(PHONE, -20.0, 60.0, 48_000);
    voice.write(&microphone).unwrap();
    let mut phone = Baresip::start(&folder, &microphone, "pcmu/8000/1").unwrap();
    let uri = format!("sip:plenum@{}", stage.server.sip);
    phone.dial(&uri).unwrap();
    let digits = format!("{}#{}#", stage.conference.id, stage.conference.guest_pin);
    phone.key(&digits).unwrap();
    let waiting = until("the phone in the lobby", Duration::from_secs(30), || {
        let lobby = host.bot.view().lobby;
        ensure!(lobby.len() == 1, "{lobby:?}");
        Ok(lobby[0].0.clone())
    })
    .await
    .unwrap();
    let deny = json!({ "type": "deny", "participant": waiting });
    host.bot.say(deny).await.unwrap();
    listed(&host, &[]).await.unwrap();
    tokio::task::spawn_blocking(move || phone.wait_closed(Duration::from_secs(15)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(host.bot.view().roster.len(), 1);
}
