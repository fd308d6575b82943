//! Entry points for fuzzers: every parser of outside bytes of the media plane that is ours, over plain bytes. None may panic.

use super::offer::{self, Outline};
use super::rtp_header::{RtpHeader, unpadded};
use super::{Limits, demux, phone, simulcast, transport_cc};

/// An RTP datagram as a phone leg reads it, and as an audio stream of a browser is before SRTP.
///
/// # Panics
/// When a packet holds more than the datagram.
pub fn rtp(bytes: &[u8]) {
    if let Some(header) = RtpHeader::parse(bytes) {
        assert!(
            header.length <= bytes.len(),
            "a header longer than its datagram"
        );
        for id in [1, 3, 14, 15] {
            let _level = header.element(id, 1);
        }
        let payload = bytes.get(header.length..).unwrap_or_default();
        let _payload = unpadded(payload, header.padded);
    }
    if let Some(packet) = phone::wire::parse(bytes) {
        assert!(
            packet.payload.len() + 12 <= bytes.len(),
            "a payload longer than its datagram"
        );
        assert!(packet.payload_type < 128, "a payload type of eight bits");
    }
}

/// A compound RTCP datagram as a phone leg reads it.
pub fn rtcp(bytes: &[u8]) {
    let ours = bytes
        .first_chunk()
        .map_or(1, |ssrc| u32::from_be_bytes(*ssrc));
    let _report = phone::wire::read_report(bytes, ours);
    let _wanted = phone::feedback::wants_keyframe(bytes);
}

/// A datagram on a worker's socket, before anything is known of its sender: told apart, and searched for what our maps need.
///
/// # Panics
/// When a user name fragment is found that is not in the datagram.
pub fn datagram(bytes: &[u8]) {
    let _kind = demux::kind_of(bytes);
    let _rtcp = demux::is_rtcp(bytes);
    let _success = demux::is_binding_success(bytes);
    phone::dtls::look_at(bytes);
    if let Some(ufrag) = demux::receiver_ufrag(bytes) {
        assert!(
            bytes
                .windows(ufrag.len().max(1))
                .any(|window| window == ufrag)
                || ufrag.is_empty(),
            "a fragment from nowhere"
        );
    }
    for id in [1, 3, 14, 15] {
        let _number = transport_cc::number_of(bytes, id);
    }
}

/// A browser's offer, before the WebRTC stack sees it: what passes has its media lines in order, each with a name of its own.
///
/// # Panics
/// When it has not.
pub fn offer(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _audio = offer::without_audio_numbers(text);
    let (kept, layers) = simulcast::take_layers(text);
    assert!(kept.len() <= text.len(), "an offer that grows");
    let _answer = simulcast::answer_layers(&kept, &layers);
    if let Ok(outline) = Outline::read(text, &Limits::default()) {
        assert!(
            outline.lines.len() <= Limits::default().media_lines,
            "more lines than the cap"
        );
        assert!(
            outline.continues(&outline),
            "an offer that does not continue itself"
        );
    }
}
