//! Where calls of ours leave by a trunk, as whom, and how numbers are written there. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::identity::{Rule, normalised};

/// How a trunk is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// The port when none is given (RFC 3261 section 19.1.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5_060,
            Self::Tls => 5_061,
        }
    }
}

/// The far end of a trunk: `host`, `host:port`, with `;transport=udp`, `tcp` or `tls` after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// An address or a name, without brackets.
    pub host: String,
    /// `None`: SRV records say, or it is the transport's.
    pub port: Option<u16>,
    /// `None`: SRV records say (RFC 3263 section 4.1), or UDP.
    pub transport: Option<Transport>,
}

/// A far end that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither an address nor a name.
    #[error("expected a host such as sip.example.com or 192.0.2.1")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("expected a port from 1 to 65535 after the colon")]
    Port,
    /// The transport is unknown.
    #[error("expected ;transport=udp, tcp or tls")]
    Transport,
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let text = text.strip_prefix("sip:").unwrap_or(text);
        let (place, transport) = match text.split_once(';') {
            None => (text, None),
            Some((place, parameter)) => {
                let transport = match parameter.strip_prefix("transport=") {
                    Some("udp") => Transport::Udp,
                    Some("tcp") => Transport::Tcp,
                    Some("tls") => Transport::Tls,
                    _ => return Err(ProxyError::Transport),
                };
                (place, Some(transport))
            }
        };
        let (host, port) = if let Some(rest) = place.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(ProxyError::Host)?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| ProxyError::Host)?;
            (host, (!rest.is_empty()).then_some(rest))
        } else {
            match place.find(':') {
                Some(at) => (
                    place.get(..at).unwrap_or_default(),
                    Some(place.get(at..).unwrap_or_default()),
                ),
                None => (place, None),
            }
        };
        let port = port
            .map(|port| {
                let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
                port.filter(|port| *port > 0).ok_or(ProxyError::Port)
            })
            .transpose()?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(is_host) {
            return Err(ProxyError::Host);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            transport,
        })
    }
}

/// What we show when the far end asks for digest authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(redacted)")
    }
}

/// How calls of ours leave by a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Where they go.
    pub proxy: Proxy,
    /// Host of the URIs of caller and called.
    pub domain: String,
    /// Number that the called one sees; empty: anonymous.
    pub caller_id: String,
    /// How numbers are written there; the longest prefix counts.
    pub rules: Vec<Rule>,
    /// Answer to its challenges.
    pub login: Option<Login>,
    /// We register there, for so long at a time.
    pub register: Option<Duration>,
    /// It is asked so often whether it is there.
    pub probe: Option<Duration>,
}

impl Outbound {
    /// Calls that leave to `proxy`, all of them, as they are.
    #[must_use]
    pub fn new(proxy: Proxy) -> Self {
        Self {
            domain: proxy.host.clone(),
            proxy,
            caller_id: String::new(),
            rules: Vec::new(),
            login: None,
            register: None,
            probe: None,
        }
    }

    /// A URI of `number` there, for the far end to call: at `at`, which must be the trunk's, or at its domain. `None` when its host, port or
    /// transport is another, or the number is none.
    pub(crate) fn target(&self, number: &str, at: Option<&Proxy>) -> Option<String> {
        let number = self.dialled(number);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.*#".contains(&byte);
        if number.is_empty() || !number.bytes().all(plain) {
            return None;
        }
        let number = number.replace('#', "%23");
        let Some(at) = at else {
            return Some(format!("sip:{number}@{}", host_text(&self.domain)));
        };
        let own = [&self.domain, &self.proxy.host];
        let there = own.iter().any(|own| own.eq_ignore_ascii_case(&at.host))
            && at.port.is_none_or(|port| self.proxy.port == Some(port))
            && (at.transport).is_none_or(|way| self.proxy.transport == Some(way));
        if !there {
            return None;
        }
        let port = at.port.map_or_else(String::new, |port| format!(":{port}"));
        let transport = match at.transport {
            None => "",
            Some(Transport::Udp) => ";transport=udp",
            Some(Transport::Tcp) => ";transport=tcp",
            Some(Transport::Tls) => ";transport=tls",
        };
        let host = host_text(&at.host);
        Some(format!("sip:{number}@{host}{port}{transport}"))
    }

    /// `number` as it is written there.
    pub(crate) fn dialled(&self, number: &str) -> String {
        normalised(number, &self.rules)
    }
}

/// A host as URIs have it: IPv6 in brackets.
fn host_text(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => host.to_owned(),
    }
}

/// A number to be dialled, as people write it, as digits after a `+` or none, rewritten by `rules`; `None` when it is no number of 2 to
/// 20 digits.
#[must_use]
pub fn number(text: &str, rules: &[Rule]) -> Option<String> {
    let is_part =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '(' | ')' | ' ' | '/');
    if text.len() > 40 || !text.chars().all(is_part) {
        return None;
    }
    let number = normalised(&text.trim().replace('/', ""), rules);
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let good = (2..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_ends_are_read() {
        let read = |text: &str| {
            text.parse::<Proxy>()
                .map(|it| (it.host, it.port, it.transport))
        };
        assert_eq!(
            read("sip.example.com"),
            Ok(("sip.example.com".into(), None, None))
        );
        assert_eq!(
            read("sip:10.0.0.5:5070"),
            Ok(("10.0.0.5".into(), Some(5_070), None))
        );
        assert_eq!(
            read("pbx;transport=tls"),
            Ok(("pbx".into(), None, Some(Transport::Tls)))
        );
        assert_eq!(
            read("[2001:db8::1]:5061"),
            Ok(("2001:db8::1".into(), Some(5_061), None))
        );
        assert_eq!(read(""), Err(ProxyError::Host));
        assert_eq!(read("a b"), Err(ProxyError::Host));
        assert_eq!(read("[::1"), Err(ProxyError::Host));
        assert_eq!(read("pbx:0"), Err(ProxyError::Port));
        assert_eq!(read("pbx:70000"), Err(ProxyError::Port));
        assert_eq!(read("pbx;transport=ws"), Err(ProxyError::Transport));
    }

    #[test]
    fn numbers_are_read_as_people_write_them_and_nothing_else_is() {
        let rules = [("00", "+"), ("0", "+49")].map(|(prefix, replacement)| Rule {
            prefix: prefix.into(),
            replacement: replacement.into(),
        });
        for (text, expected) in [
            ("+49 (30) 123-45", Some("+493012345")),
            ("030/12345", Some("+493012345")),
            ("0049 30 12345", Some("+493012345")),
            ("201", Some("201")),
            ("1", None),
            ("", None),
            ("+", None),
            ("ann", None),
            ("12;x=1", None),
            ("12\r\n34", None),
            ("123456789012345678901", None),
        ] {
            assert_eq!(number(text, &rules).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_trunk_writes_numbers_its_way() {
        let mut outbound = Outbound::new("pbx".parse().unwrap_or_else(|error| panic!("{error}")));
        outbound.rules = vec![Rule {
            prefix: "+49".into(),
            replacement: "0".into(),
        }];
        assert_eq!(outbound.dialled("+4930123"), "030123");
    }
}
