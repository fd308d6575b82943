//! Keyed digits as RTP events (RFC 4733): detection with each key press reported exactly once, and sending.
//!
//! Digits are secrets (PINs): [`Digit`] does not show itself in `Debug`.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use crate::error::CodecError;
use crate::packet::MediaPacket;

/// Longest duration that one event segment can state (RFC 4733 §2.3.5).
const SEGMENT_MAX: u32 = 0xffff;
/// Events remembered, so that a late or repeated packet of one is known again.
const REMEMBERED: usize = 16;
/// Power of the digits sent, in −dBm0.
const VOLUME: u8 = 10;
/// How often the last packet of an event is sent (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;

/// One of the sixteen DTMF digits, by its event code: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

const CHARACTERS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

impl Digit {
    /// The digit of an event code, 0..=15 (RFC 4733 §3.2).
    #[must_use]
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// The digit of a character; letters in either case.
    #[must_use]
    pub fn from_char(character: char) -> Option<Self> {
        let upper = character.to_ascii_uppercase();
        CHARACTERS
            .iter()
            .zip(0u8..)
            .find(|&(&known, _)| known == upper)
            .map(|(_, event)| Self(event))
    }

    /// The character on the key.
    #[must_use]
    pub const fn as_char(self) -> char {
        CHARACTERS[(self.0 & 15) as usize]
    }

    /// The event code, 0..=15.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(…)")
    }
}

/// How a digit came, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DigitSource {
    /// As tones in the sound (ITU-T Q.24).
    Tone,
    /// By SIP INFO.
    Info,
    /// As telephone-event (RFC 4733).
    Event,
}

/// One event report as it is on the wire (RFC 4733 §2.3). Not shown in `Debug`, as its event may be a digit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EventReport {
    /// Event code; digits are 0..=15.
    pub event: u8,
    /// The event is over.
    pub end: bool,
    /// Power in −dBm0, 0..=63.
    pub volume: u8,
    /// Duration so far, in timestamp units.
    pub duration: u16,
}

impl fmt::Debug for EventReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReport")
            .field("end", &self.end)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

impl EventReport {
    /// Reads the first report of a payload; more of them (RFC 4733 §2.4.1) are not in use with digits.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when the payload is not a whole number of four-octet reports.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        match *payload {
            [event, flags, high, low, ref more @ ..] if more.len().is_multiple_of(4) => Ok(Self {
                event,
                end: flags & 0x80 != 0,
                volume: flags & 0x3f,
                duration: u16::from_be_bytes([high, low]),
            }),
            _ => Err(CodecError::malformed(
                "telephone-event",
                "four octets for each report expected",
            )),
        }
    }

    /// The four octets of the report.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        let end = if self.end { 0x80 } else { 0 };
        [self.event, end | (self.volume & 0x3f), high, low]
    }
}

/// An event segment that has been seen; its packets share one timestamp.
#[derive(Clone, Copy)]
struct Seen {
    timestamp: u32,
    event: u8,
    ended: bool,
    longest: u16,
}

/// Tells key presses from the packets of one leg.
///
/// A press is reported with the first packet of it that arrives, whichever that is, so it does not matter which of its
/// packets, start, marker or ends, are lost. All packets of a press carry the timestamp of its beginning; that is its
/// identity. Reordered and repeated packets belong to a press that is known, a new timestamp is a new press even of the same
/// digit. A press longer than 65,535 timestamp units goes on in another segment (RFC 4733 §2.5.1.3), whose timestamp is that
/// much later and which has no marker: it is no new press.
#[derive(Clone, Default)]
pub struct DigitDetector {
    ssrc: Option<u32>,
    seen: VecDeque<Seen>,
}

impl fmt::Debug for DigitDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigitDetector").finish_non_exhaustive()
    }
}

impl DigitDetector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet of the telephone-event payload type, in any order. Returns the digit when this is a new press of it.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when the payload is no event report.
    pub fn push(&mut self, packet: &MediaPacket) -> Result<Option<Digit>, CodecError> {
        let report = EventReport::parse(&packet.payload)?;
        let Some(digit) = Digit::from_event(report.event) else {
            return Ok(None); // flash, fax tones and the like
        };
        if self.ssrc != Some(packet.ssrc) {
            self.ssrc = Some(packet.ssrc);
            self.seen.clear();
        }
        if let Some(known) = self
            .seen
            .iter_mut()
            .find(|seen| seen.timestamp == packet.timestamp)
        {
            known.ended |= report.end;
            known.longest = known.longest.max(report.duration);
            return Ok(None);
        }
        let continues = !packet.marker
            && self
                .seen
                .iter()
                .any(|seen| is_next_segment(seen, packet.timestamp, report.event));
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen {
            timestamp: packet.timestamp,
            event: report.event,
            ended: report.end,
            longest: report.duration,
        });
        Ok((!continues).then_some(digit))
    }
}

/// Whether an event at `timestamp` goes on with `seen`: the same digit, not ended, seen to last, one full segment later.
/// Senders differ in where they cut, so a cut at up to one 60 ms packet (at 48 kHz) before the limit counts.
fn is_next_segment(seen: &Seen, timestamp: u32, event: u8) -> bool {
    let later = timestamp.wrapping_sub(seen.timestamp);
    let full = SEGMENT_MAX - 2_880..=SEGMENT_MAX + 1;
    seen.event == event
        && !seen.ended
        && full.contains(&later)
        && u32::from(seen.longest) >= later / 2
}

/// One packet of a digit being sent; what the RTP header needs, and the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct EventPacket {
    /// Marker bit: set on the first packet.
    pub marker: bool,
    /// Timestamp of the press's beginning, the same on all its packets.
    pub timestamp: u32,
    /// Four octets.
    pub payload: Bytes,
}

impl fmt::Debug for EventPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPacket")
            .field("marker", &self.marker)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// Makes the packets of one key press: one per 20 ms, the last one three times. An iterator; call `next` once per tick.
#[derive(Debug, Clone)]
pub struct DigitSender {
    digit: Digit,
    timestamp: u32,
    /// Timestamp units per packet.
    step: u32,
    /// Duration of the whole press.
    total: u32,
    elapsed: u32,
    ends: u8,
}

impl DigitSender {
    /// A press of `millis` (40 ms at least; at most what one segment can state: 8 s at 8 kHz, 1.3 s at 48 kHz) that begins at
    /// `timestamp`, with a telephone-event clock of `clock` Hz.
    #[must_use]
    pub fn new(digit: Digit, timestamp: u32, millis: u32, clock: u32) -> Self {
        let step = (clock / 50).max(1);
        let packets = (millis.max(40) / 20).min(SEGMENT_MAX / step).max(1);
        Self {
            digit,
            timestamp,
            step,
            total: packets * step,
            elapsed: 0,
            ends: 0,
        }
    }
}

impl Iterator for DigitSender {
    type Item = EventPacket;

    fn next(&mut self) -> Option<EventPacket> {
        let marker = self.elapsed == 0;
        if self.elapsed < self.total {
            self.elapsed += self.step;
        }
        let end = self.elapsed >= self.total;
        if end {
            if self.ends == ENDS {
                return None;
            }
            self.ends += 1;
        }
        let duration = u16::try_from(self.elapsed).unwrap_or(u16::MAX);
        let report = EventReport {
            event: self.digit.event(),
            end,
            volume: VOLUME,
            duration,
        };
        Some(EventPacket {
            marker,
            timestamp: self.timestamp,
            payload: Bytes::copy_from_slice(&report.to_bytes()),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(key: char, timestamp: u32, millis: u32) -> Vec<MediaPacket> {
        DigitSender::new(Digit::from_char(key).unwrap(), timestamp, millis, 8_000)
            .map(|event| MediaPacket {
                payload_type: 101,
                marker: event.marker,
                sequence: 0,
                timestamp: event.timestamp,
                ssrc: 1,
                audio_level: None,
                payload: event.payload,
            })
            .collect()
    }

    fn detect<'a>(packets: impl IntoIterator<Item = &'a MediaPacket>) -> String {
        let mut detector = DigitDetector::new();
        packets
            .into_iter()
            .filter_map(|packet| detector.push(packet).unwrap())
            .map(Digit::as_char)
            .collect()
    }

    #[test]
    fn sender_marks_the_first_and_repeats_the_last_three_times() {
        let sent = packets('5', 4_000, 100);
        let reports: Vec<_> = sent
            .iter()
            .map(|packet| EventReport::parse(&packet.payload).unwrap())
            .collect();
        assert_eq!(
            reports
                .iter()
                .map(|report| report.duration)
                .collect::<Vec<_>>(),
            [160, 320, 480, 640, 800, 800, 800]
        );
        assert_eq!(
            reports.iter().map(|report| report.end).collect::<Vec<_>>(),
            [false, false, false, false, true, true, true]
        );
        assert_eq!(sent.iter().filter(|packet| packet.marker).count(), 1);
        assert!(sent[0].marker && sent.iter().all(|packet| packet.timestamp == 4_000));
        assert!(
            reports
                .iter()
                .all(|report| report.event == 5 && report.volume == 10)
        );
    }

    #[test]
    fn every_key_arrives_once() {
        let keys: String = CHARACTERS.iter().collect();
        let sent: Vec<_> = keys
            .chars()
            .zip(0u32..)
            .flat_map(|(key, i)| packets(key, i * 2_000, 100))
            .collect();
        assert_eq!(detect(&sent), keys);
    }

    #[test]
    fn a_press_is_reported_once_whichever_of_its_packets_is_all_that_arrives() {
        let sent = packets('7', 90, 160);
        for packet in &sent {
            assert_eq!(detect([packet]), "7");
        }
        assert_eq!(detect(&sent[1..]), "7", "lost start and marker");
        assert_eq!(detect(&sent[..sent.len() - 3]), "7", "lost ends");
    }

    #[test]
    fn the_same_key_twice_is_two_digits_even_without_ends_and_markers() {
        let mut sent = packets('1', 1_000, 100);
        sent.truncate(3);
        let mut second = packets('1', 3_000, 100);
        second.remove(0);
        sent.extend(second);
        assert_eq!(detect(&sent), "11");
    }

    #[test]
    fn late_ends_of_an_earlier_press_do_not_count_again() {
        let mut sent = packets('1', 1_000, 100);
        let late = sent.split_off(5);
        sent.extend(packets('2', 3_000, 100));
        sent.extend(late);
        assert_eq!(detect(&sent), "12");
    }

    #[test]
    fn a_press_longer_than_a_segment_is_one_digit() {
        let report = |timestamp, duration, end, marker| MediaPacket {
            payload_type: 101,
            marker,
            sequence: 0,
            timestamp,
            ssrc: 1,
            audio_level: None,
            payload: Bytes::copy_from_slice(
                &EventReport {
                    event: 3,
                    end,
                    volume: 10,
                    duration,
                }
                .to_bytes(),
            ),
        };
        let long = [
            report(500, 160, false, true),
            report(500, 0xffff, false, false),
            report(500 + 0xffff, 160, false, false),
            report(500 + 0xffff, 0xffff, false, false),
            report(500 + 2 * 0xffff, 800, true, false),
        ];
        assert_eq!(detect(&long), "3");
        let released = [
            report(500, 0xffff, true, true),
            report(500 + 0xffff, 160, false, false),
        ];
        assert_eq!(
            detect(&released),
            "33",
            "after an end the same distance is a new press"
        );
    }

    #[test]
    fn a_new_source_may_reuse_a_timestamp() {
        let first = packets('4', 160, 60);
        let second: Vec<_> = packets('4', 160, 60)
            .into_iter()
            .map(|packet| MediaPacket { ssrc: 2, ..packet })
            .collect();
        assert_eq!(detect(first.iter().chain(&second)), "44");
    }

    #[test]
    fn other_events_are_no_digits_and_short_payloads_are_refused() {
        let mut packet = packets('4', 160, 60).remove(0);
        packet.payload = Bytes::from_static(&[16, 0x8a, 0, 160]);
        assert_eq!(detect([&packet]), "");
        for size in [0usize, 1, 2, 3, 5, 7] {
            assert!(EventReport::parse(&vec![1; size]).is_err(), "{size} octets");
        }
    }

    #[test]
    fn digits_do_not_show_in_debug_output() {
        let digit = Digit::from_char('8').unwrap();
        let packet = DigitSender::new(digit, 0, 100, 8_000).next().unwrap();
        let report = EventReport::parse(&packet.payload).unwrap();
        let mut detector = DigitDetector::new();
        detector.push(&packets('8', 1, 100)[0]).unwrap();
        for shown in [
            format!("{digit:?}"),
            format!("{report:?}"),
            format!("{detector:?}"),
            format!("{packet:?}"),
        ] {
            assert!(!shown.contains('8'), "{shown}");
        }
    }

    proptest! {
        /// Any loss that leaves one packet of each press, any repetition, and reordering within a press: each press once.
        #[test]
        fn each_press_exactly_once(
            presses in prop::collection::vec((0usize..16, 40u32..400, 0u64..), 1..12),
            start in 0u32..,
        ) {
            let mut timestamp = start;
            let (mut sent, mut keys) = (Vec::new(), String::new());
            for (key, millis, seed) in presses {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut press = packets(CHARACTERS[key], timestamp, millis);
                let kept = random.usize(..press.len());
                let mut i = 0;
                press.retain(|_| { i += 1; i - 1 == kept || random.f32() > 0.6 });
                let twice = press[random.usize(..press.len())].clone();
                press.push(twice);
                random.shuffle(&mut press);
                sent.extend(press);
                keys.push(CHARACTERS[key]);
                timestamp = timestamp.wrapping_add(millis * 8 + 8 * random.u32(20..2_000));
            }
            prop_assert_eq!(detect(&sent), keys);
        }

        #[test]
        fn any_bytes_are_survived(packets in prop::collection::vec((prop::collection::vec(0u8.., 0..20), 0u32.., any::<bool>()), 0..64)) {
            let mut detector = DigitDetector::new();
            for (payload, timestamp, marker) in packets {
                let payload = Bytes::from(payload);
                let valid = payload.len() >= 4 && payload.len().is_multiple_of(4);
                let packet = MediaPacket { payload_type: 101, marker, sequence: 0, timestamp, ssrc: 1, audio_level: None, payload };
                prop_assert_eq!(detector.push(&packet).is_ok(), valid);
            }
        }
    }
}
