//! Encoders and decoders, judged by PSNR, bit rate and what is in the stream.

use super::decoder::{Decoded, H264Decoder, Vp8Decoder};
use super::encoder::{EncodedFrame, H264Encoder, VideoSetting, Vp8Encoder};
use super::*;
use crate::error::CodecError;
use crate::time::MediaTime;

const SETTING: VideoSetting = VideoSetting {
    width: 640,
    height: 360,
    bitrate: 800_000,
    frame_rate: 30,
};

enum Encoder {
    Vp8(Box<Vp8Encoder>),
    H264(H264Encoder),
}

impl Encoder {
    fn new(codec: VideoCodec, setting: VideoSetting) -> Result<Self, CodecError> {
        Ok(match codec {
            VideoCodec::Vp8 => Self::Vp8(Box::new(Vp8Encoder::new(setting)?)),
            VideoCodec::H264 => Self::H264(H264Encoder::new(setting)?),
        })
    }

    fn encode(&mut self, picture: &I420Picture, number: u64) -> Option<EncodedFrame> {
        let at = MediaTime::from_micros(number * 1_000_000 / 30);
        match self {
            Self::Vp8(encoder) => encoder.encode(picture, at),
            Self::H264(encoder) => encoder.encode(picture, at),
        }
        .unwrap()
    }

    fn request_keyframe(&mut self) {
        match self {
            Self::Vp8(encoder) => encoder.request_keyframe(),
            Self::H264(encoder) => encoder.request_keyframe(),
        }
    }

    fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        match self {
            Self::Vp8(encoder) => encoder.set_bitrate(bitrate),
            Self::H264(encoder) => encoder.set_bitrate(bitrate),
        }
    }
}

enum Decoder {
    Vp8(Vp8Decoder),
    H264(H264Decoder),
}

impl Decoder {
    fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8(Vp8Decoder::new().unwrap()),
            VideoCodec::H264 => Self::H264(H264Decoder::new().unwrap()),
        }
    }

    fn decode(&mut self, frame: &[u8]) -> Result<Decoded<'_>, CodecError> {
        match self {
            Self::Vp8(decoder) => decoder.decode(frame),
            Self::H264(decoder) => decoder.decode(frame),
        }
    }

    fn picture(&self) -> Option<I420View<'_>> {
        match self {
            Self::Vp8(decoder) => decoder.picture(),
            Self::H264(decoder) => decoder.picture(),
        }
    }
}

const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];

/// Soft waves that drift, with a bright block that moves, and `grain` of noise.
fn picture(number: u64, grain: u8) -> I420Picture {
    let mut picture = I420Picture::black(SETTING.width, SETTING.height).unwrap();
    let mut random = fastrand::Rng::with_seed(number);
    let t = number as f64;
    let block = (number * 5 % 540) as usize;
    let [y, u, v] = picture.planes_mut();
    for (row, line) in y.chunks_exact_mut(640).enumerate() {
        for (x, pixel) in line.iter_mut().enumerate() {
            let wave =
                40.0 * ((x as f64 / 23.0 + t / 9.0).sin() + (row as f64 / 17.0 - t / 13.0).cos());
            let bright = if (block..block + 80).contains(&x) && (100..180).contains(&row) {
                60.0
            } else {
                0.0
            };
            *pixel = (110.0 + wave + bright) as u8;
            *pixel = pixel.saturating_add(if grain > 0 { random.u8(..grain) } else { 0 });
        }
    }
    u.fill(100);
    v.fill(150);
    picture
}

#[test]
fn pictures_come_back_at_once_above_33_db() {
    for codec in CODECS {
        let (mut encoder, mut decoder) =
            (Encoder::new(codec, SETTING).unwrap(), Decoder::new(codec));
        let mut worst = f64::MAX;
        let mut shown = 0;
        for number in 0..60 {
            let original = picture(number, 0);
            let Some(frame) = encoder.encode(&original, number) else {
                continue;
            };
            assert_eq!(
                frame.keyframe,
                number == 0,
                "{codec:?}: keyframes come first and on request only"
            );
            assert_eq!(
                frame.keyframe,
                match codec {
                    VideoCodec::Vp8 => vp8::keyframe_size(&frame.data) == Some((640, 360)),
                    VideoCodec::H264 => h264::is_keyframe(&frame.data),
                }
            );
            let decoded = decoder.decode(&frame.data).unwrap();
            assert!(!decoded.needs_keyframe);
            let back = decoded
                .picture
                .expect("each frame gives its picture at once")
                .to_picture();
            worst = worst.min(psnr(&original, &back));
            assert!(
                back.planes()[1].iter().all(|&u| u.abs_diff(100) < 6)
                    && back.planes()[2].iter().all(|&v| v.abs_diff(150) < 6)
            );
            shown += 1;
        }
        assert!(shown >= 55, "{codec:?}: {shown} of 60 pictures");
        assert!(worst > 33.0, "{codec:?}: {worst:.1} dB");
    }
}

#[test]
fn the_bit_rate_is_kept_and_follows_a_change() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, SETTING).unwrap();
        let rate = |encoder: &mut Encoder, from: u64| {
            let octets: usize = (from..from + 90)
                .filter_map(|number| encoder.encode(&picture(number, 30), number))
                .map(|frame| frame.data.len())
                .sum();
            octets * 8 / 3
        };
        rate(&mut encoder, 0);
        let high = rate(&mut encoder, 90);
        assert!(
            (560_000..=960_000).contains(&high),
            "{codec:?}: {high} bit/s instead of 800000"
        );
        encoder.set_bitrate(300_000).unwrap();
        rate(&mut encoder, 180);
        let low = rate(&mut encoder, 270);
        assert!(
            (200_000..=390_000).contains(&low),
            "{codec:?}: {low} bit/s instead of 300000"
        );
        encoder.set_bitrate(1_500_000).unwrap();
        rate(&mut encoder, 360);
        let higher = rate(&mut encoder, 450);
        assert!(
            higher > 900_000 && higher < 1_800_000,
            "{codec:?}: {higher} bit/s instead of 1500000"
        );
        assert!(encoder.set_bitrate(1).is_err());
    }
}

#[test]
fn a_requested_keyframe_comes_next_and_starts_a_new_decoder() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, SETTING).unwrap();
        for number in 0..10 {
            encoder.encode(&picture(number, 0), number);
        }
        encoder.request_keyframe();
        let original = picture(10, 0);
        // Rate control may skip pictures, the request stays.
        let (number, frame) = (10..20)
            .find_map(|number| Some((number, encoder.encode(&original, number)?)))
            .unwrap();
        assert!(frame.keyframe, "{codec:?}");
        let mut decoder = Decoder::new(codec);
        let back = decoder.decode(&frame.data).unwrap();
        assert!(!back.needs_keyframe);
        let back = back.picture.unwrap().to_picture();
        assert!(psnr(&original, &back) > 30.0, "{codec:?}");
        assert!(
            (number + 1..number + 5)
                .filter_map(|number| encoder.encode(&picture(number, 0), number))
                .all(|frame| !frame.keyframe)
        );
    }
}

#[test]
fn h264_is_constrained_baseline_with_its_size_in_the_parameter_set() {
    let mut encoder = Encoder::new(VideoCodec::H264, SETTING).unwrap();
    let frame = encoder.encode(&picture(0, 0), 0).unwrap();
    let units: Vec<_> = h264::nal_units(&frame.data).collect();
    assert_eq!(
        units.iter().map(|unit| unit[0] & 0x1f).collect::<Vec<_>>(),
        [7, 8, 5],
        "parameter sets, one slice"
    );
    let (profile, constraints) = (units[0][1], units[0][2]);
    assert_eq!(profile, 66);
    assert_eq!(constraints & 0x40, 0x40, "constraint_set1_flag");
    assert_eq!(
        h264::sps_pixels(units[0]),
        Some(640 * 368),
        "360 rows are 23 macroblocks"
    );
}

#[test]
fn a_decoder_that_lacks_something_asks_for_a_keyframe() {
    let mut encoder = Encoder::new(VideoCodec::H264, SETTING).unwrap();
    let frames: Vec<_> = (0..20)
        .filter_map(|number| encoder.encode(&picture(number, 0), number))
        .collect();
    let mut decoder = H264Decoder::new().unwrap();
    assert!(
        decoder.decode(&frames[3].data).unwrap().needs_keyframe,
        "begins without parameter sets"
    );
    let mut decoder = H264Decoder::new().unwrap();
    assert!(!decoder.decode(&frames[0].data).unwrap().needs_keyframe);
    assert!(!decoder.decode(&frames[1].data).unwrap().needs_keyframe);
    assert!(
        decoder.decode(&frames[5].data).unwrap().needs_keyframe,
        "three frames are lost"
    );
    let mut decoder = Vp8Decoder::new().unwrap();
    let mut encoder = Encoder::new(VideoCodec::Vp8, SETTING).unwrap();
    encoder.encode(&picture(0, 0), 0).unwrap();
    let delta = encoder.encode(&picture(1, 0), 1).unwrap();
    let decoded = decoder.decode(&delta.data).unwrap();
    assert!(decoded.needs_keyframe && decoded.picture.is_none());
    assert!(decoder.picture().is_none());
}

#[test]
fn a_decoder_has_its_newest_picture_until_it_is_called_again() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, SETTING).unwrap();
        let frame = encoder.encode(&picture(0, 0), 0).unwrap();
        let mut decoder = Decoder::new(codec);
        assert!(decoder.picture().is_none());
        decoder.decode(&frame.data).unwrap();
        let shown = decoder.picture().unwrap().to_picture();
        assert!(psnr(&picture(0, 0), &shown) > 30.0, "{codec:?}");
        assert!(decoder.picture().is_some());
        assert!(decoder.decode(&[0; MAX_FRAME + 1]).is_err());
        assert!(decoder.picture().is_none(), "{codec:?}");
    }
}

#[test]
fn a_decoder_recovers_from_damage_with_the_next_keyframe() {
    let mut random = fastrand::Rng::with_seed(7);
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, SETTING).unwrap();
        let frames: Vec<_> = (0..12)
            .filter_map(|number| encoder.encode(&picture(number, 8), number))
            .collect();
        for _ in 0..15 {
            let mut decoder = Decoder::new(codec);
            for frame in &frames {
                let mut data = frame.data.to_vec();
                for _ in 0..random.usize(..6) {
                    let at = random.usize(..data.len());
                    data[at] ^= 1 << random.u8(..8);
                }
                if random.u8(..8) == 0 {
                    data.truncate(random.usize(..data.len()));
                }
                if let Ok(Decoded {
                    picture: Some(picture),
                    ..
                }) = decoder.decode(&data)
                {
                    // Every sample is read.
                    let picture = picture.to_picture();
                    assert!(picture.width() <= MAX_SIDE && picture.height() <= MAX_SIDE);
                }
            }
            // Damage may have faked another size; a decoder that refuses from then on would stay blind.
            let intact = decoder.decode(&frames[0].data).unwrap();
            let back = intact
                .picture
                .unwrap_or_else(|| panic!("{codec:?}: no picture after damage"));
            assert!(psnr(&picture(0, 8), &back.to_picture()) > 28.0, "{codec:?}");
        }
    }
}

#[test]
fn pictures_too_large_to_decode_are_refused() {
    let vp8 = [
        0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0, 0, 0,
    ];
    let error = Vp8Decoder::new().unwrap().decode(&vp8).unwrap_err();
    assert_eq!(
        error,
        CodecError::TooLarge {
            format: "VP8 picture side",
            size: 16_383,
            limit: 4_096
        }
    );
    // A parameter set of 1024 by 1024 macroblocks: ue(1023) is 000000000 1 0000000000 + …
    let mut bits = String::from("1101110");
    bits.push_str(&["0000000000", "10000000000"].concat().repeat(2));
    bits.push_str("11000000");
    let body: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |octet, &bit| octet << 1 | (bit - b'0'))
        })
        .collect();
    let mut stream = vec![0, 0, 0, 1, 0x67, 66, 0xc0, 31];
    // Emulation prevention, as the body has runs of zeros.
    let mut zeros = 0;
    for octet in body {
        if zeros >= 2 && octet <= 3 {
            stream.push(3);
            zeros = 0;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        stream.push(octet);
    }
    let error = H264Decoder::new().unwrap().decode(&stream).unwrap_err();
    assert_eq!(
        error,
        CodecError::TooLarge {
            format: "H.264 picture",
            size: 1_024 * 1_024 * 256,
            limit: 4_096 * 2_304
        }
    );
}

#[test]
fn settings_and_sizes_out_of_range_are_refused() {
    for codec in CODECS {
        for setting in [
            VideoSetting {
                width: 0,
                ..SETTING
            },
            VideoSetting {
                width: 641,
                ..SETTING
            },
            VideoSetting {
                height: 5_000,
                ..SETTING
            },
            VideoSetting {
                bitrate: 0,
                ..SETTING
            },
            VideoSetting {
                frame_rate: 0,
                ..SETTING
            },
        ] {
            assert!(
                matches!(
                    Encoder::new(codec, setting),
                    Err(CodecError::Setting { .. })
                ),
                "{codec:?} {setting:?}"
            );
        }
    }
    let small = I420Picture::black(320, 180).unwrap();
    assert!(
        H264Encoder::new(SETTING)
            .unwrap()
            .encode(&small, MediaTime::ZERO)
            .is_err()
    );
    assert!(
        Vp8Encoder::new(SETTING)
            .unwrap()
            .encode(&small, MediaTime::ZERO)
            .is_err()
    );
}

#[test]
fn how_high_a_keyframe_is_is_read_from_its_first_payload() {
    let picture = I420Picture::black(SETTING.width, SETTING.height).unwrap();
    for (codec, height) in [(VideoCodec::Vp8, 360), (VideoCodec::H264, 368)] {
        let mut encoder = Encoder::new(codec, SETTING).unwrap();
        let heights = [0, 1].map(|number| {
            let frame = encoder.encode(&picture, number).unwrap();
            let payloads = match codec {
                VideoCodec::Vp8 => vp8::packetize(&frame.data, 7, None, 1_200),
                VideoCodec::H264 => h264::packetize(&frame.data, 1_200),
            };
            codec.keyframe_height(&payloads[0])
        });
        assert_eq!(heights, [Some(height), None], "{codec:?}");
        assert_eq!(codec.keyframe_height(&[]), None);
        assert_eq!(codec.keyframe_height(&[0x10]), None);
    }
}
