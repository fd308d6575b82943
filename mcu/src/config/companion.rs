//! `[companion]`: people, messages, files; where they are kept and how much of each.

use plenum_companion::presence::Choice;
use plenum_companion::server::{CustomState, Database, Retention};

use super::reader::Reader;

const KIBIBYTE: usize = 1024;
const MEBIBYTE: u64 = 1024 * 1024;

/// `[companion]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionSection {
    /// Whether there is a companion at all.
    pub enabled: bool,
    /// PostgreSQL, if not SQLite in the data folder.
    pub database: Option<Database>,
    /// Longest message, bytes.
    pub message: usize,
    /// Longest post in a room, bytes.
    pub post: usize,
    /// People in a conversation; more need a room.
    pub people: usize,
    /// Whether newcomers to a room read what was posted before they came.
    pub rooms_past: bool,
    /// How long events are kept.
    pub keep: Retention,
    /// Largest file, bytes.
    pub file: u64,
    /// Files of one user, bytes.
    pub quota: u64,
    /// Ends of names of files that are refused, such as `exe`.
    pub forbidden_types: Vec<String>,
    /// A command that is asked about each file, with the file's path after it; empty: none.
    pub scan: Vec<String>,
    /// Calendars may be on loopback and private addresses.
    pub calendar_private: bool,
    /// Time zone of a calendar's times without one.
    pub calendar_zone: String,
    /// States of the house's.
    pub states: Vec<CustomState>,
}

/// Days to keep events; 0 is for ever.
fn days(reader: &mut Reader, key: &str) -> Option<u32> {
    let days = reader.integer(key, 0_u32, 0..=36_500, "days, 0 for ever");
    (days > 0).then_some(days)
}

pub(super) fn read(reader: &mut Reader) -> CompanionSection {
    let database = |url: &str| match url {
        "" => Ok(None),
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(Some(Database::Postgres(url.to_owned())))
        }
        _ => Err("is no address of a PostgreSQL database".to_owned()),
    };
    CompanionSection {
        enabled: reader.boolean("companion.enabled", true),
        database: reader.parsed(
            "companion.database",
            None,
            database,
            "write postgres://user:password@host/name, or nothing for SQLite in the data folder",
        ),
        message: KIBIBYTE
            * reader.integer(
                "companion.message_kib",
                8_usize,
                1..=64,
                "KiB of the longest message",
            ),
        post: KIBIBYTE
            * reader.integer(
                "companion.post_kib",
                32_usize,
                1..=128,
                "KiB of the longest post in a room",
            ),
        people: reader.integer(
            "companion.conversation_people",
            100_usize,
            2..=1000,
            "people in one conversation that is no room",
        ),
        rooms_past: reader.boolean("companion.rooms_past", true),
        keep: Retention {
            direct: days(reader, "companion.keep_direct_days"),
            group: days(reader, "companion.keep_group_days"),
            room: days(reader, "companion.keep_room_days"),
        },
        file: MEBIBYTE
            * reader.integer(
                "companion.file_mib",
                25_u64,
                0..=100_000,
                "MiB of the largest file, 0 for no files",
            ),
        quota: MEBIBYTE
            * reader.integer(
                "companion.quota_mib",
                1000_u64,
                0..=100_000_000,
                "MiB that one user's files may take",
            ),
        forbidden_types: reader.list("companion.forbidden_types"),
        scan: reader.list("companion.scan"),
        calendar_private: reader.boolean("companion.calendar_private", false),
        calendar_zone: reader.parsed(
            "companion.calendar_zone",
            "UTC".to_owned(),
            |name| match plenum_companion::calendar::is_zone(name) {
                true => Ok(name.to_owned()),
                false => Err("is no time zone".to_owned()),
            },
            "write a zone such as Europe/Berlin",
        ),
        states: states(reader),
    }
}

/// Keys of one entry of `[[companion.states]]`.
pub(super) const STATE_KEYS: [&str; 3] = ["id", "class", "text"];

/// `[[companion.states]]`
fn states(reader: &mut Reader) -> Vec<CustomState> {
    let mut states: Vec<CustomState> = Vec::new();
    for index in 0..reader.tables("companion.states") {
        let path = format!("companion.states[{index}]");
        let key = |name: &str| format!("{path}.{name}");
        let id = reader.parsed(
            &key("id"),
            String::new(),
            |id| match !id.is_empty() && id.len() <= 32 && id.chars().all(is_of_id) {
                true => Ok(id.to_owned()),
                false => Err("is no id".to_owned()),
            },
            "1 to 32 letters, digits, - and _",
        );
        let class = |word: &str| match Choice::of(word) {
            Some(choice) if choice != Choice::AppearOffline => Ok(choice),
            _ => Err("is no class".to_owned()),
        };
        let class = reader.parsed(
            &key("class"),
            Choice::Busy,
            class,
            "available, busy, do_not_disturb, be_right_back or away",
        );
        let text: Vec<_> = reader
            .list(&key("text"))
            .iter()
            .filter_map(|text| text.split_once('='))
            .map(|(language, text)| (language.trim().to_owned(), text.trim().to_owned()))
            .filter(|(language, text)| !language.is_empty() && !text.is_empty())
            .collect();
        if text.is_empty() {
            let remedy = r#"write texts by language: ["en=In court", "de=Vor Gericht"]"#;
            reader.fault(&key("text"), "", "has no text", remedy);
        } else if id.is_empty() || states.iter().any(|other| other.id == id) {
            reader.fault(
                &key("id"),
                &id,
                "is missing or another's",
                "give each state an id",
            );
        } else {
            states.push(CustomState { id, class, text });
        }
    }
    states
}

fn is_of_id(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
}
