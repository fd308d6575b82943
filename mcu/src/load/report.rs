//! What a run has shown, as JSON and as a table for people.

use std::fmt::Write as _;

use serde::Serialize;

/// Low, high and highest of many values.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// Half of them are below.
    pub p50: f64,
    /// 95 % of them are below.
    pub p95: f64,
    /// The largest.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// `None` of none.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values.get((values.len() * share / 100).min(values.len() - 1));
        if values.is_empty() {
            return None;
        }
        let round = |value: &f64| (value * 100.0).round() / 100.0;
        Some(Self {
            p50: at(50).map(round)?,
            p95: at(95).map(round)?,
            max: values.last().map(round)?,
            count: values.len(),
        })
    }
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Browsers and phones that were asked for, how many talk, whose sound is decoded.
    pub browsers: usize,
    /// See `browsers`.
    pub phones: usize,
    /// Conferences they are spread over.
    pub conferences: usize,
    /// See `browsers`.
    pub talkers: usize,
    /// See `browsers`.
    pub sampled: usize,
    /// Codec of the phones.
    pub phone_codec: &'static str,
    /// Length of the measurement.
    pub seconds: f64,
    /// Legs that heard something.
    pub joined: usize,
    /// Why legs did not get in.
    pub not_joined: Vec<(String, usize)>,
    /// Why legs were sent away before the end.
    pub lost_legs: Vec<(String, usize)>,
    /// Browsers in conferences by the server's count.
    pub server_browsers: Option<u64>,
    /// Phones in conferences by the server's count.
    pub server_phones: Option<u64>,
    /// From setting out to the first packet, milliseconds.
    pub join_browsers_ms: Option<Spread>,
    /// The same; a phone's first packet may be the attendant's.
    pub join_phones_ms: Option<Spread>,
    /// Packets that came.
    pub received: u64,
    /// Packets that did not, by gaps in the numbering.
    pub lost: u64,
    /// Of all, per cent.
    pub lost_percent: f64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Times without a packet for over 60 ms.
    pub gaps: u64,
    /// The longest of them.
    pub longest_gap_ms: f64,
    /// Interarrival jitter, each second of each leg.
    pub jitter_ms: Option<Spread>,
    /// Mouth to ear, each recognised second at each sampled leg.
    pub delay_ms: Option<Spread>,
    /// Pair of ends, wideband, score.
    pub pesq: Vec<(String, bool, f64)>,
    /// Why there is none.
    pub pesq_note: Option<String>,
    /// The server's process.
    pub server: Option<Server>,
    /// Why it is not seen.
    pub server_note: Option<String>,
    /// Ticks of rooms while it was measured, and those begun over 10 ms late.
    pub ticks: Option<u64>,
    /// See `ticks`.
    pub deadline_misses: Option<u64>,
    /// The generator's own CPU, per cent of a core.
    pub generator_cpu_percent: f64,
    /// Its frames that left over 10 ms late, per cent: above 1, it is the generator that is measured.
    pub generator_late_percent: f64,
}

/// What the server cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// Per cent of one core.
    pub cpu_percent: f64,
    /// The same per leg.
    pub cpu_percent_per_leg: f64,
    /// CPU time until the measurement began: all joins, and the media of those who were in already.
    pub join_cpu_seconds: f64,
    /// Memory while all are in.
    pub rss_kib: u64,
    /// Memory that each leg added.
    pub rss_kib_per_leg: f64,
}

fn spread(name: &str, spread: Option<Spread>) -> String {
    spread.map_or_else(
        || format!("{name} –"),
        |Spread { p50, p95, max, .. }| {
            format!("{name} p50 {p50:.1} ms, p95 {p95:.1} ms, max {max:.1} ms")
        },
    )
}

/// The table.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<11}{value}");
        let legs = self.browsers + self.phones;
        row(
            "Legs",
            format!(
                "{} browsers, {} phones ({}) in {}; {} talk; {:.0} s",
                self.browsers,
                self.phones,
                self.phone_codec,
                match self.conferences {
                    1 => "one conference".to_owned(),
                    several => format!("{several} conferences"),
                },
                self.talkers,
                self.seconds
            ),
        )?;
        row(
            "",
            format!(
                "{} sampled legs are decoded; of the others RTP headers are read",
                self.sampled
            ),
        )?;
        row("Joined", self.joined_text(legs))?;
        for (reason, count) in self.not_joined.iter().chain(&self.lost_legs) {
            row("", format!("{count}: {reason}"))?;
        }
        row(
            "Join time",
            [
                ("browsers", self.join_browsers_ms),
                ("phones", self.join_phones_ms),
            ]
            .iter()
            .filter(|(_, times)| times.is_some())
            .map(|(name, times)| spread(name, *times))
            .collect::<Vec<_>>()
            .join("; "),
        )?;
        let all = self.received + self.lost;
        row(
            "Loss",
            format!(
                "{} of {all} packets, {:.3} %; {} came twice",
                self.lost, self.lost_percent, self.duplicates
            ),
        )?;
        row("Jitter", spread("each second of each leg:", self.jitter_ms))?;
        row(
            "Gaps",
            format!(
                "{} over 60 ms, the longest {:.0} ms",
                self.gaps, self.longest_gap_ms
            ),
        )?;
        let recognised = self.delay_ms.map_or(0, |delay| delay.count);
        row(
            "Delay",
            format!(
                "{} ({recognised} seconds recognised; without the listener's own buffer)",
                spread("mouth to ear", self.delay_ms)
            ),
        )?;
        row("PESQ", self.pesq_text())?;
        row("Server", self.server_text())?;
        if let (Some(ticks), Some(misses)) = (self.ticks, self.deadline_misses) {
            row("Deadlines", format!("{misses} of {ticks} ticks missed"))?;
        }
        row(
            "Generator",
            format!(
                "{:.1} % of a core; {:.2} % of its frames left over 10 ms late",
                self.generator_cpu_percent, self.generator_late_percent
            ),
        )
    }
}

impl Report {
    fn joined_text(&self, legs: usize) -> String {
        let mut text = format!("{} of {legs}", self.joined);
        if let (Some(browsers), Some(phones)) = (self.server_browsers, self.server_phones) {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "; the server counts {browsers} browsers, {phones} phones in conferences"
            );
        }
        text
    }

    fn pesq_text(&self) -> String {
        if let Some(note) = &self.pesq_note {
            return note.clone();
        }
        let scores = self.pesq.iter().map(|(name, wide, score)| {
            let band = if *wide { "wideband" } else { "narrowband" };
            format!("{score:.2} {name}, {band}")
        });
        scores.collect::<Vec<_>>().join("; ")
    }

    fn server_text(&self) -> String {
        let Some(server) = self.server else {
            return format!(
                "not seen: {}",
                self.server_note.as_deref().unwrap_or("unknown")
            );
        };
        format!(
            "process {}: {:.1} s of CPU until all were in, then {:.1} % of a core, {:.3} % per leg; {} MiB, {:.0} KiB per leg",
            server.pid,
            server.join_cpu_seconds,
            server.cpu_percent,
            server.cpu_percent_per_leg,
            server.rss_kib / 1_024,
            server.rss_kib_per_leg
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_the_middle_the_high_and_the_highest() {
        assert!(Spread::of(Vec::new()).is_none());
        let spread = Spread::of((1..=200).rev().map(f64::from).collect());
        assert!(spread.is_some_and(|s| s.p50 == 101.0 && s.p95 == 191.0 && s.max == 200.0));
        let one = Spread::of(vec![7.0]);
        assert!(one.is_some_and(|s| s.p50 == 7.0 && s.p95 == 7.0 && s.count == 1));
    }
}
