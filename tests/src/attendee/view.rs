//! A conference as the server shows it to a participant: the state that its messages add up to.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Somebody in the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Shown name.
    pub name: String,
    /// `browser`, `phone` or `host`.
    pub kind: String,
    /// `host` or `guest`.
    pub role: String,
    /// Nobody hears them.
    pub muted: bool,
    /// They send video.
    pub camera: bool,
    /// They talk now.
    pub talking: bool,
    /// Their hand is up.
    pub hand: bool,
    /// They share their screen.
    pub presenting: bool,
    /// They are here by the page, and speak and hear by phone.
    pub by_phone: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// One's own id.
    pub participant: String,
    /// Secret to come back with.
    pub resume: String,
    /// One's own role.
    pub role: String,
    /// What one waits for in the lobby.
    pub waits_for: Option<String>,
    /// Who waits in the lobby, as hosts are told: id and name.
    pub lobby: Vec<(String, String)>,
    /// No guest unmutes.
    pub audience_muted: bool,
    /// For how many seconds doors were shut to guessers, as hosts are told, in order; 0: until the PINs are others.
    pub guessed: Vec<u64>,
    /// A PIN of one's own for phones.
    pub phone_pin: Option<String>,
    /// Calls to phones, as hosts are told: id, name and state.
    pub calls: Vec<(String, String, String)>,
    /// Everybody, by id.
    pub roster: BTreeMap<String, Person>,
    /// Who speaks.
    pub floor: Option<String>,
    /// Guests stay out.
    pub locked: bool,
    /// Of the picture of all, where there is one.
    pub layout: Option<String>,
    /// `off`, `on` or `paused`.
    pub recording: String,
    /// Why recordings failed, in order.
    pub recordings_failed: Vec<String>,
    /// Video slots the server wishes.
    pub slots_wanted: usize,
    /// `mid` of each slot, from the last answer.
    pub slot_mids: Vec<String>,
    /// Who is in which slot: `mid` and participant.
    pub video: Vec<(String, Option<String>)>,
    /// Whose turn it is to present, and whether they have begun.
    pub turn: Option<(String, bool)>,
    /// Who waits for the turn.
    pub waiting: Vec<String>,
    /// Who came since one joined, in order.
    pub came: Vec<String>,
    /// Who went and why, in order.
    pub left: Vec<(String, String)>,
    /// How often something about somebody was different.
    pub changes: usize,
    /// Codes of errors, in order.
    pub errors: Vec<String>,
    /// Why the session is over.
    pub ended: Option<String>,
}

/// What a message asks of the client.
#[derive(Debug)]
pub(super) enum Task {
    /// Nothing.
    None,
    /// Take this answer.
    Answer(String),
    /// The offer was refused, or media was lost.
    Refused,
    /// Have this many video slots.
    Slots,
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no text: {value}"))
}

fn flag(value: &Value) -> Result<bool> {
    value.as_bool().with_context(|| format!("no flag: {value}"))
}

fn maybe(value: &Value) -> Result<Option<String>> {
    if value.is_null() {
        return Ok(None);
    }
    text(value).map(Some)
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("no list: {value}"))
}

fn person(value: &Value) -> Result<(String, Person)> {
    let person = Person {
        name: text(&value["name"])?,
        kind: text(&value["kind"])?,
        role: text(&value["role"])?,
        muted: flag(&value["muted"])?,
        camera: flag(&value["camera"])?,
        talking: flag(&value["talking"])?,
        hand: flag(&value["hand"])?,
        presenting: value["presenting"].as_bool().unwrap_or(false),
        by_phone: value["by_phone"].as_bool().unwrap_or(false),
    };
    Ok((text(&value["id"])?, person))
}

impl View {
    /// Takes a message of the server.
    pub(super) fn take(&mut self, message: &Value) -> Result<Task> {
        match text(&message["type"])?.as_str() {
            "joined" => self.joined(message)?,
            "waiting" => {
                self.participant = text(&message["participant"])?;
                self.resume = maybe(&message["resume"])?.unwrap_or(self.resume.clone());
                self.waits_for = Some(text(&message["waits_for"])?);
                self.roster.clear();
            }
            "lobby" => {
                let waiting = list(&message["waiting"])?.iter();
                self.lobby = waiting
                    .map(|one| Ok((text(&one["id"])?, text(&one["name"])?)))
                    .collect::<Result<_>>()?;
            }
            "answer" => {
                let mids = list(&message["slot_mids"])?;
                self.slot_mids = mids.iter().map(text).collect::<Result<_>>()?;
                return Ok(Task::Answer(text(&message["sdp"])?));
            }
            "camera_sizes" => {}
            "slots" => {
                let count = message["count"].as_u64().context("no count of slots")?;
                self.slots_wanted = usize::try_from(count)?;
                return Ok(Task::Slots);
            }
            "video" => {
                let slots = list(&message["slots"])?.iter();
                self.video = slots
                    .map(|slot| Ok((text(&slot["mid"])?, maybe(&slot["participant"])?)))
                    .collect::<Result<_>>()?;
            }
            "presenting" => {
                let begun = flag(&message["begun"])?;
                self.turn = maybe(&message["participant"])?.map(|id| (id, begun));
                let waiting = list(&message["waiting"])?.iter();
                self.waiting = waiting.map(text).collect::<Result<_>>()?;
            }
            kind @ ("participant_joined" | "participant_changed" | "participant_left") => {
                self.people(kind, message)?;
            }
            "floor" => self.floor = maybe(&message["participant"])?,
            "talking" => {
                let id = text(&message["participant"])?;
                let person = self.roster.get_mut(&id).context("a stranger talks")?;
                person.talking = flag(&message["on"])?;
            }
            "roster" => {
                let people = list(&message["participants"])?.iter();
                let people = people.map(person).collect::<Result<Vec<_>>>()?;
                self.roster.extend(people);
            }
            "changes" => {
                for change in list(&message["changes"])? {
                    self.take(change)?;
                }
            }
            "conference" => self.conference(&message["conference"])?,
            "recording_failed" => self.recordings_failed.push(text(&message["reason"])?),
            "pins_guessed" => {
                let seconds = message["closed_seconds"].as_u64();
                self.guessed.push(seconds.unwrap_or(0));
            }
            "phone_pin" => self.phone_pin = maybe(&message["pin"])?,
            "calls" => {
                let calls = list(&message["calls"])?.iter();
                let call = |call: &Value| -> Result<_> {
                    Ok((
                        text(&call["call"])?,
                        text(&call["name"])?,
                        text(&call["state"])?,
                    ))
                };
                self.calls = calls.map(call).collect::<Result<_>>()?;
            }
            "pong" | "whisper" | "time_left" => {}
            "error" => {
                let code = text(&message["code"])?;
                let refused = code == "negotiation_failed";
                self.errors.push(code);
                if refused {
                    return Ok(Task::Refused);
                }
            }
            "ended" => self.ended = Some(text(&message["reason"])?),
            other => bail!("a message of unknown type {other}"),
        }
        Ok(Task::None)
    }

    /// Somebody has come, is different or has gone.
    fn people(&mut self, kind: &str, message: &Value) -> Result<()> {
        if kind == "participant_left" {
            let id = text(&message["participant"])?;
            self.roster.remove(&id).context("a stranger left")?;
            self.left.push((id, text(&message["reason"])?));
            return Ok(());
        }
        let (id, person) = person(&message["participant"])?;
        if kind == "participant_joined" {
            self.came.push(id.clone());
            self.roster.insert(id, person);
        } else {
            self.roster
                .insert(id, person)
                .context("a stranger changed")?;
            self.changes += 1;
        }
        Ok(())
    }

    fn conference(&mut self, conference: &Value) -> Result<()> {
        self.locked = flag(&conference["locked"])?;
        self.audience_muted = conference["audience_muted"].as_bool().unwrap_or(false);
        self.recording = text(&conference["recording"])?;
        self.layout = maybe(&conference["layout"])?;
        Ok(())
    }

    fn joined(&mut self, message: &Value) -> Result<()> {
        self.participant = text(&message["participant"])?;
        self.resume = text(&message["resume"])?;
        self.waits_for = None;
        self.role = text(&message["role"])?;
        let roster = list(&message["roster"])?;
        self.roster = roster.iter().map(person).collect::<Result<_>>()?;
        self.floor = maybe(&message["floor"])?;
        self.conference(&message["conference"])?;
        self.roster
            .get(&self.participant)
            .context("not in one's own roster")?;
        Ok(())
    }

    /// Id of the participant with this name.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<&str> {
        let found = self.roster.iter().find(|(_, person)| person.name == name);
        found.map(|(id, _)| id.as_str())
    }

    /// The participant with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn person(&self, name: &str) -> Result<&Person> {
        let found = self.roster.values().find(|person| person.name == name);
        found.with_context(|| format!("no {name} in {:?}", self.roster))
    }

    /// Who is shown in any slot.
    #[must_use]
    pub fn shown(&self) -> Vec<&str> {
        let mut shown: Vec<&str> = self
            .video
            .iter()
            .filter_map(|(_, participant)| participant.as_deref())
            .collect();
        shown.sort_unstable();
        shown.dedup();
        shown
    }
}
