//! Guests: one group, by an invitation's link.

use axum::http::{StatusCode, header};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::stage::{Stage, on_both};

on_both!(a_guest_comes_by_invitation);

async fn a_guest_comes_by_invitation(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let carl = stage.user("carl").await;
    let eve = stage.person("eve").await;
    let group = anna.open(&[&ben, &carl]).await;
    let direct = anna.open(&[&ben]).await;
    let ask = json!({"conversation": group, "hours": 1});
    let (status, _) = stage.ask("POST", "/invites", &eve.cookie, &ask).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let two = json!({"conversation": direct});
    let (status, _) = stage.ask("POST", "/invites", &anna.cookie, &two).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "two stay two");
    let (status, made) = stage.ask("POST", "/invites", &anna.cookie, &ask).await;
    assert_eq!(status, StatusCode::CREATED);
    let wrong = json!({"invite": "guessed", "name": "Gus"});
    let (status, _) = stage.ask("POST", "/session/guest", "", &wrong).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let body = json!({"invite": made["invite"], "name": "Gus <i>"}).to_string();
    let request = Request::post("/session/guest")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .unwrap();
    let (status, response) = stage.http(request).await;
    assert_eq!(status, StatusCode::OK);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let mut guest = stage.connect(&cookie).await;
    assert_eq!(guest.welcome["me"]["role"], "guest");
    assert_eq!(guest.welcome["conversations"][0]["id"], group.as_str());
    assert_eq!(
        guest.welcome["conversations"].as_array().map(Vec::len),
        Some(1)
    );
    guest.say(&group, "g1", "Hello").await;
    assert_eq!(anna.hear_event("text").await["sender"], guest.id.as_str());
    let open = json!({"type": "open", "with": [ben]});
    assert_eq!(guest.refused(open).await, "forbidden");
    let add = json!({"type": "add", "conversation": group, "users": [ben]});
    assert_eq!(guest.refused(add).await, "forbidden");
    let (status, _) = stage.ask("POST", "/invites", &cookie, &ask).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = stage.ask("GET", "/users", &cookie, &Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
