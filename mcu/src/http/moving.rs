//! `/api/v1/conferences/{id}/participants/{participant}/move`: a phone goes to another conference; `…/transfer`: it goes elsewhere.

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::calls::OrderedCall;
use super::problem::Problem;
use super::running::key;
use crate::conference::DialOrder;

/// Where somebody goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    /// Id of the other conference.
    conference: String,
}

/// Whom a phone is sent to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferTo {
    /// A number, or the `sip:` address of one.
    to: String,
}

pub(super) fn routes() -> Router<Api> {
    let of_phone = |what: &str| format!("/conferences/{{id}}/participants/{{participant}}/{what}");
    Router::new()
        .route(&of_phone("move"), post(move_phone))
        .route(&of_phone("transfer"), post(transfer))
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

/// Has a phone call somebody else in place of the conference (REFER), and hangs up when they have answered. What comes of it stands among the
/// conference's calls.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/participants/{participant}/transfer", security(("key" = [])),
    request_body = TransferTo, responses((status = 202, body = OrderedCall), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem, description = "They are no phone, or the number may not be called."),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn transfer(
    State(api): State<Api>,
    Path((id, participant)): Path<(String, String)>,
    body: Result<Json<TransferTo>, JsonRejection>,
) -> Result<(StatusCode, Json<OrderedCall>), Problem> {
    let Json(TransferTo { to }) = body?;
    let key = key(&api, &id).await?;
    let order = DialOrder::SendAway(participant, to);
    let nobody = || Problem::new(StatusCode::CONFLICT, "Nobody is in this conference now.");
    let call = api.conferences.dial(&key, order).await;
    let call = call.ok_or_else(nobody)??;
    Ok((StatusCode::ACCEPTED, Json(OrderedCall { call })))
}
