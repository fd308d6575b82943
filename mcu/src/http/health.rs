//! Whether the server lives, whether it is ready, and its figures.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::{Encoder, TextEncoder};

use super::Api;
use super::problem::Problem;

/// The process answers.
#[utoipa::path(get, path = "/livez", responses((status = 200, body = String)))]
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The server takes people: the database answers, no media worker hangs, and it is not stopping. Trunks that are down or not registered are
/// told; with `sip.ready_needs_trunks` it is not ready then.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(super) async fn ready(State(api): State<Api>) -> Result<String, Problem> {
    if *api.signalling.stop.borrow() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server is stopping.",
        ));
    }
    if !api.conferences.around().store.is_ready().await {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer.",
        ));
    }
    if !api.conferences.around().media.is_well() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "A media worker hangs.",
        ));
    }
    let troubles = api.conferences.around().metrics.sip.trunk_troubles();
    if !troubles.is_empty() && api.needs_trunks {
        let mut sentence = troubles.join("; ");
        sentence.push('.');
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, &sentence));
    }
    let mut text = "ready\n".to_owned();
    for trouble in troubles {
        text.push_str("degraded: ");
        text.push_str(&trouble);
        text.push('\n');
    }
    Ok(text)
}

/// Figures in Prometheus' text format; `docs/metrics.md` says what each means.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)))]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    if let Err(error) = encoder.encode(&api.registry.gather(), &mut text) {
        tracing::error!(%error, "metrics could not be written");
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The metrics could not be written.",
        )
        .into_response();
    }
    (
        [(header::CONTENT_TYPE, encoder.format_type().to_owned())],
        text,
    )
        .into_response()
}
