//! Coming back, vanishing, and what is left behind.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_tests::attendee::{Attendee, Voice, until};
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::stage::{SOON, Stage, hear_each_other, sees};

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_websocket_resumes_the_same_participant() {
    let stage = Stage::open("attendees-resume").unwrap();
    let mut cast = stage.cast(2).await.unwrap();
    let (id, secret) = (cast[0].bot.id(), cast[0].bot.view().resume);
    cast[0].bot.cut();
    // Media goes on without the socket.
    hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
    cast[0].bot.resume().await.unwrap();
    assert_eq!(cast[0].bot.id(), id);
    assert_eq!(cast[0].bot.view().roster.len(), 2);
    cast[0].bot.negotiate(false).await.unwrap();
    hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
    sees(&cast[1], &[&cast[0]]).await.unwrap();
    let witness = cast[1].bot.view();
    assert_eq!((witness.left.len(), witness.came.len()), (0, 0));
    assert!(!secret.is_empty());
}

/// Frozen, not closed: its sockets stay open and nobody reads them, as when a cable is pulled.
#[test]
fn a_bot_that_vanishes_leaves_the_roster_within_20_s() {
    let stage = Stage::open("attendees-vanish").unwrap();
    let living = Builder::new_multi_thread().enable_all().build().unwrap();
    let frozen = Builder::new_current_thread().enable_all().build().unwrap();
    let witness = living
        .block_on(stage.enter(&stage.guest(), 0, true))
        .unwrap();
    let vanished = frozen
        .block_on(stage.enter(&stage.guest(), 1, true))
        .unwrap();
    let since = Instant::now();
    let id = vanished.bot.id();
    living
        .block_on(until(
            "the vanished one's leaving",
            Duration::from_secs(20),
            || {
                let view = witness.bot.view();
                ensure!(
                    view.left == [(id.clone(), "lost".to_owned())],
                    "{:?}",
                    view.left
                );
                Ok(())
            },
        ))
        .unwrap();
    eprintln!("off the roster after {:?}", since.elapsed());
    living
        .block_on(until(
            "the vanished one's leg",
            Duration::from_secs(5),
            || {
                let legs = stage.alive("plenum_media_legs")?;
                ensure!((legs - 1.0).abs() < 0.1, "{legs} legs");
                Ok(())
            },
        ))
        .unwrap();
    drop(vanished);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_bots_come_and_go_and_leave_nothing_behind() {
    let mut stage = Stage::open("attendees-fifty").unwrap();
    // The first round opens what stays open: the database's connections, the test's own to `/metrics`.
    fifty(&stage).await;
    let files_before = stage.server.open_files().unwrap();
    fifty(&stage).await;
    until("its files", SOON, || {
        let files = stage.server.open_files()?;
        ensure!(
            files <= files_before,
            "{files} files, {files_before} before"
        );
        Ok(())
    })
    .await
    .unwrap();
    stage.server.check_alive().unwrap();
}

async fn fifty(stage: &Stage) {
    let voice = Voice {
        tone: Some(523),
        ..Voice::default()
    };
    let mut bots: Vec<Attendee> = Vec::new();
    for group in 0..10 {
        let joining = (0..5).map(|n| {
            let name = format!("Bot {}", group * 5 + n);
            let ticket = stage.guest();
            tokio::spawn(async move { Attendee::join(&ticket, &name, voice).await })
        });
        for joined in joining.collect::<Vec<_>>() {
            bots.push(joined.await.unwrap().unwrap());
        }
    }
    until("everybody's leg and place", SOON, || {
        let legs = stage.alive("plenum_media_legs")?;
        let people = stage.alive("plenum_participants")?;
        ensure!(
            (legs, people) == (50.0, 50.0),
            "{legs} legs, {people} people"
        );
        Ok(())
    })
    .await
    .unwrap();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(bots[0].view().roster.len(), 50);
    for bot in bots {
        bot.leave().await.unwrap();
    }
    until("an empty server", SOON, || empty(stage))
        .await
        .unwrap();
}

fn empty(stage: &Stage) -> Result<()> {
    for metric in [
        "plenum_media_legs",
        "plenum_media_rooms",
        "plenum_participants",
        "plenum_conferences",
        "plenum_sessions",
    ] {
        let value = stage.alive(metric)?;
        ensure!(value == 0.0, "{metric} is {value}");
    }
    Ok(())
}
