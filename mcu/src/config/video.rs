//! `[video]`: the composite picture of conferences, and the administrator's own layouts.

use jiff::tz::TimeZone;
use plenum_mixer::compose::{Arrangement, DEFAULT_LAYOUT, LayoutError, Layouts, Mark};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::overlay;
use super::reader::Reader;

/// Keys of one `[[video.layouts]]`.
pub(super) const KEYS: [&str; 3] = ["name", "grid", "tiles"];
/// Layouts that an administrator may add.
const MOST: usize = 100;

/// `[video]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoConfig {
    /// Width and height of composite pictures in pixels, even.
    pub size: (u16, u16),
    /// Composite pictures per second.
    pub frame_rate: u8,
    /// Bits per second of each rendition.
    pub bitrate: u32,
    /// Composites that may run at once.
    pub max_composites: u32,
    /// Folders with fonts for names.
    pub fonts: Vec<String>,
    /// Where composite pictures show the time of day of.
    pub clock: Option<TimeZone>,
    /// Stands at the top of composite pictures; empty: nothing does.
    pub banner: String,
    /// Stands in a corner of composite pictures.
    pub watermark: Option<Mark>,
    /// The built-in layouts and the administrator's own.
    pub layouts: Layouts,
}

/// What viewers of a conference get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VideoPolicy {
    /// No video at all: no camera, no screen.
    Off,
    /// Cameras as they come.
    Switched,
    /// One picture of all, composed by the server.
    Composite,
}

impl VideoPolicy {
    /// As [`Self::from_name`] reads it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Switched => "switched",
            Self::Composite => "composite",
        }
    }

    /// As written in the configuration and in JSON.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "off" => Ok(Self::Off),
            "switched" => Ok(Self::Switched),
            "composite" => Ok(Self::Composite),
            _ => Err("is no video policy".to_owned()),
        }
    }
}

pub(super) fn read(reader: &mut Reader) -> VideoConfig {
    let size = reader.parsed(
        "video.size",
        (1_280, 720),
        size,
        "write width x height, both even, from 320x180 to 1920x1088, such as \"1280x720\"",
    );
    let frame_rate = reader.integer(
        "video.frame_rate",
        30_u8,
        5..=30,
        "composite pictures per second",
    );
    let kilobits = reader.integer(
        "video.bitrate_kbps",
        2_000_u32,
        100..=20_000,
        "kilobits per second of a composite picture",
    );
    let max_composites = reader.integer(
        "video.max_composites",
        4_u32,
        0..=1_000,
        "composite pictures that may be made at once",
    );
    let fonts = reader.list("video.fonts");
    VideoConfig {
        size,
        frame_rate,
        bitrate: kilobits * 1_000,
        max_composites,
        fonts: if fonts.is_empty() {
            vec!["/usr/share/fonts".to_owned()]
        } else {
            fonts
        },
        clock: overlay::clock(reader),
        banner: overlay::banner(reader),
        watermark: overlay::watermark(reader),
        layouts: layouts(reader),
    }
}

fn layouts(reader: &mut Reader) -> Layouts {
    let mut layouts = Layouts::built_in();
    let built_in: Vec<String> = layouts.names().map(str::to_owned).collect();
    for index in 0..reader.tables("video.layouts").min(MOST) {
        let key = |key: &str| format!("video.layouts[{index}].{key}");
        let text = |text: &str| Ok(text.to_owned());
        let lines = KEYS.map(|wanted| reader.line(&key(wanted)));
        let name = reader.parsed(&key("name"), String::new(), text, "a name in quotes");
        let grid = reader.parsed(&key("grid"), String::new(), text, "a grid such as \"8x8\"");
        let tiles = reader.list(&key("tiles"));
        let tiles = tiles.iter().map(String::as_str);
        let added = if built_in.contains(&name) {
            reader.fault_at(
                lines[0],
                &key("name"),
                &name,
                "a built-in layout has this name",
                "choose another",
            );
            Arrangement::parse(&grid, tiles).map(drop)
        } else {
            layouts.add(&name, &grid, tiles)
        };
        let Err(faults) = added else { continue };
        for fault in faults.iter() {
            // The others say themselves what was written.
            let (wrong, value) = match fault {
                LayoutError::Name => (0, name.as_str()),
                LayoutError::Grid(_) => (1, ""),
                _ => (2, ""),
            };
            reader.fault_at(
                lines[wrong],
                &key(KEYS[wrong]),
                value,
                &fault.to_string(),
                "config.example.toml shows one, with what each sign means",
            );
        }
        // That a conference begins with it is no second fault; a name that cannot be one stays unknown.
        drop(layouts.add(&name, "1x1", ["0,0,1,1"]));
    }
    layouts
}

/// Which layout composite conferences begin with; it must be one of `layouts`.
pub(super) fn layout(reader: &mut Reader, layouts: &Layouts) -> String {
    let names: Vec<_> = layouts.names().collect();
    let known = |text: &str| {
        layouts
            .get(text)
            .map(|layout| layout.name().to_owned())
            .ok_or_else(|| "is no layout".to_owned())
    };
    let remedy = format!("use one of {}", names.join(", "));
    reader.parsed(
        "conference.layout",
        DEFAULT_LAYOUT.to_owned(),
        known,
        &remedy,
    )
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let side = |text: &str| text.parse::<u16>().ok().filter(|side| side % 2 == 0);
    text.split_once('x')
        .and_then(|(width, height)| Some((side(width)?, side(height)?)))
        .filter(|(width, height)| (320..=1_920).contains(width) && (180..=1_088).contains(height))
        .ok_or_else(|| "is no size of a picture".to_owned())
}
