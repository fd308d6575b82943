//! Rooms: who finds them, who comes in, who posts, and that all in one hear the same.

use plenum_companion::server::NewUser;
use serde_json::{Value, json};

use crate::stage::{Person, Stage, on_both};

on_both!(
    a_room_of_a_hundred_hears_each_post_once_in_one_order,
    an_auditorium_hears_presenters_only,
    a_secret_room_is_invisible_to_others,
    a_closed_room_is_known_and_shut,
    who_is_dismissed_comes_back_by_appointment_only,
    managers_alter_and_delete,
    the_directory_is_searched_by_words_and_paged,
    who_looks_at_a_room_is_seen_there,
    newcomers_read_the_past_as_read,
    long_posts_are_stories,
);

pub(crate) async fn create(person: &mut Person, shape: Value) -> String {
    let mut request = json!({"type": "room_create", "access": "open", "auditorium": false});
    for (key, value) in shape.as_object().unwrap() {
        request[key] = value.clone();
    }
    let made = person.done(request).await;
    assert_eq!(made["conversation"]["kind"], "room", "{made}");
    made["conversation"]["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn join(person: &mut Person, room: &str) -> Value {
    person
        .done(json!({"type": "room_join", "room": room}))
        .await["conversation"]
        .clone()
}

async fn names(person: &mut Person, query: &str) -> Vec<String> {
    let found = person.done(json!({"type": "rooms", "query": query})).await;
    let rooms = found["rooms"].as_array().unwrap();
    rooms
        .iter()
        .map(|room| room["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The numbers of the texts that have come, in the order in which they came.
async fn texts(person: &mut Person, count: usize) -> Vec<(i64, String)> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let message = person.hear_type("events").await;
        for event in message["events"].as_array().unwrap() {
            if event["kind"] == "text" {
                let text = event["body"]["text"].as_str().unwrap().to_owned();
                texts.push((event["seq"].as_i64().unwrap(), text));
            }
        }
    }
    texts
}

async fn a_room_of_a_hundred_hears_each_post_once_in_one_order(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let room = create(&mut anna, json!({"name": "All hands"})).await;
    // One sign-in costs a password's check: ten people listen, ninety are in the room besides.
    let mut listeners = Vec::new();
    for n in 0..10 {
        let mut person = stage.person(&format!("p{n}")).await;
        join(&mut person, &room).await;
        listeners.push(person);
    }
    let mut silent = Vec::new();
    for n in 0..89 {
        let new = NewUser {
            login: format!("s{n}"),
            name: format!("Silent {n}"),
            ..NewUser::default()
        };
        silent.push(stage.companion.people().add(new).await.unwrap().id);
    }
    let appoint = json!({"type": "room_appoint", "room": room, "users": silent, "role": "member"});
    anna.done(appoint).await;
    let people = anna
        .done(json!({"type": "room_people", "room": room}))
        .await;
    assert_eq!(people["people"].as_array().unwrap().len(), 100);
    for n in 0..10 {
        anna.say(&room, &format!("a{n}"), &format!("anna {n}"))
            .await;
        listeners[n]
            .say(&room, &format!("l{n}"), &format!("listener {n}"))
            .await;
        anna.say(&room, &format!("a{n}"), &format!("anna {n}"))
            .await;
    }
    let heard = texts(&mut anna, 20).await;
    assert!(
        heard.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{heard:?}"
    );
    for person in &mut listeners {
        assert_eq!(texts(person, 20).await, heard);
    }
}

async fn an_auditorium_hears_presenters_only(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Town hall", "auditorium": true})).await;
    let view = join(&mut ben, &room).await;
    assert_eq!(
        (&view["room"]["auditorium"], &view["room"]["role"]),
        (&json!(true), &json!("member"))
    );
    anna.say(&room, "1", "welcome").await;
    let post = json!({"type": "send", "conversation": room, "client_id": "x", "kind": "text", "body": {"text": "me too"}});
    assert_eq!(ben.refused(post.clone()).await, "forbidden");
    anna.done(
        json!({"type": "room_appoint", "room": room, "users": [ben.id], "role": "presenter"}),
    )
    .await;
    let told = ben.hear_type("conversation").await;
    assert_eq!(told["conversation"]["room"]["role"], "presenter");
    ben.done(post.clone()).await;
    anna.done(json!({"type": "room_appoint", "room": room, "users": [ben.id], "role": "member"}))
        .await;
    assert_eq!(
        ben.refused(
            json!({"type": "send", "conversation": room, "client_id": "y", "kind": "text",
        "body": {"text": "again"}})
        )
        .await,
        "forbidden"
    );
    anna.done(json!({"type": "room_set", "room": room, "auditorium": false}))
        .await;
    ben.say(&room, "z", "now all may").await;
}

async fn a_secret_room_is_invisible_to_others(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut eve = stage.person("eve").await;
    let room = create(
        &mut anna,
        json!({"name": "Merger", "topic": "falcon", "access": "secret"}),
    )
    .await;
    assert_eq!(names(&mut anna, "falcon").await, ["Merger"]);
    assert!(names(&mut eve, "falcon").await.is_empty());
    assert!(names(&mut eve, "").await.is_empty());
    anna.say(&room, "1", "falcon lands").await;
    for request in [
        json!({"type": "room_join", "room": room}),
        json!({"type": "room_leave", "room": room}),
        json!({"type": "room_people", "room": room}),
        json!({"type": "room_set", "room": room, "topic": "x"}),
        json!({"type": "room_delete", "room": room, "name": "Merger"}),
        json!({"type": "room_appoint", "room": room, "users": [eve.id], "role": "manager"}),
        json!({"type": "room_dismiss", "room": room, "users": [anna.id]}),
        json!({"type": "view", "room": room}),
        json!({"type": "history", "conversation": room}),
        json!({"type": "send", "conversation": room, "client_id": "x", "kind": "text", "body": {"text": "x"}}),
    ] {
        let nowhere = {
            let mut elsewhere = request.clone();
            for key in ["room", "conversation"] {
                if elsewhere.get(key).is_some() {
                    elsewhere[key] = "01ARZ3NDEKTSV4RRFFQ69G5FAV".into();
                }
            }
            eve.request(elsewhere).await
        };
        let answer = eve.request(request.clone()).await;
        assert_eq!(answer["code"], "not_found", "{request}");
        assert_eq!(
            answer["detail"], nowhere["detail"],
            "as if there were none: {request}"
        );
    }
    let search = eve.done(json!({"type": "search", "query": "falcon"})).await;
    assert_eq!(search["hits"], json!([]));
    // The name is not taken for others: that would tell.
    create(&mut eve, json!({"name": "Merger"})).await;
    anna.done(json!({"type": "room_appoint", "room": room, "users": [eve.id], "role": "member"}))
        .await;
    assert_eq!(
        eve.hear_type("conversation").await["conversation"]["id"],
        room.as_str()
    );
    let search = eve.done(json!({"type": "search", "query": "falcon"})).await;
    assert_eq!(search["hits"].as_array().unwrap().len(), 1);
}

async fn a_closed_room_is_known_and_shut(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Board", "access": "closed"})).await;
    assert_eq!(names(&mut ben, "boar").await, ["Board"]);
    assert_eq!(
        ben.refused(json!({"type": "room_join", "room": room}))
            .await,
        "forbidden"
    );
    assert_eq!(
        ben.refused(json!({"type": "room_people", "room": room}))
            .await,
        "forbidden"
    );
    anna.done(json!({"type": "room_appoint", "room": room, "users": [ben.id], "role": "member"}))
        .await;
    ben.say(&room, "1", "here").await;
    ben.done(json!({"type": "room_leave", "room": room})).await;
    assert_eq!(ben.hear_type("gone").await["conversation"], room.as_str());
    join(&mut ben, &room).await;
}

async fn who_is_dismissed_comes_back_by_appointment_only(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Open"})).await;
    join(&mut ben, &room).await;
    ben.say(&room, "1", "something rude").await;
    let dismiss = json!({"type": "room_dismiss", "room": room, "users": [ben.id]});
    assert_eq!(ben.refused(dismiss.clone()).await, "forbidden");
    anna.done(dismiss).await;
    assert_eq!(ben.hear_type("gone").await["conversation"], room.as_str());
    assert_eq!(
        ben.refused(json!({"type": "history", "conversation": room}))
            .await,
        "not_found"
    );
    assert_eq!(
        ben.done(json!({"type": "search", "query": "rude"})).await["hits"],
        json!([])
    );
    assert_eq!(
        ben.refused(json!({"type": "room_join", "room": room}))
            .await,
        "forbidden"
    );
    anna.done(json!({"type": "room_appoint", "room": room, "users": [ben.id], "role": "member"}))
        .await;
    assert_eq!(
        ben.done(json!({"type": "search", "query": "rude"})).await["hits"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // The last manager stays.
    for request in [
        json!({"type": "room_dismiss", "room": room, "users": [anna.id]}),
        json!({"type": "room_appoint", "room": room, "users": [anna.id], "role": "member"}),
    ] {
        assert_eq!(anna.refused(request).await, "conflict");
    }
    let people = anna
        .done(json!({"type": "room_people", "room": room}))
        .await;
    assert!(
        people["people"]
            .as_array()
            .unwrap()
            .contains(&json!({"user": anna.id, "role": "manager"})),
        "{people}"
    );
}

async fn managers_alter_and_delete(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Press", "category": "News"})).await;
    join(&mut ben, &room).await;
    assert_eq!(
        anna.refused(
            json!({"type": "room_create", "name": "PRESS ", "access": "open", "auditorium": false})
        )
        .await,
        "conflict"
    );
    assert_eq!(
        anna.refused(
            json!({"type": "room_create", "name": "-!-", "access": "open", "auditorium": false})
        )
        .await,
        "bad_request"
    );
    assert_eq!(
        ben.refused(json!({"type": "room_set", "room": room, "topic": "mine"}))
            .await,
        "forbidden"
    );
    let set = anna
        .done(json!({"type": "room_set", "room": room, "name": "Média", "topic": "all of it", "access": "closed"}))
        .await;
    assert_eq!(
        (
            &set["room"]["name"],
            &set["room"]["access"],
            &set["room"]["category"]
        ),
        (&json!("Média"), &json!("closed"), &json!("News"))
    );
    let change = ben.hear_event("change").await;
    assert_eq!(
        change["body"],
        json!({"subject": "Média", "topic": "all of it", "room": {"access": "closed"}})
    );
    anna.say(&room, "1", "unforgettable").await;
    assert_eq!(
        anna.refused(json!({"type": "room_delete", "room": room, "name": "Press"}))
            .await,
        "conflict"
    );
    assert_eq!(
        ben.refused(json!({"type": "room_delete", "room": room, "name": "Média"}))
            .await,
        "forbidden"
    );
    anna.done(json!({"type": "room_delete", "room": room, "name": "Média"}))
        .await;
    assert_eq!(ben.hear_type("gone").await["conversation"], room.as_str());
    assert_eq!(
        anna.refused(json!({"type": "history", "conversation": room}))
            .await,
        "not_found"
    );
    assert_eq!(
        anna.done(json!({"type": "search", "query": "unforgettable"}))
            .await["hits"],
        json!([])
    );
    let gone = stage.companion.sweep(0).await.unwrap();
    assert_eq!(gone, 4, "two joined, one change, one post");
    assert_eq!(stage.companion.sweep(0).await.unwrap(), 0);
}

async fn the_directory_is_searched_by_words_and_paged(stage: Stage) {
    let stage = stage.unhurried().await;
    let mut anna = stage.person("anna").await;
    for n in 0..60 {
        create(&mut anna, json!({"name": format!("Room {n:02}"), "category": if n < 55 { "Many" } else { "Few" }})).await;
    }
    create(
        &mut anna,
        json!({"name": "Café 東京支社", "topic": "Über alles", "description": "100% _fun_"}),
    )
    .await;
    for (query, count) in [
        ("cafe", 1),
        ("UBER caf", 1),
        ("東京", 1),
        ("支", 1),
        ("fun", 1),
        ("%", 50),
        ("afé", 0),
        ("' OR 1=1 --", 0),
        ("room 07", 1),
    ] {
        assert_eq!(names(&mut anna, query).await.len(), count, "{query}");
    }
    let first = anna
        .done(json!({"type": "rooms", "category": "Many"}))
        .await;
    let second = anna
        .done(json!({"type": "rooms", "category": "Many", "after": first["next"]}))
        .await;
    let of = |page: &Value| {
        page["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["name"].clone())
            .collect::<Vec<_>>()
    };
    let all = [of(&first), of(&second)].concat();
    assert_eq!(
        all,
        (0..55)
            .map(|n| json!(format!("Room {n:02}")))
            .collect::<Vec<_>>()
    );
    assert_eq!(second.get("next"), None);
}

async fn who_looks_at_a_room_is_seen_there(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Here"})).await;
    assert_eq!(
        ben.refused(json!({"type": "view", "room": room})).await,
        "not_found"
    );
    join(&mut ben, &room).await;
    assert_eq!(
        anna.done(json!({"type": "view", "room": room})).await["users"],
        json!([anna.id])
    );
    let both = {
        let mut both = [anna.id.clone(), ben.id.clone()];
        both.sort();
        json!(both)
    };
    assert_eq!(
        ben.done(json!({"type": "view", "room": room})).await["users"],
        both
    );
    let seen = anna
        .hear(|message| message["type"] == "view" && message["users"] == both)
        .await;
    assert_eq!(seen["room"], room.as_str());
    let again = stage.connect(&anna.cookie).await;
    assert_eq!(again.welcome["conversations"][0]["members"], both);
    drop(ben);
    let alone = json!([anna.id]);
    anna.hear(|message| message["type"] == "view" && message["users"] == alone)
        .await;
}

async fn newcomers_read_the_past_as_read(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let room = create(&mut anna, json!({"name": "Past"})).await;
    for n in 0..3 {
        anna.say(&room, &format!("a{n}"), "earlier @ben").await;
    }
    let view = join(&mut ben, &room).await;
    assert_eq!((&view["unread"], &view["mentions"]), (&json!(0), &json!(0)));
    assert_eq!(view["room"]["people"], 2);
    let history = ben
        .done(json!({"type": "history", "conversation": room}))
        .await;
    let texts = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "text")
        .count();
    assert_eq!(texts, 3);
    anna.say(&room, "later", "later @ben").await;
    let again = stage.connect(&ben.cookie).await;
    let view = &again.welcome["conversations"][0];
    assert_eq!((&view["unread"], &view["mentions"]), (&json!(1), &json!(1)));
}

async fn long_posts_are_stories(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let room = create(&mut anna, json!({"name": "Long"})).await;
    anna.say(&room, "1", &format!("**Report** {}", "word ".repeat(100)))
        .await;
    let event = anna.hear_event("text").await;
    let story = event["body"]["story"].as_str().unwrap();
    assert!(
        story.starts_with("Report word") && story.chars().count() <= 280,
        "{story}"
    );
    anna.say(&room, "2", "short").await;
    assert_eq!(anna.hear_event("text").await["body"].get("story"), None);
}
