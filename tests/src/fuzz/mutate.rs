//! Seeded mutation of byte strings, for runs without libFuzzer.

use fastrand::Rng;

/// Values at which lengths and counters break.
const EDGES: [u8; 8] = [0, 1, 3, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
/// No input grows beyond this.
const LARGEST: usize = 8192;

/// Makes inputs out of a corpus; the same seed makes the same inputs.
#[derive(Debug)]
pub struct Mutator<'a> {
    random: Rng,
    corpus: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    /// Mutates members of `corpus`, which must not be empty.
    #[must_use]
    pub fn new(seed: u64, corpus: &'a [Vec<u8>]) -> Self {
        Self {
            random: Rng::with_seed(seed),
            corpus,
        }
    }

    /// A member of the corpus after one to eight changes.
    pub fn make(&mut self) -> Vec<u8> {
        let mut input = self.member().to_vec();
        for _ in 0..self.random.usize(1..=8) {
            self.change(&mut input);
            input.truncate(LARGEST);
        }
        input
    }

    fn member(&mut self) -> &'a [u8] {
        self.random.choice(self.corpus).map_or(&[], Vec::as_slice)
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        if input.is_empty() {
            input.extend_from_slice(self.member());
            return;
        }
        let at = self.random.usize(..input.len());
        let end = (at + self.random.usize(1..=16)).min(input.len());
        match self.random.u8(..9) {
            0 => input[at] ^= 1 << self.random.u8(..8),
            1 => input[at] = self.random.u8(..),
            2 => input[at] = self.random.choice(EDGES).unwrap_or(0),
            3 => input.truncate(at),
            4 => drop(input.drain(at..end)),
            5 => {
                let piece = input[at..end].to_vec();
                let to = self.random.usize(..=input.len());
                input.splice(to..to, piece);
            }
            6 => {
                let random = self.random.u8(..);
                input.insert(at, random);
            }
            7 => self.splice(input, at),
            _ => self.repeat_line(input),
        }
    }

    /// Goes on with the rest of another member.
    fn splice(&mut self, input: &mut Vec<u8>, at: usize) {
        let other = self.member();
        let from = self.random.usize(..=other.len());
        input.truncate(at);
        input.extend_from_slice(&other[from..]);
    }

    /// Repeats or drops a line: the unit of SIP, SDP and TOML.
    fn repeat_line(&mut self, input: &mut Vec<u8>) {
        let breaks: Vec<usize> = input
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .map(|(at, _)| at + 1)
            .collect();
        let Some(start) = self.random.choice(&breaks).copied() else {
            return;
        };
        let end = breaks
            .iter()
            .copied()
            .find(|at| *at > start)
            .unwrap_or(input.len());
        let line = input[start..end].to_vec();
        if self.random.bool() {
            input.splice(start..start, line);
        } else {
            input.drain(start..end);
        }
    }
}
