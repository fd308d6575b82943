//! Composite pictures: cameras of a room decoded, composed and encoded on a thread of the room's own, so that neither a media
//! worker nor a conference ever waits for a codec.
//!
//! Called by the focus, which owns a [`Composite`] and tells it who is there. Knows no conference and no signalling.

mod cadence;
mod camera;
mod figures;
mod outputs;
mod overlay;
mod rendition;
mod reorder;
mod shrink;
mod thread;

use std::path::Path;
use std::sync::Arc;

use plenum_codecs::video::h264::Limit;
use plenum_mixer::Ladder;
use plenum_mixer::compose::{Fonts, Layout};
use prometheus::Registry;

use crate::config::VideoConfig;
use crate::media::{Media, RoomId};

#[cfg(test)]
pub(crate) use camera::Camera;
pub(crate) use figures::Figures;
pub(crate) use thread::Composite;

/// What all composites of the server share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Composites {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: VideoConfig,
    fonts: Fonts,
    figures: Figures,
}

impl Shared {
    /// See [`Composites::ladder`].
    fn ladder(&self, bitrate: u32) -> Ladder {
        let (_, height) = self.config.size;
        Ladder::below(bitrate).of_height(height)
    }
}

impl Composites {
    /// Looks for fonts.
    ///
    /// # Errors
    /// When a metric is registered already.
    pub(crate) fn new(config: VideoConfig, registry: &Registry) -> Result<Self, prometheus::Error> {
        let folders = config.fonts.iter().map(Path::new);
        let fonts = folders.fold(Fonts::none(), Fonts::found_in);
        if fonts.count() == 0 {
            tracing::warn!("no fonts found: composite pictures show no names; see video.fonts");
        }
        let figures = Figures::register(registry)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                fonts,
                figures,
            }),
        })
    }

    /// The layout of that name.
    pub(crate) fn layout(&self, name: &str) -> Option<&Layout> {
        self.shared.config.layouts.get(name)
    }

    /// The names of all layouts.
    pub(crate) fn layouts(&self) -> Vec<String> {
        let names = self.shared.config.layouts.names();
        names.map(str::to_owned).collect()
    }

    /// What a phone that takes pictures within `limit` needs to be made for it: nothing when it takes the composite as it is.
    pub(crate) fn limit_for(&self, limit: Limit) -> Option<Limit> {
        let config = &self.shared.config;
        let (width, height) = config.size;
        let takes = limit.takes(width, height, config.frame_rate, config.bitrate);
        (!takes).then_some(limit)
    }

    /// Starts the composing of a room's picture, of which each viewer is sent `most` bit/s at most.
    ///
    /// # Errors
    /// When as many run as may, or there is no thread or no encoder to be had.
    pub(crate) fn start(
        &self,
        media: &Media,
        room: RoomId,
        layout: &str,
        most: Option<u64>,
    ) -> Result<Composite, StartError> {
        let layout = self.layout(layout).ok_or(StartError::Layout)?.clone();
        let bitrate = self.bitrate(most);
        thread::start(
            Arc::clone(&self.shared),
            media.clone(),
            room,
            layout,
            bitrate,
        )
    }

    /// What the sizes of a whole picture of so many bit/s take, and how high they are.
    pub(crate) fn ladder(&self, bitrate: u32) -> Ladder {
        self.shared.ladder(bitrate)
    }

    /// What the whole picture takes, in bit/s, where each viewer is sent so much at most.
    pub(crate) fn bitrate(&self, most: Option<u64>) -> u32 {
        Ladder::whole_within(self.shared.config.bitrate, most)
    }
}

/// Why a composite did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// There is no such layout.
    #[error("there is no such layout")]
    Layout,
    /// As many run already as may.
    #[error("{0} composites run already, as many as video.max_composites allows")]
    TooMany(u32),
    /// The canvas cannot be made.
    #[error(transparent)]
    Canvas(#[from] plenum_codecs::CodecError),
    /// Our fault: no thread.
    #[error("no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The media worker takes no orders.
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
}
