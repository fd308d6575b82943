//! A server in this process and its clients: REST requests and a WebSocket that speaks the signalling protocol.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use plenum_mcu::config::Config;
use plenum_mcu::server::Server;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A folder that is gone when dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
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
pub(super) async fn start(folder: &Path, more: &str) -> Server {
    let text = format!(
        "[server]\ndata_dir = \"{}\"\n[http]\nport = 0\n[media]\nudp_port = 0\nworkers = 1\n[sip]\nport = 0\n{more}",
        folder.display()
    );
    let config = Config::parse(Some(&text), std::iter::empty()).unwrap();
    Server::start(&config).await.unwrap()
}

/// One REST request; the status and the JSON body.
pub(super) async fn rest(
    server: SocketAddr,
    folder: &Path,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let key = std::fs::read_to_string(folder.join("admin.key")).unwrap();
    request(server, Some(key.trim().to_owned()), method, path, body).await
}

pub(super) async fn request(
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

pub(super) struct Client {
    pub(super) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(super) id: String,
    pub(super) resume: String,
    /// Messages that came.
    pub(super) frames: usize,
    /// What came in one message with others and was not asked for yet.
    heard: VecDeque<Value>,
}

impl Client {
    pub(super) async fn connect(server: SocketAddr) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{server}/api/v1/signal"))
            .await
            .unwrap();
        Self {
            socket,
            id: String::new(),
            resume: String::new(),
            frames: 0,
            heard: VecDeque::new(),
        }
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message of one of these types; others pass by.
    pub(super) async fn hear(&mut self, types: &[&str]) -> Value {
        let wait = async {
            loop {
                while let Some(value) = self.heard.pop_front() {
                    if types.contains(&value["type"].as_str().unwrap()) {
                        return value;
                    }
                }
                match self.socket.next().await.expect("an open socket").unwrap() {
                    Message::Text(text) => {
                        let value: Value = serde_json::from_str(&text).unwrap();
                        self.frames += 1;
                        match value["changes"].as_array() {
                            Some(several) => self.heard.extend(several.iter().cloned()),
                            None => self.heard.push_back(value),
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

    pub(super) async fn attempt(&mut self, conference: &str, name: &str, more: Value) -> Value {
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

    pub(super) async fn join(server: SocketAddr, conference: &str, name: &str, pin: &str) -> Self {
        let mut client = Self::connect(server).await;
        let answer = client
            .attempt(conference, name, json!({ "pin": pin }))
            .await;
        assert_eq!(answer["type"], "joined", "{answer}");
        client
    }
}

pub(super) async fn conference(server: SocketAddr, folder: &Path) {
    let body = json!({ "name": "Weekly", "id": "4711", "host_pin": "9999", "guest_pin": "1111" });
    let (status, created) = rest(server, folder, "POST", "/api/v1/conferences", Some(body)).await;
    assert_eq!(
        (status, created["id"].as_str()),
        (201, Some("4711")),
        "{created}"
    );
}
