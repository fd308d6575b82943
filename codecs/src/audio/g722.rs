//! G.722 at 64 kbit/s: speech at 16 kHz, 8000 octets a second, by sub-band ADPCM. Written from ITU-T G.722, whose block
//! names stand beside the code; arithmetic is integer and bit-exact (proved by hashes of another implementation's output).
//!
//! Each octet holds two samples: six bits of the lower band (0 to 4 kHz), two of the upper.

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the generators of signals take the lower bits on purpose"
)]
mod tests;

/// Coefficients of the quadrature mirror filters, halved (G.722 table 11).
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];
/// Decision levels of the lower band's quantizer (Q6).
const DECISIONS: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1_023, 1_121, 1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// Quantized differences of the lower band by all six bits (QQ6).
const LEVELS_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192,
    -10_232, -9_360, -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008,
    -3_576, -3_168, -2_776, -2_400, -2_032, -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008,
    16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576, 7_856, 7_192, 6_576, 6_000,
    5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040, 728, 432,
    136, -432, -136,
];
/// Quantized differences of the lower band by its four upper bits (QQ4), from which the predictor learns.
const LEVELS_4: [i32; 16] = [
    0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288,
    4_240, 2_584, 1_200, 0,
];
/// Quantized differences of the upper band (QQ2).
const LEVELS_2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// Log scale factor multipliers of the lower band (WL) by its four upper bits.
const GROWTH_LOW: [i32; 16] = [
    -60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60,
];
/// Log scale factor multipliers of the upper band (WH).
const GROWTH_HIGH: [i32; 4] = [798, -214, 798, -214];
/// Antilogarithm (ILB).
const ANTILOG: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656,
    2_714, 2_774, 2_834, 2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520,
    3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// `table[index]`, the index being made of as many bits as the table is long.
fn look<const N: usize>(table: &[i32; N], index: i32) -> i32 {
    usize::try_from(index)
        .ok()
        .and_then(|index| table.get(index))
        .copied()
        .unwrap_or(0)
}

/// The adaptive predictor and quantizer step of one band: what encoder and decoder have in common.
#[derive(Debug, Clone)]
struct Band {
    /// Logarithmic step size (NBL, NBH) and step size (DETL, DETH).
    log_step: i32,
    step: i32,
    /// Predicted sample (SL, SH), and the part of it that the zeros contribute (SZL, SZH).
    predicted: i32,
    zeros: i32,
    /// Reconstructed and partly reconstructed samples (R, P), newest first.
    whole: [i32; 2],
    partial: [i32; 2],
    /// Coefficients of the poles (A) and zeros (B), and quantized differences (D), newest first.
    a: [i32; 2],
    b: [i32; 6],
    differences: [i32; 6],
}

impl Band {
    const fn new(step: i32) -> Self {
        Self {
            log_step: 0,
            step,
            predicted: 0,
            zeros: 0,
            whole: [0; 2],
            partial: [0; 2],
            a: [0; 2],
            b: [0; 6],
            differences: [0; 6],
        }
    }

    /// A table's value in steps (INVQAL, INVQAH, INVQBL).
    const fn scaled(&self, level: i32) -> i32 {
        (self.step * level) >> 15
    }

    /// The sample that a quantized difference stands for (LIMIT).
    fn reconstructed(&self, difference: i32) -> i32 {
        (self.predicted + difference).clamp(-16_384, 16_383)
    }

    /// Adapts the step (LOGSCL, SCALEL; LOGSCH, SCALEH).
    fn rescale(&mut self, growth: i32, highest: i32, shift: i32) {
        self.log_step = (((self.log_step * 127) >> 7) + growth).clamp(0, highest);
        let mantissa = look(&ANTILOG, (self.log_step >> 6) & 31);
        let down = shift - (self.log_step >> 11);
        let linear = if down < 0 {
            mantissa << -down
        } else {
            mantissa >> down
        };
        self.step = linear << 2;
    }

    fn rescale_low(&mut self, upper_bits: i32) {
        self.rescale(look(&GROWTH_LOW, upper_bits), 18_432, 8);
    }

    fn rescale_high(&mut self, bits: i32) {
        self.rescale(look(&GROWTH_HIGH, bits), 22_528, 10);
    }

    /// Learns from a quantized difference and predicts the next sample (block 4).
    fn learn(&mut self, difference: i32) {
        let whole = saturate(self.predicted + difference); // RECONS
        let partial = saturate(self.zeros + difference); // PARREC
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.whole = [whole, self.whole[0]];
        self.partial = [partial, self.partial[0]];
        // FILTEP, FILTEZ, PREDIC
        let pole = |i: usize| (self.a[i] * saturate(2 * self.whole[i])) >> 15;
        let poles = saturate(pole(0) + pole(1));
        self.zeros = saturate(
            self.b
                .iter()
                .zip(&self.differences)
                .map(|(b, difference)| (b * saturate(2 * difference)) >> 15)
                .sum(),
        );
        self.predicted = saturate(poles + self.zeros);
    }

    /// UPPOL2, UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let like = |other: i32| (partial < 0) == (other < 0);
        let first = saturate(self.a[0] << 2);
        let first = if like(self.partial[0]) { -first } else { first };
        let leaned = (first.min(32_767) >> 7) + if like(self.partial[1]) { 128 } else { -128 };
        let second = (leaned + ((self.a[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        let lean = if like(self.partial[0]) { 192 } else { -192 };
        let limit = saturate(15_360 - second);
        self.a[0] = saturate(lean + ((self.a[0] * 32_640) >> 15)).clamp(-limit, limit);
        self.a[1] = second;
    }

    /// UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let lean = if difference == 0 { 0 } else { 128 };
        for (b, before) in self.b.iter_mut().zip(&self.differences) {
            let towards = if (difference < 0) == (*before < 0) {
                lean
            } else {
                -lean
            };
            *b = saturate(towards + ((*b * 32_640) >> 15));
        }
    }
}

/// Both bands in their initial state.
const LOW: Band = Band::new(32);
const HIGH: Band = Band::new(8);

/// The sums over the even and the odd samples of a filter's window of 24, newest last.
fn filter(window: &[i32; 24]) -> (i32, i32) {
    let (mut even, mut odd) = (0, 0);
    for (i, pair) in window.as_chunks::<2>().0.iter().enumerate() {
        even += pair[0] * QMF[i];
        odd += pair[1] * QMF[11 - i];
    }
    (even, odd)
}

fn shift(window: &mut [i32; 24], newest: [i32; 2]) {
    window.copy_within(2.., 0);
    window[22..].copy_from_slice(&newest);
}

/// Encoder of one stream.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    low: Band,
    high: Band,
    window: [i32; 24],
}

impl Encoder {
    pub(super) const fn new() -> Self {
        Self {
            low: LOW,
            high: HIGH,
            window: [0; 24],
        }
    }

    /// The octet of two samples at 16 kHz.
    pub(super) fn encode(&mut self, samples: [i16; 2]) -> u8 {
        shift(&mut self.window, samples.map(i32::from));
        let (even, odd) = filter(&self.window);
        // The filters' gain is 8192, and the bands have 15 bits.
        let low = self.encode_low((even + odd) >> 14);
        let high = self.encode_high((odd - even) >> 14);
        u8::try_from(high << 6 | low).unwrap_or(0)
    }

    fn encode_low(&mut self, sample: i32) -> i32 {
        let band = &mut self.low;
        let difference = saturate(sample - band.predicted);
        let size = if difference < 0 {
            -(difference + 1)
        } else {
            difference
        };
        // QUANTL: the codes fall from 31 for negative differences (with 63 and 62 for the smallest), from 61 for positive ones.
        let interval = (1..30)
            .find(|&i| size < (DECISIONS[i] * band.step) >> 12)
            .unwrap_or(30);
        let interval = i32::try_from(interval).unwrap_or(30);
        let code = match interval {
            1 | 2 if difference < 0 => 64 - interval,
            _ if difference < 0 => 34 - interval,
            _ => 62 - interval,
        };
        let quantized = band.scaled(look(&LEVELS_4, code >> 2));
        band.rescale_low(code >> 2);
        band.learn(quantized);
        code
    }

    fn encode_high(&mut self, sample: i32) -> i32 {
        let band = &mut self.high;
        let difference = saturate(sample - band.predicted);
        let size = if difference < 0 {
            -(difference + 1)
        } else {
            difference
        };
        // QUANTH
        let large = size >= (564 * band.step) >> 12;
        let code = i32::from(!large) | i32::from(difference >= 0) << 1;
        let quantized = band.scaled(look(&LEVELS_2, code));
        band.rescale_high(code);
        band.learn(quantized);
        code
    }
}

/// The lower half of a stream, 0 to 4 kHz: all that tones which are keyed need, for half of the work.
#[derive(Debug, Clone)]
pub struct LowerBand(Band);

impl Default for LowerBand {
    fn default() -> Self {
        Self(LOW)
    }
}

impl LowerBand {
    /// The sample at 8 kHz of an octet, full scale as at 16 kHz. Every octet is valid.
    pub fn decode(&mut self, octet: u8) -> i16 {
        i16::try_from(saturate(2 * self.sample(octet))).unwrap_or(0)
    }

    /// In 15 bits.
    fn sample(&mut self, octet: u8) -> i32 {
        let (band, bits) = (&mut self.0, i32::from(octet & 63));
        let sample = band.reconstructed(band.scaled(look(&LEVELS_6, bits)));
        let learned = band.scaled(look(&LEVELS_4, bits >> 2));
        band.rescale_low(bits >> 2);
        band.learn(learned);
        sample
    }
}

/// Decoder of one stream.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    low: LowerBand,
    high: Band,
    window: [i32; 24],
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            low: LowerBand(LOW),
            high: HIGH,
            window: [0; 24],
        }
    }

    /// Learns, in place of lost octets, from what is played for them: of `samples` the first 24 are what its filter has heard already.
    pub(super) fn follow(&mut self, samples: &[i16]) {
        let Some((window, samples)) = samples.split_first_chunk::<24>() else {
            return;
        };
        let mut encoder = Encoder {
            low: self.low.0.clone(),
            high: self.high.clone(),
            window: window.map(i32::from),
        };
        for &pair in samples.as_chunks().0 {
            self.decode(encoder.encode(pair));
        }
    }

    /// The two samples at 16 kHz of an octet. Every octet is valid.
    pub(super) fn decode(&mut self, octet: u8) -> [i16; 2] {
        let high_bits = i32::from(octet >> 6);
        let low = self.low.sample(octet);

        let difference = self.high.scaled(look(&LEVELS_2, high_bits));
        let high = self.high.reconstructed(difference);
        self.high.rescale_high(high_bits);
        self.high.learn(difference);

        shift(&mut self.window, [low + high, low - high]);
        let (even, odd) = filter(&self.window);
        // The filters' gain is 4096, and the bands have 15 bits.
        [odd, even].map(|sum| i16::try_from(saturate(sum >> 11)).unwrap_or(0))
    }
}
