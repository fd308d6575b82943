//! Groups: who comes, who goes, what they read; and what is done to messages.

use serde_json::{Value, json};

use crate::stage::{Person, Stage, on_both};

on_both!(
    a_newcomer_reads_what_was_said_to_the_group,
    whoever_leaves_hears_no_more,
    somebody_added_to_two_makes_three,
    messages_are_edited_and_deleted,
    reactions_come_with_history,
    marks_tell_how_far_others_are,
);

async fn history(person: &mut Person, conversation: &str) -> Value {
    person
        .done(json!({"type": "history", "conversation": conversation}))
        .await
}

async fn a_newcomer_reads_what_was_said_to_the_group(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let carl = stage.user("carl").await;
    let mut dora = stage.person("dora").await;
    let group = anna.open(&[&ben, &carl]).await;
    anna.say(&group, "a1", "before").await;
    let added = anna
        .done(json!({"type": "add", "conversation": group, "users": [dora.id]}))
        .await;
    assert_eq!(added["seq"], 3, "join, text, join");
    let told = dora.hear_type("conversation").await;
    assert_eq!(
        told["conversation"]["members"].as_array().map(Vec::len),
        Some(4)
    );
    let read = history(&mut dora, &group).await;
    assert_eq!(read["events"][1]["body"]["text"], "before");
    let again = json!({"type": "add", "conversation": group, "users": [dora.id]});
    assert_eq!(anna.refused(again).await, "conflict");
    let nobody = json!({"type": "add", "conversation": group, "users": ["nobody"]});
    assert_eq!(anna.refused(nobody).await, "not_found");
    let renamed = json!({"type": "rename", "conversation": group, "subject": "<b>Lunch</b>"});
    dora.done(renamed).await;
    assert_eq!(
        anna.hear_event("change").await["body"]["subject"],
        "<b>Lunch</b>"
    );
}

async fn whoever_leaves_hears_no_more(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let carl = stage.user("carl").await;
    let group = anna.open(&[&ben.id, &carl]).await;
    ben.done(json!({"type": "leave", "conversation": group}))
        .await;
    assert_eq!(ben.hear_type("gone").await["conversation"], group.as_str());
    anna.say(&group, "a1", "behind your back").await;
    assert_eq!(
        ben.refused(json!({"type": "history", "conversation": group}))
            .await,
        "not_found"
    );
    let ben = stage
        .connect_at(&ben.cookie, &json!({group.as_str(): 1}))
        .await;
    assert_eq!(ben.welcome["conversations"], json!([]));
}

async fn somebody_added_to_two_makes_three(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let mut carl = stage.person("carl").await;
    let talk = anna.open(&[&ben]).await;
    anna.say(&talk, "a1", "between us").await;
    let made = anna
        .done(json!({"type": "add", "conversation": talk, "users": [carl.id]}))
        .await;
    let group = made["conversation"]["id"].as_str().unwrap();
    assert_ne!(group, talk);
    assert_eq!(made["conversation"]["kind"], "group");
    let read = history(&mut carl, group).await;
    assert_eq!(
        read["events"].as_array().map(Vec::len),
        Some(1),
        "only the join"
    );
}

async fn messages_are_edited_and_deleted(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let seq = anna.say(&talk, "a1", "teh").await;
    let edit = json!({"type": "edit", "conversation": talk, "client_id": "a2", "target": seq, "text": "the"});
    let done = anna.done(edit.clone()).await;
    assert_eq!(anna.done(edit).await["seq"], done["seq"], "once");
    assert_eq!(ben.hear_event("edit").await["body"]["text"], "the");
    let foreign = json!({"type": "edit", "conversation": talk, "client_id": "b1", "target": seq, "text": "x"});
    assert_eq!(ben.refused(foreign).await, "conflict");
    let read = history(&mut ben, &talk).await;
    assert_eq!(
        read["events"][0]["body"]["text"], "the",
        "read anew it says so"
    );
    let foreign = json!({"type": "delete", "conversation": talk, "client_id": "b2", "target": seq});
    assert_eq!(ben.refused(foreign).await, "conflict");
    let delete = json!({"type": "delete", "conversation": talk, "client_id": "a3", "target": seq});
    anna.done(delete.clone()).await;
    anna.done(delete).await;
    let read = history(&mut ben, &talk).await;
    assert_eq!(read["events"][0]["body"], json!({}), "it is gone");
    assert_eq!(
        read["events"][1]["body"],
        json!({}),
        "and what it was changed to"
    );
    let late = json!({"type": "edit", "conversation": talk, "client_id": "a4", "target": seq, "text": "x"});
    assert_eq!(anna.refused(late).await, "conflict");
}

async fn reactions_come_with_history(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let seq = anna.say(&talk, "a1", "one").await;
    anna.say(&talk, "a2", "two").await;
    let react = json!({"type": "react", "conversation": talk, "client_id": "b1", "target": seq, "emoji": "👍", "on": true});
    ben.done(react).await;
    let page = anna
        .done(json!({"type": "history", "conversation": talk, "before": 2}))
        .await;
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["later"][0]["body"]["emoji"], "👍");
    let nothing = json!({"type": "react", "conversation": talk, "client_id": "b2", "target": 99, "emoji": "👍", "on": true});
    assert_eq!(ben.refused(nothing).await, "conflict");
    let forwards = anna
        .done(json!({"type": "history", "conversation": talk, "after": 1, "limit": 1}))
        .await;
    assert_eq!(
        (&forwards["events"][0]["seq"], &forwards["more"]),
        (&json!(2), &json!(true))
    );
}

async fn marks_tell_how_far_others_are(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let seq = anna.say(&talk, "a1", "there?").await;
    let of_ben = |message: &Value| {
        let marks = message["marks"].as_array()?;
        marks
            .iter()
            .find(|mark| mark["user"] == ben.id.as_str())
            .cloned()
    };
    let marks = anna.hear(|message| of_ben(message).is_some()).await;
    assert_eq!(of_ben(&marks).unwrap()["delivered"], seq);
    ben.done(json!({"type": "read", "conversation": talk, "seq": seq}))
        .await;
    let id = ben.id.clone();
    let read = anna
        .hear(|message| {
            message["marks"].as_array().is_some_and(|marks| {
                marks
                    .iter()
                    .any(|mark| mark["user"] == id.as_str() && mark["read"] == seq)
            })
        })
        .await;
    assert_eq!(read["conversation"], talk.as_str());
    let list = stage.connect(&anna.cookie).await.welcome;
    assert_eq!(
        list["conversations"][0]["marks"][0]["read"], seq,
        "they are kept"
    );
}
