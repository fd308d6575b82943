//! The history of calls: `calls`, all of them or those with the words that somebody remembers.
//!
//! A call is found by its conversation's subject, room or people, a call to a phone by number and name, both by what the client noted.
//! Reads a part of the log at a time and stops after so much of it, so that no question holds the database for long.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{AnyPool, AssertSqlSafe};

use super::notes::{self, Note};
use super::phones::{self, PhoneCall};
use crate::server::Companion;
use crate::server::protocol::{Answer, EVENT_COLUMNS, Event, EventRow, Refusal};
use crate::server::socket::Client;
use crate::server::store::StoreError;
use crate::words::{line, runs};

/// Calls in one answer.
const PAGE: i64 = 100;
/// Calls to phones in one answer.
const PHONES: i64 = 1_000;
/// Events that are read at once while words are looked for.
const PIECE: i64 = 500;
/// Events that one question looks at.
const LOOKED_AT: usize = 5_000;
/// Longest query, bytes.
const QUERY: usize = 500;

/// What somebody remembers: words that must all be there, by their beginnings.
pub(super) struct Wanted {
    words: Vec<String>,
    digits: String,
}

impl Wanted {
    /// # Errors
    /// `bad_request` for more than 500 bytes.
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        if query.len() > QUERY {
            return Err(Refusal::bad("A query has at most 500 bytes."));
        }
        let words = runs(query).into_iter().map(|run| {
            let start = if run.spaceless { "" } else { " " };
            format!("{start}{}", run.text)
        });
        Ok(Self {
            words: words.collect(),
            digits: digits(query),
        })
    }

    fn is_all(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether all words begin a word of `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let line = line(text);
        self.words.iter().all(|word| line.contains(word.as_str()))
    }

    /// Whether the query is a part of a number: three digits or more, and nothing else but what numbers are written with.
    fn is_number(&self, query: &str, phone: &str) -> bool {
        self.digits.len() >= 3
            && query.chars().all(|c| !c.is_alphabetic())
            && digits(phone).contains(&self.digits)
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `calls`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calls {
    query: Option<String>,
    before: Option<i64>,
    limit: Option<i64>,
}

pub(super) async fn calls(client: &mut Client, request: Calls) -> Answer {
    client.rate.take()?;
    let query = request.query.unwrap_or_default();
    let wanted = Wanted::parse(&query)?;
    let limit = request.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let before = request.before.unwrap_or(i64::MAX);
    let reader = client.companion.store.reader().clone();
    let me = client.user.id.clone();
    let mine = notes::of(&reader, &me).await?;
    let (events, next) = if wanted.is_all() {
        page(&reader, &me, before, limit).await?
    } else {
        let places = places(&reader, &me).await?;
        let noted = Noted::new(&mine);
        let is_meant = |event: &Event| {
            let named = places.get(&event.conversation).map_or("", String::as_str);
            wanted.is_in(&format!("{named}\n{}", noted.about(event)))
        };
        search(&reader, &me, before, limit, is_meant).await?
    };
    let phones = phones::made(&reader, &me, next.unwrap_or(0), before, PHONES).await?;
    let (events, next) = no_older(events, &phones, next);
    let phones: Vec<PhoneCall> = phones
        .into_iter()
        .filter(|call| {
            let note = mine
                .iter()
                .find(|note| note.phone_call.as_deref() == Some(&call.id));
            let note = note.map_or("", |note| note.text.as_str());
            wanted.is_in(&format!("{}\n{}\n{note}", call.name, call.phone))
                || wanted.is_number(&query, &call.phone)
        })
        .collect();
    let told: Vec<Note> = told(mine, &events, &phones);
    let mut answer =
        json!({"events": events, "more": next.is_some(), "phones": phones, "notes": told});
    if let (Value::Object(fields), Some(next)) = (&mut answer, next) {
        fields.insert("next".to_owned(), next.into());
    }
    Ok(answer)
}

/// A part of somebody's history, the newest first.
pub(crate) struct History {
    /// Of calls in conversations, each with what its conversation is called.
    pub(crate) events: Vec<(Event, String)>,
    pub(crate) phones: Vec<PhoneCall>,
    notes: Vec<Note>,
    /// The `before` of the next part.
    pub(crate) next: Option<i64>,
}

impl History {
    /// What was noted about the call that `event` began.
    pub(crate) fn note_on(&self, event: &Event) -> Option<&str> {
        let mut notes = self.notes.iter();
        let note = notes.find(|note| {
            note.conversation.as_ref() == Some(&event.conversation) && note.seq == Some(event.seq)
        });
        note.map(|note| note.text.as_str())
    }

    /// What was noted about a call to a phone.
    pub(crate) fn note_on_phone(&self, id: &str) -> Option<&str> {
        let mut notes = self.notes.iter();
        let note = notes.find(|note| note.phone_call.as_deref() == Some(id));
        note.map(|note| note.text.as_str())
    }
}

/// The history of `me` before `before`, for an export.
///
/// # Errors
/// When the database fails.
pub(crate) async fn past_calls(
    companion: &Companion,
    me: &str,
    before: i64,
) -> Result<History, StoreError> {
    let reader = companion.store.reader();
    let (events, next) = page(reader, me, before, PIECE).await?;
    let phones = phones::made(reader, me, next.unwrap_or(0), before, PHONES).await?;
    let (events, next) = no_older(events, &phones, next);
    let places = places(reader, me).await?;
    let named = events.into_iter().map(|event| {
        let place = places.get(&event.conversation);
        let place = place.map_or_else(String::new, |place| place.trim().replace('\n', ", "));
        (event, place)
    });
    Ok(History {
        events: named.collect(),
        phones,
        notes: notes::of(reader, me).await?,
        next,
    })
}

/// Events of calls before `before`, the newest first, and the `before` of the next page.
type Found = (Vec<Event>, Option<i64>);

/// Where there were too many calls to phones for one answer, what is older than the last of them is left to the next.
fn no_older(mut events: Vec<Event>, phones: &[PhoneCall], next: Option<i64>) -> Found {
    let most = usize::try_from(PHONES).unwrap_or(usize::MAX);
    match phones.last() {
        Some(last) if phones.len() >= most => {
            events.retain(|event| event.ts >= last.ts);
            (events, Some(last.ts))
        }
        _ => (events, next),
    }
}

async fn page(reader: &AnyPool, me: &str, before: i64, limit: i64) -> Result<Found, StoreError> {
    let mut events = read(reader, me, before, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = events.len() > wanted;
    events.truncate(wanted);
    let next = events.last().map(|event| event.ts).filter(|_| more);
    Ok((events, next))
}

async fn search(
    reader: &AnyPool,
    me: &str,
    before: i64,
    limit: i64,
    is_meant: impl Fn(&Event) -> bool,
) -> Result<Found, Refusal> {
    let wanted = usize::try_from(limit).unwrap_or(0);
    let mut found = Vec::new();
    let mut before = before;
    let mut looked_at = 0;
    while looked_at < LOOKED_AT {
        let piece = read(reader, me, before, PIECE).await?;
        let Some(last) = piece.last().map(|event| event.ts) else {
            return Ok((found, None));
        };
        looked_at += piece.len();
        for event in piece {
            if is_meant(&event) {
                found.push(event);
                if found.len() == wanted {
                    let next = found.last().map(|event| event.ts);
                    return Ok((found, next));
                }
            }
        }
        before = last;
    }
    Ok((found, Some(before)))
}

async fn read(
    reader: &AnyPool,
    me: &str,
    before: i64,
    most: i64,
) -> Result<Vec<Event>, StoreError> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM readers m JOIN events e ON e.conversation = m.conversation WHERE m.user_id = $1 \
         AND e.kind = 'call' AND e.seq > m.from_seq AND e.ts < $2 ORDER BY e.ts DESC LIMIT $3"
    );
    let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(me.to_owned())
        .bind(before)
        .bind(most)
        .fetch_all(reader)
        .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}

/// By conversation of `me` what it is called and, but for rooms, who is in it.
async fn places(reader: &AnyPool, me: &str) -> Result<HashMap<String, String>, StoreError> {
    let called: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.conversation, COALESCE(r.name, c.subject) FROM readers m JOIN conversations c ON c.id = m.conversation \
         LEFT JOIN rooms r ON r.conversation = m.conversation WHERE m.user_id = $1",
    )
    .bind(me.to_owned())
    .fetch_all(reader)
    .await?;
    let people: Vec<(String, String)> = sqlx::query_as(
        "SELECT o.conversation, u.name || ' ' || u.login FROM readers m JOIN conversations c ON c.id = m.conversation \
         JOIN members o ON o.conversation = c.id JOIN users u ON u.id = o.user_id \
         WHERE m.user_id = $1 AND c.kind <> 'room' AND o.user_id <> m.user_id",
    )
    .bind(me.to_owned())
    .fetch_all(reader)
    .await?;
    let mut places: HashMap<String, String> = called.into_iter().collect();
    for (conversation, name) in people {
        if let Some(place) = places.get_mut(&conversation) {
            place.push('\n');
            place.push_str(&name);
        }
    }
    Ok(places)
}

/// Notes by what they are about.
struct Noted<'a> {
    by_call: HashMap<(&'a str, &'a str), &'a str>,
    by_conversation: HashMap<&'a str, &'a str>,
}

impl<'a> Noted<'a> {
    fn new(notes: &'a [Note]) -> Self {
        let mut by_call = HashMap::new();
        let mut by_conversation = HashMap::new();
        for note in notes {
            let text = note.text.as_str();
            match (&note.conversation, &note.conference) {
                (Some(place), Some(conference)) => {
                    by_call.insert((place.as_str(), conference.as_str()), text);
                }
                (Some(place), None) => {
                    by_conversation.insert(place.as_str(), text);
                }
                (None, _) => {}
            }
        }
        Self {
            by_call,
            by_conversation,
        }
    }

    /// What was noted about the call of `event` and its conversation.
    fn about(&self, event: &Event) -> String {
        let place = event.conversation.as_str();
        let conference = conference(event).unwrap_or_default();
        let on_call = self.by_call.get(&(place, conference.as_str()));
        let on_talk = self.by_conversation.get(place);
        let both: Vec<&str> = on_call.into_iter().chain(on_talk).copied().collect();
        both.join("\n")
    }
}

fn conference(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        conference: Option<String>,
    }
    let body: Body = serde_json::from_str(event.body.get()).ok()?;
    body.conference
}

/// Those of `notes` that are about what is told.
fn told(notes: Vec<Note>, events: &[Event], phones: &[PhoneCall]) -> Vec<Note> {
    let calls: HashSet<(&str, String)> = events
        .iter()
        .filter_map(|event| Some((event.conversation.as_str(), conference(event)?)))
        .collect();
    let about = |note: &Note| match (&note.conversation, &note.conference, &note.phone_call) {
        (Some(place), Some(conference), _) => calls.contains(&(place.as_str(), conference.clone())),
        (_, _, Some(id)) => phones.iter().any(|call| call.id == *id),
        _ => false,
    };
    let told = notes.into_iter().filter(about);
    told.collect()
}
