//! sipp as G.711 callers: signalling and sending are sipp's, hearing is a [`Recorder`]'s.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::pcap::{Performance, TELEPHONE_EVENT};
use crate::process::Guarded;
use crate::recorder::Recorder;
use crate::{ports, workspace};

/// sipp gives the call of number n the RTP port `base + 4 (n − 1)`; the recorders sit this far above what sipp binds itself.
const OFFSET: u16 = 100;

/// A number of equal calls.
#[derive(Debug)]
pub struct Calls<'a> {
    /// The server's SIP address.
    pub server: SocketAddr,
    /// The user part that is dialled.
    pub number: &'a str,
    /// How many calls, all held at the same time.
    pub count: u16,
    /// New calls per second.
    pub per_second: u16,
    /// How long each stays after the answer, in s.
    pub stay_seconds: u32,
    /// What each sends.
    pub performance: Performance<'a>,
}

/// A running sipp with the ears of its calls.
#[derive(Debug)]
pub struct Sipp {
    process: Guarded,
    /// One recorder per call, in the order of the calls.
    pub ears: Vec<Recorder>,
    errors: std::path::PathBuf,
}

impl Calls<'_> {
    /// Starts sipp with its scenario, capture and logs in `folder`.
    ///
    /// # Errors
    /// When sipp is missing, or neither root nor `sudo -n` is to be had: its capture player needs a raw socket.
    pub fn start(&self, folder: &Path) -> Result<Sipp> {
        let program = workspace::program("sipp", "sip-tester")?;
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let capture = folder.join("performance.pcap");
        self.performance.write(&capture)?;
        let scenario = folder.join("caller.xml");
        fs::write(&scenario, self.scenario(&capture))?;
        let sip = ports::block(2)?;
        let media = ports::block(OFFSET + 4 * self.count)?;
        let ears = (0..self.count)
            .map(|n| Recorder::start(media + OFFSET + 4 * n))
            .collect::<Result<Vec<_>>>()?;
        let errors = folder.join("errors.log");
        let mut command = workspace::as_root(&program)?;
        command
            .arg(self.server.to_string())
            .args(["-sf"])
            .arg(&scenario)
            .args(["-s", self.number, "-i", "127.0.0.1"])
            .args(["-p", &sip.to_string(), "-mp", &media.to_string()])
            .args(["-m", &self.count.to_string(), "-l", &self.count.to_string()])
            .args(["-r", &self.per_second.to_string(), "-nostdin"])
            .args(["-timeout", &format!("{}s", self.stay_seconds + 60)])
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .current_dir(folder)
            .stdin(Stdio::null());
        let process = Guarded::start("sipp", command, &folder.join("sipp.log"))?;
        Ok(Sipp {
            process,
            ears,
            errors,
        })
    }

    fn scenario(&self, capture: &Path) -> String {
        let (formats, events) = if self.performance.tones {
            ("0".to_owned(), String::new())
        } else {
            let number = TELEPHONE_EVENT;
            let events = format!(
                "\n      a=rtpmap:{number} telephone-event/8000\n      a=fmtp:{number} 0-15"
            );
            (format!("0 {number}"), events)
        };
        include_str!("sipp/caller.xml")
            .replace("{{capture}}", &capture.display().to_string())
            .replace("{{stay_ms}}", &(self.stay_seconds * 1000).to_string())
            .replace("{{offset}}", &OFFSET.to_string())
            .replace("{{formats}}", &formats)
            .replace("{{events}}", &events)
    }
}

impl Sipp {
    /// Waits until all calls have ended; sipp's exit code is 0 only if all went as its scenario says.
    ///
    /// # Errors
    /// When it takes longer than `limit` or any call failed.
    pub fn finish(mut self, limit: Duration) -> Result<Vec<Recorder>> {
        let status: ExitStatus = self.process.wait(limit)?;
        if !status.success() {
            let errors = fs::read_to_string(&self.errors).unwrap_or_default();
            bail!(
                "sipp says that calls failed ({status}):\n{}\n{errors}",
                self.process.log_tail()
            );
        }
        Ok(self.ears)
    }
}
