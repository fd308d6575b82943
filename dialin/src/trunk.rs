//! Trunks: who may call us, told by source address, what each is allowed, and how we call by it. Owns no sockets and no dialogs.

mod outbound;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::identity::Identity;
pub use outbound::{Login, Outbound, Proxy, ProxyError, Transport, number};

/// An address range, IPv4 or IPv6, as `10.0.0.0/8` or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// A source range that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// The part before `/` is no IP address.
    #[error("expected an IP address such as 192.0.2.1 or 2001:db8::/32, got {0:?}")]
    Address(String),
    /// The prefix length is no number, or larger than the address family allows.
    #[error("expected a prefix length from 0 to {most}, got {got:?}")]
    Prefix {
        /// 32 or 128.
        most: u8,
        /// What stood there.
        got: String,
    },
}

impl Cidr {
    /// Whether `address` lies in the range. IPv4-mapped IPv6 addresses count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(given)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(net) & mask == u32::from(given) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(given)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                u128::from(net) & mask == u128::from(given) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, p)| (a, Some(p)));
        let address = address
            .parse::<IpAddr>()
            .map_err(|_| CidrError::Address(text.to_owned()))?
            .to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match prefix {
            None => most,
            Some(prefix) => prefix
                .parse::<u8>()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| CidrError::Prefix {
                    most,
                    got: prefix.to_owned(),
                })?,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Digest credentials that a trunk must show (RFC 8760: SHA-256 is offered first, MD5 second).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Protection space named in the challenge.
    pub realm: String,
    /// User name of the trunk.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// A SIP provider or PBX that we take calls from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Name, for logs and [`crate::CallEvent::Incoming`].
    pub name: String,
    /// Source addresses; the first trunk that holds the source of a request wins.
    pub sources: Vec<Cidr>,
    /// The trunk has done its own IVR: the called user is a conference ID.
    pub direct: bool,
    /// Ask for digest authentication of every INVITE that opens a dialog.
    pub credentials: Option<Credentials>,
    /// How it names callers and called.
    pub identity: Identity,
    /// Calls at once; more are answered 503.
    pub max_calls: Option<usize>,
    /// New calls a second, as many at once at most; more are answered 503.
    pub calls_per_second: Option<u32>,
    /// How calls of ours leave by it; `None`: not at all.
    pub outbound: Option<Outbound>,
}

impl Trunk {
    /// A trunk without demands or limits.
    #[must_use]
    pub fn new(name: impl Into<String>, sources: Vec<Cidr>) -> Self {
        Self {
            name: name.into(),
            sources,
            direct: false,
            credentials: None,
            identity: Identity::default(),
            max_calls: None,
            calls_per_second: None,
            outbound: None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn range(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        assert!(range("10.1.0.0/16").contains("10.1.255.3".parse().unwrap()));
        assert!(!range("10.1.0.0/16").contains("10.2.0.1".parse().unwrap()));
        assert!(range("127.0.0.1").contains("127.0.0.1".parse().unwrap()));
        assert!(!range("127.0.0.1").contains("127.0.0.2".parse().unwrap()));
        assert!(range("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(!range("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(range("2001:db8::/32").contains("2001:db8:1::7".parse().unwrap()));
        assert!(!range("2001:db8::/32").contains("2001:db9::7".parse().unwrap()));
        assert!(range("::/0").contains("2001:db9::7".parse().unwrap()));
    }

    #[test]
    fn a_mapped_address_counts_as_the_ipv4_address_it_is() {
        assert!(range("192.0.2.0/24").contains("::ffff:192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_bad_range_is_refused_with_its_reason() {
        assert_eq!(
            "10.0.0.0/33".parse::<Cidr>(),
            Err(CidrError::Prefix {
                most: 32,
                got: "33".into()
            })
        );
        assert_eq!("pbx".parse::<Cidr>(), Err(CidrError::Address("pbx".into())));
    }
}
