//! What this process costs, as the kernel counts it.

use anyhow::{Context as _, Result};

/// µs of CPU that the thread called `name` has used.
///
/// # Errors
/// When there is no such thread.
pub fn thread_cpu_micros(name: &str) -> Result<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim() == name {
            return cpu_of(&std::fs::read_to_string(path.join("schedstat"))?);
        }
    }
    anyhow::bail!("no thread {name}")
}

/// µs of CPU that the calling thread has used.
///
/// # Errors
/// When the kernel does not say.
pub fn own_cpu_micros() -> Result<f64> {
    cpu_of(&std::fs::read_to_string("/proc/thread-self/schedstat")?)
}

fn cpu_of(schedstat: &str) -> Result<f64> {
    let nanos = schedstat.split(' ').next().context("empty schedstat")?;
    Ok(nanos.parse::<f64>()? / 1_000.0)
}

/// Resident memory in KiB.
///
/// # Errors
/// When the kernel does not say.
pub fn resident_kib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kib = line.split_whitespace().next().context("empty VmRSS")?;
    Ok(kib.parse()?)
}
