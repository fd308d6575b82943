//! The page, embedded when the binary is built.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::Problem;

/// What `build.rs` made of `web/`.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Assets;

/// Folder of files whose names hold a hash of their contents.
const HASHED: &str = "assets/";
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A file of the page, or the page itself for its own routes.
pub(super) async fn serve(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Only GET here.").into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Assets::get(path) {
        let caching = if path.starts_with(HASHED) {
            FOREVER
        } else {
            "no-cache"
        };
        return answer(file, caching);
    }
    let page = match path.split('/').next() {
        Some("" | "join") => Some("index.html"),
        Some("app") => Some("app.html"),
        _ => None,
    };
    match page.and_then(Assets::get) {
        Some(page) => answer(page, "no-cache"),
        None => Problem::new(StatusCode::NOT_FOUND, "There is no such page.").into_response(),
    }
}

fn answer(file: EmbeddedFile, caching: &'static str) -> Response {
    let kind = file.metadata.mimetype().to_owned();
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, caching.to_owned()),
        ],
        file.data,
    )
        .into_response()
}
