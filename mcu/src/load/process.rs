//! What a process of this machine costs, from /proc: CPU time and memory.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Ticks of /proc/PID/stat per second (USER_HZ: 100 on every Linux of today).
const TICKS: u64 = 100;

/// A process at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    at: Instant,
    cpu: Duration,
    pub(super) rss_kib: u64,
}

impl Reading {
    /// # Errors
    /// When there is no such process, or it is not to be looked at.
    pub(super) fn take(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
        // The name, in brackets, may hold anything; state is the first field after it, user and system time the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')').context(path)?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| -> anyhow::Result<u64> {
            let field = fields.get(index).context("/proc/PID/stat is cut short")?;
            Ok(field.parse()?)
        };
        Ok(Self {
            at: Instant::now(),
            cpu: Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS),
            rss_kib: rss(pid)?,
        })
    }

    /// Processor time between two readings, seconds.
    pub(super) fn cpu_seconds_since(&self, earlier: &Self) -> f64 {
        self.cpu.saturating_sub(earlier.cpu).as_secs_f64()
    }

    /// Per cent of one core between two readings.
    pub(super) fn cpu_since(&self, earlier: &Self) -> f64 {
        let time = self.at.saturating_duration_since(earlier.at);
        let cpu = self.cpu.saturating_sub(earlier.cpu);
        cpu.as_secs_f64() / time.as_secs_f64().max(0.001) * 100.0
    }
}

fn rss(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmRSS")?.parse()?)
}

/// The process of this machine that listens at a TCP address.
///
/// # Errors
/// When the address is another machine's, nobody listens, or the process is not ours to look at.
pub(super) fn listening_at(address: SocketAddr) -> anyhow::Result<u32> {
    if std::net::UdpSocket::bind(SocketAddr::new(address.ip(), 0)).is_err() {
        bail!("{} is not this machine", address.ip());
    }
    let inode = listener(address).with_context(|| format!("nobody listens at {address}"))?;
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|link| link.to_str() == Some(&wanted));
        if holds {
            return Ok(pid);
        }
    }
    bail!("the process that listens at {address} is not to be seen (another user's?)")
}

/// The inode of the listening socket, from /proc/net/tcp and tcp6.
fn listener(address: SocketAddr) -> Option<String> {
    let port = format!(":{:04X}", address.port());
    let ours = match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}", u32::from(ip).swap_bytes()),
        IpAddr::V6(_) => String::new(),
    };
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(&"0A"), Some(inode)) =
                (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            let Some(ip) = local.strip_suffix(&port) else {
                continue;
            };
            if ip == ours || ip.bytes().all(|byte| byte == b'0') || ip.len() == 32 {
                return Some((*inode).to_owned());
            }
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_is_found_and_its_work_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let pid = listening_at(listener.local_addr().unwrap()).unwrap();
        assert_eq!(pid, std::process::id());
        let before = Reading::take(pid).unwrap();
        let begin = Instant::now();
        let mut sum = 0u64;
        while begin.elapsed() < Duration::from_millis(300) {
            sum = sum.wrapping_add(std::hint::black_box(sum) + 1);
        }
        let after = Reading::take(pid).unwrap();
        assert!(after.cpu_since(&before) > 10.0, "{before:?} {after:?}");
        assert!(after.rss_kib > 1_000);
    }

    #[test]
    fn another_machine_and_an_empty_port_are_told_apart() {
        let away = listening_at("192.0.2.1:80".parse().unwrap()).unwrap_err();
        assert!(away.to_string().contains("not this machine"), "{away}");
        let empty = listening_at("127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert!(empty.to_string().contains("nobody listens"), "{empty}");
    }
}
