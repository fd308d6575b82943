//! Lets through a few log lines per second, so that a hostile peer cannot fill a disk.

use std::time::{Duration, Instant};

/// Lines per window.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// A counter of lines in the present window, one per worker.
#[derive(Debug)]
pub(super) struct LogLimit {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl LogLimit {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            lines: 0,
            suppressed: 0,
        }
    }

    /// `Some(lines suppressed since the last one)` when a line may be written now.
    pub(super) fn admit(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            self.lines = 0;
        }
        if self.lines >= LINES {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let start = Instant::now();
        let mut limit = LogLimit::new(start);
        let written = (0..5_000).filter(|_| limit.admit(start).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(limit.admit(start + WINDOW), Some(4_980));
        assert_eq!(limit.admit(start + WINDOW), Some(0));
    }
}
