//! Attended transfer into a room: another phone's INVITE with Replaces takes the place of one that is in.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::attendee::until;
use plenum_tests::text_phone::TextPhone;
use plenum_tests::tone::judge;
use tokio::time::sleep;

use crate::stage::{SOON, Stage};

const FIRST: f64 = 1_171.0;
const SECOND: f64 = 1_447.0;

#[tokio::test(flavor = "multi_thread")]
async fn another_phone_takes_the_place_of_one_in_the_room_and_nobody_hears_who_came() {
    let more = "\n[[sip.trunks]]\nname = \"pbx\"\naddresses = [\"127.0.0.1\"]\ndirect = true\n";
    let stage = Stage::open_with("takeover", more).unwrap();
    let (server, number) = (stage.server.sip, stage.conference.id.clone());
    let ann = stage.enter(&stage.host(), 0, false).await.unwrap();
    let called = number.clone();
    let first = tokio::task::spawn_blocking(move || TextPhone::call(server, &called, "", FIRST));
    let mut first = first.await.unwrap().unwrap();
    let roster = until("the first phone", SOON, || {
        let roster = ann.bot.view().roster;
        ensure!(roster.len() == 2, "{roster:?}");
        Ok(roster)
    })
    .await
    .unwrap();
    sleep(Duration::from_millis(1_500)).await;
    ann.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(2)).await;
    judge("Ann", &ann.bot.peer.senses.heard(), ann.tone, &[FIRST]).unwrap();

    let [id, caller, own] = first.dialog.clone();
    let wrong = format!("Replaces: {id};to-tag={caller};from-tag={own}\r\n");
    let right = format!("Require: replaces\r\nReplaces: {id};to-tag={own};from-tag={caller}\r\n");
    let changes = ann.bot.view().came.len() + ann.bot.view().left.len();
    let second = tokio::task::spawn_blocking(move || {
        let refused = TextPhone::call(server, &number, &wrong, SECOND).unwrap_err();
        assert!(refused.to_string().contains("481"), "{refused}");
        let second = TextPhone::call(server, &number, &right, SECOND)?;
        first.hung_up_on()?;
        anyhow::Ok(second)
    });
    let second = second.await.unwrap().unwrap();
    ann.bot.peer.senses.forget_sound();
    sleep(Duration::from_secs(3)).await;
    judge("Ann", &ann.bot.peer.senses.heard(), ann.tone, &[SECOND]).unwrap();
    let view = ann.bot.view();
    assert_eq!(
        view.roster.keys().collect::<Vec<_>>(),
        roster.keys().collect::<Vec<_>>(),
        "the seat is the same"
    );
    assert_eq!(view.came.len() + view.left.len(), changes, "{view:?}");
    tokio::task::spawn_blocking(|| second.hang_up())
        .await
        .unwrap()
        .unwrap();
    until("the place is free", SOON, || {
        ensure!(ann.bot.view().roster.len() == 1);
        let calls = stage.alive("plenum_calls")?;
        ensure!(calls < 0.5, "{calls}");
        Ok(())
    })
    .await
    .unwrap();
}
