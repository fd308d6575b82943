//! One room over two workers.

use std::time::Duration;

use plenum_mcu::media::MediaConfig;
use plenum_mixer::RoomConfig;
use plenum_tests::bot::{Bot, OPUS};
use tokio::sync::mpsc;

use super::{Guest, is_near, join, meet, metric, start_with};

/// SSRC and sequence numbers of the audio that came.
fn numbers(guest: &Guest) -> Vec<(u32, u16)> {
    let audio = guest.heard.iter().filter(|p| p.payload_type == OPUS);
    audio.map(|packet| (packet.ssrc, packet.sequence)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_on_two_workers_hear_and_see_each_other_and_so_they_do_after_a_move() {
    let config = MediaConfig {
        workers: 2,
        together: 0,
        udp_port: 0,
        ..MediaConfig::default()
    };
    let (media, registry, room, _events) = start_with(config).await;
    let mut ann = join(&media, room, Bot::new().await.unwrap(), 440.0, 60).await;
    let mut bob = join(&media, room, Bot::new().await.unwrap(), 1_000.0, 180).await;
    for worker in ["0", "1"] {
        let legs = metric(&registry, "plenum_media_worker_legs", worker);
        assert!((legs - 1.0).abs() < 0.1, "{legs} on {worker}");
    }
    let (sender, _kept) = mpsc::channel(1_024);
    let other = media
        .open_room(RoomConfig::default(), sender)
        .await
        .unwrap();
    assert_ne!(other.0 % 2, room.0 % 2, "homed on the other worker");
    let mut pictures_before = (0, 0);
    for stay in 0..2 {
        if stay == 1 {
            pictures_before = (ann.seen().1, bob.seen().1);
            media.move_leg(ann.leg, other).await.unwrap();
            media.move_leg(bob.leg, other).await.unwrap();
        }
        meet(&mut [&mut ann, &mut bob], Duration::from_secs(4)).await;
        let (low, high) = (bob.amplitude(440.0), ann.amplitude(1_000.0));
        assert!(low > 5_500.0 && high > 5_500.0, "{low} {high}");
        let own = ann.amplitude(440.0);
        assert!(own < 150.0, "{own}");
    }
    for (guest, brightness, before) in [
        (&ann, 180, pictures_before.0),
        (&bob, 60, pictures_before.1),
    ] {
        let (luma, pictures) = guest.seen();
        assert!(is_near(luma, brightness), "{luma}");
        assert!(before > 15 && pictures > before + 15, "{before} {pictures}");
        let numbers = numbers(guest);
        assert!(numbers.len() > 350, "{}", numbers.len());
        for pair in numbers.windows(2) {
            let next = (pair[0].0, pair[0].1.wrapping_add(1));
            assert_eq!(pair[1], next, "one stream without a gap");
        }
    }
    assert!(metric(&registry, "plenum_media_dropped_total", "crossing") < 0.5);
    assert_eq!(media.stop(Duration::from_secs(2)).await, 0);
}
