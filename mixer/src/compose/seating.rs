//! Who sits in which tile. A pure function: knows neither pictures nor sizes.

use crate::LegId;

/// Seats as many of `ranked` (most important first) as there are places.
///
/// Who is at `stage` is the first of them. Whoever has a seat keeps it while they are shown at all; whom the one on the stage
/// displaced takes the place that became free. So a change of floor swaps two tiles and moves no other, and without a stage
/// it moves nobody. When the number of places changes, the order of those who stay does not.
pub(super) fn seat(
    before: &[Option<LegId>],
    places: usize,
    stage: Option<usize>,
    ranked: &[LegId],
) -> Vec<Option<LegId>> {
    let shown = ranked.get(..ranked.len().min(places)).unwrap_or(&[]);
    let star = stage.and_then(|place| Some((place, *shown.first()?)));
    let keeps = |leg: LegId| shown.contains(&leg) && star.is_none_or(|(_, star)| star != leg);
    let mut seats: Vec<Option<LegId>> = if before.len() == places {
        before
            .iter()
            .map(|seat| seat.filter(|leg| keeps(*leg)))
            .collect()
    } else {
        let mut kept = before.iter().flatten().copied().filter(|leg| keeps(*leg));
        (0..places)
            .map(|place| {
                if star.is_some_and(|(stage, _)| stage == place) {
                    None
                } else {
                    kept.next()
                }
            })
            .collect()
    };
    if let Some((place, star)) = star
        && let Some(seat) = seats.get_mut(place)
    {
        *seat = Some(star);
    }
    let missing: Vec<LegId> = shown
        .iter()
        .copied()
        .filter(|leg| !seats.contains(&Some(*leg)))
        .collect();
    let mut missing = missing.into_iter();
    for seat in seats.iter_mut().filter(|seat| seat.is_none()) {
        *seat = missing.next();
    }
    seats
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn legs(ids: &[u64]) -> Vec<LegId> {
        ids.iter().copied().map(LegId).collect()
    }

    fn seats(ids: &[u64]) -> Vec<Option<LegId>> {
        ids.iter()
            .map(|id| (*id != 0).then_some(LegId(*id)))
            .collect()
    }

    #[test]
    fn in_a_grid_nobody_moves_when_somebody_talks() {
        assert_eq!(
            seat(&seats(&[1, 2, 3, 4]), 4, None, &legs(&[3, 1, 4, 2])),
            seats(&[1, 2, 3, 4])
        );
    }

    #[test]
    fn a_new_speaker_swaps_with_the_one_on_stage() {
        assert_eq!(
            seat(&seats(&[1, 2, 3, 4]), 4, Some(0), &legs(&[3, 1, 2, 4])),
            seats(&[3, 2, 1, 4])
        );
    }

    #[test]
    fn a_talker_without_a_seat_takes_that_of_the_least_important() {
        assert_eq!(
            seat(&seats(&[1, 2, 3]), 3, None, &legs(&[5, 1, 3, 2])),
            seats(&[1, 5, 3])
        );
    }

    #[test]
    fn who_leaves_makes_the_others_close_up_in_their_order() {
        assert_eq!(
            seat(&seats(&[1, 2, 3, 4]), 3, None, &legs(&[4, 3, 1])),
            seats(&[1, 3, 4])
        );
    }

    proptest! {
        #[test]
        fn as_many_as_fit_are_seated_once_and_order_is_stable(
            stage in any::<bool>(),
            rounds in proptest::collection::vec(
                (1usize..8, proptest::sample::subsequence((1..12u64).collect::<Vec<_>>(), 0..12), any::<u64>()), 1..20),
        ) {
            let stage = stage.then_some(0);
            let mut before: Vec<Option<LegId>> = Vec::new();
            for (places, people, seed) in rounds {
                let mut ranked = legs(&people);
                fastrand::Rng::with_seed(seed).shuffle(&mut ranked);
                let now = seat(&before, places, stage, &ranked);
                let mut seated: Vec<LegId> = now.iter().flatten().copied().collect();
                prop_assert_eq!(now.len(), places);
                prop_assert_eq!(seated.len(), places.min(ranked.len()));
                prop_assert!(seated.iter().all(|leg| ranked[..seated.len()].contains(leg)));
                if stage.is_some() && !ranked.is_empty() {
                    prop_assert_eq!(now[0], Some(ranked[0]));
                }
                // Those who are off stage before and after come in the same order.
                let off_stage = |seats: &[Option<LegId>]| -> Vec<LegId> {
                    let skip = usize::from(stage.is_some());
                    seats.iter().skip(skip).flatten().copied().collect()
                };
                let (old, new) = (off_stage(&before), off_stage(&now));
                if before.len() != places {
                    let stay: Vec<_> = old.iter().filter(|leg| new.contains(leg)).collect();
                    let order: Vec<_> = new.iter().filter(|leg| old.contains(leg)).collect();
                    prop_assert_eq!(stay, order);
                }
                seated.sort_unstable();
                seated.dedup();
                prop_assert_eq!(seated.len(), places.min(ranked.len()));
                before = now;
            }
        }
    }
}
