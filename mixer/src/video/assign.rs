//! Which source belongs in which slot of one viewer. A pure function: knows neither packets nor codecs.

use smallvec::SmallVec;

use crate::LegId;

/// The sources of a viewer's slots.
pub(super) type Slots = SmallVec<[Option<LegId>; 4]>;

/// Chooses sources for as many slots as `current` has. `sources` are those that the viewer may see, most recent speaker first.
///
/// Slot 0 shows the first source. The other slots show the next ones; who is in one of them already stays there, and whoever
/// gave way in slot 0 takes the place that became free, so a change of floor swaps two tiles and moves no other.
pub(super) fn slots(current: &[Option<LegId>], sources: &[LegId]) -> Slots {
    let shown = sources
        .get(..sources.len().min(current.len()))
        .unwrap_or(&[]);
    let speaker = shown.first().copied();
    let mut slots: Slots = current
        .iter()
        .enumerate()
        .map(|(slot, source)| {
            if slot == 0 {
                speaker
            } else {
                source.filter(|leg| Some(*leg) != speaker && shown.contains(leg))
            }
        })
        .collect();
    for slot in 1..slots.len() {
        // A source twice in `current` cannot happen; should it, its first slot wins.
        if slots[slot].is_some() && slots[..slot].contains(&slots[slot]) {
            slots[slot] = None;
        }
    }
    let missing: SmallVec<[LegId; 4]> = shown
        .iter()
        .copied()
        .filter(|source| !slots.contains(&Some(*source)))
        .collect();
    let mut missing = missing.into_iter();
    for slot in slots.iter_mut().skip(1).filter(|slot| slot.is_none()) {
        *slot = missing.next();
    }
    slots
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(ids: &[u64]) -> Vec<LegId> {
        ids.iter().copied().map(LegId).collect()
    }

    fn options(ids: &[u64]) -> Vec<Option<LegId>> {
        ids.iter()
            .map(|&id| (id != 0).then_some(LegId(id)))
            .collect()
    }

    #[test]
    fn a_change_of_floor_swaps_two_tiles_and_moves_no_other() {
        assert_eq!(
            slots(&options(&[1, 2, 3, 4]), &ids(&[3, 1, 2, 4])).as_slice(),
            options(&[3, 2, 1, 4])
        );
    }

    #[test]
    fn a_speaker_from_outside_displaces_the_least_recent() {
        assert_eq!(
            slots(&options(&[1, 2, 3]), &ids(&[5, 1, 2, 3])).as_slice(),
            options(&[5, 2, 1])
        );
    }

    #[test]
    fn without_sources_all_slots_are_empty() {
        assert_eq!(slots(&options(&[1, 2]), &[]).as_slice(), [None, None]);
    }

    proptest! {
        #[test]
        fn no_source_is_shown_twice_and_as_many_as_fit_are_shown(
            count in 0usize..6,
            changes in proptest::collection::vec(proptest::sample::subsequence((1..12u64).collect::<Vec<_>>(), 0..12), 1..20),
            seed in any::<u64>(),
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut current: Vec<Option<LegId>> = vec![None; count];
            for sources in changes {
                let mut sources = ids(&sources);
                random.shuffle(&mut sources);
                current = slots(&current, &sources).to_vec();
                let mut shown: Vec<LegId> = current.iter().flatten().copied().collect();
                prop_assert_eq!(shown.len(), count.min(sources.len()));
                prop_assert!(shown.iter().all(|source| sources[..shown.len()].contains(source)));
                prop_assert_eq!(current.first().copied().flatten(), sources.first().copied().filter(|_| count > 0));
                shown.sort_unstable();
                shown.dedup();
                prop_assert_eq!(shown.len(), count.min(sources.len()));
            }
        }
    }
}
