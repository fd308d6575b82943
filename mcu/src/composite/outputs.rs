//! All renditions of a composite: the whole picture, smaller ones for lines that carry less, and that of phones that take less. Each is
//! encoded once, and only while somebody sees it.

use std::time::{Duration, Instant};

use plenum_codecs::video::encoder::VideoSetting;
use plenum_codecs::video::h264::Limit;
use plenum_codecs::video::{I420Picture, VideoCodec};
use plenum_codecs::{CodecError, MediaTime};
use plenum_mixer::{Input, Ladder, Rendition as Key, Renditions, Size};

use super::figures::{Figures, Running};
use super::rendition::Rendition;
use super::shrink::{self, Shrink};

/// While nothing on it changes, the picture is encoded so often: it becomes sharper, and the stream stays alive.
const REFINE: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub(super) struct Outputs {
    whole: VideoSetting,
    ladder: Ladder,
    figures: Figures,
    made: Vec<Made>,
    /// When a picture was encoded last.
    encoded: Instant,
}

/// One of them.
#[derive(Debug)]
struct Made {
    rendition: Rendition,
    shrink: Option<Shrink>,
    running: Running,
}

impl Outputs {
    /// None yet, of a composite of that setting.
    pub(super) fn new(whole: VideoSetting, ladder: Ladder, figures: Figures) -> Self {
        Self {
            whole,
            ladder,
            figures,
            made: Vec::new(),
            encoded: Instant::now(),
        }
    }

    /// Nobody sees anything.
    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// These are seen from now on, and no others but that of phones.
    pub(super) fn want(&mut self, wanted: Renditions) {
        self.made
            .retain(|made| made.key().is_none_or(|key| wanted.contains(key)));
        for key in Key::all().filter(|key| wanted.contains(*key)) {
            if self.made.iter().any(|made| made.key() == Some(key)) {
                continue;
            }
            let (setting, every) = shrink::sized(self.whole, &self.ladder, key.size);
            let running = self.figures.running(key.codec, Some(key.size));
            self.add(Rendition::new(key, setting), (setting, every), running);
        }
    }

    /// Phones take this from now on; `None`: there are none.
    pub(super) fn want_small(&mut self, limit: Option<Limit>) {
        self.made.retain(|made| made.key().is_some());
        if let Some(limit) = limit {
            let (setting, every) = shrink::within(self.whole, limit);
            let running = self.figures.running(VideoCodec::H264, None);
            self.add(Rendition::for_phones(setting), (setting, every), running);
        }
    }

    fn add(
        &mut self,
        rendition: Result<Rendition, CodecError>,
        (setting, every): (VideoSetting, u8),
        running: Running,
    ) {
        let same =
            every == 1 && (setting.width, setting.height) == (self.whole.width, self.whole.height);
        let shrink = if same {
            Ok(None)
        } else {
            Shrink::to(setting, every).map(Some)
        };
        match rendition.and_then(|rendition| Ok((rendition, shrink?))) {
            Ok((rendition, shrink)) => self.made.push(Made {
                rendition,
                shrink,
                running,
            }),
            Err(error) => tracing::error!(%error, "no encoder for a composite"),
        }
    }

    /// The whole picture takes so many bit/s from now on. What phones take is bound by themselves.
    pub(super) fn set_bitrate(&mut self, bitrate: u32) {
        self.whole.bitrate = bitrate;
        self.ladder = Ladder::below(bitrate);
        for made in &mut self.made {
            let Some(key) = made.key() else { continue };
            let (setting, _) = shrink::sized(self.whole, &self.ladder, key.size);
            if let Err(error) = made.rendition.set_bitrate(setting.bitrate) {
                tracing::error!(%error, "a composite keeps its bit rate");
            }
        }
    }

    /// The next picture of one must be a keyframe; `None`: that of phones.
    pub(super) fn keyframe(&mut self, key: Option<Key>) {
        let mut made = self.made.iter_mut();
        if let Some(made) = made.find(|made| made.key() == key) {
            made.rendition.request_keyframe();
        }
    }

    /// Encodes the canvas for everybody; while it is `still`, seldom, or where somebody waits for a keyframe.
    pub(super) fn encode(
        &mut self,
        canvas: &I420Picture,
        still: bool,
        (begun, at): (Instant, MediaTime),
        out: &mut Vec<Input>,
    ) {
        let refine = begun.saturating_duration_since(self.encoded) >= REFINE;
        for made in &mut self.made {
            if still && !refine && !made.rendition.due {
                continue;
            }
            self.encoded = begun;
            let picture = match &mut made.shrink {
                None => canvas,
                Some(shrink) => match shrink.take(canvas) {
                    Some(picture) => picture,
                    None => continue,
                },
            };
            made.running.encodes.inc();
            if let Err(error) = made.rendition.encode(picture, at, out) {
                tracing::error!(%error, "a composite was not encoded");
            }
        }
    }
}

impl Made {
    const fn key(&self) -> Option<Key> {
        self.rendition.key()
    }
}

/// How metrics name a size; `None`: that of phones.
pub(super) const fn name(size: Option<Size>) -> &'static str {
    match size {
        Some(Size::Whole) => "whole",
        Some(Size::Half) => "half",
        Some(Size::Quarter) => "quarter",
        None => "phone",
    }
}
