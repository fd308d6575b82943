//! Where the names of trunks lead: calls from there are the trunk's, and are taken for as long as the name says so. Looks nothing up.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use plenum_codecs::MediaTime;

use super::SipEndpoint;
use super::outgoing::Target;
use crate::trunk::Trunk;

/// A name is asked again when its time is over, but no sooner than this.
const SOONEST: Duration = Duration::from_secs(30);
/// And no later.
const LATEST: Duration = Duration::from_secs(3_600);
/// Addresses of a name that cannot be looked up any more stay the trunk's for so long: a name server that is away ends no trunk.
const KEPT: Duration = Duration::from_secs(3_600);

/// What is known of one trunk's name.
#[derive(Debug, Default)]
pub(super) struct Located {
    addresses: Vec<IpAddr>,
    /// When it is asked again.
    next: Option<MediaTime>,
    /// When the addresses are forgotten.
    until: Option<MediaTime>,
    leaving: bool,
}

impl Located {
    pub(super) fn new(trunk: &Trunk) -> Self {
        let is_name = |outbound: &crate::trunk::Outbound| {
            let address: Result<IpAddr, _> = outbound.proxy.host.parse();
            address.is_err()
        };
        let named = trunk.outbound.as_ref().is_some_and(is_name);
        Self {
            next: named.then_some(MediaTime::ZERO),
            ..Self::default()
        }
    }

    pub(super) fn deadline(&self) -> Option<MediaTime> {
        [self.next, self.until].into_iter().flatten().min()
    }

    /// Whether it is to be asked now; forgets what holds no more.
    pub(super) fn is_due(&mut self, now: MediaTime) -> bool {
        if self.until.take_if(|until| *until <= now).is_some() {
            self.addresses.clear();
        }
        self.next.take_if(|next| *next <= now).is_some()
    }

    /// The server stops.
    pub(super) fn leave(&mut self) {
        self.next = None;
        self.leaving = true;
    }
}

impl SipEndpoint {
    /// A trunk's name has been looked up, for whatever reason.
    pub(super) fn located(
        &mut self,
        now: MediaTime,
        trunk: usize,
        targets: &VecDeque<Target>,
        ttl: Duration,
    ) {
        let Some(far) = self.far_ends.get_mut(trunk) else {
            return;
        };
        let located = &mut far.located;
        let wait = ttl.clamp(SOONEST, LATEST);
        if !targets.is_empty() {
            let addresses = targets
                .iter()
                .map(|target| target.address.ip().to_canonical());
            located.addresses = addresses.collect();
            located.until = Some(now + wait + KEPT);
        }
        if !located.leaving {
            located.next = Some(now + wait);
        }
        self.arm_far_end(trunk);
    }

    /// The trunk whose name leads there.
    pub(super) fn located_at(&self, source: IpAddr) -> Option<usize> {
        let source = source.to_canonical();
        self.far_ends
            .iter()
            .position(|far| far.located.addresses.contains(&source))
    }
}
