//! Tests in real time, on a machine whose processor others may take away.
//!
//! Sound and pictures of real clients cannot be judged while the processor is somewhere else: a browser whose thread waits 100 ms leaves a
//! hole that no server filled or made. So each test is watched, and one that failed meanwhile says nothing.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep, spawn};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How often one test is played at most.
const PLAYS: u32 = 3;
/// How long the share of the processor is taken over: what is held up for less is made good by jitter buffers.
const WINDOW: Duration = Duration::from_secs(1);
/// The part of a window that may be missing.
const MISSING: f64 = 0.1;

/// The processor's time since the machine started, of all its cores, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    all: u64,
    /// Wanted here, but given to other machines (`steal` in proc(5)).
    stolen: u64,
}

/// Watches from a thread of its own.
#[derive(Debug)]
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<f64>>,
}

/// Plays a test. A failure counts, unless other machines took more than a tenth of the processor in one of the test's seconds: then it is
/// played again, three times in all, of which the last counts in any case.
///
/// # Panics
/// When the test does.
pub fn in_real_time(test: impl Fn()) {
    judge(|| {
        let watch = Watch::start();
        let outcome = catch_unwind(AssertUnwindSafe(&test));
        (outcome, watch.end())
    });
}

/// `play` gives how the test ended, and the largest part of the processor that was missing meanwhile.
#[expect(
    clippy::print_stdout,
    reason = "what a reader of a test's output must know"
)]
fn judge(mut play: impl FnMut() -> (thread::Result<()>, f64)) {
    for nth in 1..=PLAYS {
        let (outcome, missing) = play();
        let Err(panic) = outcome else { return };
        if nth == PLAYS || missing <= MISSING {
            resume_unwind(panic);
        }
        println!(
            "other machines had {:.0} % of the processor for a second: once more",
            missing * 100.0
        );
    }
}

impl Watch {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = spawn(move || {
            let (mut before, mut most) = (ticks()?, 0.0_f64);
            while !ended.load(Ordering::Relaxed) {
                sleep(WINDOW);
                let now = ticks()?;
                most = most.max(missing(before, now));
                before = now;
            }
            Ok(most)
        });
        Self { over, thread }
    }

    /// The largest part of the processor that was missing for a window; 0 where the system does not say.
    fn end(self) -> f64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_or(0.0, |most| most.unwrap_or(0.0))
    }
}

fn missing(before: Ticks, now: Ticks) -> f64 {
    let all = now.all.saturating_sub(before.all);
    let stolen = now.stolen.saturating_sub(before.stolen);
    #[expect(clippy::cast_precision_loss, reason = "ticks of one second")]
    let part = stolen as f64 / all.max(1) as f64;
    part
}

fn ticks() -> Result<Ticks> {
    parse(&fs::read_to_string("/proc/stat").context("reading /proc/stat")?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two already.
fn parse(stat: &str) -> Result<Ticks> {
    let line = stat.lines().next().context("an empty /proc/stat")?;
    let fields = line.split_whitespace().skip(1).take(8);
    let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    Ok(Ticks {
        all: fields.iter().sum(),
        stolen: *fields.get(7).context("no steal in /proc/stat")?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_others_took_is_the_eighth_field() {
        let before = parse("cpu  100 0 50 800 10 0 0 40 7 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!((before.all, before.stolen), (1_000, 40));
        let now = parse("cpu  150 0 60 900 10 0 0 80 9 0\n").unwrap();
        assert!((missing(before, now) - 0.2).abs() < 1e-9);
        assert!(missing(now, now) < 1e-9, "no time has passed");
        assert!(parse("cpu 1 2 3 4").is_err());
    }

    /// How often a test is played that ends and is disturbed like this, and whether it passes.
    fn played(plays: &[(bool, f64)]) -> (usize, bool) {
        let mut count = 0;
        let passed = catch_unwind(AssertUnwindSafe(|| {
            judge(|| {
                let (passes, missing) = plays[count];
                count += 1;
                let outcome = if passes { Ok(()) } else { Err("failed".into()) };
                (outcome.map_err(|text: Box<&str>| text as _), missing)
            });
        }));
        (count, passed.is_ok())
    }

    #[test]
    fn only_a_failure_without_a_processor_is_played_again_and_the_third_counts() {
        assert_eq!(played(&[(true, 0.9)]), (1, true));
        assert_eq!(played(&[(false, 0.05)]), (1, false));
        assert_eq!(played(&[(false, 0.5), (true, 0.0)]), (2, true));
        assert_eq!(played(&[(false, 0.5), (false, 0.0)]), (2, false));
        assert_eq!(played(&[(false, 0.5); 4]), (3, false));
    }

    #[test]
    fn a_test_is_watched_to_its_end() {
        let played = std::cell::Cell::new(0);
        in_real_time(|| played.set(played.get() + 1));
        assert_eq!(played.get(), 1);
    }
}
