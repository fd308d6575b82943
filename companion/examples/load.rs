//! `cargo run --release -p plenum-companion --example load`
//!
//! The companion on SQLite: acknowledged messages in a second, and how soon a thousand connected people have a message.
//!
//! Server and clients share this process and its cores, each on threads of its own: how much of the processor went to the clients
//! is told beside, for the server alone does better than this. Each line: name value unit goal, where there is one.
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
    NewUser, Occasion, Pending, Presence, Retention, RoomPolicy, User,
};
use prometheus::Registry;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Those who write at once, each waiting for its acknowledgement.
const WRITERS: usize = 256;
/// What each writes.
const MESSAGES: usize = 200;
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
    fn make<'a>(&'a self, _: &'a str, _: Occasion) -> Pending<'a, Result<String, BridgeError>> {
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

    fn dials(&self) -> bool {
        false
    }

    fn may_dial(&self, _: &str) -> Result<(), BridgeError> {
        Err(BridgeError::Gone)
    }

    fn dial<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Option<&'a str>,
    ) -> Pending<'a, Result<(), BridgeError>> {
        Box::pin(async { Err(BridgeError::Gone) })
    }
}

/// A companion on the loopback address.
struct Stage {
    companion: Companion,
    address: SocketAddr,
    registry: Registry,
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
        let registry = Registry::new();
        let companion = Companion::open(config, engine, &registry).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = companion
            .router()
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Ok(Self {
            companion,
            address,
            registry,
        })
    }

    /// Commits that had events, so far.
    fn commits(&self) -> f64 {
        let families = self.registry.gather();
        let commits = families
            .iter()
            .filter(|family| family.name() == "plenum_companion_commits_total");
        let values = commits.flat_map(|family| family.get_metric().iter());
        values.map(|metric| metric.get_counter().get_value()).sum()
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

/// What is looked at of whatever the server says, so that the clients cost little.
#[derive(Deserialize)]
struct Head {
    id: Option<u64>,
    r#type: String,
}

async fn ask(socket: &mut Socket, request: &Value) -> Result<Value> {
    socket.send(Message::text(request.to_string())).await?;
    loop {
        let message = socket.next().await.ok_or("the socket was closed")??;
        if let Message::Text(text) = message {
            let head: Head = serde_json::from_str(&text)?;
            if head.id.is_some() && head.id == request["id"].as_u64() {
                return if head.r#type == "done" {
                    Ok(serde_json::from_str(&text)?)
                } else {
                    Err(text.as_str().into())
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
    let server = runtime("server")?;
    let clients = runtime("clients")?;
    let stage = server.block_on(Stage::start(&folder))?;
    let measured = clients.block_on(async {
        acknowledged(&stage).await?;
        delivered(&stage).await
    });
    std::fs::remove_dir_all(&folder)?;
    measured
}

/// Two workers under a name.
fn runtime(name: &str) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()
}

/// Processor time of this process so far, in ticks: of the clients, and of all.
fn ticks() -> Result<(f64, f64)> {
    let (mut clients, mut all) = (0.0, 0.0);
    for task in std::fs::read_dir("/proc/self/task")? {
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else {
            continue;
        };
        let (name, rest) = stat.rsplit_once(") ").ok_or("no such stat")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let of = |at: usize| fields.get(at).map_or(Ok(0.0), |field| field.parse::<f64>());
        let spent = of(11)? + of(12)?;
        all += spent;
        if name.ends_with("(clients") {
            clients += spent;
        }
    }
    Ok((clients, all))
}

/// What the clients took of the processor since `before`.
fn tell_share(of: &str, before: (f64, f64)) -> Result<()> {
    let now = ticks()?;
    let share = 100.0 * (now.0 - before.0) / (now.1 - before.1).max(1.0);
    println!("companion/{of}_generator {share:.0} % of the processor time");
    Ok(())
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
    let (begun, before, commits) = (Instant::now(), ticks()?, stage.commits());
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
    let all = (WRITERS * MESSAGES) as f64;
    let rate = all / begun.elapsed().as_secs_f64();
    println!("companion/acknowledged {rate:.0} 1/s {GOAL}");
    let each = all / (stage.commits() - commits).max(1.0);
    println!("companion/acknowledged_together {each:.0} in a commit");
    tell_share("acknowledged", before)
}

/// One writes, a thousand hear it: in a room, and in a group.
async fn delivered(stage: &Stage) -> Result<()> {
    let (mut ids, mut tokens) = (Vec::new(), Vec::new());
    for n in 0..LISTENERS {
        let (id, token) = stage.user(format!("l{n}")).await?;
        ids.push(id);
        tokens.push(token);
    }
    let (_, token) = stage.user("speaker".to_owned()).await?;
    let mut speaker = stage.connect(&token).await?;
    let group = open(&mut speaker, &ids).await?;
    let made = json!({"type": "room_create", "id": 1, "name": "Hall", "access": "open", "auditorium": false});
    let made = ask(&mut speaker, &made).await?;
    let room = made["conversation"]["id"].as_str().ok_or("no room")?;
    for some in ids.chunks(100) {
        let appoint =
            json!({"type": "room_appoint", "id": 1, "room": room, "users": some, "role": "member"});
        ask(&mut speaker, &appoint).await?;
    }
    let mut listeners = Vec::new();
    for token in &tokens {
        listeners.push(stage.connect(token).await?.split());
    }
    for (name, conversation) in [("room", room), ("group", &group)] {
        listeners = hear(name, conversation, &mut speaker, listeners).await?;
    }
    Ok(())
}

type Ends = (SplitSink<Socket, Message>, SplitStream<Socket>);

/// Has everybody listen to one conversation, and tells how soon they heard.
async fn hear(
    name: &str,
    conversation: &str,
    speaker: &mut Socket,
    listeners: Vec<Ends>,
) -> Result<Vec<Ends>> {
    let tasks: Vec<_> = listeners
        .into_iter()
        .map(|ends| tokio::spawn(listen(ends)))
        .collect();
    let before = ticks()?;
    let mut said = Vec::new();
    for n in 0..HEARD {
        said.push(Instant::now());
        ask(speaker, &send(conversation, n)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut delays, mut ends) = (Vec::new(), Vec::new());
    for task in tasks {
        let (end, heard) = task.await??;
        ends.push(end);
        delays.extend(said.iter().zip(heard).map(|(said, heard)| heard - *said));
    }
    delays.sort();
    for percent in [50, 95] {
        let at = delays.len() * percent / 100;
        let delay = delays.get(at).map_or(f64::NAN, Duration::as_secs_f64) * 1e3;
        println!("companion/delivered_{name}_p{percent} {delay:.1} ms {ALLOWED}");
    }
    tell_share(&format!("delivered_{name}"), before)?;
    Ok(ends)
}

/// When each message came.
async fn listen((sink, mut stream): Ends) -> Result<(Ends, Vec<Instant>)> {
    let mut heard = Vec::new();
    while heard.len() < HEARD {
        let message = stream.next().await.ok_or("the socket was closed")??;
        let now = Instant::now();
        if let Message::Text(text) = message {
            // Events of one conversation alone are told while it listens.
            heard.extend(text.matches(r#""kind":"text""#).map(|_| now));
        }
    }
    Ok(((sink, stream), heard))
}
