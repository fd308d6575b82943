//! A real camera's pictures, where somebody has some: a Y4M file, played to its end and back.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use plenum_codecs::video::I420Picture;
use plenum_mixer::compose::{Rect, Scaler};
use y4m::Colorspace::{C420, C420jpeg, C420mpeg2, C420paldv};

/// Longer clips are cut, so that memory has a bound: 20 s of 30 pictures.
const MOST: usize = 600;

/// The pictures of a clip, all of one size.
#[derive(Debug)]
pub struct Clip {
    pictures: Vec<I420Picture>,
}

impl Clip {
    /// Reads a Y4M of 8 bits in 4:2:0 (as `ffmpeg -i CLIP -pix_fmt yuv420p CLIP.y4m` writes it) and scales it to `width` x `height`.
    ///
    /// # Errors
    /// When it cannot be read, or has another format or no picture.
    pub fn read(path: &Path, width: u16, height: u16) -> Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("opening {name}"))?;
        let mut clip = y4m::decode(BufReader::new(file)).with_context(|| format!("{name}"))?;
        let space = clip.get_colorspace();
        ensure!(
            matches!(space, C420 | C420jpeg | C420mpeg2 | C420paldv),
            "{name} is {space:?}; 8 bits in 4:2:0 are wanted"
        );
        let (own_width, own_height) = (
            u16::try_from(clip.get_width())?,
            u16::try_from(clip.get_height())?,
        );
        let whole = |width, height| Rect {
            x: 0,
            y: 0,
            width,
            height,
        };
        let (from, into) = (whole(own_width, own_height), whole(width, height));
        let mut source = I420Picture::black(own_width, own_height)?;
        let mut scaler = Scaler::default();
        let mut pictures = Vec::new();
        while pictures.len() < MOST {
            let frame = match clip.read_frame() {
                Ok(frame) => frame,
                Err(y4m::Error::EOF) => break,
                Err(error) => return Err(error).with_context(|| format!("{name}")),
            };
            let planes = [
                frame.get_y_plane(),
                frame.get_u_plane(),
                frame.get_v_plane(),
            ];
            for (into, from) in source.planes_mut().into_iter().zip(planes) {
                ensure!(into.len() == from.len(), "{name} has odd sides");
                into.copy_from_slice(from);
            }
            let mut picture = I420Picture::black(width, height)?;
            scaler.scale(source.view(), from, &mut picture, into);
            pictures.push(picture);
        }
        ensure!(!pictures.is_empty(), "{name} has no picture");
        Ok(Self { pictures })
    }

    /// The picture that is shown as the one of this number.
    #[must_use]
    pub fn picture(&self, number: usize) -> &I420Picture {
        let last = self.pictures.len() - 1;
        let at = number % (2 * last).max(1);
        &self.pictures[at.min(2 * last - at)]
    }
}
