//! Bit-exactness. The hashes (FNV-1a, 64 bits) are of what ffmpeg 5.1.9 makes of the same signals (`-c:a g722`, `-f g722`). spandsp
//! 0.0.6 makes the same, but where the output clips: there it wraps.

use super::*;

const SAMPLES: i32 = 16_000;

fn fnv(octets: impl IntoIterator<Item = u8>) -> u64 {
    octets
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
        })
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> i16 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as i16
    }
}

/// Silence, noise at full scale, faint noise, a square wave at full scale, a gliding sawtooth in syllables, clicks.
fn signal(number: u32) -> Vec<i16> {
    let mut noise = Noise(1);
    (0..SAMPLES)
        .map(|i| match number {
            0 => 0,
            1 => noise.next(),
            2 => noise.next() / 64,
            3 => [i16::MIN, i16::MAX][(i / 20 % 2) as usize],
            4 => ((i * (200 + i / 40) % 24_000 - 12_000) * (i / 1_600 % 4) / 4) as i16,
            _ => [0, i16::MAX][usize::from(i % 1_000 == 0)],
        })
        .collect()
}

fn encode(samples: &[i16]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    samples
        .as_chunks()
        .0
        .iter()
        .map(|pair| encoder.encode(*pair))
        .collect()
}

fn decode(octets: &[u8]) -> Vec<i16> {
    let mut decoder = Decoder::new();
    octets
        .iter()
        .flat_map(|octet| decoder.decode(*octet))
        .collect()
}

fn hash_of_decoded(octets: &[u8]) -> u64 {
    fnv(decode(octets).into_iter().flat_map(i16::to_le_bytes))
}

#[test]
fn encoder_and_decoder_agree_with_another_implementation_bit_by_bit() {
    const WANTED: [(u64, u64); 6] = [
        (0x9bcd_3e24_1114_625b, 0xd6c2_9528_37bf_d906),
        (0xdcf6_135b_b285_593e, 0x439e_0099_3906_4071),
        (0x31b6_206a_bb9b_d37c, 0xd564_d06e_ef1d_69b0),
        (0xfec0_ceb1_f21a_3957, 0xbb33_070b_512e_42ed),
        (0xa156_4e90_5a7c_0e3c, 0xd77b_1b60_02e0_db96),
        (0x2cdb_9488_75d8_01b1, 0xcf8d_eae9_127e_9783),
    ];
    for (number, wanted) in (0..).zip(WANTED) {
        let octets = encode(&signal(number));
        assert_eq!(
            (fnv(octets.iter().copied()), hash_of_decoded(&octets)),
            wanted,
            "signal {number}"
        );
    }
}

#[test]
fn any_octets_decode_as_another_implementation_decodes_them() {
    let mut noise = Noise(7);
    let random: Vec<u8> = (0..SAMPLES).map(|_| noise.next() as u8).collect();
    assert_eq!(hash_of_decoded(&random), 0xeb77_3685_1c37_4d81);
    // The largest steps of both bands, so that everything saturates that can.
    let steps: Vec<u8> = (0..SAMPLES)
        .map(|i| [0xe0, 0x84][(i / 100 % 2) as usize])
        .collect();
    assert_eq!(hash_of_decoded(&steps), 0x8579_94d7_b7b6_4565);
}

#[test]
fn silence_stays_silent() {
    let heard = decode(&encode(&[0; 3_200]));
    assert!(heard.iter().all(|sample| sample.unsigned_abs() < 8));
}
