//! Figures of the control plane. `docs/metrics.md` lists every one; labels only from the bounded sets below.

use plenum_dialin::endpoint::{Registered, TrunkCounters};
use prometheus::core::Collector as _;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::signal::protocol::Kind;

/// The control plane's figures. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ControlMetrics {
    pub(crate) conferences: IntGauge,
    pub(crate) participants: IntGaugeVec,
    pub(crate) sessions: IntGauge,
    pub(crate) joins: IntCounterVec,
    pub(crate) resumes: IntCounter,
    pub(crate) lost: IntCounter,
    pub(crate) slow_sessions: IntCounter,
    pub(crate) calls: IntGauge,
    pub(crate) calls_total: IntCounterVec,
    pub(crate) attendant: IntCounterVec,
    pub(crate) dial_out: IntCounterVec,
    pub(crate) transfers: IntCounterVec,
    pub(crate) sip: SipMetrics,
    pub(crate) http: IntCounterVec,
}

/// Figures that the SIP endpoint counts itself.
#[derive(Debug, Clone)]
pub(crate) struct SipMetrics {
    pub(crate) requests: IntCounterVec,
    pub(crate) transactions: IntGauge,
    pub(crate) streams: IntGauge,
    trunk_calls: IntGaugeVec,
    trunk_refused: IntCounterVec,
    trunk_up: IntGaugeVec,
    trunk_registered: IntGaugeVec,
}

impl SipMetrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges = |name: &str, help: &str| -> Result<IntGaugeVec, prometheus::Error> {
            let gauges = IntGaugeVec::new(Opts::new(name, help), &["trunk"])?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counters.clone()))?;
                Ok(counters)
            };
        Ok(Self {
            requests: counters(
                "plenum_sip_requests_total",
                "SIP requests, by how the endpoint took them.",
                &["taken"],
            )?,
            transactions: gauge("plenum_sip_transactions", "SIP server transactions now.")?,
            trunk_calls: gauges("plenum_trunk_calls", "Phone calls now, by trunk.")?,
            trunk_up: gauges(
                "plenum_trunk_up",
                "Whether a trunk answers; one that is never asked counts as if it did.",
            )?,
            trunk_registered: gauges(
                "plenum_trunk_registered",
                "Whether we are registered at a trunk that we register with.",
            )?,
            trunk_refused: counters(
                "plenum_trunk_refused_total",
                "Calls refused by a trunk's limits or for want of credentials.",
                &["trunk", "reason"],
            )?,
            streams: gauge(
                "plenum_sip_streams",
                "SIP connections over TCP and TLS now.",
            )?,
        })
    }

    /// What a trunk is before anything is known of it: there, and not registered.
    pub(crate) fn expect_trunk(&self, trunk: &str, registers: bool) {
        self.trunk_up.with_label_values(&[trunk]).set(1);
        if registers {
            self.trunk_registered.with_label_values(&[trunk]).set(0);
        }
    }

    /// What is wrong with trunks, a sentence each, in the order of their names.
    pub(crate) fn trunk_troubles(&self) -> Vec<String> {
        let down = at_zero(&self.trunk_up).into_iter();
        let away = at_zero(&self.trunk_registered).into_iter();
        down.map(|name| format!("trunk {name} is down"))
            .chain(away.map(|name| format!("trunk {name} is not registered")))
            .collect()
    }

    /// Carries one trunk's counts over; its name is one of the configuration.
    pub(crate) fn count_trunk(&self, trunk: &str, now: TrunkCounters, before: TrunkCounters) {
        self.trunk_calls
            .with_label_values(&[trunk])
            .set(i64::try_from(now.calls).unwrap_or(i64::MAX));
        self.trunk_up
            .with_label_values(&[trunk])
            .set(now.far_end.up.into());
        if now.far_end.registered != Registered::NotWanted {
            let registered = now.far_end.registered == Registered::Yes;
            self.trunk_registered
                .with_label_values(&[trunk])
                .set(registered.into());
        }
        for (reason, now, before) in [
            ("calls", now.over_calls, before.over_calls),
            ("rate", now.over_rate, before.over_rate),
            (
                "unauthenticated",
                now.unauthenticated,
                before.unauthenticated,
            ),
        ] {
            self.trunk_refused
                .with_label_values(&[trunk, reason])
                .inc_by(now.saturating_sub(before));
        }
    }
}

/// Whom a gauge that is one or the other stands at 0 for.
fn at_zero(gauges: &IntGaugeVec) -> Vec<String> {
    let mut names: Vec<String> = gauges
        .collect()
        .iter()
        .flat_map(|family| family.get_metric())
        .filter(|metric| metric.get_gauge().get_value() < 0.5)
        .filter_map(|metric| Some(metric.get_label().first()?.value().to_owned()))
        .collect();
    names.sort_unstable();
    names
}

impl ControlMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges =
            |name: &str, help: &str, label: &str| -> Result<IntGaugeVec, prometheus::Error> {
                let gauges = IntGaugeVec::new(Opts::new(name, help), &[label])?;
                registry.register(Box::new(gauges.clone()))?;
                Ok(gauges)
            };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counters.clone()))?;
                Ok(counters)
            };
        let metrics = Self {
            conferences: gauge("plenum_conferences", "Conferences with somebody in them.")?,
            participants: gauges(
                "plenum_participants",
                "People in conferences, by what they came with.",
                "kind",
            )?,
            sessions: gauge("plenum_sessions", "Open signalling WebSockets.")?,
            joins: counters(
                "plenum_joins_total",
                "Attempts of browsers to join, by outcome.",
                &["outcome"],
            )?,
            resumes: counter(
                "plenum_resumes_total",
                "Browsers that came back to their place.",
            )?,
            lost: counter(
                "plenum_participants_lost_total",
                "People taken off the roster because they were not heard of.",
            )?,
            slow_sessions: counter(
                "plenum_sessions_slow_total",
                "Sessions closed because they did not read.",
            )?,
            calls: gauge("plenum_calls", "Phone calls now.")?,
            calls_total: counters(
                "plenum_calls_total",
                "Phone calls that have ended, by how.",
                &["end"],
            )?,
            attendant: counters(
                "plenum_attendant_results_total",
                "How the attendant's talks ended.",
                &["result"],
            )?,
            dial_out: counters(
                "plenum_dial_out_total",
                "Calls out of conferences that have ended, by what became of them.",
                &["result"],
            )?,
            transfers: counters(
                "plenum_transfers_total",
                "Phones sent elsewhere out of conferences, by what became of it.",
                &["result"],
            )?,
            sip: SipMetrics::register(registry)?,
            http: counters(
                "plenum_http_requests_total",
                "HTTP requests, by class of route and status.",
                &["route", "status"],
            )?,
        };
        for kind in ["browser", "phone", "host"] {
            metrics.participants.with_label_values(&[kind]).set(0);
        }
        for result in [
            "joined",
            "wrong_conference",
            "wrong_pin",
            "no_input",
            "too_long",
            "locked",
            "full",
            "unavailable",
            "hung_up",
            "direct",
        ] {
            metrics.attendant.with_label_values(&[result]).reset();
        }
        Ok(metrics)
    }

    /// The gauge of one kind of participant.
    pub(crate) fn of(&self, kind: Kind) -> IntGauge {
        self.participants.with_label_values(&[match kind {
            Kind::Browser => "browser",
            Kind::Phone => "phone",
            Kind::Host => "host",
        }])
    }
}
