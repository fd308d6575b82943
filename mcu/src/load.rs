//! `plenum load`: legs by the hundred against a running server, from a process of its own, and what they hear of it.
//!
//! Signalling is tokio's; media is carried by threads of its own ([`carrier`]), lean enough that the generator and the server
//! share a machine: of most legs it reads RTP headers only, a few sampled ones are decoded.

mod browser;
mod carrier;
mod crew;
mod ear;
mod http;
mod janus;
mod leg;
mod observed;
mod phone;
mod process;
mod reception;
mod report;
mod rtp;
mod score;
mod speech;
mod srtp;
mod webrtc;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use plenum_codecs::audio::AudioCodec;
use serde_json::{Value, json};
use tokio::time::sleep;

use browser::Door;
use carrier::Order;
use crew::{Crew, Entrance};
use http::Target;
use leg::{Outcome, Part, Species};
use observed::{Glance, Observed};
pub use report::{Report, Server, Spread};
use speech::Speech;

/// After the last has joined, before anything is measured.
const SETTLING: Duration = Duration::from_secs(2);
/// Phones may still be keying their PIN.
const KEYING: Duration = Duration::from_secs(20);

/// What to generate, and against whom.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// The server's page or API; with --janus, its WebSocket API
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// PEM certificate to trust when the URL is https, such as the server's self-signed one
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where phones call
    #[arg(long, default_value = "127.0.0.1:5060", value_name = "HOST:PORT")]
    sip: String,
    /// Address of this machine that browsers' media comes from, when it is not the one that leads to the URL
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// The conference's number
    #[arg(long, required_unless_present_any = ["api_key_file", "janus"])]
    conference: Option<String>,
    /// Its PIN, when it has one
    #[arg(long)]
    pin: Option<String>,
    /// Make a conference without PIN for this run with the API key in this file, and delete it at the end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["conference", "pin"])]
    api_key_file: Option<PathBuf>,
    /// Make so many conferences and spread the legs over them; each has its own talkers, the first is listened to
    #[arg(long, default_value_t = 1)]
    conferences: usize,
    /// The server is Janus: browsers join this room of its AudioBridge
    #[arg(long, value_name = "ROOM", conflicts_with_all = ["conference", "api_key_file"])]
    janus: Option<u64>,
    /// WebRTC legs
    #[arg(long, default_value_t = 10)]
    browsers: usize,
    /// SIP legs
    #[arg(long, default_value_t = 0)]
    phones: usize,
    /// How many of a conference's legs talk, browsers first; the others send silence
    #[arg(long, default_value_t = 3)]
    talkers: usize,
    /// Silent browsers send 50 packets a second even if the server asks for DTX
    #[arg(long)]
    continuous: bool,
    /// The phones' codec
    #[arg(long, value_enum, default_value_t = PhoneCodec::Pcmu)]
    codec: PhoneCodec,
    /// The trunk is `direct`: phones call the conference itself and key nothing
    #[arg(long)]
    direct: bool,
    /// Length of the measurement
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Legs that join per second
    #[arg(long, default_value_t = 25.0)]
    join_rate: f64,
    /// Legs, beside the measured talker, whose sound is decoded for delay and PESQ
    #[arg(long, default_value_t = 4)]
    sampled: usize,
    /// Length of the end at which the measured talker speaks alone for PESQ; 0 leaves it out
    #[arg(long, default_value_t = 9.0)]
    solo: f64,
    /// What the talkers say, instead of the built-in speech: 16-bit WAV of 8, 16 or 48 kHz
    #[arg(long, value_name = "FILE")]
    speech: Option<PathBuf>,
    /// Per cent of the sent packets that get lost
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Milliseconds by which sent packets are delayed at most, each differently
    #[arg(long, default_value_t = 0.0)]
    jitter: f64,
    /// Per cent of the received packets to throw away before they are counted: the report must show them as lost
    #[arg(long, default_value_t = 0.0)]
    check_loss: f64,
    /// Keep what PESQ compares in this folder, as WAV: NAME.ref.wav was said, NAME.deg.wav was heard
    #[arg(long, value_name = "FOLDER")]
    recordings: Option<PathBuf>,
    /// The server's process; found by its TCP port when it is on this machine
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Codecs that phones may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PhoneCodec {
    Opus,
    G722,
    Pcmu,
    Pcma,
}

impl From<PhoneCodec> for AudioCodec {
    fn from(codec: PhoneCodec) -> Self {
        match codec {
            PhoneCodec::Opus => Self::Opus,
            PhoneCodec::G722 => Self::G722,
            PhoneCodec::Pcmu => Self::Pcmu,
            PhoneCodec::Pcma => Self::Pcma,
        }
    }
}

impl Plan {
    fn legs(&self) -> usize {
        self.browsers + self.phones
    }

    const fn species(&self, index: usize) -> Species {
        if index < self.browsers {
            Species::Browser
        } else {
            Species::Phone
        }
    }

    /// Where in the speech of `length` samples a leg begins: no two talkers of one conference say the same at once.
    fn position(&self, index: usize, length: usize) -> usize {
        index / self.conferences * length / self.talkers.max(1) % length
    }

    const fn part(&self, index: usize) -> Part {
        if index / self.conferences >= self.talkers {
            Part::Silent
        } else if index == 0 {
            Part::Measured
        } else {
            Part::Talker
        }
    }

    /// The last of each kind in the first conference, half of each when there are both.
    fn is_sampled(&self, index: usize) -> bool {
        let phones = match (self.browsers, self.phones) {
            (0, _) => self.sampled,
            (_, 0) => 0,
            _ => self.sampled / 2,
        };
        let browsers = self.sampled - phones.min(self.sampled);
        let (wanted, end) = match self.species(index) {
            Species::Browser => (browsers, self.browsers),
            Species::Phone => (phones, self.legs()),
        };
        let later = end.saturating_sub(1) / self.conferences - index / self.conferences;
        index.is_multiple_of(self.conferences) && later < wanted
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.legs() > 0, "--browsers or --phones: at least one leg");
        ensure!(
            (1..=self.legs()).contains(&self.conferences),
            "--conferences: at least one, and a leg for each"
        );
        ensure!(
            self.conferences == 1 || self.api_key_file.is_some(),
            "--conferences: several take --api-key-file, to make them"
        );
        ensure!(
            self.join_rate > 0.0 && self.join_rate.is_finite(),
            "--join-rate: more than 0"
        );
        ensure!(
            (1.0..=86_400.0).contains(&self.seconds),
            "--seconds: 1 to 86400"
        );
        for (name, share) in [("--loss", self.loss), ("--check-loss", self.check_loss)] {
            ensure!((0.0..100.0).contains(&share), "{name}: 0 to 99 per cent");
        }
        ensure!(
            (0.0..=1_000.0).contains(&self.jitter),
            "--jitter: 0 to 1000 milliseconds"
        );
        ensure!((0.0..=60.0).contains(&self.solo), "--solo: 0 to 60 seconds");
        ensure!(
            self.janus.is_none() || self.phones == 0,
            "--janus takes no --phones"
        );
        Ok(())
    }
}

/// How long rooms take to mix: a histogram.
const TICKS: &str = "plenum_media_tick_seconds";

/// Runs a plan to its end.
///
/// # Errors
/// When the plan makes no sense, the server cannot be reached, or it lets nobody in.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    // A leg takes a socket for media and a browser another for signalling.
    rlimit::increase_nofile_limit(rlimit::INFINITY).context("file descriptors")?;
    let speech = Speech::load(plan.speech.as_deref())?;
    let mut target = Target::parse(&plan.url, plan.ca.as_deref())?;
    target.local = plan.bind.unwrap_or(target.local);
    let observed = Observed::new(&target, plan.server_pid, plan.janus.is_none());
    let before = observed.look().await;
    let made = Made::of(plan, &target).await?;
    let measured = measure(plan, &target, &made, &speech, &observed).await;
    made.delete(&target).await;
    let mut run = measured?;
    run.before = before;
    let outcomes = std::mem::take(&mut run.outcomes);
    let scores = tokio::task::block_in_place(|| {
        score::judge(&speech, &outcomes, run.solo, plan.recordings.as_deref())
    });
    Ok(sum_up(plan, &observed, &run, &outcomes, scores))
}

/// The conferences of a run.
struct Made {
    entrance: Entrance,
    /// What to delete them with.
    key: Option<String>,
}

impl Made {
    async fn of(plan: &Plan, target: &Target) -> anyhow::Result<Self> {
        if let Some(room) = plan.janus {
            let entrance = Entrance::Janus { room };
            return Ok(Self {
                entrance,
                key: None,
            });
        }
        let Some(file) = &plan.api_key_file else {
            let door = Door {
                conference: plan.conference.clone().unwrap_or_default(),
                pin: plan.pin.clone(),
            };
            return Ok(Self {
                entrance: Entrance::Plenum(vec![door]),
                key: None,
            });
        };
        let key = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let key = key.trim().to_owned();
        let mut doors = Vec::with_capacity(plan.conferences);
        for _ in 0..plan.conferences {
            match make(target, &key).await {
                Ok(door) => doors.push(door),
                Err(error) => {
                    delete(target, &key, &doors).await;
                    return Err(error);
                }
            }
        }
        Ok(Self {
            entrance: Entrance::Plenum(doors),
            key: Some(key),
        })
    }

    async fn delete(&self, target: &Target) {
        if let (Some(key), Entrance::Plenum(doors)) = (&self.key, &self.entrance) {
            delete(target, key, doors).await;
        }
    }
}

/// Makes one conference without PIN.
async fn make(target: &Target, key: &str) -> anyhow::Result<Door> {
    let wanted = json!({ "name": "plenum load", "guest_pin": "" }).to_string();
    let (status, body) = target
        .request("POST", "/api/v1/conferences", Some(key), &wanted)
        .await?;
    ensure!(
        status == 201,
        "the API makes no conference ({status}): {body}"
    );
    let made: Value = serde_json::from_str(&body).context("the API's answer")?;
    let conference = made["id"].as_str().context("no id in the API's answer")?;
    Ok(Door {
        conference: conference.to_owned(),
        pin: None,
    })
}

async fn delete(target: &Target, key: &str, doors: &[Door]) {
    for Door { conference, .. } in doors {
        let path = format!("/api/v1/conferences/{conference}");
        // A server that is gone has no conference either.
        let _ = target.request("DELETE", &path, Some(key), "").await;
    }
}

/// What was seen of a run.
struct Run {
    outcomes: Vec<Outcome>,
    before: Glance,
    begin: Glance,
    end: Glance,
    seconds: f64,
    /// When the others fell silent.
    solo: Option<Instant>,
    late_percent: f64,
    outside: Vec<(String, usize)>,
    lost: Vec<(String, usize)>,
}

async fn measure(
    plan: &Plan,
    target: &Target,
    made: &Made,
    speech: &Speech,
    observed: &Observed,
) -> anyhow::Result<Run> {
    let mut crew = Crew::hire(plan, target, made.entrance.clone(), speech).await?;
    crew.join().await?;
    await_phones(plan, observed).await;
    sleep(SETTLING).await;
    let sent = crew.progress.sent.load(Ordering::Relaxed);
    let late = crew.progress.late.load(Ordering::Relaxed);
    let begin = observed.look().await;
    crew.tell(|| Order::Measure)?;
    let began = Instant::now();
    sleep(Duration::from_secs_f64(plan.seconds)).await;
    crew.tell(|| Order::Count)?;
    let end = observed.look().await;
    let seconds = began.elapsed().as_secs_f64();
    let sent = crew.progress.sent.load(Ordering::Relaxed) - sent;
    let late = crew.progress.late.load(Ordering::Relaxed) - late;
    let mut solo = None;
    let listened = plan.talkers > 0 && plan.sampled > 0 && plan.solo > 0.0;
    if listened && tokio::task::block_in_place(score::can_score) {
        crew.tell(|| Order::Solo)?;
        solo = Some(Instant::now());
        sleep(Duration::from_secs_f64(plan.solo)).await;
    }
    crew.tell(|| Order::Rest)?;
    crew.muster();
    let sorted = |reasons: &std::collections::HashMap<String, usize>| {
        let mut reasons: Vec<_> = reasons.clone().into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons.truncate(5);
        reasons
    };
    let (outside, lost) = (sorted(&crew.outside), sorted(&crew.lost));
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let late_percent = late as f64 / sent.max(1) as f64 * 100.0;
    Ok(Run {
        outcomes: crew.dismiss().await?,
        before: Glance::default(),
        begin,
        end,
        seconds,
        solo,
        late_percent,
        outside,
        lost,
    })
}

/// Waits until the phones have keyed themselves in, by the server's count.
async fn await_phones(plan: &Plan, observed: &Observed) {
    let begin = Instant::now();
    while plan.phones > 0 && begin.elapsed() < KEYING {
        let phones = people(&observed.look().await, "phone");
        if phones.is_none_or(|phones| phones >= u64::try_from(plan.phones).unwrap_or(u64::MAX)) {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

fn people(glance: &Glance, kind: &str) -> Option<u64> {
    let label = format!("kind=\"{kind}\"");
    glance.sum("plenum_participants", &label).map(whole)
}

/// How much a counter has grown.
fn growth(run: &Run, name: &str) -> Option<u64> {
    Some(whole(run.end.sum(name, "")? - run.begin.sum(name, "")?))
}

#[expect(clippy::cast_precision_loss, reason = "shares and means")]
fn sum_up(
    plan: &Plan,
    observed: &Observed,
    run: &Run,
    outcomes: &[Outcome],
    scores: score::Scores,
) -> Report {
    let times = |species| {
        let of = outcomes.iter().filter(|outcome| outcome.species == species);
        Spread::of(
            of.filter_map(|outcome| Some(outcome.joined?.as_secs_f64() * 1_000.0))
                .collect(),
        )
    };
    let sum = |of: fn(&reception::Counts) -> u64| -> u64 {
        outcomes.iter().map(|outcome| of(&outcome.counts)).sum()
    };
    let (received, lost) = (sum(|c| c.received), sum(|c| c.lost));
    let longest = outcomes.iter().map(|outcome| outcome.counts.longest_gap);
    let jitter = outcomes.iter().flat_map(|outcome| &outcome.counts.jitter);
    let legs = plan.legs() as f64;
    let server = observed.pid().ok().and_then(|pid| {
        let (before, begin, end) = (run.before.process?, run.begin.process?, run.end.process?);
        let cpu_percent = end.cpu_since(&begin);
        let grown = end.rss_kib as f64 - before.rss_kib as f64;
        Some(Server {
            pid,
            cpu_percent,
            cpu_percent_per_leg: cpu_percent / legs,
            join_cpu_seconds: begin.cpu_seconds_since(&before),
            rss_kib: end.rss_kib,
            rss_kib_per_leg: grown / legs,
        })
    });
    let own = run.begin.own.zip(run.end.own);
    Report {
        browsers: plan.browsers,
        phones: plan.phones,
        conferences: plan.conferences,
        talkers: plan
            .talkers
            .saturating_mul(plan.conferences)
            .min(plan.legs()),
        sampled: outcomes
            .iter()
            .filter(|outcome| outcome.ear.is_some())
            .count(),
        phone_codec: AudioCodec::from(plan.codec).name(),
        seconds: run.seconds,
        joined: outcomes
            .iter()
            .filter(|outcome| outcome.joined.is_some())
            .count(),
        not_joined: run.outside.clone(),
        lost_legs: run.lost.clone(),
        server_browsers: people(&run.end, "browser"),
        server_phones: people(&run.end, "phone"),
        join_browsers_ms: times(Species::Browser),
        join_phones_ms: times(Species::Phone),
        received,
        lost,
        lost_percent: lost as f64 / (received + lost).max(1) as f64 * 100.0,
        duplicates: sum(|c| c.duplicates),
        gaps: sum(|c| c.gaps),
        longest_gap_ms: longest.max().unwrap_or_default().as_secs_f64() * 1_000.0,
        jitter_ms: Spread::of(jitter.map(|jitter| f64::from(*jitter)).collect()),
        delay_ms: Spread::of(scores.delays),
        pesq: scores.pesq,
        pesq_note: scores.without,
        server,
        server_note: observed.pid().err(),
        ticks: growth(run, &format!("{TICKS}_count")),
        deadline_misses: growth(run, "plenum_media_deadline_misses_total"),
        generator_cpu_percent: own.map_or(0.0, |(begin, end)| end.cpu_since(&begin)),
        generator_late_percent: run.late_percent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: Plan,
    }

    fn plan(line: &str) -> Plan {
        let words = format!("load --conference 1001 {line}");
        Line::parse_from(words.split_whitespace()).plan
    }

    #[test]
    fn the_first_leg_is_measured_and_the_last_of_each_kind_are_sampled() {
        let plan = plan("--browsers 3 --phones 3 --talkers 2 --sampled 4");
        let parts: Vec<Part> = (0..6).map(|index| plan.part(index)).collect();
        assert_eq!(parts.first(), Some(&Part::Measured));
        assert_eq!(parts.get(1), Some(&Part::Talker));
        assert!(parts.iter().skip(2).all(|part| *part == Part::Silent));
        let sampled: Vec<usize> = (0..6).filter(|index| plan.is_sampled(*index)).collect();
        assert_eq!(sampled, [1, 2, 4, 5]);
    }

    #[test]
    fn each_conference_has_its_talkers_and_the_first_is_listened_to() {
        let plan = plan("--browsers 6 --phones 5 --conferences 3 --talkers 1 --sampled 2");
        let talkers: Vec<usize> = (0..11)
            .filter(|index| plan.part(*index) != Part::Silent)
            .collect();
        assert_eq!(talkers, [0, 1, 2]);
        assert_eq!(plan.part(0), Part::Measured);
        let sampled: Vec<usize> = (0..11).filter(|index| plan.is_sampled(*index)).collect();
        assert_eq!(
            sampled,
            [3, 9],
            "the last browser and the last phone of the first"
        );
    }

    #[test]
    fn talkers_of_one_conference_say_different_things() {
        let plan = plan("--browsers 12 --conferences 3 --talkers 3");
        let positions = [0, 3, 6].map(|index| plan.position(index, 900));
        assert_eq!(positions, [0, 300, 600]);
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused_by_name() {
        for (line, name) in [
            ("--browsers 0", "--browsers"),
            ("--join-rate 0", "--join-rate"),
            ("--seconds 0", "--seconds"),
            ("--loss 100", "--loss"),
            ("--jitter 5000", "--jitter"),
            ("--conferences 0", "--conferences"),
            ("--browsers 2 --conferences 3", "--conferences"),
            ("--browsers 4 --conferences 3", "--api-key-file"),
        ] {
            let refused = plan(line).check().map_err(|error| error.to_string());
            assert!(refused.is_err_and(|text| text.contains(name)), "{line}");
        }
    }
}
