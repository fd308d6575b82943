//! What the operator sees of the media plane. Labels come from fixed sets only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plenum_mixer::{EncodeCount, RoomStats};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::clock;

/// Why something was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// From an address that no peer has proved to own, or STUN for nobody.
    UnknownSource,
    /// Not a protocol of ours, or not parseable.
    Malformed,
    /// Beyond a leg's packet or byte budget.
    OverBudget,
    /// More STUN source addresses than one peer may have.
    StunSources,
    /// A transport-wide number that would break the stack.
    TransportNumber,
    /// A phone packet from a source other than the latched one.
    Unlatched,
    /// A phone packet not of the keys that were agreed, or a copy.
    Unauthentic,
    /// The socket's send buffer was full.
    SendFull,
    /// The leg cannot be sent to (yet).
    NotConnected,
    /// Video that the line to its viewer does not carry.
    Paced,
    /// Room events that the owner did not take in time.
    Events,
    /// Between workers: the other does not keep up.
    Crossing,
    /// For a leg that is gone.
    LegGone,
}

impl Dropped {
    const ALL: [Self; 13] = [
        Self::UnknownSource,
        Self::Malformed,
        Self::OverBudget,
        Self::StunSources,
        Self::TransportNumber,
        Self::Unlatched,
        Self::Unauthentic,
        Self::SendFull,
        Self::NotConnected,
        Self::Paced,
        Self::Events,
        Self::Crossing,
        Self::LegGone,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::Malformed => "malformed",
            Self::OverBudget => "over_budget",
            Self::StunSources => "stun_sources",
            Self::TransportNumber => "transport_number",
            Self::Unlatched => "unlatched",
            Self::Unauthentic => "unauthentic",
            Self::SendFull => "send_full",
            Self::NotConnected => "not_connected",
            Self::Paced => "paced",
            Self::Events => "events",
            Self::Crossing => "crossing",
            Self::LegGone => "leg_gone",
        }
    }
}

/// How a peer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its state panicked.
    Panic,
    /// Its state reported an error it cannot go on from.
    Error,
}

/// Traffic of one transport.
#[derive(Debug, Clone)]
pub(super) struct Traffic {
    pub(super) packets_in: IntCounter,
    pub(super) packets_out: IntCounter,
    pub(super) bytes_in: IntCounter,
    pub(super) bytes_out: IntCounter,
    pub(super) lost: IntCounter,
    pub(super) jitter: Histogram,
}

pub(super) struct Metrics {
    pub(super) rooms: IntGauge,
    pub(super) webrtc_legs: IntGauge,
    pub(super) phone_legs: IntGauge,
    pub(super) clip_legs: IntGauge,
    pub(super) webrtc: Traffic,
    pub(super) rtp: Traffic,
    pub(super) tick: Histogram,
    /// What the lines to WebRTC viewers carry, bit/s.
    pub(super) estimate: Histogram,
    pub(super) deadline_misses: IntCounter,
    decodes: IntCounter,
    encodes: [(&'static str, IntCounter, IntCounter, IntCounter); 4],
    dropped: Vec<IntCounter>,
    fault_panic: IntCounter,
    fault_error: IntCounter,
    pub(super) room_faults: IntCounter,
    worker_legs: Vec<IntGauge>,
    heartbeats: Heartbeats,
}

/// When each worker came round last, in ms of media time.
#[derive(Clone)]
pub(super) struct Heartbeats {
    beats: Arc<Vec<AtomicU64>>,
    ages: GaugeVec,
}

impl Heartbeats {
    /// The worker is alive.
    pub(super) fn beat(&self, worker: usize) {
        if let Some(beat) = self.beats.get(worker) {
            beat.store(clock::now().as_millis(), Ordering::Relaxed);
        }
    }

    /// Since the worker came round last.
    pub(super) fn age(&self, worker: usize) -> Duration {
        let last = self
            .beats
            .get(worker)
            .map_or(0, |beat| beat.load(Ordering::Relaxed));
        Duration::from_millis(clock::now().as_millis().saturating_sub(last))
    }
}

/// The age must be that of the scrape, so it is worked out when collected.
impl Collector for Heartbeats {
    fn desc(&self) -> Vec<&Desc> {
        self.ages.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for worker in 0..self.beats.len() {
            self.ages
                .with_label_values(&[worker.to_string()])
                .set(self.age(worker).as_secs_f64());
        }
        self.ages.collect()
    }
}

/// Registers families one after the other.
struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn add<C: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let collector = made?;
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help))
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }
}

impl Metrics {
    pub(super) fn register(registry: &Registry, workers: usize) -> prometheus::Result<Arc<Self>> {
        let add = Registrar(registry);
        let legs = add.add(IntGaugeVec::new(
            Opts::new("plenum_media_legs", "Legs by kind."),
            &["kind"],
        ))?;
        let encodes = add.counters(
            "plenum_media_encodes_total",
            "Encoder runs by codec; shared by all listeners of a setting, private to one leg, or to warm up.",
            &["codec", "sharing"],
        )?;
        let dropped = add.counters(
            "plenum_media_dropped_total",
            "Packets and events dropped, by reason.",
            &["reason"],
        )?;
        let faults = add.counters(
            "plenum_media_peer_faults_total",
            "Peers dropped because they broke.",
            &["kind"],
        )?;
        let (webrtc, rtp) = Traffic::register(&add)?;
        let heartbeats = Heartbeats {
            beats: Arc::new(
                (0..workers)
                    .map(|_| AtomicU64::new(clock::now().as_millis()))
                    .collect(),
            ),
            ages: GaugeVec::new(
                Opts::new(
                    "plenum_media_worker_heartbeat_age_seconds",
                    "Since the worker came round last.",
                ),
                &["worker"],
            )?,
        };
        registry.register(Box::new(heartbeats.clone()))?;
        let worker_legs = add.add(IntGaugeVec::new(
            Opts::new(
                "plenum_media_worker_legs",
                "Legs by the worker that their transports live on.",
            ),
            &["worker"],
        ))?;
        let per_codec = |codec: &'static str| {
            let of = |sharing: &str| encodes.with_label_values(&[codec, sharing]);
            (codec, of("shared"), of("private"), of("warming"))
        };
        Ok(Arc::new(Self {
            rooms: add.add(IntGauge::new("plenum_media_rooms", "Open rooms."))?,
            webrtc_legs: legs.with_label_values(&["webrtc"]),
            phone_legs: legs.with_label_values(&["phone"]),
            clip_legs: legs.with_label_values(&["clip"]),
            webrtc,
            rtp,
            tick: add.add(Histogram::with_opts(
                HistogramOpts::new(
                    "plenum_media_tick_seconds",
                    "Time one room takes to mix 20 ms.",
                )
                .buckets(vec![
                    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                ]),
            ))?,
            estimate: add.add(Histogram::with_opts(
                HistogramOpts::new(
                    "plenum_media_viewer_line_bits_per_second",
                    "Estimated rate of the lines to WebRTC viewers, sampled every 5 s.",
                )
                .buckets(vec![
                    150_000.0,
                    300_000.0,
                    600_000.0,
                    1_200_000.0,
                    2_500_000.0,
                    5_000_000.0,
                    10_000_000.0,
                ]),
            ))?,
            deadline_misses: add.counter(
                "plenum_media_deadline_misses_total",
                "Ticks begun over 10 ms late, or left out.",
            )?,
            room_faults: add.counter(
                "plenum_media_room_faults_total",
                "Rooms dropped because their mixer panicked.",
            )?,
            decodes: add.counter("plenum_media_decodes_total", "Audio packets decoded.")?,
            encodes: ["opus", "g722", "pcmu", "pcma"].map(per_codec),
            dropped: Dropped::ALL
                .iter()
                .map(|d| dropped.with_label_values(&[d.label()]))
                .collect(),
            fault_panic: faults.with_label_values(&["panic"]),
            fault_error: faults.with_label_values(&["error"]),
            worker_legs: (0..workers)
                .map(|worker| worker_legs.with_label_values(&[worker.to_string()]))
                .collect(),
            heartbeats,
        }))
    }

    pub(super) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    pub(super) fn dropped(&self, reason: Dropped, count: u64) {
        let index = Dropped::ALL.iter().position(|d| *d == reason);
        if let Some(counter) = index.and_then(|i| self.dropped.get(i)) {
            counter.inc_by(count);
        }
    }

    /// So many more legs live on a worker, or fewer.
    pub(super) fn worker_legs(&self, worker: usize, change: i64) {
        if let Some(gauge) = self.worker_legs.get(worker) {
            gauge.add(change);
        }
    }

    pub(super) fn fault(&self, fault: Fault) {
        match fault {
            Fault::Panic => self.fault_panic.inc(),
            Fault::Error => self.fault_error.inc(),
        }
    }

    /// Adds what a room has done since `before`.
    pub(super) fn add_room(&self, before: &RoomStats, after: &RoomStats) {
        let pairs = [
            (&before.encodes.opus, &after.encodes.opus),
            (&before.encodes.g722, &after.encodes.g722),
            (&before.encodes.pcmu, &after.encodes.pcmu),
            (&before.encodes.pcma, &after.encodes.pcma),
        ];
        for ((_, shared, private, warming), (before, after)) in self.encodes.iter().zip(pairs) {
            let add = |counter: &IntCounter, of: fn(&EncodeCount) -> u64| {
                counter.inc_by(of(after).saturating_sub(of(before)));
            };
            add(shared, |c| c.shared);
            add(private, |c| c.private);
            add(warming, |c| c.warming);
        }
        self.decodes
            .inc_by(after.decodes.saturating_sub(before.decodes));
        self.deadline_misses
            .inc_by(after.skipped_ticks.saturating_sub(before.skipped_ticks));
    }
}

impl Traffic {
    fn register(add: &Registrar<'_>) -> prometheus::Result<(Self, Self)> {
        let labels = &["transport", "direction"];
        let packets = add.counters(
            "plenum_media_packets_total",
            "Datagrams by transport and direction.",
            labels,
        )?;
        let bytes = add.counters(
            "plenum_media_bytes_total",
            "UDP payload by transport and direction.",
            labels,
        )?;
        let lost = add.counters(
            "plenum_media_packets_lost_total",
            "Audio packets that did not come in time.",
            &["transport"],
        )?;
        let jitter = add.add(HistogramVec::new(
            HistogramOpts::new(
                "plenum_media_jitter_seconds",
                "Interarrival jitter of legs, sampled every 5 s.",
            )
            .buckets(vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2]),
            &["transport"],
        ))?;
        let of = |transport: &str| Self {
            packets_in: packets.with_label_values(&[transport, "in"]),
            packets_out: packets.with_label_values(&[transport, "out"]),
            bytes_in: bytes.with_label_values(&[transport, "in"]),
            bytes_out: bytes.with_label_values(&[transport, "out"]),
            lost: lost.with_label_values(&[transport]),
            jitter: jitter.with_label_values(&[transport]),
        };
        Ok((of("webrtc"), of("rtp")))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_there_before_anything_happened() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, 2).unwrap();
        metrics.dropped(Dropped::Unlatched, 3);
        let families = registry.gather();
        let names: Vec<_> = families.iter().map(|f| f.name().to_owned()).collect();
        for name in [
            "rooms",
            "legs",
            "packets_total",
            "bytes_total",
            "packets_lost_total",
            "jitter_seconds",
            "tick_seconds",
            "viewer_line_bits_per_second",
            "deadline_misses_total",
            "encodes_total",
            "decodes_total",
            "dropped_total",
            "peer_faults_total",
            "worker_heartbeat_age_seconds",
            "worker_legs",
        ] {
            assert!(names.contains(&format!("plenum_media_{name}")), "{name}");
        }
        let dropped = families
            .iter()
            .find(|f| f.name() == "plenum_media_dropped_total")
            .unwrap();
        let counted: f64 = dropped
            .get_metric()
            .iter()
            .map(|m| m.get_counter().get_value())
            .sum();
        assert!((counted - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_heartbeat_grows_old_until_the_next_beat() {
        let metrics = Metrics::register(&Registry::new(), 1).unwrap();
        let beats = metrics.heartbeats();
        beats.beats[0].store(
            clock::now().as_millis().saturating_sub(700),
            Ordering::Relaxed,
        );
        assert!(beats.age(0) >= Duration::from_millis(700));
        beats.beat(0);
        assert!(beats.age(0) < Duration::from_millis(500));
    }
}
