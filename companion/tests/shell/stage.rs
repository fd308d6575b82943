//! A companion that serves, people of it, and their sockets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use futures_util::{SinkExt, StreamExt};
use plenum_companion::presence::Choice;
use plenum_companion::server::{
    Bridge, BridgeError, CalendarConfig, Companion, CompanionConfig, CustomState, Database,
    FileLimits, Limits, NewUser, Occasion, Pending, Presence, Retention, RoomPolicy, User,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tower::ServiceExt;

/// A password of everybody.
pub(crate) const PASSWORD: &str = "correct horse";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which database a test runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Runs a story on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$name($crate::stage::Stage::open($crate::stage::On::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$name($crate::stage::Stage::open($crate::stage::On::Postgres).await).await;
            }
        }
    )* };
}
pub(crate) use on_both;

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!(
            "plenum-companion-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// An engine that makes conferences in name only: whoever stands in it is there.
#[derive(Default)]
pub(crate) struct Engine {
    pub(crate) present: Mutex<Option<Vec<String>>>,
    /// Phones that were called: conference, number, name.
    pub(crate) dialled: Mutex<Vec<(String, String, Option<String>)>>,
}

impl Bridge for Engine {
    fn make<'a>(
        &'a self,
        subject: &'a str,
        _: Occasion,
    ) -> Pending<'a, Result<String, BridgeError>> {
        Box::pin(async move { Ok(format!("conference of {subject}")) })
    }

    fn dials(&self) -> bool {
        true
    }

    fn may_dial(&self, number: &str) -> Result<(), BridgeError> {
        if number.starts_with("+900") {
            return Err(BridgeError::Refused("Too dear.".to_owned()));
        }
        Ok(())
    }

    fn dial<'a>(
        &'a self,
        conference: &'a str,
        number: &'a str,
        name: Option<&'a str>,
    ) -> Pending<'a, Result<(), BridgeError>> {
        let call = (
            conference.to_owned(),
            number.to_owned(),
            name.map(str::to_owned),
        );
        Box::pin(async move {
            self.dialled.lock().unwrap().push(call);
            Ok(())
        })
    }

    fn link<'a>(
        &'a self,
        conference: &'a str,
        user: &'a User,
    ) -> Pending<'a, Result<String, BridgeError>> {
        Box::pin(async move { Ok(format!("/join/{conference}#{}", user.id)) })
    }

    fn present<'a>(&'a self, _conference: &'a str) -> Pending<'a, Option<Vec<String>>> {
        Box::pin(async move { self.present.lock().unwrap().clone() })
    }

    fn accepts_key(&self, key: &str) -> bool {
        key == "key"
    }
}

/// Presence of nobody, in a house with one state of its own.
pub(crate) fn nobody() -> Presence {
    let text = [("en", "In court"), ("de", "Vor Gericht")];
    Presence::new(vec![CustomState {
        id: "court".to_owned(),
        class: Choice::Busy,
        text: text
            .map(|(language, text)| (language.to_owned(), text.to_owned()))
            .into(),
    }])
}

/// A companion that serves on the loopback address.
pub(crate) struct Stage {
    pub(crate) companion: Companion,
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) database: Database,
    pub(crate) config: CompanionConfig,
    pub(crate) folder: Arc<Folder>,
}

impl Stage {
    pub(crate) async fn open(on: On) -> Self {
        Self::with(on, Limits::default()).await
    }

    pub(crate) async fn with(on: On, limits: Limits) -> Self {
        let folder = Folder::new();
        let database = match on {
            On::Sqlite => Database::Sqlite(folder.0.join("companion.db")),
            On::Postgres => Database::Postgres(crate::postgres::database()),
        };
        let config = CompanionConfig {
            database,
            files: FileLimits {
                folder: folder.0.join("files"),
                file: 3 * 1024 * 1024,
                quota: 5 * 1024 * 1024,
                forbidden: vec!["exe".to_owned()],
                scan: vec![
                    "sh".to_owned(),
                    "-c".to_owned(),
                    "! grep -q EICAR \"$1\"".to_owned(),
                    "sh".to_owned(),
                ],
            },
            secure: false,
            limits,
            rooms: RoomPolicy::default(),
            retention: Retention::default(),
            presence: nobody(),
            calendar: CalendarConfig {
                private: true,
                ..CalendarConfig::default()
            },
        };
        Self::start(config, Arc::new(folder)).await
    }

    /// The same without bounds on how fast one may ask.
    pub(crate) async fn unhurried(mut self) -> Self {
        self.config.limits.rate = 1_000_000;
        self.config.limits.burst = 1_000_000;
        self.again().await
    }

    /// The same companion after it was started anew.
    pub(crate) async fn again(&self) -> Self {
        let config = CompanionConfig {
            presence: nobody(),
            ..self.config.clone()
        };
        Self::start(config, Arc::clone(&self.folder)).await
    }

    async fn start(config: CompanionConfig, folder: Arc<Folder>) -> Self {
        let engine = Arc::new(Engine::default());
        let database = config.database.clone();
        let bridge = Arc::clone(&engine) as Arc<dyn Bridge>;
        let companion = Companion::open(config.clone(), bridge, &prometheus::Registry::new())
            .await
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = companion
            .router()
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            companion,
            address,
            engine,
            database,
            config,
            folder,
        }
    }

    /// Adds a user of that login and gives their id.
    pub(crate) async fn user(&self, login: &str) -> String {
        let new = self.new_user(login);
        self.companion.people().add(new).await.unwrap().id
    }

    /// A user of that login to be.
    pub(crate) fn new_user(&self, login: &str) -> NewUser {
        NewUser {
            login: login.to_owned(),
            name: format!("{login} of Example"),
            password: Some(PASSWORD.to_owned()),
            ..NewUser::default()
        }
    }

    /// One request; gives status, headers and JSON.
    pub(crate) async fn http(&self, request: Request<Body>) -> (StatusCode, Response<Body>) {
        let mut request = request;
        let from: SocketAddr = "127.0.0.1:9".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(from));
        let response = self.companion.router().oneshot(request).await.unwrap();
        (response.status(), response)
    }

    /// One JSON request by the bearer of `cookie`.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        cookie: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, format!("plenum_session={cookie}"));
        }
        let request = if body.is_null() {
            request.body(Body::empty())
        } else {
            request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()))
        };
        let (status, response) = self.http(request.unwrap()).await;
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    /// Signs in and gives the cookie.
    pub(crate) async fn sign_in(&self, login: &str) -> String {
        let body = json!({"login": login, "password": PASSWORD}).to_string();
        let request = Request::post("/session")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let (status, response) = self.http(request).await;
        assert_eq!(status, StatusCode::OK);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        value.to_owned()
    }

    /// Executes SQL behind the companion's back.
    pub(crate) async fn spoil(&self, sql: &'static str) {
        use sqlx::Connection;
        let url = match &self.database {
            Database::Sqlite(path) => format!("sqlite://{}", path.display()),
            Database::Postgres(url) => url.clone(),
        };
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }

    /// The cookie of a session without a password: a hundred sign-ins take seconds.
    pub(crate) async fn companion_session(&self, user: &str) -> String {
        self.companion.people().make_token(user).await.unwrap()
    }

    /// A user of that login, signed in and connected.
    pub(crate) async fn person(&self, login: &str) -> Person {
        let id = self.user(login).await;
        let cookie = self.sign_in(login).await;
        let mut person = self.connect(&cookie).await;
        person.id = id;
        person
    }

    /// A socket that has said hello.
    pub(crate) async fn connect(&self, cookie: &str) -> Person {
        self.connect_at(cookie, &json!({})).await
    }

    /// A socket that has said hello with cursors.
    pub(crate) async fn connect_at(&self, cookie: &str, cursors: &Value) -> Person {
        let mut person = self.dial(cookie).await.unwrap();
        let hello = json!({"type": "hello", "version": 1, "device": "browser", "cursors": cursors});
        let welcome = person.request(hello).await;
        assert_eq!(welcome["type"], "done", "{welcome}");
        person.id = welcome["me"]["id"].as_str().unwrap().to_owned();
        person.welcome = welcome;
        person
    }

    /// A socket that has said nothing.
    pub(crate) async fn dial(
        &self,
        cookie: &str,
    ) -> Result<Person, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{}/socket", self.address)
            .into_client_request()
            .unwrap();
        let value = format!("plenum_session={cookie}").parse().unwrap();
        request.headers_mut().insert(header::COOKIE, value);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Person {
            id: String::new(),
            cookie: cookie.to_owned(),
            welcome: Value::Null,
            socket,
            asked: 0,
            heard: Vec::new(),
        })
    }
}

/// Somebody's socket.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) cookie: String,
    /// What `done` said to hello.
    pub(crate) welcome: Value,
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    /// What came and nobody has looked at.
    heard: Vec<Value>,
}

impl Person {
    /// Sends a request and gives its answer; what else comes is kept for [`Person::hear`].
    pub(crate) async fn request(&mut self, mut request: Value) -> Value {
        self.asked += 1;
        request["id"] = self.asked.into();
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .unwrap();
        loop {
            let message = self.next().await.expect("the socket was closed");
            if message["id"] == self.asked {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// A request that must be done.
    pub(crate) async fn done(&mut self, request: Value) -> Value {
        let answer = self.request(request).await;
        assert_eq!(answer["type"], "done", "{answer}");
        answer
    }

    /// A request that must be refused; gives the code.
    pub(crate) async fn refused(&mut self, request: Value) -> String {
        let answer = self.request(request).await;
        assert_eq!(answer["type"], "refused", "{answer}");
        answer["code"].as_str().unwrap().to_owned()
    }

    /// The first message, of those that came or will come, that `wanted` likes.
    pub(crate) async fn hear(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at);
        }
        loop {
            let message = self.next().await.expect("the socket was closed");
            if wanted(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// The first message of this type.
    pub(crate) async fn hear_type(&mut self, kind: &str) -> Value {
        self.hear(|message| message["type"] == kind).await
    }

    /// The first presence of `user` that `wanted` likes.
    pub(crate) async fn sees(&mut self, user: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let told = |message: &Value| {
            let all = message["presence"]
                .as_array()
                .filter(|_| message["type"] == "presence");
            let mut all = all.into_iter().flatten();
            all.find(|one| one["user"] == user && wanted(one)).cloned()
        };
        let message = self.hear(|message| told(message).is_some()).await;
        told(&message).unwrap()
    }

    /// Whether anything that came and nobody has looked at is liked by `wanted`.
    pub(crate) fn has_heard(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.heard.iter().any(wanted)
    }

    /// The first event of this kind.
    pub(crate) async fn hear_event(&mut self, kind: &str) -> Value {
        let message = self
            .hear(|message| {
                message["events"]
                    .as_array()
                    .is_some_and(|events| events.iter().any(|event| event["kind"] == kind))
            })
            .await;
        let events = message["events"].as_array().unwrap();
        let event = events.iter().find(|event| event["kind"] == kind);
        event.unwrap().clone()
    }

    /// The next message; `None` when the socket was closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next());
            match next.await.expect("nothing came in time") {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Whether the socket is closed before it says anything but whose presence changes.
    pub(crate) async fn is_closed(&mut self) -> bool {
        loop {
            match self.next().await {
                None => return true,
                Some(message) if message["type"] == "presence" => {}
                Some(_) => return false,
            }
        }
    }

    /// Opens the conversation with `others` and gives its id.
    pub(crate) async fn open(&mut self, others: &[&str]) -> String {
        let opened = self.done(json!({"type": "open", "with": others})).await;
        opened["conversation"]["id"].as_str().unwrap().to_owned()
    }

    /// Says `text` there; gives its number.
    pub(crate) async fn say(&mut self, conversation: &str, client_id: &str, text: &str) -> i64 {
        let said = self
            .done(json!({"type": "send", "conversation": conversation, "client_id": client_id, "kind": "text",
                "body": {"text": text}}))
            .await;
        said["seq"].as_i64().unwrap()
    }
}
