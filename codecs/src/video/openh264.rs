//! H.264 by OpenH264: the only place that names the library.
//!
//! The raw interface is used because the safe crate leaves the frame rate at 0 (rate control then runs away) and cannot
//! change the bit rate of a running encoder.
#![expect(
    unsafe_code,
    reason = "OpenH264 is C++ behind a C table of functions; each call states why it is sound"
)]

use std::ffi::c_int;
use std::ptr;

use bytes::{Bytes, BytesMut};
use openh264_sys2 as sys;
use openh264_sys2::source::APILoader;

use super::decoder::{Decoded, Held};
use super::encoder::{EncodedFrame, VideoSetting};
use super::{I420Picture, I420View};
use crate::error::CodecError;
use crate::time::MediaTime;

const fn failed(call: &'static str, code: i64) -> CodecError {
    CodecError::Library {
        library: "OpenH264",
        call,
        code,
    }
}

fn check(call: &'static str, code: c_int) -> Result<(), CodecError> {
    if code == 0 {
        Ok(())
    } else {
        Err(failed(call, code.into()))
    }
}

/// Looks up an entry of a C++ object's table and calls it; an entry that is missing counts as code -1.
macro_rules! invoke {
    ($object:expr, $entry:ident $(, $argument:expr)*) => {
        match (**$object).$entry {
            Some(function) => function($object $(, $argument)*).into(),
            None => -1,
        }
    };
}

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    /// Part of OpenH264's assembler, and of nothing else: without nasm the program does not link.
    fn WelsCPUIdVerify() -> i32;
    /// C++: the features of this processor, 0 when the library was compiled without assembler.
    fn WelsCPUFeatureDetect(processors: *mut i32) -> u32;
}

/// Whether OpenH264 contains its assembler and uses it on this processor (at least SSE2). Without it encoding takes 2.3 times
/// as long. True on other processors than x86-64, whose assembler comes with the C compiler.
#[must_use]
pub(super) fn assembler_in_use() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        const SSE2: u32 = 0x08;
        let mut processors = 0;
        // SAFETY: the first takes nothing and returns a number, the second writes one i32 to the pointer.
        unsafe { WelsCPUIdVerify() != 0 && WelsCPUFeatureDetect(&raw mut processors) & SSE2 != 0 }
    }
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// Encoder of Constrained Baseline, one slice per picture, one thread. Keyframes come first and on request only.
pub struct H264Encoder {
    encoder: *mut sys::ISVCEncoder,
    setting: VideoSetting,
    keyframe_wanted: bool,
}

impl std::fmt::Debug for H264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Encoder")
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}

// SAFETY: the encoder is a heap object without thread-local state; only its owner calls it, one call at a time.
unsafe impl Send for H264Encoder {}

/// Bits per second in whole thousands, which survive the library's detour over single precision.
fn bits(bitrate: u32) -> c_int {
    c_int::try_from(bitrate / 1_000 * 1_000).unwrap_or(c_int::MAX)
}

impl H264Encoder {
    /// An encoder whose first picture is a keyframe.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when the setting is out of range, [`CodecError::Library`] when OpenH264 refuses it or lacks its
    /// assembler.
    pub fn new(setting: VideoSetting) -> Result<Self, CodecError> {
        setting.validate()?;
        if !assembler_in_use() {
            return Err(failed("assembler_in_use", 0));
        }
        let mut encoder = ptr::null_mut();
        // SAFETY: the library writes the pointer to a new object, or leaves it null.
        check("WelsCreateSVCEncoder", unsafe {
            APILoader::WelsCreateSVCEncoder(&raw mut encoder)
        })?;
        if encoder.is_null() {
            return Err(failed("WelsCreateSVCEncoder", 0));
        }
        // From here on dropping destroys the object.
        let mut this = Self {
            encoder,
            setting,
            keyframe_wanted: false,
        };
        this.initialize()?;
        Ok(this)
    }

    fn initialize(&mut self) -> Result<(), CodecError> {
        let mut level = sys::WELS_LOG_QUIET;
        self.set_option(
            "SetOption(TRACE_LEVEL)",
            sys::ENCODER_OPTION_TRACE_LEVEL,
            &mut level,
        )?;
        let mut parameters = sys::SEncParamExt::default();
        // SAFETY: the object is alive and the structure is the library's own, fully initialized.
        check("GetDefaultParams", unsafe {
            invoke!(self.encoder, GetDefaultParams, &raw mut parameters)
        })?;
        let (width, height) = (
            c_int::from(self.setting.width),
            c_int::from(self.setting.height),
        );
        parameters.iUsageType = sys::CAMERA_VIDEO_REAL_TIME;
        parameters.iPicWidth = width;
        parameters.iPicHeight = height;
        parameters.iTargetBitrate = bits(self.setting.bitrate);
        parameters.iMaxBitrate = bits(self.setting.bitrate);
        parameters.iRCMode = sys::RC_BITRATE_MODE;
        // Left at 0, 1.5 Mbit/s become 29.
        parameters.fMaxFrameRate = f32::from(self.setting.frame_rate);
        parameters.bEnableFrameSkip = true;
        parameters.uiIntraPeriod = 0;
        parameters.iNumRefFrame = 1;
        parameters.eSpsPpsIdStrategy = sys::CONSTANT_ID;
        parameters.iEntropyCodingModeFlag = 0;
        parameters.iMultipleThreadIdc = 1;
        parameters.iTemporalLayerNum = 1;
        parameters.iSpatialLayerNum = 1;
        parameters.bEnableSceneChangeDetect = false;
        let layer = &mut parameters.sSpatialLayers[0];
        layer.iVideoWidth = width;
        layer.iVideoHeight = height;
        layer.fFrameRate = f32::from(self.setting.frame_rate);
        layer.iSpatialBitrate = bits(self.setting.bitrate);
        layer.iMaxSpatialBitrate = bits(self.setting.bitrate);
        layer.uiProfileIdc = sys::PRO_BASELINE;
        layer.sSliceArgument.uiSliceMode = sys::SM_SINGLE_SLICE;
        // SAFETY: as above; the library copies the parameters.
        check("InitializeExt", unsafe {
            invoke!(self.encoder, InitializeExt, &raw const parameters)
        })?;
        let mut format = sys::videoFormatI420;
        self.set_option(
            "SetOption(DATAFORMAT)",
            sys::ENCODER_OPTION_DATAFORMAT,
            &mut format,
        )
    }

    fn set_option<T>(
        &mut self,
        call: &'static str,
        option: sys::ENCODER_OPTION,
        value: &mut T,
    ) -> Result<(), CodecError> {
        // SAFETY: the object is alive; callers pass the type that the option is documented to take, which the library copies.
        check(call, unsafe {
            invoke!(self.encoder, SetOption, option, ptr::from_mut(value).cast())
        })
    }

    /// Makes the next picture a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Changes the bit rate from the next picture on.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when it is out of range, [`CodecError::Library`] when OpenH264 refuses it; the old one stays.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        let setting = VideoSetting {
            bitrate,
            ..self.setting
        };
        setting.validate()?;
        // The target goes by all layers (it is kept for the sum and the layer), the maximum by layer 0 (for all layers it
        // would reach no layer). The target must never be above the maximum: raise that first, lower it last.
        let target = (sys::ENCODER_OPTION_BITRATE, sys::SPATIAL_LAYER_ALL);
        let maximum = (sys::ENCODER_OPTION_MAX_BITRATE, sys::SPATIAL_LAYER_0);
        let order = if bitrate > self.setting.bitrate {
            [maximum, target]
        } else {
            [target, maximum]
        };
        for (option, layer) in order {
            let mut wanted = sys::SBitrateInfo {
                iLayer: layer,
                iBitrate: bits(bitrate),
            };
            self.set_option("SetOption(BITRATE)", option, &mut wanted)?;
        }
        self.setting = setting;
        Ok(())
    }

    /// Changes the frame rate that rate control counts on.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when it is out of range, [`CodecError::Library`] when OpenH264 refuses it; the old one stays.
    pub fn set_frame_rate(&mut self, frame_rate: u8) -> Result<(), CodecError> {
        let setting = VideoSetting {
            frame_rate,
            ..self.setting
        };
        setting.validate()?;
        let mut rate = f32::from(frame_rate);
        self.set_option(
            "SetOption(FRAME_RATE)",
            sys::ENCODER_OPTION_FRAME_RATE,
            &mut rate,
        )?;
        self.setting = setting;
        Ok(())
    }

    /// Encodes a picture of the size of the setting, taken at `at`. `None` when rate control skipped it.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when the size is another, [`CodecError::Library`] when OpenH264 fails.
    pub fn encode(
        &mut self,
        picture: &I420Picture,
        at: MediaTime,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        same_size(&self.setting, picture)?;
        if self.keyframe_wanted {
            // SAFETY: the object is alive.
            check("ForceIntraFrame", unsafe {
                invoke!(self.encoder, ForceIntraFrame, true)
            })?;
        }
        let stride = |plane| c_int::try_from(picture.stride(plane)).unwrap_or(c_int::MAX);
        let [y, u, v] = picture.planes().map(|plane| plane.as_ptr().cast_mut());
        let source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iStride: [stride(0), stride(1), stride(2), 0],
            pData: [y, u, v, ptr::null_mut()],
            iPicWidth: c_int::from(picture.width()),
            iPicHeight: c_int::from(picture.height()),
            uiTimeStamp: at.as_millis().cast_signed(),
            ..sys::SSourcePicture::default()
        };
        let mut info = sys::SFrameBSInfo::default();
        // SAFETY: the planes are as large as strides and size say (I420Picture holds that) and are only read; `info` is the
        // library's own structure, fully initialized.
        check("EncodeFrame", unsafe {
            invoke!(self.encoder, EncodeFrame, &raw const source, &raw mut info)
        })?;
        if info.eFrameType == sys::videoFrameTypeSkip || info.iFrameSizeInBytes <= 0 {
            return Ok(None); // a keyframe that was wanted is still wanted
        }
        // SAFETY: `info` was just filled by the library and the encoder has not been called since.
        let data = unsafe { collect(&info) };
        let keyframe = info.eFrameType == sys::videoFrameTypeIDR;
        if keyframe {
            self.keyframe_wanted = false;
        }
        Ok((!data.is_empty()).then_some(EncodedFrame { keyframe, data }))
    }
}

pub(super) fn same_size(setting: &VideoSetting, picture: &I420Picture) -> Result<(), CodecError> {
    if picture.width() != setting.width {
        return Err(CodecError::Setting {
            what: "picture width",
            value: picture.width().into(),
            allowed: "the encoder's width",
        });
    }
    if picture.height() != setting.height {
        return Err(CodecError::Setting {
            what: "picture height",
            value: picture.height().into(),
            allowed: "the encoder's height",
        });
    }
    Ok(())
}

/// The layers' NAL units one after the other.
///
/// # Safety
/// `info` must have been filled by `EncodeFrame`, with no other call to that encoder since: its pointers lead into buffers of
/// the encoder.
unsafe fn collect(info: &sys::SFrameBSInfo) -> Bytes {
    let mut data = BytesMut::with_capacity(usize::try_from(info.iFrameSizeInBytes).unwrap_or(0));
    let layers = usize::try_from(info.iLayerNum).unwrap_or(0);
    for layer in info.sLayerInfo.iter().take(layers) {
        let count = usize::try_from(layer.iNalCount).unwrap_or(0);
        if count == 0 || layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
            continue;
        }
        // SAFETY: the library states `count` lengths at the first pointer, and their sum of octets at the second.
        unsafe {
            let lengths = std::slice::from_raw_parts(layer.pNalLengthInByte, count);
            let size = lengths
                .iter()
                .map(|&length| usize::try_from(length).unwrap_or(0))
                .sum();
            data.extend_from_slice(std::slice::from_raw_parts(layer.pBsBuf, size));
        }
    }
    data.freeze()
}

impl Drop for H264Encoder {
    fn drop(&mut self) {
        // SAFETY: the object was made by WelsCreateSVCEncoder and is not used any more; uninitializing twice, or before a
        // successful initialization, is allowed.
        unsafe {
            let _code: i32 = invoke!(self.encoder, Uninitialize);
            APILoader::WelsDestroySVCEncoder(self.encoder);
        }
    }
}

/// Largest width times height that is decoded.
const MAX_PIXELS: usize = 4_096 * 2_304;

/// Decoder with error concealment; gives each picture at once.
pub struct H264Decoder {
    decoder: *mut sys::ISVCDecoder,
    /// Until the library is called again.
    held: Option<Held>,
}

impl std::fmt::Debug for H264Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Decoder").finish_non_exhaustive()
    }
}

// SAFETY: as with the encoder: a heap object, called by its owner alone.
unsafe impl Send for H264Decoder {}

impl H264Decoder {
    /// A decoder that waits for a keyframe.
    ///
    /// # Errors
    /// [`CodecError::Library`] when OpenH264 fails.
    pub fn new() -> Result<Self, CodecError> {
        let mut decoder = ptr::null_mut();
        // SAFETY: the library writes the pointer to a new object, or leaves it null.
        let code = unsafe { APILoader::WelsCreateDecoder(&raw mut decoder) };
        if code != 0 || decoder.is_null() {
            return Err(failed("WelsCreateDecoder", code));
        }
        let this = Self {
            decoder,
            held: None,
        };
        let mut level = sys::WELS_LOG_QUIET;
        let parameters = sys::SDecodingParam {
            uiTargetDqLayer: u8::MAX,
            eEcActiveIdc: sys::ERROR_CON_SLICE_MV_COPY_CROSS_IDR_FREEZE_RES_CHANGE,
            sVideoProperty: sys::SVideoProperty {
                size: c_int::try_from(size_of::<sys::SVideoProperty>())
                    .unwrap_or(0)
                    .cast_unsigned(),
                eVideoBsType: sys::VIDEO_BITSTREAM_AVC,
            },
            ..sys::SDecodingParam::default()
        };
        // SAFETY: the object is alive, the option takes a c_int, and both arguments are copied.
        let code = unsafe {
            let _quiet: i64 = invoke!(
                this.decoder,
                SetOption,
                sys::DECODER_OPTION_TRACE_LEVEL,
                (&raw mut level).cast()
            );
            invoke!(this.decoder, Initialize, &raw const parameters)
        };
        if code != 0 {
            return Err(failed("Initialize", code));
        }
        Ok(this)
    }

    /// The picture that was decoded last, if the last call gave one.
    #[must_use]
    pub fn picture(&self) -> Option<I420View<'_>> {
        // SAFETY: the library has stated size and strides of what it points to, and changes it in a call only, for which this object has to
        // be borrowed exclusively.
        self.held.map(|held| unsafe { held.view() })
    }

    /// Decodes one access unit in Annex B. Damage is concealed as well as can be and shows in [`Decoded::needs_keyframe`].
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] when the access unit or its picture is, [`CodecError::Library`] when OpenH264 has no memory.
    pub fn decode(&mut self, access_unit: &[u8]) -> Result<Decoded<'_>, CodecError> {
        self.held = None;
        let size = c_int::try_from(access_unit.len())
            .ok()
            .filter(|_| access_unit.len() <= super::MAX_FRAME);
        let Some(size) = size else {
            return Err(CodecError::TooLarge {
                format: "H.264 access unit",
                size: access_unit.len(),
                limit: super::MAX_FRAME,
            });
        };
        if let Some(pixels) = super::h264::nal_units(access_unit)
            .filter_map(super::h264::sps_pixels)
            .max()
            && pixels > MAX_PIXELS
        {
            return Err(CodecError::TooLarge {
                format: "H.264 picture",
                size: pixels,
                limit: MAX_PIXELS,
            });
        }
        if access_unit.is_empty() {
            return Ok(Decoded {
                picture: None,
                needs_keyframe: false,
            }); // to the library this would be the end of the stream
        }
        let mut planes = [ptr::null_mut(); 3];
        let mut info = sys::SBufferInfo::default();
        // SAFETY: the object is alive, the octets are only read, `planes` and `info` are written as the library documents.
        let state: c_int = unsafe {
            invoke!(
                this_of(self),
                DecodeFrameNoDelay,
                access_unit.as_ptr(),
                size,
                planes.as_mut_ptr(),
                &raw mut info
            )
        };
        if state & (sys::dsInvalidArgument | sys::dsInitialOptExpected | sys::dsOutOfMemory) != 0 {
            return Err(failed("DecodeFrameNoDelay", state.into()));
        }
        // A status of 1 says that the planes hold a picture of the layout in `info`, until the next call.
        if info.iBufferStatus == 1 {
            self.held = held(planes, &info)?;
        }
        Ok(Decoded {
            picture: self.picture(),
            needs_keyframe: state != sys::dsErrorFree && state != sys::dsFramePending,
        })
    }
}

const fn this_of(decoder: &H264Decoder) -> *mut sys::ISVCDecoder {
    decoder.decoder
}

/// Where the picture is that was decoded last.
fn held(planes: [*mut u8; 3], info: &sys::SBufferInfo) -> Result<Option<Held>, CodecError> {
    // SAFETY: the union has one member.
    let layout = unsafe { info.UsrData.sSystemBuffer };
    let side = |value: c_int| u16::try_from(value).unwrap_or(0);
    let stride = |plane: usize| usize::try_from(layout.iStride[plane]).unwrap_or(0);
    let size = (side(layout.iWidth), side(layout.iHeight));
    Held::new(size, planes, [stride(0), stride(1), stride(1)])
}

impl Drop for H264Decoder {
    fn drop(&mut self) {
        // SAFETY: the object was made by WelsCreateDecoder and is not used any more.
        unsafe {
            let _code: i64 = invoke!(self.decoder, Uninitialize);
            APILoader::WelsDestroyDecoder(self.decoder);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn openh264_contains_its_assembler_and_uses_it() {
        assert!(
            super::assembler_in_use(),
            "build with nasm: see codecs/build.rs"
        );
    }
}
