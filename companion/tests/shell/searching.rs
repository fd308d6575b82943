//! Search, filters, export and retention over the real socket.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::rooming::{create, join};
use crate::stage::{Person, Stage, on_both};

on_both!(
    posts_are_found_by_word_author_place_and_day,
    an_edit_is_found_and_a_deleted_post_is_not,
    pages_of_hits_go_on_where_they_ended,
    whatever_is_typed_no_engine_complains,
    a_filter_catches_as_posts_arrive,
    the_ego_filter_catches_my_name,
    a_conversation_is_exported_as_json_and_as_mail,
    what_is_too_old_goes_and_numbers_go_on,
);

async fn found(person: &mut Person, query: &str) -> Vec<i64> {
    let answer = person.done(json!({"type": "search", "query": query})).await;
    let hits = answer["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| hit["seq"].as_i64().unwrap())
        .collect()
}

async fn posts_are_found_by_word_author_place_and_day(stage: Stage) {
    let stage = stage.unhurried().await;
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Presse heute"})).await;
    join(&mut ben, &room).await;
    let direct = ben.open(&[&anna.id]).await;
    let one = anna
        .say(&room, "1", "Der Haushalt: große Pläne für 東京都庁")
        .await;
    let two = ben.say(&room, "2", "the budget plan, a draft").await;
    let three = ben.say(&direct, "3", "our budget is a secret plan").await;
    for (query, expected) in [
        ("budget", vec![three, two]),
        ("BUDG", vec![three, two]),
        ("budget -draft", vec![three]),
        ("\"budget plan\"", vec![two]),
        ("plane", vec![one]),
        ("京都", vec![one]),
        ("budget in:presse", vec![two]),
        ("budget in:ben", vec![three]),
        ("budget in:\"ben of example\"", vec![three]),
        ("from:ben", vec![three, two]),
        ("from:\"of example\" budget", vec![three, two]),
        ("from:me", vec![one]),
        ("from:nobody budget", vec![]),
        ("-budget", vec![one]),
        ("budget before:2020-01-01", vec![]),
        ("budget after:2020-01-01", vec![three, two]),
        (
            "after:2020-01-01 before:2200-01-01 plan",
            vec![three, two, one],
        ),
    ] {
        assert_eq!(found(&mut anna, query).await, expected, "{query}");
    }
    let only = json!({"type": "search", "query": "budget", "conversation": direct});
    assert_eq!(anna.done(only).await["hits"].as_array().unwrap().len(), 1);
    let hit = &anna.done(json!({"type": "search", "query": "draft"})).await["hits"][0];
    assert_eq!(
        (&hit["conversation"], &hit["sender"], &hit["snippet"]),
        (
            &json!(room),
            &json!(ben.id),
            &json!("the budget plan, a draft")
        )
    );
    assert_eq!(
        anna.refused(json!({"type": "search", "query": " "})).await,
        "bad_request"
    );
    // Of what one has left nothing is found.
    ben.done(json!({"type": "room_leave", "room": room})).await;
    assert_eq!(found(&mut ben, "budget").await, [three]);
}

async fn an_edit_is_found_and_a_deleted_post_is_not(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let room = create(&mut anna, json!({"name": "Edits"})).await;
    let seq = anna.say(&room, "1", "before").await;
    let edit = json!({"type": "edit", "conversation": room, "client_id": "2", "target": seq, "text": "afterwards"});
    anna.done(edit).await;
    assert!(found(&mut anna, "before").await.is_empty());
    let answer = anna
        .done(json!({"type": "search", "query": "afterwards"}))
        .await;
    let hit = &answer["hits"][0];
    assert_eq!(
        (&hit["seq"], &hit["snippet"]),
        (&json!(seq), &json!("afterwards"))
    );
    anna.done(json!({"type": "delete", "conversation": room, "client_id": "3", "target": seq}))
        .await;
    assert!(found(&mut anna, "afterwards").await.is_empty());
}

async fn pages_of_hits_go_on_where_they_ended(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let room = create(&mut anna, json!({"name": "Pages"})).await;
    for n in 0..25 {
        anna.say(&room, &n.to_string(), "again and again").await;
    }
    let mut seqs = Vec::new();
    let mut request = json!({"type": "search", "query": "again", "limit": 10});
    loop {
        let answer = anna.done(request.clone()).await;
        seqs.extend(
            answer["hits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|hit| hit["seq"].as_i64().unwrap()),
        );
        match answer.get("next") {
            Some(next) => request["before"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(seqs, (2..27).rev().collect::<Vec<_>>());
}

async fn whatever_is_typed_no_engine_complains(stage: Stage) {
    let stage = stage.unhurried().await;
    let mut anna = stage.person("anna").await;
    let room = create(&mut anna, json!({"name": "Hostile"})).await;
    anna.say(
        &room,
        "1",
        "NEAR AND OR NOT words keys ' \" \\ '); DROP TABLE events; -- : * ^ ( ) {a}",
    )
    .await;
    for query in [
        "\"",
        "'",
        "\\",
        "*",
        "a*",
        "^a",
        "a OR",
        "AND",
        "NOT",
        "NEAR",
        "NEAR(a b)",
        "words:a",
        "keys : t",
        "{words} : a",
        "a:b",
        "(",
        ")",
        "!",
        "!!",
        "a & b",
        "a | b",
        "a <-> b",
        ":*",
        "a:*",
        "'a' & !'b'",
        "\u{0}a",
        "a\u{0}b",
        "\"a\u{0}\"",
        "-",
        "--",
        "-\"",
        "-a",
        "in:",
        "in:'",
        "from:%",
        "'); DROP TABLE events; --",
        "${jndi}",
        "$1",
        "\u{202E}x",
        "🙂",
        "ـ",
        "\u{301}",
        "ﷺ",
        "½",
        "Ⅷ",
        "𝔘𝔫𝔦",
        "ก็",
        "०१",
        "İ",
        "ß -ß",
        "\\' \\\"",
    ] {
        let answer = anna
            .request(json!({"type": "search", "query": query}))
            .await;
        let fine = answer["type"] == "done" || answer["code"] == "bad_request";
        assert!(fine, "{query:?}: {answer}");
    }
    // Seeded noise of what engines give meaning to.
    let marks: Vec<char> = "\"'\\*^():&|!<->{}%_$-+ \u{0}aBé東ก".chars().collect();
    let mut state = 7_u64;
    for _ in 0..150 {
        let mut query = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            query.push(marks[usize::try_from(state >> 33).unwrap() % marks.len()]);
        }
        let answer = anna
            .request(json!({"type": "search", "query": query}))
            .await;
        let fine = answer["type"] == "done" || answer["code"] == "bad_request";
        assert!(fine, "{query:?}: {answer}");
    }
    assert_eq!(found(&mut anna, "drop table").await.len(), 1);
}

async fn set(person: &mut Person, filter: Value) -> String {
    let mut request = json!({"type": "filter_set", "alert": true});
    for (key, value) in filter.as_object().unwrap() {
        request[key] = value.clone();
    }
    let made = person.done(request).await;
    made["filter"]["id"].as_str().unwrap().to_owned()
}

async fn a_filter_catches_as_posts_arrive(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let mut eve = stage.person("eve").await;
    let room = create(&mut anna, json!({"name": "Alarm"})).await;
    join(&mut ben, &room).await;
    let words = set(
        &mut ben,
        json!({"name": "Outages", "words": ["Störung", "server down"]}),
    )
    .await;
    let author = set(
        &mut ben,
        json!({"name": "Anna there", "author": anna.id, "rooms": [room]}),
    )
    .await;
    // Eve is not in the room: her filter catches nothing there.
    let stranger = set(&mut eve, json!({"name": "all", "words": ["störung"]})).await;
    assert_eq!(
        ben.refused(json!({"type": "filter_set", "name": "empty", "alert": true}))
            .await,
        "bad_request"
    );
    assert_eq!(
        ben.refused(json!({"type": "filter_set", "name": "x", "words": ["!"], "alert": true}))
            .await,
        "bad_request"
    );
    assert_eq!(ben.refused(json!({"type": "filter_set", "filter": stranger, "name": "x", "words": ["a"], "alert": true})).await, "conflict");
    let seq = anna
        .say(&room, "1", "A STORUNG: the server down again")
        .await;
    for filter in [&words, &author] {
        let told = ben
            .hear(|message| message["type"] == "match" && message["filter"] == filter.as_str())
            .await;
        assert_eq!(
            (&told["conversation"], &told["seq"]),
            (&json!(room), &json!(seq))
        );
    }
    anna.say(&room, "2", "nothing").await;
    ben.hear(|message| message["type"] == "match" && message["filter"] == author.as_str())
        .await;
    let hits = ben
        .done(json!({"type": "filter_hits", "filter": words}))
        .await;
    assert_eq!(hits["hits"].as_array().unwrap().len(), 1);
    assert_eq!(
        hits["hits"][0]["snippet"],
        "A STORUNG: the server down again"
    );
    assert_eq!(
        eve.done(json!({"type": "filter_hits", "filter": words}))
            .await["hits"],
        json!([])
    );
    assert_eq!(
        eve.done(json!({"type": "filter_hits", "filter": stranger}))
            .await["hits"],
        json!([])
    );
    let again = stage.connect(&ben.cookie).await;
    let listed: Vec<&Value> = again.welcome["filters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|filter| &filter["name"])
        .collect();
    assert_eq!(listed, ["Anna there", "Outages"]);
    ben.done(json!({"type": "filter_remove", "filter": author}))
        .await;
    assert_eq!(
        ben.refused(json!({"type": "filter_remove", "filter": author}))
            .await,
        "not_found"
    );
    // What somebody has left is shown no more.
    ben.done(json!({"type": "room_leave", "room": room})).await;
    assert_eq!(
        ben.done(json!({"type": "filter_hits", "filter": words}))
            .await["hits"],
        json!([])
    );
}

async fn the_ego_filter_catches_my_name(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Names"})).await;
    join(&mut ben, &room).await;
    let ego = set(&mut ben, json!({"name": "Me", "ego": true})).await;
    anna.say(&room, "1", "the bench is free").await;
    let seq = anna.say(&room, "2", "does Bén know?").await;
    ben.say(&room, "3", "ben knows").await;
    let told = ben.hear_type("match").await;
    assert_eq!((&told["filter"], &told["seq"]), (&json!(ego), &json!(seq)));
}

pub(crate) async fn export(
    stage: &Stage,
    cookie: &str,
    path: &str,
) -> (StatusCode, String, Vec<u8>) {
    let request = Request::get(path)
        .header(header::COOKIE, format!("plenum_session={cookie}"))
        .body(Body::empty())
        .unwrap();
    let (status, response) = stage.http(request).await;
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|kind| kind.to_str().unwrap().to_owned());
    let bytes = axum::body::to_bytes(response.into_body(), 16 << 20)
        .await
        .unwrap();
    (status, kind.unwrap_or_default(), bytes.to_vec())
}

async fn a_conversation_is_exported_as_json_and_as_mail(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let eve = stage.person("eve").await;
    let room = create(&mut anna, json!({"name": "Übersicht"})).await;
    join(&mut ben, &room).await;
    for n in 0..25 {
        ben.say(
            &room,
            &n.to_string(),
            &format!("line {n}\nwith ünïcode 東京"),
        )
        .await;
    }
    let path = format!("/conversations/{room}/export");
    let (status, kind, bytes) = export(&stage, &anna.cookie, &format!("{path}?format=json")).await;
    assert_eq!(
        (status, kind.as_str()),
        (StatusCode::OK, "application/json")
    );
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["conversation"]["subject"], "Übersicht");
    assert_eq!(json["events"].as_array().unwrap().len(), 27);
    assert_eq!(json["people"].as_array().unwrap().len(), 2);
    let (status, kind, bytes) = export(&stage, &anna.cookie, &format!("{path}?format=eml")).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "message/rfc822"));
    let mail = String::from_utf8(bytes).unwrap();
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    assert!(
        head.is_ascii() && head.contains("anna@plenum.invalid"),
        "{head}"
    );
    let body = base64(&body.replace("\r\n", ""));
    assert!(
        body.contains("UTC] ben of Example: line 24\r\n    with ünïcode 東京\r\n"),
        "{body}"
    );
    for (cookie, path, expected) in [
        (
            &eve.cookie,
            format!("{path}?format=json"),
            StatusCode::NOT_FOUND,
        ),
        (
            &"forged".to_owned(),
            format!("{path}?format=json"),
            StatusCode::UNAUTHORIZED,
        ),
        (
            &anna.cookie,
            format!("{path}?format=exe"),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        assert_eq!(export(&stage, cookie, &path).await.0, expected, "{path}");
    }
}

/// Decodes base64 (RFC 4648) with code of its own.
pub(crate) fn base64(text: &str) -> String {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        word = word << 6 | digit(c);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 0xFF).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}

async fn what_is_too_old_goes_and_numbers_go_on(mut stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Old"})).await;
    let direct = anna.open(&[&ben.id]).await;
    let old = anna.say(&room, "1", "ephemeral thought").await;
    anna.say(&direct, "2", "ephemeral kept").await;
    let cookie = anna.cookie.clone();
    drop((anna, ben));
    stage.config.retention.room = Some(1);
    let stage = stage.again().await;
    let mut anna = stage.connect(&cookie).await;
    assert_eq!(found(&mut anna, "ephemeral").await.len(), 2);
    let day = 86_400_000;
    let ts = anna.welcome["server_time"].as_i64().unwrap();
    assert_eq!(stage.companion.sweep(ts + day / 2).await.unwrap(), 0);
    assert_eq!(stage.companion.sweep(ts + 2 * day).await.unwrap(), 2);
    assert_eq!(stage.companion.sweep(ts + 2 * day).await.unwrap(), 0);
    let left = anna
        .done(json!({"type": "search", "query": "ephemeral"}))
        .await;
    assert_eq!(
        (
            left["hits"].as_array().unwrap().len(),
            &left["hits"][0]["conversation"]
        ),
        (1, &json!(direct))
    );
    let history = anna
        .done(json!({"type": "history", "conversation": room}))
        .await;
    assert!(!history.to_string().contains("ephemeral"), "{history}");
    assert_eq!(anna.say(&room, "3", "and on").await, old + 1);
}
