//! VP8 by libvpx: the only place that names the library.
#![expect(unsafe_code, reason = "libvpx is C; each call states why it is sound")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

use bytes::Bytes;
use vpx_sys as sys;

use super::decoder::{Decoded, Held};
use super::encoder::{EncodedFrame, VideoSetting};
use super::openh264::same_size;
use super::picture::MAX_SIDE;
use super::{I420Picture, I420View};
use crate::error::CodecError;
use crate::time::MediaTime;

/// Real-time speed of the encoder; more costs quality, less costs time.
const CPU_USED: c_int = -8;
/// A keyframe takes at most so many per cent of the bits of an average frame.
const MAX_INTRA_PERCENT: c_int = 900;
/// Below this difference a block counts as unchanged.
const STATIC_THRESHOLD: c_int = 1;

fn check(call: &'static str, code: sys::vpx_codec_err_t) -> Result<(), CodecError> {
    if code == sys::VPX_CODEC_OK {
        Ok(())
    } else {
        Err(CodecError::Library {
            library: "libvpx",
            call,
            code: code as i64,
        })
    }
}

/// A codec context that was initialized, in a place that does not move.
struct Context(Box<sys::vpx_codec_ctx_t>);

// SAFETY: a context is a heap object without thread-local state; only its owner calls it, one call at a time.
unsafe impl Send for Context {}

impl Context {
    /// Initializes a context by `start`, which gets zeroed memory.
    fn new(
        call: &'static str,
        start: impl FnOnce(*mut sys::vpx_codec_ctx_t) -> sys::vpx_codec_err_t,
    ) -> Result<Self, CodecError> {
        // SAFETY: zero is a valid value of each member: null pointers, integers, and VPX_CODEC_OK.
        let mut context =
            Box::new(unsafe { MaybeUninit::<sys::vpx_codec_ctx_t>::zeroed().assume_init() });
        check(call, start(&raw mut *context))?;
        Ok(Self(context))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was initialized (only then it exists) and is not used any more. The code says only that.
        let _code = unsafe { sys::vpx_codec_destroy(&raw mut *self.0) };
    }
}

/// Encoder of VP8 for real time, one thread, one token partition. Keyframes come first and on request only.
pub struct Vp8Encoder {
    context: Context,
    config: sys::vpx_codec_enc_cfg_t,
    setting: VideoSetting,
    keyframe_wanted: bool,
    /// Presentation time of the last picture, 90 kHz; libvpx wants it to rise.
    last_time: Option<i64>,
}

// SAFETY: as for `Context`; the pointers in the configuration (two-pass statistics) stay null.
unsafe impl Send for Vp8Encoder {}

impl std::fmt::Debug for Vp8Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vp8Encoder")
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}

fn abi(version: u32) -> c_int {
    c_int::try_from(version).unwrap_or(0)
}

impl Vp8Encoder {
    /// An encoder whose first picture is a keyframe.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when the setting is out of range, [`CodecError::Library`] when libvpx refuses it.
    pub fn new(setting: VideoSetting) -> Result<Self, CodecError> {
        setting.validate()?;
        let config = config(&setting)?;
        let context = Context::new("vpx_codec_enc_init", |context| {
            // SAFETY: context and configuration are valid for the call, the interface is a static of the library.
            unsafe {
                sys::vpx_codec_enc_init_ver(
                    context,
                    sys::vpx_codec_vp8_cx(),
                    &raw const config,
                    0,
                    abi(sys::VPX_ENCODER_ABI_VERSION),
                )
            }
        })?;
        let mut this = Self {
            context,
            config,
            setting,
            keyframe_wanted: false,
            last_time: None,
        };
        this.control(
            "VP8E_SET_CPUUSED",
            sys::vp8e_enc_control_id::VP8E_SET_CPUUSED,
            CPU_USED,
        )?;
        this.control(
            "VP8E_SET_STATIC_THRESHOLD",
            sys::vp8e_enc_control_id::VP8E_SET_STATIC_THRESHOLD,
            STATIC_THRESHOLD,
        )?;
        this.control(
            "VP8E_SET_MAX_INTRA_BITRATE_PCT",
            sys::vp8e_enc_control_id::VP8E_SET_MAX_INTRA_BITRATE_PCT,
            MAX_INTRA_PERCENT,
        )?;
        Ok(this)
    }

    fn control(
        &mut self,
        call: &'static str,
        control: sys::vp8e_enc_control_id,
        value: c_int,
    ) -> Result<(), CodecError> {
        // SAFETY: the context is alive, and the controls in use here take one int.
        check(call, unsafe {
            sys::vpx_codec_control_(&raw mut *self.context.0, control as c_int, value)
        })
    }

    /// Makes the next picture a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Changes the bit rate from the next picture on.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when it is out of range, [`CodecError::Library`] when libvpx refuses it; the old one stays.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        let setting = VideoSetting {
            bitrate,
            ..self.setting
        };
        setting.validate()?;
        let mut config = self.config;
        config.rc_target_bitrate = bitrate / 1_000;
        // SAFETY: the context is alive; the configuration is copied.
        check("vpx_codec_enc_config_set", unsafe {
            sys::vpx_codec_enc_config_set(&raw mut *self.context.0, &raw const config)
        })?;
        (self.config, self.setting) = (config, setting);
        Ok(())
    }

    /// Encodes a picture of the size of the setting, taken at `at`. `None` when rate control dropped it.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when the size is another, [`CodecError::Library`] when libvpx fails.
    pub fn encode(
        &mut self,
        picture: &I420Picture,
        at: MediaTime,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        same_size(&self.setting, picture)?;
        let now = i64::try_from(at.as_micros() / 100 * 9).unwrap_or(i64::MAX);
        let time = self
            .last_time
            .map_or(now, |last| now.max(last.saturating_add(1)));
        let image = wrap(picture)?;
        let flags = if self.keyframe_wanted {
            i64::from(sys::VPX_EFLAG_FORCE_KF)
        } else {
            0
        };
        let duration = u64::from(super::CLOCK_RATE) / u64::from(self.setting.frame_rate);
        // SAFETY: context and image are valid; the planes behind the image live as long as `picture` and are only read.
        check("vpx_codec_encode", unsafe {
            sys::vpx_codec_encode(
                &raw mut *self.context.0,
                &raw const image,
                time,
                duration,
                flags,
                u64::from(sys::VPX_DL_REALTIME),
            )
        })?;
        self.last_time = Some(time);
        let frame = self.collect();
        if frame.as_ref().is_some_and(|frame| frame.keyframe) {
            self.keyframe_wanted = false;
        }
        Ok(frame)
    }

    fn collect(&mut self) -> Option<EncodedFrame> {
        let mut iterator = ptr::null();
        loop {
            // SAFETY: the context is alive; a packet is valid until the next call to the encoder, and its union holds a frame
            // when its kind says so.
            unsafe {
                let packet =
                    sys::vpx_codec_get_cx_data(&raw mut *self.context.0, &raw mut iterator)
                        .as_ref()?;
                if packet.kind == sys::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                    let frame = &packet.data.frame;
                    if frame.buf.is_null() || frame.sz == 0 {
                        continue;
                    }
                    let size = usize::try_from(frame.sz).unwrap_or(0);
                    let data =
                        Bytes::copy_from_slice(std::slice::from_raw_parts(frame.buf.cast(), size));
                    return Some(EncodedFrame {
                        keyframe: data[0] & 1 == 0,
                        data,
                    });
                }
            }
        }
    }
}

/// The configuration for real time. It begins with the library's default: a zeroed one makes libvpx abort the process.
fn config(setting: &VideoSetting) -> Result<sys::vpx_codec_enc_cfg_t, CodecError> {
    let mut config = MaybeUninit::<sys::vpx_codec_enc_cfg_t>::zeroed();
    // SAFETY: the library writes a whole configuration, or returns an error.
    let mut config = unsafe {
        check(
            "vpx_codec_enc_config_default",
            sys::vpx_codec_enc_config_default(sys::vpx_codec_vp8_cx(), config.as_mut_ptr(), 0),
        )?;
        config.assume_init()
    };
    config.g_w = setting.width.into();
    config.g_h = setting.height.into();
    config.g_timebase = sys::vpx_rational {
        num: 1,
        den: 90_000,
    };
    config.g_threads = 1;
    config.g_lag_in_frames = 0;
    config.g_error_resilient = 0;
    config.g_pass = sys::vpx_enc_pass::VPX_RC_ONE_PASS;
    config.rc_end_usage = sys::vpx_rc_mode::VPX_CBR;
    config.rc_target_bitrate = setting.bitrate / 1_000;
    config.rc_dropframe_thresh = 30;
    config.rc_resize_allowed = 0;
    config.rc_min_quantizer = 2;
    config.rc_max_quantizer = 56;
    config.rc_undershoot_pct = 100;
    config.rc_overshoot_pct = 15;
    // Milliseconds of the bit rate.
    config.rc_buf_initial_sz = 500;
    config.rc_buf_optimal_sz = 600;
    config.rc_buf_sz = 1_000;
    config.kf_mode = sys::vpx_kf_mode::VPX_KF_DISABLED;
    Ok(config)
}

/// An image that refers to the planes of a picture.
fn wrap(picture: &I420Picture) -> Result<sys::vpx_image_t, CodecError> {
    let mut image = MaybeUninit::<sys::vpx_image_t>::zeroed();
    let planes = picture.planes();
    // SAFETY: `vpx_img_wrap` writes the whole image and does not touch the data; a stride alignment of 1 is allowed.
    let mut image = unsafe {
        let wrapped = sys::vpx_img_wrap(
            image.as_mut_ptr(),
            sys::vpx_img_fmt::VPX_IMG_FMT_I420,
            picture.width().into(),
            picture.height().into(),
            1,
            planes[0].as_ptr().cast_mut(),
        );
        if wrapped.is_null() {
            return Err(CodecError::Library {
                library: "libvpx",
                call: "vpx_img_wrap",
                code: 0,
            });
        }
        image.assume_init()
    };
    for (plane, data) in planes.into_iter().enumerate() {
        image.planes[plane] = data.as_ptr().cast_mut();
        image.stride[plane] = c_int::try_from(picture.stride(plane)).unwrap_or(c_int::MAX);
    }
    Ok(image)
}

/// Decoder of VP8, one thread.
pub struct Vp8Decoder {
    context: Context,
    /// Until the library is called again.
    held: Option<Held>,
}

// SAFETY: as for `Context`; the pointers lead into its buffers and are followed by its owner alone.
unsafe impl Send for Vp8Decoder {}

impl std::fmt::Debug for Vp8Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vp8Decoder").finish_non_exhaustive()
    }
}

impl Vp8Decoder {
    /// A decoder that waits for a keyframe.
    ///
    /// # Errors
    /// [`CodecError::Library`] when libvpx fails.
    pub fn new() -> Result<Self, CodecError> {
        let context = Context::new("vpx_codec_dec_init", |context| {
            // SAFETY: the context is valid, a null configuration means defaults, the interface is a static of the library.
            unsafe {
                sys::vpx_codec_dec_init_ver(
                    context,
                    sys::vpx_codec_vp8_dx(),
                    ptr::null(),
                    0,
                    abi(sys::VPX_DECODER_ABI_VERSION),
                )
            }
        })?;
        Ok(Self {
            context,
            held: None,
        })
    }

    /// The picture that was decoded last, if the last call gave one.
    #[must_use]
    pub fn picture(&self) -> Option<I420View<'_>> {
        // SAFETY: the image holds as many pixels in I420, with these strides, until the next call to the decoder, for which this object has
        // to be borrowed exclusively.
        self.held.map(|held| unsafe { held.view() })
    }

    /// Decodes one frame. A damaged one gives no picture and asks for a keyframe.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] when the frame or the picture it announces is.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Decoded<'_>, CodecError> {
        const NOTHING: Decoded<'_> = Decoded {
            picture: None,
            needs_keyframe: true,
        };
        self.held = None;
        let size = u32::try_from(frame.len())
            .ok()
            .filter(|_| frame.len() <= super::MAX_FRAME);
        let Some(size) = size else {
            return Err(CodecError::TooLarge {
                format: "VP8 frame",
                size: frame.len(),
                limit: super::MAX_FRAME,
            });
        };
        if let Some((width, height)) = super::vp8::keyframe_size(frame) {
            if width == 0 || height == 0 {
                return Ok(NOTHING);
            }
            if width.max(height) > MAX_SIDE {
                // The library would allocate for up to 16383 by 16383.
                let side = usize::from(width.max(height));
                return Err(CodecError::TooLarge {
                    format: "VP8 picture side",
                    size: side,
                    limit: MAX_SIDE.into(),
                });
            }
        }
        if frame.is_empty() {
            return Ok(NOTHING); // to the library this would mean a lost frame
        }
        // SAFETY: the context is alive, the octets are only read.
        let code = unsafe {
            sys::vpx_codec_decode(
                &raw mut *self.context.0,
                frame.as_ptr(),
                size,
                ptr::null_mut(),
                0,
            )
        };
        if code != sys::VPX_CODEC_OK {
            return Ok(NOTHING);
        }
        let mut iterator = ptr::null();
        // SAFETY: an image is valid until the next call to the decoder; null when the frame is not to be shown.
        let image = unsafe {
            sys::vpx_codec_get_frame(&raw mut *self.context.0, &raw mut iterator).as_ref()
        };
        let Some(image) = image.filter(|image| image.fmt == sys::vpx_img_fmt::VPX_IMG_FMT_I420)
        else {
            return Ok(Decoded {
                picture: None,
                needs_keyframe: false,
            });
        };
        let side = |value: u32| u16::try_from(value).unwrap_or(0);
        let strides = image
            .stride
            .map(|stride| usize::try_from(stride).unwrap_or(0));
        let planes = [image.planes[0], image.planes[1], image.planes[2]];
        let size = (side(image.d_w), side(image.d_h));
        self.held = Held::new(size, planes, [strides[0], strides[1], strides[2]])?;
        Ok(Decoded {
            picture: self.picture(),
            needs_keyframe: false,
        })
    }
}
