//! `/api/v1/presence/{user}`: what others see of somebody, and somebody's own wish.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use plenum_companion::presence::{Choice, Class, State as Presence};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;

/// Longest key of a user, bytes.
const MAX_USER: usize = 128;

/// Somebody's presence.
#[derive(Serialize, ToSchema)]
pub(super) struct PresenceBody {
    user: String,
    /// `available`, `in_conference`, …
    #[schema(value_type = String)]
    presence: Presence,
    /// Colour of the state.
    #[schema(value_type = String)]
    class: Class,
}

/// Somebody's wish.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WishBody {
    /// `available`, `busy`, `do_not_disturb`, `be_right_back`, `away`, `appear_offline`; null clears it.
    #[schema(value_type = Option<String>)]
    manual: Option<Choice>,
    /// It lapses after this long.
    life_seconds: Option<u64>,
}

/// What others see of a user: the `user` of a join token, else the participant's id.
#[utoipa::path(get, path = "/api/v1/presence/{user}", security(("key" = [])), responses(
    (status = 200, body = PresenceBody), (status = 401, body = Problem)))]
pub(super) async fn show(State(api): State<Api>, Path(user): Path<String>) -> Json<PresenceBody> {
    let presence = api.conferences.around().presence.state(&user);
    Json(PresenceBody {
        user,
        presence,
        class: presence.class(),
    })
}

/// Sets or clears a user's own wish.
#[utoipa::path(put, path = "/api/v1/presence/{user}", request_body = WishBody, security(("key" = [])), responses(
    (status = 200, body = PresenceBody), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn set(
    State(api): State<Api>,
    Path(user): Path<String>,
    body: Result<Json<WishBody>, JsonRejection>,
) -> Result<Json<PresenceBody>, Problem> {
    let Json(WishBody {
        manual,
        life_seconds,
    }) = body?;
    if user.len() > MAX_USER {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The user's key is too long.",
        ));
    }
    let wish = manual.map(|choice| (choice, life_seconds.map(Duration::from_secs)));
    if !api.conferences.around().presence.wish(&user, wish) {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people are remembered.",
        ));
    }
    Ok(show(State(api), Path(user)).await)
}
