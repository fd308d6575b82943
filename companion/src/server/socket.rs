//! One WebSocket: hello, requests one after another, and what the hub sends.
//!
//! Two tasks: this one reads and has requests answered, in order; the other writes what waits in the socket's queue. A request
//! goes by its type to the module that owns it, see [`dispatch`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::hub::{Frame, Inlet, Outlet, SIGNED_OUT};
use super::people::{Found, User};
use super::problem::Problem;
use super::protocol::{Answer, MAX_FRAME, Refusal, VERSION, parse, reply};
use super::rest::Signed;
use super::{Companion, calendar, clock, contacts, filters, messages, presence, rooms, search};

/// A wrong version of the protocol.
const WRONG_VERSION: u16 = 4002;
/// What a socket reads at once, bytes.
const READ_BUFFER: usize = 4 * 1024;
/// What is written at once as far as it waits already, bytes.
const WRITE_BUFFER: usize = 8 * 1024;
/// A message that the socket does not take within this ends it.
const STUCK: Duration = Duration::from_secs(30);
/// A session is looked at again this often.
const RECHECK: Duration = Duration::from_secs(60);
/// Whoever answers no ping for this long is gone.
const SILENCE: Duration = Duration::from_secs(90);

/// Takes a signed-in socket.
pub(crate) async fn upgrade(
    State(companion): State<Companion>,
    Signed(found): Signed,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(door) = Arc::clone(&companion.doors).try_acquire_owned() else {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many connections are waiting. Please try again.",
        )
        .into_response();
    };
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .write_buffer_size(WRITE_BUFFER)
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |socket| serve(companion, found, door, socket))
}

/// What the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Device {
    Browser,
    Mobile,
    Phone,
}

/// The first request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    version: u32,
    pub(crate) device: Device,
    #[serde(default)]
    pub(crate) cursors: HashMap<String, i64>,
    #[serde(default)]
    pub(crate) appear_offline: bool,
}

/// Who is at the other end of a socket that has said hello: what every handler gets.
pub(crate) struct Client {
    pub(crate) companion: Companion,
    pub(crate) user: User,
    pub(crate) device: Device,
    pub(crate) outlet: Outlet,
    pub(crate) rate: messages::Rate,
}

/// Has a request answered by the module that owns its type.
async fn dispatch(client: &mut Client, kind: &str, body: Map<String, Value>) -> Answer {
    if messages::KINDS.contains(&kind) {
        return messages::answer(client, kind, body).await;
    }
    if rooms::KINDS.contains(&kind) {
        return rooms::answer(client, kind, body).await;
    }
    if filters::KINDS.contains(&kind) {
        return filters::answer(client, kind, body).await;
    }
    if search::KINDS.contains(&kind) {
        return search::answer(client, body).await;
    }
    if presence::KINDS.contains(&kind) {
        return presence::answer(client, kind, body).await;
    }
    if contacts::KINDS.contains(&kind) {
        return contacts::answer(client, kind, body).await;
    }
    if calendar::KINDS.contains(&kind) {
        return calendar::answer(client, kind, body).await;
    }
    Err(Refusal::bad("There is no request of this type."))
}

/// What `done` says to hello: each module its part.
async fn greet(client: &Client, hello: &Hello) -> Answer {
    let mut answer = json!({
        "me": client.user,
        "server_time": clock::now_ms(),
        "limits": messages::limits(&client.companion),
        "custom_states": [],
        "contacts": {},
        "presence": [],
        "filters": filters::of(client.companion.store.reader(), &client.user.id).await?,
    });
    if let Value::Object(fields) = &mut answer {
        let conversations = messages::conversations(client).await?;
        fields.insert("conversations".to_owned(), conversations);
        fields.extend(presence::greeting(client, hello).await?);
    }
    tracing::debug!(device = ?hello.device, appear_offline = hello.appear_offline, "hello");
    Ok(answer)
}

/// What follows `done`.
async fn catch_up(client: &Client, hello: Hello) -> Result<(), Refusal> {
    messages::catch_up(client, hello.cursors).await
}

/// The socket is gone; `last` of its user's.
fn farewell(client: &Client, last: bool) {
    client
        .companion
        .views
        .show(client.outlet.id, &client.user.id, None);
    presence::go(client);
    tracing::debug!(device = ?client.device, last, "socket closed");
}

/// A request as it came.
struct Request {
    id: u64,
    kind: String,
    body: Map<String, Value>,
}

/// Reads what every request has.
fn read(text: &str) -> Result<Request, Refusal> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Refusal::bad(error.to_string()))?;
    let Value::Object(mut body) = value else {
        return Err(Refusal::bad("A request is an object."));
    };
    let id = body.remove("id").and_then(|id| id.as_u64());
    let kind = body.remove("type");
    match (id, kind) {
        (Some(id), Some(Value::String(kind))) => Ok(Request { id, kind, body }),
        (id, _) => {
            tracing::trace!(?id, "a request without type or id");
            Err(Refusal::bad("A request has a type and a number id."))
        }
    }
}

async fn serve(
    companion: Companion,
    found: Found,
    door: OwnedSemaphorePermit,
    mut socket: WebSocket,
) {
    let within = companion.config.limits.hello;
    let first = tokio::time::timeout(within, first_text(&mut socket)).await;
    let Ok(Some(text)) = first else {
        return;
    };
    let (id, hello) = match read(&text) {
        Ok(request) if request.kind == "hello" => (request.id, parse::<Hello>(request.body)),
        Ok(request) => (request.id, Err(Refusal::bad("The first request is hello."))),
        Err(refusal) => (0, Err(refusal)),
    };
    let hello = match hello {
        Ok(hello) => hello,
        Err(refusal) => return refuse(socket, id, refusal, 1008).await,
    };
    if hello.version != VERSION {
        let refusal = Refusal::bad("The server speaks version 1.");
        return refuse(socket, id, refusal, WRONG_VERSION).await;
    }
    drop(door);
    companion.metrics.sockets.inc();
    let (outlet, inlet) = companion.hub.come(&found.user.id, &found.session);
    let (sink, stream) = socket.split();
    let writing = tokio::spawn(write(
        companion.clone(),
        found.user.id.clone(),
        sink,
        inlet,
        outlet.closing(),
    ));
    let rate = messages::Rate::new(&companion.config.limits);
    let mut client = Client {
        companion,
        user: found.user,
        device: hello.device,
        outlet,
        rate,
    };
    converse(&mut client, found.session, id, hello, stream).await;
    let last = client.companion.hub.go(&client.user.id, client.outlet.id);
    farewell(&client, last);
    client.companion.metrics.sockets.dec();
    // All outlets are gone with the client: the writer ends when it has written what waits.
    drop(client);
    if let Err(error) = writing.await {
        tracing::error!(%error, "a socket's writer died");
    }
}

async fn first_text(socket: &mut WebSocket) -> Option<String> {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(text) => return Some(text.to_string()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) => return None,
        }
    }
    None
}

async fn refuse(mut socket: WebSocket, id: u64, refusal: Refusal, code: u16) {
    let reason = refusal.detail.clone();
    let close = Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }));
    let said = async {
        socket.send(Message::Text(reply(id, Err(refusal)))).await?;
        socket.send(close).await
    };
    // Whoever doesn't take it is gone anyway.
    let _ = tokio::time::timeout(STUCK, said).await;
}

/// Answers hello and brings the socket up to date; whether that was done.
async fn welcome(client: &Client, id: u64, hello: Hello) -> bool {
    let answer = greet(client, &hello).await;
    let greeted = answer.is_ok();
    client.outlet.send(reply(id, answer));
    if !greeted {
        return false;
    }
    if let Err(refusal) = catch_up(client, hello).await {
        tracing::warn!(
            detail = refusal.detail,
            "a socket could not be brought up to date"
        );
        return false;
    }
    true
}

/// Whether the session still holds; the user may have changed.
async fn is_signed_in(client: &mut Client, session: &str) -> bool {
    let people = &client.companion.people;
    match people.by_session(session.to_owned()).await {
        Ok(Some(found)) => client.user = found.user,
        Ok(None) => return false,
        Err(error) => tracing::warn!(%error, "a session could not be looked at"),
    }
    true
}

/// Answers hello and then everything else, until the socket ends or is to be closed.
async fn converse(
    client: &mut Client,
    session: String,
    id: u64,
    hello: Hello,
    mut stream: SplitStream<WebSocket>,
) {
    if !welcome(client, id, hello).await {
        return client.outlet.close(1011);
    }
    let mut closing = client.outlet.closing();
    let mut recheck = tokio::time::interval(RECHECK);
    recheck.tick().await;
    let mut silent_until = tokio::time::Instant::now() + SILENCE;
    loop {
        let message = tokio::select! {
            _ = wished(&mut closing) => return,
            () = tokio::time::sleep_until(silent_until) => return,
            message = stream.next() => message,
            _ = recheck.tick() => {
                if is_signed_in(client, &session).await {
                    continue;
                }
                return client.outlet.close(SIGNED_OUT);
            }
        };
        let Some(Ok(message)) = message else {
            return;
        };
        silent_until = tokio::time::Instant::now() + SILENCE;
        match message {
            Message::Text(text) => take(client, &text).await,
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) => return client.outlet.close(1003),
            Message::Close(_) => return,
        }
    }
}

async fn take(client: &mut Client, text: &str) {
    let answer = match read(text) {
        Ok(Request { id, kind, body }) => {
            let answer = if kind == "hello" {
                Err(Refusal::bad("Hello was said."))
            } else {
                dispatch(client, &kind, body).await
            };
            client.companion.metrics.count(&answer);
            reply(id, answer)
        }
        Err(refusal) => reply(0, Err(refusal)),
    };
    client.outlet.send(answer);
}

/// Writes what waits, pings, and closes with the code that is wished.
async fn write(
    companion: Companion,
    user: String,
    mut sink: SplitSink<WebSocket, Message>,
    mut inlet: Inlet,
    mut closing: watch::Receiver<Option<u16>>,
) {
    let mut ping = tokio::time::interval(SILENCE / 3);
    ping.tick().await;
    let code = loop {
        let first = tokio::select! {
            biased;
            code = wished(&mut closing) => break code,
            frame = inlet.next() => match frame {
                Some(frame) => Some(frame),
                None => break 1000,
            },
            _ = ping.tick() => None,
        };
        let sent = tokio::select! {
            sent = tokio::time::timeout(STUCK, send(&mut sink, first, &mut inlet)) => sent,
            code = wished(&mut closing) => break code,
        };
        let Ok(Ok(carried)) = sent else {
            return;
        };
        for (conversation, seq) in carried {
            messages::delivered(&companion, &user, &conversation, seq);
        }
    };
    if code == super::hub::SLOW {
        companion.metrics.slow.inc();
    }
    let close = Message::Close(Some(CloseFrame {
        code,
        reason: "".into(),
    }));
    // Whoever doesn't take it within a moment is cut off.
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(close)).await;
}

/// Sends `first`, or a ping, and what waits behind it, in one write; gives how far conversations were carried by it.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Option<Frame>,
    inlet: &mut Inlet,
) -> Result<Vec<(Arc<str>, i64)>, axum::Error> {
    let mut carried = Vec::new();
    let mut bytes = 0;
    let mut next = first;
    if next.is_none() {
        sink.feed(Message::Ping(axum::body::Bytes::new())).await?;
    }
    while let Some(frame) = next {
        bytes += frame.text.len();
        carried.extend(frame.carries);
        sink.feed(Message::Text(frame.text)).await?;
        next = if bytes < WRITE_BUFFER {
            inlet.ready()
        } else {
            None
        };
    }
    sink.flush().await?;
    Ok(carried)
}

/// The code to close with; never while nobody wishes it.
async fn wished(closing: &mut watch::Receiver<Option<u16>>) -> u16 {
    match closing.wait_for(Option::is_some).await.map(|code| *code) {
        Ok(code) => code.unwrap_or(1000),
        Err(_) => std::future::pending().await,
    }
}
