//! `/api/v1/conferences/{id}/recording`: start, pause, stop; `/api/v1/recordings`: list, look at, download, delete.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tower_http::services::ServeFile;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::problem::Problem;
use crate::conference::{RecordOrder, RecordRefusal};
use crate::config::RecordingFormat;
use crate::recording::{Manifest, ShelfError, Spec};

/// Recordings on one page at most.
const PAGE: usize = 100;

/// What is to be recorded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    /// `wav`, `opus` or `both`; else as configured.
    format: Option<RecordingFormat>,
    /// A file for each participant beside the mix.
    #[serde(default)]
    tracks: bool,
}

/// Whether the recording pauses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseBody {
    paused: bool,
}

/// A page of recordings.
#[derive(Serialize, ToSchema)]
pub(super) struct ListBody {
    recordings: Vec<Manifest>,
}

/// Which recordings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Number of a conference; else of all.
    conference: Option<String>,
    /// `id` of the last recording of the page before.
    #[serde(default)]
    after: String,
}

impl From<RecordRefusal> for Problem {
    fn from(refusal: RecordRefusal) -> Self {
        let status = match refusal {
            RecordRefusal::Empty | RecordRefusal::Running | RecordRefusal::NotRunning => {
                StatusCode::CONFLICT
            }
            RecordRefusal::Off => StatusCode::FORBIDDEN,
            RecordRefusal::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            RecordRefusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<ShelfError> for Problem {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                "There is no recording of this id, or no such file of it.",
            ),
            ShelfError::Running => Self::new(
                StatusCode::CONFLICT,
                "The recording runs. Stop it before you delete it.",
            ),
            ShelfError::Disk(_) => {
                tracing::error!(%error, "recordings cannot be read");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The recordings cannot be read.",
                )
            }
        }
    }
}

/// Carries out an order and gives the recording as it is then.
async fn order(api: &Api, conference: &str, order: RecordOrder) -> Result<Manifest, Problem> {
    let record = api
        .conferences
        .around()
        .store
        .find(conference)
        .await?
        .ok_or_else(Problem::no_conference)?;
    let id = api.conferences.record(&record.id, order).await?;
    Ok(kept(api, id).await?)
}

async fn kept(api: &Api, id: String) -> Result<Manifest, ShelfError> {
    let recorder = &api.conferences.around().recorder;
    recorder.shelf(move |shelf| shelf.find(&id)).await
}

/// Starts recording a conference with somebody in it; everybody hears and sees that.
#[utoipa::path(post, path = "/api/v1/conferences/{id}/recording", request_body = StartBody, security(("key" = [])), responses(
    (status = 201, body = Manifest), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 507, body = Problem)))]
pub(super) async fn start(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<StartBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(StartBody { format, tracks }) = body?;
    let usual = api.conferences.around().recorder.usual();
    let spec = Spec {
        format: format.unwrap_or(usual.format),
        tracks,
    };
    let manifest = order(&api, &id, RecordOrder::Start(spec)).await?;
    let location = format!("/api/v1/recordings/{}", manifest.id);
    let mut response = (StatusCode::CREATED, Json(manifest)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Pauses a recording or lets it go on; what is said during a pause is not in it.
#[utoipa::path(patch, path = "/api/v1/conferences/{id}/recording", request_body = PauseBody, security(("key" = [])), responses(
    (status = 200, body = Manifest), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<PauseBody>, JsonRejection>,
) -> Result<Json<Manifest>, Problem> {
    let Json(PauseBody { paused }) = body?;
    Ok(Json(order(&api, &id, RecordOrder::Pause(paused)).await?))
}

/// Stops a recording; answers when its files are whole.
#[utoipa::path(delete, path = "/api/v1/conferences/{id}/recording", security(("key" = [])), responses(
    (status = 200, body = Manifest), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn stop(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Manifest>, Problem> {
    Ok(Json(order(&api, &id, RecordOrder::Stop).await?))
}

/// Lists recordings from the oldest, 100 a page.
#[utoipa::path(get, path = "/api/v1/recordings", params(ListQuery), security(("key" = [])), responses(
    (status = 200, body = ListBody), (status = 401, body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ListBody>, Problem> {
    let Query(ListQuery { conference, after }) = query?;
    let recorder = &api.conferences.around().recorder;
    let recordings = recorder
        .shelf(move |shelf| shelf.list(conference.as_deref(), &after, PAGE))
        .await?;
    Ok(Json(ListBody { recordings }))
}

/// Shows a recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}", security(("key" = [])), responses(
    (status = 200, body = Manifest), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Manifest>, Problem> {
    Ok(Json(kept(&api, id).await?))
}

/// A file of a recording, whole or the ranges asked for; also while it is being written.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/files/{name}", security(("key" = [])), responses(
    (status = 200), (status = 206), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn file(
    State(api): State<Api>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let recorder = &api.conferences.around().recorder;
    let path = recorder.shelf(move |shelf| shelf.file(&id, &name)).await?;
    let mut response = ServeFile::new(path)
        .try_call(request)
        .await
        .map_err(|error| Problem::from(ShelfError::Disk(error)))?
        .map(Body::new);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    Ok(response)
}

/// Deletes a recording with all its files.
#[utoipa::path(delete, path = "/api/v1/recordings/{id}", security(("key" = [])), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let recorder = &api.conferences.around().recorder;
    recorder.shelf(move |shelf| shelf.delete(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
