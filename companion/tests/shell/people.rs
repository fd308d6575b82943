//! Users: the first administrator, the demo's people, administration, import, tokens.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use plenum_companion::server::{DEMO_USERS, NewUser, Role};
use serde_json::{Value, json};

use crate::stage::{PASSWORD, Stage, on_both};

on_both!(
    the_first_start_makes_an_administrator,
    administrators_look_after_users,
    a_list_is_found_and_expands,
    a_password_is_changed_and_others_are_signed_out,
    a_program_has_a_token,
    ten_wrong_passwords_make_it_wait,
    pages_of_elsewhere_are_refused,
);

async fn the_first_start_makes_an_administrator(stage: Stage) {
    let people = stage.companion.people();
    people.settle_demo(true).await.unwrap();
    let password = people.make_first_admin().await.unwrap().unwrap();
    assert!(password.len() >= 20);
    assert_eq!(people.make_first_admin().await.unwrap(), None, "once");
    let admin = json!({"login": "admin", "password": password});
    let (status, body) = stage.ask("POST", "/session", "", &admin).await;
    assert_eq!(
        (status, &body["user"]["role"]),
        (StatusCode::OK, &json!("admin"))
    );
    let demo = json!({"login": DEMO_USERS[0].login, "password": DEMO_USERS[0].password});
    let (status, _) = stage.ask("POST", "/session", "", &demo).await;
    assert_eq!(status, StatusCode::OK);
    people.settle_demo(false).await.unwrap();
    let (status, _) = stage.ask("POST", "/session", "", &demo).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "only with the demo");
    people.settle_demo(true).await.unwrap();
    let (status, _) = stage.ask("POST", "/session", "", &demo).await;
    assert_eq!(status, StatusCode::OK);
}

async fn a_list_is_found_and_expands(stage: Stage) {
    let admin = NewUser {
        login: "root".to_owned(),
        name: "Root".to_owned(),
        password: Some(PASSWORD.to_owned()),
        role: Some(Role::Admin),
        ..NewUser::default()
    };
    stage.companion.people().add(admin).await.unwrap();
    let admin = stage.sign_in("root").await;
    let mut anna = stage.person("anna").await;
    let (ben, carl) = (stage.user("ben").await, stage.user("carl").await);
    let new = json!({"name": "Büro Süd", "people": [ben, carl, ben]});
    let (status, _) = stage.ask("POST", "/lists", &anna.cookie, &new).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let unknown = json!({"name": "X", "people": ["nobody"]});
    let (status, _) = stage.ask("POST", "/lists", &admin, &unknown).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, made) = stage.ask("POST", "/lists", &admin, &new).await;
    assert_eq!(status, StatusCode::CREATED);
    let list = made["id"].as_str().unwrap().to_owned();
    let people = json!({"type": "people", "query": "sud bur"});
    let found = anna.done(people.clone()).await;
    let hit = json!([{"id": list, "name": "Büro Süd", "count": 2}]);
    assert_eq!(found["lists"], hit);
    let within = anna.done(json!({"type": "list", "list": list})).await;
    let ids = within["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["id"].as_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), [&ben, &carl]);
    let path = format!("/lists/{list}");
    let change = json!({"name": "South", "people": [carl]});
    let (status, _) = stage.ask("PUT", &path, &admin, &change).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(anna.done(people).await["lists"], json!([]));
    let (_, all) = stage.ask("GET", "/lists", &admin, &Value::Null).await;
    assert_eq!(
        all["lists"],
        json!([{"id": list, "name": "South", "people": [carl]}])
    );
    let (status, _) = stage.ask("DELETE", &path, &admin, &Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let gone = anna.request(json!({"type": "list", "list": list})).await;
    assert_eq!(gone["code"], "not_found");
}

async fn administrators_look_after_users(stage: Stage) {
    let admin = NewUser {
        login: "root".to_owned(),
        name: "Root".to_owned(),
        password: Some(PASSWORD.to_owned()),
        role: Some(Role::Admin),
        ..NewUser::default()
    };
    stage.companion.people().add(admin).await.unwrap();
    let admin = stage.sign_in("root").await;
    let mut anna = stage.person("anna").await;
    let (status, _) = stage.ask("GET", "/users", &anna.cookie, &Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let new = json!({"login": "Ben", "name": "Ben", "password": PASSWORD, "mobile": "+49 1"});
    let (status, made) = stage.ask("POST", "/users", &admin, &new).await;
    assert_eq!(
        (status, &made["login"]),
        (StatusCode::CREATED, &json!("ben"))
    );
    assert!(made.get("password").is_none());
    let (status, _) = stage.ask("POST", "/users", &admin, &new).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let path = format!("/users/{}", made["id"].as_str().unwrap());
    let change = json!({"title": "Chef", "mobile": ""});
    let (_, changed) = stage.ask("PATCH", &path, &admin, &change).await;
    assert_eq!(changed["title"], "Chef");
    assert!(changed.get("mobile").is_none());
    let (status, _) = stage
        .ask(
            "DELETE",
            &format!("/users/{}", anna.id),
            &admin,
            &Value::Null,
        )
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(anna.is_closed().await, "her socket was closed");
    let (status, _) = stage
        .ask("GET", "/session", &anna.cookie, &Value::Null)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let csv = |text: &str| {
        Request::post("/users/import")
            .header(header::AUTHORIZATION, "Bearer key")
            .body(Body::from(text.to_owned()))
            .unwrap()
    };
    let (status, _) = stage.http(csv("login,name\ncarl,Carl\nben,Ben\n")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        stage
            .companion
            .people()
            .find_login("carl")
            .await
            .unwrap()
            .is_none(),
        "all or none"
    );
    let (status, _) = stage.http(csv("login,name\ncarl,Carl\ndora,Dora\n")).await;
    assert_eq!(status, StatusCode::OK);
    let (_, list) = stage.ask("GET", "/users", &admin, &Value::Null).await;
    assert_eq!(list["users"].as_array().map(Vec::len), Some(5));
}

async fn a_password_is_changed_and_others_are_signed_out(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let here = stage.sign_in("anna").await;
    let change = |old: &str| json!({"old": old, "new": "another horse"});
    let (status, _) = stage
        .ask("PUT", "/session/password", &here, &change("wrong"))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = stage
        .ask("PUT", "/session/password", &here, &change(PASSWORD))
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(anna.is_closed().await);
    let (status, _) = stage.ask("GET", "/session", &here, &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let old = json!({"login": "anna", "password": PASSWORD});
    let (status, _) = stage.ask("POST", "/session", "", &old).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

async fn a_program_has_a_token(stage: Stage) {
    let people = stage.companion.people();
    let service = NewUser {
        login: "bot".to_owned(),
        name: "Bot".to_owned(),
        role: Some(Role::Service),
        ..NewUser::default()
    };
    let bot = people.add(service).await.unwrap();
    let token = people.make_token(&bot.id).await.unwrap();
    let request = Request::get("/session")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(stage.http(request).await.0, StatusCode::OK);
    let none = json!({"login": "bot", "password": ""});
    let (status, _) = stage.ask("POST", "/session", "", &none).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "it has no password");
}

async fn ten_wrong_passwords_make_it_wait(stage: Stage) {
    stage.user("anna").await;
    let wrong = json!({"login": "anna", "password": "wrong password"});
    for _ in 0..10 {
        let (status, _) = stage.ask("POST", "/session", "", &wrong).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let right = json!({"login": "anna", "password": PASSWORD});
    let (status, _) = stage.ask("POST", "/session", "", &right).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
}

async fn pages_of_elsewhere_are_refused(stage: Stage) {
    stage.user("anna").await;
    let cookie = stage.sign_in("anna").await;
    let from = |origin: &str| {
        Request::get("/session")
            .header(header::HOST, "plenum.example")
            .header(header::ORIGIN, origin)
            .header(header::COOKIE, format!("plenum_session={cookie}"))
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        stage.http(from("https://plenum.example")).await.0,
        StatusCode::OK
    );
    for origin in [
        "https://evil.example",
        "null",
        "https://plenum.example.evil.example",
    ] {
        assert_eq!(stage.http(from(origin)).await.0, StatusCode::FORBIDDEN);
    }
}
