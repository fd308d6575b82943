//! `/api/v1/conferences/{id}/participants/{participant}/move`: a phone goes to another conference.

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use super::running::key;

/// Where somebody goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    /// Id of the other conference.
    conference: String,
}

pub(super) fn routes() -> Router<Api> {
    Router::new().route(
        "/conferences/{id}/participants/{participant}/move",
        post(move_phone),
    )
}

/// Moves a phone to another conference without hanging up, past its PIN, lock and lobby. Name, role and mute go along; the participant's id is
/// another one there.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/participants/{participant}/move", security(("key" = [])),
    request_body = Destination, responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn move_phone(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
    body: Result<Json<Destination>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(Destination { conference }) = body?;
    let from = key(&api, &id).await?;
    let to = api.conferences.around().store.find(&conference).await?;
    let to = to.ok_or_else(Problem::no_conference)?;
    api.conferences.move_phone(&from, &participant, &to).await?;
    Ok(StatusCode::NO_CONTENT)
}
