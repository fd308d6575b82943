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
/// What probes look for in bit/s, for the first slot, which may show a screen, and for each other one.
const FIRST_SLOT: u64 = 2_500_000;
const OTHER_SLOT: u64 = 1_200_000;
const MOST: u64 = 20_000_000;
/// After the first feedback, until an estimate counts that is no less than [`FIRST`]: the probes are still at work, and what is
/// less than all is soon more.
const SETTLING: Duration = Duration::from_secs(2);
/// A peer that was silent for so long had no line: while it has one, it reports several times a second on what it is sent.
const OUTAGE: Duration = Duration::from_secs(2);
/// After that, until it has reported on all that was lost meanwhile. The stack would take it for a line that is too weak.
const MENDING: Duration = Duration::from_millis(400);
/// The least that is sought while slots are there, in bit/s.
const LEAST_SOUGHT: u64 = 300_000;
/// What may be lost by chance. A line that is too weak loses more, or has a queue of its own.
const BY_CHANCE: f32 = 0.12;
/// A round trip that is longer than the shortest by so much has a queue in it; less is jitter.
const LEAST_QUEUE: Duration = Duration::from_millis(80);
/// Of what a round trip is longer than the shortest, so much is taken for the way's with each look: half a minute until most of it is.
const PATH_CHANGES: u32 = 128;
/// A look counts for so much of the smoothed rate: about a second of looks.
const BORNE_SMOOTHING: u64 = 5;
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
    /// When the first feedback came.
    since: Option<Instant>,
    heard: Option<Instant>,
    /// When the line counts again, after an outage.
    mended: Option<Instant>,
    /// What the stack was last told to look for: the least to send, padding included, and what is sought.
    demand: (u64, u64),
    borne: Borne,
}

/// What the line bears, as is seen by what is sent.
#[derive(Debug, Default)]
struct Borne {
    /// When it was last looked at, and the bytes that had been sent.
    looked: Option<(Instant, u64)>,
    /// What is sent, smoothed, in bit/s.
    rate: u64,
    least_round_trip: Option<Duration>,
}

impl Borne {
    /// In bit/s, while little is lost and what is sent stands in no queue: where packets are lost by chance and overtake each other the
    /// stack takes both for a line that is too weak, sends less, learns from that little, and so on.
    fn look(&mut self, stats: &PeerStats) -> Option<u64> {
        let (at, sent) = (stats.timestamp, stats.bytes_tx);
        let (before, sent_before) = self.looked.replace((at, sent))?;
        let millis = at.saturating_duration_since(before).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX).max(1);
        let rate = sent.saturating_sub(sent_before).saturating_mul(8_000) / millis;
        self.rate = (self.rate * (BORNE_SMOOTHING - 1) + rate) / BORNE_SMOOTHING;
        let round_trip = stats.rtt?;
        // It rises slowly: the way may be another one, and longer.
        let least = self.least_round_trip.map_or(round_trip, |least| {
            let risen = least + round_trip.saturating_sub(least) / PATH_CHANGES;
            risen.min(round_trip)
        });
        self.least_round_trip = Some(least);
        let flows = round_trip <= least + LEAST_QUEUE && stats.egress_loss_fraction? <= BY_CHANCE;
        flows.then_some(self.rate)
    }
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

    /// The least to send and what to look for, when that has changed, for so many slots. Where pictures are held back too little
    /// is sent to learn of a better line: then padding fills what the estimate leaves.
    pub(super) fn demand(&mut self, slots: usize, starves: bool) -> Option<(Bitrate, Bitrate)> {
        let most = sought(slots);
        let desired = match self.told {
            // The stack probes at twice what is desired, however weak the line: so that a probe does not stand in its queue for long,
            // the desire grows with the estimate, in steps, as each growth is a probe.
            Some(told) => {
                let (_, before) = self.demand;
                let fits = (told..=told.saturating_mul(4)).contains(&before);
                let step = told.saturating_mul(2).max(LEAST_SOUGHT);
                if fits { before } else { step }.min(most)
            }
            None => most,
        };
        let demand = (if starves { desired } else { 0 }, desired);
        if std::mem::replace(&mut self.demand, demand) == demand {
            return None;
        }
        Some((Bitrate::bps(demand.0), Bitrate::bps(demand.1)))
    }

    /// Takes a sample; the estimate in bit/s if it is worth telling.
    pub(super) fn measured(&mut self, now: Instant, stats: &PeerStats) -> Option<u64> {
        if self.mended.is_some() {
            return None;
        }
        // Without a round trip no feedback has come, and the estimate is where it began.
        let own = stats
            .bwe_tx
            .filter(|_| self.numbered && stats.rtt.is_some());
        let borne = self.borne.look(stats);
        let estimate = own.map(|own| own.as_u64()).or(self.received)?;
        let estimate = estimate.max(borne.unwrap_or(0).min(MOST));
        let since = *self.since.get_or_insert(now);
        if estimate >= FIRST.as_u64() && now.saturating_duration_since(since) < SETTLING {
            return None;
        }
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

/// What so many slots could use, in bit/s.
fn sought(slots: usize) -> u64 {
    let others = u64::try_from(slots.saturating_sub(1)).unwrap_or(0);
    let wanted = FIRST_SLOT.saturating_add(others.saturating_mul(OTHER_SLOT));
    if slots == 0 { 0 } else { wanted.min(MOST) }
}
