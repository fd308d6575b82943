//! The server is killed under load, again and again: what it acknowledged is there once, in order, with the number it said.
//!
//! `PLENUM_CRASH_CYCLES=200` makes it as long as one likes; scripts/crash.sh does.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use plenum_companion::server::{
    Bridge, CalendarConfig, Companion, CompanionConfig, Database, FileLimits, Limits, NewUser,
    People, Retention, RoomPolicy, Upkeep,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::stage::{Engine, Folder, nobody};

/// People who write.
const WRITERS: usize = 24;
/// What each has said and not heard of yet: more than one, so that a kill always falls between a message and its acknowledgement.
const AHEAD: usize = 4;
/// Acknowledged before a server is killed.
const BUSY: u64 = 100;
/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(20);
/// Says where the child's database is.
const DATABASE: &str = "PLENUM_CRASH_DATABASE";

fn database(text: &str) -> Database {
    if text.starts_with("postgres://") {
        Database::Postgres(text.to_owned())
    } else {
        Database::Sqlite(text.into())
    }
}

/// The child, which is this very test with [`DATABASE`] set: serves until it is killed.
async fn serve(text: &str) {
    let config = CompanionConfig {
        rooms: RoomPolicy::default(),
        retention: Retention::default(),
        database: database(text),
        files: FileLimits {
            folder: std::env::temp_dir(),
            file: 0,
            quota: 0,
            forbidden: Vec::new(),
            scan: Vec::new(),
        },
        secure: false,
        limits: Limits {
            rate: 1_000_000,
            burst: 1_000_000,
            ..Limits::default()
        },
        presence: nobody(),
        calendar: CalendarConfig::default(),
    };
    let bridge = Arc::new(Engine::default()) as Arc<dyn Bridge>;
    let companion = Companion::open(config, bridge, &prometheus::Registry::new())
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    let service = companion
        .router()
        .into_make_service_with_connect_info::<std::net::SocketAddr>();
    axum::serve(listener, service).await.unwrap();
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(database: &str) -> Self {
        let test = if database.starts_with("postgres://") {
            "crash::what_was_acknowledged_survives_on_postgres"
        } else {
            "crash::what_was_acknowledged_survives_on_sqlite"
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(DATABASE, database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("listening ")?.to_owned()))
            .expect("the server does not start");
        // Whatever else it says goes nowhere, but has somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What one writer has said and heard.
#[derive(Default)]
struct Writer {
    token: String,
    name: String,
    next: u64,
    /// Said, and not known to be kept.
    open: VecDeque<String>,
    /// What the server acknowledged.
    kept: HashMap<String, i64>,
}

impl Writer {
    /// Says one message after the other, the open ones first, until the server is gone.
    async fn write(&mut self, address: &str, group: &str, acknowledged: &AtomicU64) {
        let mut request = format!("ws://{address}/socket")
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else {
            return;
        };
        let hello = json!({"type": "hello", "id": 0, "version": 1, "device": "browser"});
        if socket.send(Message::text(hello.to_string())).await.is_err() {
            return;
        }
        // Numbers of requests begin at 1 with the oldest open message; answers come in the order of requests.
        let (mut asked, mut answered) = (0_u64, 0_u64);
        loop {
            while asked - answered < AHEAD as u64 {
                let at = usize::try_from(asked - answered).unwrap();
                if at == self.open.len() {
                    self.open.push_back(format!("{}-{}", self.name, self.next));
                    self.next += 1;
                }
                asked += 1;
                let message = json!({"type": "send", "id": asked, "conversation": group, "client_id": self.open[at], "kind": "text",
                    "body": {"text": "survives"}});
                if socket
                    .send(Message::text(message.to_string()))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            let answer: Value = match socket.next().await {
                Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            };
            if answer["id"] == answered + 1 {
                assert_eq!(answer["type"], "done", "{answer}");
                let said = self.open.pop_front().unwrap();
                self.kept.insert(said, answer["seq"].as_i64().unwrap());
                answered += 1;
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

async fn crash(at: &str, cycles: u64) {
    let people = People::open(&database(at)).await.unwrap();
    let mut writers = Vec::new();
    let mut ids = Vec::new();
    for n in 0..WRITERS {
        let new = NewUser {
            login: format!("w{n}"),
            name: "Writer".to_owned(),
            ..NewUser::default()
        };
        let user = people.add(new).await.unwrap();
        writers.push(Writer {
            token: people.make_token(&user.id).await.unwrap(),
            name: format!("w{n}"),
            ..Writer::default()
        });
        ids.push(user.id);
    }
    drop(people);
    let server = Server::start(at);
    let group = open(&server.address, &writers[0].token, &ids[1..]).await;
    server.kill();
    for cycle in 0..cycles {
        let server = Server::start(at);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = writers
            .drain(..)
            .map(|mut writer| {
                let (address, group) = (server.address.clone(), group.clone());
                let acknowledged = Arc::clone(&acknowledged);
                tokio::spawn(async move {
                    writer.write(&address, &group, &acknowledged).await;
                    writer
                })
            })
            .collect();
        let begun = Instant::now();
        while acknowledged.load(Ordering::Relaxed) < BUSY {
            assert!(begun.elapsed() < PATIENCE, "the server takes nothing");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Moments that no clock of the server's falls together with.
        tokio::time::sleep(Duration::from_micros(cycle * 3_701 % 60_000)).await;
        server.kill();
        for task in tasks {
            writers.push(task.await.unwrap());
        }
    }
    let faults = Upkeep::open(&database(at))
        .await
        .unwrap()
        .check()
        .await
        .unwrap();
    assert_eq!(faults, Vec::<String>::new());
    let server = Server::start(at);
    let log = read_all(&server.address, &writers[0].token, &group).await;
    server.kill();
    let kept: usize = writers.iter().map(|writer| writer.kept.len()).sum();
    let open: usize = writers.iter().map(|writer| writer.open.len()).sum();
    assert!(
        kept as u64 >= cycles * BUSY && open >= WRITERS,
        "{kept} acknowledged, {open} open"
    );
    let mut stands: HashMap<String, i64> = HashMap::new();
    for (n, (seq, id)) in log.iter().enumerate() {
        assert_eq!(usize::try_from(*seq), Ok(n + 1), "a gap");
        assert_eq!(stands.insert(id.clone(), *seq), None, "{id} stands twice");
    }
    for (id, seq) in writers.iter().flat_map(|writer| &writer.kept) {
        assert_eq!(stands.get(id), Some(seq), "{id} was acknowledged");
    }
    let database = if at.starts_with("postgres") {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    println!(
        "{database}: {cycles} kills, {kept} messages acknowledged, {open} said and not acknowledged at the last kill, {} in the log: none lost, none doubled",
        log.len()
    );
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn ask(socket: &mut Socket, request: Value) -> Value {
    socket
        .send(Message::text(request.to_string()))
        .await
        .unwrap();
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            let value: Value = serde_json::from_str(&text).unwrap();
            if value["id"] == request["id"] {
                return value;
            }
        }
    }
}

async fn connect(address: &str, token: &str) -> Socket {
    let mut request = format!("ws://{address}/socket")
        .into_client_request()
        .unwrap();
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    ask(
        &mut socket,
        json!({"type": "hello", "id": 0, "version": 1, "device": "browser"}),
    )
    .await;
    socket
}

async fn open(address: &str, token: &str, with: &[String]) -> String {
    let mut socket = connect(address, token).await;
    let opened = ask(&mut socket, json!({"type": "open", "id": 1, "with": with})).await;
    opened["conversation"]["id"].as_str().unwrap().to_owned()
}

async fn read_all(address: &str, token: &str, group: &str) -> Vec<(i64, String)> {
    let mut socket = connect(address, token).await;
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(0, |(seq, _)| *seq);
        let page = ask(
            &mut socket,
            json!({"type": "history", "id": after + 1, "conversation": group, "after": after}),
        )
        .await;
        for event in page["events"].as_array().unwrap() {
            let id = event["client_id"].as_str().unwrap();
            log.push((event["seq"].as_i64().unwrap(), id.to_owned()));
        }
        if page["more"] == false {
            return log;
        }
    }
}

fn cycles(usually: u64) -> u64 {
    std::env::var("PLENUM_CRASH_CYCLES").map_or(usually, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_on_sqlite() {
    if let Ok(at) = std::env::var(DATABASE) {
        return serve(&at).await;
    }
    let folder = Folder::new();
    let path = folder.0.join("companion.db");
    crash(path.to_str().unwrap(), cycles(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_on_postgres() {
    if let Ok(at) = std::env::var(DATABASE) {
        return serve(&at).await;
    }
    crash(&crate::postgres::database(), cycles(5)).await;
}
