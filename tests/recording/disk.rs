//! A disk that fills up while it is recorded on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use plenum_tests::attendee::{Attendee, until};
use plenum_tests::tone::{self, Recording};
use plenum_tests::workspace;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{ANN, BOB, SOON, Stage, is_shown, play, seconds};

/// A file system of its own in memory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: PathBuf, size: &str) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let status = workspace::as_root(Path::new("mount"))?
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0777"),
                "tmpfs",
            ])
            .arg(&folder)
            .status()
            .context("running mount")?;
        ensure!(
            status.success(),
            "mount of {} failed: {status}",
            folder.display()
        );
        Ok(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still hold a file.
        let unmount = workspace::as_root(Path::new("umount"))
            .and_then(|mut umount| Ok(umount.arg("-l").arg(&self.0).status()?));
        if !unmount
            .as_ref()
            .is_ok_and(std::process::ExitStatus::success)
        {
            eprintln!("{} is still mounted: {unmount:?}", self.0.display());
        }
    }
}

async fn hears(who: &Attendee, tone_of_other: u32, own: u32) {
    who.peer.senses.forget_sound();
    let heard = who.peer.senses.heard_of(1.5).await.unwrap();
    tone::judge(
        "after the failure",
        &heard,
        own.into(),
        &[tone_of_other.into()],
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_recording_with_a_word_and_touches_no_call() {
    let scratch = workspace::scratch("recording-disk").unwrap();
    let disk = SmallDisk::mount(scratch.join("small"), "400k").unwrap();
    let more = format!(
        "[recording]\ndir = \"{}\"\nmin_free_mb = 0\n",
        disk.0.display()
    );
    let stage = Stage::open("recording-disk-full", &more).unwrap();
    let ann = stage
        .joins("Ann", &stage.conference.guest_pin, ANN)
        .await
        .unwrap();
    let bob = stage
        .joins("Bob", &stage.conference.guest_pin, BOB)
        .await
        .unwrap();
    let id = stage.records("both", false).unwrap();
    is_shown(&ann, "on").await.unwrap();
    for who in [&ann, &bob] {
        until("word of the full disk", Duration::from_secs(12), || {
            let failed = who.view().recordings_failed;
            ensure!(
                failed == ["disk_full"],
                "{failed:?}\n{}",
                stage.server.log_tail()
            );
            Ok(())
        })
        .await
        .unwrap();
        is_shown(who, "off").await.unwrap();
    }
    // The announcement that it failed takes two seconds.
    sleep(Duration::from_secs(3)).await;
    hears(&ann, BOB, ANN).await;
    hears(&bob, ANN, BOB).await;
    assert_eq!(ann.view().left, []);
    assert_eq!(ann.peer.senses.sound().missing, 0);

    let manifest = stage.shown(&id).unwrap();
    assert_eq!(
        (&manifest["state"], &manifest["end"]),
        (&json!("failed"), &json!("disk_full"))
    );
    let folder = disk.0.join(&stage.conference.id).join(&id);
    let wav = Recording::read(&folder.join("mix.wav")).unwrap();
    let (opus, _) = play(&folder.join("mix.opus")).unwrap();
    // 400 KiB are 4 s.
    assert!((2.0..5.0).contains(&seconds(&wav)), "{} s", seconds(&wav));
    assert!(seconds(&opus) > seconds(&wav) - 1.5, "{} s", seconds(&opus));
    tone::judge(
        "mix.wav",
        &wav.last(1.2).unwrap(),
        1_171.0,
        &[ANN.into(), BOB.into()],
    )
    .unwrap();
    let metrics = stage.server.metrics().unwrap();
    let failures = metrics.sum("plenum_recording_failures_total", &[]).unwrap();
    assert!((failures - 1.0).abs() < 0.1, "{failures}");
    assert!(metrics.sum("plenum_recordings", &[]).unwrap() < 0.1);
    stage.server.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_begins_only_where_somebody_is_and_space_is_left() {
    let more = "[recording]\nmin_free_mb = 1000000000\n";
    let stage = Stage::open("recording-refused", more).unwrap();
    let path = format!("/conferences/{}/recording", stage.conference.id);
    let empty = json!({});
    let (status, problem) = stage.server.rest("POST", &path, &empty).unwrap();
    assert_eq!(status, 409, "nobody is there: {problem}");
    let host = stage
        .joins("Ann", &stage.conference.host_pin, ANN)
        .await
        .unwrap();
    let (status, problem) = stage.server.rest("POST", &path, &empty).unwrap();
    assert_eq!(status, 507, "{problem}");
    for (method, body) in [("DELETE", Value::Null), ("PATCH", json!({"paused": true}))] {
        let (status, problem) = stage.server.rest(method, &path, &body).unwrap();
        assert_eq!(status, 409, "{problem}");
    }
    let (status, _) = stage
        .server
        .rest("POST", &path, &json!({"format": "mp3"}))
        .unwrap();
    assert_eq!(status, 422);
    host.say(json!({"type": "record", "on": true}))
        .await
        .unwrap();
    until("the refusal", SOON, || {
        ensure!(
            host.view().errors == ["unavailable"],
            "{:?}",
            host.view().errors
        );
        ensure!(host.view().recording == "off", "recording");
        Ok(())
    })
    .await
    .unwrap();
}
