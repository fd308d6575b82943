//! The door: from number and credential to a role, in time that tells nothing and ever slower for guessers.

use std::time::Instant;

use super::{Conferences, is_number};
use crate::auth::{Attempt, GuardKey, Known, Role};
use crate::demo::RECORD_ID;
use crate::signal::protocol::ErrorCode;
use crate::store::{ConferenceRecord, PersonalPin, StoreError, now_ms};

/// What somebody shows at the door.
#[derive(Clone)]
pub(crate) enum Credential {
    Nothing,
    Pin(String),
    Token(String),
    /// The trunk is marked direct: it has asked itself.
    DirectTrunk,
}

/// Let in, so far: the focus still says whether there is room.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pub(crate) record: ConferenceRecord,
    pub(crate) role: Role,
    /// Name that the token fixes.
    pub(crate) name: Option<String>,
    /// User that the token names.
    pub(crate) user: Option<String>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such conference among those without a PIN.
    Unknown,
    /// A PIN is needed, or there is no such conference.
    PinNeeded,
    /// Wrong PIN or token, or no such conference.
    Wrong,
    Locked,
    Full,
    Unavailable,
}

impl Refusal {
    /// For browsers, with words for people.
    pub(crate) fn spoken(self) -> (ErrorCode, &'static str) {
        match self {
            Self::Unknown => (
                ErrorCode::ConferenceUnknown,
                "There is no conference of this number that needs no PIN.",
            ),
            Self::PinNeeded => (ErrorCode::WrongPin, "This conference asks for a PIN."),
            Self::Wrong => (
                ErrorCode::WrongPin,
                "The PIN or the conference number is wrong.",
            ),
            Self::Locked => (ErrorCode::Locked, "The conference is locked."),
            Self::Full => (ErrorCode::Full, "The conference is full."),
            Self::Unavailable => (
                ErrorCode::Unavailable,
                "The server cannot do this now. Please try again.",
            ),
        }
    }
}

fn unavailable(error: StoreError) -> Refusal {
    tracing::error!(%error, "store failed");
    Refusal::Unavailable
}

impl Conferences {
    /// Checks `credential` for the conference of `number`; `who` is slowed down by its wrong attempts.
    pub(crate) async fn admit(
        &self,
        number: &str,
        credential: Credential,
        who: GuardKey,
    ) -> Result<Admission, Refusal> {
        if !is_number(number) {
            return Err(Refusal::Unknown);
        }
        let around = self.around();
        // Held to the end: the next guess of the same caller or address begins when this one has been judged.
        let _turn = match &credential {
            Credential::Pin(_) => {
                let turn = around.guard.turn(who).await;
                Some(turn.ok_or(Refusal::Unavailable)?)
            }
            _ => None,
        };
        let record = around.store.find(number).await.map_err(|error| {
            tracing::error!(%error, "store failed");
            Refusal::Unavailable
        })?;
        // The demo's PINs are published: nobody has to guess them.
        let guarded = record.as_ref().filter(|record| record.id != RECORD_ID);
        let guarded = guarded.map(|record| record.id.clone());
        let is_known = match (&record, &credential) {
            (Some(record), Credential::Pin(pin)) => self.is_still_right(record, pin).await?,
            _ => false,
        };
        if !is_known {
            // Whoever has guessed wrongly waits for the next answer; others notice nothing. A PIN that is known to
            // be right does not wait, so that one guesser does not shut out a whole office behind one address.
            tokio::time::sleep(around.guard.delay(who, Instant::now())).await;
        }
        let Credential::Pin(pin) = &credential else {
            let outcome = self.judge(record, credential).await;
            if let Err(Refusal::Wrong) = outcome {
                around.guard.failed(who, Instant::now());
            }
            return outcome;
        };
        let attempt = match is_known {
            // Nothing to count, but a shut door is shut to all.
            true => {
                let open = around.lockout.is_open(who, guarded.as_deref(), now_ms());
                (!open.await).then_some(None)
            }
            false => {
                let begun = around.lockout.begin(who, guarded.as_deref(), now_ms());
                Some(begun.await.map_err(unavailable)?)
            }
        };
        match attempt {
            None => self.judge(record, credential).await,
            Some(None) => {
                // Shut: not looked at, and nothing tells so, neither the words nor the time.
                self.look(None, pin).await?;
                around.guard.failed(who, Instant::now());
                Err(Refusal::Wrong)
            }
            Some(Some(attempt)) => self.evaluate(record, credential, who, &attempt).await,
        }
    }

    /// Judges a PIN that has been counted as wrong, and takes that back if it was right.
    async fn evaluate(
        &self,
        record: Option<ConferenceRecord>,
        credential: Credential,
        who: GuardKey,
        attempt: &Attempt,
    ) -> Result<Admission, Refusal> {
        let around = self.around();
        let id = record.as_ref().map(|record| record.id.clone());
        let outcome = self.judge(record, credential).await;
        match &outcome {
            Err(Refusal::Wrong) => {
                around.guard.failed(who, Instant::now());
                let shut = around.lockout.wrong(attempt, now_ms()).await;
                if let (Some(shut), Some(id)) = (shut.map_err(unavailable)?, id) {
                    tracing::warn!(?shut, "too many wrong pins at one conference");
                    self.tell_shut(&id, shut);
                }
            }
            _ => around.lockout.right(attempt).await.map_err(unavailable)?,
        }
        outcome
    }

    async fn judge(
        &self,
        record: Option<ConferenceRecord>,
        credential: Credential,
    ) -> Result<Admission, Refusal> {
        let plain = |record, role| Admission {
            record,
            role,
            name: None,
            user: None,
        };
        match credential {
            Credential::DirectTrunk => record
                .map(|record| plain(record, Role::Guest))
                .ok_or(Refusal::Unknown),
            Credential::Nothing => match record {
                Some(record) if record.pins.guest.is_none() => Ok(plain(record, Role::Guest)),
                // Which of them is not said.
                _ => Err(Refusal::PinNeeded),
            },
            Credential::Token(token) => {
                let record = record.ok_or(Refusal::Wrong)?;
                let claims = self
                    .around()
                    .tokens
                    .check(&token, &record.id)
                    .map_err(|_| Refusal::Wrong)?;
                Ok(Admission {
                    record,
                    role: claims.role,
                    name: claims.name,
                    user: claims.sub,
                })
            }
            Credential::Pin(pin) => {
                let (role, own) = self.look(record.as_ref(), &pin).await?;
                match (record, role, own) {
                    (Some(record), Some(role), _) => Ok(plain(record, role)),
                    (Some(record), None, Some(own)) => Ok(Admission {
                        record,
                        role: own.role,
                        name: Some(own.name),
                        user: Some(own.user),
                    }),
                    _ => Err(Refusal::Wrong),
                }
            }
        }
    }

    /// Whether `pin` was right before and still is.
    async fn is_still_right(&self, record: &ConferenceRecord, pin: &str) -> Result<bool, Refusal> {
        let around = self.around();
        match around.pins.recall(record, pin) {
            None => Ok(false),
            Some(Known::Role(_)) => Ok(true),
            Some(Known::Own(hash)) => {
                let own = around.store.find_personal(&record.id, &hash, now_ms());
                Ok(own.await.map_err(unavailable)?.is_some())
            }
        }
    }

    /// What `pin` is in `record`: the role that it gives, or whose it is. Takes alike whatever it is, unless it is known to be right.
    async fn look(
        &self,
        record: Option<&ConferenceRecord>,
        pin: &str,
    ) -> Result<(Option<Role>, Option<PersonalPin>), Refusal> {
        let around = self.around();
        let known = record.and_then(|record| around.pins.recall(record, pin));
        let (role, hash) = match known {
            Some(Known::Role(role)) => return Ok((Some(role), None)),
            Some(Known::Own(hash)) => (None, hash),
            None => {
                let checked = around.pins.check(record, pin).await.map_err(|error| {
                    tracing::error!(%error, "pin check failed");
                    Refusal::Unavailable
                })?;
                (checked.role, checked.own.into())
            }
        };
        let conference = record.map_or("", |record| record.id.as_str());
        let own = around.store.find_personal(conference, &hash, now_ms());
        let own = own.await.map_err(unavailable)?;
        if let (Some(record), None, Some(_)) = (record, role, &own) {
            around.pins.remember(record, pin, Known::Own(hash));
        }
        Ok((role, own))
    }
}
