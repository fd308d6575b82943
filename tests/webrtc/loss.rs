//! A listener's line goes bad and good again: real receiver reports of an independent stack move it to the protected rendition and back.

use std::f64::consts::{PI, TAU};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use plenum_codecs::audio::{AudioCodec, FRAME, carries_fec};
use plenum_mcu::media::MediaConfig;
use plenum_tests::bot::{Bot, Heard, OPUS};
use plenum_tests::ports;
use plenum_tests::relay::Relay;

use super::{Guest, join, start_with};

/// Of 1,000 datagrams each way.
const LOSS: u32 = 100;
const SEED: u64 = 11;
/// Reports come every second or so, two of them decide, and a change waits up to a second for a pause.
const PROTECTED_WITHIN: usize = 10;
/// 12 s of good reports bring a listener back.
const FREED_WITHIN: usize = 30;

/// 20 ms of a voice, in syllables of 200 ms: FEC is for speech, and a steady tone is background to the encoder.
fn syllables(tick: u32) -> [i16; FRAME] {
    std::array::from_fn(|n| {
        let time = f64::from(tick) * 0.02 + n as f64 / 48_000.0;
        let voice: f64 = (1..12)
            .map(|harmonic| {
                let harmonic = f64::from(harmonic);
                (time * 120.0 * harmonic * TAU).sin() / harmonic
            })
            .sum();
        ((time * 5.0 * PI).sin().powi(2) * voice * 5_000.0) as i16
    })
}

/// Ann speaks, and Bob listens.
async fn talk(ann: &mut Guest, bob: &mut Guest, seconds: u32) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..seconds * 50 {
        clock.tick().await;
        let payload = ann.voice.encode(&syllables(ann.ticks)).unwrap();
        let sent = ann.bot.send_audio(ann.ticks * 960, payload);
        sent.await.unwrap();
        ann.ticks += 1;
        bob.act().await;
    }
}

fn audio(guest: &Guest) -> impl DoubleEndedIterator<Item = &Heard> {
    guest
        .heard
        .iter()
        .filter(|packet| packet.payload_type == OPUS)
}

/// Whether what was heard last is speech coding (RFC 6716 §3.1), which alone has in-band FEC.
fn is_protected(guest: &Guest) -> bool {
    let last = audio(guest)
        .next_back()
        .and_then(|packet| packet.payload.first());
    last.is_some_and(|toc| toc >> 3 < 16)
}

/// Seconds until the listener is protected, or free again.
async fn becomes(protected: bool, ann: &mut Guest, bob: &mut Guest, within: usize) -> usize {
    for second in 1..=within {
        talk(ann, bob, 1).await;
        if is_protected(bob) == protected {
            return second;
        }
    }
    panic!("after {within} s: protected is not {protected}");
}

/// Lost packets, and those whose successor came and holds them too.
fn mended(heard: &[Heard]) -> (u32, u32) {
    let mut counts = (0, 0);
    let audio: Vec<&Heard> = heard
        .iter()
        .filter(|packet| packet.payload_type == OPUS)
        .collect();
    for pair in audio.windows(2) {
        let missing = pair[1]
            .sequence
            .wrapping_sub(pair[0].sequence)
            .wrapping_sub(1);
        if (1..100).contains(&missing) {
            counts.0 += u32::from(missing);
            counts.1 += u32::from(carries_fec(AudioCodec::Opus, &pair[1].payload));
        }
    }
    counts
}

#[test]
fn a_listener_is_protected_while_its_line_loses_packets() {
    let port = ports::block(2).unwrap();
    // Has a runtime of its own, which may not begin or end within another.
    let relay = Relay::start([port], [], SEED).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(line_turns_bad_and_good(&relay, port));
}

async fn line_turns_bad_and_good(relay: &Relay, port: u16) {
    let config = MediaConfig {
        workers: 1,
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        announced: Some(Relay::ADDRESS),
        udp_port: port,
        ..MediaConfig::default()
    };
    let (media, _registry, room, _events) = start_with(config).await;
    let mut ann = join(&media, room, Bot::new().await.unwrap(), 440.0, 60).await;
    // Says nothing.
    let mut bob = join(&media, room, Bot::new().await.unwrap(), 0.0, 180).await;
    talk(&mut ann, &mut bob, 3).await;
    assert!(!is_protected(&bob), "the line is good");

    relay.impair(LOSS, 0);
    let took = becomes(true, &mut ann, &mut bob, PROTECTED_WITHIN).await;
    let since = bob.heard.len();
    talk(&mut ann, &mut bob, 5).await;
    assert!(is_protected(&bob), "and stays so");
    // Not of what two losses in a row take, nor of pauses.
    let (lost, mended) = mended(&bob.heard[since..]);

    relay.impair(0, 0);
    let back = becomes(false, &mut ann, &mut bob, FREED_WITHIN).await;
    println!(
        "protected after {took} s, free {back} s after the loss; {mended} of {lost} lost packets came with their successor"
    );
    assert!(lost > 10 && mended * 4 > lost, "{mended} of {lost}");
    assert!(
        back >= 8,
        "only a good line for a while is a good line: {back} s"
    );
    media.stop(Duration::from_secs(2)).await;
}
