//! One track as Ogg/Opus (RFC 7845): pages of at most a second by `ogg`, encoded by the server's own Opus.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use bytes::Bytes;
use ogg::PacketWriter;
use ogg::writing::PacketWriteEndInfo;
use plenum_codecs::CodecError;
use plenum_codecs::audio::{AudioEncoder, EncoderSetting, FRAME, Frame, OpusMode, SAMPLE_RATE};

/// 36 MB an hour. What was coded by a browser is coded a second time here, which is hardly heard from this rate on.
const SETTING: EncoderSetting = EncoderSetting::opus(OpusMode::LowDelay {
    bitrate: 80_000,
    complexity: 5,
});
/// What the low-delay encoder is behind, in samples: a player leaves out so many at the start (RFC 7845 §4.2).
const PRE_SKIP: u16 = 120;
/// Packets on a page: one second. A flush ends a page earlier.
const PAGE: u32 = 50;
/// Silence is encoded for so many frames; then the packet, which by now says nothing else, is repeated.
const SETTLE: u64 = 5;
/// A packet that says silence and nothing else is no longer than this, bytes.
const SILENT: usize = 8;
/// One track is one logical stream.
const SERIAL: u32 = 0x504C_4E4D;

/// See the module.
pub(super) struct OpusFile {
    pages: PacketWriter<'static, BufWriter<File>>,
    encoder: AudioEncoder,
    /// Frames taken in; also the packets made.
    frames: u64,
    /// The last packet: only the next one, or a flush, tells whether a page ends with it.
    held: Option<Bytes>,
    on_page: u32,
}

impl OpusFile {
    /// Makes the file with its two headers; one that is there already is an error.
    pub(super) fn create(path: &Path, title: &str) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut pages = PacketWriter::new(BufWriter::new(file));
        for header in [head(), tags(title)] {
            pages.write_packet(header, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        }
        pages.inner_mut().flush()?;
        Ok(Self {
            pages,
            encoder: AudioEncoder::new(SETTING).map_err(codec)?,
            frames: 0,
            held: None,
            on_page: 0,
        })
    }

    pub(super) fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let packet = self.encoder.encode(frame).map_err(codec)?;
        self.append(packet)
    }

    /// Silence after silence needs no encoder: an hour of it is a matter of milliseconds and 1 MB.
    pub(super) fn silence(&mut self, frames: u64) -> io::Result<()> {
        let encoded = frames.min(SETTLE);
        for _ in 0..encoded {
            self.write(&[0; FRAME])?;
        }
        for _ in encoded..frames {
            match self.held.clone().filter(|packet| packet.len() <= SILENT) {
                Some(packet) => self.append(packet)?,
                None => self.write(&[0; FRAME])?,
            }
        }
        Ok(())
    }

    /// Afterwards a reader finds all that was written so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(packet) = self.held.take() {
            self.emit(packet, PacketWriteEndInfo::EndPage, self.frames * SAMPLES)?;
        }
        self.pages.inner_mut().flush()
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        // The encoder still holds the last 2.5 ms; the granule position says where they end (RFC 7845 §4.4).
        let last = self.encoder.encode(&[0; FRAME]).map_err(codec)?;
        let end = self.frames * SAMPLES + u64::from(PRE_SKIP);
        self.append(last)?;
        if let Some(packet) = self.held.take() {
            self.emit(packet, PacketWriteEndInfo::EndStream, end)?;
        }
        self.pages.inner_mut().flush()
    }

    fn append(&mut self, packet: Bytes) -> io::Result<()> {
        if let Some(before) = self.held.replace(packet) {
            let end = if self.on_page + 1 >= PAGE {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.emit(before, end, self.frames * SAMPLES)?;
        }
        self.frames += 1;
        Ok(())
    }

    fn emit(&mut self, packet: Bytes, end: PacketWriteEndInfo, granule: u64) -> io::Result<()> {
        self.on_page = match end {
            PacketWriteEndInfo::NormalPacket => self.on_page + 1,
            PacketWriteEndInfo::EndPage | PacketWriteEndInfo::EndStream => 0,
        };
        self.pages
            .write_packet(Vec::from(packet), SERIAL, end, granule)
    }
}

/// A frame, as granule positions count.
const SAMPLES: u64 = 960;
const _: () = assert!(FRAME == 960);

fn codec(error: CodecError) -> io::Error {
    io::Error::other(error)
}

/// The identification header (RFC 7845 §5.1): version 1, mono, no gain, channel mapping family 0.
fn head() -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(PRE_SKIP.to_le_bytes());
    head.extend(SAMPLE_RATE.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

/// The comment header (RFC 7845 §5.2).
fn tags(title: &str) -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let mut text = |text: &str| {
        tags.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        tags.extend(text.as_bytes());
    };
    text(concat!("Plenum ", env!("CARGO_PKG_VERSION")));
    let title = format!("TITLE={title}");
    tags.extend(1_u32.to_le_bytes());
    tags.extend(u32::try_from(title.len()).unwrap_or(0).to_le_bytes());
    tags.extend(title.as_bytes());
    tags
}

/// Cuts a page off that a crash left unfinished; gives the samples that a player plays.
pub(super) fn repair(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(&file);
    let (mut whole, mut granule) = (0, None);
    while let Some((size, position)) = page(&mut reader, length - whole)? {
        whole += size;
        // All ones: no packet ends on the page.
        granule = Some(position).filter(|at| *at != u64::MAX).or(granule);
    }
    let granule = granule.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "not an Ogg file of this server")
    })?;
    file.set_len(whole)?;
    file.sync_data()?;
    Ok(granule.saturating_sub(u64::from(PRE_SKIP)))
}

/// Size and granule position of the next page, if all of it is among the `left` bytes (RFC 3533 §6). Goes to its end.
fn page(reader: &mut BufReader<&File>, left: u64) -> io::Result<Option<(u64, u64)>> {
    const HEADER: usize = 27;
    let mut header = [0; HEADER];
    if left < HEADER as u64 {
        return Ok(None);
    }
    reader.read_exact(&mut header)?;
    let (Some(b"OggS\0"), Some(granule), Some(&segments)) =
        (header.get(..5), header.get(6..14), header.get(26))
    else {
        return Ok(None);
    };
    let mut position = [0; 8];
    position.copy_from_slice(granule);
    let start = HEADER as u64 + u64::from(segments);
    if left < start {
        return Ok(None);
    }
    let mut lacing = vec![0; usize::from(segments)];
    reader.read_exact(&mut lacing)?;
    let body: i64 = lacing.iter().map(|&size| i64::from(size)).sum();
    let size = start + body.unsigned_abs();
    if left < size {
        return Ok(None);
    }
    reader.seek_relative(body)?;
    Ok(Some((size, u64::from_le_bytes(position))))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use ogg::PacketReader;
    use plenum_codecs::audio::{AudioCodec, AudioDecoder};

    use super::*;
    use crate::scratch::Folder;

    /// All that a player plays: packets decoded, the pre-skip left out, cut at the last granule position.
    fn play(path: &Path) -> Vec<i16> {
        let mut reader = PacketReader::new(io::BufReader::new(File::open(path).unwrap()));
        assert_eq!(reader.read_packet_expected().unwrap().data, head());
        assert!(
            reader
                .read_packet_expected()
                .unwrap()
                .data
                .starts_with(b"OpusTags")
        );
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let (mut samples, mut end) = (Vec::new(), 0);
        while let Some(packet) = reader.read_packet().unwrap() {
            decoder.decode(&packet.data, &mut samples).unwrap();
            end = packet.absgp_page();
        }
        samples.truncate(usize::try_from(end).unwrap());
        samples.split_off(usize::from(PRE_SKIP))
    }

    fn click(at: usize) -> Frame {
        std::array::from_fn(|i| if (at..at + 4).contains(&i) { 20_000 } else { 0 })
    }

    fn loudest(samples: &[i16]) -> usize {
        (0..samples.len())
            .max_by_key(|&i| samples[i].unsigned_abs())
            .unwrap()
    }

    #[test]
    fn a_click_is_played_at_its_sample_and_the_length_is_exact() {
        let folder = Folder::new();
        let path = folder.path().join("mix.opus");
        let mut file = OpusFile::create(&path, "Weekly").unwrap();
        file.silence(100).unwrap();
        file.write(&click(300)).unwrap();
        file.silence(30).unwrap();
        file.finish().unwrap();
        let played = play(&path);
        assert_eq!(played.len(), 131 * FRAME);
        let at = loudest(&played);
        assert!(at.abs_diff(100 * FRAME + 301) <= 2, "click at {at}");
    }

    #[test]
    fn a_flushed_file_is_playable_while_it_is_still_written() {
        let folder = Folder::new();
        let path = folder.path().join("mix.opus");
        let mut file = OpusFile::create(&path, "").unwrap();
        for _ in 0..75 {
            file.write(&click(10)).unwrap();
        }
        file.flush().unwrap();
        assert_eq!(play(&path).len(), 75 * FRAME - usize::from(PRE_SKIP));
        file.write(&click(10)).unwrap();
        file.flush().unwrap();
        file.flush().unwrap();
        assert_eq!(play(&path).len(), 76 * FRAME - usize::from(PRE_SKIP));
    }

    #[test]
    fn an_hour_of_silence_is_small_and_sound_after_it_is_in_its_place() {
        let folder = Folder::new();
        let path = folder.path().join("leg.opus");
        let mut file = OpusFile::create(&path, "Ann").unwrap();
        file.silence(3_600 * 50).unwrap();
        file.write(&click(500)).unwrap();
        file.finish().unwrap();
        let size = path.metadata().unwrap().len();
        assert!(size < 1_500_000, "{size} bytes");
        let at = loudest(&play(&path));
        assert!(at.abs_diff(3_600 * 48_000 + 501) <= 2, "click at {at}");
    }

    #[test]
    fn a_page_that_a_crash_cut_is_dropped() {
        let folder = Folder::new();
        let path = folder.path().join("mix.opus");
        let mut file = OpusFile::create(&path, "").unwrap();
        for _ in 0..60 {
            file.write(&click(10)).unwrap();
        }
        file.flush().unwrap();
        drop(file);
        let whole = path.metadata().unwrap().len();
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend(b"OggS\0\0 torn");
        std::fs::write(&path, torn).unwrap();
        let samples = repair(&path).unwrap();
        assert_eq!(samples, 60 * SAMPLES - u64::from(PRE_SKIP));
        assert_eq!(path.metadata().unwrap().len(), whole);
        assert_eq!(u64::try_from(play(&path).len()).unwrap(), samples);
        std::fs::write(&path, b"noise").unwrap();
        assert!(repair(&path).is_err());
    }
}
