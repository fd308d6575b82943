//! What can go wrong inside a codec. Knows nothing of who sent the bytes.

/// Faults of codecs and payload formats.
///
/// [`CodecError::Malformed`] and [`CodecError::TooLarge`] are the peer's fault, the others ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The peer's bytes are not what the format allows.
    #[error("malformed {format}: {reason}")]
    Malformed {
        /// The codec or payload format.
        format: &'static str,
        /// What was expected.
        reason: &'static str,
    },
    /// The peer's bytes exceed a cap.
    #[error("{format} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// The codec or payload format.
        format: &'static str,
        /// What came, in the format's unit.
        size: usize,
        /// What is allowed, in the same unit.
        limit: usize,
    },
    /// A codec library refused a setting or failed inside.
    #[error("{library} failed in {call}: code {code}")]
    Library {
        /// Name of the library.
        library: &'static str,
        /// The call that failed.
        call: &'static str,
        /// The library's own code.
        code: i64,
    },
    /// A setting is outside of what the codec can do.
    #[error("{what} is {value}, allowed is {allowed}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What was asked.
        value: i64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
}

impl CodecError {
    /// True when the bytes of a peer are to blame, false when the fault is ours.
    #[must_use]
    pub fn is_peer_fault(&self) -> bool {
        matches!(self, Self::Malformed { .. } | Self::TooLarge { .. })
    }

    pub(crate) fn malformed(format: &'static str, reason: &'static str) -> Self {
        Self::Malformed { format, reason }
    }
}
