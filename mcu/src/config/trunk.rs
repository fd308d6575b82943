//! `[[sip.trunks]]`: who may call, how they prove it, and whether they have done the asking already.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use plenum_codecs::audio::AudioCodec;
use plenum_dialin::Cidr;
use plenum_dialin::identity::{CalledFrom, CallerFrom, Identity, MAX_RULES, Rule};

use super::dial_out::{OutboundConfig, read_outbound};
use super::reader::Reader;

/// Keys of one trunk.
pub(super) const KEYS: [&str; 25] = [
    "name",
    "addresses",
    "direct",
    "video",
    "srtp",
    "codecs",
    "caller",
    "called",
    "rewrite_caller",
    "rewrite_called",
    "max_calls",
    "calls_per_second",
    "user",
    "password_file",
    "outbound",
    "proxy",
    "domain",
    "caller_id",
    "prefixes",
    "rewrite_dialled",
    "outbound_user",
    "outbound_password_file",
    "register",
    "register_seconds",
    "probe_seconds",
];

/// A gateway or PBX that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Name in logs.
    pub name: String,
    /// Where it calls from.
    pub addresses: Vec<Cidr>,
    /// It has asked for conference and PIN itself: `sip:<conference>@host` joins at once.
    pub direct: bool,
    /// Its calls may have video.
    pub video: bool,
    /// Whether its media is encrypted; `None`: as it likes over TLS, not otherwise.
    pub srtp: Option<SrtpMode>,
    /// Audio codecs of its calls, best first.
    pub codecs: Vec<AudioCodec>,
    /// How it names callers and called.
    pub identity: Identity,
    /// Calls at once; `None`: as many as the server has.
    pub max_calls: Option<usize>,
    /// New calls a second.
    pub calls_per_second: Option<u32>,
    /// Digest credentials that it must present.
    pub digest: Option<TrunkPassword>,
    /// How calls of ours leave by it, if they do.
    pub outbound: Option<OutboundConfig>,
}

/// Whether media of calls is encrypted (SRTP), and where its keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpMode {
    /// Never.
    Off,
    /// If the caller offers keys or a handshake.
    Optional,
    /// Calls without are refused.
    Required,
    /// Calls without a handshake (DTLS-SRTP) are refused, and calls of ours offer one.
    Dtls,
}

impl SrtpMode {
    fn parse(text: &str) -> Result<Option<Self>, String> {
        match text {
            "" => Ok(None),
            "off" => Ok(Some(Self::Off)),
            "optional" => Ok(Some(Self::Optional)),
            "required" => Ok(Some(Self::Required)),
            "dtls" => Ok(Some(Self::Dtls)),
            _ => Err("no such way".to_owned()),
        }
    }
}

impl TrunkConfig {
    /// Whether media of a call is encrypted whose signalling came over TLS or not.
    #[must_use]
    pub fn srtp_of(&self, over_tls: bool) -> SrtpMode {
        // Keys in the clear protect from nobody who can read the media.
        self.srtp.unwrap_or(if over_tls {
            SrtpMode::Optional
        } else {
            SrtpMode::Off
        })
    }
}

/// Digest credentials of a trunk; the password stays in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkPassword {
    /// User name.
    pub user: String,
    /// File whose first line is the password.
    pub password_file: PathBuf,
}

/// What is trusted when no trunk is configured: this machine.
pub(super) fn loopback_only() -> Vec<TrunkConfig> {
    vec![TrunkConfig {
        name: "this-machine".into(),
        addresses: ["127.0.0.1", "::1"]
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect(),
        direct: false,
        video: true,
        srtp: None,
        codecs: AudioCodec::ALL.to_vec(),
        identity: Identity::default(),
        max_calls: None,
        calls_per_second: None,
        digest: None,
        outbound: None,
    }]
}

/// Whether a trunk that somebody has configured has video. What is trusted without any is not counted: who tries the server out on
/// one machine with few ports has sound without it.
pub(super) fn video_is_meant(trunks: &[TrunkConfig]) -> bool {
    trunks.iter().any(|trunk| trunk.video) && trunks != loopback_only()
}

/// Reads all trunks; without any, [`loopback_only`].
pub(super) fn read(reader: &mut Reader) -> Vec<TrunkConfig> {
    let count = reader.tables("sip.trunks");
    if count == 0 {
        return loopback_only();
    }
    let trunks: Vec<_> = (0..count)
        .map(|index| read_one(reader, &format!("sip.trunks[{index}]")))
        .collect();
    for (index, trunk) in trunks.iter().enumerate() {
        if trunks
            .iter()
            .take(index)
            .any(|earlier| earlier.name == trunk.name)
        {
            reader.fault(
                &format!("sip.trunks[{index}].name"),
                &trunk.name,
                "an earlier trunk has this name",
                "rename one",
            );
        }
    }
    trunks
}

fn read_one(reader: &mut Reader, path: &str) -> TrunkConfig {
    let key = |key: &str| format!("{path}.{key}");
    let name = reader.parsed(
        &key("name"),
        String::new(),
        |text| Ok(text.to_owned()),
        "a name in quotes",
    );
    if name.is_empty() {
        reader.fault(
            &key("name"),
            "",
            "the trunk has no name",
            "name it, for the log",
        );
    }
    let mut addresses = Vec::new();
    for text in reader.list(&key("addresses")) {
        match text.parse::<Cidr>() {
            Ok(cidr) => addresses.push(cidr),
            Err(reason) => reader.fault(
                &key("addresses"),
                &text,
                &reason.to_string(),
                "write 192.0.2.1 or 192.0.2.0/24",
            ),
        }
    }
    let direct = reader.boolean(&key("direct"), false);
    let video = reader.boolean(&key("video"), true);
    let srtp = reader.parsed(
        &key("srtp"),
        None,
        SrtpMode::parse,
        "use \"off\", \"optional\", \"required\" or \"dtls\", or leave it out: optional over TLS, off otherwise",
    );
    let user = reader.parsed(
        &key("user"),
        String::new(),
        |text| Ok(text.to_owned()),
        "a user name in quotes",
    );
    let digest = match (user.is_empty(), reader.path(&key("password_file"))) {
        (true, None) => None,
        (false, Some(password_file)) => Some(TrunkPassword {
            user,
            password_file,
        }),
        _ => {
            reader.fault(
                &key("user"),
                &user,
                "digest needs both user and password_file",
                "give both or neither",
            );
            None
        }
    };
    let outbound = read_outbound(reader, path);
    // A far end that is named is known by what its name stands for.
    let is_named = |outbound: &OutboundConfig| outbound.proxy.host.parse::<IpAddr>().is_err();
    if addresses.is_empty() && !outbound.as_ref().is_some_and(is_named) {
        reader.fault(
            &key("addresses"),
            "",
            "the trunk has no address to be known by",
            "list its IP addresses or blocks, or give it a proxy by name",
        );
    }
    TrunkConfig {
        name,
        addresses,
        direct,
        video,
        srtp,
        codecs: read_codecs(reader, &key("codecs")),
        identity: read_identity(reader, path),
        max_calls: Some(reader.integer(
            &key("max_calls"),
            0_usize,
            0..=30_000,
            "calls at once, or 0 for no limit of its own",
        ))
        .filter(|most| *most > 0),
        calls_per_second: Some(reader.integer(
            &key("calls_per_second"),
            0_u32,
            0..=10_000,
            "new calls a second, or 0 for no limit",
        ))
        .filter(|rate| *rate > 0),
        digest,
        outbound,
    }
}

/// Name servers: addresses, with a port where it is not 53.
pub(super) fn read_nameservers(reader: &mut Reader) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for text in reader.list("sip.nameservers") {
        let by_address = || text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53));
        match text.parse().or_else(|_| by_address()) {
            Ok(server) => servers.push(server),
            Err(_) => reader.fault(
                "sip.nameservers",
                &text,
                "is no address of a name server",
                "write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53",
            ),
        }
    }
    servers
}

/// Codecs in the order of the list; all when it is left out.
fn read_codecs(reader: &mut Reader, key: &str) -> Vec<AudioCodec> {
    let mut codecs = Vec::new();
    for name in reader.list(key) {
        match AudioCodec::from_name(&name) {
            Some(codec) if !codecs.contains(&codec) => codecs.push(codec),
            Some(_) => reader.fault(key, &name, "stands there twice", "name each codec once"),
            None => {
                let known: Vec<_> = AudioCodec::ALL.iter().map(|codec| codec.name()).collect();
                let remedy = format!("use {}", known.join(", "));
                reader.fault(key, &name, "no such codec", &remedy);
            }
        }
    }
    if codecs.is_empty() {
        AudioCodec::ALL.to_vec()
    } else {
        codecs
    }
}

fn read_identity(reader: &mut Reader, path: &str) -> Identity {
    let caller = |text: &str| match text {
        "asserted" => Ok(CallerFrom::Asserted),
        "from" => Ok(CallerFrom::From),
        "diversion" => Ok(CallerFrom::Diversion),
        _ => Err("no such header".to_owned()),
    };
    let called = |text: &str| match text {
        "request-uri" => Ok(CalledFrom::RequestUri),
        "to" => Ok(CalledFrom::To),
        "diversion" => Ok(CalledFrom::Diversion),
        _ => Err("no such header".to_owned()),
    };
    Identity {
        caller: reader.parsed(
            &format!("{path}.caller"),
            CallerFrom::default(),
            caller,
            "use \"asserted\", \"from\" or \"diversion\"",
        ),
        called: reader.parsed(
            &format!("{path}.called"),
            CalledFrom::default(),
            called,
            "use \"request-uri\", \"to\" or \"diversion\"",
        ),
        caller_rules: read_rules(reader, &format!("{path}.rewrite_caller")),
        called_rules: read_rules(reader, &format!("{path}.rewrite_called")),
    }
}

/// `prefix=replacement`, each digits after a `+` or none.
pub(super) fn read_rules(reader: &mut Reader, key: &str) -> Vec<Rule> {
    let good = |part: &str| {
        let digits = part.strip_prefix('+').unwrap_or(part);
        digits.chars().all(|c| c.is_ascii_digit())
    };
    let mut rules: Vec<Rule> = Vec::new();
    for text in reader.list(key) {
        let remedy = "write \"00=+\", \"0=+49\" or \"=+4930\": what numbers begin with, and what with instead";
        match text.split_once('=') {
            Some((prefix, _)) if rules.iter().any(|rule| rule.prefix == prefix) => {
                reader.fault(key, &text, "an earlier rule has this prefix", remedy);
            }
            Some((prefix, replacement)) if good(prefix) && good(replacement) => rules.push(Rule {
                prefix: prefix.to_owned(),
                replacement: replacement.to_owned(),
            }),
            _ => reader.fault(key, &text, "is no rule for numbers", remedy),
        }
    }
    if rules.len() > MAX_RULES {
        let count = rules.len().to_string();
        reader.fault(key, &count, "too many rules", "64 at most");
    }
    rules
}
