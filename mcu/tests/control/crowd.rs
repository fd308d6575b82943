//! Many who come at once: how few messages tell of them, and that all see the same.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Folder, conference, start};

fn ids(people: &Value) -> Vec<String> {
    let id = |person: &Value| person["id"].as_str().unwrap().to_owned();
    people.as_array().unwrap().iter().map(id).collect()
}

/// A roster as its messages add up to it; panics at news of strangers.
#[derive(Default)]
struct View(BTreeSet<String>);

impl View {
    fn of(joined: &Value) -> Self {
        Self(ids(&joined["roster"]).into_iter().collect())
    }

    fn take(&mut self, change: &Value) {
        let shown = change["participant"]["id"].as_str();
        let named = change["participant"].as_str();
        match change["type"].as_str().unwrap() {
            "participant_joined" => assert!(self.0.insert(shown.unwrap().to_owned()), "{change}"),
            "participant_changed" => assert!(self.0.contains(shown.unwrap()), "{change}"),
            "participant_left" => assert!(self.0.remove(named.unwrap()), "{change}"),
            _ => {}
        }
    }
}

const PEOPLE: [&str; 4] = [
    "participant_joined",
    "participant_changed",
    "participant_left",
    "talking",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_told_of_in_few_messages_and_nobody_hears_of_strangers() {
    const CROWD: usize = 80;
    let folder = Folder::new("many");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::connect(server.http).await;
    let joined = ann.attempt("4711", "Ann", json!({ "pin": "1111" })).await;
    let mut seen = View::of(&joined);
    let begin = Instant::now();
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let mut client = Client::connect(server.http).await;
        let name = format!("Guest {number}");
        let joined = client
            .attempt("4711", &name, json!({ "pin": "1111" }))
            .await;
        let view = View::of(&joined);
        // Every fourth is gone again at once.
        if number % 4 == 3 {
            client.say(json!({ "type": "leave" })).await;
        }
        crowd.push((client, view));
    }
    let took = begin.elapsed();
    while seen.0.len() < 1 + CROWD * 3 / 4 {
        seen.take(&ann.hear(&PEOPLE).await);
    }
    // One message at once and one for each interval of 100 ms, not one for each who came, went or was changed.
    let intervals = usize::try_from(took.as_millis() / 100).unwrap();
    assert!(ann.frames <= intervals + 5, "{} in {took:?}", ann.frames);
    for (number, (mut client, mut view)) in crowd.into_iter().enumerate() {
        if number % 4 == 3 {
            continue;
        }
        while view.0 != seen.0 {
            view.take(&client.hear(&PEOPLE).await);
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_change_is_told_at_once() {
    let folder = Folder::new("once");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let mut best = Duration::MAX;
    for on in [true, false, true, false] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let said = Instant::now();
        ann.say(json!({ "type": "hand", "on": on })).await;
        let told = ann.hear(&["participant_changed"]).await;
        assert_eq!(told["participant"]["hand"], on);
        best = best.min(said.elapsed());
    }
    assert!(best < Duration::from_millis(60), "{best:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_roster_comes_in_parts_oneself_in_the_first() {
    const CROWD: usize = 430;
    let folder = Folder::new("parts");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let name = format!("Guest {number}");
        crowd.push(Client::join(server.http, "4711", &name, "1111").await);
    }
    let mut last = Client::connect(server.http).await;
    let joined = last.attempt("4711", "Last", json!({ "pin": "1111" })).await;
    let mut all = ids(&joined["roster"]);
    assert_eq!(all.len(), 400);
    assert!(all.contains(&last.id));
    all.extend(ids(&last.hear(&["roster"]).await["participants"]));
    let expected: BTreeSet<String> = crowd.iter().map(|client| client.id.clone()).collect();
    let all: BTreeSet<String> = all.into_iter().filter(|id| *id != last.id).collect();
    assert_eq!(all, expected);
    server.stop().await;
}
