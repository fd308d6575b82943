//! A phone's signalling: the few SIP requests of a caller over UDP (RFC 3261), one socket for all calls. SDP is that of `dialin`.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use plenum_codecs::audio::AudioCodec;
use plenum_dialin::sdp::{self, AudioSession, SessionPolicy};
use tokio::net::UdpSocket as SipSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::stop;

use super::leg::Line;

/// T1 (RFC 3261 section 17.1.1.1), doubled at each repetition.
const T1: Duration = Duration::from_millis(500);
/// Repetitions of a request that nobody answers: 7.5 s.
const REPEATS: u32 = 4;
/// An INVITE that was answered provisionally is final within this time.
const RINGING: Duration = Duration::from_secs(30);
/// Messages of one call that may wait; more are dropped, as SIP repeats.
const WAITING: usize = 16;

/// The exchange of messages for all calls.
#[derive(Clone)]
pub(super) struct Exchange {
    socket: Arc<SipSocket>,
    server: SocketAddr,
    calls: mpsc::Sender<(String, mpsc::Sender<String>)>,
}

/// Whom to call.
#[derive(Debug, Clone)]
pub(super) struct Number {
    /// User part of the address that is dialled.
    pub(super) user: String,
    /// Keys for the attendant.
    pub(super) digits: String,
    pub(super) codec: AudioCodec,
}

impl Exchange {
    /// Binds the socket and routes what comes.
    ///
    /// # Errors
    /// When no port is free.
    pub(super) async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let local = super::http::local_address(server)?;
        let socket = Arc::new(SipSocket::bind((local, 0)).await.context("no SIP port")?);
        let (calls, mut registered) = mpsc::channel::<(String, mpsc::Sender<String>)>(64);
        let reader = Arc::clone(&socket);
        tokio::spawn(async move {
            let mut routes: HashMap<String, mpsc::Sender<String>> = HashMap::new();
            let mut buffer = vec![0; 65_536];
            loop {
                tokio::select! {
                    call = registered.recv() => match call {
                        Some((id, inbox)) => {
                            routes.retain(|_, inbox| !inbox.is_closed());
                            routes.insert(id, inbox);
                        }
                        None => return,
                    },
                    received = reader.recv_from(&mut buffer) => {
                        // An error is an ICMP message; its call finds out by waiting.
                        let Ok((length, _)) = received else { continue };
                        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                        if let Some(inbox) = header(&text, "Call-ID").and_then(|id| routes.get(id)) {
                            // Full: SIP repeats.
                            let _ = inbox.try_send(text.into_owned());
                        }
                    }
                }
            }
        });
        Ok(Self {
            socket,
            server,
            calls,
        })
    }

    /// Calls; answered, the call's media can begin.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub(super) async fn call(
        &self,
        number: &Number,
        index: usize,
    ) -> anyhow::Result<(Call, UdpSocket, Line, u8)> {
        let media = UdpSocket::bind(SocketAddr::new(self.socket.local_addr()?.ip(), 0))
            .context("no RTP port")?;
        let rtp = media.local_addr()?;
        let policy = SessionPolicy {
            codecs: vec![number.codec],
            telephone_event: true,
            local_rtp: rtp,
            // Reports come to the same socket, where they are told apart.
            local_rtcp_port: Some(rtp.port()),
            local_video: None,
            session_id: fastrand::u64(1..1 << 50),
            srtp: plenum_dialin::sdp::SrtpPolicy::Off,
        };
        let (offer, session) = sdp::offer(&policy, None);
        let mut call = Call::new(self.clone(), number, index).await?;
        let answer = call.invite(&offer).await?;
        let audio = sdp::accept_answer(&answer, &policy, &session)?;
        let AudioSession {
            remote_rtp,
            remote_rtcp,
            telephone_event,
            payload_type,
            ..
        } = audio;
        let line = Line {
            rtp: remote_rtp,
            rtcp: remote_rtcp,
            events: telephone_event,
            digits: number
                .digits
                .chars()
                .filter_map(plenum_dialin::Digit::from_char)
                .collect::<VecDeque<_>>(),
        };
        Ok((call, media, line, payload_type))
    }

    async fn send(&self, text: &str) -> anyhow::Result<()> {
        self.socket.send_to(text.as_bytes(), self.server).await?;
        Ok(())
    }
}

/// A header's value; its name in any case.
fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim())
    })
}

fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// One call's dialog.
pub(super) struct Call {
    exchange: Exchange,
    inbox: mpsc::Receiver<String>,
    id: String,
    from: String,
    to: String,
    target: String,
    contact: String,
    via: String,
    cseq: u32,
}

impl Call {
    async fn new(exchange: Exchange, number: &Number, index: usize) -> anyhow::Result<Self> {
        let local = exchange.socket.local_addr()?;
        let (tag, id) = (fastrand::u64(..), fastrand::u64(..));
        let id = format!("{id:016x}@load");
        let (sender, inbox) = mpsc::channel(WAITING);
        exchange.calls.send((id.clone(), sender)).await?;
        let user = format!("load{index:05}");
        let target = format!("sip:{}@{}", number.user, exchange.server);
        Ok(Self {
            inbox,
            id,
            from: format!("<sip:{user}@{local}>;tag={tag:016x}"),
            to: format!("<{target}>"),
            target,
            contact: format!("<sip:{user}@{local}>"),
            via: format!("SIP/2.0/UDP {local}"),
            cseq: 0,
            exchange,
        })
    }

    fn request(&self, method: &str, branch: u64, body: &str) -> String {
        let Self {
            id,
            from,
            to,
            target,
            contact,
            via,
            cseq,
            ..
        } = self;
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {target} SIP/2.0\r\nVia: {via};branch=z9hG4bK{branch:016x};rport\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nContact: {contact}\r\n\
             User-Agent: plenum load\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends a request until it is answered; gives the final response.
    async fn transact(&mut self, method: &str, body: &str) -> anyhow::Result<(String, u64)> {
        self.cseq += 1;
        let branch = fastrand::u64(..);
        let text = self.request(method, branch, body);
        let mut wait = T1;
        let mut repeats = 0;
        self.exchange.send(&text).await?;
        loop {
            match timeout(wait, self.inbox.recv()).await {
                Ok(None) => bail!("the exchange is closed"),
                Ok(Some(message)) => match status(&message) {
                    Some(100..200) => {
                        wait = RINGING;
                        repeats = REPEATS;
                    }
                    Some(_) => return Ok((message, branch)),
                    None => self.respond(&message).await?,
                },
                Err(_) if repeats == REPEATS => {
                    let server = self.exchange.server;
                    bail!("{method} is not answered by sip:{server} over UDP");
                }
                Err(_) => {
                    repeats += 1;
                    wait *= 2;
                    self.exchange.send(&text).await?;
                }
            }
        }
    }

    /// Opens the call and gives the answer's SDP.
    async fn invite(&mut self, offer: &str) -> anyhow::Result<String> {
        let (response, branch) = self.transact("INVITE", offer).await?;
        if let Some(to) = header(&response, "To") {
            self.to = to.to_owned();
        }
        let accepted = status(&response).is_some_and(|status| (200..300).contains(&status));
        if !accepted {
            // The ACK of a refusal belongs to the INVITE's transaction.
            self.exchange.send(&self.request("ACK", branch, "")).await?;
            let line = response.lines().next().unwrap_or_default();
            bail!("the server refuses the call: {line}");
        }
        if let Some(contact) = header(&response, "Contact")
            && let Some((_, rest)) = contact.split_once('<')
        {
            rest.split('>')
                .next()
                .unwrap_or_default()
                .clone_into(&mut self.target);
        }
        let branch = fastrand::u64(..);
        self.exchange.send(&self.request("ACK", branch, "")).await?;
        let (_, body) = response.split_once("\r\n\r\n").context("no SDP")?;
        Ok(body.to_owned())
    }

    /// Answers a request of the server's: all are accepted.
    async fn respond(&self, request: &str) -> anyhow::Result<()> {
        if request.starts_with("ACK ") {
            return Ok(());
        }
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let value = header(request, name).unwrap_or_default();
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Contact: {}\r\nContent-Length: 0\r\n\r\n", self.contact);
        self.exchange.send(&text).await
    }

    /// Stays until told to hang up.
    ///
    /// # Errors
    /// When the server hangs up earlier, or does not confirm the end.
    pub(super) async fn stay(mut self, mut leave: watch::Receiver<bool>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stop::requested(&mut leave) => {
                    // A thousand farewells at once would overflow the server's socket.
                    sleep(Duration::from_secs(2).mul_f64(fastrand::f64())).await;
                    return self.transact("BYE", "").await.map(drop);
                }
                message = self.inbox.recv() => {
                    let message = message.context("the exchange is closed")?;
                    if status(&message).is_some() {
                        // A repeated 200 means that the ACK was lost.
                        let branch = fastrand::u64(..);
                        self.exchange.send(&self.request("ACK", branch, "")).await?;
                        continue;
                    }
                    self.respond(&message).await?;
                    if message.starts_with("BYE ") {
                        bail!("the server hung up");
                    }
                }
            }
        }
    }
}
