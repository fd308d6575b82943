//! Whose turn it is to present, and who waits for it. Pure: time is an argument, participants are names.

use std::time::{Duration, Instant};

/// Whoever was given the turn has so long to begin.
const TO_BEGIN: Duration = Duration::from_secs(30);
/// So many may wait; further ones are refused.
const MOST_WAITING: usize = 20;

/// Refused: too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crowded;

/// One presenter at most. Each function says whether anything is different now.
#[derive(Debug, Default)]
pub(super) struct Podium {
    turn: Option<Turn>,
    /// First who asked first.
    waiting: Vec<String>,
}

#[derive(Debug)]
struct Turn {
    who: String,
    /// When the turn passes on unless it has begun; `None`: it has.
    lapses: Option<Instant>,
}

impl Podium {
    /// Whose turn it is, whether it has begun or not.
    pub(super) fn turn(&self) -> Option<&str> {
        self.turn.as_ref().map(|turn| turn.who.as_str())
    }

    /// Who presents: their turn has begun.
    pub(super) fn presenter(&self) -> Option<&str> {
        let turn = self.turn.as_ref().filter(|turn| turn.lapses.is_none())?;
        Some(&turn.who)
    }

    pub(super) fn waiting(&self) -> &[String] {
        &self.waiting
    }

    /// When [`Self::lapse`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.turn.as_ref()?.lapses
    }

    /// `who` begins to present if it is their turn or nobody's, else waits for it.
    pub(super) fn present(&mut self, who: &str) -> Result<bool, Crowded> {
        if self.turn().is_none_or(|turn| turn == who) {
            return Ok(self.take(who));
        }
        if self.waits(who) {
            return Ok(false);
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(Crowded);
        }
        self.waiting.push(who.to_owned());
        Ok(true)
    }

    /// `who` begins to present, whoever did before.
    pub(super) fn take(&mut self, who: &str) -> bool {
        let before = self.presenter() == Some(who);
        self.put(who, None);
        !before
    }

    /// It is `who`'s turn now.
    pub(super) fn give(&mut self, who: &str, now: Instant) -> bool {
        if self.turn() == Some(who) {
            return false;
        }
        self.put(who, Some(now + TO_BEGIN));
        true
    }

    /// `who` presents no more, or does not want to: the turn is that of whoever waits longest.
    pub(super) fn withdraw(&mut self, who: &str, now: Instant) -> bool {
        if self.turn() == Some(who) {
            self.pass_on(now);
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|waits| waits != who);
        self.waiting.len() != before
    }

    /// The turn of who has not begun in time passes on.
    pub(super) fn lapse(&mut self, now: Instant) -> bool {
        let over = self.next().is_some_and(|at| at <= now);
        if over {
            self.pass_on(now);
        }
        over
    }

    pub(super) fn waits(&self, who: &str) -> bool {
        self.waiting.iter().any(|waits| waits == who)
    }

    fn pass_on(&mut self, now: Instant) {
        self.turn = None;
        if !self.waiting.is_empty() {
            let next = self.waiting.remove(0);
            self.put(&next, Some(now + TO_BEGIN));
        }
    }

    fn put(&mut self, who: &str, lapses: Option<Instant>) {
        self.waiting.retain(|waits| waits != who);
        self.turn = Some(Turn {
            who: who.to_owned(),
            lapses,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_presents_and_the_others_wait_in_the_order_of_asking() {
        let (mut podium, now) = (Podium::default(), Instant::now());
        assert_eq!(podium.present("ann"), Ok(true));
        assert_eq!(podium.present("ann"), Ok(false));
        for (who, new) in [("ben", true), ("cat", true), ("ben", false)] {
            assert_eq!(podium.present(who), Ok(new));
        }
        assert_eq!(podium.presenter(), Some("ann"));
        assert_eq!(podium.waiting(), ["ben", "cat"]);
        assert!(podium.withdraw("ann", now));
        assert_eq!((podium.turn(), podium.presenter()), (Some("ben"), None));
        assert_eq!(podium.present("ben"), Ok(true));
        assert_eq!(podium.presenter(), Some("ben"));
        assert!(podium.withdraw("cat", now) && podium.waiting().is_empty());
        assert!(podium.withdraw("ben", now) && !podium.withdraw("ben", now));
        assert_eq!((podium.turn(), podium.next()), (None, None));
    }

    #[test]
    fn a_turn_that_is_not_taken_passes_on() {
        let (mut podium, now) = (Podium::default(), Instant::now());
        assert!(podium.take("ann") && !podium.take("ann"));
        for who in ["ben", "cat"] {
            assert_eq!(podium.present(who), Ok(true));
        }
        assert!(podium.give("cat", now) && !podium.give("cat", now));
        assert_eq!(podium.waiting(), ["ben"], "ann's turn is over");
        assert!(!podium.lapse(now + TO_BEGIN / 2));
        assert!(podium.lapse(now + TO_BEGIN));
        assert_eq!(podium.turn(), Some("ben"));
        assert!(podium.lapse(now + 2 * TO_BEGIN) && podium.turn().is_none());
        assert!(!podium.lapse(now + 3 * TO_BEGIN));
    }

    #[test]
    fn whoever_takes_over_waits_no_more_and_the_queue_is_bounded() {
        let mut podium = Podium::default();
        podium.take("host");
        for number in 0..MOST_WAITING {
            assert_eq!(podium.present(&number.to_string()), Ok(true));
        }
        assert_eq!(podium.present("one more"), Err(Crowded));
        assert!(podium.take("3") && !podium.waits("3"));
        assert_eq!(podium.present("host"), Ok(true));
    }
}
