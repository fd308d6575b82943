//! One track as a WAV file: 48 kHz, mono, 16 bit, by `hound`. Silence takes no room on the disk.
//!
//! A file is whole after each flush: its header says how much sound there is. What a crash cuts off behind that,
//! [`repair`] takes in.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use plenum_codecs::audio::{FRAME, Frame, SAMPLE_RATE};

/// Sound gathered before the system is asked to write, bytes.
const BUFFER: usize = 64 * 1024;
/// A stretch of zeros of at least one block becomes a hole.
const BLOCK: usize = 4096;
/// A header with more before its data than this is none of ours.
const HEADER: u64 = 256;

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: SAMPLE_RATE,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// See the module.
pub(super) struct WavFile {
    writer: WavWriter<BufWriter<Sparse<File>>>,
}

impl WavFile {
    /// Makes the file; one that is there already is an error.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let buffered = BufWriter::with_capacity(BUFFER, Sparse::new(file));
        let writer = WavWriter::new(buffered, SPEC).map_err(as_io)?;
        Ok(Self { writer })
    }

    pub(super) fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let mut samples = self.writer.get_i16_writer(FRAME_U32);
        frame
            .iter()
            .for_each(|&sample| samples.write_sample(sample));
        samples.flush().map_err(as_io)
    }

    pub(super) fn silence(&mut self, frames: u64) -> io::Result<()> {
        (0..frames).try_for_each(|_| self.write(&[0; FRAME]))
    }

    /// Afterwards a reader finds all that was written so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(as_io)
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.finalize().map_err(as_io)
    }
}

const FRAME_U32: u32 = 960;
const _: () = assert!(FRAME == FRAME_U32 as usize);

fn as_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// What [`Sparse`] needs of a file.
pub(super) trait Resize {
    fn resize(&mut self, length: u64) -> io::Result<()>;
}

impl Resize for File {
    fn resize(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Leaves out what is zero: a leg that joins after an hour of silence costs no hour's space.
struct Sparse<W> {
    inner: W,
    position: u64,
    /// Bytes that are there.
    written: u64,
    /// Bytes that should be there.
    length: u64,
}

impl<W> Sparse<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            position: 0,
            written: 0,
            length: 0,
        }
    }
}

impl<W: Write + Seek> Write for Sparse<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only where nothing is yet: a zero over something else must be written.
        let beyond = self.position >= self.written;
        let count = if beyond && bytes.len() >= BLOCK && bytes.iter().all(|&byte| byte == 0) {
            self.inner
                .seek(SeekFrom::Current(i64::try_from(bytes.len()).unwrap_or(0)))?;
            bytes.len()
        } else {
            let count = self.inner.write(bytes)?;
            self.written = self.written.max(self.position + as_u64(count));
            count
        };
        self.position += as_u64(count);
        self.length = self.length.max(self.position);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Seek + Resize> Seek for Sparse<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Seeking back is for the header, which must never promise more than there is.
        if self.length > self.written {
            self.inner.resize(self.length)?;
            self.written = self.length;
        }
        self.position = self.inner.seek(to)?;
        Ok(self.position)
    }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Makes the header of a file that was not finished say how much sound there is; gives that in samples.
pub(super) fn repair(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut head = Vec::new();
    Read::by_ref(&mut file)
        .take(HEADER)
        .read_to_end(&mut head)?;
    let data = data_offset(&head).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "not a WAV file of this server")
    })?;
    let bytes = length.saturating_sub(as_u64(data)) / 2 * 2;
    file.set_len(as_u64(data) + bytes)?;
    for (offset, size) in [(4, as_u64(data) - 8 + bytes), (data - 4, bytes)] {
        file.seek(SeekFrom::Start(as_u64(offset)))?;
        file.write_all(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes())?;
    }
    file.sync_data()?;
    Ok(bytes / 2)
}

/// Where the samples begin: behind the header of the chunk `data`.
fn data_offset(head: &[u8]) -> Option<usize> {
    if head.get(..4)? != b"RIFF" || head.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut at = 12;
    loop {
        let size = head.get(at + 4..at + 8)?;
        if head.get(at..at + 4)? == b"data" {
            return Some(at + 8);
        }
        let size = u32::from_le_bytes(size.try_into().ok()?);
        at += 8 + usize::try_from(size).ok()?.next_multiple_of(2);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::scratch::Folder;

    fn frame(of: i16) -> Frame {
        [of; FRAME]
    }

    fn read(path: &Path) -> Vec<i16> {
        let reader = hound::WavReader::open(path).unwrap();
        assert_eq!(reader.spec(), SPEC);
        reader.into_samples().map(Result::unwrap).collect()
    }

    #[test]
    fn a_flushed_file_is_whole_while_it_is_still_written() {
        let folder = Folder::new();
        let path = folder.path().join("mix.wav");
        let mut file = WavFile::create(&path).unwrap();
        file.write(&frame(7)).unwrap();
        file.flush().unwrap();
        assert_eq!(read(&path), frame(7));
        file.write(&frame(8)).unwrap();
        assert_eq!(read(&path), frame(7));
        file.finish().unwrap();
        assert_eq!(read(&path), [frame(7), frame(8)].concat());
    }

    #[test]
    fn an_hour_of_silence_takes_no_space_and_sound_after_it_is_in_its_place() {
        let folder = Folder::new();
        let path = folder.path().join("leg.wav");
        let mut file = WavFile::create(&path).unwrap();
        file.silence(3_600 * 50).unwrap();
        file.write(&frame(5)).unwrap();
        file.flush().unwrap();
        file.silence(10 * 50).unwrap();
        file.finish().unwrap();
        let about = path.metadata().unwrap();
        assert_eq!(about.len(), 44 + 2 * 48_000 * 3_610 + 1_920);
        assert!(about.blocks() * 512 < 1_000_000, "{about:?}");
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.duration(), 48_000 * 3_610 + 960);
        reader.seek(48_000 * 3_600 - 1).unwrap();
        let near: Vec<i16> = reader.samples().take(962).map(Result::unwrap).collect();
        assert_eq!(near, [&[0], &frame(5)[..], &[0]].concat());
    }

    #[test]
    fn what_a_crash_left_behind_the_header_is_taken_in() {
        let folder = Folder::new();
        let path = folder.path().join("mix.wav");
        let mut file = WavFile::create(&path).unwrap();
        file.write(&frame(1)).unwrap();
        file.flush().unwrap();
        std::mem::forget(file);
        let mut tail = OpenOptions::new().append(true).open(&path).unwrap();
        tail.write_all(&[9, 0, 9, 0, 9]).unwrap();
        assert_eq!(repair(&path).unwrap(), 962);
        assert_eq!(read(&path), [&frame(1)[..], &[9, 9]].concat());
        std::fs::write(folder.path().join("noise"), [3; 300]).unwrap();
        assert!(repair(&folder.path().join("noise")).is_err());
        std::fs::write(folder.path().join("empty"), []).unwrap();
        assert!(repair(&folder.path().join("empty")).is_err());
    }
}
