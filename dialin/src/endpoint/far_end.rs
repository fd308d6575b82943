//! The far ends of trunks, while nobody calls: registration with refresh (RFC 3261 section 10), and OPTIONS that ask whether they are there.
//! Decides whether a trunk is up; knows no calls.

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::MediaTime;

use super::SipEndpoint;
use super::errands::Errand;
use super::located::Located;
use super::outgoing::Target;
use super::resolve::Asks;
use super::timers::Owner;
use super::uac::{Client, Purpose};
use crate::sip::Response;
use crate::trunk::Trunk;

/// So many questions without an answer, one after the other, and a trunk is down.
const DOWN_AFTER: u8 = 3;
/// So many answered ones, and it is up again.
const UP_AFTER: u8 = 2;
/// A trunk that does not answer is asked again so soon, until it is found up or down.
const DOUBT: Duration = Duration::from_secs(5);
/// A registration that failed is tried again after this, twice as long each time.
const RETRY: Duration = Duration::from_secs(10);
/// At most.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// Shortest registration that is taken from a registrar: what is shorter would be nothing but registering.
const SHORTEST: Duration = Duration::from_secs(30);

/// How a trunk is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registered {
    /// It is not to be.
    #[default]
    NotWanted,
    /// Not now.
    No,
    /// Yes.
    Yes,
}

/// What is known of a far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarEndState {
    /// Calls are placed there; one that is never asked counts as up.
    pub up: bool,
    /// As it says.
    pub registered: Registered,
}

impl Default for FarEndState {
    fn default() -> Self {
        Self {
            up: true,
            registered: Registered::NotWanted,
        }
    }
}

/// The binding that a registrar keeps of us.
pub(super) struct Binding {
    pub(super) expires: Duration,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) cseq: u32,
    failures: u8,
    next: Option<MediaTime>,
    /// Until when the registrar keeps what it has.
    until: Option<MediaTime>,
    pub(super) leaving: bool,
}

/// One trunk's.
pub(super) struct FarEnd {
    pub(super) state: FarEndState,
    pub(super) binding: Option<Binding>,
    /// How often it is asked.
    every: Option<Duration>,
    next_probe: Option<MediaTime>,
    misses: u8,
    hits: u8,
    /// Addresses still to be tried of a REGISTER and of an OPTIONS.
    pub(super) targets: [VecDeque<Target>; 2],
    /// Where its name leads.
    pub(super) located: Located,
    armed: Option<MediaTime>,
}

impl FarEnd {
    pub(super) fn new(trunk: &Trunk) -> Self {
        let outbound = trunk.outbound.as_ref();
        let expires = outbound.and_then(|outbound| outbound.register);
        let every = outbound.and_then(|outbound| outbound.probe);
        let start = MediaTime::ZERO;
        Self {
            state: FarEndState {
                up: true,
                registered: expires.map_or(Registered::NotWanted, |_| Registered::No),
            },
            binding: expires.map(|expires| Binding {
                expires,
                call_id: String::new(),
                local_tag: String::new(),
                cseq: 0,
                failures: 0,
                next: Some(start),
                until: None,
                leaving: false,
            }),
            every,
            next_probe: every.map(|_| start),
            misses: 0,
            hits: 0,
            targets: [VecDeque::new(), VecDeque::new()],
            located: Located::new(trunk),
            armed: None,
        }
    }

    fn deadline(&self) -> Option<MediaTime> {
        let binding = self.binding.as_ref();
        [
            binding.and_then(|binding| binding.next),
            binding.and_then(|binding| binding.until),
            self.next_probe,
            self.located.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl SipEndpoint {
    /// Sets every trunk's timers; what is due at once begins with the first input.
    pub(super) fn start_far_ends(&mut self) {
        for trunk in 0..self.far_ends.len() {
            self.arm_far_end(trunk);
        }
    }

    pub(super) fn arm_far_end(&mut self, trunk: usize) {
        if let Some(far) = self.far_ends.get_mut(trunk) {
            let due = far.deadline();
            super::arm(&mut self.timers, due, &mut far.armed, Owner::FarEnd(trunk));
        }
    }

    pub(super) fn far_end_due(&mut self, now: MediaTime, due: MediaTime, trunk: usize) {
        let Some(far) = self.far_ends.get_mut(trunk) else {
            return;
        };
        if far.armed != Some(due) {
            return;
        }
        far.armed = None;
        let mut asks = Vec::new();
        if let Some(binding) = &mut far.binding
            && binding.until.take_if(|until| *until <= now).is_some()
        {
            self.set_registered(trunk, Registered::No);
        }
        if let Some(far) = self.far_ends.get_mut(trunk) {
            if let Some(binding) = &mut far.binding
                && binding.next.take_if(|next| *next <= now).is_some()
            {
                asks.push(Asks::Errand(trunk, Errand::Register));
            }
            if far.next_probe.take_if(|next| *next <= now).is_some() {
                asks.push(Asks::Errand(trunk, Errand::Probe));
            }
            if far.located.is_due(now) {
                asks.push(Asks::Whereabouts(trunk));
            }
        }
        for asks in asks {
            self.look_up(now, asks);
        }
        self.arm_far_end(trunk);
    }

    /// The registrar has answered; 408 stands for nothing.
    pub(super) fn register_answered(
        &mut self,
        now: MediaTime,
        client: &Client,
        status: u16,
        response: Option<&Response>,
    ) {
        let Purpose::Register(trunk) = client.purpose else {
            return;
        };
        let announced = self.config.announced;
        let Some(binding) = self
            .far_ends
            .get_mut(trunk)
            .and_then(|far| far.binding.as_mut())
        else {
            return;
        };
        // Challenges have counted on.
        binding.cseq = binding.cseq.max(super::digest::cseq_of(&client.bytes));
        if binding.leaving {
            // Another of the servers may be the one that keeps it.
            let more = self
                .far_ends
                .get(trunk)
                .and_then(|far| far.targets.first())
                .is_some_and(|targets| !targets.is_empty());
            if matches!(status, 408 | 500..600) && more {
                self.run_errand(now, trunk, Errand::Register, status);
            }
            return;
        }
        match (status, response) {
            (200..300, Some(response)) => {
                let given = response.binding_expires(announced.port());
                let given = given.unwrap_or(binding.expires);
                let kept = given.clamp(SHORTEST, Duration::from_secs(86_400));
                binding.failures = 0;
                binding.until = Some(now + kept.max(given));
                // In good time for a lost request and its copies, and for a registrar that is away for a moment.
                binding.next = Some(now + (kept - (kept / 4).min(Duration::from_secs(120))));
                self.set_registered(trunk, Registered::Yes);
                self.arm_far_end(trunk);
            }
            (423, Some(response)) if response.minimum_expires().is_some() => {
                let least = response.minimum_expires().unwrap_or_default();
                let longer = least > binding.expires;
                binding.expires = least.min(Duration::from_secs(86_400));
                if longer {
                    binding.next = Some(now);
                    return self.arm_far_end(trunk);
                }
                self.register_failed(now, trunk, status, None);
            }
            (408 | 500..600, _) => {
                let after = response.and_then(Response::retry_after);
                let far = self.far_ends.get(trunk);
                let more =
                    far.is_some_and(|far| far.targets.first().is_some_and(|it| !it.is_empty()));
                if more {
                    return self.run_errand(now, trunk, Errand::Register, status);
                }
                self.register_failed(now, trunk, status, after);
            }
            _ => self.register_failed(now, trunk, status, None),
        }
    }

    pub(super) fn register_failed(
        &mut self,
        now: MediaTime,
        trunk: usize,
        status: u16,
        after: Option<Duration>,
    ) {
        let name = self
            .config
            .trunks
            .get(trunk)
            .map(|trunk| trunk.name.clone());
        let Some(binding) = self
            .far_ends
            .get_mut(trunk)
            .and_then(|far| far.binding.as_mut())
        else {
            return;
        };
        let wait = RETRY * 2_u32.saturating_pow(u32::from(binding.failures));
        let wait = wait.max(after.unwrap_or_default()).min(LONGEST_RETRY);
        binding.failures = binding.failures.saturating_add(1).min(8);
        binding.next = Some(now + wait);
        let kept = binding.until.is_some_and(|until| until > now);
        tracing::warn!(
            trunk = name.unwrap_or_default(),
            status,
            kept,
            "registration failed"
        );
        if !kept || !matches!(status, 408 | 500..600) {
            if let Some(binding) = self
                .far_ends
                .get_mut(trunk)
                .and_then(|far| far.binding.as_mut())
            {
                binding.until = None;
            }
            self.set_registered(trunk, Registered::No);
        }
        self.arm_far_end(trunk);
    }

    fn set_registered(&mut self, trunk: usize, now: Registered) {
        let name = self
            .config
            .trunks
            .get(trunk)
            .map(|trunk| trunk.name.clone());
        if let Some(far) = self.far_ends.get_mut(trunk)
            && std::mem::replace(&mut far.state.registered, now) != now
        {
            let registered = now == Registered::Yes;
            tracing::info!(
                trunk = name.unwrap_or_default(),
                registered,
                "registration changed"
            );
        }
    }

    /// A far end has answered an OPTIONS, or not; for 408 and 503 it might as well not have.
    pub(super) fn probe_answered(&mut self, now: MediaTime, trunk: usize, status: u16) {
        if matches!(status, 408 | 503) {
            return self.run_errand(now, trunk, Errand::Probe, status);
        }
        self.probed(now, trunk, true);
    }

    pub(super) fn probed(&mut self, now: MediaTime, trunk: usize, answered: bool) {
        let name = self
            .config
            .trunks
            .get(trunk)
            .map(|trunk| trunk.name.clone());
        let Some(far) = self.far_ends.get_mut(trunk) else {
            return;
        };
        let was = far.state.up;
        if answered {
            far.misses = 0;
            far.hits = far.hits.saturating_add(1);
            far.state.up |= far.hits >= UP_AFTER;
        } else {
            far.hits = 0;
            far.misses = far.misses.saturating_add(1);
            far.state.up &= far.misses < DOWN_AFTER;
        }
        let doubtful = far.state.up != answered;
        let wait = far.every.unwrap_or(DOUBT);
        far.next_probe = Some(now + if doubtful { DOUBT.min(wait) } else { wait });
        let up = far.state.up;
        if up != was {
            tracing::warn!(trunk = name.unwrap_or_default(), up, "trunk changed");
        }
        self.arm_far_end(trunk);
    }

    /// Takes registrations back, as the server stops.
    pub(super) fn deregister(&mut self, now: MediaTime) {
        for trunk in 0..self.far_ends.len() {
            let Some(far) = self.far_ends.get_mut(trunk) else {
                continue;
            };
            far.next_probe = None;
            far.located.leave();
            let Some(binding) = &mut far.binding else {
                continue;
            };
            binding.leaving = true;
            binding.next = None;
            if far.state.registered == Registered::Yes {
                self.look_up(now, Asks::Errand(trunk, Errand::Register));
            }
        }
    }

    /// Whether calls are placed at this trunk.
    pub(super) fn is_up(&self, trunk: usize) -> bool {
        self.far_ends.get(trunk).is_none_or(|far| far.state.up)
    }
}
