//! One WebSocket: its pre-join talk, its pace, its life signs; carries messages between client and focus and negotiates
//! media. Knows no roster.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::protocol::{self, ClientMessage, EndReason, ErrorCode, Kind, ServerMessage, VERSION};
use super::rate::Bucket;
use super::wish::wish;
use crate::auth::GuardKey;
use crate::conference::{
    Action, Command, Conferences, Credential, Link, MediaHold, Newcomer, Outgoing, Refusal, Seat,
};
use crate::media::{MediaError, PeerAnswer};
use crate::stop;

/// Largest frame, bytes.
pub(crate) const MAX_FRAME: usize = 256 * 1024;
/// Largest frame before the join, bytes.
const MAX_JOIN: usize = 16 * 1024;
/// The first message must come within this.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// Someone who was refused has this long for another attempt.
const NEXT_ATTEMPT: Duration = Duration::from_secs(60);
/// Sockets that may be open without having joined.
const MAX_WAITING: usize = 256;
/// Attempts to join on one socket.
const ATTEMPTS: usize = 5;
/// Messages that wait for a client; then it is cut off.
const QUEUE: usize = 256;
/// The client is pinged this often.
const PING: Duration = Duration::from_secs(4);
/// A client not heard of for this long is lost.
const SILENCE: Duration = Duration::from_secs(8);
/// A frame that the client's window does not take within this means that it does not read.
const SEND: Duration = Duration::from_secs(8);
/// Media answers an offer within this or not at all.
const NEGOTIATION: Duration = Duration::from_secs(5);
/// Messages a client may send: one each interval, and a burst.
const PACE: (Duration, u32) = (Duration::from_millis(50), 60);
/// Offers among them: each costs a media worker a millisecond or two amid everybody's audio.
const OFFERS: (Duration, u32) = (Duration::from_secs(1), 20);
/// Of `present` likewise: each is told to everybody.
const TURNS: (Duration, u32) = (Duration::from_secs(1), 20);
/// Dropped messages after which the client is cut off.
const MAX_DROPPED: u32 = 500;
/// Longest name, characters.
const MAX_NAME: usize = 60;
/// WebSocket close codes: normal, going away, policy, and ours for a client that does not read.
const CLOSE_NORMAL: u16 = 1000;
const CLOSE_POLICY: u16 = 1008;
const CLOSE_SLOW: u16 = 4008;

/// What every session needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Signalling {
    pub(crate) conferences: Conferences,
    pub(crate) stop: watch::Receiver<bool>,
    /// Places for sockets that have not joined yet; without one a socket is refused.
    pub(crate) doors: Arc<Semaphore>,
}

impl Signalling {
    pub(crate) fn new(conferences: Conferences, stop: watch::Receiver<bool>) -> Self {
        Self {
            conferences,
            stop,
            doors: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }
}

/// Why a session ended before or after its join.
enum Over {
    /// The socket is gone or silent.
    Gone,
    /// It is told and closed.
    Closed(u16),
}

/// Runs one WebSocket to its end.
///
/// It gives its place at the door back once it has joined.
pub(crate) async fn serve(
    signalling: Signalling,
    door: OwnedSemaphorePermit,
    socket: WebSocket,
    address: IpAddr,
) {
    let sessions = signalling.conferences.around().metrics.sessions.clone();
    sessions.inc();
    let mut wire = Wire {
        socket,
        heard: Instant::now(),
    };
    let joined = join(&signalling, &mut wire, address).await;
    drop(door);
    let over = match joined {
        Err(over) => over,
        Ok((seat, queue)) => {
            let mut session = Session {
                conferences: signalling.conferences,
                seat,
                bucket: Bucket::new(Instant::now(), PACE.0, PACE.1),
                offers: Bucket::new(Instant::now(), OFFERS.0, OFFERS.1),
                turns: Bucket::new(Instant::now(), TURNS.0, TURNS.1),
                dropped: 0,
            };
            session.run(&mut wire, queue, signalling.stop).await
        }
    };
    if let Over::Closed(code) = over {
        wire.close(code).await;
    }
    sessions.dec();
}

/// The socket and when it was last heard of.
struct Wire {
    socket: WebSocket,
    heard: Instant,
}

impl Wire {
    async fn send(&mut self, text: Utf8Bytes) -> Result<(), Over> {
        match timeout(SEND, self.socket.send(Message::Text(text))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over::Gone),
        }
    }

    async fn say(&mut self, message: &ServerMessage) -> Result<(), Over> {
        self.send(message.to_json().into()).await
    }

    /// The next text; pings and pongs are life signs only.
    async fn text(&mut self) -> Result<Utf8Bytes, Over> {
        loop {
            let message = self.socket.recv().await;
            self.heard = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Binary(_))) => return Err(Over::Closed(CLOSE_POLICY)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Over::Gone),
            }
        }
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(""),
        };
        // It may be gone already; closing is a courtesy.
        let _ = timeout(
            Duration::from_secs(1),
            self.socket.send(Message::Close(Some(frame))),
        )
        .await;
    }
}

/// The talk before the join.
async fn join(
    signalling: &Signalling,
    wire: &mut Wire,
    address: IpAddr,
) -> Result<(Seat, mpsc::Receiver<Outgoing>), Over> {
    let mut stop = signalling.stop.clone();
    let metrics = signalling.conferences.around().metrics.clone();
    let mut patience = FIRST_MESSAGE;
    for _ in 0..ATTEMPTS {
        let text = tokio::select! {
            text = timeout(patience, wire.text()) => text.map_err(|_| Over::Closed(CLOSE_POLICY))??,
            () = stop::requested(&mut stop) => {
                wire.say(&ServerMessage::Ended { reason: EndReason::ServerStopping }).await?;
                return Err(Over::Closed(CLOSE_NORMAL));
            }
        };
        let (code, words) = match attempt(signalling, &text, address).await {
            Ok((seat, queue, resumed)) => {
                metrics
                    .joins
                    .with_label_values(&[if resumed { "resumed" } else { "joined" }])
                    .inc();
                return Ok((seat, queue));
            }
            Err(refused) => refused,
        };
        metrics.joins.with_label_values(&[code.as_str()]).inc();
        wire.say(&ServerMessage::Error {
            code,
            message: words,
        })
        .await?;
        patience = NEXT_ATTEMPT;
    }
    Err(Over::Closed(CLOSE_POLICY))
}

type Refused = (ErrorCode, String);

async fn attempt(
    signalling: &Signalling,
    text: &str,
    address: IpAddr,
) -> Result<(Seat, mpsc::Receiver<Outgoing>, bool), Refused> {
    if text.len() > MAX_JOIN {
        return Err((
            ErrorCode::BadMessage,
            "The first message is too large.".into(),
        ));
    }
    let message = protocol::parse(text).map_err(|error| (ErrorCode::BadMessage, error))?;
    let ClientMessage::Join {
        version,
        conference,
        name,
        pin,
        token,
        resume,
    } = message
    else {
        return Err((ErrorCode::NotJoined, "Join first.".into()));
    };
    if version != VERSION {
        return Err((
            ErrorCode::UnsupportedVersion,
            format!("This server speaks version {VERSION}."),
        ));
    }
    let conferences = &signalling.conferences;
    let (link, queue) = mpsc::channel(QUEUE);
    if let Some(secret) = resume
        && let Some((_, seat)) = conferences.resume(&conference, &secret, link.clone()).await
    {
        return Ok((seat, queue, true));
    }
    let credential = match (token, pin.filter(|pin| !pin.is_empty())) {
        (Some(token), _) => Credential::Token(token),
        (None, Some(pin)) => Credential::Pin(pin),
        (None, None) => Credential::Nothing,
    };
    let spoken = |refusal: Refusal| {
        let (code, words) = refusal.spoken();
        (code, words.to_owned())
    };
    let who: GuardKey = conferences.around().guard.address(address);
    let admission = conferences
        .admit(&conference, credential, who)
        .await
        .map_err(spoken)?;
    let name = tidy_name(admission.name.as_deref().unwrap_or(&name))
        .ok_or_else(|| (ErrorCode::BadMessage, "A name is needed.".to_owned()))?;
    let newcomer = Newcomer {
        name,
        kind: Kind::Browser,
        role: admission.role,
        user: admission.user,
        link: Link::Session(link),
        leg: None,
        spoken: None,
        language: plenum_dialin::attendant::Language::default(),
        invited: false,
    };
    let seat = conferences
        .join(&admission.record, newcomer)
        .await
        .map_err(spoken)?;
    Ok((seat, queue, false))
}

/// One line of visible characters, not too long.
fn tidy_name(name: &str) -> Option<String> {
    let visible: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let words: Vec<_> = visible.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(MAX_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// A session that is in.
struct Session {
    conferences: Conferences,
    seat: Seat,
    bucket: Bucket,
    offers: Bucket,
    turns: Bucket,
    dropped: u32,
}

impl Session {
    async fn run(
        &mut self,
        wire: &mut Wire,
        mut queue: mpsc::Receiver<Outgoing>,
        mut stop: watch::Receiver<bool>,
    ) -> Over {
        let mut ping = tokio::time::interval(PING);
        let over = loop {
            let step = tokio::select! {
                // What the focus says goes first: a client that floods us must not starve its own news.
                biased;
                outgoing = queue.recv() => match outgoing {
                    Some(Outgoing::Text(text)) => wire.send(text).await,
                    Some(Outgoing::Ended(reason)) => return self.ended(wire, reason).await,
                    None => break Over::Closed(CLOSE_SLOW),
                },
                text = wire.text() => match text {
                    Ok(text) => self.hear(wire, &text).await,
                    Err(over) => Err(over),
                },
                _ = ping.tick() => self.check_life(wire).await,
                // The focus has said `ended` by then; this is for the case that it could not.
                () = stopped_for(&mut stop, Duration::from_secs(3)) => return self.ended(wire, EndReason::ServerStopping).await,
            };
            if let Err(over) = step {
                break over;
            }
        };
        let Seat {
            participant,
            generation,
            ..
        } = &self.seat;
        let lost = Command::Lost {
            participant: participant.clone(),
            generation: *generation,
            heard: wire.heard,
        };
        // A focus that is gone has nobody to take off its roster.
        let _ = self.seat.commands.send(lost).await;
        over
    }

    async fn ended(&self, wire: &mut Wire, reason: EndReason) -> Over {
        match wire.say(&ServerMessage::Ended { reason }).await {
            Ok(()) => Over::Closed(CLOSE_NORMAL),
            Err(over) => over,
        }
    }

    async fn check_life(&self, wire: &mut Wire) -> Result<(), Over> {
        if wire.heard.elapsed() >= SILENCE {
            return Err(Over::Gone);
        }
        match timeout(
            SEND,
            wire.socket.send(Message::Ping(axum::body::Bytes::new())),
        )
        .await
        {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over::Gone),
        }
    }

    async fn hear(&mut self, wire: &mut Wire, text: &str) -> Result<(), Over> {
        if !self.bucket.take(Instant::now()) {
            self.dropped += 1;
            if self.dropped > MAX_DROPPED {
                return Err(Over::Closed(CLOSE_POLICY));
            }
            return wire
                .say(&ServerMessage::error(
                    ErrorCode::RateLimited,
                    "Too many messages.",
                ))
                .await;
        }
        let answer = match protocol::parse(text) {
            Err(error) => ServerMessage::error(ErrorCode::BadMessage, error),
            Ok(ClientMessage::Ping {}) => ServerMessage::Pong {},
            Ok(ClientMessage::Offer { sdp }) if self.offers.take(Instant::now()) => {
                return self.negotiate(wire, sdp).await;
            }
            Ok(ClientMessage::Offer { .. }) => {
                ServerMessage::error(ErrorCode::RateLimited, "Too many offers.")
            }
            Ok(ClientMessage::Present { .. }) if !self.turns.take(Instant::now()) => {
                ServerMessage::error(ErrorCode::RateLimited, "Too many turns.")
            }
            Ok(message) => match wish(message) {
                Some(action) => {
                    self.ask(action).await;
                    return Ok(());
                }
                None => ServerMessage::error(ErrorCode::NotJoined, "Joined already."),
            },
        };
        wire.say(&answer).await
    }

    async fn ask(&self, action: Action) {
        let Seat {
            participant,
            generation,
            ..
        } = &self.seat;
        self.tell_focus(Command::Act {
            participant: participant.clone(),
            generation: *generation,
            action,
        })
        .await;
    }

    /// A focus that is gone has sent `ended`, which the queue still holds.
    async fn tell_focus(&self, command: Command) {
        let _ = self.seat.commands.send(command).await;
    }

    async fn negotiate(&mut self, wire: &mut Wire, sdp: String) -> Result<(), Over> {
        let fingerprint = fingerprint(&sdp);
        let continued = self
            .seat
            .hold
            .as_ref()
            .filter(|hold| hold.fingerprint == fingerprint)
            .map(|hold| hold.leg);
        let outcome = match continued {
            Some(leg) => match self
                .answer(self.media().renegotiate(leg, sdp.clone()))
                .await
            {
                // The leg has ended by itself meanwhile: a new one, for what may be a new attempt.
                Err(MediaError::UnknownLeg) => self.first_offer(sdp, &fingerprint).await,
                other => other,
            },
            None => self.first_offer(sdp, &fingerprint).await,
        };
        match outcome {
            Ok(PeerAnswer {
                sdp,
                slot_mids,
                screen_mid,
            }) => {
                let answer = ServerMessage::Answer {
                    sdp,
                    slot_mids: slot_mids.clone(),
                    screen_mid,
                };
                let said = wire.say(&answer).await;
                // Also when the socket broke: the answer may have arrived, and what was ordered for the
                // participant (a mute) must hold for its new leg.
                if let Some(hold) = self.seat.hold.clone() {
                    let Seat {
                        participant,
                        generation,
                        ..
                    } = &self.seat;
                    let told = Command::Negotiated {
                        participant: participant.clone(),
                        generation: *generation,
                        hold,
                        slot_mids,
                    };
                    self.tell_focus(told).await;
                }
                said
            }
            Err(error) => {
                tracing::info!(%error, "offer refused");
                let words = ServerMessage::error(ErrorCode::NegotiationFailed, error.to_string());
                wire.say(&words).await
            }
        }
    }

    async fn first_offer(
        &mut self,
        sdp: String,
        fingerprint: &str,
    ) -> Result<PeerAnswer, MediaError> {
        let leg = self.media().next_leg();
        let Seat {
            participant,
            generation,
            ..
        } = &self.seat;
        let (reply, answer) = oneshot::channel();
        self.tell_focus(Command::Negotiating {
            participant: participant.clone(),
            generation: *generation,
            leg,
            reply,
        })
        .await;
        self.seat.hold = None;
        // The conference's room, or the lobby's; none for somebody who is not here any more.
        let room = answer.await.map_err(|_| MediaError::UnknownRoom)?;
        let answer = self.answer(self.media().add_peer(room, leg, sdp)).await?;
        self.seat.hold = Some(MediaHold {
            leg,
            fingerprint: fingerprint.to_owned(),
        });
        Ok(answer)
    }

    async fn answer(
        &self,
        media: impl Future<Output = Result<PeerAnswer, MediaError>>,
    ) -> Result<PeerAnswer, MediaError> {
        timeout(NEGOTIATION, media)
            .await
            .unwrap_or(Err(MediaError::Busy))
    }

    fn media(&self) -> &crate::media::Media {
        &self.conferences.around().media
    }
}

/// The DTLS fingerprint that tells one peer connection from another.
fn fingerprint(sdp: &str) -> String {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=fingerprint:"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Resolves `after` the server has begun to stop.
async fn stopped_for(stop: &mut watch::Receiver<bool>, after: Duration) {
    stop::requested(stop).await;
    tokio::time::sleep(after).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_visible_line() {
        assert_eq!(tidy_name("  Ann \u{7}\n Smith "), Some("Ann Smith".into()));
        assert_eq!(tidy_name(" \u{0} "), None);
        assert_eq!(
            tidy_name(&"x".repeat(500)).map(|name| name.len()),
            Some(MAX_NAME)
        );
    }

    #[test]
    fn the_fingerprint_tells_peer_connections_apart() {
        assert_eq!(
            fingerprint("v=0\r\na=fingerprint:sha-256 AA:BB\r\nm=audio"),
            "sha-256 AA:BB"
        );
        assert_eq!(fingerprint("v=0\r\n"), "");
    }
}
