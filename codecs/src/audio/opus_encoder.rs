//! The encoder of libopus over its own interface, because the `opus` crate cannot copy one: a copy goes on exactly where the
//! original stands, so that a listener may be handed from the one to the other unheard. Only here are the bindings named.
#![expect(unsafe_code, reason = "libopus is C; each call states why it is sound")]

use std::ffi::c_int;

use bytes::Bytes;
use opusic_sys as sys;

use super::{FRAME, Frame, OpusMode};
use crate::error::CodecError;

/// Largest payload that is made: one MTU is never exceeded (RFC 6716 §2.1.4 needs at most 1275 per frame).
const MAX_PAYLOAD: usize = 1_275;
const SAMPLE_RATE: c_int = 48_000;
const MONO: c_int = 1;

/// Mono encoder of 20 ms frames at 48 kHz.
///
/// libopus keeps the whole state in one block that holds no pointer into itself ("only a shallow copy is sufficient to copy it",
/// `opus.h`), so cloning the block clones the encoder.
#[derive(Clone)]
pub(super) struct OpusEncoder {
    /// Words rather than octets for their alignment.
    state: Box<[u64]>,
}

impl std::fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusEncoder").finish_non_exhaustive()
    }
}

fn check(call: &'static str, code: c_int) -> Result<(), CodecError> {
    if code == sys::OPUS_OK {
        return Ok(());
    }
    Err(CodecError::Library {
        library: "libopus",
        call,
        code: i64::from(code),
    })
}

impl OpusEncoder {
    pub(super) fn new(mode: OpusMode) -> Result<Self, CodecError> {
        let (application, bitrate) = match mode {
            OpusMode::LowDelay { bitrate, .. } => {
                (sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY, bitrate)
            }
            OpusMode::Voip { bitrate, .. } => (sys::OPUS_APPLICATION_VOIP, bitrate),
        };
        let bits = c_int::try_from(bitrate)
            .ok()
            .filter(|bits| (6_000..=510_000).contains(bits))
            .ok_or(CodecError::Setting {
                what: "opus bit rate",
                value: i64::from(bitrate),
                allowed: "6000 to 510000 bit/s",
            })?;
        // SAFETY: takes a number of channels and gives a number of octets.
        let size = unsafe { sys::opus_encoder_get_size(MONO) };
        let size = usize::try_from(size).unwrap_or(0);
        let mut encoder = Self {
            state: vec![0; size.div_ceil(size_of::<u64>())].into_boxed_slice(),
        };
        // SAFETY: the block has the size that libopus asks for, is aligned for its largest member, and is ours alone.
        let code =
            unsafe { sys::opus_encoder_init(encoder.as_ptr(), SAMPLE_RATE, MONO, application) };
        check("opus_encoder_init", code)?;
        encoder.set(sys::OPUS_SET_BITRATE_REQUEST, bits)?;
        match mode {
            OpusMode::LowDelay { complexity, .. } => {
                encoder.set(
                    sys::OPUS_SET_COMPLEXITY_REQUEST,
                    c_int::from(complexity.min(10)),
                )?;
            }
            OpusMode::Voip {
                fec_loss_percent, ..
            } => {
                encoder.set(sys::OPUS_SET_COMPLEXITY_REQUEST, 9)?;
                encoder.set(sys::OPUS_SET_SIGNAL_REQUEST, sys::OPUS_SIGNAL_VOICE)?;
                encoder.set(sys::OPUS_SET_INBAND_FEC_REQUEST, 1)?;
                let percent = c_int::from(fec_loss_percent.min(100));
                encoder.set(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, percent)?;
            }
        }
        Ok(encoder)
    }

    /// `independent`: the frame leans on no earlier one.
    pub(super) fn encode(&mut self, frame: &Frame, independent: bool) -> Result<Bytes, CodecError> {
        if independent {
            self.set(sys::OPUS_SET_PREDICTION_DISABLED_REQUEST, 1)?;
        }
        let mut payload = [0; MAX_PAYLOAD];
        let samples = c_int::try_from(FRAME).unwrap_or(0);
        let room = c_int::try_from(MAX_PAYLOAD).unwrap_or(0);
        // SAFETY: the state was initialized by `new` or copied from one that was; `frame` holds `samples` samples of one
        // channel, and `payload` has room for as many octets as is said.
        let made = unsafe {
            sys::opus_encode(
                self.as_ptr(),
                frame.as_ptr(),
                samples,
                payload.as_mut_ptr(),
                room,
            )
        };
        if independent {
            self.set(sys::OPUS_SET_PREDICTION_DISABLED_REQUEST, 0)?;
        }
        check("opus_encode", made.min(0))?;
        let octets = usize::try_from(made)
            .ok()
            .and_then(|made| payload.get(..made));
        Ok(Bytes::copy_from_slice(octets.unwrap_or_default()))
    }

    fn set(&mut self, request: c_int, value: c_int) -> Result<(), CodecError> {
        // SAFETY: the state was initialized; each request made here takes one integer.
        let code = unsafe { sys::opus_encoder_ctl(self.as_ptr(), request, value) };
        check("opus_encoder_ctl", code)
    }

    fn as_ptr(&mut self) -> *mut sys::OpusEncoder {
        self.state.as_mut_ptr().cast()
    }
}
