//! SIP video phones: a tile of the picture that everybody sees, and viewers of it in H.264.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use plenum_codecs::video::I420Picture;
use plenum_tests::attendee::{Mark, until};
use plenum_tests::video_phone::{BOTH_WAYS, Terms, VideoPhone};
use tokio::time::{sleep, timeout};

use crate::stage::{Actor, SOON, Stage, at_rest};

/// A trunk whose calls join at once, and tiles in the shape of marks: 640x256 of 1280x720, one below the other.
const CONFIG: &str = r#"
[[sip.trunks]]
name = "phones"
addresses = ["127.0.0.1"]
direct = true

[conference]
video = "composite"
layout = "marks"

[[video.layouts]]
name = "marks"
grid = "40x45"
tiles = ["0,0,20,16", "0,16,20,16"]
"#;

const PHONE: u8 = 0x99;

/// Whose marks are in the tiles of a picture of that width.
fn persons(picture: &I420Picture) -> [Option<u8>; 2] {
    // Units are twice as wide as high.
    let unit = usize::from(picture.width()) / 40;
    [(0, 0), (0, 8 * unit)]
        .map(|corner| Mark::read_at(picture, corner, 5 * unit / 2).map(|mark| mark.person))
}

fn seen_by(viewer: &Actor) -> Result<[Option<u8>; 2]> {
    let view = viewer.bot.view();
    let mid = view.slot_mids.first().context("no slot")?;
    let picture = viewer.bot.peer.senses.composite(mid);
    Ok(persons(&picture.context("no composite")?))
}

fn call(stage: &Stage, terms: Terms<'_>) -> VideoPhone {
    let number = &stage.conference.id;
    VideoPhone::call(stage.server.sip, number, "Vera", PHONE, terms).unwrap()
}

/// The bot and the phone see both.
async fn both_see_both(ann: &Actor, phone: &VideoPhone) {
    let wanted = [Some(ann.person), Some(PHONE)];
    until("both in the bot's picture", SOON, || {
        let seen = seen_by(ann)?;
        ensure!(seen == wanted, "{seen:x?} of {wanted:x?}");
        Ok(())
    })
    .await
    .unwrap();
    until("both in the phone's picture", SOON, || {
        let seen = phone.seen();
        let persons = persons(seen.picture.as_ref().context("nothing seen")?);
        ensure!(persons == wanted, "{persons:x?} of {wanted:x?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// Waits until no more keyframes come; gives how many there were. A composite that begins makes some, as does one that is asked again because
/// the first took its time.
async fn settled(phone: &VideoPhone) -> u32 {
    let mut before = phone.seen().keyframes;
    let quiet = async {
        loop {
            sleep(Duration::from_millis(700)).await;
            let now = phone.seen().keyframes;
            if now == before {
                return now;
            }
            before = now;
        }
    };
    let quiet = timeout(SOON, quiet).await;
    quiet.expect("keyframes without end that nobody asked for")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_phone_sees_all_and_is_seen_asks_and_is_asked() {
    let stage = Stage::open_with("attendees-video-phone", CONFIG).unwrap();
    let ann = stage.enter(&stage.guest(), 0, true).await.unwrap();
    let phone = call(&stage, BOTH_WAYS);
    both_see_both(&ann, &phone).await;
    // The picture may be there before the news of who is in it.
    until("the phone on the roster", SOON, || {
        let view = ann.bot.view();
        let vera = view.person("Vera")?;
        ensure!(vera.camera && vera.kind == "phone", "{vera:?}");
        Ok(())
    })
    .await
    .unwrap();
    let seen = phone.seen();
    // Constrained Baseline, not above level 3.1, as offered.
    let [profile, constraints, level] = seen.profile.unwrap();
    assert_eq!((profile, constraints & 0x40), (0x42, 0x40));
    assert!(level <= 31, "level {level}");
    assert_eq!(seen.picture.unwrap().width(), 1_280);
    assert!(seen.plis > 0 && seen.infos == 0, "asked by RTCP alone");

    // Both ways of asking for a keyframe.
    for by_info in [false, true] {
        let before = settled(&phone).await;
        if by_info {
            phone.ask_by_info().unwrap();
        } else {
            phone.ask_by_pli().unwrap();
        }
        until("the keyframe asked for", SOON, || {
            ensure!(phone.seen().keyframes > before, "none");
            Ok(())
        })
        .await
        .unwrap();
    }

    // What is no H.264 harms the phone's own tile at most; then it heals.
    phone.breaks(true).unwrap();
    sleep(Duration::from_secs(2)).await;
    let seen = seen_by(&ann).unwrap();
    assert_eq!(seen[0], Some(ann.person), "{seen:x?}");
    phone.breaks(false).unwrap();
    both_see_both(&ann, &phone).await;

    // On hold it neither sees nor is seen.
    let held = Terms {
        audio: "sendonly",
        video: Some("a=rtcp-fb:* nack pli\r\na=inactive\r\n"),
    };
    phone.offers(held).unwrap();
    until("the phone without a picture", SOON, || {
        let view = ann.bot.view();
        ensure!(!view.person("Vera")?.camera, "its camera is on");
        Ok(())
    })
    .await
    .unwrap();
    let before = at_rest(|| phone.seen().packets).await;
    sleep(Duration::from_millis(800)).await;
    assert_eq!(phone.seen().packets, before, "sent to a phone on hold");
    assert!(phone.seen().answer.contains("a=inactive"));
    phone.offers(BOTH_WAYS).unwrap();
    both_see_both(&ann, &phone).await;

    // It gives its video up, and takes it up again.
    let voice = Terms {
        audio: "sendrecv",
        video: None,
    };
    phone.offers(voice).unwrap();
    until("no video in the answer", SOON, || {
        ensure!(
            phone.seen().answer.contains("m=video 0 "),
            "{}",
            phone.seen().answer
        );
        Ok(())
    })
    .await
    .unwrap();
    phone.offers(BOTH_WAYS).unwrap();
    both_see_both(&ann, &phone).await;
    // A busy machine may lose a packet; the phone asks for a keyframe then.
    let seen = phone.seen();
    assert!(
        seen.damaged * 20 <= seen.pictures,
        "{} damaged",
        seen.damaged
    );
    // Every five seconds.
    until("a sender report on video", SOON, || {
        ensure!(phone.seen().reports > 0, "none");
        Ok(())
    })
    .await
    .unwrap();
    phone.hang_up().unwrap();
    let metrics = stage.server.metrics().unwrap();
    let faults = metrics.sum("plenum_composite_faults_total", &[]).unwrap();
    assert!(faults < 0.5, "{faults} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_takes_less_gets_a_smaller_picture_and_one_without_feedback_is_asked_by_info()
{
    let stage = Stage::open_with("attendees-small-phone", CONFIG).unwrap();
    let ann = stage.enter(&stage.guest(), 0, true).await.unwrap();
    let terms = Terms {
        audio: "sendrecv",
        video: Some("b=TIAS:300000\r\na=sendrecv\r\n"),
    };
    let phone = call(&stage, terms);
    both_see_both(&ann, &phone).await;
    let seen = phone.seen();
    let picture = seen.picture.unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 360));
    assert!(
        seen.infos > 0 && seen.plis == 0,
        "{} {}",
        seen.infos,
        seen.plis
    );
    phone.hang_up().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_without_video_refuses_it_and_takes_the_call() {
    let config = CONFIG.replace("direct = true", "direct = true\nvideo = false");
    let stage = Stage::open_with("attendees-no-video-phone", &config).unwrap();
    let ann = stage.enter(&stage.guest(), 0, true).await.unwrap();
    let phone = call(&stage, BOTH_WAYS);
    until("the phone in the roster", SOON, || {
        let view = ann.bot.view();
        ensure!(!view.person("Vera")?.camera, "with a camera");
        Ok(())
    })
    .await
    .unwrap();
    let seen = phone.seen();
    assert!(
        seen.answer.contains("m=video 0 RTP/AVP 96\r\n"),
        "{}",
        seen.answer
    );
    assert_eq!(seen.packets, 0);
    phone.hang_up().unwrap();
}
