//! One room over two workers, with threads and sockets.

use super::{
    Caller, Duration, LegGone, Media, MediaError, RoomEvent, RoomId, TONE_HIGH, TONE_LOW, join,
    media, metric, open, talk,
};

/// Every other leg of a room goes to the other worker.
fn spread(ports: std::ops::RangeInclusive<u16>) -> (Media, prometheus::Registry) {
    media(2, ports, |config| config.together = 0)
}

fn seats(media: &Media) -> usize {
    let workers = media.shared.workers.iter();
    workers.map(|worker| worker.load.seats()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn legs_on_two_workers_hear_each_other_in_one_room() {
    let (media, registry) = spread(43_200..=43_239);
    let (room, mut events) = open(&media).await;
    let mut legs = Vec::new();
    let mut callers = Vec::new();
    for tone in [TONE_LOW, 700.0, TONE_HIGH, 1_300.0] {
        let (leg, caller) = join(&media, room, tone).await;
        legs.push(leg);
        callers.push(caller);
    }
    let on = |worker: &str| metric(&registry, "plenum_media_worker_legs", worker) as u32;
    assert_eq!(on("0") + on("1"), 4);
    assert!(on("0") > 0 && on("1") > 0, "{} and {}", on("0"), on("1"));
    let mut all: Vec<&mut Caller> = callers.iter_mut().collect();
    talk(&mut all, Duration::from_secs(3)).await;
    for caller in &callers {
        for tone in [TONE_LOW, 700.0, TONE_HIGH, 1_300.0] {
            let heard = caller.amplitude(tone);
            let own = (tone - caller.tone).abs() < 1.0;
            assert_eq!(heard > 5_000.0, !own, "{tone} at {}: {heard}", caller.tone);
            assert!(!own || heard < 200.0, "{tone}: {heard}");
        }
        let in_order = |w: &[(u32, u16)]| w[1].1 == w[0].1.wrapping_add(1) && w[1].0 == w[0].0;
        assert!(caller.numbers.windows(2).all(in_order));
    }
    for leg in &legs {
        let stats = media.leg_stats(*leg).await.unwrap();
        assert!(stats.received > 140 && stats.lost == 0, "{stats:?}");
    }
    let connected = std::iter::from_fn(|| events.try_recv().ok())
        .filter(|(_, event)| matches!(event, RoomEvent::Connected { .. }));
    assert_eq!(connected.count(), 4);
    assert!(metric(&registry, "plenum_media_dropped_total", "crossing") < 0.5);
    media.remove_leg(legs[1]).await.unwrap();
    assert_eq!(
        seats(&media),
        3,
        "removed from its room when the call returns"
    );
    media.close_room(room).await.unwrap();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if media.rtp_pairs_in_use() == 0 {
            break;
        }
    }
    assert_eq!((media.rtp_pairs_in_use(), seats(&media)), (0, 0));
    assert_eq!(media.stop(Duration::from_secs(2)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_phone_on_another_worker_is_told_of_in_its_room() {
    let (media, _registry) = media(2, 43_240..=43_259, |config| {
        config.together = 0;
        config.rtp_silence = Duration::from_secs(1);
    });
    let (room, mut events) = open(&media).await;
    let mut silent = Vec::new();
    let mut callers = Vec::new();
    for _ in 0..3 {
        let (leg, caller) = join(&media, room, TONE_LOW).await;
        silent.push(leg);
        callers.push(caller);
    }
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let mut gone: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|(_, event)| match event {
            RoomEvent::LegGone { leg, reason } => Some((leg, reason)),
            _ => None,
        })
        .collect();
    gone.sort_unstable_by_key(|(leg, _)| *leg);
    let expected: Vec<_> = silent
        .iter()
        .map(|leg| (*leg, LegGone::RtpSilence))
        .collect();
    assert_eq!(gone, expected);
    assert_eq!((media.rtp_pairs_in_use(), seats(&media)), (0, 0));
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_a_closed_room_refuses_is_still_heard_where_it_was() {
    let (media, _registry) = spread(43_260..=43_279);
    let (room, _events) = open(&media).await;
    let (leg, mut low) = join(&media, room, TONE_LOW).await;
    let (_, mut high) = join(&media, room, TONE_HIGH).await;
    // Rooms that never were, one homed on each worker.
    for nowhere in [RoomId(1_000), RoomId(1_001)] {
        let refused = media.move_leg(leg, nowhere).await;
        assert!(
            matches!(refused, Err(MediaError::UnknownRoom)),
            "{refused:?}"
        );
    }
    talk(&mut [&mut low, &mut high], Duration::from_secs(2)).await;
    assert!(low.amplitude(TONE_HIGH) > 6_000.0 && high.amplitude(TONE_LOW) > 6_000.0);
    media.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legs_that_move_and_end_at_once_leave_nothing_behind() {
    let (media, registry) = spread(43_280..=43_299);
    for round in 0..60 {
        let (from, _kept) = open(&media).await;
        let (to, _also) = open(&media).await;
        let (leg, _caller) = join(&media, from, TONE_LOW).await;
        let (mover, remover, closer) = (media.clone(), media.clone(), media.clone());
        let moving = tokio::spawn(async move { mover.move_leg(leg, to).await });
        let removing = tokio::spawn(async move {
            if round % 3 != 0 {
                remover.remove_leg(leg).await.unwrap();
            }
        });
        let closing = tokio::spawn(async move {
            if round % 2 == 0 {
                closer.close_room(to).await.unwrap();
            }
        });
        // Whether the move came first is chance.
        drop(moving.await.unwrap());
        removing.await.unwrap();
        closing.await.unwrap();
        media.remove_leg(leg).await.unwrap();
        media.close_room(from).await.unwrap();
        if round % 2 != 0 {
            media.close_room(to).await.unwrap();
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((media.rtp_pairs_in_use(), seats(&media)), (0, 0));
    assert_eq!(metric(&registry, "plenum_media_legs", "") as i64, 0);
    assert_eq!(metric(&registry, "plenum_media_rooms", "") as i64, 0);
    assert_eq!(metric(&registry, "plenum_media_worker_legs", "") as i64, 0);
    media.stop(Duration::from_secs(2)).await;
}
