//! One picture of all: who is in which tile of what a viewer decodes, and whether it lives.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use plenum_tests::attendee::{Mark, until};
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, sees};

/// Tiles in the shape of the bots' pictures, 20 by 8, so that nothing is cropped: in rows, and one below the other at the right.
const CONFIG: &str = r#"
[conference]
video = "composite"
layout = "marks"

[[video.layouts]]
name = "marks"
grid = "40x45"
tiles = ["0,0,20,16", "20,0,20,16", "0,16,20,16", "20,16,20,16"]

[[video.layouts]]
name = "column"
grid = "40x45"
tiles = ["20,0,10,8", "20,8,10,8", "20,16,10,8", "20,24,10,8"]
"#;

/// Corners of the tiles, and the side of a mark's block in them: of 20 units of 32 pixels eight blocks are 80 wide.
const MARKS: ([(usize, usize); 3], usize) = ([(0, 0), (640, 0), (0, 256)], 80);
const COLUMN: ([(usize, usize); 3], usize) = ([(640, 0), (640, 128), (640, 256)], 40);

/// The marks in the tiles of what `viewer` saw last.
fn marks(viewer: &Actor, (tiles, side): ([(usize, usize); 3], usize)) -> Result<[Option<Mark>; 3]> {
    let view = viewer.bot.view();
    let mid = view.slot_mids.first().context("no slot")?;
    let senses = &viewer.bot.peer.senses;
    let picture = senses
        .composite(mid)
        .with_context(|| format!("no composite: {:?}", senses.sight(mid)))?;
    ensure!(
        (picture.width(), picture.height()) == (1_280, 720),
        "a picture of {}x{}",
        picture.width(),
        picture.height()
    );
    Ok(tiles.map(|corner| Mark::read_at(&picture, corner, side)))
}

/// Everybody sees all three, each in the tile of their turn, and the pictures go on.
async fn all_see_all(cast: &[Actor], tiles: ([(usize, usize); 3], usize)) -> Result<()> {
    for viewer in cast {
        let mut before = None;
        until(
            &format!("the tiles that {} sees", viewer.name),
            SOON,
            || {
                let seen = marks(viewer, tiles)?;
                let persons = seen.map(|mark| mark.map(|mark| mark.person));
                let wanted: Vec<_> = cast
                    .iter()
                    .take(3)
                    .map(|actor| Some(actor.person))
                    .collect();
                ensure!(persons.as_slice() == wanted, "{persons:x?} of {wanted:x?}");
                let counts = seen.map(|mark| mark.map(|mark| mark.count));
                let moved = *before.get_or_insert(counts);
                ensure!(
                    moved.iter().zip(counts).all(|(before, now)| *before != now),
                    "the pictures stand still: {counts:?}"
                );
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_cameras_are_seen_in_their_tiles_and_encoded_once_for_all() {
    let stage = Stage::open_with("attendees-composite", CONFIG).unwrap();
    let mut cast = stage.cast(3).await.unwrap();
    all_see_all(&cast, MARKS).await.unwrap();
    assert_eq!(cast[0].bot.view().slots_wanted, 1);

    let encodes = || {
        stage
            .server
            .metrics()
            .unwrap()
            .sum("plenum_composite_encodes_total", &[])
            .unwrap()
    };
    let rate = async || {
        let (before, begun) = (encodes(), Instant::now());
        sleep(Duration::from_secs(3)).await;
        (encodes() - before) / begun.elapsed().as_secs_f64()
    };
    let with_three = rate().await;
    // A viewer more, whose camera is off: it sees the others and costs no encode.
    cast.push(stage.enter(&stage.guest(), 3, false).await.unwrap());
    all_see_all(&cast, MARKS).await.unwrap();
    let with_four = rate().await;
    eprintln!("{with_three:.1} encodes per second for three viewers, {with_four:.1} for four");
    assert!(with_three > 5.0 && with_three < 32.0, "{with_three}");
    assert!(with_four < 32.0, "{with_four}");
    let metrics = stage.server.metrics().unwrap();
    let sum = |name: &str, labels: &[&str]| metrics.sum(name, labels).unwrap();
    assert!(sum("plenum_composite_encodes_total", &["codec=\"h264\""]) < 0.5);
    assert!(sum("plenum_composite_faults_total", &[]) < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_composites_run_than_may() {
    let cap = "[video]\nmax_composites = 0\n";
    let stage = Stage::open_with("attendees-no-composite", cap).unwrap();
    let cast = stage.cast(2).await.unwrap();
    let path = format!("/conferences/{}", stage.conference.id);
    let order = json!({ "composite": true });
    let (status, _) = stage.server.rest("PATCH", &path, &order).unwrap();
    assert_eq!(status, 503);
    sees(&cast[0], &[&cast[1]]).await.unwrap();
    assert_eq!(cast[0].bot.view().layout, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_and_the_api_change_the_picture_while_it_is_seen() {
    let stage = Stage::open_with("attendees-layout", CONFIG).unwrap();
    let mut cast = Vec::new();
    for place in 0..3 {
        let ticket = if place == 0 {
            stage.host()
        } else {
            stage.guest()
        };
        cast.push(stage.enter(&ticket, place, true).await.unwrap());
    }
    all_see_all(&cast, MARKS).await.unwrap();
    let layout = json!({ "type": "layout", "name": "column" });
    cast[1].bot.say(layout.clone()).await.unwrap();
    cast[0].bot.say(layout).await.unwrap();
    all_see_all(&cast, COLUMN).await.unwrap();
    assert_eq!(cast[1].bot.view().errors, ["forbidden"]);
    assert_eq!(cast[2].bot.view().layout.as_deref(), Some("column"));

    let path = format!("/conferences/{}", stage.conference.id);
    let patch = |body| stage.server.rest("PATCH", &path, &body).unwrap().0;
    assert_eq!(patch(json!({ "layout": "marks" })), 204);
    all_see_all(&cast, MARKS).await.unwrap();
    assert_eq!(patch(json!({ "layout": "none" })), 422);

    // Cameras as they come, and back.
    assert_eq!(patch(json!({ "composite": false })), 204);
    for viewer in 0..3 {
        let others: Vec<&Actor> = cast
            .iter()
            .filter(|o| o.name != cast[viewer].name)
            .collect();
        sees(&cast[viewer], &others).await.unwrap();
    }
    assert_eq!(cast[2].bot.view().layout, None);
    cast[0]
        .bot
        .say(json!({ "type": "composite", "on": true }))
        .await
        .unwrap();
    all_see_all(&cast, MARKS).await.unwrap();
}
