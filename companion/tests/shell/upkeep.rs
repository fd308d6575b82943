//! Copies and damage.

use plenum_companion::server::{Database, Upkeep};
use serde_json::json;

use crate::stage::{On, Stage};

#[tokio::test]
async fn a_copy_made_while_in_use_is_whole() {
    let stage = Stage::open(On::Sqlite).await;
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    anna.say(&talk, "a1", "kept").await;
    let upkeep = Upkeep::open(&stage.database).await.unwrap();
    assert_eq!(upkeep.check().await.unwrap(), Vec::<String>::new());
    let copy = stage.folder.0.join("copy.db");
    upkeep.backup(&copy).await.unwrap();
    assert!(upkeep.backup(&copy).await.is_err(), "it overwrites nothing");
    anna.say(&talk, "a2", "later").await;
    let copied = Upkeep::open(&Database::Sqlite(copy)).await.unwrap();
    assert_eq!(copied.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_restored_into_an_empty_database() {
    let stage = Stage::open(On::Postgres).await;
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    anna.say(&talk, "a1", "kept, with ünïcode 東京").await;
    anna.done(json!({"type": "annotate", "conversation": talk, "text": "noted"}))
        .await;
    let upkeep = Upkeep::open(&stage.database).await.unwrap();
    let dump = stage.folder.0.join("copy.dump");
    upkeep.backup(&dump).await.unwrap();
    assert!(upkeep.backup(&dump).await.is_err(), "it overwrites nothing");
    anna.say(&talk, "a2", "later").await;
    let mut other = Stage::open(On::Postgres).await;
    let empty = crate::postgres::database();
    crate::postgres::restore(&dump, &empty);
    other.database = Database::Postgres(empty);
    other.config.database = other.database.clone();
    let other = other.again().await;
    let whole = Upkeep::open(&other.database).await.unwrap();
    assert_eq!(whole.check().await.unwrap(), Vec::<String>::new());
    // The session, too, is of that moment.
    let mut anna = other.connect(&anna.cookie).await;
    let read = anna
        .done(json!({"type": "history", "conversation": talk}))
        .await;
    let texts: Vec<&str> = read["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["body"]["text"].as_str())
        .collect();
    assert_eq!(texts, ["kept, with ünïcode 東京"]);
    let found = anna.done(json!({"type": "search", "query": "東京"})).await;
    assert_eq!(found["hits"][0]["seq"], read["events"][0]["seq"]);
    assert_eq!(anna.say(&talk, "a3", "goes on").await, 2);
}

#[tokio::test]
async fn damage_is_told() {
    for on in [On::Sqlite, On::Postgres] {
        let stage = Stage::open(on).await;
        let mut anna = stage.person("anna").await;
        let ben = stage.user("ben").await;
        let talk = anna.open(&[&ben]).await;
        for n in 0..3 {
            anna.say(&talk, &format!("a{n}"), "x").await;
        }
        anna.done(json!({"type": "read", "conversation": talk, "seq": 3}))
            .await;
        stage.spoil("DELETE FROM events WHERE seq = 2").await;
        stage.spoil("DELETE FROM users WHERE login = 'ben'").await;
        let faults = Upkeep::open(&stage.database)
            .await
            .unwrap()
            .check()
            .await
            .unwrap();
        assert!(
            faults.contains(&format!("a log has a gap: {talk}")),
            "{faults:?}"
        );
        assert!(
            faults.contains(&format!("a member who is no user: {ben}")),
            "{faults:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cut_us_off_is_connected_to_anew() {
    let stage = Stage::open(On::Postgres).await;
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    anna.say(&talk, "a1", "before").await;
    stage
        .spoil(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid()",
        )
        .await;
    assert_eq!(anna.say(&talk, "a2", "after").await, 2);
    let read = anna
        .done(json!({"type": "history", "conversation": talk}))
        .await;
    assert_eq!(read["events"].as_array().map(Vec::len), Some(2));
}
