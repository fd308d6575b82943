//! Routes below `/api/v1/companion`: sessions here, the rest beside what it is about.

mod admin;

pub(crate) use admin::Admin;

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tower_http::timeout::TimeoutLayer;
use utoipa::{OpenApi, ToSchema};

use super::clock::now_ms;
use super::hub::Sessions;
use super::people::{Found, SESSION_S, SignIn, User};
use super::problem::Problem;
use super::socket;
use super::{Companion, export, files, lists, messages};

/// The cookie's name.
const COOKIE: &str = "plenum_session";

/// A request takes no longer; scans of files do.
const DEADLINE: Duration = Duration::from_secs(150);

/// All routes.
pub(crate) fn router(companion: Companion) -> Router {
    Router::new()
        .route("/session", get(show).post(sign_in).delete(sign_out))
        .route("/session/password", put(change_password))
        .route("/session/guest", post(let_in))
        .merge(admin::routes())
        .merge(files::routes())
        .merge(lists::routes())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            DEADLINE,
        ))
        .route("/conversations/{id}/export", get(export::export))
        .route("/calls/export", get(export::calls::export))
        .route("/socket", get(socket::upgrade))
        .merge(super::badge::router())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is no such resource.") })
        .with_state(companion)
}

/// The routes' description.
#[derive(OpenApi)]
#[openapi(paths(sign_in, show, sign_out, change_password, let_in))]
struct SessionsDoc;

/// What `/api/v1/openapi.json` says of the companion.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut description = SessionsDoc::openapi();
    description.merge(admin::AdminDoc::openapi());
    description.merge(files::FilesDoc::openapi());
    description.merge(lists::ListsDoc::openapi());
    description.merge(export::ExportDoc::openapi());
    description.merge(export::calls::CallsDoc::openapi());
    description
}

/// Whoever sends the request, by cookie or token. Refused with 401 otherwise; and with 403 when a page of elsewhere sends it.
#[derive(Debug, Clone)]
pub(crate) struct Signed(pub(crate) Found);

impl FromRequestParts<Companion> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        companion: &Companion,
    ) -> Result<Self, Self::Rejection> {
        if !is_own_origin(&parts.headers) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Pages of elsewhere may not use this.",
            ));
        }
        let secret = bearer(&parts.headers).or_else(|| cookie(&parts.headers));
        let found = match secret {
            Some(secret) => companion.people.by_cookie(secret).await?,
            None => None,
        };
        found
            .map(Self)
            .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "Sign in first."))
    }
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Whether the page that sends this is ours; programs say no origin.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Login and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    login: String,
    password: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    user: User,
}

/// Signs in: the cookie `plenum_session` comes with the answer.
#[utoipa::path(post, path = "/api/v1/companion/session", request_body = Credentials, responses(
    (status = 200, body = SignedIn), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn sign_in(
    State(companion): State<Companion>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Json<Credentials>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Credentials { login, password }) = body?;
    if !is_own_origin(&headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Pages of elsewhere may not use this.",
        ));
    }
    let outcome = companion
        .people
        .sign_in(&login, password, from.ip())
        .await?;
    let counted = match &outcome {
        SignIn::Good(..) => "good",
        SignIn::Wrong => "wrong",
        SignIn::Wait(_) => "wait",
    };
    companion
        .metrics
        .sign_ins
        .with_label_values(&[counted])
        .inc();
    match outcome {
        SignIn::Good(user, secret) => Ok(with_cookie(
            Json(SignedIn { user: *user }).into_response(),
            &companion,
            &secret,
            SESSION_S,
        )),
        SignIn::Wrong => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "Login or password are wrong.",
        )),
        SignIn::Wait(seconds) => Err(Problem::wait(
            "Too many wrong passwords. Please wait.",
            seconds,
        )),
    }
}

/// `response` with the session's cookie; zero seconds take it away.
pub(crate) fn with_cookie(
    mut response: Response,
    companion: &Companion,
    secret: &str,
    seconds: i64,
) -> Response {
    let secure = if companion.config.secure {
        "; Secure"
    } else {
        ""
    };
    let text =
        format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/companion/session", responses(
    (status = 200, body = SignedIn), (status = 401, body = Problem)))]
pub(crate) async fn show(Signed(found): Signed) -> Json<SignedIn> {
    Json(SignedIn { user: found.user })
}

/// How far to sign out.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignOut {
    /// On every device.
    #[serde(default)]
    all: bool,
}

/// Signs out, here or everywhere.
#[utoipa::path(delete, path = "/api/v1/companion/session", params(SignOut), responses(
    (status = 204), (status = 401, body = Problem)))]
pub(crate) async fn sign_out(
    State(companion): State<Companion>,
    Signed(found): Signed,
    query: Result<Query<SignOut>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(SignOut { all }) = query?;
    let which = if all {
        Sessions::All
    } else {
        Sessions::One(&found.session)
    };
    companion.people.end_sessions(&found.user.id, which).await?;
    companion.hub.sign_out(&found.user.id, which);
    Ok(with_cookie(
        StatusCode::NO_CONTENT.into_response(),
        &companion,
        "",
        0,
    ))
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    old: String,
    new: String,
}

/// Changes the password; all other sessions end.
#[utoipa::path(put, path = "/api/v1/companion/session/password", request_body = PasswordChange, responses(
    (status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem)))]
pub(crate) async fn change_password(
    State(companion): State<Companion>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Signed(found): Signed,
    body: Result<Json<PasswordChange>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(PasswordChange { old, new }) = body?;
    let login = &found.user.login;
    match companion.people.verify(login, old, from.ip()).await? {
        super::people::Verdict::Good(_) => {}
        super::people::Verdict::Wrong => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "The old password is wrong.",
            ));
        }
        super::people::Verdict::Wait(seconds) => {
            return Err(Problem::wait(
                "Too many wrong passwords. Please wait.",
                seconds,
            ));
        }
    }
    companion.people.set_password(&found.user.id, new).await?;
    let others = Sessions::Others(&found.session);
    companion
        .people
        .end_sessions(&found.user.id, others)
        .await?;
    companion.hub.sign_out(&found.user.id, others);
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation and a name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuestCredentials {
    invite: String,
    name: String,
}

/// Signs a guest in: one group or room, until the invitation ends.
#[utoipa::path(post, path = "/api/v1/companion/session/guest", request_body = GuestCredentials, responses(
    (status = 200, body = SignedIn), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem)))]
pub(crate) async fn let_in(
    State(companion): State<Companion>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Json<GuestCredentials>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(GuestCredentials { invite, name }) = body?;
    if !is_own_origin(&headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Pages of elsewhere may not use this.",
        ));
    }
    if let Some(seconds) = companion.people.must_wait(from.ip()) {
        return Err(Problem::wait("Too many attempts. Please wait.", seconds));
    }
    let most = companion.config.limits.people;
    let Some(arrival) = companion.people.let_in(&invite, &name, most).await? else {
        companion.people.count_guess(from.ip());
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "There is no such invitation, or it has ended.",
        ));
    };
    let others = messages::members(&companion, &arrival.conversation).await?;
    messages::announce(&companion, &arrival.conversation, &others).await?;
    let seconds = (arrival.expires_ms - now_ms()) / 1000;
    let body = Json(SignedIn { user: arrival.user });
    Ok(with_cookie(
        body.into_response(),
        &companion,
        &arrival.cookie,
        seconds,
    ))
}
