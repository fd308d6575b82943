//! Badges as pages of others get them.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::json;

use crate::stage::{Stage, on_both};

on_both!(a_badge_shows_what_the_public_sees_of_who_allows_it);

async fn get(stage: &Stage, path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path).header("origin", "https://elsewhere.example");
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let (status, response) = stage.http(request.body(Body::empty()).unwrap()).await;
    let headers = response.headers().clone();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, headers, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn a_badge_shows_what_the_public_sees_of_who_allows_it(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let (hidden, _, none) = get(&stage, "/badge/anna", None).await;
    assert_eq!(hidden, 404);
    assert_eq!(get(&stage, "/badge/nobody", None).await.2, none, "alike");
    anna.done(json!({"type": "settings", "badge": true})).await;
    anna.done(json!({"type": "presence", "custom": "court"}))
        .await;
    anna.done(json!({"type": "note", "text": "secret"})).await;
    let (status, headers, text) = get(&stage, "/badge/anna", None).await;
    assert_eq!(status, 200);
    let badge: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected =
        json!({"user": anna.id, "name": "anna of Example", "state": "busy", "class": "busy"});
    assert_eq!(badge, expected);
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(headers["cache-control"], "public, max-age=30");
    let path = format!("/badge/{}.svg?lang=de", anna.id);
    let (status, headers, text) = get(&stage, &path, None).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"image/svg+xml".parse().unwrap())
    );
    assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
    assert!(text.contains("anna of Example: Beschäftigt"), "{text}");
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(get(&stage, &path, Some(tag)).await.0, 304);
    // How many exactly, the bucket's own tests say: here time passes, and every 50 ms one more is answered.
    let mut answered = 0;
    while get(&stage, "/badge/anna", None).await.0 != 429 {
        answered += 1;
        assert!(answered < 2000, "whoever asks without end is refused");
    }
}
