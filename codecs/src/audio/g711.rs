//! G.711 companding (ITU-T G.711), sample by sample.

use crate::audio::g711::Law::{A, Mu};

/// The two companding laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law (North America, Japan).
    Mu,
    /// A-law (elsewhere).
    A,
}

impl Law {
    /// Compands one sample of 16-bit linear PCM (full scale ±32767).
    #[must_use]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Mu => encode_mu(sample),
            A => encode_a(sample),
        }
    }

    /// Expands one octet to 16-bit linear PCM.
    #[must_use]
    pub const fn decode(self, octet: u8) -> i16 {
        const MU: [i16; 256] = table(Mu);
        const A_TABLE: [i16; 256] = table(A);
        match self {
            Mu => MU[octet as usize],
            A => A_TABLE[octet as usize],
        }
    }

    /// Loudness of octets in −dBov, by their squares from a table.
    #[must_use]
    pub fn level(self, octets: &[u8]) -> u8 {
        static MU: [u32; 256] = squares(Mu);
        static A_TABLE: [u32; 256] = squares(A);
        let squares = match self {
            Mu => &MU,
            A => &A_TABLE,
        };
        let energy = octets
            .iter()
            .map(|&octet| u64::from(squares[usize::from(octet)]))
            .sum();
        super::energy_dbov(energy, octets.len())
    }

    /// The octet of a zero sample.
    #[must_use]
    pub const fn silence(self) -> u8 {
        self.encode(0)
    }
}

/// µ-law: 14-bit magnitude with a bias of 33, eight segments found by the highest bit.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the code has eight bits by construction"
)]
const fn encode_mu(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample } >> 2).cast_unsigned() + 33;
    let magnitude = if magnitude > 0x1fff {
        0x1fff
    } else {
        magnitude
    };
    let segment = (10 - magnitude.leading_zeros()) as u16; // magnitude is 33..=8191, so 0..=7
    let code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0f);
    !(code as u8 | if sample < 0 { 0x80 } else { 0 })
}

/// A-law: 12-bit magnitude, the two lowest segments share one step; even bits inverted.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the code has eight bits by construction"
)]
const fn encode_a(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample } >> 4).cast_unsigned();
    let code = if magnitude < 16 {
        magnitude
    } else {
        let segment = (12 - magnitude.leading_zeros()) as u16; // magnitude is 16..=2047, so 1..=7
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    (code as u8 | if sample < 0 { 0 } else { 0x80 }) ^ 0x55
}

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet: i16 = 0;
    while octet < 256 {
        table[octet.cast_unsigned() as usize] = match law {
            Mu => decode_mu(octet),
            A => decode_a(octet),
        };
        octet += 1;
    }
    table
}

const fn squares(law: Law) -> [u32; 256] {
    let samples = table(law);
    let mut squares = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        squares[octet] = (samples[octet].unsigned_abs() as u32).pow(2);
        octet += 1;
    }
    squares
}

const fn decode_mu(octet: i16) -> i16 {
    let code = !octet & 0xff;
    let magnitude = ((((code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

const fn decode_a(octet: i16) -> i16 {
    let code = octet ^ 0x55;
    let (segment, mantissa) = ((code >> 4) & 7, (code & 0x0f) << 4);
    let magnitude = if segment == 0 {
        mantissa + 8
    } else {
        (mantissa + 0x108) << (segment - 1)
    };
    if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// µ-law compression as the reference of ITU-T G.191 (STL) states it: a search through the segments.
    fn reference_mu(linear: i16) -> u8 {
        let mut magnitude = if linear < 0 {
            (!i32::from(linear) >> 2) + 33
        } else {
            (i32::from(linear) >> 2) + 33
        };
        magnitude = magnitude.min(0x1fff);
        let (mut rest, mut segment) = (magnitude >> 6, 1);
        while rest != 0 {
            segment += 1;
            rest >>= 1;
        }
        let code = ((8 - segment) << 4) | (15 - ((magnitude >> segment) & 15));
        u8::try_from(if linear >= 0 { code | 0x80 } else { code }).unwrap_or(0)
    }

    /// A-law compression as the reference of ITU-T G.191 (STL) states it.
    fn reference_a(linear: i16) -> u8 {
        let mut code = if linear < 0 {
            !i32::from(linear) >> 4
        } else {
            i32::from(linear) >> 4
        };
        if code > 15 {
            let mut exponent = 1;
            while code > 31 {
                code >>= 1;
                exponent += 1;
            }
            code = code - 16 + (exponent << 4);
        }
        if linear >= 0 {
            code |= 0x80;
        }
        u8::try_from(code ^ 0x55).unwrap_or(0)
    }

    /// µ-law expansion of ITU-T G.191.
    fn reference_mu_expand(octet: u8) -> i32 {
        let sign = if octet < 0x80 { -1 } else { 1 };
        let inverted = i32::from(!octet);
        let exponent = (inverted >> 4) & 7;
        let step = 4 << (exponent + 1);
        sign * ((0x80 << exponent) + step * (inverted & 15) + step / 2 - 4 * 33)
    }

    /// A-law expansion of ITU-T G.191.
    fn reference_a_expand(octet: u8) -> i32 {
        let code = i32::from(octet ^ 0x55) & 0x7f;
        let exponent = code >> 4;
        let mut mantissa = code & 15;
        if exponent > 0 {
            mantissa += 16;
        }
        mantissa = (mantissa << 4) + 8;
        if exponent > 1 {
            mantissa <<= exponent - 1;
        }
        if octet > 127 { mantissa } else { -mantissa }
    }

    #[test]
    fn every_value_agrees_with_the_itu_reference() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(Mu.encode(sample), reference_mu(sample), "µ-law of {sample}");
            assert_eq!(A.encode(sample), reference_a(sample), "A-law of {sample}");
        }
        for octet in 0..=255 {
            assert_eq!(
                i32::from(Mu.decode(octet)),
                reference_mu_expand(octet),
                "µ-law octet {octet}"
            );
            assert_eq!(
                i32::from(A.decode(octet)),
                reference_a_expand(octet),
                "A-law octet {octet}"
            );
        }
    }

    #[test]
    fn the_level_of_octets_is_that_of_their_samples() {
        for law in [Mu, A] {
            for step in [1, 3, 40] {
                let octets: Vec<u8> = (0..=255).step_by(step).collect();
                let samples: Vec<i16> = octets.iter().map(|&octet| law.decode(octet)).collect();
                assert_eq!(law.level(&octets), crate::audio::level_dbov(&samples));
            }
            assert_eq!(law.level(&[]), 127);
        }
        assert_eq!(Mu.level(&[Mu.silence(); 160]), 127);
    }

    #[test]
    fn decoded_octets_encode_to_themselves() {
        for octet in 0..=255 {
            assert_eq!(A.encode(A.decode(octet)), octet);
            // µ-law has a negative zero, which linear PCM has not.
            if octet != 0x7f {
                assert_eq!(Mu.encode(Mu.decode(octet)), octet);
            }
        }
    }
}
