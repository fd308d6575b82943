//! One person by page and phone: one in the roster, heard by phone, seen by the page, muted by either.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use plenum_tests::attendee::{Line, Person, View, join, until};
use plenum_tests::baresip::Baresip;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, hear_each_other, sees};

/// The phone's voice.
const PHONE: f64 = 1_447.0;
/// What counts as not heard, in dB.
const NOTHING: f64 = -60.0;

fn phone(folder: &Path, stage: &Stage) -> Baresip {
    let microphone = folder.join("voice.wav");
    sine(PHONE, -20.0, 120.0, 48_000)
        .write(&microphone)
        .unwrap();
    let mut phone = Baresip::start(folder, &microphone, "pcmu/8000/1").unwrap();
    phone
        .dial(&format!("sip:plenum@{}", stage.server.sip))
        .unwrap();
    phone
}

/// Waits until `test` holds of what `viewer` is shown of `name`.
async fn shown(viewer: &Actor, name: &str, what: &str, test: impl Fn(&Person) -> bool) {
    until(what, Duration::from_secs(25), || {
        let view = viewer.bot.view();
        let person = view.person(name)?;
        ensure!(test(person), "{person:?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// How loud each tone is for `listener` in the next 1.5 s that it hears, in dB.
async fn levels<const N: usize>(listener: &Actor, tones: [f64; N]) -> [f64; N] {
    sleep(Duration::from_secs(1)).await;
    listener.bot.peer.senses.forget_sound();
    let heard = listener.bot.peer.senses.heard_of(1.5).await.unwrap();
    tones.map(|tone| heard.level(tone).unwrap())
}

async fn own_pin(actor: &Actor) -> String {
    actor
        .bot
        .say(json!({"type": "phone_pin", "on": true}))
        .await
        .unwrap();
    until("a PIN of one's own", SOON, || {
        actor.bot.view().phone_pin.context("none yet")
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_with_a_pin_of_their_own_is_heard_by_phone_and_seen_by_the_page() {
    let stage = Stage::open("attendees-pairing").unwrap();
    let cast = stage.cast(2).await.unwrap();
    let [ann, bob] = &cast[..] else { panic!("two") };
    hear_each_other(&[ann, bob]).await.unwrap();
    let pin = own_pin(ann).await;
    assert_eq!(pin.len(), 8);

    let folder = scratch("pairing-phone").unwrap();
    let mut phone = phone(&folder, &stage);
    phone
        .key(&format!("{}#{pin}#", stage.conference.id))
        .unwrap();
    shown(bob, "Ann", "Ann on the phone", |ann| ann.by_phone).await;
    assert_eq!(bob.bot.view().roster.len(), 2, "one person, one entry");
    sleep(Duration::from_secs(4)).await;

    let [voice, page] = levels(bob, [PHONE, ann.tone]).await;
    assert!(voice > -40.0, "Bob hears Ann's phone at {voice} dB");
    assert!(page < NOTHING, "Bob hears Ann's page at {page} dB");
    let [heard] = levels(ann, [bob.tone]).await;
    assert!(heard < NOTHING, "Ann's page hears Bob at {heard} dB");
    sees(bob, &[ann]).await.unwrap();
    sees(ann, &[bob]).await.unwrap();

    // Muted by the keys of one and by the button of the other.
    phone.key("*6").unwrap();
    shown(ann, "Ann", "the phone's mute on Ann's page", |ann| {
        ann.muted
    })
    .await;
    let [voice] = levels(bob, [PHONE]).await;
    assert!(voice < NOTHING, "muted, Ann's phone is heard at {voice} dB");
    ann.bot.mute(false).await.unwrap();
    shown(bob, "Ann", "the page's unmute", |ann| !ann.muted).await;
    let [voice] = levels(bob, [PHONE]).await;
    assert!(voice > -40.0, "Bob hears Ann's phone at {voice} dB");
    shown(bob, "Ann", "Ann talking", |ann| ann.talking).await;

    // Who hangs up is still there, hears by the page, and is not heard before she wants to be.
    let recording = phone.hang_up().unwrap();
    let bobs = recording.last(2.0).unwrap().level(bob.tone).unwrap();
    assert!(bobs > -40.0, "the phone hears Bob at {bobs} dB");
    shown(bob, "Ann", "Ann without a phone", |ann| {
        !ann.by_phone && ann.muted
    })
    .await;
    let [page] = levels(bob, [ann.tone]).await;
    assert!(page < NOTHING, "unasked, Bob hears Ann's page at {page} dB");
    ann.bot.mute(false).await.unwrap();
    hear_each_other(&[ann, bob]).await.unwrap();
    assert_eq!(bob.bot.view().left, []);

    // Taken back, the PIN is as wrong as any.
    ann.bot
        .say(json!({"type": "phone_pin", "on": false}))
        .await
        .unwrap();
    until("no PIN", SOON, || {
        ensure!(ann.bot.view().phone_pin.is_none());
        Ok(())
    })
    .await
    .unwrap();
    let mut line = Line::open(stage.server.http).await.unwrap();
    let attempt = join(&stage.conference.id, "Eve", Some(&pin));
    line.say(&attempt).await.unwrap();
    // Each look at a PIN takes three argon2.
    let refused = line.expect("error", 2 * SOON).await.unwrap();
    assert_eq!(refused["code"], "wrong_pin");
}

/// The page of user `zoe`, without media.
async fn page(stage: &Stage) -> Result<(Line, Value)> {
    let path = format!("/conferences/{}/tokens", stage.conference.id);
    let wanted = json!({"role": "guest", "name": "Zoe Page", "user": "zoe"});
    let (status, made) = stage.server.rest("POST", &path, &wanted)?;
    ensure!(status == 201, "{made}");
    let mut line = Line::open(stage.server.http).await?;
    let mut message = join(&stage.conference.id, "Zoe", None);
    message["token"] = made["token"].clone();
    line.say(&message).await?;
    let joined = line.expect("joined", SOON).await?;
    Ok((line, joined))
}

fn ids(view: &View) -> Vec<&String> {
    view.roster.keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_with_a_personal_pin_and_the_page_that_follows_are_one_and_either_may_leave() {
    let stage = Stage::open("attendees-pairing-page").unwrap();
    let cast = stage.cast(1).await.unwrap();
    let bob = &cast[0];
    let path = format!("/conferences/{}/pins", stage.conference.id);
    let wanted = json!({"user": "zoe", "name": "Zoe Phone", "role": "host"});
    let (status, made) = stage.server.rest("POST", &path, &wanted).unwrap();
    assert_eq!((status, made["role"].as_str()), (201, Some("host")));
    let digits = made["digits"].as_str().unwrap();
    let (_, listed) = stage.server.rest("GET", &path, &Value::Null).unwrap();
    assert_eq!(listed["pins"][0]["user"], "zoe");
    assert_eq!(listed["pins"][0]["digits"], Value::Null);

    let folder = scratch("pairing-page-phone").unwrap();
    let mut phone = phone(&folder, &stage);
    phone
        .key(&format!("{}#{digits}#", stage.conference.id))
        .unwrap();
    let is_host = |zoe: &Person| zoe.kind == "phone" && zoe.role == "host" && !zoe.by_phone;
    shown(bob, "Zoe Phone", "Zoe on the phone", is_host).await;
    let before = bob.bot.view();

    // Shut to guests, but Zoe is in already.
    phone.key("*7").unwrap();
    until("the lock", SOON, || {
        ensure!(bob.bot.view().locked);
        Ok(())
    })
    .await
    .unwrap();
    let (mut line, joined) = page(&stage).await.unwrap();
    assert_eq!(joined["role"], "host", "the phone's PIN is a host's");
    shown(bob, "Zoe Page", "Zoe's page", |zoe| {
        zoe.kind == "browser" && zoe.by_phone
    })
    .await;
    assert_eq!(ids(&bob.bot.view()), ids(&before), "the same place");
    assert_eq!(bob.bot.view().came.len(), before.came.len());
    line.say(&json!({"type": "mute", "on": true}))
        .await
        .unwrap();
    shown(bob, "Zoe Page", "Zoe's mute", |zoe| zoe.muted).await;
    line.say(&json!({"type": "mute", "on": false}))
        .await
        .unwrap();
    let [voice] = levels(bob, [PHONE]).await;
    assert!(voice > -40.0, "Bob hears Zoe's phone at {voice} dB");

    line.say(&json!({"type": "leave"})).await.unwrap();
    shown(bob, "Zoe Page", "Zoe by phone alone", is_host).await;
    let [voice] = levels(bob, [PHONE]).await;
    assert!(voice > -40.0, "Bob hears Zoe's phone at {voice} dB");
    assert_eq!(ids(&bob.bot.view()), ids(&before));

    // Removed, both are gone.
    let (mut line, joined) = page(&stage).await.unwrap();
    let path = format!("/conferences/{}", stage.conference.id);
    let zoe = joined["participant"].as_str().unwrap();
    let path = format!("{path}/participants/{zoe}");
    assert_eq!(
        stage.server.rest("DELETE", &path, &Value::Null).unwrap().0,
        204
    );
    assert_eq!(
        line.expect("ended", SOON).await.unwrap()["reason"],
        "removed"
    );
    phone.wait_closed(SOON).unwrap();
    until("one left", SOON, || {
        ensure!(bob.bot.view().roster.len() == 1);
        Ok(())
    })
    .await
    .unwrap();
    until("one leg", SOON, || {
        let legs = stage.alive("plenum_media_legs")?;
        ensure!((legs - 1.0).abs() < 0.5, "{legs} legs");
        Ok(())
    })
    .await
    .unwrap();
}
