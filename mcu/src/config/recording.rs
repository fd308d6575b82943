//! `[recording]`: whether, where, how and for how long recordings are kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reader::Reader;

const DAY: u64 = 24 * 60 * 60;
const HOUR: u64 = 60 * 60;
const MEGABYTE: u64 = 1_000_000;

/// `[recording]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingConfig {
    /// Whether conferences can be recorded.
    pub enabled: bool,
    /// Where recordings go; `None` is `recordings` in the data folder.
    pub dir: Option<PathBuf>,
    /// How they are kept unless somebody says otherwise.
    pub format: RecordingFormat,
    /// A recording of this length ends.
    pub max: Duration,
    /// Recording stops when fewer bytes than this are free.
    pub min_free: u64,
    /// Recordings older than this are deleted; `None` keeps all.
    pub keep: Option<Duration>,
}

/// How a recording is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingFormat {
    /// WAV: 48 kHz, mono, 16 bit; 350 MB an hour.
    Wav,
    /// Ogg/Opus at 80 kbit/s; 36 MB an hour.
    Opus,
    /// The mix in both; tracks of participants as WAV.
    Both,
}

pub(super) fn read(reader: &mut Reader) -> RecordingConfig {
    let days = "days that a recording is kept, 0 for ever";
    RecordingConfig {
        enabled: reader.boolean("recording.enabled", true),
        dir: reader.path("recording.dir"),
        format: reader.parsed(
            "recording.format",
            RecordingFormat::Opus,
            format,
            "use \"wav\", \"opus\" or \"both\"",
        ),
        // A WAV file holds 4 GiB, which is 12 hours.
        max: Duration::from_secs(
            HOUR * reader.integer("recording.max_hours", 12, 1..=12, "hours of one recording"),
        ),
        min_free: MEGABYTE
            * reader.integer(
                "recording.min_free_mb",
                500,
                0..=1_000_000_000,
                "megabytes that recordings leave free",
            ),
        keep: Some(reader.integer("recording.keep_days", 0, 0..=36_500, days))
            .filter(|days| *days > 0)
            .map(|days| Duration::from_secs(DAY * days)),
    }
}

fn format(text: &str) -> Result<RecordingFormat, String> {
    match text {
        "wav" => Ok(RecordingFormat::Wav),
        "opus" => Ok(RecordingFormat::Opus),
        "both" => Ok(RecordingFormat::Both),
        _ => Err("no such format".to_owned()),
    }
}
