//! The mail of an export: its head (RFC 5322, RFC 2047), the transcript's lines, and base64 (RFC 2045) as it comes.
//!
//! Pure; knows no database.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_builder::headers::Header as _;
use mail_builder::headers::address::Address;
use mail_builder::headers::date::Date;
use mail_builder::headers::text::Text;
use serde::Deserialize;

use crate::server::protocol::{Event, Kind};

/// Bytes of one line of base64, which has 76 characters then.
const LINE: usize = 57;

/// The head of the mail. Addresses end in `.invalid` (RFC 2606): nobody's real address leaves with it.
pub(super) fn head(
    id: &str,
    subject: &str,
    created_ms: i64,
    from: Option<(&str, &str)>,
    people: &[(&str, &str)],
) -> Vec<u8> {
    let address = |(name, login): &(&str, &str)| {
        Address::new_address(Some((*name).to_owned()), mailbox(login))
    };
    let from = from.as_ref().map_or_else(
        || Address::new_address(None::<String>, mailbox("plenum")),
        address,
    );
    let names: Vec<&str> = people.iter().map(|(name, _)| *name).collect();
    let subject = if subject.is_empty() {
        names.join(", ")
    } else {
        subject.to_owned()
    };
    let to: Vec<Address<'_>> = people.iter().map(address).collect();
    let mut head = Vec::new();
    head.extend_from_slice(b"From: ");
    from.write_header(&mut head, 6);
    head.extend_from_slice(b"To: ");
    Address::new_list(to).write_header(&mut head, 4);
    head.extend_from_slice(b"Subject: ");
    Text::new(subject).write_header(&mut head, 9);
    head.extend_from_slice(b"Date: ");
    Date::new(created_ms.div_euclid(1000)).write_header(&mut head, 6);
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    head.extend_from_slice(
        format!(
            "Message-ID: <{id}@plenum.invalid>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        )
        .as_bytes(),
    );
    head
}

/// A login as the local part of an address that is nobody's.
fn mailbox(login: &str) -> String {
    let local: String = login
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("{}@plenum.invalid", local.trim_matches('.'))
}

#[derive(Deserialize, Default)]
struct Body {
    text: Option<String>,
    subject: Option<String>,
    topic: Option<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    media: Vec<String>,
    state: Option<String>,
    #[serde(default)]
    missed: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
}

/// The lines of `event` in a transcript; nothing for what is no word to anybody (reactions).
pub(super) fn transcript(event: &Event, name: impl Fn(&str) -> String) -> Option<String> {
    let body: Body = serde_json::from_str(event.body.get()).unwrap_or_default();
    let who = name(&event.sender);
    let names = |ids: &[String]| ids.iter().map(|id| name(id)).collect::<Vec<_>>().join(", ");
    let target = event.target.unwrap_or_default();
    let said = match event.kind {
        Kind::Text => {
            let files: Vec<String> = body
                .files
                .into_iter()
                .filter_map(|file| file.name)
                .collect();
            let mut text = body.text.unwrap_or_default();
            if !files.is_empty() {
                text.push_str(&format!(" [{}]", files.join(", ")));
            }
            format!("{who}: {text}")
        }
        Kind::Ink => format!("{who} drew."),
        Kind::Edit => format!(
            "{who} (#{target} edited): {}",
            body.text.unwrap_or_default()
        ),
        Kind::Delete if event.target == Some(event.seq) => return None,
        Kind::Delete => format!("{who} deleted #{target}."),
        Kind::React => return None,
        Kind::Join => format!("In it: {}", names(&body.users)),
        Kind::Leave => format!("No longer in it: {}", names(&body.users)),
        Kind::Change => {
            let parts: Vec<String> = body.subject.into_iter().chain(body.topic).collect();
            format!("{who} changed the conversation: {}", parts.join(", "))
        }
        Kind::Call => {
            let missed = if body.missed.is_empty() {
                String::new()
            } else {
                format!(", missed by {}", names(&body.missed))
            };
            let with = if body.users.is_empty() {
                String::new()
            } else {
                format!(", with {}", names(&body.users))
            };
            format!(
                "Call ({}) {}{with}{missed}",
                body.media.join(", "),
                body.state.unwrap_or_default()
            )
        }
    };
    let at = at(event.ts);
    Some(format!("#{} [{at}] {}\r\n", event.seq, indented(&said)))
}

/// The line of a call to a phone.
pub(super) fn phone(phone: &str, name: &str, ts: i64) -> String {
    let name = if name.is_empty() { phone } else { name };
    format!("{name} [{}] Call to {phone}\r\n", at(ts))
}

/// A time in UTC.
fn at(ts: i64) -> String {
    let at = Timestamp::from_millisecond(ts).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The line of a note of whoever exports, below what it is about.
pub(super) fn note(text: &str) -> String {
    format!("    Note: {}\r\n", indented(text))
}

/// Further lines stand further in.
fn indented(text: &str) -> String {
    text.replace('\r', "").replace('\n', "\r\n    ")
}

/// Base64 in lines, of bytes that come piece by piece.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    rest: Vec<u8>,
}

impl Encoder {
    /// Takes `bytes`; whole lines go to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() / LINE * LINE;
        let mut rest = self.rest.split_off(whole);
        std::mem::swap(&mut self.rest, &mut rest);
        for line in rest.chunks(LINE) {
            out.extend_from_slice(STANDARD.encode(line).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The last line.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut line = STANDARD.encode(std::mem::take(&mut self.rest)).into_bytes();
        line.extend_from_slice(b"\r\n");
        line
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_subjects_of_any_kind_make_one_head() {
        let head = head(
            "01J",
            "Pläne\r\nBcc: x@y.example",
            0,
            Some(("Ada \"A\" <x>", "ada")),
            &[("李 明", "li.ming"), ("Bob", "b@b")],
        );
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("From: "), "{head}");
        assert!(
            head.contains("<ada@plenum.invalid>") && head.contains("<b_b@plenum.invalid>"),
            "{head}"
        );
        assert!(!head.contains("\r\nBcc:"), "{head}");
        assert!(
            head.contains("Thu, 1 Jan 1970") || head.contains("Thu, 01 Jan 1970"),
            "{head}"
        );
        assert!(head.ends_with("base64\r\n\r\n"), "{head}");
        assert!(
            head.is_ascii() && head.lines().all(|line| line.len() <= 200),
            "{head}"
        );
    }

    proptest! {
        #[test]
        fn base64_in_pieces_is_base64_of_the_whole(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8)) {
            let mut encoder = Encoder::default();
            let mut out = Vec::new();
            for piece in &pieces {
                encoder.push(piece, &mut out);
            }
            out.extend(encoder.finish());
            let text = String::from_utf8(out).unwrap();
            prop_assert!(text.lines().all(|line| line.len() <= 76));
            prop_assert_eq!(STANDARD.decode(text.replace("\r\n", "")).unwrap(), pieces.concat());
        }
    }
}
