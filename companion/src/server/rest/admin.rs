//! Administration: users, invitations. For role `admin`, or with an API key of the server.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::{Signed, bearer};
use crate::server::Companion;
use crate::server::clock::now_ms;
use crate::server::hub::Sessions;
use crate::server::people::{NewUser, Role, User, UserChange};
use crate::server::problem::Problem;

/// Largest CSV file, bytes.
const CSV: usize = 1024 * 1024;
/// Longest life of an invitation, hours.
const HOURS: u32 = 24 * 90;

pub(super) fn routes() -> Router<Companion> {
    Router::new()
        .route("/users", get(list).post(add))
        .route("/users/{id}", patch(change).delete(disable))
        .route(
            "/users/import",
            post(import).layer(DefaultBodyLimit::max(CSV)),
        )
        .route("/invites", post(invite))
}

/// The routes' description.
#[derive(OpenApi)]
#[openapi(paths(list, add, change, disable, import, invite))]
pub(super) struct AdminDoc;

/// An administrator, or a program with an API key.
pub(crate) struct Admin;

impl FromRequestParts<Companion> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        companion: &Companion,
    ) -> Result<Self, Self::Rejection> {
        if bearer(&parts.headers).is_some_and(|key| companion.bridge.accepts_key(key)) {
            return Ok(Self);
        }
        let Signed(found) = Signed::from_request_parts(parts, companion).await?;
        if found.user.role == Role::Admin {
            Ok(Self)
        } else {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Only administrators may do this.",
            ))
        }
    }
}

/// All users but guests.
#[derive(Serialize, ToSchema)]
struct UsersBody {
    users: Vec<User>,
}

/// Lists users.
#[utoipa::path(get, path = "/api/v1/companion/users", security(("key" = [])), responses(
    (status = 200, body = UsersBody), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(State(companion): State<Companion>, _: Admin) -> Result<Json<UsersBody>, Problem> {
    let users = companion.people.list().await?;
    Ok(Json(UsersBody { users }))
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/companion/users", request_body = NewUser, security(("key" = [])), responses(
    (status = 201, body = User), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn add(
    State(companion): State<Companion>,
    _: Admin,
    body: Result<Json<NewUser>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(new) = body?;
    if new.role == Some(Role::Guest) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Guests come by invitation.",
        ));
    }
    let user = companion.people.add(new).await?;
    Ok((StatusCode::CREATED, Json(user)).into_response())
}

/// Changes a user.
#[utoipa::path(patch, path = "/api/v1/companion/users/{id}", request_body = UserChange, security(("key" = [])), responses(
    (status = 200, body = User), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn change(
    State(companion): State<Companion>,
    _: Admin,
    Path(id): Path<String>,
    body: Result<Json<UserChange>, JsonRejection>,
) -> Result<Json<User>, Problem> {
    let Json(change) = body?;
    let signs_out = change.password.is_some() || change.disabled == Some(true);
    let user = companion.people.change(&id, change).await?;
    if signs_out {
        companion.hub.sign_out(&id, Sessions::All);
    }
    Ok(Json(user))
}

/// Keeps a user out for good; what they said stays.
#[utoipa::path(delete, path = "/api/v1/companion/users/{id}", security(("key" = [])), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn disable(
    State(companion): State<Companion>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    companion.people.disable(&id, true).await?;
    companion.hub.sign_out(&id, Sessions::All);
    Ok(StatusCode::NO_CONTENT)
}

/// How many were added.
#[derive(Serialize, ToSchema)]
struct Imported {
    added: usize,
}

/// Adds all users of a CSV file, or none and tells every fault with its line.
#[utoipa::path(post, path = "/api/v1/companion/users/import", request_body(content = String, content_type = "text/csv"),
    security(("key" = [])), responses((status = 200, body = Imported), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn import(
    State(companion): State<Companion>,
    _: Admin,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Imported>, Problem> {
    let added = companion.people.import(&body?).await?;
    Ok(Json(Imported { added }))
}

/// An invitation to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvite {
    conversation: String,
    /// Until it ends: a day if absent, 90 days at most.
    hours: Option<u32>,
}

/// An invitation; whoever has it comes in.
#[derive(Serialize, ToSchema)]
struct InviteBody {
    invite: String,
    /// Milliseconds since 1970.
    expires: i64,
}

/// Invites guests into a group or room of mine: its members may, and administrators into any.
#[utoipa::path(post, path = "/api/v1/companion/invites", request_body = NewInvite, responses(
    (status = 201, body = InviteBody), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn invite(
    State(companion): State<Companion>,
    Signed(found): Signed,
    body: Result<Json<NewInvite>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(new) = body?;
    let user = found.user;
    let allowed: Option<(String,)> = sqlx::query_as(
        "SELECT c.id FROM conversations c WHERE c.id = $1 AND c.kind <> 'direct' AND ($3 = 'admin' OR EXISTS \
         (SELECT 1 FROM members m WHERE m.conversation = c.id AND m.user_id = $2))",
    )
    .bind(new.conversation.clone())
    .bind(user.id.clone())
    .bind(user.role.as_str())
    .fetch_optional(companion.store.reader())
    .await?;
    if allowed.is_none() || user.role == Role::Guest {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such group or room of yours.",
        ));
    }
    let hours = new.hours.unwrap_or(24).clamp(1, HOURS);
    let expires = now_ms() + i64::from(hours) * 3_600_000;
    let invite = companion
        .people
        .invite(new.conversation, user.id, expires)
        .await?;
    Ok((StatusCode::CREATED, Json(InviteBody { invite, expires })).into_response())
}
