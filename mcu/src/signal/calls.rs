//! How calls out of a conference are shown to its hosts and in the API. Wire types only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A call out of the conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallView {
    /// Its id.
    pub call: String,
    /// The name that was given, or the number with its middle hidden.
    pub name: String,
    /// How far it is.
    pub state: CallState,
    /// Who was sent there, where it is no call of the conference's but a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred: Option<String>,
}

/// How far a call out of a conference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// It is being placed.
    Calling,
    /// It rings.
    Ringing,
    /// Somebody or something picked up and is asked to press 1.
    Answered,
    /// They are in the conference.
    Joined,
    /// Busy.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// They declined.
    Refused,
    /// Whatever picked up did not press 1.
    NotConfirmed,
    /// There is no such number, or nobody is reached by it.
    Unreachable,
    /// It could not be placed.
    Failed,
    /// A host has taken it back.
    Cancelled,
    /// They were in the conference, and are gone. Of a transfer: whoever was to be transferred has hung up before.
    Ended,
    /// They have answered whoever was sent to them, who has left the conference.
    Transferred,
}

impl CallState {
    /// Whether nothing more will come of it.
    pub(crate) const fn is_over(self) -> bool {
        !matches!(
            self,
            Self::Calling | Self::Ringing | Self::Answered | Self::Joined
        )
    }

    /// Label of metrics, out of a bounded set.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Joined => "joined",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::NotConfirmed => "not_confirmed",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
            Self::Transferred => "transferred",
        }
    }
}
