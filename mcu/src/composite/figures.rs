//! What the operator sees of composites.

use plenum_codecs::video::VideoCodec;
use plenum_mixer::{Rendition, Size};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::outputs;

/// Counters of one codec.
#[derive(Debug, Clone)]
pub(super) struct PerCodec {
    vp8: IntCounter,
    h264: IntCounter,
}

impl PerCodec {
    pub(super) fn of(&self, codec: VideoCodec) -> &IntCounter {
        match codec {
            VideoCodec::Vp8 => &self.vp8,
            VideoCodec::H264 => &self.h264,
        }
    }
}

/// One rendition that is made; it is counted while this lives.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) encodes: IntCounter,
    made: IntGauge,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.made.dec();
    }
}

/// Figures of all composites together.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) running: IntGauge,
    pub(super) decodes: PerCodec,
    encodes: IntCounterVec,
    renditions: IntGaugeVec,
    pub(super) pictures: IntCounter,
    pub(super) tiles: IntCounter,
    pub(super) late: IntCounter,
    pub(super) dropped: IntCounter,
    pub(super) damaged: IntCounter,
    pub(super) keyframe_requests: IntCounter,
    pub(super) faults: IntCounter,
    pub(super) picture_time: Histogram,
}

impl Figures {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
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
        let picture_time = Histogram::with_opts(
            HistogramOpts::new(
                "plenum_composite_picture_seconds",
                "Time to compose and encode one picture in all its renditions.",
            )
            .buckets(vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2]),
        )?;
        registry.register(Box::new(picture_time.clone()))?;
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
            picture_time,
        };
        // Every series is there from the start.
        for key in Rendition::all() {
            drop(figures.running(key.codec, Some(key.size)));
        }
        drop(figures.running(VideoCodec::H264, None));
        Ok(figures)
    }

    /// Counts a rendition as made.
    pub(super) fn running(&self, codec: VideoCodec, size: Option<Size>) -> Running {
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
