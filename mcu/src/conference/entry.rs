//! The door: from number and credential to a role, in time that tells nothing and ever slower for guessers.

use std::time::Instant;

use super::{Conferences, is_number};
use crate::auth::{GuardKey, Role};
use crate::signal::protocol::ErrorCode;
use crate::store::ConferenceRecord;

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
        let is_known = match (&record, &credential) {
            (Some(record), Credential::Pin(pin)) => around.pins.remembers(record, pin),
            _ => false,
        };
        if !is_known {
            // Whoever has guessed wrongly waits for the next answer; others notice nothing. A PIN that is known to
            // be right does not wait, so that one guesser does not shut out a whole office behind one address.
            tokio::time::sleep(around.guard.delay(who, Instant::now())).await;
        }
        let outcome = self.judge(record, credential).await;
        if let Err(Refusal::Wrong) = outcome {
            around.guard.failed(who, Instant::now());
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
                let role = self
                    .around()
                    .pins
                    .role(record.as_ref(), &pin)
                    .await
                    .map_err(|error| {
                        tracing::error!(%error, "pin check failed");
                        Refusal::Unavailable
                    })?;
                match (record, role) {
                    (Some(record), Some(role)) => Ok(plain(record, role)),
                    _ => Err(Refusal::Wrong),
                }
            }
        }
    }
}
