//! Calls out of a conference: who may call whom, how many at once, and how far each is, for hosts to see. The calls themselves are
//! telephony's.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_dialin::attendant::{Language, PromptKey};
use plenum_dialin::trunk::{self, Proxy};
use plenum_dialin::{Digit, Replacement};
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
const BUSY: Denied = Denied::Unavailable("The server has as many calls to phones as it may.");
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
    /// Call this number in place of a call that they have already.
    Replace(String, Replacing),
    /// Send this participant's phone to this number or `sip:` address.
    SendAway(String, String),
}

/// Whose place a call takes, and the trunk that knows them.
#[derive(Clone)]
pub(crate) struct Replacing {
    pub(crate) replacement: Replacement,
    pub(crate) trunk: String,
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
    pub(crate) replacing: Option<Replacing>,
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
    /// Hosts of our trunks' far ends.
    places: Vec<String>,
    queue: mpsc::Sender<Outcall>,
}

impl Dialler {
    /// With the calls that it wants placed; `None` when no trunk takes calls of ours.
    pub(crate) fn new(
        terms: &DialOutConfig,
        trunks: &[TrunkConfig],
    ) -> Option<(Self, mpsc::Receiver<Outcall>)> {
        let ways = trunks.iter().filter_map(|trunk| trunk.outbound.as_ref());
        let places = ways.flat_map(|way| [way.domain.clone(), way.proxy.host.clone()]);
        let places: Vec<_> = places.collect();
        if places.is_empty() {
            return None;
        }
        let (queue, calls) = mpsc::channel(QUEUE);
        let dialler = Self {
            calls: Arc::new(Semaphore::new(terms.calls)),
            terms: terms.clone(),
            places,
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

    /// The number that `text` means, as a number or a `sip:` address, if it may be called, and where it is said to be.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub(super) fn target(&self, text: &str) -> Result<(String, Option<Proxy>), Denied> {
        let scheme = text.get(..4).filter(|it| it.eq_ignore_ascii_case("sip:"));
        let Some(rest) = scheme.and_then(|_| text.get(4..)) else {
            return Ok((self.number(text)?, None));
        };
        let unknown = Denied::Invalid("This is no SIP address of a phone number.");
        let (user, place) = rest.split_once('@').ok_or(unknown)?;
        let at: Proxy = place.parse().map_err(|_| unknown)?;
        if !self
            .places
            .iter()
            .any(|it| it.eq_ignore_ascii_case(&at.host))
        {
            return Err(Denied::Forbidden(
                "Phones are transferred to where this server's trunks lead, and nowhere else.",
            ));
        }
        Ok((self.number(user)?, Some(at)))
    }
}

/// Who is sent to the one called.
pub(super) struct Sent {
    pub(super) participant: String,
    pub(super) name: String,
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
    /// It is no call of ours but where a phone of ours is sent to.
    sent: Option<Sent>,
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
                transferred: dialled.sent.as_ref().map(|sent| sent.name.clone()),
            })
            .collect()
    }

    /// Whether this participant is on their way elsewhere.
    pub(super) fn sends(&self, participant: &str) -> bool {
        let mut sent = self.calls.iter().filter(|it| !it.state.is_over());
        sent.any(|it| {
            it.sent
                .as_ref()
                .is_some_and(|it| it.participant == participant)
        })
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
                self.place_call(&number, name, asker, None)
            }
            DialOrder::Replace(number, replacing) => {
                self.place_call(&number, None, asker, Some(replacing))
            }
            DialOrder::SendAway(participant, to) => self.send_away(&participant, &to),
            DialOrder::Again(call) => {
                let dialled = self.dialling.find(&call).ok_or(Denied::Nobody)?;
                if !dialled.state.is_over() {
                    return Err(Denied::Forbidden("This call is not over."));
                }
                if dialled.sent.is_some() {
                    return Err(Denied::Forbidden("A transfer is not repeated."));
                }
                let (number, name) = (dialled.number.clone(), dialled.given.clone());
                let again = self.place_call(&number, name, asker, None)?;
                self.dialling.calls.retain(|dialled| dialled.call != call);
                self.show_calls();
                Ok(again)
            }
            DialOrder::Cancel(call) => {
                let dialled = self.dialling.find(&call).ok_or(Denied::Nobody)?;
                if dialled.state.is_over() {
                    self.dialling.calls.retain(|dialled| dialled.call != call);
                    self.show_calls();
                } else if dialled.sent.is_some() {
                    return Err(Denied::Forbidden("A transfer cannot be taken back."));
                } else if let Some(cancel) = dialled.cancel.take() {
                    // A call that is gone meanwhile says so itself.
                    let _ = cancel.send(());
                }
                Ok(call)
            }
        }
    }

    pub(super) fn dialler(&self) -> Result<&Dialler, Denied> {
        self.around.dialler.as_ref().ok_or(Denied::Unavailable(
            "No trunk of this server takes calls to phones.",
        ))
    }

    /// Room for one more call.
    pub(super) fn permit_call(&self) -> Result<OwnedSemaphorePermit, Denied> {
        let dialler = self.dialler()?;
        let calls = self.dialling.calls.iter();
        if calls.filter(|it| !it.state.is_over()).count() >= dialler.terms.calls_per_conference {
            return Err(Denied::Unavailable(
                "This conference has as many calls to phones as it may.",
            ));
        }
        Arc::clone(&dialler.calls)
            .try_acquire_owned()
            .map_err(|_| BUSY)
    }

    fn place_call(
        &mut self,
        number: &str,
        given: Option<String>,
        asker: Option<String>,
        replacing: Option<Replacing>,
    ) -> Result<String, Denied> {
        let dialler = self.dialler()?;
        let number = dialler.number(number)?;
        let permit = self.permit_call()?;
        let (cancel, cancelled) = oneshot::channel();
        let call = format!("c_{}", ulid::Ulid::new());
        let dialled = Dialled {
            call: call.clone(),
            number: number.clone(),
            given,
            state: CallState::Calling,
            asker,
            told: None,
            sent: None,
            cancel: Some(cancel),
        };
        let outcall = Outcall {
            call: call.clone(),
            record: Arc::clone(&self.record),
            number,
            name: dialled.name(),
            language: self.common_language(),
            // Whom a phone has spoken to is no voice mail that picked up.
            confirm: dialler.terms.confirm && replacing.is_none(),
            ring: dialler.terms.ring,
            replacing,
            focus: self.commands.clone(),
            cancel: cancelled,
            permit,
        };
        dialler.queue.try_send(outcall).map_err(|_| BUSY)?;
        self.list(dialled);
        self.show_calls();
        Ok(call)
    }

    /// Lists where a phone of ours is sent to; gives the id of that.
    pub(super) fn list_call(&mut self, number: &str, sent: Sent) -> String {
        let call = format!("c_{}", ulid::Ulid::new());
        self.list(Dialled {
            call: call.clone(),
            number: number.to_owned(),
            given: None,
            state: CallState::Calling,
            asker: None,
            told: None,
            sent: Some(sent),
            cancel: None,
        });
        call
    }

    fn list(&mut self, dialled: Dialled) {
        let calls = &mut self.dialling.calls;
        if calls.len() >= LISTED {
            // One that goes on is somebody's still; how many do is bounded by the configuration.
            let over = calls.iter().position(|dialled| dialled.state.is_over());
            over.and_then(|over| calls.remove(over));
        }
        calls.push_back(dialled);
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
        let sent = dialled.sent.as_ref().map(|sent| sent.participant.clone());
        self.show_calls();
        if let Some(sent) = sent.filter(|_| state.is_over() && state != CallState::Transferred) {
            return self.came_back(&sent);
        }
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
    pub(super) fn show_calls(&mut self) {
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
