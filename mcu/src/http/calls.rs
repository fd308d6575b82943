//! `/api/v1/conferences/{id}/calls`: calls out of a conference with somebody in it.

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use super::running::key;
use crate::conference::{Denied, DialOrder};
use crate::signal::calls::CallView;

/// A phone to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    /// Its number.
    number: String,
    /// How whoever picks up is named; else by the number, in part.
    name: Option<String>,
}

/// A call just ordered.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderedCall {
    /// Its id.
    pub(super) call: String,
}

/// Calls, the oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct CallsBody {
    calls: Vec<CallView>,
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/conferences/{id}/calls", get(list).post(call))
        .route("/conferences/{id}/calls/{call}", delete(cancel))
}

async fn order(api: &Api, id: &str, order: DialOrder) -> Result<String, Problem> {
    let key = key(api, id).await?;
    let outcome = api.conferences.dial(&key, order).await;
    let outcome = outcome
        .ok_or_else(|| Problem::new(StatusCode::CONFLICT, "Nobody is in this conference now."))?;
    outcome.map_err(|denied| match denied {
        Denied::Nobody => Problem::new(StatusCode::NOT_FOUND, "There is no such call."),
        other => other.into(),
    })
}

/// Shows calls to phones and what became of them.
#[utoipa::path(get, path = "/api/v1/conferences/{id}/calls", security(("key" = [])), responses(
    (status = 200, body = CallsBody), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<CallsBody>, Problem> {
    let key = key(&api, &id).await?;
    let calls = api.conferences.calls(&key).await.unwrap_or_default();
    Ok(Json(CallsBody { calls }))
}

/// Calls a phone. Whoever picks up is asked to press 1 and is in.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/calls", request_body = NewCall, security(("key" = [])), responses(
    (status = 202, body = OrderedCall), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem, description = "Nobody is in the conference, or the number may not be called."),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn call(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<NewCall>, JsonRejection>,
) -> Result<(StatusCode, Json<OrderedCall>), Problem> {
    let Json(NewCall { number, name }) = body?;
    let call = order(&api, &id, DialOrder::Call(number, name)).await?;
    Ok((StatusCode::ACCEPTED, Json(OrderedCall { call })))
}

/// Takes a call back, hangs up, or forgets one that is over.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/calls/{call}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Path((id, call)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    order(&api, &id, DialOrder::Cancel(call)).await?;
    Ok(StatusCode::NO_CONTENT)
}
