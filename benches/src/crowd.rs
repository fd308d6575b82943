//! A crowd of WebRTC listeners that cost next to nothing, so that the server is what a bench measures: each
//! does ICE, DTLS and its consent checks with str0m, and throws away the media it gets without decrypting it.
//!
//! They live in a process of their own ([`Crowd::start`] runs the program again, [`run`] is its other end), so
//! that neither their CPU time nor their memory is the server's. One line of JSON each way per message.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// The argument that makes a bench a crowd.
pub const ROLE: &str = "crowd";
/// Opus of a silent microphone: what an encoder makes of zeroes (RFC 6716 §3.1: SILK+CELT off, one frame).
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const FRAME: Duration = Duration::from_millis(20);
/// Between looks at the sockets once all are connected: five packets wait in each.
const NAP: Duration = Duration::from_millis(100);

/// The crowd's process, seen from the server's.
#[derive(Debug)]
pub struct Crowd {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Crowd {
    /// Runs this program again as a crowd.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ROLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().context("no stdin")?;
        let from = BufReader::new(child.stdout.take().context("no stdout")?);
        Ok(Self { child, to, from })
    }

    fn ask(&mut self, word: &str, argument: &str) -> Result<String> {
        let line = Value::from(vec![word, argument]);
        writeln!(self.to, "{line}")?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer
            .as_str()
            .context("the crowd answers in strings")?
            .to_owned())
    }

    /// One more listener's offer: audio both ways.
    ///
    /// # Errors
    /// When the crowd is gone.
    pub fn offer(&mut self) -> Result<String> {
        self.ask("offer", "")
    }

    /// The same with a line of video, on which it sends nothing.
    ///
    /// # Errors
    /// When the crowd is gone.
    pub fn offer_video(&mut self) -> Result<String> {
        self.ask("offer", "video")
    }

    /// The server's answer to it; returns when the listener is connected.
    ///
    /// # Errors
    /// When it does not connect.
    pub fn accept(&mut self, answer: &str) -> Result<()> {
        match self.ask("accept", answer)?.as_str() {
            "connected" => Ok(()),
            other => bail!("listener: {other}"),
        }
    }

    /// Whether all of them send 20 ms of silence every 20 ms.
    ///
    /// # Errors
    /// When the crowd is gone.
    pub fn speak(&mut self, on: bool) -> Result<()> {
        self.ask("speak", if on { "on" } else { "off" }).map(drop)
    }

    /// Media packets they have got so far.
    ///
    /// # Errors
    /// When the crowd is gone.
    pub fn heard(&mut self) -> Result<u64> {
        Ok(self.ask("heard", "")?.parse()?)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // The child ends by itself when its input does; it has no goodbye to say.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

struct Listener {
    socket: UdpSocket,
    local: SocketAddr,
    rtc: Rtc,
    audio: Mid,
    connected: bool,
    due: Instant,
    sequence: u64,
}

impl Listener {
    fn new(video: bool) -> Result<(Self, String, SdpPendingOffer)> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let now = Instant::now();
        let mut config = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(video);
        if video {
            // No transport-wide numbers: nobody here would answer them.
            config = config
                .clear_extension_map()
                .set_extension(1, Extension::AudioLevel)
                .set_extension(4, Extension::RtpMid);
        }
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut api = rtc.sdp_api();
        let audio = api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        if video {
            api.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        }
        let (offer, pending) = api.apply().context("no offer")?;
        let listener = Self {
            socket,
            local,
            rtc,
            audio,
            connected: false,
            due: now,
            sequence: 1,
        };
        Ok((listener, offer.to_sdp_string(), pending))
    }

    /// Reads what has come and lets time pass; returns how many media packets came.
    fn drive(&mut self, scratch: &mut [u8]) -> Result<u64> {
        let mut media = 0;
        while let Ok((length, source)) = self.socket.recv_from(scratch) {
            let datagram = scratch.get(..length).unwrap_or_default();
            let is_media =
                matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second));
            if is_media {
                media += 1;
                continue;
            }
            let receive = Receive::new(Protocol::Udp, source, self.local, datagram)?;
            self.rtc
                .handle_input(Input::Receive(Instant::now(), receive))?;
            self.poll()?;
        }
        let now = Instant::now();
        if now >= self.due {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.poll()?;
        }
        Ok(media)
    }

    fn poll(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.due = at;
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    self.socket
                        .send_to(&datagram.contents, datagram.destination)?;
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(_) => {}
            }
        }
    }

    fn send_silence(&mut self) -> Result<()> {
        let now = Instant::now();
        let extensions = ExtensionValues {
            audio_level: Some(-127),
            voice_activity: Some(false),
            ..Default::default()
        };
        let timestamp = u32::try_from(self.sequence.wrapping_mul(960) & 0xffff_ffff)?;
        let write = RtpWrite::new(111.into(), self.sequence.into(), timestamp, now, SILENCE);
        self.sequence += 1;
        let mut api = self.rtc.direct_api();
        let stream = api
            .stream_tx_by_mid(self.audio, None)
            .context("no stream")?;
        stream.write_rtp(write.ext_vals(extensions));
        self.rtc.handle_input(Input::Timeout(now))?;
        self.poll()
    }
}

struct Run {
    listeners: Vec<Listener>,
    pending: Option<(Listener, SdpPendingOffer)>,
    heard: u64,
    speaking: bool,
    scratch: Vec<u8>,
}

impl Run {
    fn answer(&mut self, word: &str, argument: &str) -> Result<String> {
        Ok(match word {
            "offer" => {
                let (listener, offer, pending) = Listener::new(argument == "video")?;
                self.pending = Some((listener, pending));
                offer
            }
            "accept" => {
                let (mut listener, pending) = self.pending.take().context("no offer is out")?;
                let answer = SdpAnswer::from_sdp_string(argument)?;
                listener.rtc.sdp_api().accept_answer(pending, answer)?;
                let end = Instant::now() + Duration::from_secs(10);
                while !listener.connected {
                    if Instant::now() > end {
                        return Ok("not connected within 10 s".to_owned());
                    }
                    self.heard += listener.drive(&mut self.scratch)?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                self.listeners.push(listener);
                "connected".to_owned()
            }
            "speak" => {
                self.speaking = argument == "on";
                String::new()
            }
            "heard" => {
                self.drive()?;
                self.heard.to_string()
            }
            _ => bail!("unknown word {word}"),
        })
    }

    fn drive(&mut self) -> Result<()> {
        for listener in &mut self.listeners {
            self.heard += listener.drive(&mut self.scratch)?;
        }
        Ok(())
    }
}

fn read_lines() -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Is the crowd, until its input ends.
///
/// # Errors
/// When a listener fails, or the server's process says something else than [`Crowd`] does.
pub fn run() -> Result<()> {
    let lines = read_lines();
    let mut run = Run {
        listeners: Vec::new(),
        pending: None,
        heard: 0,
        speaking: false,
        scratch: vec![0; 2_048],
    };
    let mut out = std::io::stdout();
    let mut next_look = Instant::now();
    let mut next_frame = Instant::now();
    loop {
        match lines.try_recv() {
            Ok(line) => {
                let line: Value = serde_json::from_str(&line)?;
                let part = |n: usize| line.get(n).and_then(Value::as_str).unwrap_or_default();
                let answer = Value::from(run.answer(part(0), part(1))?);
                writeln!(out, "{answer}")?;
                out.flush()?;
                continue;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        let now = Instant::now();
        if run.speaking && now >= next_frame {
            next_frame = next_frame.max(now.checked_sub(NAP).unwrap_or(now)) + FRAME;
            for listener in &mut run.listeners {
                listener.send_silence()?;
            }
        }
        if now >= next_look {
            next_look = now + NAP;
            run.drive()?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
