//! `/api/v1/conferences/{id}/pins`: PINs of one person each, who are shown as themselves when they call with it.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::auth::Role;
use crate::conference::Holder;
use crate::signal::protocol::Digits;
use crate::store::{ConferenceRecord, PersonalPin};

/// For whom a PIN is made; their former one in this conference ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinRequest {
    /// User of presence: a phone that keys the PIN is one participant with the page of the same user.
    user: String,
    /// How they are shown, 1 to 100 characters.
    name: String,
    /// What it lets them do; absent: as a guest.
    role: Option<Role>,
    /// From then on it is wrong, milliseconds since 1970; absent: never.
    expires_ms: Option<i64>,
}

/// A personal PIN, without its digits.
#[derive(Serialize, ToSchema)]
pub(super) struct PinBody {
    /// Its id.
    pin: String,
    user: String,
    name: String,
    role: Role,
    /// Milliseconds since 1970.
    created_ms: i64,
    /// Milliseconds since 1970; null: never.
    expires_ms: Option<i64>,
}

/// A PIN just made: its digits are shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedBody {
    #[serde(flatten)]
    pin: PinBody,
    /// To be keyed after the conference's number.
    digits: Digits,
}

/// All personal PINs of a conference, the oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct PinsBody {
    pins: Vec<PinBody>,
}

impl From<PersonalPin> for PinBody {
    fn from(pin: PersonalPin) -> Self {
        Self {
            pin: pin.id,
            user: pin.user,
            name: pin.name,
            role: pin.role,
            created_ms: pin.created_ms,
            expires_ms: pin.expires_ms,
        }
    }
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/conferences/{id}/pins", get(list).post(issue))
        .route("/conferences/{id}/pins/{pin}", delete(revoke))
}

async fn record(api: &Api, id: &str) -> Result<ConferenceRecord, Problem> {
    let record = api.conferences.around().store.find(id).await?;
    record.ok_or_else(Problem::no_conference)
}

/// Lists personal PINs, without their digits.
#[utoipa::path(get, path = "/api/v1/conferences/{id}/pins", security(("key" = [])), responses(
    (status = 200, body = PinsBody), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<PinsBody>, Problem> {
    let record = record(&api, &id).await?;
    let pins = api.conferences.around().store.personal(&record.id).await?;
    let pins = pins.into_iter().map(PinBody::from).collect();
    Ok(Json(PinsBody { pins }))
}

/// Makes a PIN of one person, in place of their former one.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/pins", request_body = PinRequest, security(("key" = [])), responses(
    (status = 201, body = IssuedBody), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn issue(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<PinRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(PinRequest {
        user,
        name,
        role,
        expires_ms,
    }) = body?;
    let record = record(&api, &id).await?;
    let holder = Holder {
        user,
        name,
        role: role.unwrap_or(Role::Guest),
        passing: false,
    };
    let issued = api
        .conferences
        .issue_pin(&record, holder, expires_ms)
        .await?;
    let body = Json(IssuedBody {
        pin: issued.pin.into(),
        digits: Digits(issued.digits),
    });
    let never_kept = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, never_kept, body).into_response())
}

/// Takes a personal PIN back; whoever came by it stays.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/pins/{pin}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Path((id, pin)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let record = record(&api, &id).await?;
    let store = &api.conferences.around().store;
    if store.revoke_personal(&record.id, &pin).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        let none = "There is no such PIN.";
        Err(Problem::new(StatusCode::NOT_FOUND, none))
    }
}
