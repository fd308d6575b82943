//! One function per parser of outside bytes. The libFuzzer targets in `fuzz/` and the corpus test call the same functions.
//!
//! Each holds more than "no panic": what was accepted must make sense.

mod mutate;

use bytes::Bytes;
use plenum_codecs::audio::comfort_noise::{ComfortNoise, NoiseGenerator};
use plenum_codecs::telephone_event::{Digit, DigitDetector};
use plenum_codecs::video::{VideoCodec, h264, vp8};
use plenum_codecs::{AudioLevel, MediaPacket};
use plenum_companion::calendar::{MAX_INTERVALS, Window, read};
use plenum_companion::presence::Moment;
use plenum_mcu::config::Config;
use plenum_mcu::signal::protocol::ClientMessage;

pub use mutate::Mutator;

/// A target: its name, which is also its corpus folder's, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 15] = [
    ("sip", sip),
    ("sip_answer", sip_answer),
    ("sip_transfer", sip_transfer),
    ("sdp", sdp),
    ("offer", offer),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("datagram", datagram),
    ("signalling", signalling),
    ("dtmf", dtmf),
    ("comfort_noise", comfort_noise),
    ("h264", h264_payload),
    ("vp8", vp8_payload),
    ("config", config),
    ("calendar", calendar),
];

/// The largest packet that any transport here carries.
const PACKET: usize = 1500;

/// A SIP message as a datagram and over a stream, and an INFO's body.
pub fn sip(bytes: &[u8]) {
    plenum_dialin::fuzz::sip_message(bytes);
    plenum_dialin::fuzz::info_body(bytes);
}

/// What a far end answers to a call of ours, behind the headers that it must echo.
pub fn sip_answer(bytes: &[u8]) {
    plenum_dialin::fuzz::sip_answer(bytes);
}

/// What a far end says of transfers within a call, behind the headers of its dialog.
pub fn sip_transfer(bytes: &[u8]) {
    plenum_dialin::fuzz::sip_transfer(bytes);
}

/// A session description as offer and as answer.
pub fn sdp(bytes: &[u8]) {
    plenum_dialin::fuzz::sdp(bytes);
}

/// A browser's SDP offer, as it is checked before the WebRTC stack sees it.
pub fn offer(bytes: &[u8]) {
    plenum_mcu::media::fuzz::offer(bytes);
}

/// An RTP datagram from a phone.
pub fn rtp(bytes: &[u8]) {
    plenum_mcu::media::fuzz::rtp(bytes);
}

/// An RTCP datagram from a phone.
pub fn rtcp(bytes: &[u8]) {
    plenum_mcu::media::fuzz::rtcp(bytes);
}

/// A datagram at a media worker's port from somebody unknown.
pub fn datagram(bytes: &[u8]) {
    plenum_mcu::media::fuzz::datagram(bytes);
}

/// A text frame of the signalling WebSocket: what is understood is the same after being written and read again.
///
/// # Panics
/// When it is not.
pub fn signalling(bytes: &[u8]) {
    let Ok(message) = serde_json::from_slice::<ClientMessage>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&message).unwrap_or_default();
    let again = serde_json::from_slice::<ClientMessage>(&written).ok();
    assert!(
        again.as_ref() == Some(&message),
        "a message changed on its way"
    );
}

/// Packets cut out of fuzz input. Each record: flags (bit 0 the marker, bit 1 a gap in the sequence), timestamp step, length, payload.
fn packets(mut bytes: &[u8]) -> Vec<MediaPacket> {
    let mut packets = Vec::new();
    let (mut sequence, mut timestamp) = (65_530u16, 0u32);
    while let [flags, step, length, rest @ ..] = bytes {
        let taken = usize::from(*length).min(rest.len());
        let (payload, rest) = rest.split_at(taken);
        bytes = rest;
        sequence = sequence.wrapping_add(1 + u16::from(flags & 2));
        timestamp = timestamp.wrapping_add(u32::from(*step) * 160);
        packets.push(MediaPacket {
            payload_type: 96,
            marker: flags & 1 == 1,
            sequence,
            timestamp,
            ssrc: u32::from(flags >> 7),
            audio_level: Some(AudioLevel::from_byte(*flags)),
            payload: Bytes::copy_from_slice(payload),
        });
    }
    packets
}

/// Keyed digits: no more presses than packets, and a packet seen twice is no second press.
///
/// # Panics
/// When that does not hold.
pub fn dtmf(bytes: &[u8]) {
    let packets = packets(bytes);
    let mut detector = DigitDetector::new();
    let mut presses: Vec<Digit> = Vec::new();
    for packet in &packets {
        presses.extend(detector.push(packet).ok().flatten());
        assert!(
            !matches!(detector.push(packet), Ok(Some(_))),
            "the same packet again is a second press"
        );
    }
    assert!(presses.len() <= packets.len(), "more presses than packets");
}

/// A description of a background: noise of it is as long as asked, and of the level of silence it is silence.
///
/// # Panics
/// When it is not.
pub fn comfort_noise(bytes: &[u8]) {
    let mut generator: Option<NoiseGenerator> = None;
    let mut heard = Vec::new();
    // Updates of one stream, each of the length that its first octet says.
    let mut rest = bytes;
    while let Some((&length, payload)) = rest.split_first() {
        let (payload, after) = payload.split_at(usize::from(length).min(payload.len()));
        rest = after;
        let Ok(noise) = ComfortNoise::parse(payload) else {
            assert!(
                payload.is_empty(),
                "only a payload without a level is refused"
            );
            continue;
        };
        assert!(noise.dbov() <= 127, "a level of seven bits");
        match &mut generator {
            Some(generator) => generator.change(noise),
            None => generator = Some(NoiseGenerator::new(noise)),
        }
        let Some(generator) = &mut generator else {
            continue;
        };
        for frame in 0..3 {
            heard.clear();
            generator.extend(960, &mut heard);
            assert_eq!(heard.len(), 960, "a frame is a frame");
            // The first goes over, the second empties the resampler, the third is of the new level alone.
            let silent = heard.iter().all(|sample| sample.unsigned_abs() <= 1);
            assert!(
                noise.dbov() < 127 || frame < 2 || rings(payload) || silent,
                "noise at no level"
            );
        }
    }
}

/// Whether the filter is so near to resonance that it goes on for a while after its excitation has ended.
fn rings(payload: &[u8]) -> bool {
    payload.iter().skip(1).any(|index| index.abs_diff(127) > 40)
}

/// H.264 payloads, singly and as a stream; what comes out whole survives being sent again.
///
/// # Panics
/// When it does not.
pub fn h264_payload(bytes: &[u8]) {
    let _start = VideoCodec::H264.is_keyframe_start(bytes);
    let count = h264::nal_units(bytes).count();
    assert!(
        count <= bytes.len() / 3 + 1,
        "more NAL units than start codes fit"
    );
    let mut depacketizer = h264::Depacketizer::new();
    let received = packets(bytes);
    let total: usize = received.iter().map(|packet| packet.payload.len()).sum();
    for packet in received {
        let Ok(Some(frame)) = depacketizer.push(&packet) else {
            continue;
        };
        // Each NAL unit gains a start code and a reconstructed header; an aggregate's length fields are longer than nothing.
        assert!(
            frame.data.len() <= 4 * total + 8,
            "a frame larger than what was received"
        );
        for payload in h264::packetize(&frame.data, PACKET) {
            assert!(payload.len() <= PACKET, "a payload beyond the packet size");
        }
    }
}

/// VP8 payloads, singly and as a stream; a rewritten payload parses and holds the same picture.
///
/// # Panics
/// When it does not.
pub fn vp8_payload(bytes: &[u8]) {
    let _start = VideoCodec::Vp8.is_keyframe_start(bytes);
    if let Ok((_, header)) = vp8::Descriptor::parse(bytes) {
        assert!(
            header <= bytes.len(),
            "a descriptor longer than the payload"
        );
    }
    let mut depacketizer = vp8::Depacketizer::new();
    let mut continuity = vp8::Continuity::new();
    for packet in packets(bytes) {
        if packet.marker && packet.ssrc == 1 {
            continuity.source_changed();
        }
        if let Ok(rewritten) = continuity.rewrite(&packet.payload) {
            let parsed = vp8::Descriptor::parse(&rewritten).map(|(_, header)| header);
            let original = vp8::Descriptor::parse(&packet.payload).map(|(_, header)| header);
            let (Ok(parsed), Ok(original)) = (parsed, original) else {
                panic!("rewriting accepted or made a payload that does not parse");
            };
            assert_eq!(
                rewritten.get(parsed..),
                packet.payload.get(original..),
                "the picture changed"
            );
        }
        let Ok(Some(frame)) = depacketizer.push(&packet) else {
            continue;
        };
        for payload in vp8::packetize(&frame.data, 1, None, PACKET) {
            assert!(payload.len() <= PACKET, "a payload beyond the packet size");
        }
    }
}

/// A configuration file: every refusal names its faults.
///
/// # Panics
/// When one does not.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(faults) = Config::parse(Some(text), std::iter::empty()) {
        assert!(!faults.faults().is_empty(), "refused without a fault");
        for fault in faults.faults() {
            assert!(!fault.reason.is_empty(), "a fault without a reason");
        }
    }
}

/// A calendar from anybody's address: intervals are whole, in order and within the window.
///
/// # Panics
/// When one is not.
pub fn calendar(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // The week of 1 December 2026.
    let window = Window {
        from: Moment::seconds(1_796_083_200),
        until: Moment::seconds(1_796_688_000),
    };
    let mut entries = 0;
    let mut alive = || {
        entries += 1;
        entries < 200
    };
    let busy = read(text, window, "Europe/Berlin", &mut alive).unwrap_or_default();
    assert!(busy.len() <= MAX_INTERVALS);
    assert!(busy.is_sorted_by_key(|busy| busy.from));
    for busy in busy {
        assert!(busy.from < busy.until && busy.until > window.from && busy.from < window.until);
    }
}
