//! What a viewer sees, as messages and REST name it. No behaviour.

use plenum_mixer::Viewing;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Cameras as they come.
    Cameras,
    /// One picture of all, composed by the server.
    Composite,
    /// No video.
    Nothing,
}

impl From<View> for Viewing {
    fn from(view: View) -> Self {
        match view {
            View::Cameras => Self::Cameras,
            View::Composite => Self::Composite,
            View::Nothing => Self::Nothing,
        }
    }
}
