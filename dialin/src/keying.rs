//! One source of digits per caller: some phones send a key press two or three ways at once. No IO; time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::{Digit, DigitSource};

/// The same key press comes another way within this: SIP INFO often at the key's release, and over TCP.
const SAME: Duration = Duration::from_secs(3);
/// Key presses remembered.
const REMEMBERED: usize = 16;

/// Keeps to the best source that a caller's digits have come from, and knows again what a worse one told before.
#[derive(Debug, Clone, Default)]
pub struct Keying {
    best: Option<DigitSource>,
    told: VecDeque<(DigitSource, Digit, MediaTime)>,
}

impl Keying {
    /// Whether a digit is a key press of its own.
    pub fn admits(&mut self, now: MediaTime, source: DigitSource, digit: Digit) -> bool {
        if self.best > Some(source) {
            return false;
        }
        self.best = Some(source);
        let is_old = |at: MediaTime| now.since(at) > SAME;
        while self.told.front().is_some_and(|(_, _, at)| is_old(*at)) {
            self.told.pop_front();
        }
        let repeats = self
            .told
            .front()
            .is_some_and(|(by, told, _)| *by < source && *told == digit);
        if repeats {
            self.told.pop_front();
            return false;
        }
        self.told.retain(|(by, _, _)| *by == source);
        if self.told.len() == REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back((source, digit, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is admitted of `(millis, source, digit)`, as text.
    fn admitted(keyed: &[(u64, DigitSource, char)]) -> String {
        let mut keying = Keying::default();
        keyed
            .iter()
            .filter(|(millis, source, digit)| {
                let digit = Digit::from_char(*digit).expect("a digit");
                keying.admits(MediaTime::from_millis(*millis), *source, digit)
            })
            .map(|(_, _, digit)| digit)
            .collect()
    }

    #[test]
    fn one_way_is_taken_as_it_comes() {
        use DigitSource::{Event, Info, Tone};
        for source in [Tone, Info, Event] {
            assert_eq!(
                admitted(&[(0, source, '5'), (100, source, '5'), (200, source, '#')]),
                "55#"
            );
        }
    }

    #[test]
    fn a_key_press_that_comes_two_ways_is_one() {
        use DigitSource::{Event, Info, Tone};
        for (worse, better) in [(Tone, Info), (Tone, Event), (Info, Event)] {
            let each = [
                (0, worse, '1'),
                (200, better, '1'),
                (400, worse, '2'),
                (500, better, '2'),
            ];
            assert_eq!(admitted(&each), "12");
            let late = [
                (0, worse, '5'),
                (200, worse, '5'),
                (900, better, '5'),
                (1_000, better, '5'),
                (1_500, better, '5'),
            ];
            assert_eq!(admitted(&late), "555");
            let first = [
                (0, better, '7'),
                (50, worse, '7'),
                (300, better, '7'),
                (350, worse, '7'),
            ];
            assert_eq!(admitted(&first), "77");
        }
    }

    #[test]
    fn after_a_while_the_same_key_is_another_press() {
        use DigitSource::{Info, Tone};
        assert_eq!(admitted(&[(0, Tone, '1'), (3_100, Info, '1')]), "11");
        assert_eq!(
            admitted(&[(0, Tone, '1'), (100, Info, '2'), (200, Info, '1')]),
            "121"
        );
    }
}
