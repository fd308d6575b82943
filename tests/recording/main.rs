//! Conferences recorded by the release binary: what the files hold, and what is left when it is killed or the disk is full.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod disk;
mod phone;
mod stage;

use std::time::{Duration, Instant};

use anyhow::ensure;
use plenum_tests::attendee::until;
use plenum_tests::server::Server;
use plenum_tests::tone::{self, Recording};
use serde_json::{Value, json};
use tokio::time::sleep;

use stage::{ANN, BOB, Stage, is_shown, play, seconds};

/// Both voices, equally loud.
fn holds_both(name: &str, sound: &Recording) {
    let report = tone::judge(name, sound, 1_171.0, &[ANN.into(), BOB.into()]).unwrap();
    eprintln!("{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_holds_both_voices_and_each_alone_without_what_was_said_in_the_pause() {
    let stage = Stage::open("recording-mix", "").unwrap();
    let ann = stage
        .joins("Ann", &stage.conference.guest_pin, ANN)
        .await
        .unwrap();
    let bob = stage
        .joins("Bob/../x", &stage.conference.guest_pin, BOB)
        .await
        .unwrap();
    sleep(Duration::from_secs(2)).await;
    let id = stage.records("both", true).unwrap();
    let begun = Instant::now();
    is_shown(&ann, "on").await.unwrap();
    sleep(Duration::from_millis(3_500)).await;
    stage.orders("PATCH", &json!({"paused": true})).unwrap();
    let first = begun.elapsed();
    is_shown(&bob, "paused").await.unwrap();
    ann.mute(true).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    stage.orders("PATCH", &json!({"paused": false})).unwrap();
    let resumed = Instant::now();
    is_shown(&ann, "on").await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let manifest = stage.orders("DELETE", &Value::Null).unwrap();
    let expected = (first + resumed.elapsed()).as_secs_f64();
    is_shown(&ann, "off").await.unwrap();

    assert_eq!(
        (&manifest["state"], &manifest["end"]),
        (&json!("finished"), &json!("stopped"))
    );
    assert_eq!(manifest["dropped_frames"], 0);
    assert_eq!(manifest, stage.shown(&id).unwrap());
    let mix = Recording::read(&stage.path(&id, "mix.wav")).unwrap();
    let length = seconds(&mix);
    assert!(
        (length - expected).abs() < 0.4,
        "{length} s of {expected} s: the pause is in it?"
    );
    let (opus, ended) = play(&stage.path(&id, "mix.opus")).unwrap();
    assert!(ended);
    assert_eq!(opus.samples.len(), mix.samples.len());
    let at = manifest["pauses"][0]["at_ms"].as_f64().unwrap() / 1_000.0;
    assert!((at - first.as_secs_f64()).abs() < 0.4, "{manifest}");
    // The first seconds also hold the spoken announcement.
    for (name, sound) in [("mix.wav", &mix), ("mix.opus", &opus)] {
        holds_both(name, &sound.between(at - 1.1, 1.0).unwrap());
        let after = sound.last(1.0).unwrap();
        let muted = after.level(ANN.into()).unwrap();
        assert!(muted < -60.0, "who is muted is in {name} at {muted} dB");
        assert!(after.level(BOB.into()).unwrap() > -40.0, "{name}");
    }
    for (own, other, file) in [(ANN, BOB, "legs/1-Ann.wav"), (BOB, ANN, "legs/2-Bob-x.wav")] {
        let track = Recording::read(&stage.path(&id, file)).unwrap();
        assert_eq!(track.samples.len(), mix.samples.len(), "{file}");
        let before = track.between(at - 1.1, 1.0).unwrap();
        tone::judge(file, &before, other.into(), &[own.into()]).unwrap();
    }
    let ann_track = Recording::read(&stage.path(&id, "legs/1-Ann.wav")).unwrap();
    assert!(ann_track.last(1.0).unwrap().loudness() < -80.0, "muted");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_record_from_the_page_and_files_are_downloaded_by_ranges_and_deleted() {
    let stage = Stage::open("recording-host", "[recording]\nformat = \"wav\"\n").unwrap();
    let guest = stage
        .joins("Ann", &stage.conference.guest_pin, ANN)
        .await
        .unwrap();
    let host = stage
        .joins("Bob", &stage.conference.host_pin, BOB)
        .await
        .unwrap();
    guest
        .say(json!({"type": "record", "on": true}))
        .await
        .unwrap();
    until("a guest's refusal", stage::SOON, || {
        ensure!(
            guest.view().errors == ["forbidden"],
            "{:?}",
            guest.view().errors
        );
        Ok(())
    })
    .await
    .unwrap();
    host.say(json!({"type": "record", "on": true}))
        .await
        .unwrap();
    is_shown(&guest, "on").await.unwrap();
    let metrics = stage.server.metrics().unwrap();
    assert!((metrics.sum("plenum_recordings", &[]).unwrap() - 1.0).abs() < 0.1);
    let late = stage
        .joins("Cleo", &stage.conference.guest_pin, 1_171)
        .await
        .unwrap();
    assert_eq!(late.view().recording, "on", "a late joiner sees it at once");
    let path = format!("/recordings?conference={}", stage.conference.id);
    let (_, list) = stage.server.rest("GET", &path, &Value::Null).unwrap();
    let id = list["recordings"][0]["id"].as_str().unwrap().to_owned();
    let one = format!("/recordings/{id}");
    let (status, _) = stage.server.rest("DELETE", &one, &Value::Null).unwrap();
    assert_eq!(status, 409, "it runs");
    sleep(Duration::from_secs(1)).await;
    host.say(json!({"type": "record", "on": false}))
        .await
        .unwrap();
    is_shown(&guest, "off").await.unwrap();
    until("the end", stage::SOON, || {
        ensure!(stage.shown(&id)?["state"] == "finished", "still running");
        Ok(())
    })
    .await
    .unwrap();

    let file = format!("{one}/files/mix.wav");
    let (status, whole) = stage.server.fetch("GET", &file, &[], &Value::Null).unwrap();
    assert_eq!((status, whole.get(..4)), (200, Some(&b"RIFF"[..])));
    assert_eq!(whole, std::fs::read(stage.path(&id, "mix.wav")).unwrap());
    let range = [("range", "bytes=8-11")];
    let (status, part) = stage
        .server
        .fetch("GET", &file, &range, &Value::Null)
        .unwrap();
    assert_eq!((status, part.as_slice()), (206, &b"WAVE"[..]));
    for stranger in [
        "recording.json",
        "..%2Frecording.json",
        "%2E%2E%2F%2E%2E%2F%2E%2E%2Fadmin.key",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "mix.opus",
    ] {
        let file = format!("{one}/files/{stranger}");
        let (status, _) = stage.server.fetch("GET", &file, &[], &Value::Null).unwrap();
        assert_eq!(status, 404, "{stranger}");
    }
    let (status, _) = stage.server.rest("DELETE", &one, &Value::Null).unwrap();
    assert_eq!(status, 204);
    assert!(!stage.path(&id, "").exists());
    let (status, _) = stage.server.rest("GET", &one, &Value::Null).unwrap();
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_nine_loses_at_most_the_last_second_and_the_next_start_mends_the_rest() {
    let stage = Stage::open("recording-kill", "").unwrap();
    let _ann = stage
        .joins("Ann", &stage.conference.guest_pin, ANN)
        .await
        .unwrap();
    let _bob = stage
        .joins("Bob", &stage.conference.guest_pin, BOB)
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let id = stage.records("both", true).unwrap();
    let begun = Instant::now();
    sleep(Duration::from_millis(5_730)).await;
    let lived = begun.elapsed().as_secs_f64();
    let Stage {
        server,
        folder,
        conference,
    } = stage;
    server.kill();

    let path = |name: &str| {
        let all = folder.join("data/recordings").join(&conference.id);
        all.join(&id).join(name)
    };
    let read = || {
        let wav = Recording::read(&path("mix.wav")).unwrap();
        let track = Recording::read(&path("legs/1-Ann.wav")).unwrap();
        let (opus, ended) = play(&path("mix.opus")).unwrap();
        (wav, track, opus, ended)
    };
    let (wav, track, opus, ended) = read();
    eprintln!(
        "killed after {lived:.2} s: {:.2} s of WAV, {:.2} s of Opus, {:.2} s of Ann's track",
        seconds(&wav),
        seconds(&opus),
        seconds(&track)
    );
    assert!(!ended);
    for (name, sound) in [("mix.wav", &wav), ("mix.opus", &opus), ("track", &track)] {
        let length = seconds(sound);
        assert!(length > lived - 1.0, "{name} holds {length} of {lived} s");
        assert!(length < lived + 0.3, "{name} holds {length} of {lived} s");
    }
    holds_both("mix.wav", &wav.last(1.2).unwrap());
    holds_both("mix.opus", &opus.last(1.2).unwrap());

    let server = Server::start(&folder, 20).unwrap();
    let (status, manifest) = server
        .rest("GET", &format!("/recordings/{id}"), &Value::Null)
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(manifest["state"], "interrupted", "{manifest}");
    let (mended, _, opus_after, _) = read();
    assert!(mended.samples.len() >= wav.samples.len());
    assert!(opus_after.samples.len() >= opus.samples.len());
    let duration = manifest["duration_ms"].as_f64().unwrap() / 1_000.0;
    let longest = seconds(&mended).max(seconds(&opus_after));
    assert!((duration - longest).abs() < 0.05, "{manifest}");
    let ran = manifest["ended_ms"].as_f64().unwrap() - manifest["started_ms"].as_f64().unwrap();
    assert!((ran / 1_000.0 - lived).abs() < 1.0, "{manifest}");
    server.stop().unwrap();
}
