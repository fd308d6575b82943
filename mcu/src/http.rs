//! HTTP: the page, signalling's upgrade, REST, health and metrics behind one router with its limits and headers.
//!
//! Knows routes and wire shapes; what they mean is [`crate::conference`]'s.

mod calls;
mod conferences;
mod health;
mod moving;
#[cfg(feature = "web")]
mod page;
mod personal;
mod presence;
mod problem;
mod recordings;
mod running;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use plenum_companion::server::Companion;
use prometheus::Registry;
use serde::Serialize;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::{OpenApi, ToSchema};

use crate::auth::ApiKeys;
use crate::conference::Conferences;
use crate::config::Config;
use crate::signal::protocol::DialIn;
use crate::signal::{self, MAX_FRAME, Signalling};
use problem::Problem;

/// Largest request body, bytes.
const MAX_BODY: usize = 64 * 1024;
/// Largest WAV to be announced, bytes.
const MAX_WAV: usize = 1024 * 1024;
/// What a session reads at once, bytes. The library clears as much before every look at the socket, and keeps it.
const READ_BUFFER: usize = 4 * 1024;
/// A request takes no longer.
const DEADLINE: Duration = Duration::from_secs(15);

/// What requests need. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) conferences: Conferences,
    pub(crate) signalling: Signalling,
    pub(crate) keys: Arc<ApiKeys>,
    pub(crate) registry: Registry,
    pub(crate) public: Arc<PublicInfo>,
    pub(crate) companion: Option<Companion>,
    /// Not ready while a trunk is away.
    pub(crate) needs_trunks: bool,
}

/// What everybody may know of the server.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PublicInfo {
    /// Version of the server.
    version: &'static str,
    /// The demo conference, if there is one.
    demo: Option<DemoInfo>,
    /// SIP address to dial, if phones are served.
    sip: Option<String>,
    /// Whether people sign in, at `/app`.
    companion: bool,
}

/// The demo conference, PINs included: they are published.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct DemoInfo {
    conference: &'static str,
    guest_pin: &'static str,
    host_pin: &'static str,
    dial_in: Option<DialIn>,
}

impl PublicInfo {
    pub(crate) fn new(config: &Config, conferences: &Conferences) -> Self {
        use crate::demo::{GUEST_PIN, HOST_PIN, NUMBER};
        let around = conferences.around();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            demo: config.demo.enabled.then(|| DemoInfo {
                conference: NUMBER,
                guest_pin: GUEST_PIN,
                host_pin: HOST_PIN,
                dial_in: around.dial_in(NUMBER),
            }),
            sip: around.sip.as_ref().map(|sip| format!("sip:{sip}")),
            companion: config.companion.enabled,
        }
    }
}

/// The description of the API, at `/api/v1/openapi.json`.
#[derive(OpenApi)]
#[openapi(
    info(title = "Plenum", description = "Conferences, join tokens, recordings and presence. Errors are problem+json (RFC 9457)."),
    paths(
        info,
        conferences::create,
        conferences::list,
        conferences::show,
        conferences::delete,
        conferences::issue_token,
        running::participants,
        running::change,
        running::treat,
        running::remove,
        running::lobby,
        running::admit_all,
        running::admit,
        running::deny,
        running::send_to_lobby,
        running::announce,
        running::open_side,
        running::close_side,
        running::open_channel,
        running::close_channel,
        running::stop_presenting,
        calls::list,
        calls::call,
        calls::cancel,
        moving::move_phone,
        moving::transfer,
        personal::list,
        personal::issue,
        personal::revoke,
        recordings::start,
        recordings::pause,
        recordings::stop,
        recordings::list,
        recordings::show,
        recordings::file,
        recordings::delete,
        presence::show,
        presence::set,
        health::live,
        health::ready,
        health::metrics,
    ),
    modifiers(&BearerKey)
)]
struct Description;

/// Ours and the companion's.
fn describe() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    description.merge(Companion::openapi());
    description
}

struct BearerKey;

impl utoipa::Modify for BearerKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key"))
            .build();
        openapi
            .components
            .get_or_insert_with(utoipa::openapi::Components::default)
            .add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// Those of who waits.
fn lobby_routes() -> Router<Api> {
    Router::new()
        .route(
            "/conferences/{id}/lobby",
            get(running::lobby).post(running::admit_all),
        )
        .route(
            "/conferences/{id}/lobby/{participant}",
            post(running::admit).delete(running::deny),
        )
        .route(
            "/conferences/{id}/participants/{participant}/lobby",
            post(running::send_to_lobby),
        )
}

/// All routes.
pub(crate) fn router(api: Api) -> Router {
    let keyed = Router::new()
        .route(
            "/conferences",
            get(conferences::list).post(conferences::create),
        )
        .route(
            "/conferences/{id}",
            get(conferences::show)
                .patch(running::change)
                .delete(conferences::delete),
        )
        .route("/conferences/{id}/tokens", post(conferences::issue_token))
        .route("/conferences/{id}/participants", get(running::participants))
        .route(
            "/conferences/{id}/participants/{participant}",
            patch(running::treat).delete(running::remove),
        )
        .merge(lobby_routes())
        .merge(calls::routes())
        .merge(moving::routes())
        .merge(personal::routes())
        .route("/conferences/{id}/sides", post(running::open_side))
        .route(
            "/conferences/{id}/sides/{side}",
            delete(running::close_side),
        )
        .route(
            "/conferences/{id}/presentation",
            delete(running::stop_presenting),
        )
        .route("/conferences/{id}/channels", post(running::open_channel))
        .route(
            "/conferences/{id}/channels/{channel}",
            delete(running::close_channel),
        )
        .route(
            "/conferences/{id}/announcements",
            post(running::announce).layer(DefaultBodyLimit::max(MAX_WAV)),
        )
        .route(
            "/conferences/{id}/recording",
            axum::routing::post(recordings::start)
                .patch(recordings::pause)
                .delete(recordings::stop),
        )
        .route("/recordings", get(recordings::list))
        .route(
            "/recordings/{id}",
            get(recordings::show).delete(recordings::delete),
        )
        .route("/recordings/{id}/files/{*name}", get(recordings::file))
        .route("/presence/{user}", get(presence::show).put(presence::set))
        .layer(middleware::from_fn_with_state(api.clone(), require_key));
    let open = Router::new()
        .route("/info", get(info))
        .route("/openapi.json", get(|| async { Json(describe()) }))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is no such resource.") });
    let timed = Router::new()
        .nest("/api/v1", keyed.merge(open))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            DEADLINE,
        ));
    let mut router = timed.route("/api/v1/signal", get(upgrade));
    if let Some(companion) = &api.companion {
        router = router
            .nest_service("/api/v1/companion", companion.router())
            .route("/badge.js", companion.badge_script());
    }
    #[cfg(feature = "web")]
    let router = router.fallback(page::serve);
    #[cfg(not(feature = "web"))]
    let router = router
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "This server has no page.") });
    router
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(RequestBodyLimitLayer::new(MAX_WAV))
        .layer(middleware::from_fn_with_state(api.clone(), count))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
             style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'",
        ))
        .layer(fixed(
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), geolocation=()",
        ))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .with_state(api)
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Refuses whoever shows no API key.
async fn require_key(State(api): State<Api>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let key = given
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if key.is_some_and(|(_, key)| api.keys.accepts(key.trim())) {
        return next.run(request).await;
    }
    let mut refusal = Problem::new(
        StatusCode::UNAUTHORIZED,
        "Send an API key: Authorization: Bearer <key>.",
    )
    .into_response();
    refusal
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}

/// Counts by class of route, never by path.
async fn count(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = match request.uri().path() {
        "/livez" | "/readyz" | "/metrics" => "health",
        "/api/v1/signal" => "signal",
        path if path.starts_with("/api/v1/conferences") => "conferences",
        path if path.starts_with("/api/v1/recordings") => "recordings",
        path if path.starts_with("/api/v1/presence") => "presence",
        path if path.starts_with("/api/v1/companion") => "companion",
        path if path.starts_with("/api/") => "api",
        _ => "page",
    };
    let response = next.run(request).await;
    let status = match response.status().as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    api.conferences
        .around()
        .metrics
        .http
        .with_label_values(&[route, status])
        .inc();
    response
}

/// What everybody may know of the server.
#[utoipa::path(get, path = "/api/v1/info", responses((status = 200, body = PublicInfo)))]
async fn info(State(api): State<Api>) -> Json<PublicInfo> {
    Json(PublicInfo::clone(&api.public))
}

async fn upgrade(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(door) = std::sync::Arc::clone(&api.signalling.doors).try_acquire_owned() else {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many connections are waiting to join. Please try again.",
        )
        .into_response();
    };
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .write_buffer_size(0)
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |socket| signal::serve(api.signalling, door, socket, from.ip()))
}
