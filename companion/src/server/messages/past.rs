//! The history of calls: `calls`, all of them or those with the words that somebody remembers.
//!
//! A call is found by its conversation's subject, room or people, a call to a phone by number and name, both by what the client noted.
//! A question looks at so many calls and leaves older ones to the next. To find the newest of them the database goes through all calls of
//! the client's conversations, once for a question and once for a part of an export.

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
/// Events that one question looks at, or that are one part of an export: read once, as each reading goes through all older ones.
const PIECE: i64 = 5_000;
/// Longest query, bytes.
const QUERY: usize = 500;

/// What somebody remembers: words that must all be there, by their beginnings.
pub(super) struct Wanted {
    words: Vec<String>,
    digits: String,
    /// Nothing is asked: all is meant. Where something is asked that has no words, nothing is.
    is_blank: bool,
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
            is_blank: query.trim().is_empty(),
        })
    }

    /// Whether all words begin a word of `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        if self.words.is_empty() {
            return self.is_blank;
        }
        self.missing(text).is_empty()
    }

    /// The words that begin none of `text`.
    fn missing(&self, text: &str) -> Vec<&str> {
        let line = line(text);
        let words = self.words.iter().map(String::as_str);
        words.filter(|word| !line.contains(word)).collect()
    }

    /// By conversation the words that are still to be found in what is noted about its calls.
    fn missing_by_place<'a>(
        &'a self,
        places: &'a HashMap<String, Place>,
        noted: &Noted<'_>,
    ) -> HashMap<&'a str, Vec<&'a str>> {
        let missing = places.iter().map(|(id, place)| {
            let note = noted.by_conversation.get(id.as_str());
            let text = format!("{}\n{}", place.words(), note.copied().unwrap_or_default());
            (id.as_str(), self.missing(&text))
        });
        missing.collect()
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
    let noted = Noted::new(&mine);
    let (events, next) = if wanted.is_blank {
        page(&reader, &me, before, limit).await?
    } else if wanted.words.is_empty() {
        (Vec::new(), None)
    } else {
        let places = places(&reader, &me).await?;
        let missing = wanted.missing_by_place(&places, &noted);
        let is_meant = |event: &Event| match missing.get(event.conversation.as_str()) {
            Some(words) if words.is_empty() => true,
            Some(words) => noted.on_call(event).is_some_and(|note| {
                let line = line(note);
                words.iter().all(|word| line.contains(word))
            }),
            None => false,
        };
        search(&reader, &me, before, limit, is_meant).await?
    };
    let phones = phones::made(&reader, &me, next.unwrap_or(0), before, PHONES).await?;
    let (events, next) = no_older(events, &phones, next);
    let phones: Vec<PhoneCall> = phones
        .into_iter()
        .filter(|call| {
            let note = noted.on_phone(&call.id).unwrap_or_default();
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
pub(crate) struct Part {
    /// Of calls in conversations.
    pub(crate) events: Vec<Event>,
    pub(crate) phones: Vec<PhoneCall>,
    /// The `before` of the next part.
    pub(crate) next: Option<i64>,
}

/// What somebody's history is told with: what their conversations are called, and their notes.
pub(crate) struct Legend {
    places: HashMap<String, Place>,
    notes: Vec<Note>,
}

impl Legend {
    /// # Errors
    /// When the database fails.
    pub(crate) async fn read(companion: &Companion, me: &str) -> Result<Self, StoreError> {
        let reader = companion.store.reader();
        Ok(Self {
            places: places(reader, me).await?,
            notes: notes::of(reader, me).await?,
        })
    }

    /// What a conversation is called, or who else is in it.
    pub(crate) fn title(&self, conversation: &str) -> String {
        let place = self.places.get(conversation);
        place.map_or_else(String::new, Place::title)
    }

    pub(crate) fn noted(&self) -> Noted<'_> {
        Noted::new(&self.notes)
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
) -> Result<Part, StoreError> {
    let reader = companion.store.reader();
    let (events, next) = page(reader, me, before, PIECE).await?;
    let phones = phones::made(reader, me, next.unwrap_or(0), before, PHONES).await?;
    let (events, next) = no_older(events, &phones, next);
    Ok(Part {
        events,
        phones,
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
    let piece = read(reader, me, before, PIECE).await?;
    let most = usize::try_from(PIECE).unwrap_or(usize::MAX);
    let last = piece.last().map(|event| event.ts);
    let older = last.filter(|_| piece.len() >= most);
    let mut found = Vec::new();
    for event in piece {
        if is_meant(&event) {
            found.push(event);
            if found.len() == wanted {
                let next = found.last().map(|event| event.ts);
                return Ok((found, next));
            }
        }
    }
    Ok((found, older))
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

/// What a conversation is called and, but for rooms, who else is in it: names and logins.
struct Place {
    called: String,
    people: Vec<(String, String)>,
}

impl Place {
    fn title(&self) -> String {
        if !self.called.is_empty() {
            return self.called.clone();
        }
        let names: Vec<&str> = self.people.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    /// What a search looks at.
    fn words(&self) -> String {
        let people = self
            .people
            .iter()
            .map(|(name, login)| format!("\n{name} {login}"));
        people.fold(self.called.clone(), |words, one| words + &one)
    }
}

/// The conversations of `me`.
async fn places(reader: &AnyPool, me: &str) -> Result<HashMap<String, Place>, StoreError> {
    let called: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.conversation, COALESCE(r.name, c.subject) FROM readers m JOIN conversations c ON c.id = m.conversation \
         LEFT JOIN rooms r ON r.conversation = m.conversation WHERE m.user_id = $1",
    )
    .bind(me.to_owned())
    .fetch_all(reader)
    .await?;
    let people: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT o.conversation, u.name, u.login FROM readers m JOIN conversations c ON c.id = m.conversation \
         JOIN members o ON o.conversation = c.id JOIN users u ON u.id = o.user_id \
         WHERE m.user_id = $1 AND c.kind <> 'room' AND o.user_id <> m.user_id ORDER BY u.name, u.login",
    )
    .bind(me.to_owned())
    .fetch_all(reader)
    .await?;
    let place = |called: String| Place {
        called,
        people: Vec::new(),
    };
    let mut places: HashMap<String, Place> = called
        .into_iter()
        .map(|(id, called)| (id, place(called)))
        .collect();
    for (conversation, name, login) in people {
        if let Some(place) = places.get_mut(&conversation) {
            place.people.push((name, login));
        }
    }
    Ok(places)
}

/// Notes by what they are about.
pub(crate) struct Noted<'a> {
    by_call: HashMap<(&'a str, &'a str), &'a Note>,
    by_conversation: HashMap<&'a str, &'a str>,
    by_phone: HashMap<&'a str, &'a str>,
}

impl<'a> Noted<'a> {
    fn new(notes: &'a [Note]) -> Self {
        let mut by_call = HashMap::new();
        let mut by_conversation = HashMap::new();
        let mut by_phone = HashMap::new();
        for note in notes {
            let text = note.text.as_str();
            match (&note.conversation, &note.conference, &note.phone_call) {
                (Some(place), Some(conference), _) => {
                    by_call.insert((place.as_str(), conference.as_str()), note);
                }
                (Some(place), None, _) => {
                    by_conversation.insert(place.as_str(), text);
                }
                (None, _, Some(call)) => {
                    by_phone.insert(call.as_str(), text);
                }
                (None, _, None) => {}
            }
        }
        Self {
            by_call,
            by_conversation,
            by_phone,
        }
    }

    fn call(&self, event: &Event) -> Option<&'a Note> {
        let conference = conference(event)?;
        let call = (event.conversation.as_str(), conference.as_str());
        self.by_call.get(&call).copied()
    }

    /// What was noted about the call of `event`.
    fn on_call(&self, event: &Event) -> Option<&'a str> {
        self.call(event).map(|note| note.text.as_str())
    }

    /// What was noted about the call that `event` began.
    pub(crate) fn on_beginning(&self, event: &Event) -> Option<&'a str> {
        let note = self.call(event).filter(|note| note.seq == Some(event.seq));
        note.map(|note| note.text.as_str())
    }

    /// What was noted about a call to a phone.
    pub(crate) fn on_phone(&self, call: &str) -> Option<&'a str> {
        self.by_phone.get(call).copied()
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
    let dialled: HashSet<&str> = phones.iter().map(|call| call.id.as_str()).collect();
    let about = |note: &Note| match (&note.conversation, &note.conference, &note.phone_call) {
        (Some(place), Some(conference), _) => calls.contains(&(place.as_str(), conference.clone())),
        (_, _, Some(id)) => dialled.contains(id.as_str()),
        _ => false,
    };
    let told = notes.into_iter().filter(about);
    told.collect()
}
