//! Who does not hear all, or is not heard by all: on hold, softer, aside, whispering.

use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_codecs::wav;
use plenum_tests::attendee::until;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, hear_each_other};

/// Not heard: below this, in dB of full scale.
const SILENT: f64 = -65.0;

/// What `listener` hears of each of `talkers` over a second and a half, in dB, once things have settled.
async fn levels(listener: &Actor, talkers: &[&Actor]) -> Result<Vec<f64>> {
    sleep(Duration::from_secs(1)).await;
    listener.bot.peer.senses.forget_sound();
    let heard = listener.bot.peer.senses.heard_of(1.5).await?;
    let level = |talker: &&Actor| heard.level(talker.tone);
    talkers.iter().map(level).collect()
}

/// Asks, and waits until `watcher` sees what came of it.
async fn order(host: &Actor, watcher: &Actor, message: Value) -> Result<()> {
    let before = watcher.bot.view().changes;
    host.bot.say(message).await?;
    until("the change", SOON, || {
        let view = watcher.bot.view();
        ensure!(view.changes > before, "{:?}", view.errors);
        Ok(())
    })
    .await
}

async fn three() -> Result<(Stage, Actor, Actor, Actor)> {
    let stage = Stage::open("attendees-apart")?;
    let host = stage.enter(&stage.host(), 0, false).await?;
    let bob = stage.enter(&stage.guest(), 1, false).await?;
    let cleo = stage.enter(&stage.guest(), 2, false).await?;
    hear_each_other(&[&host, &bob, &cleo]).await?;
    Ok((stage, host, bob, cleo))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_makes_somebody_softer_and_holds_them_with_music() {
    let (_stage, host, bob, cleo) = three().await.unwrap();
    let before = levels(&cleo, &[&host, &bob]).await.unwrap();
    let gain = json!({ "type": "gain_participant", "participant": bob.bot.id(), "db": -12 });
    order(&host, &cleo, gain).await.unwrap();
    let after = levels(&cleo, &[&host, &bob]).await.unwrap();
    assert!((after[0] - before[0]).abs() < 1.0, "{before:?} {after:?}");
    let softer = before[1] - after[1];
    assert!((11.0..13.0).contains(&softer), "{softer} dB softer");

    let hold = |on| json!({ "type": "hold_participant", "participant": bob.bot.id(), "on": on });
    order(&host, &cleo, hold(true)).await.unwrap();
    let others = levels(&cleo, &[&host, &bob]).await.unwrap();
    assert!(others[1] < SILENT, "held and heard: {others:?}");
    let rms = bob.bot.peer.senses.heard().loudness();
    assert!((-45.0..-20.0).contains(&rms), "music at {rms:.1} dB");
    order(&host, &cleo, hold(false)).await.unwrap();
    let back = levels(&bob, &[&host, &cleo]).await.unwrap();
    assert!(back.iter().all(|level| *level > -40.0), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_is_heard_by_all() {
    let (stage, host, bob, _cleo) = three().await.unwrap();
    let mut pcm = Vec::new();
    plenum_codecs::tone::Tone::new(2_100.0, 3_000.0).extend(4 * 48_000, &mut pcm);
    let wav = wav::write(&pcm).unwrap();
    let conference = stage.conference.clone();
    let server = &stage.server;
    tokio::task::block_in_place(|| server.announce(&conference, &wav)).unwrap();
    sleep(Duration::from_secs(1)).await;
    for actor in [&host, &bob] {
        actor.bot.peer.senses.forget_sound();
    }
    for actor in [&host, &bob] {
        let heard = actor.bot.peer.senses.heard_of(1.5).await.unwrap();
        let level = heard.level(2_100.0).unwrap();
        assert!(level > -40.0, "{} hears it at {level} dB", actor.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_talk_aside_hear_each_other_and_the_third_hears_neither() {
    let (_stage, ann, bob, cleo) = three().await.unwrap();
    let usual = levels(&bob, &[&ann, &cleo]).await.unwrap();
    let aside = json!({ "type": "side_open", "participants": [ann.bot.id(), bob.bot.id()], "hear_room": true });
    order(&ann, &cleo, aside).await.unwrap();
    let bobs = levels(&bob, &[&ann, &cleo]).await.unwrap();
    assert!((bobs[0] - usual[0]).abs() < 1.0, "Ann: {usual:?} {bobs:?}");
    let room = usual[1] - bobs[1];
    assert!((13.0..17.0).contains(&room), "the room is {room} dB softer");
    let cleos = levels(&cleo, &[&ann, &bob]).await.unwrap();
    assert!(cleos.iter().all(|level| *level < SILENT), "{cleos:?}");
    order(&bob, &cleo, json!({ "type": "side_leave" }))
        .await
        .unwrap();
    hear_each_other(&[&ann, &bob, &cleo]).await.unwrap();

    // Ann coaches Bob: he hears her on top of Cleo, who does not hear Ann.
    let whisper = json!({ "type": "whisper", "to": bob.bot.id(), "on": true });
    ann.bot.say(whisper).await.unwrap();
    let bobs = levels(&bob, &[&ann, &cleo]).await.unwrap();
    for (now, before) in bobs.iter().zip(&usual) {
        assert!((now - before).abs() < 1.0, "{usual:?} {bobs:?}");
    }
    let cleos = levels(&cleo, &[&ann, &bob]).await.unwrap();
    assert!(cleos[0] < SILENT && cleos[1] > -40.0, "{cleos:?}");

    // Bob interprets; Cleo listens to him, with the original behind.
    ann.bot
        .say(json!({ "type": "whisper", "to": bob.bot.id(), "on": false }))
        .await
        .unwrap();
    let open = json!({ "type": "channel_open", "name": "Polski", "interpreter": bob.bot.id() });
    ann.bot.say(open).await.unwrap();
    let anns = levels(&ann, &[&bob, &cleo]).await.unwrap();
    assert!(anns[0] < SILENT && anns[1] > -40.0, "{anns:?}");
    order(&cleo, &ann, json!({ "type": "listen", "channel": 1 }))
        .await
        .unwrap();
    let cleos = levels(&cleo, &[&ann, &bob]).await.unwrap();
    let behind = cleos[1] - cleos[0];
    assert!((10.0..14.0).contains(&behind), "{behind} dB behind");
}
