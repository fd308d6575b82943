//! Calls out of a conference: who may call whom, how many at once, and how far each is, for hosts to see. The calls themselves are
//! telephony's.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_dialin::Digit;
use plenum_dialin::attendant::{Language, PromptKey};
use plenum_dialin::trunk;
use plenum_mixer::LegId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::Conferences;
use super::focus::Focus;
use super::order::Denied;
use super::roster::Participant;
use super::seat::{Command, Link};
use crate::config::{DialOutConfig, TrunkConfig};
use crate::media::clock;
use crate::signal::calls::{CallState, CallView};
use crate::signal::protocol::ServerMessage;
use crate::store::ConferenceRecord;
use crate::telephony::shown;

/// Calls that may wait for telephony; further ones are refused.
const QUEUE: usize = 64;
/// Calls that hosts see; the oldest that is over makes room.
const LISTED: usize = 50;
/// Longest name.
const MAX_NAME: usize = 40;
/// Keys of a number come within this of each other.
const NEXT_KEY: Duration = Duration::from_secs(15);
/// Longest number as keyed.
const MAX_KEYS: usize = 24;

/// What a host or the API wants of calls.
#[derive(Clone)]
pub(crate) enum DialOrder {
    /// Call this number; whoever it is shall be named so.
    Call(String, Option<String>),
    /// Call again.
    Again(String),
    /// Take it back, or hang up; forget one that is over.
    Cancel(String),
}

impl fmt::Debug for DialOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DialOrder(redacted)")
    }
}

/// A call to be placed.
pub(crate) struct Outcall {
    /// Its id.
    pub(crate) call: String,
    pub(crate) record: Arc<ConferenceRecord>,
    /// As [`Dialler::number`] gave it.
    pub(crate) number: String,
    /// How whoever picks up is named.
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) confirm: bool,
    pub(crate) ring: Duration,
    /// The focus, which hears how far it is.
    pub(crate) focus: mpsc::WeakSender<Command>,
    /// Resolves when it is wanted no more, the end of the conference included.
    pub(crate) cancel: oneshot::Receiver<()>,
    #[expect(
        dead_code,
        reason = "counts the call among the node's for as long as it lives"
    )]
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The way to telephony, and what may be called. There is one if some trunk takes calls of ours.
#[derive(Debug)]
pub(crate) struct Dialler {
    terms: DialOutConfig,
    calls: Arc<Semaphore>,
    queue: mpsc::Sender<Outcall>,
}

impl Dialler {
    /// With the calls that it wants placed; `None` when no trunk takes calls of ours.
    pub(crate) fn new(
        terms: &DialOutConfig,
        trunks: &[TrunkConfig],
    ) -> Option<(Self, mpsc::Receiver<Outcall>)> {
        if !trunks.iter().any(|trunk| trunk.outbound.is_some()) {
            return None;
        }
        let (queue, calls) = mpsc::channel(QUEUE);
        let dialler = Self {
            calls: Arc::new(Semaphore::new(terms.calls)),
            terms: terms.clone(),
            queue,
        };
        Some((dialler, calls))
    }

    /// The number that `text` means, if it may be called.
    ///
    /// # Errors
    /// [`Denied::Invalid`] and [`Denied::Forbidden`].
    pub(crate) fn number(&self, text: &str) -> Result<String, Denied> {
        let number = trunk::number(text, &self.terms.rules)
            .ok_or(Denied::Invalid("This is no phone number."))?;
        let allow = &self.terms.allow;
        if !allow.iter().any(|prefix| number.starts_with(prefix)) {
            return Err(Denied::Forbidden("Numbers that begin so cannot be called."));
        }
        Ok(number)
    }
}

/// One call of a conference.
struct Dialled {
    call: String,
    number: String,
    given: Option<String>,
    state: CallState,
    /// Who ordered it by keys, and hears what becomes of it.
    asker: Option<String>,
    /// Who asked for it by REFER hears how far it is.
    told: Option<watch::Sender<CallState>>,
    /// Dropped or used: it is wanted no more.
    cancel: Option<oneshot::Sender<()>>,
}

impl Dialled {
    fn name(&self) -> String {
        let given = self.given.as_deref().unwrap_or_default();
        shown(given, &self.number)
    }
}

/// All calls of a conference, the oldest first, and the numbers that are being keyed. Debug shows neither.
#[derive(Default)]
pub(super) struct Dialling {
    calls: VecDeque<Dialled>,
    keying: HashMap<LegId, (String, MediaTime)>,
}

impl fmt::Debug for Dialling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialling(redacted)")
    }
}

impl Dialling {
    pub(super) fn views(&self) -> Vec<CallView> {
        let calls = self.calls.iter();
        calls
            .map(|dialled| CallView {
                call: dialled.call.clone(),
                name: dialled.name(),
                state: dialled.state,
            })
            .collect()
    }

    fn find(&mut self, call: &str) -> Option<&mut Dialled> {
        self.calls.iter_mut().find(|dialled| dialled.call == call)
    }
}

impl Conferences {
    /// Has an order about calls carried out in the conference with ULID `id`; gives the call, `None` when nobody is in it.
    pub(crate) async fn dial(&self, id: &str, order: DialOrder) -> Option<Result<String, Denied>> {
        self.ask(id, |reply| Command::Dial { order, reply }).await
    }

    /// Calls out of the conference with ULID `id`; `None` when nobody is in it.
    pub(crate) async fn calls(&self, id: &str) -> Option<Vec<CallView>> {
        self.ask(id, |reply| Command::Calls { reply }).await
    }
}

impl Focus {
    /// Carries out an order about calls; gives the call that it is about.
    pub(super) fn order_call(
        &mut self,
        order: DialOrder,
        asker: Option<String>,
    ) -> Result<String, Denied> {
        match order {
            DialOrder::Call(number, name) => {
                let name = name.map(|name| tidy(&name)).filter(|name| !name.is_empty());
                self.place_call(&number, name, asker)
            }
            DialOrder::Again(call) => {
                let dialled = self.dialling.find(&call).ok_or(Denied::Nobody)?;
                if !dialled.state.is_over() {
                    return Err(Denied::Forbidden("This call is not over."));
                }
                let (number, name) = (dialled.number.clone(), dialled.given.clone());
                let again = self.place_call(&number, name, asker)?;
                self.dialling.calls.retain(|dialled| dialled.call != call);
                self.show_calls();
                Ok(again)
            }
            DialOrder::Cancel(call) => {
                let dialled = self.dialling.find(&call).ok_or(Denied::Nobody)?;
                if dialled.state.is_over() {
                    self.dialling.calls.retain(|dialled| dialled.call != call);
                    self.show_calls();
                } else if let Some(cancel) = dialled.cancel.take() {
                    // A call that is gone meanwhile says so itself.
                    let _ = cancel.send(());
                }
                Ok(call)
            }
        }
    }

    fn place_call(
        &mut self,
        number: &str,
        given: Option<String>,
        asker: Option<String>,
    ) -> Result<String, Denied> {
        let around = Arc::clone(&self.around);
        let dialler = around.dialler.as_ref().ok_or(Denied::Unavailable(
            "No trunk of this server takes calls to phones.",
        ))?;
        let number = dialler.number(number)?;
        let calls = &mut self.dialling.calls;
        let running = calls.iter().filter(|dialled| !dialled.state.is_over());
        if running.count() >= dialler.terms.calls_per_conference {
            return Err(Denied::Unavailable(
                "This conference has as many calls to phones as it may.",
            ));
        }
        if calls.len() >= LISTED {
            let over = calls.iter().position(|dialled| dialled.state.is_over());
            calls.remove(over.unwrap_or(0));
        }
        let busy = Denied::Unavailable("The server has as many calls to phones as it may.");
        let permit = Arc::clone(&dialler.calls)
            .try_acquire_owned()
            .map_err(|_| busy)?;
        let (cancel, cancelled) = oneshot::channel();
        let call = format!("c_{}", ulid::Ulid::new());
        let dialled = Dialled {
            call: call.clone(),
            number: number.clone(),
            given,
            state: CallState::Calling,
            asker,
            told: None,
            cancel: Some(cancel),
        };
        let outcall = Outcall {
            call: call.clone(),
            record: Arc::clone(&self.record),
            number,
            name: dialled.name(),
            language: self.common_language(),
            confirm: dialler.terms.confirm,
            ring: dialler.terms.ring,
            focus: self.commands.clone(),
            cancel: cancelled,
            permit,
        };
        dialler.queue.try_send(outcall).map_err(|_| busy)?;
        self.dialling.calls.push_back(dialled);
        self.show_calls();
        Ok(call)
    }

    /// A phone wants somebody else called in its place, which hosts may.
    pub(super) fn refer(
        &mut self,
        participant: &str,
        order: DialOrder,
        told: watch::Sender<CallState>,
    ) -> Result<(), Denied> {
        if !self.roster.get(participant).is_some_and(Participant::leads) {
            return Err(Denied::Forbidden("Only hosts call phones."));
        }
        let call = self.order_call(order, None)?;
        if let Some(dialled) = self.dialling.find(&call) {
            dialled.told = Some(told);
        }
        Ok(())
    }

    /// A call is so far now.
    pub(super) fn call_progressed(&mut self, call: &str, state: CallState) {
        let Some(dialled) = self.dialling.find(call) else {
            return;
        };
        if dialled.state.is_over() {
            return;
        }
        dialled.state = state;
        if let Some(told) = &dialled.told {
            told.send_replace(state);
        }
        if state.is_over() {
            dialled.cancel = None;
        }
        let asker = dialled.asker.clone();
        self.show_calls();
        let words = match state {
            CallState::Busy => PromptKey::CallBusy,
            CallState::NoAnswer | CallState::NotConfirmed => PromptKey::CallNoAnswer,
            CallState::Refused => PromptKey::CallRefused,
            CallState::Unreachable | CallState::Failed => PromptKey::CallFailed,
            _ => return,
        };
        let leg = asker.and_then(|asker| self.roster.get(&asker)?.ear());
        if let Some(leg) = leg {
            self.say(leg, words);
        }
    }

    /// Shows hosts which calls there are.
    fn show_calls(&mut self) {
        let hosts = self.roster.iter().filter(|person| person.leads());
        let hosts: Vec<_> = hosts
            .filter(|person| matches!(person.link, Link::Session(_)))
            .map(|person| person.id.clone())
            .collect();
        let calls = self.dialling.views();
        let message = ServerMessage::Calls { calls };
        for host in hosts {
            self.tell(&host, &message);
        }
    }

    /// The same to one host who has just come, when there is something to tell.
    pub(super) fn brief_calls(&mut self, host: &str) {
        let is_host = self.roster.get(host).is_some_and(Participant::leads);
        if is_host && !self.dialling.calls.is_empty() {
            let calls = self.dialling.views();
            self.tell(host, &ServerMessage::Calls { calls });
        }
    }

    /// A host on the phone is going to key a number.
    pub(super) fn begin_number(&mut self, leg: LegId) {
        if self.around.dialler.is_none() {
            return self.say(leg, PromptKey::CallFailed);
        }
        let fresh = (String::new(), clock::now());
        self.dialling.keying.insert(leg, fresh);
        self.say(leg, PromptKey::EnterNumber);
    }

    /// Takes a key of a number; `false` when none is being keyed.
    pub(super) fn key_number(&mut self, participant: &str, leg: LegId, digit: Digit) -> bool {
        let now = clock::now();
        let Some((keys, last)) = self.dialling.keying.get_mut(&leg) else {
            return false;
        };
        let stale = now.since(*last) > NEXT_KEY;
        *last = now;
        let key = digit.as_char();
        if stale || key == '*' {
            self.dialling.keying.remove(&leg);
            return !stale;
        }
        if key.is_ascii_digit() {
            if keys.len() < MAX_KEYS {
                keys.push(key);
            }
            return true;
        }
        let keys = std::mem::take(keys);
        self.dialling.keying.remove(&leg);
        let asker = Some(participant.to_owned());
        let words = match self.order_call(DialOrder::Call(keys, None), asker) {
            Ok(_) => PromptKey::Calling,
            Err(_) => PromptKey::CallFailed,
        };
        self.say(leg, words);
        true
    }

    /// Whoever had this leg keys no more.
    pub(super) fn forget_number(&mut self, leg: LegId) {
        self.dialling.keying.remove(&leg);
    }
}

/// One line of visible characters, not too long.
fn tidy(name: &str) -> String {
    let visible = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    let name: String = visible.take(MAX_NAME).collect();
    name.trim().to_owned()
}
