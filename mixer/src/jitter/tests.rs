//! The buffer alone: order, loss, lateness and the cap.

use proptest::prelude::*;

use super::*;

const CAP: Duration = Duration::from_millis(200);

fn packet(timestamp: u64) -> Stored {
    let body = Body::Audio {
        codec: AudioCodec::Opus,
        payload: Bytes::from_static(&[0]),
        level: None,
    };
    Stored {
        body,
        timestamp,
        samples: 960,
        mends: false,
        arrived: MediaTime::ZERO,
    }
}

fn at(millis: u64) -> MediaTime {
    MediaTime::from_millis(millis)
}

fn push(buffer: &mut JitterBuffer, now: MediaTime, sequence: u64, packet: Stored) -> Pushed {
    let arrived = now;
    buffer.push(sequence, Stored { arrived, ..packet }, 0)
}

/// Plays 20 ms and says what came: timestamps, losses (`None`), or nothing.
fn play(buffer: &mut JitterBuffer, now: MediaTime) -> Option<Option<u64>> {
    match buffer.step(now, 0) {
        Step::Play(packet) => Some(Some(packet.timestamp)),
        Step::Lost { .. } | Step::Starved => Some(None),
        Step::Wait => None,
    }
}

#[test]
fn reordered_packets_are_played_in_order() {
    let mut buffer = JitterBuffer::new(CAP);
    let mut heard = Vec::new();
    for pair in 0..50u64 {
        for n in [pair * 2 + 1, pair * 2] {
            push(&mut buffer, at(pair * 40 + 20), n, packet(n * 960));
        }
        heard.extend(play(&mut buffer, at(pair * 40 + 35)));
        heard.extend(play(&mut buffer, at(pair * 40 + 55)));
    }
    assert!(heard.len() >= 98, "{}", heard.len());
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1] == pair[0].map(|timestamp| timestamp + 960)),
        "{heard:?}"
    );
    assert_eq!(buffer.stats.lost + buffer.stats.late, 0);
}

#[test]
fn a_lost_packet_is_concealed_once_and_adds_no_delay() {
    let mut buffer = JitterBuffer::new(CAP);
    let mut concealed = 0;
    for n in 0..500u64 {
        if n % 20 != 7 {
            push(&mut buffer, at(n * 20), n, packet(n * 960));
        }
        concealed += u32::from(play(&mut buffer, at(n * 20 + 15)) == Some(None));
    }
    assert_eq!(buffer.stats.lost, 25);
    assert_eq!(concealed, 25);
    assert!(buffer.queued() <= 1_920, "{}", buffer.queued());
}

fn event() -> Stored {
    Stored {
        body: Body::Quiet(None),
        timestamp: 0,
        samples: 0,
        mends: false,
        arrived: MediaTime::ZERO,
    }
}

/// What baresip does: audio goes on while a key is down, and events take sequence numbers in between. It came out as concealment.
#[test]
fn events_amid_audio_interrupt_nothing() {
    let mut buffer = JitterBuffer::new(CAP);
    let (mut sequence, mut played) = (0, 0);
    for n in 0..500u64 {
        push(
            &mut buffer,
            at(n * 20),
            sequence,
            packet(70_000_000 + n * 960),
        );
        sequence += 1;
        if (50..65).contains(&(n % 100)) {
            push(&mut buffer, at(n * 20), sequence, event());
            sequence += 1;
        }
        let now = at(n * 20 + 15);
        assert!(
            buffer
                .timing(now, 0)
                .is_none_or(|timing| timing.delay < 2_000)
        );
        loop {
            match buffer.step(now, 0) {
                Step::Play(packet) if packet.samples == 0 => {}
                Step::Play(_) => {
                    played += 1;
                    break;
                }
                Step::Wait if n == 0 => break,
                other => panic!("tick {n}: {other:?}"),
            }
        }
    }
    assert!(played >= 499, "{played}");
}

#[test]
fn events_instead_of_audio_are_a_pause_and_not_a_loss() {
    let mut buffer = JitterBuffer::new(CAP);
    for n in 0..200u64 {
        let pressed = (50..60).contains(&n);
        let stored = if pressed { event() } else { packet(n * 960) };
        push(&mut buffer, at(n * 20), n, stored);
        for _ in 0..2 {
            let step = buffer.step(at(n * 20 + 15), 0);
            assert!(
                !matches!(step, Step::Lost { .. } | Step::Starved),
                "tick {n}: {step:?}"
            );
            if !matches!(&step, Step::Play(packet) if packet.samples == 0) {
                break;
            }
        }
    }
}

/// Once something had been concealed and packets came just after the tick, every packet was taken for late, and the next frame concealed
/// for want of it.
#[test]
fn a_hiccup_does_not_turn_the_rest_into_concealment() {
    for phase in 0..20 {
        let mut buffer = JitterBuffer::new(CAP);
        let (mut played, mut concealed) = (0, 0);
        for n in 0..300u64 {
            // One packet of the second 50 comes 45 ms late.
            let hiccup = if n == 50 { 45 } else { 0 };
            let arrival = n * 20 + hiccup;
            if n != 51 && n != 52 {
                push(&mut buffer, at(arrival), n, packet(n * 960));
            }
            if n == 52 {
                push(&mut buffer, at(arrival), 51, packet(51 * 960));
                push(&mut buffer, at(arrival), 52, packet(52 * 960));
            }
            match play(&mut buffer, at(n * 20 + phase)) {
                Some(Some(_)) => played += 1,
                Some(None) => concealed += 1,
                None => {}
            }
        }
        assert!(
            played >= 290 && concealed <= 6,
            "phase {phase}: {played} played, {concealed} concealed"
        );
    }
}

#[test]
fn duplicates_and_late_packets_are_told_apart() {
    let mut buffer = JitterBuffer::new(CAP);
    for n in (0..20u64).filter(|n| *n != 10) {
        push(&mut buffer, at(n * 20), n, packet(n * 960));
        play(&mut buffer, at(n * 20 + 15));
    }
    for _ in 0..2 {
        play(&mut buffer, at(415));
    }
    assert_eq!(
        push(&mut buffer, at(420), 5, packet(5 * 960)),
        Pushed::Duplicate
    );
    assert_eq!(
        push(&mut buffer, at(420), 10, packet(10 * 960)),
        Pushed::Late
    );
    assert_eq!(
        push(&mut buffer, at(420), 10, packet(10 * 960)),
        Pushed::Duplicate
    );
}

#[test]
fn the_target_grows_with_jitter_and_shrinks_again() {
    let mut buffer = JitterBuffer::new(CAP);
    let mut random = fastrand::Rng::with_seed(1);
    let mut n = 0;
    let mut run = |buffer: &mut JitterBuffer, packets: u64, jitter: u64| {
        for _ in 0..packets {
            n += 1;
            push(
                buffer,
                at(n * 20 + random.u64(0..=jitter)),
                n,
                packet(n * 960),
            );
            play(buffer, at(n * 20 + 19));
        }
        buffer.target() / 48
    };
    assert!((10..=15).contains(&run(&mut buffer, 200, 0)));
    let jittery = run(&mut buffer, 500, 60);
    assert!((55..=75).contains(&jittery), "{jittery} ms");
    let calm = run(&mut buffer, 2_000, 0);
    assert!((10..=15).contains(&calm), "{calm} ms");
}

proptest! {
    #[test]
    fn the_buffer_never_exceeds_its_cap(
        seed in any::<u64>(),
        steps in 1usize..400,
        pending in 0usize..3_000,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut buffer = JitterBuffer::new(CAP);
        let cap = buffer.cap;
        let mut now = 0;
        let mut sequence = 70_000u64;
        for _ in 0..steps {
            now += random.u64(0..60);
            for _ in 0..random.u64(0..12) {
                sequence = match random.u8(0..40) {
                    0 => random.u64(0..200_000),
                    1..4 => sequence.saturating_sub(random.u64(0..30)),
                    _ => sequence + random.u64(1..4),
                };
                let timestamp = if random.u8(0..30) == 0 { random.u64(..) } else { sequence * 960 };
                let mut packet = packet(timestamp >> 1);
                packet.samples = 120 * random.u64(0..48);
                if packet.samples == 0 {
                    packet.body = Body::Quiet(None);
                }
                packet.arrived = at(now);
                buffer.push(sequence, packet, pending);
                prop_assert!(buffer.packets.len() <= MAX_PACKETS);
                prop_assert!(buffer.packets.len() == 1 || buffer.queued() + pending as u64 <= cap);
                prop_assert_eq!(buffer.queued(), buffer.packets.values().map(|packet| packet.samples).sum::<u64>());
            }
            if random.bool() {
                buffer.step(at(now), pending);
            }
        }
    }
}
