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
