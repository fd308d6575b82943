//! `[[sip.trunks]]`: who may call, how they prove it, and whether they have done the asking already.

use std::path::PathBuf;

use plenum_dialin::Cidr;

use super::reader::Reader;

/// Keys of one trunk.
pub(super) const KEYS: [&str; 6] = [
    "name",
    "addresses",
    "direct",
    "video",
    "user",
    "password_file",
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
        digest: None,
    }]
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
    if addresses.is_empty() {
        reader.fault(
            &key("addresses"),
            "",
            "the trunk has no address to be known by",
            "list its IP addresses or blocks",
        );
    }
    let direct = reader.boolean(&key("direct"), false);
    let video = reader.boolean(&key("video"), true);
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
    TrunkConfig {
        name,
        addresses,
        direct,
        video,
        digest,
    }
}
