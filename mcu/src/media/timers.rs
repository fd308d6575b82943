//! A timer heap with one live deadline per key.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::Instant;

use rustc_hash::FxHashMap;

/// Stale entries that the heap may hold besides one for each live key before it is swept.
const STALE: usize = 64;

/// Deadlines by key. Setting a key again replaces its deadline; the stale heap entry is skipped when its time comes, or
/// swept when the stale ones outnumber the live ones: a key that was removed may have had a deadline years away.
#[derive(Debug)]
pub(super) struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
    live: FxHashMap<K, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// When the key really wants to be called.
    wanted: Instant,
    /// The earliest heap entry for the key, at or before `wanted`.
    queued: Instant,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            live: FxHashMap::default(),
        }
    }

    /// Calls `key` at `deadline` instead of whenever it was to be called before.
    pub(super) fn set(&mut self, key: K, deadline: Instant) {
        if let Some(entry) = self.live.get_mut(&key) {
            entry.wanted = deadline;
            // A later deadline waits for the queued entry to come up: most deadlines move back with every
            // packet, and pushing each would grow the heap without bound.
            if deadline >= entry.queued {
                return;
            }
            entry.queued = deadline;
        } else {
            self.live.insert(
                key,
                Entry {
                    wanted: deadline,
                    queued: deadline,
                },
            );
        }
        self.heap.push(Reverse((deadline, key)));
        self.sweep();
    }

    /// Each sweep is paid for by as many pushes.
    fn sweep(&mut self) {
        if self.heap.len() <= 2 * self.live.len() + STALE {
            return;
        }
        let live = &self.live;
        self.heap
            .retain(|Reverse((at, key))| live.get(key).is_some_and(|entry| entry.queued == *at));
    }

    pub(super) fn remove(&mut self, key: K) {
        self.live.remove(&key);
    }

    /// The next time something may be due; never later than the earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A key whose deadline has come, removed; `None` when nothing more is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<K> {
        while let Some(Reverse((at, key))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let Some(entry) = self.live.get_mut(&key) else {
                continue;
            };
            if entry.queued != at {
                continue;
            }
            if entry.wanted > now {
                entry.queued = entry.wanted;
                self.heap.push(Reverse((entry.wanted, key)));
                continue;
            }
            self.live.remove(&key);
            return Some(key);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn keys_come_up_in_the_order_of_their_deadlines() {
        let t = Instant::now();
        let mut timers = Timers::new();
        timers.set(1, ms(t, 30));
        timers.set(2, ms(t, 10));
        timers.set(3, ms(t, 20));
        assert_eq!(timers.pop_due(ms(t, 5)), None);
        assert_eq!(timers.next(), Some(ms(t, 10)));
        let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(ms(t, 40))).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_set_again_counts_once_at_its_last_time() {
        let t = Instant::now();
        let mut timers = Timers::new();
        timers.set(1, ms(t, 10));
        for later in 11..1_000 {
            timers.set(1, ms(t, later));
        }
        assert_eq!(
            timers.heap.len(),
            1,
            "moving a deadline back must not grow the heap"
        );
        assert_eq!(timers.pop_due(ms(t, 998)), None);
        timers.set(1, ms(t, 500));
        assert_eq!(timers.pop_due(ms(t, 500)), Some(1));
        assert_eq!(timers.pop_due(ms(t, 2_000)), None);
    }

    #[test]
    fn a_removed_key_never_comes_up() {
        let t = Instant::now();
        let mut timers = Timers::new();
        timers.set(1, ms(t, 10));
        timers.remove(1);
        assert_eq!(timers.pop_due(ms(t, 20)), None);
        timers.set(1, ms(t, 30));
        assert_eq!(timers.pop_due(ms(t, 30)), Some(1));
    }

    /// Regression: the deadlines of peers that left stayed for as long as the stack had wanted to sleep.
    #[test]
    fn keys_that_come_and_go_with_far_deadlines_leave_nothing_behind() {
        let t = Instant::now();
        let mut timers = Timers::new();
        timers.set(0, ms(t, 500));
        for key in 1..10_000 {
            timers.set(key, ms(t, 3_600_000_000));
            timers.set(key, ms(t, 1_000));
            timers.remove(key);
        }
        assert!(timers.heap.len() < 100, "{}", timers.heap.len());
        assert_eq!(timers.pop_due(ms(t, 2_000)), Some(0));
        assert_eq!(timers.pop_due(ms(t, 2_000)), None);
    }
}
