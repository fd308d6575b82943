//! Badges for pages of others: the presence that the public sees, as a picture and as JSON, of users who allow it.
//!
//! Whoever does not allow it, and whoever is not, look alike. Anybody may ask, so answers are cheap, cached and counted.
#![expect(
    clippy::disallowed_types,
    reason = "a bucket for each address, looked at for nanoseconds"
)]

mod picture;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Companion, clock};

/// Answers at once from one address,
const BURST: f64 = 120.0;
/// and in a second.
const PER_SECOND: f64 = 20.0;
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;
/// How long a badge may be kept.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=30");
/// How long the component may be kept.
const CACHE_SCRIPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// Shown anywhere, and does nothing by itself.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors *");

/// Below `/api/v1/companion`.
pub(crate) fn router() -> Router<Companion> {
    Router::new().route("/badge/{user}", get(show))
}

/// At the root: the component for pages.
pub(crate) async fn script() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    let mut response = include_str!("badge/badge.js").into_response();
    open_to_all(response.headers_mut(), kind, CACHE_SCRIPT);
    response
}

fn open_to_all(headers: &mut HeaderMap, kind: HeaderValue, cache: HeaderValue) {
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
}

/// How it is drawn.
#[derive(Debug, Deserialize)]
pub(crate) struct Look {
    /// Language of the word: `en`, `de`, `es`, `fr`, `it`.
    lang: Option<String>,
}

/// `badge/{user}.svg` and `badge/{user}`; `user` is an id or a login.
#[utoipa::path(get, path = "/api/v1/companion/badge/{user}", responses(
    (status = 200, description = "JSON, or with .svg a picture"), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn show(
    State(companion): State<Companion>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(user): Path<String>,
    Query(look): Query<Look>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !companion.badges.may(from.ip(), clock::instant()) {
        return Err(Problem::wait("Too many badges at once.", 1));
    }
    let (user, picture) = match user.strip_suffix(".svg") {
        Some(user) => (user, true),
        None => (user.as_str(), false),
    };
    let directory = companion.directories.latest(&companion.store).await?;
    let found = directory
        .get(user)
        .or_else(|| directory.login(&user.to_lowercase()));
    let allowed = found.filter(|user| companion.presence.shows_badge(&user.id));
    let Some(found) = allowed else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such badge.",
        ));
    };
    let seen: Value =
        serde_json::from_str(&companion.presence.public(&found.id)).unwrap_or_default();
    let class = seen["class"].as_str().unwrap_or("unknown");
    let (text, kind) = if picture {
        let word = picture::word(class, look.lang.as_deref().unwrap_or("en"));
        (
            picture::draw(class, word, &found.name),
            HeaderValue::from_static("image/svg+xml"),
        )
    } else {
        let badge = json!({
            "user": found.id,
            "name": found.name,
            "state": seen["state"],
            "class": class,
        });
        (
            badge.to_string(),
            HeaderValue::from_static("application/json"),
        )
    };
    let tag = format!("\"{class}-{}\"", text.len());
    let same = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let mut response = match same {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => text.into_response(),
    };
    open_to_all(response.headers_mut(), kind, CACHE);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// A token bucket for each address.
#[derive(Debug, Default)]
pub(crate) struct Badges {
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Badges {
    fn may(&self, from: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&from) {
            // Whoever has been quiet for as long as a bucket takes to fill is forgotten; a crowd that is not is refused.
            let full = Duration::from_secs_f64(BURST / PER_SECOND);
            buckets.retain(|_, (_, last)| now.saturating_duration_since(*last) < full);
            if buckets.len() >= ADDRESSES {
                return false;
            }
        }
        let (tokens, last) = buckets.entry(from).or_insert((BURST, now));
        let passed = now.saturating_duration_since(*last).as_secs_f64();
        *tokens = (*tokens + passed * PER_SECOND).min(BURST);
        *last = now;
        let may = *tokens >= 1.0;
        if may {
            *tokens -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_asks_too_much_waits() {
        let badges = Badges::default();
        let now = clock::instant();
        let from = |last| IpAddr::from([10, 0, 0, last]);
        let asked = (0..200).filter(|_| badges.may(from(1), now)).count();
        assert_eq!(asked, 120);
        assert!(badges.may(from(2), now));
        assert!(badges.may(from(1), now + Duration::from_secs(1)));
    }

    #[test]
    fn a_crowd_takes_bounded_room() {
        let badges = Badges::default();
        let now = clock::instant();
        for number in 0..20_000_u32 {
            badges.may(IpAddr::from(number.to_be_bytes()), now);
        }
        assert_eq!(badges.buckets.lock().expect("no panic").len(), ADDRESSES);
        let later = now + Duration::from_secs(60);
        assert!(badges.may(IpAddr::from([200, 0, 0, 1]), later));
    }
}
