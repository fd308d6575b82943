//! What the line to one peer carries: the stack's estimate from transport-wide feedback (delay and loss), or the peer's own (REMB).
//!
//! Only video is measured: audio lines carry no transport-wide numbers.

use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::stats::PeerStats;

use crate::media::offer::{LineKind, Outline};

/// Where the estimate begins; probes of three and six times as much follow at once.
pub(super) const FIRST: Bitrate = Bitrate::kbps(500);
/// Between looks at the estimate. The stack's event of it is smoothed and comes seconds later.
pub(super) const SAMPLE: Duration = Duration::from_millis(200);
/// What probes look for, for the first slot and for each other one.
const FIRST_SLOT: u64 = 2_500_000;
const OTHER_SLOT: u64 = 700_000;
const MOST: u64 = 6_000_000;
/// A peer that was silent for so long had no line: while it has one, it reports several times a second on what it is sent.
const OUTAGE: Duration = Duration::from_secs(2);
/// After that, until it has reported on all that was lost meanwhile. The stack would take it for a line that is too weak.
const MENDING: Duration = Duration::from_millis(400);
/// An estimate below this, in bit/s, although nothing is lost, is stuck: too little is sent for the stack to learn more.
const BOTTOM: u64 = 120_000;
const FEW_LOST: f32 = 0.02;
/// For so many samples.
const STUCK: u32 = 5;
/// Until it is freed again, in samples; doubled while it does not help, as the probes burden a line that is really weak.
const FIRST_REST: u32 = 10;
const LONGEST_REST: u32 = 150;
/// A change by less than one part in so many is not told.
const STEADY: u64 = 32;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Line {
    estimated: bool,
    /// The peer takes transport-wide numbers on a line that we send on.
    numbered: bool,
    /// By REMB, bit/s.
    received: Option<u64>,
    told: Option<u64>,
    heard: Option<Instant>,
    /// When the line counts again, after an outage.
    mended: Option<Instant>,
    /// Samples since the estimate is at the bottom.
    stuck: u32,
    rest: u32,
}

impl Line {
    /// The line to a peer that offers this. It is estimated if there is video with transport-wide numbers; whoever adds video
    /// later than that is not.
    pub(super) fn of(outline: &Outline) -> Self {
        let video = outline
            .lines
            .iter()
            .any(|line| line.kind == LineKind::Video);
        Self {
            estimated: video && outline.transport_number.is_some(),
            ..Self::default()
        }
    }

    pub(super) const fn is_estimated(&self) -> bool {
        self.estimated
    }

    /// The stack has an estimate. Of its own only whether it can have one is of interest.
    pub(super) fn estimated(&mut self, kind: &BweKind) {
        match kind {
            BweKind::Twcc { can_probe, .. } => self.numbered = *can_probe,
            BweKind::Remb { estimate, .. } => self.received = Some(estimate.as_u64()),
            _ => {}
        }
    }

    /// Media or a report came from the peer.
    pub(super) fn heard(&mut self, now: Instant) {
        let silent = |last: Instant| now.saturating_duration_since(last) >= OUTAGE;
        if self.heard.is_some_and(silent) && self.told.is_some() {
            self.mended = Some(now + MENDING);
        }
        self.heard = Some(now);
    }

    /// What the line carried before an outage that is over now: the estimate is to begin there again.
    pub(super) fn take_mended(&mut self, now: Instant) -> Option<u64> {
        self.mended.take_if(|mended| now >= *mended)?;
        self.told
    }

    /// Whether the estimate is to begin anew because it is stuck at the bottom.
    pub(super) fn is_stuck(&mut self, stats: &PeerStats) -> bool {
        let Some(own) = stats.bwe_tx.filter(|_| stats.rtt.is_some()) else {
            return false;
        };
        let lost = stats.egress_loss_fraction.unwrap_or_default();
        if own.as_u64() >= BOTTOM || lost > FEW_LOST {
            self.stuck = 0;
            if own.as_u64() >= 4 * BOTTOM {
                self.rest = 0;
            }
            return false;
        }
        self.stuck += 1;
        if self.stuck < STUCK.max(self.rest) {
            return false;
        }
        self.stuck = 0;
        self.rest = (self.rest * 2).clamp(FIRST_REST, LONGEST_REST);
        true
    }

    /// Takes a sample; the estimate in bit/s if it is worth telling.
    pub(super) fn measured(&mut self, stats: &PeerStats) -> Option<u64> {
        if self.mended.is_some() {
            return None;
        }
        // Without a round trip no feedback has come, and the estimate is where it began.
        let own = stats
            .bwe_tx
            .filter(|_| self.numbered && stats.rtt.is_some());
        let estimate = own.map(|own| own.as_u64()).or(self.received)?;
        let steady = self
            .told
            .is_some_and(|told| told.abs_diff(estimate) < told / STEADY);
        if steady {
            return None;
        }
        self.told = Some(estimate);
        Some(estimate)
    }
}

/// What so many slots could use.
pub(super) fn sought(slots: usize) -> Bitrate {
    let others = u64::try_from(slots.saturating_sub(1)).unwrap_or(0);
    let wanted = FIRST_SLOT + others.saturating_mul(OTHER_SLOT);
    Bitrate::bps(if slots == 0 { 0 } else { wanted.min(MOST) })
}
