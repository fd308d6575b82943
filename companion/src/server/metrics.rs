//! Figures of the companion. `docs/metrics.md` lists every one; labels only from bounded sets.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::protocol::{Code, Kind, Refusal};

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) sockets: IntGauge,
    pub(crate) slow: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) events: IntCounterVec,
    requests: IntCounterVec,
    pub(crate) sign_ins: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
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
        let sockets = IntGauge::new(
            "plenum_companion_sockets",
            "Open sockets of the companion that have said hello.",
        )?;
        registry.register(Box::new(sockets.clone()))?;
        let metrics = Self {
            sockets,
            slow: counter(
                "plenum_companion_slow_total",
                "Sockets closed because they did not take what they were sent.",
            )?,
            commits: counter(
                "plenum_companion_commits_total",
                "Commits with events in them.",
            )?,
            events: counters(
                "plenum_companion_events_total",
                "Events on disk, by kind.",
                &["kind"],
            )?,
            requests: counters(
                "plenum_companion_requests_total",
                "Requests of sockets that were refused, by code, or done.",
                &["outcome"],
            )?,
            sign_ins: counters(
                "plenum_companion_sign_ins_total",
                "Attempts to sign in, by outcome.",
                &["outcome"],
            )?,
        };
        for kind in Kind::ALL {
            metrics.events.with_label_values(&[kind.as_str()]).reset();
        }
        for outcome in ["good", "wrong", "wait"] {
            metrics.sign_ins.with_label_values(&[outcome]).reset();
        }
        Ok(metrics)
    }

    /// Counts how a request was answered.
    pub(crate) fn count<T>(&self, answer: &Result<T, Refusal>) {
        let outcome = match answer.as_ref().map_err(|refusal| refusal.code) {
            Ok(_) => "done",
            Err(Code::BadRequest) => "bad_request",
            Err(Code::NotFound) => "not_found",
            Err(Code::Forbidden) => "forbidden",
            Err(Code::TooLarge) => "too_large",
            Err(Code::TooMany) => "too_many",
            Err(Code::Rate) => "rate",
            Err(Code::Conflict) => "conflict",
            Err(Code::Unavailable) => "unavailable",
        };
        self.requests.with_label_values(&[outcome]).inc();
    }
}
