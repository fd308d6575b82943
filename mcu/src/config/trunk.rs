//! `[[sip.trunks]]`: who may call, how they prove it, and whether they have done the asking already.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use super::reader::Reader;

/// Keys of one trunk.
pub(super) const KEYS: [&str; 5] = ["name", "addresses", "direct", "user", "password_file"];

/// A gateway or PBX that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Name in logs.
    pub name: String,
    /// Where it calls from.
    pub addresses: Vec<Cidr>,
    /// It has asked for conference and PIN itself: `sip:<conference>@host` joins at once.
    pub direct: bool,
    /// Digest credentials that it must present.
    pub digest: Option<TrunkPassword>,
}

/// Digest credentials of a trunk; the password stays in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkPassword {
    /// User name.
    pub user: String,
    /// File whose first line is the password.
    pub password_file: PathBuf,
}

/// An address block such as `192.0.2.0/24`; a bare address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// A block of one address.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        Self { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Network address as given.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Leading bits that count.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| format!("{text:?} is not an IP address or block"))?;
        let whole = Self::single(address);
        match prefix.map(str::parse::<u8>) {
            None => Ok(whole),
            Some(Ok(prefix)) if prefix <= whole.prefix => Ok(Self { address, prefix }),
            Some(_) => Err(format!("{text:?} has a prefix length that is not 0 to {}", whole.prefix)),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What is trusted when no trunk is configured: this machine.
pub(super) fn loopback_only() -> Vec<TrunkConfig> {
    vec![TrunkConfig {
        name: "this-machine".into(),
        addresses: vec![Cidr::single(Ipv4Addr::LOCALHOST.into()), Cidr::single(Ipv6Addr::LOCALHOST.into())],
        direct: false,
        digest: None,
    }]
}

/// Reads all trunks; without any, [`loopback_only`].
pub(super) fn read(reader: &mut Reader) -> Vec<TrunkConfig> {
    let count = reader.tables("sip.trunks");
    if count == 0 {
        return loopback_only();
    }
    let trunks: Vec<_> = (0..count).map(|index| read_one(reader, &format!("sip.trunks[{index}]"))).collect();
    for (index, trunk) in trunks.iter().enumerate() {
        if trunks.iter().take(index).any(|earlier| earlier.name == trunk.name) {
            reader.fault(&format!("sip.trunks[{index}].name"), &trunk.name, "an earlier trunk has this name", "rename one");
        }
    }
    trunks
}

fn read_one(reader: &mut Reader, path: &str) -> TrunkConfig {
    let key = |key: &str| format!("{path}.{key}");
    let name = reader.parsed(&key("name"), String::new(), |text| Ok(text.to_owned()), "a name in quotes");
    if name.is_empty() {
        reader.fault(&key("name"), "", "the trunk has no name", "name it, for the log");
    }
    let mut addresses = Vec::new();
    for text in reader.list(&key("addresses")) {
        match text.parse() {
            Ok(cidr) => addresses.push(cidr),
            Err(reason) => reader.fault(&key("addresses"), &text, &reason, "write 192.0.2.1 or 192.0.2.0/24"),
        }
    }
    if addresses.is_empty() {
        reader.fault(&key("addresses"), "", "the trunk has no address to be known by", "list its IP addresses or blocks");
    }
    let direct = reader.boolean(&key("direct"), false);
    let user = reader.parsed(&key("user"), String::new(), |text| Ok(text.to_owned()), "a user name in quotes");
    let digest = match (user.is_empty(), reader.path(&key("password_file"))) {
        (true, None) => None,
        (false, Some(password_file)) => Some(TrunkPassword { user, password_file }),
        _ => {
            reader.fault(&key("user"), &user, "digest needs both user and password_file", "give both or neither");
            None
        }
    };
    TrunkConfig { name, addresses, direct, digest }
}
