//! The server as it is seen from outside while it works: its process, and its own metrics.

use super::http::Target;
use super::process::{self, Reading};

/// Whom is observed.
pub(super) struct Observed {
    target: Target,
    /// The process, or why it is not seen.
    process: Result<u32, String>,
    /// It has Plenum's metrics.
    metrics: bool,
}

/// One look.
#[derive(Debug, Clone, Default)]
pub(super) struct Glance {
    pub(super) process: Option<Reading>,
    pub(super) own: Option<Reading>,
    metrics: Option<String>,
}

impl Observed {
    pub(super) fn new(target: &Target, pid: Option<u32>, metrics: bool) -> Self {
        let process = match pid {
            Some(pid) => Reading::take(pid).map(|_| pid),
            None => process::listening_at(target.address),
        };
        Self {
            target: target.clone(),
            process: process.map_err(|error| error.to_string()),
            metrics,
        }
    }

    pub(super) fn pid(&self) -> Result<u32, String> {
        self.process.clone()
    }

    pub(super) async fn look(&self) -> Glance {
        let metrics = if self.metrics {
            self.target.request("GET", "/metrics", None, "").await.ok()
        } else {
            None
        };
        Glance {
            process: self
                .process
                .as_ref()
                .ok()
                .and_then(|pid| Reading::take(*pid).ok()),
            own: Reading::take(std::process::id()).ok(),
            metrics: metrics.map(|(_, body)| body),
        }
    }
}

impl Glance {
    /// The sum over a metric's rows whose labels hold `label`; `None` without metrics.
    pub(super) fn sum(&self, name: &str, label: &str) -> Option<f64> {
        Some(sum(self.metrics.as_ref()?, name, label))
    }
}

fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_rows_and_not_over_its_namesakes() {
        let text = "# TYPE people gauge\npeople{kind=\"browser\"} 3\npeople{kind=\"phone\"} 4\npeople_lost 9\nticks 5.5\n";
        assert!((sum(text, "people", "") - 7.0).abs() < 1e-9);
        assert!((sum(text, "people", "phone") - 4.0).abs() < 1e-9);
        assert!((sum(text, "ticks", "") - 5.5).abs() < 1e-9);
    }
}
