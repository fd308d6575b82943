//! What the operator has on top of composite pictures: the time of day, and a mark of their own.

use std::fs::File;
use std::io::BufReader;

use jiff::tz::TimeZone;
use plenum_mixer::compose::Mark;

use super::reader::Reader;

/// The time zone of the clock, if there is to be one.
pub(super) fn clock(reader: &mut Reader) -> Option<TimeZone> {
    let zone = |name: &str| match name {
        "" => Ok(None),
        name => TimeZone::get(name)
            .map(Some)
            .map_err(|_| "is no time zone".to_owned()),
    };
    let remedy = "write a time zone such as \"Europe/Berlin\" or \"UTC\", or nothing";
    reader.parsed("video.clock", None, zone, remedy)
}

/// Signs of a banner at most.
pub(crate) const MOST_BANNER: usize = 120;

/// Whether that can be a banner: one line, not too long.
pub(crate) fn is_banner(text: &str) -> bool {
    text.chars().count() <= MOST_BANNER && !text.chars().any(char::is_control)
}

/// What stands at the top.
pub(super) fn banner(reader: &mut Reader) -> String {
    let read = |text: &str| {
        let fits = is_banner(text).then(|| text.trim().to_owned());
        fits.ok_or_else(|| "is too long, or more than a line".to_owned())
    };
    let remedy = format!("write at most {MOST_BANNER} signs, or nothing");
    reader.parsed("video.banner", String::new(), read, &remedy)
}

/// The operator's mark, from a PNG file.
pub(super) fn watermark(reader: &mut Reader) -> Option<Mark> {
    let read = |path: &str| match path {
        "" => Ok(None),
        path => mark(path).map(Some),
    };
    let remedy = format!(
        "name a PNG file of at most {0}x{0} pixels, or nothing",
        Mark::MOST
    );
    reader.parsed("video.watermark", None, read, &remedy)
}

fn mark(path: &str) -> Result<Mark, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let unread = |error: png::DecodingError| format!("is no PNG that can be read: {error}");
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(unread)?;
    let most = u32::try_from(Mark::MOST).unwrap_or(u32::MAX);
    if reader.info().width > most || reader.info().height > most {
        return Err("is larger than that".to_owned());
    }
    let size = reader.output_buffer_size().unwrap_or_default();
    let mut bytes = vec![0; size];
    let info = reader.next_frame(&mut bytes).map_err(unread)?;
    let bytes = bytes.get(..info.buffer_size()).unwrap_or_default();
    let pixels = bytes.chunks_exact(info.color_type.samples());
    let pixels = pixels.map(|sample| match *sample {
        [grey] => [grey, grey, grey, 255],
        [grey, opacity] => [grey, grey, grey, opacity],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, opacity] => [r, g, b, opacity],
        _ => [0; 4],
    });
    let width = usize::try_from(info.width).unwrap_or_default();
    Mark::new(width, pixels.collect()).ok_or_else(|| "has no pixels".to_owned())
}
