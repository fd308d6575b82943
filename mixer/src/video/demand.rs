//! How many of a camera's sizes anybody uses, viewers and the composer: its sender is told, so that it need not make the others. Wants
//! are answered at once, what is spare is given up after a while.

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::MediaTime;

use super::Switchboard;
use crate::legs::Legs;
use crate::{Event, LegId, Output};

/// A size that nobody used for so long is spare.
const SPARE: Duration = Duration::from_secs(8);
/// Between tellings to a sender that goes on with what is spare: it may have begun anew.
const AGAIN: Duration = Duration::from_secs(10);
/// Between looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// Every size there is: as it was before anything was told.
const ALL: u8 = u8::MAX;

/// What one sender was told.
#[derive(Debug, Default)]
pub(super) struct Demand {
    told: Option<u8>,
    told_at: MediaTime,
    /// Since when fewer do, and the most that were used meanwhile.
    spare: Option<(MediaTime, u8)>,
}

impl Demand {
    /// So many of its `known` sizes are used, the smallest first, and so many come; how many it is to be told, if it is.
    fn look(&mut self, now: MediaTime, used: u8, known: u8, coming: u8) -> Option<u8> {
        let told = self.told.unwrap_or(known).min(known);
        let tell = if used > told {
            used
        } else if used < told {
            let (since, most) = *self.spare.get_or_insert((now, used));
            self.spare = Some((since, most.max(used)));
            if now.since(since) < SPARE {
                return None;
            }
            most.max(used)
        } else {
            self.spare = None;
            let deaf = coming > told && now.since(self.told_at) >= AGAIN;
            if !deaf {
                return None;
            }
            told
        };
        self.spare = None;
        (self.told, self.told_at) = (Some(tell), now);
        Some(tell)
    }
}

impl Switchboard {
    /// Several times a second, and at once when slots were given anew: tells senders how many sizes are used.
    pub(super) fn tell_demand(
        &mut self,
        now: MediaTime,
        legs: &mut Legs,
        out: &mut VecDeque<Output>,
    ) {
        if !std::mem::take(&mut self.given) && now.since(self.demanded) < INTERVAL {
            return;
        }
        self.demanded = now;
        let mut tell = |leg: LegId, count| {
            out.push_back(Output::Event(Event::CameraSizes { leg, count }));
        };
        // Whose camera is off, or in another room: it begins again with all.
        for leg in legs.iter_mut().filter(|leg| leg.viewer.capped) {
            let id = leg.config.id;
            let known = self.publishers.iter().any(|publisher| publisher.leg == id);
            if !known {
                leg.viewer.capped = false;
                tell(id, ALL);
            }
        }
        if self.publishers.iter().all(|publisher| publisher.known < 2) {
            return;
        }
        let mut used: Vec<(LegId, u8)> = self.composer_uses();
        let wishes = legs.iter().flat_map(|leg| &leg.viewer.wishes);
        for &(leg, layer) in wishes {
            match used.iter_mut().find(|(of, _)| *of == leg) {
                Some((_, most)) => *most = (*most).max(layer + 1),
                None => used.push((leg, layer + 1)),
            }
        }
        for publisher in self
            .publishers
            .iter_mut()
            .filter(|publisher| publisher.known > 1)
        {
            let leg = publisher.leg;
            let most = used.iter().find(|(of, _)| *of == leg);
            // The smallest always comes: it is what the camera is known by.
            let most = most.map_or(1, |(_, most)| *most).min(publisher.known);
            let (known, coming) = (publisher.known, publisher.coming(now));
            if let Some(count) = publisher.demand.look(now, most, known, coming) {
                if let Some(leg) = legs.get_mut(leg) {
                    leg.viewer.capped = count < known;
                }
                tell(leg, if count < known { count } else { ALL });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spare_is_given_up_after_a_while_and_wanted_at_once() {
        let mut demand = Demand::default();
        let told: Vec<(u64, u8)> = (0..400)
            .filter_map(|look| {
                let used = match look * 100 {
                    0..5_000 => 3,
                    5_000..9_000 => 1,
                    9_000..9_500 => 2,
                    9_500..20_000 => 1,
                    20_000..30_000 => 3,
                    _ => 2,
                };
                let now = MediaTime::from_millis(look * 100);
                let told = demand.look(now, used, 3, 1)?;
                Some((look * 100, told))
            })
            .collect();
        assert_eq!(told, [(13_000, 2), (20_000, 3), (38_000, 2)]);
    }

    #[test]
    fn a_sender_that_does_not_heed_is_told_again_and_not_often() {
        let mut demand = Demand::default();
        let told = (0..400)
            .filter_map(|look| demand.look(MediaTime::from_millis(look * 100), 1, 3, 3))
            .count();
        assert_eq!(told, 4);
    }
}
