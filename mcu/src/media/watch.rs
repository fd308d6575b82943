//! Watches the workers' heartbeats and says so when one hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::MediaError;
use super::metrics::Heartbeats;

/// A worker comes round every 100 ms at least; this long without is a hang.
const HUNG: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(250);

/// The watching thread. It holds nothing that the workers need, so a hang cannot take it along.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    /// Workers that hang now.
    hung: Arc<AtomicUsize>,
}

impl Watch {
    pub(super) fn start(heartbeats: Heartbeats, workers: usize) -> Result<Self, MediaError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let count = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&count);
        let watch = move || {
            let mut hung = vec![false; workers];
            while !stopped.load(Ordering::Acquire) {
                std::thread::sleep(LOOK);
                for (worker, hung) in hung.iter_mut().enumerate() {
                    report(worker, heartbeats.age(worker), hung);
                }
                told.store(hung.iter().filter(|hung| **hung).count(), Ordering::Relaxed);
            }
        };
        std::thread::Builder::new()
            .name("media-watch".to_owned())
            .spawn(watch)
            .map_err(|e| MediaError::Start(e.to_string()))?;
        Ok(Self { stop, hung: count })
    }

    /// Whether every worker has come round of late.
    pub(super) fn all_run(&self) -> bool {
        self.hung.load(Ordering::Relaxed) == 0
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Logs when a worker begins to hang and when it is back, not in between.
fn report(worker: usize, age: Duration, hung: &mut bool) {
    let hangs = age >= HUNG;
    match (hangs, *hung) {
        (true, false) => tracing::error!(
            worker,
            age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            "media worker hangs"
        ),
        (false, true) => tracing::warn!(worker, "media worker is back"),
        _ => {}
    }
    *hung = hangs;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_is_noticed_once_and_so_is_its_end() {
        let mut hung = false;
        report(0, Duration::from_millis(900), &mut hung);
        assert!(!hung);
        report(0, HUNG, &mut hung);
        assert!(hung);
        report(0, Duration::from_millis(10), &mut hung);
        assert!(!hung);
    }
}
