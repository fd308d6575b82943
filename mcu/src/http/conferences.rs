//! `/api/v1/conferences`: make, list, look at, forget; and tokens to join them.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::problem::Problem;
use crate::auth::Role;
use crate::conference::{self, LobbyPolicy, Manners, NewConference};
use crate::config::VideoPolicy;
use crate::signal::protocol::{DialIn, RecordingState};
use crate::store::ConferenceRecord;

/// Conferences on one page at most.
const PAGE: u32 = 100;
/// Life of a token whose maker names none, seconds.
const TOKEN_LIFE: u64 = 3600;

/// A conference to be made; what is absent is chosen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// Name on the page, 1 to 100 characters.
    name: String,
    /// Number to dial and type, 1 to 16 digits.
    id: Option<String>,
    /// 4 to 16 digits.
    host_pin: Option<String>,
    /// 4 to 16 digits; empty: guests need none.
    guest_pin: Option<String>,
    /// When the hosts' PIN becomes wrong, milliseconds since 1970; absent: never.
    host_pin_expires_ms: Option<i64>,
    /// When the guests' PIN becomes wrong, milliseconds since 1970; absent: never.
    guest_pin_expires_ms: Option<i64>,
    /// It ends so many minutes after the first has come; 0: never; absent: as configured. A week at most.
    max_minutes: Option<u32>,
    /// Whether guests wait in the lobby until a host admits them; absent: as configured.
    lobby: Option<LobbyPolicy>,
    /// Whether guests wait until a host is in; absent: as configured.
    wait_for_leader: Option<bool>,
    /// It ends so many seconds after its last host has gone, 3600 at most; 0: never; absent: as configured.
    end_with_leader_seconds: Option<u32>,
    /// What viewers get who have not chosen; `off`: no video at all. Absent: as configured.
    video: Option<VideoPolicy>,
    /// Kilobits per second of video that each viewer is sent at most, 20000 at most; 0: as much as lines carry. Absent: as configured.
    max_video_kbps: Option<u32>,
}

/// A conference just made: its PINs are shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedBody {
    id: String,
    name: String,
    host_pin: String,
    guest_pin: Option<String>,
    dial_in: Option<DialIn>,
    /// Path of its page.
    page: String,
}

/// A conference.
#[derive(Serialize, ToSchema)]
pub(super) struct ConferenceBody {
    id: String,
    name: String,
    /// Guests need a PIN.
    guest_pin_needed: bool,
    /// Milliseconds since 1970.
    created_ms: i64,
    /// Key of the next page: `?after=`.
    cursor: String,
    /// People in it now.
    participants: usize,
    /// People in its lobby now.
    waiting: usize,
    /// Guests stay out, until somebody unlocks it or it ends; kept over a restart.
    locked: bool,
    /// When the hosts' PIN becomes or became wrong, milliseconds since 1970; null: never.
    host_pin_expires_ms: Option<i64>,
    /// When the guests' PIN becomes or became wrong, milliseconds since 1970; null: never.
    guest_pin_expires_ms: Option<i64>,
    /// Who waits in the lobby; null: as configured.
    lobby: Option<LobbyPolicy>,
    /// Guests wait until a host is in; null: as configured.
    wait_for_leader: Option<bool>,
    /// It ends so many seconds after its last host has gone; 0: never; null: as configured.
    end_with_leader_seconds: Option<u32>,
    /// What viewers get who have not chosen; null: as configured.
    video: Option<VideoPolicy>,
    /// Kilobits per second of video that each viewer is sent at most; 0: as much as lines carry; null: as configured.
    max_video_kbps: Option<u32>,
    /// It ends so many minutes after the first has come; 0: never; null: as configured.
    max_minutes: Option<u32>,
    /// Seconds until it ends; null when nobody is in it or it has no limit.
    time_left_seconds: Option<u64>,
    /// Whether it is recorded now.
    recording: RecordingState,
    dial_in: Option<DialIn>,
}

/// One page of conferences.
#[derive(Serialize, ToSchema)]
pub(super) struct ListBody {
    conferences: Vec<ConferenceBody>,
}

/// Where a page begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// `cursor` of the last conference of the page before.
    #[serde(default)]
    after: String,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    role: Role,
    /// Name that its bearer has; else it chooses one.
    name: Option<String>,
    /// User of presence.
    user: Option<String>,
    /// Life in seconds: 1 hour if absent, 30 days at most.
    life_seconds: Option<u64>,
}

/// A token: whoever bears it may join.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    token: String,
    /// Seconds since 1970.
    expires: u64,
}

/// Makes a conference.
#[utoipa::path(post, path = "/api/v1/conferences", request_body = CreateBody, security(("key" = [])), responses(
    (status = 201, body = CreatedBody), (status = 401, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn create(
    State(api): State<Api>,
    body: Result<Json<CreateBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(CreateBody {
        name,
        id,
        host_pin,
        guest_pin,
        host_pin_expires_ms,
        guest_pin_expires_ms,
        max_minutes,
        lobby,
        wait_for_leader,
        end_with_leader_seconds,
        video,
        max_video_kbps,
    }) = body?;
    let around = api.conferences.around();
    let wanted = NewConference {
        is_call: false,
        name,
        number: id,
        host_pin,
        guest_pin,
        host_pin_expires_ms,
        guest_pin_expires_ms,
        max_minutes,
        manners: Manners {
            lobby,
            wait_for_leader,
            end_with_leader_seconds,
            video,
            max_video_kbps,
        },
    };
    let created = conference::create(&around.store, &around.pins, wanted).await?;
    let ConferenceRecord { number, name, .. } = created.record;
    let location = format!("/api/v1/conferences/{number}");
    let body = CreatedBody {
        dial_in: around.dial_in(&number),
        page: format!("/join/{number}"),
        id: number,
        name,
        host_pin: created.host_pin,
        guest_pin: created.guest_pin,
    };
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Lists conferences from the oldest, 100 a page.
#[utoipa::path(get, path = "/api/v1/conferences", params(ListQuery), security(("key" = [])), responses(
    (status = 200, body = ListBody), (status = 401, body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ListBody>, Problem> {
    let Query(ListQuery { after }) = query?;
    let mut conferences = Vec::new();
    for record in api.conferences.around().store.list(&after, PAGE).await? {
        conferences.push(view(&api, record).await);
    }
    Ok(Json(ListBody { conferences }))
}

/// Shows a conference.
#[utoipa::path(get, path = "/api/v1/conferences/{id}", security(("key" = [])), responses(
    (status = 200, body = ConferenceBody), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<ConferenceBody>, Problem> {
    let record = api
        .conferences
        .around()
        .store
        .find(&id)
        .await?
        .ok_or_else(Problem::no_conference)?;
    Ok(Json(view(&api, record).await))
}

/// Forgets a conference; whoever is in it is told that it ended.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if api.conferences.delete(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::no_conference())
    }
}

/// Makes a token to join a conference with.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/tokens", request_body = TokenRequest, security(("key" = [])), responses(
    (status = 201, body = TokenResponse), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn issue_token(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(TokenRequest {
        role,
        name,
        user,
        life_seconds,
    }) = body?;
    let around = api.conferences.around();
    let record = around
        .store
        .find(&id)
        .await?
        .ok_or_else(Problem::no_conference)?;
    let life = Duration::from_secs(life_seconds.unwrap_or(TOKEN_LIFE));
    let (token, claims) = around
        .tokens
        .issue(&record.id, role, name, user, life)
        .map_err(|error| {
            tracing::error!(%error, "token could not be made");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The token could not be made.",
            )
        })?;
    let body = Json(TokenResponse {
        token,
        expires: claims.exp,
    });
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        body,
    )
        .into_response())
}

async fn view(api: &Api, record: ConferenceRecord) -> ConferenceBody {
    let running = api.conferences.summary(&record.id).await;
    ConferenceBody {
        dial_in: api.conferences.around().dial_in(&record.number),
        id: record.number,
        name: record.name,
        guest_pin_needed: record.pins.guest.is_some(),
        created_ms: record.created_ms,
        cursor: record.id,
        participants: running.map_or(0, |running| running.participants),
        waiting: running.map_or(0, |running| running.waiting),
        lobby: record.manners.lobby,
        wait_for_leader: record.manners.wait_for_leader,
        end_with_leader_seconds: record.manners.end_with_leader_seconds,
        video: record.manners.video,
        max_video_kbps: record.manners.max_video_kbps,
        locked: running.map_or(record.locked, |running| running.locked),
        host_pin_expires_ms: record.pins.host_expires_ms,
        guest_pin_expires_ms: record.pins.guest_expires_ms,
        max_minutes: record.max_minutes,
        time_left_seconds: running
            .and_then(|running| running.time_left)
            .map(|left| left.as_secs()),
        recording: running.map_or(RecordingState::Off, |running| running.recording),
    }
}
