//! What hosts and the API order in a running conference, as seen by those who are in it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Folder, conference, request, rest, start};

const PARTICIPANTS: &str = "/api/v1/conferences/4711/participants";

/// The next view of `who` that `client` is shown.
async fn seen(client: &mut Client, who: &str) -> Value {
    loop {
        let message = client.hear(&["participant_changed"]).await;
        if message["participant"]["id"] == who {
            return message["participant"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_makes_louder_deafens_and_holds_and_a_guest_does_not() {
    let folder = Folder::new("ruling");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "9999").await;
    let mut bob = Client::join(server.http, "4711", "Bob", "1111").await;
    let bobs = bob.id.clone();
    let orders = [
        json!({ "type": "gain_participant", "participant": bobs, "db": -6 }),
        json!({ "type": "deafen_participant", "participant": bobs, "on": true }),
        json!({ "type": "hold_participant", "participant": bobs, "on": true }),
    ];
    for order in &orders {
        bob.say(order.clone()).await;
        assert_eq!(bob.hear(&["error"]).await["code"], "forbidden");
    }
    bob.say(json!({ "type": "extend", "minutes": 5 })).await;
    assert_eq!(bob.hear(&["error"]).await["code"], "forbidden");
    for order in orders {
        ann.say(order).await;
        seen(&mut bob, &bobs).await;
    }
    let body = rest(server.http, &folder.0, "GET", PARTICIPANTS, None)
        .await
        .1;
    let view = &body["participants"][1];
    assert_eq!(
        (&view["gain_db"], &view["deafened"], &view["held"]),
        (&json!(-6), &json!(true), &json!(true))
    );
    for wrong in [
        json!({ "type": "gain_participant", "participant": bobs, "db": 13 }),
        json!({ "type": "hold_participant", "participant": "p_nobody", "on": true }),
    ] {
        ann.say(wrong).await;
        assert_eq!(ann.hear(&["error"]).await["code"], "bad_message");
    }
    // Without a limit there is nothing to extend.
    ann.say(json!({ "type": "extend", "minutes": 5 })).await;
    assert_eq!(ann.hear(&["error"]).await["code"], "forbidden");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_treats_participants_as_a_host_does() {
    let folder = Folder::new("treating");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let call = async |method: &str, path: &str, body: Option<Value>| {
        rest(server.http, &folder.0, method, path, body).await
    };
    let (_, empty) = call("GET", PARTICIPANTS, None).await;
    assert_eq!(empty, json!({ "participants": [] }));
    // What holds for those who are in needs somebody.
    let silence = Some(json!({ "audience_muted": true }));
    let refused = call("PATCH", "/api/v1/conferences/4711", silence).await;
    assert_eq!(refused.0, 409);
    let lock = Some(json!({ "locked": true }));
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let path = format!("{PARTICIPANTS}/{}", ann.id);
    let all = json!({ "muted": true, "deafened": true, "held": true, "gain_db": 12 });
    assert_eq!(call("PATCH", &path, Some(all)).await.0, 204);
    let (_, body) = call("GET", PARTICIPANTS, None).await;
    let view = &body["participants"][0];
    assert_eq!(view["id"], ann.id);
    for (key, value) in [
        ("muted", json!(true)),
        ("deafened", json!(true)),
        ("held", json!(true)),
        ("gain_db", json!(12)),
    ] {
        assert_eq!(view[key], value, "{key} of {view}");
    }
    ann.say(json!({ "type": "mute", "on": true })).await;
    for (body, status) in [
        (json!({ "gain_db": 13 }), 422),
        (json!({ "gain": 1 }), 422),
        (json!({ "held": false }), 204),
    ] {
        assert_eq!(call("PATCH", &path, Some(body)).await.0, status);
    }
    let nobody = format!("{PARTICIPANTS}/p_nobody");
    assert_eq!(
        call("PATCH", &nobody, Some(json!({ "held": true })))
            .await
            .0,
        404
    );
    assert_eq!(call("PATCH", "/api/v1/conferences/4711", lock).await.0, 204);
    assert_eq!(
        ann.hear(&["conference"]).await["conference"]["locked"],
        true
    );
    assert_eq!(call("DELETE", &nobody, None).await.0, 404);
    assert_eq!(call("DELETE", &path, None).await.0, 204);
    assert_eq!(ann.hear(&["ended"]).await["reason"], "removed");
    let (status, _) = request(server.http, None, "GET", PARTICIPANTS, None).await;
    assert_eq!(status, 401);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_is_warned_of_extended_and_then_ends_the_conference() {
    let folder = Folder::new("limit");
    let server = start(&folder.0, "").await;
    let body = json!({ "name": "Short", "id": "4711", "host_pin": "9999", "guest_pin": "1111", "max_minutes": 10 });
    let (status, _) = rest(
        server.http,
        &folder.0,
        "POST",
        "/api/v1/conferences",
        Some(body),
    )
    .await;
    assert_eq!(status, 201);
    let mut ann = Client::connect(server.http).await;
    let joined = ann.attempt("4711", "Ann", json!({ "pin": "9999" })).await;
    let left = joined["conference"]["time_left"].as_u64().unwrap();
    assert!((590..=600).contains(&left), "{left} s");
    ann.say(json!({ "type": "extend", "minutes": 20 })).await;
    let left = ann.hear(&["conference"]).await["conference"]["time_left"].as_u64();
    assert!((1_780..=1_800).contains(&left.unwrap()), "{left:?} s");
    let path = "/api/v1/conferences/4711";
    let patch = async |body| {
        rest(server.http, &folder.0, "PATCH", path, Some(body))
            .await
            .0
    };
    assert_eq!(patch(json!({ "extend_minutes": 90 })).await, 204);
    let (_, shown) = rest(server.http, &folder.0, "GET", path, None).await;
    assert_eq!(shown["max_minutes"], 10);
    let left = shown["time_left_seconds"].as_u64().unwrap();
    assert!((7_170..=7_200).contains(&left), "{left} s");
    let set = Instant::now();
    assert_eq!(patch(json!({ "time_left_seconds": 61 })).await, 204);
    let left = ann.hear(&["time_left"]).await["seconds"].as_u64().unwrap();
    assert!((58..=60).contains(&left), "{left} s");
    assert!(
        set.elapsed() >= Duration::from_millis(900),
        "warned too soon"
    );
    let asked = Instant::now();
    assert_eq!(patch(json!({ "time_left_seconds": 1 })).await, 204);
    let set = Instant::now();
    assert_eq!(ann.hear(&["ended"]).await["reason"], "time_limit");
    let (longest, shortest) = (asked.elapsed(), set.elapsed());
    assert!(longest >= Duration::from_millis(800), "{longest:?}");
    assert!(shortest < Duration::from_secs(3), "{shortest:?}");
    // The next who comes has the whole time again.
    let mut bob = Client::connect(server.http).await;
    let joined = bob.attempt("4711", "Bob", json!({ "pin": "1111" })).await;
    assert!(
        joined["conference"]["time_left"].as_u64() > Some(590),
        "{joined}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_are_prompts_or_wavs_and_everything_else_is_refused() {
    let folder = Folder::new("announce");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let path = "/api/v1/conferences/4711/announcements";
    let say = |prompt: &str| Some(json!({ "prompt": prompt }));
    let prompt = async |path: &str, body| rest(server.http, &folder.0, "POST", path, body).await;
    assert_eq!(prompt(path, say("one-minute")).await.0, 409);
    let ann = Client::join(server.http, "4711", "Ann", "1111").await;
    assert_eq!(prompt(path, say("one-minute")).await.0, 202);
    assert_eq!(prompt(path, say("no-such")).await.0, 422);
    let nobody = format!("{path}?to=p_nobody");
    assert_eq!(prompt(&nobody, say("one-minute")).await.0, 404);
    // She has not offered any audio yet.
    let to_ann = format!("{path}?to={}", ann.id);
    assert_eq!(prompt(&to_ann, say("one-minute")).await.0, 503);
    let wav = |samples: usize| plenum_codecs::wav::write(&vec![100; samples]).unwrap();
    for (bytes, status) in [
        (wav(48_000), 202),
        (b"RIFFnoise".to_vec(), 422),
        // 1.2 MB.
        (wav(600_000), 413),
    ] {
        assert_eq!(upload(&server, &folder, path, bytes).await, status);
    }
    server.stop().await;
}

async fn upload(
    server: &plenum_mcu::server::Server,
    folder: &Folder,
    path: &str,
    wav: Vec<u8>,
) -> u16 {
    let key = std::fs::read_to_string(folder.0.join("admin.key")).unwrap();
    let url = format!("http://{}{path}", server.http);
    let send = move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = ureq::Agent::new_with_config(config.build());
        let request = agent
            .post(&url)
            .header("authorization", format!("Bearer {}", key.trim()))
            .header("content-type", "audio/wav")
            // As uploaders of anything large do: an answer that refuses must not meet a sender in full flow.
            .header("expect", "100-continue");
        request.send(&wav[..]).unwrap().status().as_u16()
    };
    tokio::task::spawn_blocking(send).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_talk_aside_whisper_and_choose_a_language() {
    let folder = Folder::new("aside");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let mut bob = Client::join(server.http, "4711", "Bob", "1111").await;
    let mut eve = Client::join(server.http, "4711", "Eve", "9999").await;
    let (anns, bobs, eves) = (ann.id.clone(), bob.id.clone(), eve.id.clone());
    let aside =
        |who: &[&String]| json!({ "type": "side_open", "participants": who, "hear_room": true });

    // A guest sends nobody aside without going along, and nobody talks aside alone.
    ann.say(aside(&[&bobs, &eves])).await;
    assert_eq!(ann.hear(&["error"]).await["code"], "forbidden");
    ann.say(aside(&[&anns, &anns])).await;
    assert_eq!(ann.hear(&["error"]).await["code"], "bad_message");
    ann.say(aside(&[&anns, &bobs])).await;
    let side = seen(&mut eve, &bobs).await["side"].clone();
    assert!(side.is_u64(), "{side}");
    ann.say(json!({ "type": "side_leave" })).await;
    // Left alone, Bob is back, too.
    assert_eq!(seen(&mut eve, &bobs).await.get("side"), None);
    eve.say(aside(&[&anns, &bobs])).await;
    assert!(seen(&mut eve, &bobs).await["side"].is_u64());
    let path = format!("/api/v1/conferences/4711/sides/{side}");
    assert_eq!(
        rest(server.http, &folder.0, "DELETE", &path, None).await.0,
        204
    );
    assert_eq!(seen(&mut eve, &bobs).await.get("side"), None);
    assert_eq!(
        rest(server.http, &folder.0, "DELETE", &path, None).await.0,
        422
    );
    let body = json!({ "participants": [anns, eves] });
    let sides = "/api/v1/conferences/4711/sides";
    assert_eq!(
        rest(server.http, &folder.0, "POST", sides, Some(body))
            .await
            .0,
        204
    );
    assert!(seen(&mut ann, &eves).await["side"].is_u64());
    // Bob may not force his way in.
    bob.say(aside(&[&bobs, &anns])).await;
    assert_eq!(bob.hear(&["error"]).await["code"], "forbidden");
    ann.say(aside(&[&anns, &bobs])).await;
    assert!(seen(&mut bob, &bobs).await["side"].is_u64());
    for client in [&mut ann, &mut bob] {
        client.say(json!({ "type": "side_leave" })).await;
    }

    ann.say(json!({ "type": "whisper", "to": eves, "on": true }))
        .await;
    for client in [&mut ann, &mut eve] {
        let heard = client.hear(&["whisper"]).await;
        assert_eq!(
            (&heard["from"], &heard["to"], &heard["on"]),
            (&json!(anns), &json!(eves), &json!(true))
        );
    }
    ann.say(json!({ "type": "whisper", "to": eves, "on": false }))
        .await;
    assert_eq!(eve.hear(&["whisper"]).await["on"], false);

    let open = json!({ "type": "channel_open", "name": "Français", "interpreter": bobs });
    bob.say(open.clone()).await;
    assert_eq!(bob.hear(&["error", "whisper"]).await["code"], "forbidden");
    eve.say(open).await;
    let channel = loop {
        let shown = ann.hear(&["conference"]).await;
        if let Some(language) = shown["conference"]["channels"].get(0) {
            assert_eq!(language["interpreter"], bobs);
            break language["channel"].clone();
        }
    };
    ann.say(json!({ "type": "listen", "channel": 31 })).await;
    assert_eq!(ann.hear(&["error"]).await["code"], "bad_message");
    ann.say(json!({ "type": "listen", "channel": channel }))
        .await;
    // That she came back may be told after the whisper.
    while seen(&mut eve, &anns).await["listening"] != channel {}
    // Its interpreter leaves: the language waits for another.
    bob.say(json!({ "type": "leave" })).await;
    let shown = ann.hear(&["conference"]).await;
    assert_eq!(
        shown["conference"]["channels"][0]["interpreter"],
        Value::Null
    );
    eve.say(json!({ "type": "channel_close", "channel": channel }))
        .await;
    assert_eq!(
        ann.hear(&["conference"]).await["conference"].get("channels"),
        None
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_side_conversations_are_the_hosts_a_guest_opens_none() {
    let folder = Folder::new("hosts-only");
    let server = start(&folder.0, "[conference]\nside_conversations = false\n").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let mut eve = Client::join(server.http, "4711", "Eve", "9999").await;
    let both = json!([ann.id, eve.id]);
    let aside = json!({ "type": "side_open", "participants": both });
    for wish in [
        aside.clone(),
        json!({ "type": "whisper", "to": eve.id, "on": true }),
    ] {
        ann.say(wish).await;
        assert_eq!(ann.hear(&["error"]).await["code"], "forbidden");
    }
    eve.say(aside).await;
    let anns = ann.id.clone();
    assert!(seen(&mut eve, &anns).await["side"].is_u64());
    // Whoever was taken aside may always return.
    ann.say(json!({ "type": "side_leave" })).await;
    assert_eq!(seen(&mut eve, &anns).await.get("side"), None);
    server.stop().await;
}
