//! What the operator sees of composites.

use plenum_codecs::video::VideoCodec;
use plenum_mixer::{Rendition, Size};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::outputs;

/// Counters of one codec.
#[derive(Debug, Clone)]
pub(crate) struct PerCodec {
    vp8: IntCounter,
    h264: IntCounter,
}

impl PerCodec {
    pub(crate) fn of(&self, codec: VideoCodec) -> &IntCounter {
        match codec {
            VideoCodec::Vp8 => &self.vp8,
            VideoCodec::H264 => &self.h264,
        }
    }
}

/// One rendition that is made; it is counted while this lives.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) encodes: IntCounter,
    made: IntGauge,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.made.dec();
    }
}

/// Figures of all composites together.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) running: IntGauge,
    pub(crate) decodes: PerCodec,
    encodes: IntCounterVec,
    renditions: IntGaugeVec,
    pub(crate) pictures: IntCounter,
    pub(crate) tiles: IntCounter,
    pub(crate) late: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) damaged: IntCounter,
    pub(crate) keyframe_requests: IntCounter,
    pub(crate) faults: IntCounter,
    pub(crate) picture_time: Histogram,
    pub(crate) queue: Histogram,
    pub(crate) wait: Histogram,
}

impl Figures {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let per_codec = |name: &str, help: &str| -> Result<PerCodec, prometheus::Error> {
            let family = IntCounterVec::new(Opts::new(name, help), &["codec"])?;
            registry.register(Box::new(family.clone()))?;
            Ok(PerCodec {
                vp8: family.with_label_values(&["vp8"]),
                h264: family.with_label_values(&["h264"]),
            })
        };
        let by = &["codec", "size"];
        let opts = Opts::new(
            "plenum_composite_encodes_total",
            "Composite pictures encoded; once for all who see them.",
        );
        let encodes = IntCounterVec::new(opts, by)?;
        registry.register(Box::new(encodes.clone()))?;
        let opts = Opts::new(
            "plenum_composite_renditions",
            "Renditions of composites that are encoded now.",
        );
        let renditions = IntGaugeVec::new(opts, by)?;
        registry.register(Box::new(renditions.clone()))?;
        let running = IntGauge::new("plenum_composites", "Rooms with a composite picture now.")?;
        registry.register(Box::new(running.clone()))?;
        let times = |name: &str, help: &str| -> Result<Histogram, prometheus::Error> {
            let buckets = vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5];
            let times = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(times.clone()))?;
            Ok(times)
        };
        let figures = Self {
            running,
            decodes: per_codec(
                "plenum_composite_decodes_total",
                "Pictures of cameras decoded.",
            )?,
            encodes,
            renditions,
            pictures: counter("plenum_composite_pictures_total", "Pictures composed.")?,
            tiles: counter(
                "plenum_composite_tiles_total",
                "Tiles drawn because something in them had changed.",
            )?,
            late: counter(
                "plenum_composite_late_pictures_total",
                "Pictures left out because their time had passed.",
            )?,
            dropped: counter(
                "plenum_composite_dropped_packets_total",
                "Packets of cameras dropped because the composer does not keep up.",
            )?,
            damaged: counter(
                "plenum_composite_damaged_pictures_total",
                "Pictures of cameras that could not be put together or decoded.",
            )?,
            keyframe_requests: counter(
                "plenum_composite_keyframe_requests_total",
                "Wishes for a keyframe of a camera, before they are throttled.",
            )?,
            faults: counter(
                "plenum_composite_faults_total",
                "Decoders or composers that panicked and were begun anew.",
            )?,
            picture_time: times(
                "plenum_composite_picture_seconds",
                "Time to compose and encode one picture in all its renditions.",
            )?,
            queue: times(
                "plenum_composite_queue_seconds",
                "How long a camera's packet waits for the composer.",
            )?,
            wait: times(
                "plenum_composite_wait_seconds",
                "How long the first change since the picture before waits to be composed.",
            )?,
        };
        // Every series is there from the start.
        for key in Rendition::all() {
            drop(figures.running(key.codec, Some(key.size)));
        }
        drop(figures.running(VideoCodec::H264, None));
        Ok(figures)
    }

    /// Counts a rendition as made.
    pub(crate) fn running(&self, codec: VideoCodec, size: Option<Size>) -> Running {
        let codec = match codec {
            VideoCodec::Vp8 => "vp8",
            VideoCodec::H264 => "h264",
        };
        let labels = &[codec, outputs::name(size)];
        let made = self.renditions.with_label_values(labels);
        made.inc();
        Running {
            encodes: self.encodes.with_label_values(labels),
            made,
        }
    }
}
