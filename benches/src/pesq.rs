//! Recordings in pairs for `scripts/pesq.py`, and what it says of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use plenum_codecs::resample::{Downsampler, Ratio};

/// Bandwidth at which a pair is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// 8 kHz, ITU-T P.862.1.
    Narrow,
    /// 16 kHz, ITU-T P.862.2.
    Wide,
}

/// Keeps what was said and what was heard (48 kHz mono) as `NAME.ref.wav` and `NAME.deg.wav`.
///
/// # Errors
/// When a file cannot be written.
pub fn keep(
    folder: &Path,
    name: &str,
    said: &[i16],
    heard: &[i16],
    band: Band,
) -> anyhow::Result<()> {
    write(&folder.join(format!("{name}.ref.wav")), said, band)?;
    write(&folder.join(format!("{name}.deg.wav")), heard, band)
}

fn write(path: &Path, samples: &[i16], band: Band) -> anyhow::Result<()> {
    let (ratio, rate) = match band {
        Band::Wide => (Ratio::Three, 16_000u32),
        Band::Narrow => (Ratio::Six, 8_000),
    };
    let mut low = Vec::new();
    Downsampler::new(ratio).push(samples, &mut low);
    let size = u32::try_from(low.len() * 2)?;
    let mut file = Vec::with_capacity(44 + low.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend(size.to_le_bytes());
    low.iter()
        .for_each(|sample| file.extend(sample.to_le_bytes()));
    std::fs::write(path, file)?;
    Ok(())
}

/// Mean MOS-LQO of the pairs in a folder whose names are alike up to the first dot.
///
/// # Errors
/// When the `pesq` module of Python is missing or refuses a pair.
pub fn score(folder: &Path) -> anyhow::Result<BTreeMap<String, f64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/pesq.py");
    let output = Command::new("python3").arg(script).arg(folder).output()?;
    ensure!(
        output.status.success(),
        "scripts/pesq.py failed (pip install pesq): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for scored in String::from_utf8(output.stdout)?.lines() {
        let (name, value) = scored
            .split_once(' ')
            .context("scripts/pesq.py is to print `name score`")?;
        let (line, _) = name.split_once('.').unwrap_or((name, ""));
        let sum = sums.entry(line.to_owned()).or_default();
        *sum = (sum.0 + value.parse::<f64>()?, sum.1 + 1.0);
    }
    Ok(sums
        .into_iter()
        .map(|(line, (sum, count))| (line, sum / count))
        .collect())
}
