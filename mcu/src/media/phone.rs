//! Phone legs: RTP over a socket pair of their own.

/// What SDP agreed for a phone leg.
pub use plenum_dialin::sdp::AudioSession as PhoneMedia;
