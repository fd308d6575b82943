//! One leg's audio in virtual time, for minutes: what comes out of what the network does.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use plenum_codecs::audio::g711::Law;
use plenum_codecs::tone::{Tone, tone_rms};

use super::*;

const CAP: Duration = Duration::from_millis(200);

fn setting() -> AudioSetting {
    AudioSetting {
        receive: vec![(0, AudioCodec::Pcmu)],
        send: None,
        telephone_event: None,
        comfort_noise: None,
        level_extension: false,
    }
}

/// A phone that hums, and the receiver that listens to it.
struct Call {
    receiver: Receiver,
    tone: Tone,
    packet: MediaPacket,
    /// Octets of a payload: 8 are a millisecond.
    octets: u32,
    /// Of what the phone takes for a second.
    second: Duration,
    /// When the next packet is complete.
    sends: MediaTime,
    arriving: std::collections::BTreeMap<(MediaTime, u16), MediaPacket>,
    next_tick: MediaTime,
    heard: Vec<i16>,
}

impl Call {
    fn new(millionths: i32) -> Self {
        let begin = MediaTime::from_millis(1_000);
        // A sixth of the rate: the tone is made of samples at 8 kHz.
        let tone = Tone::new(6_000.0, 8_000.0);
        Self {
            receiver: Receiver::new(CAP),
            tone,
            packet: MediaPacket {
                payload_type: 0,
                marker: false,
                sequence: 60_000,
                timestamp: u32::MAX - 400_000,
                ssrc: 1,
                audio_level: None,
                payload: Bytes::new(),
            },
            octets: 160,
            second: Duration::from_secs(1).div_f64(1.0 + f64::from(millionths) / 1e6),
            sends: begin + Duration::from_millis(7),
            arriving: std::collections::BTreeMap::new(),
            next_tick: begin + Duration::from_millis(20),
            heard: Vec::new(),
        }
    }

    /// Lets time pass; `delay` is what the network adds to the packet sent at that time, `None` loses it.
    fn runs(&mut self, millis: u64, mut delay: impl FnMut(u64) -> Option<u64>) {
        let end = self.next_tick + Duration::from_millis(millis);
        let begin = self.next_tick;
        while self.next_tick < end {
            while self.sends <= self.next_tick {
                let payload = (0..self.octets)
                    .map(|_| Law::Mu.encode(self.tone.next_sample()))
                    .collect();
                let packet = MediaPacket {
                    payload,
                    ..self.packet.clone()
                };
                let since = u64::try_from(self.sends.since(begin).as_millis()).unwrap();
                if let Some(late) = delay(since) {
                    let arrival = self.sends + Duration::from_millis(late);
                    self.arriving.insert((arrival, packet.sequence), packet);
                }
                self.packet.sequence = self.packet.sequence.wrapping_add(1);
                self.packet.timestamp = self.packet.timestamp.wrapping_add(self.octets);
                self.sends += self.second.mul_f64(f64::from(self.octets) / 8_000.0);
            }
            while let Some(entry) = self.arriving.first_entry() {
                let arrival = entry.key().0;
                if arrival > self.next_tick {
                    break;
                }
                self.receiver.push(arrival, entry.remove(), &setting());
            }
            self.receiver.pull(self.next_tick, Pull::Decode);
            self.heard.extend_from_slice(self.receiver.frame());
            self.next_tick += Duration::from_millis(20);
        }
    }

    fn delay_millis(&self) -> u64 {
        self.receiver.stats().delay_ns / 1_000_000
    }
}

/// Largest difference between what was heard and what a tone without any break would have been next: x(n) = 2cos(w)x(n-1) - x(n-2).
fn worst_break(heard: &[i16], hertz: f64) -> f64 {
    let twice = 2.0 * (std::f64::consts::TAU * hertz / 48_000.0).cos();
    heard
        .windows(3)
        .map(|at| (f64::from(at[2]) - twice * f64::from(at[1]) + f64::from(at[0])).abs())
        .fold(0.0, f64::max)
}

#[test]
fn a_tone_of_ten_minutes_has_no_gap_and_no_break_of_phase() {
    let mut call = Call::new(0);
    call.runs(1_000, |_| Some(20));
    call.heard.clear();
    call.runs(600_000, |_| Some(20));
    let stats = call.receiver.stats();
    assert_eq!(
        stats.concealed + stats.accelerated + stats.expanded + stats.lost + stats.late,
        0,
        "{stats:?}"
    );
    // The steps of the code are up to 256 at this level; a lost sample would be 1000 and more.
    let off = worst_break(&call.heard, 1_000.0);
    assert!(off < 700.0, "{off}");
    for second in call.heard.chunks_exact(48_000) {
        let level = tone_rms(second, 1_000.0);
        assert!((level - 5_657.0).abs() < 150.0, "{level}");
    }
}

/// The clock's error is made up by whole periods.
#[test]
fn a_tone_of_ten_minutes_from_a_clock_off_by_100_ppm_has_no_gap_and_no_break_of_phase() {
    for millionths in [-100, 100] {
        let mut call = Call::new(millionths);
        call.runs(1_000, |_| Some(20));
        call.heard.clear();
        call.runs(600_000, |_| Some(20));
        let stats = call.receiver.stats();
        assert_eq!(stats.concealed + stats.lost + stats.late, 0, "{stats:?}");
        assert!(stats.expanded.max(stats.accelerated) > 2_000, "{stats:?}");
        let off = worst_break(&call.heard, 1_000.0);
        assert!(off < 700.0, "{millionths} ppm: {off}");
        for second in call.heard.chunks_exact(48_000) {
            let level = tone_rms(second, 1_000.0);
            assert!((level - 5_657.0).abs() < 150.0, "{level}");
        }
    }
}

/// A phone that sends nothing in pauses and says nothing of it: the sequence goes on, the timestamps have jumped.
#[test]
fn pauses_that_nobody_announces_are_neither_loss_nor_delay() {
    let mut call = Call::new(0);
    call.runs(1_000, |_| Some(20));
    for pause in [60, 200, 1_000, 5_000, 80, 400] {
        call.runs(pause, |_| None);
        call.packet.sequence = call
            .packet
            .sequence
            .wrapping_sub(u16::try_from(pause / 20).unwrap());
        call.runs(100, |_| Some(20));
        call.heard.clear();
        call.runs(1_000, |_| Some(20));
        let low = call
            .heard
            .chunks_exact(960)
            .map(|frame| tone_rms(frame, 1_000.0))
            .fold(f64::INFINITY, f64::min);
        let stats = call.receiver.stats();
        assert!(low > 5_000.0, "after {pause} ms: {low}, {stats:?}");
        assert_eq!(
            stats.lost + stats.late + stats.concealed,
            0,
            "after {pause} ms: {stats:?}"
        );
        assert!(call.delay_millis() <= 45, "after {pause} ms: {stats:?}");
    }
}

#[test]
fn an_ssrc_of_its_own_for_each_packet_costs_no_more_and_ends_with_the_attack() {
    let mut call = Call::new(0);
    for _ in 0..500 {
        call.packet.ssrc += 1;
        call.runs(20, |_| Some(20));
        assert!(call.receiver.stats().buffer_ns <= 40_000_000);
    }
    assert!(
        call.receiver.decodes() <= 501,
        "{}",
        call.receiver.decodes()
    );
    call.runs(300, |_| Some(20));
    call.heard.clear();
    call.runs(2_000, |_| Some(20));
    let low = call
        .heard
        .chunks_exact(960)
        .map(|frame| tone_rms(frame, 1_000.0))
        .fold(f64::INFINITY, f64::min);
    assert!(low > 5_000.0, "{low}, {:?}", call.receiver.stats());
}

#[test]
fn the_counters_tell_what_was_late_made_up_and_stretched() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut call = Call::new(0);
    call.runs(5_000, |_| Some(20));
    let calm = call.receiver.stats();
    assert!(
        calm.target_ns == 10_000_000 && calm.delay_ns <= 33_000_000,
        "{calm:?}"
    );
    call.runs(10_000, |_| Some(20 + random.u64(0..60)));
    let jittery = call.receiver.stats();
    assert!(
        (55_000_000..=80_000_000).contains(&jittery.target_ns),
        "{jittery:?}"
    );
    assert!(
        jittery.delay_ns + 5_000_000 >= jittery.target_ns,
        "{jittery:?}"
    );
    // What the delay has grown by was made up: while packets were awaited, or by stretching.
    assert!(
        jittery.expanded + jittery.concealed >= 48 * 40 && jittery.late <= 15,
        "{jittery:?}"
    );
    // Two packets come half a second late: they are made up for, and counted late when they come.
    call.runs(1_000, |at| {
        Some(if (400..440).contains(&at) { 520 } else { 20 })
    });
    let late = call.receiver.stats();
    assert_eq!(late.late, jittery.late + 2, "{late:?}");
    assert!(
        (960..=4 * 960).contains(&(late.concealed - jittery.concealed)),
        "{late:?}"
    );
    call.runs(8_000, |_| Some(20));
    let after = call.receiver.stats();
    assert!(
        after.accelerated >= 48 * 20 && after.delay_ns <= 36_000_000,
        "{after:?}"
    );
    assert_eq!(after.duplicates + after.overflowed, 0, "{after:?}");
}

#[test]
fn clocks_off_by_300_ppm_for_half_an_hour_do_not_move_the_delay() {
    for millionths in [-300, 300] {
        let mut call = Call::new(millionths);
        for minute in 0..30 {
            call.runs(60_000, |_| Some(20));
            let stats = call.receiver.stats();
            let delay = call.delay_millis();
            assert!(delay <= 50, "{millionths} ppm, minute {minute}: {stats:?}");
            let lows = call
                .heard
                .chunks_exact(960)
                .skip(if minute == 0 { 50 } else { 0 })
                .map(|frame| tone_rms(frame, 1_000.0))
                .fold(f64::INFINITY, f64::min);
            assert!(lows > 4_500.0, "{millionths} ppm, minute {minute}: {lows}");
            call.heard.clear();
        }
        let stats = call.receiver.stats();
        // Half an hour at 300 ppm is 540 ms: on balance that much had to be put in or taken out, and nothing was made up for it.
        let moved = (stats.expanded.abs_diff(stats.accelerated) / 48).abs_diff(540);
        assert!(moved < 60, "{millionths} ppm: {stats:?}");
        assert_eq!(
            stats.concealed + stats.lost + stats.overflowed,
            0,
            "{stats:?}"
        );
    }
}

#[test]
fn five_seconds_after_a_storm_the_delay_is_what_it_was() {
    let mut random = fastrand::Rng::with_seed(5);
    for storm in 0..2 {
        let mut call = Call::new(0);
        call.runs(10_000, |_| Some(20));
        let before = call.delay_millis();
        // A second of stall whose packets come in one burst, or a second of wild delays.
        call.runs(1_000, |at| {
            Some(
                20 + if storm == 0 {
                    1_000 - at
                } else {
                    random.u64(0..400)
                },
            )
        });
        for _ in 0..50 {
            call.runs(20, |_| Some(20));
            assert!(call.receiver.stats().buffer_ns <= 200_000_000);
        }
        call.runs(4_000, |_| Some(20));
        let stats = call.receiver.stats();
        let after = call.delay_millis();
        assert!(
            stats.target_ns <= 10_000_000 && after <= before.max(33) + 3,
            "storm {storm}: {before} ms before, {after} ms after, {stats:?}"
        );
    }
}

#[test]
fn the_packets_length_may_change_amid_a_call() {
    let mut call = Call::new(0);
    for octets in [160, 80, 320, 480, 160, 480, 80] {
        call.octets = octets;
        call.runs(6_000, |_| Some(20));
        call.heard.clear();
        let concealed = call.receiver.stats().concealed;
        call.runs(4_000, |_| Some(20));
        let stats = call.receiver.stats();
        assert_eq!(stats.concealed, concealed, "{octets}: {stats:?}");
        assert_eq!(stats.lost + stats.late + stats.overflowed, 0, "{stats:?}");
        let off = call
            .heard
            .chunks_exact(960)
            .map(|frame| tone_rms(frame, 1_000.0))
            .fold(f64::INFINITY, f64::min);
        assert!(off > 5_000.0, "{octets}: {off}");
    }
}

#[test]
fn a_sender_that_begins_anew_is_heard_again_at_once() {
    type Jump = fn(&mut MediaPacket);
    let jumps: [(&str, Jump); 5] = [
        ("ssrc", |packet| {
            packet.ssrc += 1;
            packet.sequence = 5;
            packet.timestamp = 9;
        }),
        ("sequence", |packet| {
            packet.sequence = packet.sequence.wrapping_add(20_000);
        }),
        ("timestamp forth", |packet| {
            packet.timestamp = packet.timestamp.wrapping_add(800_000_000);
        }),
        ("timestamp back", |packet| {
            packet.timestamp = packet.timestamp.wrapping_sub(4_000);
        }),
        ("both", |packet| {
            packet.sequence = packet.sequence.wrapping_sub(9_000);
            packet.timestamp = packet.timestamp.wrapping_sub(70_000_000);
        }),
    ];
    for (name, jump) in jumps {
        let mut call = Call::new(0);
        call.runs(5_000, |_| Some(20));
        jump(&mut call.packet);
        call.runs(300, |_| Some(20));
        call.heard.clear();
        call.runs(3_000, |_| Some(20));
        let stats = call.receiver.stats();
        let low = call
            .heard
            .chunks_exact(960)
            .map(|frame| tone_rms(frame, 1_000.0))
            .fold(f64::INFINITY, f64::min);
        assert!(low > 5_000.0, "{name}: {low}, {stats:?}");
        assert!(stats.buffer_ns < 60_000_000, "{name}: {stats:?}");
    }
}

/// After an hour of silence a clock that is off by 300 ppm had moved by a second, which was taken for lateness for seconds.
#[test]
fn speech_after_a_long_pause_is_on_time() {
    let mut call = Call::new(-300);
    call.runs(3_000, |_| Some(20));
    call.runs(3_600_000, |_| None);
    call.packet.sequence = call.packet.sequence.wrapping_sub(50_000);
    call.runs(200, |_| Some(20));
    call.heard.clear();
    let concealed = call.receiver.stats().concealed;
    call.runs(3_000, |_| Some(20));
    let stats = call.receiver.stats();
    assert!(
        stats.concealed == concealed && call.delay_millis() < 60,
        "{stats:?}"
    );
}
