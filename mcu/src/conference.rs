//! Conferences: who may enter which, and the focus task of each that has somebody in it.
//!
//! Called by signalling, telephony and REST. Owns the directory of running focuses; the roster's truth is the
//! focus's, see [`focus`].

mod act;
mod arrival;
mod aside;
mod audience;
mod channels;
mod dialling;
mod engagement;
mod entry;
mod focus;
mod handover;
mod keys;
mod leader;
mod limit;
mod lobby;
mod manners;
mod news;
mod order;
mod pairing;
mod passage;
mod personal;
mod picture;
mod pins;
mod podium;
mod policy;
mod present;
mod record;
mod room;
mod roster;
mod seat;
mod sending;
mod sound;
mod telling;
mod viewing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plenum_codecs::tone::beep;
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use aside::Wish;
pub(crate) use dialling::{DialOrder, Dialler, Outcall, Replacing};
pub(crate) use entry::{Admission, Credential, Refusal};
use focus::Focus;
pub(crate) use lobby::Gate;
pub(crate) use manners::{LONGEST_GRACE, MOST_VIDEO_KBPS};
pub use manners::{LobbyPolicy, Manners, WaitsFor};
pub(crate) use order::Denied;
pub(crate) use personal::Holder;
pub(crate) use pins::PinChange;
pub(crate) use present::Turn;
pub(crate) use record::{RecordOrder, RecordRefusal};
use seat::FocusHandle;
pub(crate) use seat::{
    Action, Command, Link, MediaHold, Newcomer, Notice, Order, Outgoing, Seat, Summary, Transfer,
};
pub(crate) use sending::Sendoff;

use plenum_companion::server::Presence;

use crate::auth::{Guard, Lockout, PinError, PinVerifier, Shut, Tokens};
use crate::composite::Composites;
use crate::config::ConferenceConfig;
use crate::media::{Clip, Media};
use crate::metrics::ControlMetrics;
use crate::prompts::PromptLibrary;
use crate::recording::Recorder;
use crate::signal::protocol::{DialIn, EndReason, ParticipantView, WaitingView};
use crate::store::{ConferenceRecord, Pins, Store, StoreError, now_ms};

/// Commands that wait for a focus; more are refused as overload.
const COMMANDS: usize = 1024;
/// About -25 dBFS: heard, not startling.
const TONE_AMPLITUDE: f64 = 2_600.0;
/// The longest time limit: a week.
pub(crate) const MOST_MINUTES: u32 = 7 * 24 * 60;
/// A focus that ends while somebody joins is opened anew this often.
const ATTEMPTS: usize = 3;

/// What conferences need from the rest of the server.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) store: Store,
    pub(crate) media: Media,
    pub(crate) pins: PinVerifier,
    pub(crate) guard: Guard,
    pub(crate) lockout: Lockout,
    pub(crate) tokens: Tokens,
    pub(crate) prompts: Arc<PromptLibrary>,
    pub(crate) tones: Tones,
    pub(crate) presence: Presence,
    pub(crate) recorder: Recorder,
    pub(crate) composites: Composites,
    pub(crate) metrics: ControlMetrics,
    pub(crate) config: ConferenceConfig,
    /// `host:port` of SIP, when phones may call.
    pub(crate) sip: Option<String>,
    /// The way to phones that are called, if there is one.
    pub(crate) dialler: Option<Dialler>,
    /// Number of the demo conference and its host's clip, once it is made.
    pub(crate) demo: Option<(String, watch::Receiver<Option<Clip>>)>,
}

/// Short sounds for coming and going, 48 kHz mono.
#[derive(Debug)]
pub(crate) struct Tones {
    pub(crate) entered: Arc<[i16]>,
    pub(crate) left: Arc<[i16]>,
    /// Speak after this.
    pub(crate) record: Arc<[i16]>,
}

impl Tones {
    /// Two notes, rising for who comes, falling for who goes.
    pub(crate) fn new() -> Self {
        let notes = |first, second| {
            [
                beep(first, TONE_AMPLITUDE, 90),
                beep(second, TONE_AMPLITUDE, 130),
            ]
            .concat()
            .into()
        };
        Self {
            entered: notes(523.25, 783.99),
            left: notes(783.99, 523.25),
            record: beep(1_000.0, TONE_AMPLITUDE, 300).into(),
        }
    }
}

impl Surroundings {
    /// How to dial into the conference of `number`.
    pub(crate) fn dial_in(&self, number: &str) -> Option<DialIn> {
        let sip = self.sip.as_ref()?;
        Some(DialIn {
            sip: format!("sip:{number}@{sip}"),
            conference: number.to_owned(),
            personal: false,
        })
    }
}

/// Why a conference could not be made, listed or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ConferenceError {
    /// The number, name or a PIN is not as it must be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The store failed or the number is taken.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A PIN could not be hashed.
    #[error(transparent)]
    Pin(#[from] PinError),
}

/// A conference to be made. What is absent is chosen.
#[derive(Clone, Default)]
pub struct NewConference {
    /// Name on the page.
    pub name: String,
    /// Number; else six random digits.
    pub number: Option<String>,
    /// Host's PIN; else six random digits.
    pub host_pin: Option<String>,
    /// Guests' PIN; else six random digits. Empty: guests need none.
    pub guest_pin: Option<String>,
    /// When they become wrong; `None`: never. Milliseconds since 1970.
    pub host_pin_expires_ms: Option<i64>,
    /// Likewise.
    pub guest_pin_expires_ms: Option<i64>,
    /// It ends so long after the first has come: 0, never; else as configured.
    pub max_minutes: Option<u32>,
    /// Who waits before it, and when it ends without its leader.
    pub manners: Manners,
    /// It is to call somebody.
    pub is_call: bool,
}

impl std::fmt::Debug for NewConference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewConference(redacted)")
    }
}

/// A conference just made, with its PINs for the only time.
#[derive(Clone)]
pub struct Created {
    /// As kept.
    pub record: ConferenceRecord,
    /// In clear.
    pub host_pin: String,
    /// In clear; `None` when guests need none.
    pub guest_pin: Option<String>,
}

impl std::fmt::Debug for Created {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Created(redacted)")
    }
}

/// Whether `text` can be a conference's number: 1 to 16 digits.
#[must_use]
pub fn is_number(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_pin(text: &str) -> bool {
    (4..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn require_manners(manners: Manners) -> Result<(), ConferenceError> {
    if manners
        .max_video_kbps
        .is_some_and(|most| most > MOST_VIDEO_KBPS)
    {
        return Err(ConferenceError::Invalid(
            "max_video_kbps must be 20000 at most, or 0 for as much as lines carry",
        ));
    }
    let grace = manners.end_with_leader_seconds;
    if grace.is_some_and(|grace| grace > LONGEST_GRACE) {
        return Err(ConferenceError::Invalid(
            "end_with_leader_seconds must be 3600 at most, or 0 for never",
        ));
    }
    Ok(())
}

/// Makes and keeps a conference. Needs no running server.
///
/// # Errors
/// When something given is not as it must be, the number is taken, or the store fails.
pub async fn create(
    store: &Store,
    pins: &PinVerifier,
    wanted: NewConference,
) -> Result<Created, ConferenceError> {
    let NewConference {
        name,
        number,
        host_pin,
        guest_pin,
        host_pin_expires_ms,
        guest_pin_expires_ms,
        max_minutes,
        manners,
        is_call,
    } = wanted;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(ConferenceError::Invalid(
            "the name must have 1 to 100 characters, none of them control characters",
        ));
    }
    if number.as_deref().is_some_and(|number| !is_number(number)) {
        return Err(ConferenceError::Invalid("the id must be 1 to 16 digits"));
    }
    if max_minutes.is_some_and(|minutes| minutes > MOST_MINUTES) {
        return Err(ConferenceError::Invalid(
            "max_minutes must be 10080 (a week) at most, or 0 for no limit",
        ));
    }
    require_manners(manners)?;
    for expires_ms in [host_pin_expires_ms, guest_pin_expires_ms] {
        personal::require_future(expires_ms, now_ms())?;
    }
    let open = guest_pin.as_deref() == Some("");
    let given = [host_pin.as_deref(), guest_pin.as_deref().filter(|_| !open)];
    let both_given = given.into_iter().flatten().count() == 2;
    if given.into_iter().flatten().any(|pin| !is_pin(pin)) {
        return Err(ConferenceError::Invalid("a PIN must be 4 to 16 digits"));
    }
    let random = || crate::secret::digits(6).map_err(PinError::from);
    let host_pin = host_pin.map_or_else(random, Ok)?;
    let mut guest_pin = if open {
        None
    } else {
        Some(guest_pin.map_or_else(random, Ok)?)
    };
    while guest_pin.as_ref() == Some(&host_pin) {
        if both_given {
            return Err(ConferenceError::Invalid(
                "host_pin and guest_pin must differ",
            ));
        }
        guest_pin = Some(random()?);
    }
    let hashes = Pins {
        host: Some(pins.hash(host_pin.clone()).await?),
        guest: match &guest_pin {
            Some(pin) => Some(pins.hash(pin.clone()).await?),
            None => None,
        },
        host_expires_ms: host_pin_expires_ms,
        guest_expires_ms: guest_pin_expires_ms,
    };
    for _ in 0..ATTEMPTS {
        let record = ConferenceRecord {
            id: ulid::Ulid::new().to_string(),
            number: number.clone().map_or_else(random, Ok)?,
            name: name.clone(),
            pins: hashes.clone(),
            max_minutes,
            manners,
            locked: false,
            is_call,
            created_ms: now_ms(),
        };
        match store.create(&record).await {
            Err(StoreError::NumberTaken) if number.is_none() => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                return Ok(Created {
                    record,
                    host_pin,
                    guest_pin,
                });
            }
        }
    }
    Err(StoreError::NumberTaken.into())
}

/// The server's conferences. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Conferences {
    around: Arc<Surroundings>,
    // The directory of running focuses, by ULID: read at every join, held for nanoseconds, never across an await.
    running: Arc<Mutex<HashMap<String, FocusHandle>>>,
}

impl Conferences {
    pub(crate) fn new(around: Surroundings) -> Self {
        Self {
            around: Arc::new(around),
            running: Arc::default(),
        }
    }

    pub(crate) fn around(&self) -> &Surroundings {
        &self.around
    }

    /// Lets `newcomer` in, opening the conference if nobody is in it.
    pub(crate) async fn join(
        &self,
        record: &ConferenceRecord,
        newcomer: Newcomer,
    ) -> Result<Seat, Refusal> {
        let mut newcomer = newcomer;
        for _ in 0..ATTEMPTS {
            let focus = self.open(record);
            let (reply, answer) = oneshot::channel();
            match focus.commands.try_send(Command::Join {
                newcomer: newcomer.clone(),
                reply,
            }) {
                Err(mpsc::error::TrySendError::Full(_)) => return Err(Refusal::Unavailable),
                Err(mpsc::error::TrySendError::Closed(_)) => {}
                // A dropped reply: the focus ended between. Once more, with a new one.
                Ok(()) => {
                    if let Ok(outcome) = answer.await {
                        return outcome;
                    }
                }
            }
            newcomer = newcomer.again();
            tokio::task::yield_now().await;
        }
        Err(Refusal::Unavailable)
    }

    /// Gives the bearer of `secret` its place back, if it still has one in the conference of `number`.
    pub(crate) async fn resume(
        &self,
        number: &str,
        secret: &str,
        link: mpsc::Sender<Outgoing>,
    ) -> Option<(ConferenceRecord, Seat)> {
        let focus = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running
                .values()
                .find(|focus| focus.record.number == number)?
                .clone()
        };
        let (reply, answer) = oneshot::channel();
        focus
            .commands
            .send(Command::Resume {
                secret: secret.to_owned(),
                link,
                reply,
            })
            .await
            .ok()?;
        Some((ConferenceRecord::clone(&focus.record), answer.await.ok()??))
    }

    /// What runs in the conference with ULID `id`; `None` when nobody is in it.
    pub(crate) async fn summary(&self, id: &str) -> Option<Summary> {
        self.ask(id, |reply| Command::Summary { reply }).await
    }

    /// Who is in the conference with ULID `id`; `None` when nobody is.
    pub(crate) async fn participants(&self, id: &str) -> Option<Vec<ParticipantView>> {
        self.ask(id, |reply| Command::Participants { reply }).await
    }

    /// Keys of presence of who is in the conference with ULID `id`; `None` when nobody is.
    pub(crate) async fn users(&self, id: &str) -> Option<Vec<String>> {
        self.ask(id, |reply| Command::Users { reply }).await
    }

    /// Whether the one whom `admission` names is in the conference already, by another way: there is a place then, whatever else.
    pub(crate) async fn is_in(&self, admission: &Admission) -> bool {
        let Some(user) = &admission.user else {
            return false;
        };
        let users = self.users(&admission.record.id).await;
        users.is_some_and(|users| users.contains(user))
    }

    /// Has `order` carried out in the conference with ULID `id`; `None` when nobody is in it.
    pub(crate) async fn order(&self, id: &str, order: Order) -> Option<Result<(), Denied>> {
        self.ask(id, |reply| Command::Order { order, reply }).await
    }

    /// Who waits in the lobby of the conference with ULID `id`; `None` when nobody is in it.
    pub(crate) async fn waiting(&self, id: &str) -> Option<Vec<WaitingView>> {
        self.ask(id, |reply| Command::Waiting { reply }).await
    }

    /// Keeps what `manners` says for the conference of `record`, and has it hold at once if that runs.
    pub(crate) async fn set_manners(
        &self,
        record: &ConferenceRecord,
        manners: Manners,
    ) -> Result<(), ConferenceError> {
        require_manners(manners)?;
        let manners = manners.over(record.manners);
        self.around
            .store
            .set_manners(&record.number, manners)
            .await?;
        // Nobody in it: whoever comes finds them in the store.
        let _ = self.order(&record.id, Order::Manners(manners)).await;
        Ok(())
    }

    /// Locks or unlocks the conference of `record`, whether anybody is in it or not, until it ends.
    pub(crate) async fn lock(&self, record: &ConferenceRecord, on: bool) -> Result<(), StoreError> {
        self.around.store.set_locked(&record.id, on).await?;
        // Nobody is in it, or it ends: what is kept counts.
        let _ = self.order(&record.id, Order::Lock(on)).await;
        Ok(())
    }

    /// Tells the hosts of the conference with ULID `id` that its door is shut to guessers.
    fn tell_shut(&self, id: &str, shut: Shut) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(focus) = running.get(id)
            && focus.commands.try_send(Command::Guessed { shut }).is_err()
        {
            tracing::warn!("conference is too busy to be told of guessed pins");
        }
    }

    /// The focus of the conference with ULID `id`, if it runs.
    fn focus(&self, id: &str) -> Option<FocusHandle> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(id).cloned()
    }

    async fn ask<T>(
        &self,
        id: &str,
        question: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let focus = self.focus(id)?;
        let (reply, answer) = oneshot::channel();
        focus.commands.send(question(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Records the conference with ULID `id` as ordered; gives the recording's id.
    pub(crate) async fn record(
        &self,
        id: &str,
        order: RecordOrder,
    ) -> Result<String, RecordRefusal> {
        let focus = self.focus(id).ok_or(RecordRefusal::Empty)?;
        let (reply, answer) = oneshot::channel();
        focus
            .commands
            .send(Command::Record { order, reply })
            .await
            .map_err(|_| RecordRefusal::Empty)?;
        answer.await.unwrap_or(Err(RecordRefusal::Empty))
    }

    /// Forgets the conference of `number` and ends it; `false` when there is none.
    pub(crate) async fn delete(&self, number: &str) -> Result<bool, ConferenceError> {
        let Some(record) = self.around.store.find(number).await? else {
            return Ok(false);
        };
        let deleted = self.around.store.delete(number).await?;
        if let Some(focus) = self.focus(&record.id) {
            // A focus that is gone has nobody to tell.
            let _ = focus
                .commands
                .send(Command::Close {
                    reason: EndReason::ConferenceEnded,
                })
                .await;
        }
        Ok(deleted)
    }

    /// Tells everybody that the server stops; returns when all focuses have ended or `deadline` is over.
    pub(crate) async fn stop(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        let running: Vec<_> = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for focus in &running {
            let close = focus.commands.send(Command::Close {
                reason: EndReason::ServerStopping,
            });
            // A focus that is gone, or too slow to hear it, is not waited for.
            let _ = tokio::time::timeout_at(until.into(), close).await;
        }
        for focus in running {
            let _ = tokio::time::timeout_at(until.into(), focus.commands.closed()).await;
        }
    }

    /// The focus of `record`, started if need be.
    fn open(&self, record: &ConferenceRecord) -> FocusHandle {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(focus) = running
            .get(&record.id)
            .filter(|focus| !focus.commands.is_closed())
        {
            return focus.clone();
        }
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let handle = FocusHandle {
            record: Arc::new(record.clone()),
            commands,
        };
        running.insert(record.id.clone(), handle.clone());
        let focus = Focus::new(
            Arc::clone(&self.around),
            Arc::clone(&handle.record),
            handle.commands.downgrade(),
        );
        let (directory, mine) = (Arc::clone(&self.running), handle.commands.downgrade());
        let id = record.id.clone();
        tokio::spawn(async move {
            focus.run(inbox).await;
            let mut running = directory.lock().unwrap_or_else(PoisonError::into_inner);
            // A successor may stand there already.
            let is_mine = |focus: &FocusHandle| {
                mine.upgrade()
                    .is_none_or(|mine| mine.same_channel(&focus.commands))
            };
            if running.get(&id).is_some_and(is_mine) {
                running.remove(&id);
            }
        });
        handle
    }
}
