//! Recording by the keys of a phone.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::attendee::until;
use plenum_tests::baresip::Baresip;
use plenum_tests::tone::sine;
use tokio::time::sleep;

use crate::stage::{ANN, SOON, Stage, is_shown};

#[tokio::test(flavor = "multi_thread")]
async fn star_two_of_a_host_starts_and_stops_and_of_a_guest_does_nothing() {
    let stage = Stage::open("recording-phone", "").unwrap();
    let ann = stage
        .joins("Ann", &stage.conference.guest_pin, ANN)
        .await
        .unwrap();
    let microphone = stage.folder.join("phone.wav");
    sine(1_171.0, -20.0, 90.0, 48_000)
        .write(&microphone)
        .unwrap();
    let call = |pin: &str, name: &str| {
        let folder = stage.folder.join(name);
        let mut phone = Baresip::start(&folder, &microphone, "pcmu/8000/1").unwrap();
        phone
            .dial(&format!("sip:plenum@{}", stage.server.sip))
            .unwrap();
        phone
            .key(&format!("{}#{pin}#", stage.conference.id))
            .unwrap();
        phone
    };
    let people = |count: usize| {
        let ann = &ann;
        async move {
            until("the phone", SOON, || {
                let roster = ann.view().roster;
                ensure!(roster.len() == count, "{roster:?}");
                Ok(())
            })
            .await
            .unwrap();
        }
    };
    let mut guest = call(&stage.conference.guest_pin, "guest");
    people(2).await;
    guest.key("*2").unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ann.view().recording, "off", "a guest's key records");
    guest.hang_up().unwrap();
    people(1).await;

    let mut host = call(&stage.conference.host_pin, "host");
    people(2).await;
    host.key("*2").unwrap();
    is_shown(&ann, "on").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    host.key("*2").unwrap();
    is_shown(&ann, "off").await.unwrap();
    host.check_in_call().unwrap();
    host.hang_up().unwrap();
    let path = format!("/recordings?conference={}", stage.conference.id);
    let (_, list) = stage
        .server
        .rest("GET", &path, &serde_json::Value::Null)
        .unwrap();
    let kept = list["recordings"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{list}");
    assert!(kept[0]["duration_ms"].as_u64().unwrap() > 800, "{list}");
}
