//! The bot itself, against another bot: what fails here is no fault of the server.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use plenum_tests::attendee::{Peer, Voice, until};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn two_bots_hear_and_see_each_other() {
    let voice = |tone, person| Voice {
        tone: Some(tone),
        person: Some(person),
        camera: true,
        patient: false,
    };
    let caller = Peer::new(voice(600, 0x11)).await.unwrap();
    let callee = Peer::new(voice(900, 0x22)).await.unwrap();
    let offer = caller.offer(1, false).await.unwrap();
    let answer = callee.accept(offer).await.unwrap();
    caller.answer(answer).await.unwrap();
    caller.connected(LIMIT).await.unwrap();
    callee.connected(LIMIT).await.unwrap();
    for (who, tone, person) in [(&caller, 900.0, 0x22), (&callee, 600.0, 0x11)] {
        until("the other's picture", LIMIT, || {
            ensure!(
                who.senses.persons() == [person],
                "{:?}",
                who.senses.sights()
            );
            Ok(())
        })
        .await
        .unwrap();
        until("the other's tone", LIMIT, || {
            let level = who.senses.heard().last(1.2)?.level(tone)?;
            ensure!((level + 20.0).abs() < 1.0, "{level} dB");
            Ok(level)
        })
        .await
        .context(format!("{:?}", who.senses.sound()))
        .unwrap();
    }
}
