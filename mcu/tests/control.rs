//! The control plane of a whole server in this process, driven as clients do: WebSocket, REST, SIP.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use plenum_mcu::config::Config;
use plenum_mcu::server::Server;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A folder that is gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("plenum-control-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server on ports of its own, its data in `folder`.
async fn start(folder: &Path, more: &str) -> Server {
    let text = format!(
        "[server]\ndata_dir = \"{}\"\n[http]\nport = 0\n[media]\nudp_port = 0\nworkers = 1\n[sip]\nport = 0\n{more}",
        folder.display()
    );
    let config = Config::parse(Some(&text), std::iter::empty()).unwrap();
    Server::start(&config).await.unwrap()
}

/// One REST request; the status and the JSON body.
async fn rest(
    server: SocketAddr,
    folder: &Path,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let key = std::fs::read_to_string(folder.join("admin.key")).unwrap();
    request(server, Some(key.trim().to_owned()), method, path, body).await
}

async fn request(
    server: SocketAddr,
    key: Option<String>,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let (url, method) = (format!("http://{server}{path}"), method.to_owned());
    let request = move || {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build(),
        );
        let mut request = ureq::http::Request::builder()
            .method(method.as_str())
            .uri(url);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request
            .header("content-type", "application/json")
            .body(text)
            .unwrap();
        let mut response = agent.run(request).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (
            response.status().as_u16(),
            serde_json::from_str(&text).unwrap_or(Value::Null),
        )
    };
    tokio::task::spawn_blocking(request).await.unwrap()
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: String,
    resume: String,
}

impl Client {
    async fn connect(server: SocketAddr) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{server}/api/v1/signal"))
            .await
            .unwrap();
        Self {
            socket,
            id: String::new(),
            resume: String::new(),
        }
    }

    async fn say(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message of one of these types; others pass by.
    async fn hear(&mut self, types: &[&str]) -> Value {
        let wait = async {
            loop {
                match self.socket.next().await.expect("an open socket").unwrap() {
                    Message::Text(text) => {
                        let value: Value = serde_json::from_str(&text).unwrap();
                        if types.contains(&value["type"].as_str().unwrap()) {
                            return value;
                        }
                    }
                    Message::Close(frame) => panic!("closed with {frame:?} before {types:?}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(25), wait)
            .await
            .unwrap_or_else(|_| panic!("no {types:?}"))
    }

    async fn attempt(&mut self, conference: &str, name: &str, more: Value) -> Value {
        let mut join =
            json!({ "type": "join", "version": 1, "conference": conference, "name": name });
        join.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.say(join).await;
        let answer = self.hear(&["joined", "error"]).await;
        if answer["type"] == "joined" {
            self.id = answer["participant"].as_str().unwrap().to_owned();
            self.resume = answer["resume"].as_str().unwrap().to_owned();
        }
        answer
    }

    async fn join(server: SocketAddr, conference: &str, name: &str, pin: &str) -> Self {
        let mut client = Self::connect(server).await;
        let answer = client
            .attempt(conference, name, json!({ "pin": pin }))
            .await;
        assert_eq!(answer["type"], "joined", "{answer}");
        client
    }
}

async fn conference(server: SocketAddr, folder: &Path) {
    let body = json!({ "name": "Weekly", "id": "4711", "host_pin": "9999", "guest_pin": "1111" });
    let (status, created) = rest(server, folder, "POST", "/api/v1/conferences", Some(body)).await;
    assert_eq!(
        (status, created["id"].as_str()),
        (201, Some("4711")),
        "{created}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story from end to end")]
async fn people_join_see_each_other_and_a_host_rules() {
    let folder = Folder::new("rules");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", " Ann\u{0} ", "1111").await;
    let mut bob = Client::connect(server.http).await;
    let joined = bob.attempt("4711", "Bob", json!({ "pin": "9999" })).await;
    assert_eq!(joined["role"], "host");
    let names: Vec<_> = joined["roster"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Ann", "Bob"]);
    assert_eq!(joined["roster"][0]["presence"], "in_conference");
    let sip = server.sip.unwrap();
    assert_eq!(joined["dial_in"]["sip"], format!("sip:4711@{sip}"));
    let came = ann.hear(&["participant_joined"]).await;
    assert_eq!(came["participant"]["id"], bob.id);

    // A guest may not rule.
    for message in [
        json!({ "type": "lock", "on": true }),
        json!({ "type": "end" }),
        json!({ "type": "remove", "participant": bob.id }),
        json!({ "type": "mute_participant", "participant": bob.id, "on": true }),
    ] {
        ann.say(message).await;
        assert_eq!(ann.hear(&["error"]).await["code"], "forbidden");
    }
    // The host mutes her: she may lift it, and whoever muted themselves is left alone.
    bob.say(json!({ "type": "mute_participant", "participant": ann.id, "on": true }))
        .await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["muted"],
        true
    );
    ann.say(json!({ "type": "mute", "on": false })).await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["muted"],
        false
    );
    ann.say(json!({ "type": "mute", "on": true })).await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["muted"],
        true
    );
    bob.say(json!({ "type": "mute_participant", "participant": ann.id, "on": false }))
        .await;
    assert_eq!(bob.hear(&["error"]).await["code"], "forbidden");
    // Cameras ask others for slots.
    ann.say(json!({ "type": "hand", "on": true })).await;
    assert_eq!(
        ann.hear(&["participant_changed"]).await["participant"]["hand"],
        true
    );

    // Locked: guests stay out, hosts do not.
    bob.say(json!({ "type": "lock", "on": true })).await;
    assert_eq!(
        ann.hear(&["conference"]).await["conference"]["locked"],
        true
    );
    let mut carl = Client::connect(server.http).await;
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "pin": "1111" })).await["code"],
        "locked"
    );
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "pin": "9999" })).await["type"],
        "joined"
    );
    let (_, shown) = rest(
        server.http,
        &folder.0,
        "GET",
        "/api/v1/conferences/4711",
        None,
    )
    .await;
    assert_eq!(
        (shown["participants"].as_u64(), shown["locked"].as_bool()),
        (Some(3), Some(true))
    );

    // Presence of a participant, until it leaves.
    let path = format!("/api/v1/presence/{}", ann.id);
    assert_eq!(
        rest(server.http, &folder.0, "GET", &path, None).await.1["presence"],
        "in_conference"
    );
    let wish = json!({ "manual": "do_not_disturb" });
    assert_eq!(
        rest(server.http, &folder.0, "PUT", &path, Some(wish))
            .await
            .1["presence"],
        "do_not_disturb"
    );
    assert_eq!(
        bob.hear(&["participant_changed"]).await["participant"]["id"],
        ann.id
    );

    bob.say(json!({ "type": "remove", "participant": ann.id }))
        .await;
    assert_eq!(ann.hear(&["ended"]).await["reason"], "removed");
    let left = bob.hear(&["participant_left"]).await;
    assert_eq!(
        (left["participant"].as_str(), left["reason"].as_str()),
        (Some(ann.id.as_str()), Some("removed"))
    );
    assert_eq!(
        rest(server.http, &folder.0, "GET", &path, None).await.1["presence"],
        "offline"
    );
    carl.say(json!({ "type": "end" })).await;
    assert_eq!(bob.hear(&["ended"]).await["reason"], "conference_ended");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_tells_nothing_to_those_who_guess() {
    let folder = Folder::new("door");
    let server = start(&folder.0, "[conference]\nmax_participants = 2\n").await;
    conference(server.http, &folder.0).await;
    let mut eve = Client::connect(server.http).await;
    let wrong = eve.attempt("4711", "Eve", json!({ "pin": "0000" })).await;
    let unknown = eve.attempt("4712", "Eve", json!({ "pin": "0000" })).await;
    assert_eq!(
        (&wrong, wrong["code"].as_str()),
        (&unknown, Some("wrong_pin"))
    );
    assert_eq!(
        eve.attempt("4711", "Eve", json!({})).await["code"],
        "wrong_pin"
    );
    assert_eq!(
        eve.attempt("nowhere", "Eve", json!({ "pin": "0000" }))
            .await["code"],
        "conference_unknown"
    );
    eve.say(json!({ "type": "leave" })).await;
    assert_eq!(eve.hear(&["error"]).await["code"], "not_joined");

    // Two wrong attempts slow the third answer down, right or wrong.
    let before = Instant::now();
    let _ann = Client::join(server.http, "4711", "Ann", "1111").await;
    assert!(
        before.elapsed() >= Duration::from_millis(500),
        "{:?}",
        before.elapsed()
    );
    let _bob = Client::join(server.http, "4711", "Bob", "1111").await;
    let mut carl = Client::connect(server.http).await;
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "pin": "1111" })).await["code"],
        "full"
    );
    assert_eq!(
        carl.attempt("4711", "Carl", json!({ "version": 2 })).await["code"],
        "unsupported_version"
    );
    carl.say(json!({ "type": "join", "version": 1 })).await;
    assert_eq!(carl.hear(&["error"]).await["code"], "bad_message");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_in_time_has_the_same_place_and_who_does_not_leaves_the_roster() {
    let folder = Folder::new("resume");
    let server = start(&folder.0, "[conference]\nresume_grace_seconds = 3\n").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let bob = Client::join(server.http, "4711", "Bob", "1111").await;
    ann.hear(&["participant_joined"]).await;
    let (id, secret) = (bob.id.clone(), bob.resume.clone());
    drop(bob);
    let mut bob = Client::connect(server.http).await;
    let joined = bob
        .attempt("4711", "Bob", json!({ "resume": secret }))
        .await;
    assert_eq!(joined["participant"], id, "{joined}");
    assert_ne!(joined["resume"], secret);
    // The old secret is spent; without a PIN it opens nothing.
    let mut thief = Client::connect(server.http).await;
    assert_eq!(
        thief
            .attempt("4711", "Thief", json!({ "resume": secret }))
            .await["code"],
        "wrong_pin"
    );
    // A second connection with the right secret replaces the first.
    let mut again = Client::connect(server.http).await;
    let secret = bob.resume.clone();
    assert_eq!(
        again
            .attempt("4711", "Bob", json!({ "resume": secret }))
            .await["participant"],
        id
    );
    assert_eq!(bob.hear(&["ended"]).await["reason"], "replaced");
    drop(again);
    let gone = Instant::now();
    let left = ann.hear(&["participant_joined", "participant_left"]).await;
    assert_eq!(
        (left["participant"].as_str(), left["reason"].as_str()),
        (Some(id.as_str()), Some("lost")),
        "{left}"
    );
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(6)).contains(&gone.elapsed()),
        "{:?}",
        gone.elapsed()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_the_door_is_bounded_and_keeps_nobody_out_who_is_in() {
    const PLACES: usize = 256;
    let folder = Folder::new("crowd");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let mut crowd = Vec::new();
    for _ in 0..PLACES {
        crowd.push(Client::connect(server.http).await);
    }
    let url = format!("ws://{}/api/v1/signal", server.http);
    match tokio_tungstenite::connect_async(&url).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => {
            assert_eq!(refused.status(), 503);
        }
        other => panic!("one too many was not refused: {other:?}"),
    }
    ann.say(json!({ "type": "ping" })).await;
    ann.hear(&["pong"]).await;
    // Whoever joins makes room for the next.
    let answer = crowd[0]
        .attempt("4711", "Bob", json!({ "pin": "1111" }))
        .await;
    assert_eq!(answer["type"], "joined", "{answer}");
    crowd.push(Client::connect(server.http).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_leaves_the_roster_within_twenty_seconds() {
    let folder = Folder::new("silent");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    // Its socket stays open but nobody reads it: pings are not answered.
    let silent = Client::join(server.http, "4711", "Silent", "1111").await;
    ann.hear(&["participant_joined"]).await;
    let since = Instant::now();
    let left = ann.hear(&["participant_left"]).await;
    assert_eq!(
        (left["participant"].as_str(), left["reason"].as_str()),
        (Some(silent.id.as_str()), Some("lost"))
    );
    assert!(
        since.elapsed() <= Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story from end to end")]
async fn rest_makes_lists_and_forgets_conferences_and_a_token_opens_one() {
    let folder = Folder::new("rest");
    let server = start(&folder.0, "").await;
    let (status, problem) = request(server.http, None, "GET", "/api/v1/conferences", None).await;
    assert_eq!((status, problem["status"].as_u64()), (401, Some(401)));
    let bad = json!({ "name": "x", "id": "12ab" });
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "POST",
            "/api/v1/conferences",
            Some(bad)
        )
        .await
        .0,
        422
    );
    let unknown = json!({ "name": "x", "pin": "1234" });
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "POST",
            "/api/v1/conferences",
            Some(unknown)
        )
        .await
        .0,
        422
    );
    conference(server.http, &folder.0).await;
    let again = json!({ "name": "Other", "id": "4711" });
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "POST",
            "/api/v1/conferences",
            Some(again)
        )
        .await
        .0,
        409
    );
    let (_, list) = rest(server.http, &folder.0, "GET", "/api/v1/conferences", None).await;
    assert_eq!(list["conferences"][0]["id"], "4711");
    assert!(!list.to_string().contains("argon2"));

    let wanted = json!({ "role": "host", "name": "Dora", "user": "dora@example.org" });
    let (status, token) = rest(
        server.http,
        &folder.0,
        "POST",
        "/api/v1/conferences/4711/tokens",
        Some(wanted),
    )
    .await;
    assert_eq!(status, 201);
    let mut dora = Client::connect(server.http).await;
    let joined = dora
        .attempt("4711", "somebody", json!({ "token": token["token"] }))
        .await;
    assert_eq!(
        (
            joined["role"].as_str(),
            joined["roster"][0]["name"].as_str()
        ),
        (Some("host"), Some("Dora"))
    );
    let (_, presence) = rest(
        server.http,
        &folder.0,
        "GET",
        "/api/v1/presence/dora@example.org",
        None,
    )
    .await;
    assert_eq!(
        (presence["presence"].as_str(), presence["class"].as_str()),
        (Some("in_conference"), Some("busy"))
    );

    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "DELETE",
            "/api/v1/conferences/4711",
            None
        )
        .await
        .0,
        204
    );
    assert_eq!(dora.hear(&["ended"]).await["reason"], "conference_ended");
    assert_eq!(
        rest(
            server.http,
            &folder.0,
            "GET",
            "/api/v1/conferences/4711",
            None
        )
        .await
        .0,
        404
    );
    let (_, description) = request(server.http, None, "GET", "/api/v1/openapi.json", None).await;
    assert!(description["paths"]["/api/v1/conferences/{id}/tokens"]["post"].is_object());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_goodbye_and_conferences_outlive_it() {
    let folder = Folder::new("stop");
    let server = start(&folder.0, "").await;
    conference(server.http, &folder.0).await;
    let mut ann = Client::join(server.http, "4711", "Ann", "1111").await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(ann.hear(&["ended"]).await["reason"], "server_stopping");
    drop(ann);
    tokio::time::timeout(Duration::from_secs(10), stopping)
        .await
        .unwrap()
        .unwrap();
    let server = start(&folder.0, "").await;
    let _ann = Client::join(server.http, "4711", "Ann", "1111").await;
    server.stop().await;
}
