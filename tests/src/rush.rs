//! sipp as callers who are answered and hang up: how long each waits for its answer, and whether all get one. Needs no root.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::Guarded;
use crate::{ports, workspace};

/// Signalling of many equal calls over UDP.
#[derive(Clone, Copy, Debug)]
pub struct Rush<'a> {
    /// Where calls go.
    pub server: SocketAddr,
    /// The user part that is dialled.
    pub number: &'a str,
    /// How many calls in all.
    pub calls: u32,
    /// New calls per second.
    pub per_second: u32,
    /// How long each stays after the answer, ms.
    pub stay_ms: u32,
}

/// What became of a rush of which no call failed.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From the INVITE to its 200, ms, the shortest first.
    pub answered_ms: Vec<f64>,
    /// From the first call to the end of the last.
    pub took: Duration,
}

impl Figures {
    /// The wait for the answer that this share of the calls, 0 to 1, does not exceed, in ms.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of some thousands"
        )]
        let at = ((self.answered_ms.len() as f64 * share).ceil() as usize).max(1) - 1;
        self.answered_ms.get(at).copied().unwrap_or(f64::NAN)
    }
}

impl Rush<'_> {
    /// Makes the calls with sipp, whose logs are in `folder`, and waits for their end.
    ///
    /// # Errors
    /// When sipp is missing, a call fails, or it takes a minute longer than it should.
    pub fn run(&self, folder: &Path) -> Result<Figures> {
        let program = workspace::program("sipp", "sip-tester")?;
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let scenario = folder.join("rush.xml");
        fs::write(&scenario, include_str!("sipp/rush.xml"))?;
        let errors = folder.join("errors.log");
        let most = self.per_second * (self.stay_ms / 1000 + 5);
        let limit = self.calls / self.per_second + self.stay_ms / 1000 + 60;
        let mut command = std::process::Command::new(program);
        command
            .arg(self.server.to_string())
            .arg("-sf")
            .arg(&scenario)
            .args(["-s", self.number, "-i", "127.0.0.1", "-nostdin"])
            .args(["-p", &ports::block(2)?.to_string()])
            .args(["-mp", &ports::block(2)?.to_string()])
            .args(["-m", &self.calls.to_string(), "-l", &most.to_string()])
            .args(["-r", &self.per_second.to_string()])
            .args(["-d", &self.stay_ms.to_string()])
            .args(["-timeout", &format!("{limit}s")])
            .args(["-trace_rtt", "-rtt_freq", "1"])
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .current_dir(folder)
            .stdin(Stdio::null());
        let began = Instant::now();
        let mut process = Guarded::start("sipp", command, &folder.join("sipp.log"))?;
        let rtt = folder.join(format!("rush_{}_rtt.csv", process.pid()));
        let status = process.wait(Duration::from_secs(u64::from(limit) + 5))?;
        let took = began.elapsed();
        if !status.success() {
            let errors = fs::read_to_string(&errors).unwrap_or_default();
            let first: String = errors.chars().take(4_000).collect();
            bail!(
                "sipp says that calls failed ({status}):\n{}\n{first}",
                process.log_tail()
            );
        }
        let answered_ms = waits(&rtt)?;
        let count = u32::try_from(answered_ms.len())?;
        ensure!(count == self.calls, "{count} of {} answered", self.calls);
        Ok(Figures { answered_ms, took })
    }
}

/// Reads sipp's table: date, milliseconds, name.
fn waits(table: &Path) -> Result<Vec<f64>> {
    let text = fs::read_to_string(table).with_context(|| format!("reading {}", table.display()))?;
    let mut waits = Vec::new();
    for row in text.lines().filter(|row| row.ends_with("answer")) {
        let wait = row.split(';').nth(1).context("a column is missing")?;
        waits.push(wait.parse().with_context(|| format!("the wait in {row}"))?);
    }
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}
