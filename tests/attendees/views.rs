//! Cameras for one, the picture of all for another, no video for a third, in one conference.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use plenum_tests::attendee::{Mark, until};
use plenum_tests::video_phone::{BOTH_WAYS, VideoPhone};
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, at_rest, sees};

/// Cameras unless somebody wants something else; tiles of the picture in the shape of marks: 640x256 of 1280x720.
const CONFIG: &str = r#"
[[sip.trunks]]
name = "phones"
addresses = ["127.0.0.1"]
direct = true

[conference]
layout = "marks"

[[video.layouts]]
name = "marks"
grid = "40x45"
tiles = ["0,0,20,16", "20,0,20,16", "0,16,20,16", "20,16,20,16"]
"#;

const PHONE: u8 = 0x99;

/// The first three of the cast, or who is in their places, in the picture that `viewer` sees.
async fn sees_picture(viewer: &Actor, wanted: [Option<u8>; 3]) -> Result<()> {
    until(
        &format!("the picture that {} sees", viewer.name),
        SOON,
        || {
            let view = viewer.bot.view();
            let mid = view.slot_mids.first().context("no slot")?;
            ensure!(view.shown().is_empty(), "cameras: {:?}", view.video);
            let picture = viewer.bot.peer.senses.composite(mid);
            let picture = picture.context("no composite")?;
            let seen = [(0, 0), (640, 0), (0, 256)]
                .map(|corner| Mark::read_at(&picture, corner, 80).map(|mark| mark.person));
            ensure!(seen == wanted, "{seen:x?} of {wanted:x?}");
            Ok(())
        },
    )
    .await
}

async fn composites(stage: &Stage, wanted: f64) -> Result<()> {
    until("composers", SOON, || {
        let running = stage.alive("plenum_composites")?;
        ensure!((running - wanted).abs() < 0.5, "{running} run");
        Ok(())
    })
    .await
}

fn packets(viewer: &Actor) -> u64 {
    let sights = viewer.bot.peer.senses.sights();
    sights.values().map(|sight| sight.packets).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_what_they_choose_and_a_composer_runs_only_while_it_is_seen() {
    let stage = Stage::open_with("attendees-views", CONFIG).unwrap();
    let mut cast = Vec::new();
    for place in 0..3 {
        let ticket = if place == 0 {
            stage.host()
        } else {
            stage.guest()
        };
        cast.push(stage.enter(&ticket, place, true).await.unwrap());
    }
    let (ann, bob, cleo) = (&cast[0], &cast[1], &cast[2]);
    let all = [Some(ann.person), Some(bob.person), Some(cleo.person)];
    sees(ann, &[bob, cleo]).await.unwrap();
    composites(&stage, 0.0).await.unwrap();
    let decodes = stage.alive("plenum_composite_decodes_total").unwrap();
    assert!(decodes < 0.5, "{decodes} decoded in a room of cameras");

    // Cleo's own choice.
    let view = json!({ "type": "view", "view": "composite" });
    cleo.bot.say(view).await.unwrap();
    sees_picture(cleo, all).await.unwrap();
    composites(&stage, 1.0).await.unwrap();
    sees(ann, &[bob, cleo]).await.unwrap();
    sees(bob, &[ann, cleo]).await.unwrap();

    // What the host gives Bob, and he thinks better of.
    let given =
        |view| json!({ "type": "view_participant", "participant": bob.bot.id(), "view": view });
    bob.bot.say(given("nothing")).await.unwrap();
    ann.bot.say(given("nothing")).await.unwrap();
    until("nothing shown", SOON, || {
        ensure!(bob.bot.view().shown().is_empty(), "{:?}", bob.bot.view());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(bob.bot.view().errors, ["forbidden"]);
    let before = at_rest(|| packets(bob)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(packets(bob), before, "sent to who sees no video");
    sees_picture(cleo, all).await.unwrap();
    bob.bot.say(json!({ "type": "view" })).await.unwrap();
    sees(bob, &[ann, cleo]).await.unwrap();

    // The API gives everybody the picture, and Ann cameras; the choice outlives that.
    let path = format!("/conferences/{}", stage.conference.id);
    let patch = |path: &str, body| stage.server.rest("PATCH", path, &body).unwrap().0;
    assert_eq!(patch(&path, json!({ "composite": true })), 204);
    let ann_path = format!("{path}/participants/{}", ann.bot.id());
    assert_eq!(patch(&ann_path, json!({ "view": "cameras" })), 204);
    assert_eq!(patch(&ann_path, json!({ "view": "everything" })), 422);
    sees_picture(bob, all).await.unwrap();
    sees(ann, &[bob, cleo]).await.unwrap();
    assert_eq!(patch(&path, json!({ "composite": false })), 204);
    sees(bob, &[ann, cleo]).await.unwrap();
    sees_picture(cleo, all).await.unwrap();

    // Nobody wants it any more.
    let cleo_path = format!("{path}/participants/{}", cleo.bot.id());
    assert_eq!(patch(&cleo_path, json!({ "view": "default" })), 204);
    sees(cleo, &[ann, bob]).await.unwrap();
    composites(&stage, 0.0).await.unwrap();
    assert_eq!(cleo.bot.view().layout, None);
    let faults = stage.alive("plenum_composite_faults_total").unwrap();
    assert!(faults < 0.5, "{faults} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_phone_sees_the_picture_of_all_among_viewers_of_cameras() {
    let stage = Stage::open_with("attendees-views-phone", CONFIG).unwrap();
    let ann = stage.enter(&stage.guest(), 0, true).await.unwrap();
    let bob = stage.enter(&stage.guest(), 1, true).await.unwrap();
    let number = &stage.conference.id;
    let phone = VideoPhone::call(stage.server.sip, number, "Vera", PHONE, BOTH_WAYS).unwrap();
    until("the phone's picture", SOON, || {
        let picture = phone.seen().picture.context("nothing seen")?;
        let unit = usize::from(picture.width()) / 40;
        let seen = [(0, 0), (20 * unit, 0), (0, 8 * unit)]
            .map(|corner| Mark::read_at(&picture, corner, 5 * unit / 2).map(|mark| mark.person));
        let wanted = [Some(ann.person), Some(bob.person), Some(PHONE)];
        ensure!(seen == wanted, "{seen:x?} of {wanted:x?}");
        Ok(())
    })
    .await
    .unwrap();
    // The bots take no H.264, in which the phone films: they see it all the same, and so the others.
    let all = [Some(ann.person), Some(bob.person), Some(PHONE)];
    sees_picture(&ann, all).await.unwrap();
    phone.hang_up().unwrap();
    sees(&ann, &[&bob]).await.unwrap();
    composites(&stage, 0.0).await.unwrap();
}
