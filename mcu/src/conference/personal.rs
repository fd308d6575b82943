//! PINs of one person: made for whom, given out once, taken back. Where such a PIN leads is the door's and the focus's affair.

use super::{ConferenceError, Conferences, Surroundings};
use crate::auth::Role;
use crate::secret;
use crate::store::{ConferenceRecord, Kept, PersonalPin, now_ms};

/// Digits: two more than a conference's, as a guess may hit any of many.
const DIGITS: usize = 8;
/// A random PIN that is taken is drawn anew this often.
const DRAWS: usize = 5;
/// Longest name and key of presence, characters.
const LONGEST: usize = 100;

/// For whom a PIN is made.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// Key of presence; of somebody without one the id of the participant.
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// They are known by their place in the conference alone.
    pub(crate) passing: bool,
}

/// A PIN just made, with its digits for the only time.
pub(crate) struct Issued {
    pub(crate) pin: PersonalPin,
    pub(crate) digits: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issued(redacted)")
    }
}

/// Makes a PIN for `holder` in the conference of `record`, in place of the former one.
///
/// # Errors
/// When phones are asked for no PIN there, there are too many, or something given is not as it must be.
pub(super) async fn issue(
    around: &Surroundings,
    record: &ConferenceRecord,
    holder: Holder,
    expires_ms: Option<i64>,
) -> Result<Issued, ConferenceError> {
    let now = now_ms();
    if record.pins.guest.is_none() {
        return Err(ConferenceError::Invalid(
            "phones are asked for no PIN in this conference: give its guests one first",
        ));
    }
    let fits = |text: &str| {
        (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    if !fits(&holder.user) || !fits(&holder.name) {
        return Err(ConferenceError::Invalid(
            "user and name must have 1 to 100 characters, none of them control characters",
        ));
    }
    require_future(expires_ms, now)?;
    let pin = PersonalPin {
        id: format!("n_{}", ulid::Ulid::new()),
        user: holder.user,
        name: holder.name,
        role: holder.role,
        passing: holder.passing,
        created_ms: now,
        expires_ms,
    };
    for _ in 0..DRAWS {
        let digits = secret::digits(DIGITS).map_err(crate::auth::PinError::from)?;
        let checked = around.pins.check(Some(record), &digits).await?;
        if checked.role.is_some() {
            continue;
        }
        match around
            .store
            .keep_personal(&record.id, &pin, &checked.own)
            .await?
        {
            Kept::Yes => return Ok(Issued { pin, digits }),
            Kept::Taken => {}
            Kept::TooMany => {
                return Err(ConferenceError::Invalid(
                    "the conference has as many personal PINs as it may",
                ));
            }
        }
    }
    Err(ConferenceError::Invalid("no free PIN was found; try again"))
}

/// A moment at which a PIN expires lies ahead.
pub(super) fn require_future(expires_ms: Option<i64>, now: i64) -> Result<(), ConferenceError> {
    if expires_ms.is_some_and(|expires| expires <= now) {
        return Err(ConferenceError::Invalid(
            "a PIN must expire in the future, in milliseconds since 1970",
        ));
    }
    Ok(())
}

impl Conferences {
    /// Makes a PIN for `holder`, in place of the former one.
    pub(crate) async fn issue_pin(
        &self,
        record: &ConferenceRecord,
        holder: Holder,
        expires_ms: Option<i64>,
    ) -> Result<Issued, ConferenceError> {
        issue(self.around(), record, holder, expires_ms).await
    }
}
