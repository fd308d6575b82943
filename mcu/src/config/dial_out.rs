//! `[dial_out]`: which numbers conferences may call, and how many at once; `outbound` of a trunk: where such calls leave.

use std::time::Duration;

use plenum_dialin::identity::Rule;
use plenum_dialin::trunk::Proxy;

use super::reader::Reader;
use super::trunk::{TrunkPassword, read_rules};

/// `[dial_out]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialOutConfig {
    /// What numbers begin with that may be called.
    pub allow: Vec<String>,
    /// How numbers as people write or key them become those that `allow` and trunks know.
    pub rules: Vec<Rule>,
    /// Calls at once, ringing ones included.
    pub calls: usize,
    /// The same of one conference.
    pub calls_per_conference: usize,
    /// How long it rings.
    pub ring: Duration,
    /// Whoever picks up presses 1 before they are in.
    pub confirm: bool,
}

/// How calls leave by a trunk; the password stays in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundConfig {
    /// Where they go.
    pub proxy: Proxy,
    /// Host of the URIs.
    pub domain: String,
    /// Number that is shown; empty: anonymous.
    pub caller_id: String,
    /// What numbers begin with that go this way; empty: all.
    pub prefixes: Vec<String>,
    /// How numbers are written there.
    pub rules: Vec<Rule>,
    /// Answer to its challenges.
    pub login: Option<TrunkPassword>,
    /// We register there, for so long at a time.
    pub register: Option<Duration>,
    /// It is asked so often whether it is there.
    pub probe: Option<Duration>,
}

impl OutboundConfig {
    /// Whether `number` goes this way.
    #[must_use]
    pub fn takes(&self, number: &str) -> bool {
        self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| number.starts_with(prefix))
    }
}

pub(super) fn read(reader: &mut Reader, has_way: bool) -> DialOutConfig {
    let allow = read_prefixes(reader, "dial_out.allow");
    if has_way && allow.is_empty() {
        reader.fault(
            "dial_out.allow",
            "",
            "a trunk is outbound, and no number may be called",
            "list what numbers begin with that may be called, such as \"+49\"; \"+\" and digits, or digits alone for extensions",
        );
    }
    DialOutConfig {
        allow,
        rules: read_rules(reader, "dial_out.rewrite"),
        calls: reader.integer("dial_out.calls", 50_usize, 1..=10_000, "calls at once"),
        calls_per_conference: reader.integer(
            "dial_out.calls_per_conference",
            10_usize,
            1..=1_000,
            "calls of one conference at once",
        ),
        ring: reader.seconds("dial_out.ring_seconds", 45, 5..=180),
        confirm: reader.boolean("dial_out.confirm", true),
    }
}

/// `outbound` and what belongs to it, of one trunk.
pub(super) fn read_outbound(reader: &mut Reader, path: &str) -> Option<OutboundConfig> {
    let key = |key: &str| format!("{path}.{key}");
    let text = |text: &str| Ok(text.to_owned());
    let outbound = reader.boolean(&key("outbound"), false);
    let proxy = reader.parsed(
        &key("proxy"),
        None,
        |text| match text {
            "" => Ok(None),
            text => text
                .parse::<Proxy>()
                .map(Some)
                .map_err(|error| error.to_string()),
        },
        "write sip.example.com, 192.0.2.1:5060 or pbx.example.com;transport=tls",
    );
    let domain = reader.parsed(
        &key("domain"),
        String::new(),
        host,
        "a host name or address",
    );
    let caller_id = reader.parsed(
        &key("caller_id"),
        String::new(),
        |text| {
            let digits = text.strip_prefix('+').unwrap_or(text);
            let good = text.len() <= 32 && digits.chars().all(|c| c.is_ascii_digit());
            good.then(|| text.to_owned())
                .ok_or_else(|| "is no number".to_owned())
        },
        "digits, perhaps after a +, or \"\" for anonymous calls",
    );
    let prefixes = read_prefixes(reader, &key("prefixes"));
    let rules = read_rules(reader, &key("rewrite_dialled"));
    let user = reader.parsed(&key("outbound_user"), String::new(), text, "a user name");
    let password = reader.path(&key("outbound_password_file"));
    let login = match (user.is_empty(), password) {
        (true, None) => None,
        (false, Some(password_file)) => Some(TrunkPassword {
            user,
            password_file,
        }),
        _ => {
            reader.fault(
                &key("outbound_user"),
                &user,
                "its answer to challenges needs both outbound_user and outbound_password_file",
                "give both or neither",
            );
            None
        }
    };
    let registers = reader.boolean(&key("register"), false);
    let expires = reader.seconds(&key("register_seconds"), 600, 60..=86_400);
    let probe = reader.seconds(&key("probe_seconds"), 60, 0..=3_600);
    if registers && !outbound {
        reader.fault(
            &key("register"),
            "true",
            "the trunk is not outbound: there is nowhere to register",
            "set outbound = true and proxy, or take register out",
        );
    }
    if !outbound {
        return None;
    }
    let Some(proxy) = proxy else {
        reader.fault(
            &key("proxy"),
            "",
            "the trunk is outbound, and calls have nowhere to go",
            "name the far end's host or address",
        );
        return None;
    };
    Some(OutboundConfig {
        domain: if domain.is_empty() {
            proxy.host.clone()
        } else {
            domain
        },
        proxy,
        caller_id,
        prefixes,
        rules,
        login,
        register: registers.then_some(expires),
        probe: Some(probe).filter(|probe| !probe.is_zero()),
    })
}

fn host(text: &str) -> Result<String, String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    let good = text.len() <= 253 && text.chars().all(is_host);
    good.then(|| text.to_owned())
        .ok_or_else(|| "is no host".to_owned())
}

/// `+` alone stands for every international number.
fn read_prefixes(reader: &mut Reader, key: &str) -> Vec<String> {
    let mut prefixes = Vec::new();
    for text in reader.list(key) {
        let digits = text.strip_prefix('+').unwrap_or(&text);
        if !text.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
            prefixes.push(text);
        } else {
            reader.fault(
                key,
                &text,
                "is no beginning of a number",
                "digits, perhaps after a +",
            );
        }
    }
    prefixes
}
