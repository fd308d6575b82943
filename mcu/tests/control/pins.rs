//! PINs that expire and PINs of one person; a lock that outlives the server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::client::{Client, Folder, conference, rest, start};

const PATH: &str = "/api/v1/conferences/4711";

fn in_millis(millis: u64) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap() + millis
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_outlives_the_server_and_ends_with_the_conference() {
    let folder = Folder::new("kept-lock");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut host = Client::join(server.http, "4711", "Hana", "9999").await;
    host.say(json!({ "type": "lock", "on": true })).await;
    host.hear(&["conference"]).await;
    server.stop().await;

    let server = start(&folder.0, "").await;
    let (_, shown) = rest(server.http, &folder.0, "GET", PATH, None).await;
    assert_eq!(shown["locked"], true);
    let attempt = async |pin: &str| {
        let mut client = Client::connect(server.http).await;
        let answer = client.attempt("4711", "Ann", json!({ "pin": pin })).await;
        (client, answer)
    };
    assert_eq!(attempt("1111").await.1["code"], "locked");
    let (mut host, joined) = attempt("9999").await;
    assert_eq!(joined["conference"]["locked"], true);
    // It ends, and with it the lock: the next one is not shut by what was wanted of this one.
    host.say(json!({ "type": "leave" })).await;
    host.hear(&["ended"]).await;
    for _ in 0..100 {
        let (_, shown) = rest(server.http, &folder.0, "GET", PATH, None).await;
        if shown["locked"] == false {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(attempt("1111").await.1["type"], "joined");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_locks_a_conference_with_nobody_in_it() {
    let folder = Folder::new("empty-lock");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let lock = |on: bool| Some(json!({ "locked": on }));
    assert_eq!(
        rest(server.http, &folder.0, "PATCH", PATH, lock(true))
            .await
            .0,
        204
    );
    let mut ann = Client::connect(server.http).await;
    let refused = ann.attempt("4711", "Ann", json!({ "pin": "1111" })).await;
    assert_eq!(refused["code"], "locked");
    // Who was refused has begun nothing that could end.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    let (_, shown) = rest(server.http, &folder.0, "GET", PATH, None).await;
    assert_eq!(shown["locked"], true);
    assert_eq!(
        rest(server.http, &folder.0, "PATCH", PATH, lock(false))
            .await
            .0,
        204
    );
    let joined = ann.attempt("4711", "Ann", json!({ "pin": "1111" })).await;
    assert_eq!(joined["type"], "joined");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_pin_is_as_wrong_as_any() {
    let folder = Folder::new("expiry");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let attempt = async |pin: &str| {
        let mut client = Client::connect(server.http).await;
        client.attempt("4711", "Ann", json!({ "pin": pin })).await
    };
    let past = json!({ "guest_pin_expires_ms": 5 });
    assert_eq!(
        rest(server.http, &folder.0, "PATCH", PATH, Some(past))
            .await
            .0,
        422
    );
    let expire = async |at: u64| {
        let body = json!({ "guest_pin_expires_ms": at });
        let patched = rest(server.http, &folder.0, "PATCH", PATH, Some(body));
        assert_eq!(patched.await.0, 204);
    };
    let expires = in_millis(600_000);
    expire(expires).await;
    let (_, shown) = rest(server.http, &folder.0, "GET", PATH, None).await;
    assert_eq!(shown["guest_pin_expires_ms"], expires);
    assert_eq!(shown["host_pin_expires_ms"], Value::Null);
    assert_eq!(attempt("1111").await["type"], "joined");
    expire(in_millis(2_000)).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(
        attempt("1111").await["code"],
        "wrong_pin",
        "though it was right before"
    );
    let mut none = Client::connect(server.http).await;
    let open = none.attempt("4711", "Ann", json!({})).await;
    assert_eq!(open["code"], "wrong_pin", "an expired PIN opens nothing");
    assert_eq!(attempt("9999").await["type"], "joined");
    let never = json!({ "guest_pin_expires_ms": 0 });
    assert_eq!(
        rest(server.http, &folder.0, "PATCH", PATH, Some(never))
            .await
            .0,
        204
    );
    assert_eq!(attempt("1111").await["type"], "joined");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_pin_names_its_bearer_until_it_is_replaced_taken_back_or_expires() {
    let folder = Folder::new("personal");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let path = format!("{PATH}/pins");
    let issue = async |body: Value| rest(server.http, &folder.0, "POST", &path, Some(body)).await;
    let attempt = async |pin: &Value| {
        let mut client = Client::connect(server.http).await;
        let answer = client.attempt("4711", "Eve", json!({ "pin": pin })).await;
        (client, answer)
    };
    let zoe = json!({ "user": "zoe", "name": "Zoe", "role": "host" });
    let (status, first) = issue(zoe.clone()).await;
    assert_eq!((status, first["role"].as_str()), (201, Some("host")));
    let (_, joined) = attempt(&first["digits"]).await;
    assert_eq!(
        (
            joined["role"].as_str(),
            joined["roster"][0]["name"].as_str()
        ),
        (Some("host"), Some("Zoe"))
    );

    let (_, second) = issue(zoe).await;
    assert_eq!(
        attempt(&first["digits"]).await.1["code"],
        "wrong_pin",
        "replaced"
    );
    assert_eq!(attempt(&second["digits"]).await.1["type"], "joined");
    let (_, listed) = rest(server.http, &folder.0, "GET", &path, None).await;
    assert_eq!(listed["pins"].as_array().map(Vec::len), Some(1));
    let one = format!("{path}/{}", listed["pins"][0]["pin"].as_str().unwrap());
    assert_eq!(
        rest(server.http, &folder.0, "DELETE", &one, None).await.0,
        204
    );
    assert_eq!(
        rest(server.http, &folder.0, "DELETE", &one, None).await.0,
        404
    );
    assert_eq!(
        attempt(&second["digits"]).await.1["code"],
        "wrong_pin",
        "taken back"
    );

    let soon = json!({ "user": "yan", "name": "Yan", "expires_ms": in_millis(2_000) });
    let (_, brief) = issue(soon).await;
    assert_eq!(brief["role"], "guest");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(
        attempt(&brief["digits"]).await.1["code"],
        "wrong_pin",
        "expired"
    );
    // Nobody's own PIN becomes the conference's.
    let (_, kept) = issue(json!({ "user": "xia", "name": "Xia" })).await;
    let same = json!({ "host_pin": kept["digits"] });
    assert_eq!(
        rest(server.http, &folder.0, "PATCH", PATH, Some(same))
            .await
            .0,
        422
    );
    assert_eq!(issue(json!({ "user": "", "name": "Nobody" })).await.0, 422);
    let open = json!({ "guest_pin": "" });
    assert_eq!(
        rest(server.http, &folder.0, "PATCH", PATH, Some(open))
            .await
            .0,
        204
    );
    assert_eq!(
        issue(json!({ "user": "zoe", "name": "Zoe" })).await.0,
        422,
        "phones are asked for none"
    );
    server.stop().await;
}
