//! Who may do what: PINs, their guard against guessing, API keys, join tokens.
//!
//! Called by conferences, signalling and REST; knows no transport and no roster.

mod guard;
mod keys;
mod lockout;
mod pins;
mod tokens;

use serde::{Deserialize, Serialize};

pub(crate) use guard::network;
pub use guard::{Door, Guard, GuardKey, Turn};
pub use keys::{ApiKeyError, ApiKeys};
pub use lockout::{Attempt, Lockout, Shut, Tally};
pub use pins::{Checked, Known, PinError, PinVerifier};
pub use tokens::{Claims, TokenError, Tokens};

/// What a participant may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May mute and remove others, lock and end.
    Host,
    /// May not.
    Guest,
}
