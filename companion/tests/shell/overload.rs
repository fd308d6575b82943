//! Too much: rates, slow sockets, sockets that say nothing, a long absence, a room that talks at once.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use plenum_companion::server::Limits;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::stage::{On, Person, Stage};

fn fast() -> Limits {
    Limits {
        rate: 1_000_000,
        burst: 1_000_000,
        waiting: 4,
        ..Limits::default()
    }
}

#[tokio::test]
async fn thirty_messages_at_once_and_no_more() {
    // One a second: sixty take less than the half a minute in which another thirty would be allowed.
    let limits = Limits {
        rate: 1,
        ..Limits::default()
    };
    let stage = Stage::with(On::Sqlite, limits).await;
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    let mut refused = None;
    for n in 0..60 {
        let send = json!({"type": "send", "conversation": talk, "client_id": format!("a{n}"), "kind": "text",
            "body": {"text": "x"}});
        let answer = anna.request(send).await;
        if answer["type"] == "refused" {
            refused = Some((n, answer));
            break;
        }
    }
    let (n, answer) = refused.expect("nothing was refused");
    assert!(n >= 30, "{n}");
    assert_eq!(answer["code"], "rate");
    assert!(answer["retry_ms"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_closed_and_comes_back_whole() {
    let stage = Stage::with(On::Sqlite, fast()).await;
    let mut anna = stage.person("anna").await;
    let ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let text = "x".repeat(8000);
    for n in 0..1500 {
        anna.say(&talk, &format!("a{n}"), &text).await;
    }
    // Ben has read nothing yet: what is under way comes, then the close.
    let mut ben = ben;
    let mut code = None;
    let mut seen = 0;
    while let Some(Ok(message)) = ben.socket.next().await {
        match message {
            Message::Text(_) => seen += 1,
            Message::Close(frame) => code = frame.map(|frame| u16::from(frame.code)),
            _ => {}
        }
    }
    assert!(seen < 1500, "{seen}");
    assert!(matches!(code, Some(4008) | None), "{code:?}");
    let mut cursors = json!({});
    cursors[&talk] = 1000.into();
    let mut ben = stage.connect_at(&ben.cookie, &cursors).await;
    let mut last = 1000;
    while last < 1500 {
        let events = ben.hear_type("events").await;
        for event in events["events"].as_array().unwrap() {
            assert_eq!(event["seq"], last + 1);
            last += 1;
        }
    }
    let mut behind = stage
        .connect_at(&ben.cookie, &json!({talk.as_str(): 1}))
        .await;
    let reset = behind.hear_type("reset").await;
    assert_eq!(reset["conversation"], talk.as_str());
}

#[tokio::test]
async fn sockets_that_say_nothing_are_few_and_soon_gone() {
    let stage = Stage::with(On::Sqlite, fast()).await;
    stage.user("anna").await;
    let cookie = stage.sign_in("anna").await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(stage.dial(&cookie).await.unwrap());
    }
    assert!(
        stage.dial(&cookie).await.is_err(),
        "a fifth waits elsewhere"
    );
    let hasty = Limits {
        hello: Duration::from_millis(500),
        ..fast()
    };
    let stage = Stage::with(On::Sqlite, hasty).await;
    stage.user("anna").await;
    let cookie = stage.sign_in("anna").await;
    let mut silent = stage.dial(&cookie).await.unwrap();
    assert_eq!(silent.next().await, None, "it is cut off");
    let stage = Stage::open(On::Sqlite).await;
    stage.user("anna").await;
    let cookie = stage.sign_in("anna").await;
    stage.connect(&cookie).await;
    let mut early = stage.dial(&cookie).await.unwrap();
    let read = early.request(json!({"type": "read"})).await;
    assert_eq!(read["type"], "refused");
    let mut old = stage.dial(&cookie).await.unwrap();
    let refused = old
        .request(json!({"type": "hello", "version": 9, "device": "browser"}))
        .await;
    assert_eq!(refused["code"], "bad_request");
}

#[tokio::test]
async fn garbage_ends_nothing_but_itself() {
    let stage = Stage::open(On::Sqlite).await;
    let mut anna = stage.person("anna").await;
    for garbage in [
        "",
        "null",
        "[]",
        "{}",
        "{\"type\":1}",
        "{\"id\":-1,\"type\":\"send\"}",
        "\u{1F600}",
    ] {
        anna.socket.send(Message::text(garbage)).await.unwrap();
        let answer = anna.hear_type("refused").await;
        assert_eq!(answer["code"], "bad_request", "{garbage}");
    }
    let deep = "[".repeat(100_000);
    anna.socket.send(Message::text(deep)).await.unwrap();
    assert_eq!(anna.hear_type("refused").await["code"], "bad_request");
    anna.done(json!({"type": "calls"})).await;
    anna.socket
        .send(Message::text("x".repeat(300 * 1024)))
        .await
        .unwrap();
    assert!(anna.is_closed().await, "a frame has a bound");
}

/// A hundred people in one conversation who all talk: each gets each message once, in one order.
async fn a_hundred_talk(stage: Stage, people: usize, each: usize) {
    let mut first = stage.person("p0").await;
    let mut others = Vec::new();
    let mut ids = Vec::new();
    for n in 1..people {
        let id = stage.user(&format!("p{n}")).await;
        let cookie = stage.companion_session(&id).await;
        ids.push(id);
        others.push(cookie);
    }
    let with: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = first.open(&with).await;
    let mut crowd: Vec<Person> = vec![first];
    for cookie in &others {
        crowd.push(stage.connect(cookie).await);
    }
    let total = people * each;
    let tasks = crowd.into_iter().enumerate().map(|(n, mut person)| {
        let group = group.clone();
        tokio::spawn(async move {
            for m in 0..each {
                person.say(&group, &format!("{n}-{m}"), "all at once").await;
            }
            let mut order: Vec<(i64, String)> = Vec::new();
            while order.len() < total {
                let message = person.hear_type("events").await;
                for event in message["events"].as_array().unwrap() {
                    if event["kind"] == "text" {
                        let id = event["client_id"].as_str().unwrap().to_owned();
                        order.push((event["seq"].as_i64().unwrap(), id));
                    }
                }
            }
            order
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut orders = Vec::new();
    for task in tasks {
        orders.push(task.await.unwrap());
    }
    let expected = &orders[0];
    assert!(
        expected.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "in order"
    );
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (_, id) in expected {
        *counts.entry(id).or_default() += 1;
    }
    assert_eq!(
        (counts.len(), counts.values().max()),
        (total, Some(&1)),
        "each once"
    );
    for order in &orders {
        assert!(order == expected, "one order for all");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_get_each_message_once_in_one_order() {
    a_hundred_talk(Stage::with(On::Sqlite, fast()).await, 100, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_get_each_message_once_in_one_order_on_postgres() {
    a_hundred_talk(Stage::with(On::Postgres, fast()).await, 20, 5).await;
}

/// Values that no client should have to think about.
#[tokio::test]
async fn numbers_at_their_ends_are_harmless() {
    let stage = Stage::open(On::Sqlite).await;
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    anna.say(&talk, "a1", "x").await;
    for seq in [i64::MIN, -1, 0, i64::MAX] {
        let read = json!({"type": "read", "conversation": talk, "seq": seq});
        assert_eq!(anna.done(read).await["unread"], 0);
        let page = json!({"type": "history", "conversation": talk, "before": seq, "limit": seq});
        anna.done(page).await;
        let page = json!({"type": "history", "conversation": talk, "after": seq});
        anna.done(page).await;
        let edit = json!({"type": "delete", "conversation": talk, "client_id": format!("d{seq}"), "target": seq});
        anna.refused(edit).await;
    }
    let list: Value = stage.connect(&anna.cookie).await.welcome;
    assert_eq!(
        list["conversations"][0]["read_seq"], 1,
        "not beyond the end"
    );
}
