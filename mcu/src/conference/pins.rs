//! Other PINs for a conference that there is, and when they expire.

use super::personal::require_future;
use super::{ConferenceError, Conferences, is_pin};
use crate::auth::Role;
use crate::store::{ConferenceRecord, now_ms};

/// Other PINs for a conference. What is absent stays.
#[derive(Clone, Default)]
pub(crate) struct PinChange {
    /// It holds for ever unless it is said until when.
    pub(crate) host_pin: Option<String>,
    /// Likewise; empty: guests need none.
    pub(crate) guest_pin: Option<String>,
    /// When the host's becomes wrong, milliseconds since 1970; 0: never.
    pub(crate) host_expires_ms: Option<i64>,
    /// Likewise.
    pub(crate) guest_expires_ms: Option<i64>,
}

impl PinChange {
    /// Nothing is to be different.
    pub(crate) fn is_empty(&self) -> bool {
        let pins = self.host_pin.is_some() || self.guest_pin.is_some();
        !pins && self.host_expires_ms.is_none() && self.guest_expires_ms.is_none()
    }
}

impl std::fmt::Debug for PinChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinChange(redacted)")
    }
}

impl Conferences {
    /// Keeps other PINs for the conference of `record`, and opens its doors.
    pub(crate) async fn set_pins(
        &self,
        record: &ConferenceRecord,
        change: PinChange,
    ) -> Result<(), ConferenceError> {
        let PinChange {
            host_pin,
            guest_pin,
            host_expires_ms,
            guest_expires_ms,
        } = change;
        for expires_ms in [host_expires_ms, guest_expires_ms] {
            require_future(expires_ms.filter(|moment| *moment != 0), now_ms())?;
        }
        let other = host_pin.is_some() || guest_pin.is_some();
        let given = [
            host_pin.as_deref(),
            guest_pin.as_deref().filter(|pin| !pin.is_empty()),
        ];
        if given.into_iter().flatten().any(|pin| !is_pin(pin)) {
            return Err(ConferenceError::Invalid("a PIN must be 4 to 16 digits"));
        }
        let verifier = &self.around.pins;
        // One that has expired may be made to hold again, and differs, too.
        let mut timeless = record.clone();
        timeless.pins.host_expires_ms = None;
        timeless.pins.guest_expires_ms = None;
        // What one PIN becomes must not be what the other is.
        if host_pin.is_some() && host_pin == guest_pin {
            return Err(ConferenceError::Invalid(
                "host_pin and guest_pin must differ",
            ));
        }
        for (pin, of_other) in [(&host_pin, Role::Guest), (&guest_pin, Role::Host)] {
            let Some(pin) = pin.as_ref().filter(|pin| !pin.is_empty()) else {
                continue;
            };
            let other_stays = match of_other {
                Role::Guest => guest_pin.is_none(),
                Role::Host => host_pin.is_none(),
            };
            let checked = verifier.check(Some(&timeless), pin).await?;
            if other_stays && checked.role == Some(of_other) {
                return Err(ConferenceError::Invalid(
                    "host_pin and guest_pin must differ",
                ));
            }
            let store = &self.around.store;
            let own = store.find_personal(&record.id, &checked.own, now_ms());
            if own.await?.is_some() {
                return Err(ConferenceError::Invalid("this PIN is somebody's own"));
            }
        }
        let mut pins = record.pins.clone();
        if let Some(pin) = host_pin {
            pins.host_expires_ms = None;
            pins.host = Some(verifier.hash(pin).await?);
        }
        if let Some(pin) = guest_pin {
            pins.guest_expires_ms = None;
            pins.guest = match pin.as_str() {
                "" => None,
                _ => Some(verifier.hash(pin).await?),
            };
        }
        let moment = |given: i64| (given != 0).then_some(given);
        if let Some(given) = host_expires_ms {
            pins.host_expires_ms = moment(given);
        }
        if let Some(given) = guest_expires_ms {
            pins.guest_expires_ms = moment(given);
        }
        self.around.store.set_pins(&record.number, &pins).await?;
        if other {
            self.around.lockout.rotated(&record.id).await?;
        }
        Ok(())
    }
}
