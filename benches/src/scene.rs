//! A made-up camera, for want of a real one in the packages: somebody who moves a little before a wall of some texture.

use plenum_codecs::video::I420Picture;

/// The wall's texture: the same each time.
#[must_use]
pub fn texture() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..))
        .take(65_521)
        .collect()
}

/// Somebody who moves a little before a wall of some texture: what a camera in a conference shows.
pub fn scene(person: u8, number: u64, picture: &mut I420Picture, noise: &[u8]) {
    #[expect(clippy::cast_precision_loss, reason = "a few pictures")]
    let sway = (number as f32 / 12.0 + f32::from(person)).sin() * 0.03;
    for plane in 0..3 {
        let (stride, rows) = (picture.stride(plane), picture.rows(plane));
        for (y, line) in picture.planes_mut()[plane]
            .chunks_exact_mut(stride)
            .enumerate()
        {
            for (x, sample) in line.iter_mut().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "sides of a picture")]
                let (x, y, seed) = (
                    (x as f32 - stride as f32 / 2.0) / rows as f32,
                    y as f32 / rows as f32,
                    noise
                        .get((y * stride + x) % noise.len().max(1))
                        .copied()
                        .unwrap_or(0),
                );
                let head = ((x - sway) / 0.19).hypot((y - 0.42) / 0.25) < 1.0;
                let body = ((x - sway / 2.0) / 0.42).hypot((y - 1.05) / 0.4) < 1.0;
                *sample = match (plane, head || body) {
                    (0, true) => 150 + seed / 32,
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "70 to 140"
                    )]
                    (0, false) => (90.0 + 20.0 * y + 15.0 * (x * 9.0).sin()) as u8 + seed / 16,
                    (_, true) => 120 + person,
                    (_, false) => 118 + 2 * person,
                };
            }
        }
    }
}
