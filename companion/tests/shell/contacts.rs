//! Lists of contacts, the same on every device.

use serde_json::{Value, json};

use crate::stage::{Stage, on_both};

on_both!(
    a_list_is_the_same_on_every_device,
    levels_come_of_contacts_groups_and_domains,
    people_are_found,
    recent_people_are_those_of_conversations,
);

async fn a_list_is_the_same_on_every_device(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.person("ben").await;
    let mut second = stage.connect(&anna.cookie).await;
    let friends = anna
        .done(json!({"type": "group_set", "name": "Friends"}))
        .await["group"]
        .clone();
    let told = second.hear_type("contacts").await;
    assert_eq!(told["contacts"]["revision"], 1);
    let contact = anna
        .done(json!({"type": "contact_set", "user": ben.id, "groups": [friends]}))
        .await["contact"]
        .clone();
    let list = second
        .hear(|message| message["contacts"]["revision"] == 2)
        .await["contacts"]
        .clone();
    let one = json!({"id": contact, "user": ben.id, "groups": [friends], "tagged": false});
    assert_eq!(list["contacts"], json!([one]));
    second
        .sees(&ben.id, |seen| seen["state"] == "available")
        .await;
    let again = anna
        .done(json!({"type": "contact_set", "user": ben.id, "tagged": true}))
        .await;
    assert_eq!(again["contact"], contact, "a user is a contact once");
    let phone = anna
        .done(json!({"type": "contact_set", "phone": "+49 30 123-456", "name": "Taxi"}))
        .await["contact"]
        .clone();
    anna.done(json!({"type": "contact_set", "contact": phone, "name": null}))
        .await;
    let third = stage.connect(&anna.cookie).await;
    let list = &third.welcome["contacts"];
    assert_eq!(list["contacts"][0]["tagged"], true);
    assert_eq!(list["contacts"][0]["groups"], json!([friends]), "untouched");
    let taxi = json!({"id": phone, "phone": "+4930123456", "groups": [], "tagged": false});
    assert_eq!(list["contacts"][1], taxi);
    assert_eq!(third.welcome["users"][0]["login"], "ben");
    let seen = third.welcome["presence"].as_array().unwrap();
    assert!(seen.iter().any(|seen| seen["user"] == ben.id.as_str()));
    anna.done(json!({"type": "group_remove", "group": friends}))
        .await;
    anna.done(json!({"type": "contact_remove", "contact": contact}))
        .await;
    let last = second
        .hear(|message| message["contacts"]["revision"] == 7)
        .await;
    assert_eq!(last["contacts"]["contacts"], json!([taxi]));
    assert_eq!(last["contacts"]["groups"], json!([]));
    for (request, code) in [
        (
            json!({"type": "contact_set", "user": anna.id}),
            "bad_request",
        ),
        (
            json!({"type": "contact_set", "user": "nobody"}),
            "not_found",
        ),
        (
            json!({"type": "contact_set", "phone": "0900-CALL"}),
            "bad_request",
        ),
        (json!({"type": "contact_set"}), "bad_request"),
        (
            json!({"type": "contact_set", "user": ben.id, "groups": ["none"]}),
            "not_found",
        ),
        (
            json!({"type": "contact_remove", "contact": contact}),
            "not_found",
        ),
        (json!({"type": "group_set"}), "bad_request"),
        (
            json!({"type": "group_remove", "group": "none"}),
            "not_found",
        ),
        (json!({"type": "level_set", "level": "team"}), "bad_request"),
        (
            json!({"type": "level_set", "domain": "a b", "level": "team"}),
            "bad_request",
        ),
    ] {
        assert_eq!(anna.refused(request.clone()).await, code, "{request}");
    }
}

async fn levels_come_of_contacts_groups_and_domains(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let level = async |anna: &mut crate::stage::Person, ben: &str| {
        anna.done(json!({"type": "card", "user": ben})).await["level"].clone()
    };
    assert_eq!(level(&mut anna, &ben.id).await, "company");
    let group = anna
        .done(json!({"type": "group_set", "name": "Friends", "level": "personal"}))
        .await["group"]
        .clone();
    let contact = anna
        .done(json!({"type": "contact_set", "user": ben.id, "groups": [group]}))
        .await["contact"]
        .clone();
    assert_eq!(level(&mut anna, &ben.id).await, "personal");
    anna.done(json!({"type": "level_set", "user": ben.id, "level": "blocked"}))
        .await;
    assert_eq!(level(&mut anna, &ben.id).await, "blocked");
    ben.done(json!({"type": "watch", "users": [anna.id]})).await;
    anna.done(json!({"type": "contact_remove", "contact": contact}))
        .await;
    assert_eq!(
        level(&mut anna, &ben.id).await,
        "blocked",
        "removing is no unblocking"
    );
    let stage = stage.again().await;
    let mut anna = stage.connect(&anna.cookie).await;
    assert_eq!(
        level(&mut anna, &ben.id).await,
        "blocked",
        "nor is a restart"
    );
    anna.done(json!({"type": "level_set", "user": ben.id, "level": null}))
        .await;
    assert_eq!(level(&mut anna, &ben.id).await, "company");
    anna.done(json!({"type": "level_set", "domain": "example.org", "level": "team"}))
        .await;
    let levels = stage.connect(&anna.cookie).await.welcome["contacts"]["levels"].clone();
    assert_eq!(levels, json!([{"domain": "example.org", "level": "team"}]));
}

async fn people_are_found(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut user = stage.new_user("zoë.müller");
    user.login = "zoe".to_owned();
    user.name = "Zoë Müller".to_owned();
    user.title = Some("Engineer".to_owned());
    user.mobile = Some("+491".to_owned());
    let zoe = stage.companion.people().add(user).await.unwrap().id;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let found = async |anna: &mut crate::stage::Person, query: &str| {
        let found = anna.done(json!({"type": "people", "query": query})).await;
        found["people"].clone()
    };
    let seen = json!({"id": zoe, "login": "zoe", "name": "Zoë Müller", "role": "user", "title": "Engineer"});
    for query in ["muller", "ZOË m", "engin"] {
        assert_eq!(found(&mut anna, query).await, json!([seen]), "{query}");
    }
    assert_eq!(found(&mut anna, "%").await, json!([]));
    let cookie = stage.sign_in("zoe").await;
    let mut zoe = stage.connect(&cookie).await;
    zoe.done(json!({"type": "level_set", "user": anna.id, "level": "blocked"}))
        .await;
    assert_eq!(
        found(&mut anna, "engin").await,
        json!([]),
        "not by what is hidden"
    );
    let name = found(&mut anna, "zoe").await;
    assert_eq!(name[0]["title"], Value::Null);
    zoe.done(json!({"type": "level_set", "user": anna.id, "level": "team"}))
        .await;
    assert_eq!(found(&mut anna, "zoe").await[0]["mobile"], "+491");
}

async fn recent_people_are_those_of_conversations(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ids = Vec::new();
    for number in 0..12 {
        let id = stage.user(&format!("user{number}")).await;
        let talk = anna.open(&[&id]).await;
        anna.say(&talk, "hello", "hello").await;
        ids.push(id);
        // Times are whole milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let again = stage.connect(&anna.cookie).await;
    let latest: Vec<_> = ids.iter().rev().take(10).map(String::as_str).collect();
    assert_eq!(again.welcome["contacts"]["recent"], json!(latest));
    assert_eq!(again.welcome["users"].as_array().unwrap().len(), 13);
}
