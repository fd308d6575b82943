//! From the name of a trunk's far end to addresses in the order in which they are tried (RFC 3263, RFC 2782). The look-up itself is the
//! shell's.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use plenum_codecs::MediaTime;

use super::errands::Errand;
use super::outgoing::Target;
use super::{SipEndpoint, SipOutput, Way};
use crate::call::CallId;
use crate::trunk::Transport;

/// Servers of one name that are looked at, and addresses of each.
pub(crate) const MAX_RECORDS: usize = 32;
pub(crate) const MAX_ADDRESSES: usize = 8;

/// One server that a name stands for: one SRV record, or the name itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where, in the order in which they are tried.
    pub addresses: Vec<SocketAddr>,
    /// How.
    pub transport: Transport,
    /// Lower ones first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
}

impl Record {
    /// A server by address alone.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, transport: Transport) -> Self {
        Self {
            addresses,
            transport,
            priority: 0,
            weight: 0,
        }
    }
}

/// Who wants to know where a trunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// A call, by the trunk that it is to take now.
    Call(CallId),
    /// What goes to the trunk while nobody calls.
    Errand(usize, Errand),
    /// Nobody but the trunk itself, whose calls come from there.
    Whereabouts(usize),
}

impl SipEndpoint {
    /// Looks up where the trunk is and goes on with what is wanted there.
    pub(super) fn look_up(&mut self, now: MediaTime, asks: Asks) {
        let trunk = match asks {
            Asks::Call(id) => self.outgoing.attempts.get(&id).map(|attempt| attempt.trunk),
            Asks::Errand(trunk, _) | Asks::Whereabouts(trunk) => Some(trunk),
        };
        let terms = trunk.and_then(|trunk| Some((trunk, self.config.trunks.get(trunk)?)));
        let Some((trunk, outbound)) =
            terms.and_then(|(trunk, terms)| Some((trunk, terms.outbound.as_ref()?)))
        else {
            return;
        };
        let proxy = outbound.proxy.clone();
        if let Ok(ip) = proxy.host.parse() {
            let transport = proxy.transport.unwrap_or_default();
            let port = proxy.port.unwrap_or(transport.default_port());
            let target = Target {
                address: SocketAddr::new(ip, port),
                way: Way::by(transport),
            };
            return self.found(now, asks, VecDeque::from([target]));
        }
        let query = self.outgoing.next_query;
        self.outgoing.next_query += 1;
        self.outgoing.queries.insert(query, (asks, trunk));
        if let Asks::Call(id) = asks {
            self.await_records(now, id);
        }
        self.outputs.push_back(SipOutput::Resolve { query, proxy });
    }

    pub(super) fn on_resolved(
        &mut self,
        now: MediaTime,
        query: u64,
        records: Vec<Record>,
        ttl: Duration,
    ) {
        let Some((asks, trunk)) = self.outgoing.queries.remove(&query) else {
            return; // it took too long
        };
        let targets = self.ordered(records);
        self.located(now, trunk, &targets, ttl);
        self.found(now, asks, targets);
    }

    fn found(&mut self, now: MediaTime, asks: Asks, targets: VecDeque<Target>) {
        match asks {
            Asks::Errand(trunk, errand) => self.errand_found(now, trunk, errand, targets),
            // Kept already.
            Asks::Whereabouts(_) => {}
            Asks::Call(id) => {
                if let Some(attempt) = self.outgoing.attempts.get_mut(&id) {
                    attempt.targets = targets;
                }
                self.next_target(now, id, 503);
            }
        }
    }

    /// By priority; among equals by chance, in proportion to their weights (RFC 2782).
    fn ordered(&mut self, mut records: Vec<Record>) -> VecDeque<Target> {
        records.truncate(MAX_RECORDS);
        records.sort_by_key(|record| (record.priority, record.weight));
        let mut targets = VecDeque::new();
        while let Some(priority) = records.first().map(|first| first.priority) {
            let group = records
                .iter()
                .take_while(|record| record.priority == priority);
            let weights: Vec<u64> = group.map(|record| u64::from(record.weight)).collect();
            let total: u64 = weights.iter().sum();
            let mut left = self.tags.chance(total + 1);
            let chosen = weights.iter().position(|weight| {
                let hit = left <= *weight;
                left = left.saturating_sub(*weight);
                hit
            });
            let record = records.remove(chosen.unwrap_or(0));
            let way = Way::by(record.transport);
            let addresses = record.addresses.into_iter().take(MAX_ADDRESSES);
            targets.extend(addresses.map(|address| Target { address, way }));
        }
        targets
    }
}
