//! Children that never outlive their test, and are ended by their own process id only.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A running child whose output goes to files. Dropping it kills it and waits for it.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Guarded {
    /// Starts `command` with stdout and stderr in `log`.
    ///
    /// # Errors
    /// When the log cannot be created or the program cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let err = out.try_clone().context("a second handle of the log")?;
        command.stdout(out).stderr(err);
        Self::start_with_own_output(name, command, log)
    }

    /// Starts `command` with the standard streams that it already has; `log` is only named in messages.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_with_own_output(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Fails with the end of the log when the child has ended.
    ///
    /// # Errors
    /// When it has ended, or cannot be asked.
    pub fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self
            .child
            .try_wait()
            .context("asking for the exit status")?
        {
            bail!("{} ended early ({status}):\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Waits until the child ends by itself.
    ///
    /// # Errors
    /// When it is still running after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .context("asking for the exit status")?
            {
                return Ok(status);
            }
            if Instant::now() >= until {
                bail!(
                    "{} still runs after {limit:?}:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Asks the child to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When the signal cannot be sent or the child is still running after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        let sent = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .stdin(Stdio::null())
            .status()
            .context("running kill")?;
        if !sent.success() {
            bail!("kill -TERM of {} failed", self.name);
        }
        self.wait(limit)
    }

    /// The last lines of the log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(40);
        format!("--- {}\n{}", self.log.display(), lines[from..].join("\n"))
    }

    /// Number of file descriptors that the child holds open.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn open_files(&self) -> Result<usize> {
        let dir = format!("/proc/{}/fd", self.pid());
        Ok(std::fs::read_dir(&dir)
            .with_context(|| format!("reading {dir}"))?
            .count())
    }

    /// CPU time that the child has used, in user and system mode. Linux counts it in hundredths of a second.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let (_, rest) = text.rsplit_once(") ").context("no name in stat")?;
        // The first two columns, process id and name, are gone.
        let columns: Vec<&str> = rest.split(' ').collect();
        let mut ticks = 0;
        for column in [11, 12] {
            let value = columns.get(column).context("stat is too short")?;
            ticks += value.parse::<u64>()?;
        }
        Ok(Duration::from_millis(10 * ticks))
    }

    /// Memory that the child has resident, bytes.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn resident(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let row = text.lines().find_map(|row| row.strip_prefix("VmRSS:"));
        let kib = row.and_then(|row| row.split_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Either may fail because the child has ended, which is what is wanted.
        if self.child.kill().is_ok() {
            let _ended = self.child.wait();
        }
    }
}

/// Asks `probe` every 50 ms until it answers.
///
/// # Errors
/// When there is no answer within `limit`, with the last reason that the probe gave.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let until = Instant::now() + limit;
    loop {
        match probe() {
            Ok(answer) => return Ok(answer),
            Err(reason) if Instant::now() >= until => {
                return Err(reason.context(format!("{what}: not within {limit:?}")));
            }
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
}
