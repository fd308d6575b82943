//! What may be sent: bodies, ink, files.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::stage::{Person, Stage, on_both};

on_both!(
    bodies_have_bounds,
    a_file_comes_in_pieces_and_goes_to_its_conversation,
    files_are_refused_for_reasons,
);

fn send(conversation: &str, id: &str, kind: &str, body: &Value) -> Value {
    json!({"type": "send", "conversation": conversation, "client_id": id, "kind": kind, "body": body})
}

async fn bodies_have_bounds(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    let long = "x".repeat(8 * 1024 + 1);
    for (body, code) in [
        (json!({"text": long}), "too_large"),
        (json!({"text": " "}), "bad_request"),
        (json!({"text": "a\u{0}"}), "bad_request"),
        (json!({"text": "a", "html": "<b>"}), "bad_request"),
        (json!({"text": "a", "importance": "low"}), "bad_request"),
        (json!({"text": "a", "files": [{"id": "x"}]}), "not_found"),
    ] {
        assert_eq!(
            anna.refused(send(&talk, "a1", "text", &body)).await,
            code,
            "{body}"
        );
    }
    let strokes = json!([{"color": "#ff0000", "size": 2, "points": [1, 2, 3.5, 4]}]);
    let ink = json!({"width": 300, "height": 200, "strokes": strokes});
    anna.done(send(&talk, "a2", "ink", &ink)).await;
    for (key, value) in [
        ("color", json!("url(javascript:x)")),
        ("points", json!([1, 2, 3])),
        ("size", json!(1e9)),
    ] {
        let mut bad = ink.clone();
        bad["strokes"][0][key] = value;
        assert_eq!(
            anna.refused(send(&talk, "a3", "ink", &bad)).await,
            "bad_request"
        );
    }
    for kind in ["join", "call", "edit"] {
        assert_eq!(
            anna.refused(send(&talk, "a4", kind, &json!({}))).await,
            "bad_request"
        );
    }
    assert_eq!(
        anna.refused(send(&talk, "with space", "text", &json!({"text": "a"})))
            .await,
        "bad_request"
    );
    anna.done(send(
        &talk,
        "a5",
        "text",
        &json!({"text": "a", "importance": "high"}),
    ))
    .await;
}

/// One request with raw bytes.
async fn raw(
    stage: &Stage,
    method: &str,
    path: &str,
    cookie: &str,
    offset: Option<usize>,
    bytes: &[u8],
) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, format!("plenum_session={cookie}"));
    if let Some(offset) = offset {
        request = request.header("upload-offset", offset);
    }
    let request = request.body(Body::from(bytes.to_vec())).unwrap();
    let (status, response) = stage.http(request).await;
    let headers = response.headers().clone();
    let body = axum::body::to_bytes(response.into_body(), 1 << 24)
        .await
        .unwrap();
    (status, headers, body.to_vec())
}

async fn upload(stage: &Stage, person: &Person, name: &str, bytes: &[u8]) -> (StatusCode, String) {
    let new = json!({"name": name, "type": "text/html", "size": bytes.len()});
    let (status, made) = stage.ask("POST", "/files", &person.cookie, &new).await;
    if status != StatusCode::CREATED {
        return (status, String::new());
    }
    let id = made["id"].as_str().unwrap().to_owned();
    let mut status = status;
    for (n, piece) in bytes.chunks(1 << 20).enumerate() {
        let path = format!("/files/{id}");
        (status, _, _) = raw(stage, "PATCH", &path, &person.cookie, Some(n << 20), piece).await;
    }
    (status, id)
}

async fn a_file_comes_in_pieces_and_goes_to_its_conversation(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let eve = stage.person("eve").await;
    let talk = anna.open(&[&ben.id]).await;
    let bytes: Vec<u8> = b"\x89PNG\r\n\x1a\n"
        .iter()
        .copied()
        .chain((0..2_000_000).map(|n| n as u8))
        .collect();
    let new = json!({"name": "ü \"quoted\".png", "type": "image/png", "size": bytes.len()});
    let (status, made) = stage.ask("POST", "/files", &anna.cookie, &new).await;
    assert_eq!((status, &made["offset"]), (StatusCode::CREATED, &json!(0)));
    let path = format!("/files/{}", made["id"].as_str().unwrap());
    let half = 1_000_000;
    let (status, headers, _) = raw(
        &stage,
        "PATCH",
        &path,
        &anna.cookie,
        Some(0),
        &bytes[..half],
    )
    .await;
    assert_eq!(
        (status, headers["upload-offset"].to_str().unwrap()),
        (StatusCode::NO_CONTENT, "1000000")
    );
    let (status, headers, _) =
        raw(&stage, "PATCH", &path, &anna.cookie, Some(5), &bytes[..10]).await;
    assert_eq!(
        (status, headers["upload-offset"].to_str().unwrap()),
        (StatusCode::CONFLICT, "1000000")
    );
    let (_, headers, _) = raw(&stage, "HEAD", &path, &anna.cookie, None, b"").await;
    assert_eq!(headers["upload-offset"], "1000000", "to resume");
    let named = send(
        &talk,
        "a1",
        "text",
        &json!({"text": "", "files": [{"id": made["id"]}]}),
    );
    assert_eq!(
        anna.refused(named.clone()).await,
        "not_found",
        "it is not whole"
    );
    for at in [half, half + (1 << 20)] {
        let piece = &bytes[at..bytes.len().min(at + (1 << 20))];
        if !piece.is_empty() {
            let (status, _, _) = raw(&stage, "PATCH", &path, &anna.cookie, Some(at), piece).await;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
    }
    let (status, _, _) = raw(&stage, "GET", &path, &ben.cookie, None, b"").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nobody has said it");
    anna.done(named).await;
    let file = ben.hear_event("text").await["body"]["files"][0].clone();
    assert_eq!(
        (&file["image"], &file["size"]),
        (&json!(true), &json!(bytes.len()))
    );
    let (status, headers, body) = raw(&stage, "GET", &path, &ben.cookie, None, b"").await;
    assert_eq!((status, body == bytes), (StatusCode::OK, true));
    let disposition = headers["content-disposition"].to_str().unwrap();
    assert_eq!(
        disposition,
        "attachment; filename*=UTF-8''%C3%BC%20%22quoted%22.png"
    );
    assert_eq!(headers["content-type"], "application/octet-stream");
    let (status, headers, _) = raw(
        &stage,
        "GET",
        &format!("{path}/image"),
        &ben.cookie,
        None,
        b"",
    )
    .await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "image/png")
    );
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("sandbox")
    );
    for path in [path.clone(), format!("{path}/image")] {
        let (status, _, _) = raw(&stage, "GET", &path, &eve.cookie, None, b"").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    anna.done(json!({"type": "delete", "conversation": talk, "client_id": "a2", "target": 1}))
        .await;
    let (status, _, _) = raw(&stage, "GET", &path, &ben.cookie, None, b"").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it went with its message");
}

async fn files_are_refused_for_reasons(stage: Stage) {
    let anna = stage.person("anna").await;
    let (status, _) = upload(&stage, &anna, "virus.EXE", b"x").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = upload(&stage, &anna, "../../etc/passwd", b"x").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = upload(&stage, &anna, "large", &vec![0; 3 * 1024 * 1024 + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = upload(&stage, &anna, "test.txt", b"X5O EICAR").await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "the scan refuses it"
    );
    let (status, id) = upload(&stage, &anna, "page.html", b"<script>").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _, _) = raw(
        &stage,
        "GET",
        &format!("/files/{id}/image"),
        &anna.cookie,
        None,
        b"",
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it is no image");
    let (status, _) = upload(&stage, &anna, "a", &vec![0; 3 * 1024 * 1024]).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = upload(&stage, &anna, "b", &vec![0; 3 * 1024 * 1024]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "beyond the quota");
}
