//! A network in virtual time: packets go in, and come out later, out of order, twice or never; the same seed, the same fate.

use std::collections::BTreeMap;
use std::time::Duration;

use plenum_codecs::MediaTime;

/// What a link does to packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Impairment {
    /// Of every packet.
    pub(crate) delay: Duration,
    /// On top of it, evenly spread from zero; more than the packets' distance reorders them.
    pub(crate) jitter: Duration,
    /// Share of packets that never arrive.
    pub(crate) loss: f64,
    /// Share of packets that arrive twice.
    pub(crate) duplicates: f64,
}

impl Impairment {
    /// A good line: 20 ms, nothing lost.
    pub(crate) const CLEAN: Self = Self {
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplicates: 0.0,
    };

    /// The same with loss.
    pub(crate) const fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// The same with jitter.
    pub(crate) const fn jitter(self, millis: u64) -> Self {
        Self {
            jitter: Duration::from_millis(millis),
            ..self
        }
    }
}

/// One direction between two ends.
#[derive(Debug)]
pub(crate) struct Link<T> {
    random: fastrand::Rng,
    impairment: Impairment,
    in_flight: BTreeMap<(MediaTime, u64), T>,
    sent: u64,
    lost: u64,
}

impl<T: Clone> Link<T> {
    pub(crate) fn new(seed: u64, impairment: Impairment) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            impairment,
            in_flight: BTreeMap::new(),
            sent: 0,
            lost: 0,
        }
    }

    pub(crate) fn send(&mut self, now: MediaTime, packet: T) {
        if self.random.f64() < self.impairment.loss {
            self.lost += 1;
            return;
        }
        let copies = if self.random.f64() < self.impairment.duplicates {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let jitter = self.impairment.jitter.mul_f64(self.random.f64());
            self.sent += 1;
            let arrival = (now + self.impairment.delay + jitter, self.sent);
            self.in_flight.insert(arrival, packet.clone());
        }
    }

    /// The next packet that has arrived by now.
    pub(crate) fn receive(&mut self, now: MediaTime) -> Option<T> {
        let first = self.in_flight.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Packets that were swallowed.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

#[test]
fn the_same_seed_has_the_same_fate() {
    let fate = |seed| {
        let mut link = Link::new(seed, Impairment::CLEAN.loss(0.1).jitter(60));
        (0..500u64).for_each(|n| link.send(MediaTime::from_millis(n * 20), n));
        let arrived: Vec<u64> = std::iter::from_fn(|| link.receive(MediaTime::MAX)).collect();
        assert_eq!(arrived.len() as u64 + link.lost(), 500);
        assert!(
            arrived.windows(2).any(|pair| pair[0] > pair[1]),
            "60 ms of jitter reorder packets of 20 ms"
        );
        arrived
    };
    assert_eq!(fate(1), fate(1));
    assert_ne!(fate(1), fate(2));
}
