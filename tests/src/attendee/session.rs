//! A bot in a conference: signalling and peer connection together. It negotiates by itself, as the page does.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::line::{Line, join};
use super::peer::{Peer, Voice};
use super::view::{Task, View};

/// Time for an answer, a connection, a way in.
const LIMIT: Duration = Duration::from_secs(10);
/// Messages that may wait for the socket or the negotiator; a test says far fewer.
const QUEUE: usize = 64;

/// How to get in.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The server.
    pub http: SocketAddr,
    /// Conference number.
    pub conference: String,
    /// PIN, where one is asked for.
    pub pin: Option<String>,
}

/// An offer to be made.
#[derive(Debug)]
struct Ask {
    restart_ice: bool,
    done: Option<oneshot::Sender<Result<()>>>,
}

/// See the module.
#[derive(Debug)]
pub struct Attendee {
    ticket: Ticket,
    name: String,
    /// Its media.
    pub peer: Arc<Peer>,
    // Written by the socket's task, read by the test.
    view: Arc<Mutex<View>>,
    asks: mpsc::Sender<Ask>,
    answers: mpsc::Sender<Option<String>>,
    /// To the socket that is open now.
    sayings: Arc<Mutex<mpsc::Sender<Value>>>,
    socket: JoinHandle<()>,
    negotiator: JoinHandle<()>,
}

impl Drop for Attendee {
    fn drop(&mut self) {
        self.socket.abort();
        self.negotiator.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Attendee {
    /// Joins and waits until media flows.
    ///
    /// # Errors
    /// When the server refuses, or it takes longer than 10 s.
    pub async fn join(ticket: &Ticket, name: &str, voice: Voice) -> Result<Self> {
        let mut line = Line::open(ticket.http).await?;
        let message = join(&ticket.conference, name, ticket.pin.as_deref());
        line.say(&message).await?;
        let mut view = View::default();
        first(&mut line, &mut view).await?;
        let peer = Arc::new(Peer::new(voice).await?);
        let view = Arc::new(Mutex::new(view));
        let (asks, asked) = mpsc::channel(QUEUE);
        let (answers, answered) = mpsc::channel(QUEUE);
        let (sayings, said) = mpsc::channel(QUEUE);
        let sayings = Arc::new(Mutex::new(sayings));
        let socket = Socket {
            line,
            said,
            view: view.clone(),
            asks: asks.clone(),
            answers: answers.clone(),
        };
        let negotiator = Negotiator {
            peer: peer.clone(),
            view: view.clone(),
            asked,
            answered,
            sayings: sayings.clone(),
        };
        let this = Self {
            ticket: ticket.clone(),
            name: name.to_owned(),
            peer,
            view,
            asks,
            answers,
            sayings,
            socket: tokio::spawn(socket.run()),
            negotiator: tokio::spawn(negotiator.run()),
        };
        this.negotiate(false).await?;
        this.peer.connected(LIMIT).await?;
        if voice.camera {
            this.camera(true).await?;
        }
        Ok(this)
    }

    /// What the server has shown so far.
    #[must_use]
    pub fn view(&self) -> View {
        lock(&self.view).clone()
    }

    /// One's own id.
    #[must_use]
    pub fn id(&self) -> String {
        lock(&self.view).participant.clone()
    }

    /// Offers, and takes the answer; with new ICE credentials when `restart_ice`.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn negotiate(&self, restart_ice: bool) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        let ask = Ask {
            restart_ice,
            done: Some(done),
        };
        self.asks.send(ask).await.context("negotiator ended")?;
        outcome.await.context("negotiator ended")?
    }

    /// Says something to the server.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn say(&self, message: Value) -> Result<()> {
        let sayings = lock(&self.sayings).clone();
        sayings.send(message).await.context("the socket is closed")
    }

    /// Switches the camera, and says so.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn camera(&self, on: bool) -> Result<()> {
        self.peer.feed.camera.store(on, Ordering::Relaxed);
        self.say(json!({"type": "camera", "on": on})).await
    }

    /// Mutes or unmutes itself at the server; the tone goes on being sent.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn mute(&self, on: bool) -> Result<()> {
        self.say(json!({"type": "mute", "on": on})).await
    }

    /// Says goodbye and ends the peer connection.
    ///
    /// # Errors
    /// When either fails.
    pub async fn leave(self) -> Result<()> {
        self.say(json!({"type": "leave"})).await?;
        let ended = || async {
            while lock(&self.view).ended.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, ended()).await.context("no goodbye")?;
        self.peer.close().await
    }

    /// Cuts the WebSocket without a word; media goes on.
    pub fn cut(&self) {
        self.socket.abort();
    }

    /// Comes back on a new WebSocket with the secret of the last one.
    ///
    /// # Errors
    /// When the server does not let it in.
    pub async fn resume(&mut self) -> Result<()> {
        self.socket.abort();
        let mut line = Line::open(self.ticket.http).await?;
        let mut message = join(&self.ticket.conference, &self.name, None);
        if let Some(message) = message.as_object_mut() {
            let secret = lock(&self.view).resume.clone();
            message.insert("resume".to_owned(), json!(secret));
        }
        line.say(&message).await?;
        let mut view = self.view();
        first(&mut line, &mut view).await?;
        *lock(&self.view) = view;
        let (sayings, said) = mpsc::channel(QUEUE);
        *lock(&self.sayings) = sayings;
        let socket = Socket {
            line,
            said,
            view: self.view.clone(),
            asks: self.asks.clone(),
            answers: self.answers.clone(),
        };
        self.socket = tokio::spawn(socket.run());
        Ok(())
    }
}

/// The first message after `join`: in, in the lobby, or why not.
async fn first(line: &mut Line, view: &mut View) -> Result<()> {
    let message = timeout(LIMIT, line.hear())
        .await
        .context("no word after join")??
        .context("closed after join")?;
    if message["type"] != "joined" && message["type"] != "waiting" {
        bail!("not let in: {message}");
    }
    view.take(&message)?;
    Ok(())
}

/// Owns the WebSocket.
struct Socket {
    line: Line,
    said: mpsc::Receiver<Value>,
    view: Arc<Mutex<View>>,
    asks: mpsc::Sender<Ask>,
    answers: mpsc::Sender<Option<String>>,
}

impl Socket {
    async fn run(mut self) {
        if let Err(fault) = self.carry().await {
            eprintln!("bot's signalling: {fault:#}");
        }
    }

    async fn carry(&mut self) -> Result<()> {
        loop {
            let message = tokio::select! {
                message = self.line.hear() => message?,
                said = self.said.recv() => match said {
                    Some(said) => {
                        self.line.say(&said).await?;
                        continue;
                    }
                    None => return Ok(()),
                },
            };
            let Some(message) = message else {
                return Ok(());
            };
            let task = lock(&self.view).take(&message)?;
            match task {
                Task::None => {}
                Task::Answer(sdp) => self.answers.try_send(Some(sdp))?,
                Task::Refused => self.answers.try_send(None)?,
                Task::Slots => self.asks.try_send(Ask {
                    restart_ice: false,
                    done: None,
                })?,
            }
        }
    }
}

/// Makes the offers, one at a time.
struct Negotiator {
    peer: Arc<Peer>,
    view: Arc<Mutex<View>>,
    asked: mpsc::Receiver<Ask>,
    answered: mpsc::Receiver<Option<String>>,
    sayings: Arc<Mutex<mpsc::Sender<Value>>>,
}

impl Negotiator {
    async fn run(mut self) {
        while let Some(ask) = self.asked.recv().await {
            let wanted = {
                let view = lock(&self.view);
                let more = view.slots_wanted > view.slot_mids.len();
                (more || ask.done.is_some()).then_some(view.slots_wanted)
            };
            let Some(slots) = wanted else {
                continue;
            };
            let outcome = self.negotiate(slots, ask.restart_ice).await;
            match ask.done {
                // The test that asked may have given up.
                Some(done) => drop(done.send(outcome)),
                None => {
                    if let Err(fault) = outcome {
                        eprintln!("bot's offer: {fault:#}");
                    }
                }
            }
        }
    }

    async fn negotiate(&mut self, slots: usize, restart_ice: bool) -> Result<()> {
        let sdp = self.peer.offer(slots, restart_ice).await?;
        let sayings = lock(&self.sayings).clone();
        sayings.send(json!({"type": "offer", "sdp": sdp})).await?;
        let answer = timeout(LIMIT, self.answered.recv())
            .await
            .context("no answer")?
            .context("the socket is closed")?
            .context("the offer was refused")?;
        self.peer.answer(answer).await
    }
}
