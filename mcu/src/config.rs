//! The configuration: one TOML file plus the environment, read into validated types.
//!
//! Called by `main` and by tests; knows the meaning and bounds of each key, nothing of who uses it. Reading reports
//! *every* fault at once; see [`ConfigFaults`].

mod companion;
mod conference;
mod dial_out;
mod number;
mod overlay;
mod reader;
mod recording;
mod tls;
mod trunk;
mod video;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plenum_dialin::attendant::Language;

pub use companion::CompanionSection;
pub use conference::{Announce, ConferenceConfig, LonelyMusic, NoiseSuppression};
pub use dial_out::{DialOutConfig, OutboundConfig};
pub use number::NumberConfig;
pub(crate) use overlay::is_banner;
use reader::Reader;
pub use reader::{ConfigFaults, Fault};
pub use recording::{RecordingConfig, RecordingFormat};
pub use tls::{SipTls, TlsConfig};
pub use trunk::{SrtpMode, TrunkConfig, TrunkPassword};
pub use video::{VideoConfig, VideoPolicy};

/// Prefix of the environment variables that override keys: `PLENUM_HTTP__PORT` is `http.port`.
pub const ENVIRONMENT_PREFIX: &str = "PLENUM_";

/// Everything the server can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Addresses and the data folder.
    pub server: ServerConfig,
    /// The page, signalling and REST.
    pub http: HttpConfig,
    /// WebRTC and workers.
    pub media: MediaSection,
    /// Dial-in.
    pub sip: SipSection,
    /// Calls out of conferences.
    pub dial_out: DialOutConfig,
    /// Limits of each conference.
    pub conference: ConferenceConfig,
    /// Composite pictures.
    pub video: VideoConfig,
    /// Recordings.
    pub recording: RecordingConfig,
    /// People, messages, files.
    pub companion: CompanionSection,
    /// The demo conference.
    pub demo: DemoConfig,
    /// Replaceable prompts.
    pub prompts: PromptsConfig,
    /// Log lines on standard error.
    pub log: LogConfig,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address that HTTP, SIP and media bind to.
    pub bind: IpAddr,
    /// Address that clients are told, when it differs from `bind` (1:1 NAT, or bound to all interfaces).
    pub announced: Option<IpAddr>,
    /// Folder of the database, keys and self-signed certificate.
    pub data_dir: PathBuf,
    /// How long a graceful stop may take.
    pub stop_deadline: Duration,
}

impl ServerConfig {
    /// The address that clients are told.
    #[must_use]
    pub fn reachable(&self) -> IpAddr {
        self.announced.unwrap_or(self.bind)
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// TCP port; 0 takes any free one.
    pub port: u16,
    /// Certificate, if any.
    pub tls: TlsConfig,
    /// Files that each hold one API key.
    pub api_key_files: Vec<PathBuf>,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSection {
    /// Worker threads; `None` is one per core.
    pub workers: Option<usize>,
    /// UDP port of the first worker, the next worker takes the next; 0 takes free ones.
    pub udp_port: u16,
    /// A browser without any ICE traffic for this long is gone.
    pub ice_timeout: Duration,
}

/// `[sip]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipSection {
    /// Whether phones may dial in at all.
    pub enabled: bool,
    /// UDP and TCP port; 0 takes a free one.
    pub port: u16,
    /// TLS beside them.
    pub tls: SipTls,
    /// UDP ports of RTP and RTCP, even ports are RTP's.
    pub rtp_ports: RangeInclusive<u16>,
    /// A call without RTP for this long is hung up.
    pub rtp_silence: Duration,
    /// Calls at once; more are refused with 503.
    pub max_calls: usize,
    /// Languages that callers of other numbers choose from; never empty. The first is spoken to all.
    pub languages: Vec<Language>,
    /// Numbers with ways of their own.
    pub numbers: Vec<NumberConfig>,
    /// Whom trunks' names are asked of; empty: the system's name servers.
    pub nameservers: Vec<SocketAddr>,
    /// `/readyz` fails while a trunk is away.
    pub ready_needs_trunks: bool,
    /// Who may call.
    pub trunks: Vec<TrunkConfig>,
}

/// `[demo]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoConfig {
    /// Whether conference 1001 with its published PINs and its speaking host exists.
    pub enabled: bool,
}

/// `[prompts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptsConfig {
    /// Folder of WAV files that replace built-in prompts of the same name.
    pub dir: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Least severe level, or a `tracing` filter such as `info,plenum_mcu=debug`.
    pub level: String,
    /// Shape of a line.
    pub format: LogFormat,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    /// What `plenum serve` does without a file: everything on the loopback address, with the demo conference.
    fn default() -> Self {
        let mut config = read(&mut Reader::empty());
        config.demo.enabled = true;
        config
    }
}

impl Config {
    /// Reads `file`, or the defaults without one, and lays the environment's overrides over it.
    ///
    /// # Errors
    /// All faults of the file and the environment at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigFaults> {
        let text = match file {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|error| ConfigFaults::unreadable(path, &error))?,
            ),
        };
        Self::parse(text.as_deref(), environment)
    }

    /// As [`Config::load`], from text.
    ///
    /// # Errors
    /// All faults at once.
    pub fn parse(
        text: Option<&str>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(text.unwrap_or_default(), environment)?;
        // A file says what it wants; only somebody without one is a newcomer who wants the demo.
        let newcomer = text.is_none() && !reader.has("demo.enabled");
        let mut config = read(&mut reader);
        config.demo.enabled |= newcomer;
        reader.finish().map(|()| config)
    }

    /// Keys that a file may hold, as `section.key`, in the order of the example.
    #[must_use]
    pub fn keys() -> Vec<String> {
        let mut reader = Reader::empty();
        read(&mut reader);
        let mut keys = reader.known();
        keys.extend(companion::STATE_KEYS.map(|key| format!("companion.states.{key}")));
        keys.extend(number::KEYS.map(|key| format!("sip.numbers.{key}")));
        keys.extend(trunk::KEYS.map(|key| format!("sip.trunks.{key}")));
        keys.extend(video::KEYS.map(|key| format!("video.layouts.{key}")));
        keys
    }

    /// What the operator should know although it is allowed.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.server.bind.is_loopback() && self.http.tls == TlsConfig::Off {
            warnings.push(
                "browsers give their microphone to https only: set http.tls to \"self-signed\" or \"files\", or put a TLS \
                 proxy in front"
                    .into(),
            );
        }
        if !self.server.bind.is_loopback() && self.demo.enabled {
            warnings.push(
                "the demo conference's PINs are published and the server listens beyond this machine: set demo.enabled to \
                 false"
                    .into(),
            );
        }
        if !self.server.bind.is_loopback()
            && self.sip.enabled
            && self.sip.trunks == trunk::loopback_only()
        {
            warnings.push(
                "phones beyond this machine are refused: name their gateway in [[sip.trunks]]"
                    .into(),
            );
        }
        warnings
    }

    /// Every language that is spoken; the first is the house's own.
    #[must_use]
    pub fn languages(&self) -> Vec<Language> {
        let mut languages = self.sip.languages.clone();
        for language in self.sip.numbers.iter().flat_map(|number| &number.languages) {
            if !languages.contains(language) {
                languages.push(*language);
            }
        }
        languages
    }

    /// Folder of the voices that `plenum prompts build` makes.
    #[must_use]
    pub fn voices_dir(&self) -> PathBuf {
        self.server.data_dir.join("voices")
    }

    /// Address that HTTP binds.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        SocketAddr::new(self.server.bind, self.http.port)
    }

    /// Address that SIP binds, UDP and TCP.
    #[must_use]
    pub fn sip_address(&self) -> SocketAddr {
        SocketAddr::new(self.server.bind, self.sip.port)
    }
}

/// Reads every key, giving its default, its bounds and its remedy; the only place that knows them.
fn read(reader: &mut Reader) -> Config {
    let server = read_server(reader);
    let http = read_http(reader);
    let media = MediaSection {
        workers: Some(reader.integer("media.workers", 0_u16, 0..=256, "0 is one worker per core"))
            .filter(|workers| *workers > 0)
            .map(usize::from),
        udp_port: reader.integer(
            "media.udp_port",
            10_000_u16,
            0..=65_000,
            "a UDP port, or 0 for any free ones",
        ),
        ice_timeout: reader.seconds("media.ice_timeout_seconds", 15, 5..=120),
    };
    let sip = read_sip(reader);
    let has_way = sip.trunks.iter().any(|trunk| trunk.outbound.is_some());
    let dial_out = dial_out::read(reader, has_way);
    let video = video::read(reader);
    let conference = conference::read(reader, &video);
    let recording = recording::read(reader);
    let companion = companion::read(reader);
    let demo = DemoConfig {
        enabled: reader.boolean("demo.enabled", false),
    };
    let prompts = PromptsConfig {
        dir: reader.path("prompts.dir"),
    };
    let log = LogConfig {
        level: reader.parsed(
            "log.level",
            "info".into(),
            level,
            "use error, warn, info, debug or trace",
        ),
        format: reader.parsed(
            "log.format",
            LogFormat::Text,
            log_format,
            "use \"text\" or \"json\"",
        ),
    };
    Config {
        server,
        http,
        media,
        sip,
        dial_out,
        conference,
        video,
        recording,
        companion,
        demo,
        prompts,
        log,
    }
}

fn read_server(reader: &mut Reader) -> ServerConfig {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = ServerConfig {
        bind: reader.parsed("server.bind", loopback, address, "an IP address of this machine, such as 127.0.0.1 or 0.0.0.0"),
        announced: reader.parsed(
            "server.announced",
            None,
            |text| if text.is_empty() { Ok(None) } else { address(text).map(Some) },
            "the IP address at which browsers and phones reach this machine, or \"\" when it is server.bind",
        ),
        data_dir: reader.path("server.data_dir").unwrap_or_else(|| PathBuf::from("./data")),
        stop_deadline: reader.seconds("server.stop_deadline_seconds", 10, 1..=300),
    };
    if server.bind.is_unspecified() && server.announced.is_none() {
        reader.fault(
            "server.announced",
            "",
            "media needs one address to tell clients, and server.bind is all of them",
            "set server.announced to the IP address at which browsers and phones reach this machine",
        );
    }
    if server
        .announced
        .is_some_and(|announced| announced.is_unspecified())
    {
        reader.fault(
            "server.announced",
            "",
            "nobody can send to the unspecified address",
            "name one address",
        );
    }
    server
}

fn read_http(reader: &mut Reader) -> HttpConfig {
    let port = reader.integer(
        "http.port",
        8080_u16,
        0..=65_535,
        "a TCP port, or 0 for any free one",
    );
    let tls = tls::read(reader, "http");
    let api_key_files = reader
        .list("http.api_key_files")
        .into_iter()
        .map(PathBuf::from)
        .collect();
    HttpConfig {
        port,
        tls,
        api_key_files,
    }
}

fn read_sip(reader: &mut Reader) -> SipSection {
    let enabled = reader.boolean("sip.enabled", true);
    let port = reader.integer(
        "sip.port",
        5060_u16,
        0..=65_535,
        "a UDP and TCP port, or 0 for any free one",
    );
    let tls = tls::read_sip(reader);
    let first = reader.integer(
        "sip.rtp_port_first",
        20_000_u16,
        1024..=65_534,
        "the lowest UDP port for RTP",
    );
    let last = reader.integer(
        "sip.rtp_port_last",
        29_999_u16,
        1025..=65_535,
        "the highest UDP port for RTP",
    );
    if last <= first {
        reader.fault(
            "sip.rtp_port_last",
            &last.to_string(),
            "is not above sip.rtp_port_first",
            "each call takes two ports: leave room for as many as sip.max_calls",
        );
    }
    let trunks = trunk::read(reader);
    let (ports, reason) = if trunk::video_is_meant(&trunks) {
        (
            4,
            "each call takes four RTP ports, for its trunk has video, and the range has fewer",
        )
    } else {
        (2, "each call takes two RTP ports and the range has fewer")
    };
    // Without a wish of the operator, as many as the ports carry.
    let even = u32::from(first) + u32::from(first % 2);
    let carried = ((u32::from(last) + 1).saturating_sub(even) / ports).max(1);
    let max_calls = reader.integer(
        "sip.max_calls",
        carried.min(1000),
        1..=30_000,
        "calls at once",
    );
    if last > first && carried < max_calls {
        reader.fault(
            "sip.max_calls",
            &max_calls.to_string(),
            reason,
            "widen sip.rtp_port_first to sip.rtp_port_last, lower sip.max_calls, or set video = false in trunks that have none",
        );
    }
    let mut languages = number::read_languages(reader, "sip.languages");
    if languages.is_empty() {
        languages.push(Language::ENGLISH);
    }
    SipSection {
        enabled,
        port,
        tls,
        rtp_ports: first..=last.max(first),
        rtp_silence: reader.seconds("sip.rtp_silence_seconds", 18, 5..=3600),
        max_calls: max_calls.try_into().unwrap_or(usize::MAX),
        numbers: number::read(reader, &languages),
        languages,
        nameservers: trunk::read_nameservers(reader),
        ready_needs_trunks: reader.boolean("sip.ready_needs_trunks", false),
        trunks,
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "is not an IP address".to_owned())
}

fn level(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("is not a log level or filter".to_owned()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("no such format".to_owned()),
    }
}

#[cfg(test)]
mod tests;
