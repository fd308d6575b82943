//! `cargo run --release -p plenum-companion --example load`
//!
//! The companion on SQLite: acknowledged messages in a second, and how soon a thousand connected people have a message.
//!
//! Server and clients share this process and its cores, so the server alone does better than this. Each line: name value unit
//! goal.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement has a clock and tells its figures"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use plenum_companion::server::{
    Bridge, BridgeError, CalendarConfig, Companion, CompanionConfig, Database, FileLimits, Limits,
    NewUser, Pending, Presence, Retention, RoomPolicy, User,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Those who write at once, each waiting for its acknowledgement.
const WRITERS: usize = 256;
/// What each writes.
const MESSAGES: usize = 100;
/// Those who listen.
const LISTENERS: usize = 1_000;
/// What they hear, one after the other.
const HEARD: usize = 50;
/// Acknowledged messages in a second that are wished for.
const GOAL: f64 = 5_000.0;
/// Milliseconds to 95 of 100 listeners that are allowed.
const ALLOWED: f64 = 100.0;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Fault> = std::result::Result<T, E>;
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// No conference is made here.
struct NoEngine;

impl Bridge for NoEngine {
    fn make<'a>(&'a self, _: &'a str) -> Pending<'a, Result<String, BridgeError>> {
        Box::pin(async { Err(BridgeError::Gone) })
    }

    fn link<'a>(&'a self, _: &'a str, _: &'a User) -> Pending<'a, Result<String, BridgeError>> {
        Box::pin(async { Err(BridgeError::Gone) })
    }

    fn present<'a>(&'a self, _: &'a str) -> Pending<'a, Option<Vec<String>>> {
        Box::pin(async { None })
    }

    fn accepts_key(&self, _: &str) -> bool {
        false
    }
}

/// A companion on the loopback address.
struct Stage {
    companion: Companion,
    address: SocketAddr,
}

impl Stage {
    async fn start(folder: &std::path::Path) -> Result<Self> {
        let config = CompanionConfig {
            database: Database::Sqlite(folder.join("companion.db")),
            files: FileLimits {
                folder: folder.join("files"),
                file: 0,
                quota: 0,
                forbidden: Vec::new(),
                scan: Vec::new(),
            },
            secure: false,
            rooms: RoomPolicy::default(),
            retention: Retention::default(),
            limits: Limits {
                people: LISTENERS + 1,
                rate: 1_000_000,
                burst: 1_000_000,
                waiting: LISTENERS,
                ..Limits::default()
            },
            presence: Presence::new(Vec::new()),
            calendar: CalendarConfig::default(),
        };
        let engine = Arc::new(NoEngine) as Arc<dyn Bridge>;
        let companion = Companion::open(config, engine, &prometheus::Registry::new()).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = companion
            .router()
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Ok(Self { companion, address })
    }

    /// A user, and a token for one.
    async fn user(&self, login: String) -> Result<(String, String)> {
        let new = NewUser {
            login,
            name: "Somebody".to_owned(),
            ..NewUser::default()
        };
        let people = self.companion.people();
        let user = people.add(new).await?;
        let token = people.make_token(&user.id).await?;
        Ok((user.id, token))
    }

    async fn connect(&self, token: &str) -> Result<Socket> {
        let mut request = format!("ws://{}/socket", self.address).into_client_request()?;
        let bearer = format!("Bearer {token}").parse()?;
        request.headers_mut().insert("authorization", bearer);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let hello = json!({"type": "hello", "id": 0, "version": 1, "device": "browser"});
        ask(&mut socket, &hello).await?;
        Ok(socket)
    }
}

async fn ask(socket: &mut Socket, request: &Value) -> Result<Value> {
    socket.send(Message::text(request.to_string())).await?;
    loop {
        let message = socket.next().await.ok_or("the socket was closed")??;
        if let Message::Text(text) = message {
            let value: Value = serde_json::from_str(&text)?;
            if value.get("id") == request.get("id") {
                return if value["type"] == "done" {
                    Ok(value)
                } else {
                    Err(value.to_string().into())
                };
            }
        }
    }
}

async fn open(socket: &mut Socket, with: &[String]) -> Result<String> {
    let opened = ask(socket, &json!({"type": "open", "id": 1, "with": with})).await?;
    let id = opened["conversation"]["id"].as_str();
    Ok(id.ok_or("no conversation")?.to_owned())
}

fn send(conversation: &str, id: usize) -> Value {
    json!({"type": "send", "id": id + 2, "conversation": conversation, "client_id": format!("c{id}"), "kind": "text",
        "body": {"text": "Shall we meet at noon, or a little later?"}})
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("plenum-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let measured = runtime.block_on(async {
        let stage = Stage::start(&folder).await?;
        acknowledged(&stage).await?;
        delivered(&stage).await
    });
    std::fs::remove_dir_all(&folder)?;
    measured
}

/// Pairs write to each other, each as fast as it is acknowledged.
async fn acknowledged(stage: &Stage) -> Result<()> {
    let (idle, _) = stage.user("idle".to_owned()).await?;
    let mut writers = Vec::new();
    for n in 0..WRITERS {
        let (_, token) = stage.user(format!("w{n}")).await?;
        let mut socket = stage.connect(&token).await?;
        let conversation = open(&mut socket, std::slice::from_ref(&idle)).await?;
        writers.push((socket, conversation));
    }
    let begun = Instant::now();
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|(mut socket, conversation)| {
            tokio::spawn(async move {
                for n in 0..MESSAGES {
                    ask(&mut socket, &send(&conversation, n)).await?;
                }
                Ok::<(), Fault>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let rate = (WRITERS * MESSAGES) as f64 / begun.elapsed().as_secs_f64();
    println!("companion/acknowledged {rate:.0} 1/s {GOAL}");
    Ok(())
}

/// One writes, a thousand hear it.
async fn delivered(stage: &Stage) -> Result<()> {
    let mut ids = Vec::new();
    let mut tokens = Vec::new();
    for n in 0..LISTENERS {
        let (id, token) = stage.user(format!("l{n}")).await?;
        ids.push(id);
        tokens.push(token);
    }
    let (_, token) = stage.user("speaker".to_owned()).await?;
    let mut speaker = stage.connect(&token).await?;
    let group = open(&mut speaker, &ids).await?;
    let mut listeners = Vec::new();
    for token in &tokens {
        let (sink, stream) = stage.connect(token).await?.split();
        listeners.push(tokio::spawn(listen(sink, stream)));
    }
    let mut said = Vec::new();
    for n in 0..HEARD {
        said.push(Instant::now());
        ask(&mut speaker, &send(&group, n)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut delays = Vec::new();
    for listener in listeners {
        let heard = listener.await??;
        delays.extend(said.iter().zip(heard).map(|(said, heard)| heard - *said));
    }
    delays.sort();
    let of = |percent: usize| {
        let at = delays.len() * percent / 100;
        delays
            .get(at)
            .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e3)
    };
    println!("companion/delivered_p50 {:.1} ms {ALLOWED}", of(50));
    println!("companion/delivered_p95 {:.1} ms {ALLOWED}", of(95));
    Ok(())
}

/// When each message came.
async fn listen(
    _sink: SplitSink<Socket, Message>,
    mut stream: SplitStream<Socket>,
) -> Result<Vec<Instant>> {
    let mut heard = Vec::new();
    while heard.len() < HEARD {
        let message = stream.next().await.ok_or("the socket was closed")??;
        let now = Instant::now();
        let Message::Text(text) = message else {
            continue;
        };
        let value: Value = serde_json::from_str(&text)?;
        let events = value["events"].as_array().map_or(&[][..], Vec::as_slice);
        let texts = events.iter().filter(|event| event["kind"] == "text");
        heard.extend(texts.map(|_| now));
    }
    Ok(heard)
}
