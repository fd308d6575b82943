//! A SIP video phone by text and datagrams: it calls, sends its mark in H.264, decodes what it is sent, and keeps what it was asked.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use plenum_codecs::video::decoder::H264Decoder;
use plenum_codecs::video::encoder::{H264Encoder, VideoSetting};
use plenum_codecs::video::{I420Picture, h264};
use plenum_codecs::{MediaPacket, MediaTime};

use crate::attendee::Mark;
use crate::ports;

/// Of the phone's SIP, RTP and RTCP ports.
const PORTS: u16 = 6;
/// Payload type of its H.264.
const H264: u8 = 97;
const AUDIO_EVERY: Duration = Duration::from_millis(20);
const PICTURE_EVERY: Duration = Duration::from_millis(66);
const CAMERA: VideoSetting = VideoSetting {
    width: 320,
    height: 128,
    bitrate: 300_000,
    frame_rate: 15,
};

/// What a phone has seen and was asked.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The last one.
    pub picture: Option<I420Picture>,
    /// Pictures decoded whole.
    pub pictures: u32,
    /// Of them keyframes.
    pub keyframes: u32,
    /// Pictures that did not decode.
    pub damaged: u32,
    /// Packets of video.
    pub packets: u32,
    /// Profile, constraints and level of the last sequence parameter set.
    pub profile: Option<[u8; 3]>,
    /// Times it was asked for a keyframe by PLI.
    pub plis: u32,
    /// By SIP INFO.
    pub infos: u32,
    /// Sender reports on video.
    pub reports: u32,
    /// The last answer.
    pub answer: String,
}

#[derive(Debug)]
enum Order {
    Pli,
    Info,
    Offer(String),
    Broken(bool),
    HangUp,
}

/// See the module.
#[derive(Debug)]
pub struct VideoPhone {
    seen: Arc<Mutex<Seen>>,
    orders: Sender<Order>,
    thread: JoinHandle<Result<()>>,
}

/// The media part of its offers.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Direction of the audio.
    pub audio: &'a str,
    /// Lines of the video beyond codec and level; none: no video is offered.
    pub video: Option<&'a str>,
}

/// Video both ways, with feedback by RTCP as baresip offers it.
pub const BOTH_WAYS: Terms<'_> = Terms {
    audio: "sendrecv",
    video: Some("a=rtcp-fb:* nack pli\r\na=sendrecv\r\n"),
};

impl VideoPhone {
    /// Calls `number` and sends `person`'s mark.
    ///
    /// # Errors
    /// When it has no ports or no encoder.
    pub fn call(
        server: SocketAddr,
        number: &str,
        name: &str,
        person: u8,
        terms: Terms<'_>,
    ) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (orders, inbox) = channel();
        let mut line = Line::new(server, number, name, person, Arc::clone(&seen))?;
        let offer = line.offer(terms);
        let thread = std::thread::spawn(move || {
            line.invite(&offer)?;
            line.run(&inbox)
        });
        Ok(Self {
            seen,
            orders,
            thread,
        })
    }

    /// What it has seen until now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks for a keyframe by PLI.
    ///
    /// # Errors
    /// When it has ended.
    pub fn ask_by_pli(&self) -> Result<()> {
        self.order(Order::Pli)
    }

    /// Asks for a keyframe by SIP INFO.
    ///
    /// # Errors
    /// When it has ended.
    pub fn ask_by_info(&self) -> Result<()> {
        self.order(Order::Info)
    }

    /// Sends what is no H.264 in its packets, or H.264 again.
    ///
    /// # Errors
    /// When it has ended.
    pub fn breaks(&self, on: bool) -> Result<()> {
        self.order(Order::Broken(on))
    }

    /// Offers something else by re-INVITE.
    ///
    /// # Errors
    /// When it has ended.
    pub fn offers(&self, terms: Terms<'_>) -> Result<()> {
        self.order(Order::Offer(format!(
            "{}\n{}",
            terms.audio,
            terms.video.unwrap_or("-")
        )))
    }

    fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).context("the phone has ended")
    }

    /// Hangs up.
    ///
    /// # Errors
    /// What went wrong during the call.
    pub fn hang_up(self) -> Result<()> {
        self.order(Order::HangUp)?;
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("the phone panicked"),
        }
    }
}

struct Line {
    server: SocketAddr,
    uri: String,
    name: String,
    person: u8,
    seen: Arc<Mutex<Seen>>,
    first_port: u16,
    sip: UdpSocket,
    audio: UdpSocket,
    video: UdpSocket,
    video_rtcp: UdpSocket,
    call_id: String,
    cseq: u32,
    version: u32,
    to_tag: String,
    /// Where the answer says that audio and video go.
    audio_to: Option<SocketAddr>,
    video_to: Option<SocketAddr>,
    sends_video: bool,
    broken: bool,
    encoder: H264Encoder,
    decoder: H264Decoder,
    depacketizer: h264::Depacketizer,
    sequences: [u16; 2],
    timestamps: [u32; 2],
    count: u8,
}

fn bound(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Line {
    fn new(
        server: SocketAddr,
        number: &str,
        name: &str,
        person: u8,
        seen: Arc<Mutex<Seen>>,
    ) -> Result<Self> {
        let first_port = ports::block(PORTS)?;
        Ok(Self {
            server,
            uri: format!("sip:{number}@{server}"),
            name: name.to_owned(),
            person,
            seen,
            first_port,
            sip: bound(first_port)?,
            audio: bound(first_port + 2)?,
            video: bound(first_port + 4)?,
            video_rtcp: bound(first_port + 5)?,
            call_id: format!("{:x}", fastrand::u64(..)),
            cseq: 0,
            version: 0,
            to_tag: String::new(),
            audio_to: None,
            video_to: None,
            sends_video: true,
            broken: false,
            encoder: H264Encoder::new(CAMERA)?,
            decoder: H264Decoder::new()?,
            depacketizer: h264::Depacketizer::new(),
            sequences: [0; 2],
            timestamps: [0; 2],
            count: 0,
        })
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn offer(&mut self, terms: Terms<'_>) -> String {
        self.version += 1;
        let (version, port) = (self.version, self.first_port);
        let mut text = format!(
            "v=0\r\no=phone 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0\r\na={}\r\n",
            port + 2,
            terms.audio
        );
        self.sends_video = terms
            .video
            .is_some_and(|lines| !lines.contains("inactive") && !lines.contains("recvonly"));
        let (port, lines) = match terms.video {
            Some(lines) => (port + 4, lines),
            None if version == 1 => return text,
            None => (0, ""),
        };
        let added = write!(
            text,
            "m=video {port} RTP/AVP 96 {H264}\r\n\
             a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=0;profile-level-id=42e01f\r\n\
             a=rtpmap:{H264} H264/90000\r\na=fmtp:{H264} packetization-mode=1;profile-level-id=42e01f\r\n{lines}"
        );
        added.map_or_else(|_| String::new(), |()| text)
    }

    fn request(&mut self, method: &str, kind: &str, body: &str) -> String {
        if method != "ACK" {
            self.cseq += 1;
        }
        let to_tag = if self.to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={}", self.to_tag)
        };
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {kind}\r\n")
        };
        let (uri, name, port, call_id, cseq) = (
            &self.uri,
            &self.name,
            self.first_port,
            &self.call_id,
            self.cseq,
        );
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{:x}\r\n\
             From: \"{name}\" <sip:phone@127.0.0.1>;tag=phone\r\nTo: <{uri}>{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:phone@127.0.0.1:{port}>\r\nMax-Forwards: 70\r\n{content}\
             Content-Length: {}\r\n\r\n{body}",
            fastrand::u64(..),
            body.len()
        )
    }

    fn invite(&mut self, offer: &str) -> Result<()> {
        let invite = self.request("INVITE", "application/sdp", offer);
        self.send(&invite)?;
        let until = Instant::now() + Duration::from_secs(8);
        while Instant::now() < until {
            if self.signalling()? {
                return Ok(());
            }
            self.look()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("no answer to an INVITE")
    }

    fn send(&self, text: &str) -> Result<()> {
        self.sip.send_to(text.as_bytes(), self.server)?;
        Ok(())
    }

    /// Reads SIP; true when an INVITE has been answered.
    fn signalling(&mut self) -> Result<bool> {
        let mut buffer = [0; 8_192];
        let Ok((length, _)) = self.sip.recv_from(&mut buffer) else {
            return Ok(false);
        };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let header = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().trim().to_owned()
        };
        if let Some(rest) = text.strip_prefix("SIP/2.0 ") {
            let status: u16 = rest.split(' ').next().unwrap_or_default().parse()?;
            if status < 200 || !header("CSeq:").ends_with("INVITE") {
                return Ok(false);
            }
            if let Some((_, tag)) = header("To:").split_once(";tag=") {
                self.to_tag = tag.to_owned();
            }
            let ack = self.request("ACK", "", "");
            self.send(&ack)?;
            anyhow::ensure!(status == 200, "an INVITE was answered with {status}");
            self.answered(text.split("\r\n\r\n").nth(1).unwrap_or_default());
            return Ok(true);
        }
        if text.starts_with("INFO ") && text.contains("picture_fast_update") {
            self.change(|seen| seen.infos += 1);
            self.encoder.request_keyframe();
        }
        if !text.starts_with("ACK ") {
            let vias: String = text
                .lines()
                .filter(|line| line.starts_with("Via:"))
                .fold(String::new(), |all, line| all + line + "\r\n");
            let [from, to, call_id, cseq] = ["From:", "To:", "Call-ID:", "CSeq:"].map(header);
            self.send(&format!(
                "SIP/2.0 200 OK\r\n{vias}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n\
                 Content-Length: 0\r\n\r\n"
            ))?;
        }
        Ok(false)
    }

    fn answered(&mut self, answer: &str) {
        let port = |kind: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(kind))?;
            let port: u16 = line.split(' ').next()?.parse().ok()?;
            (port != 0).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        self.audio_to = port("m=audio ");
        self.video_to = port("m=video ");
        self.change(|seen| answer.clone_into(&mut seen.answer));
    }

    fn run(&mut self, inbox: &Receiver<Order>) -> Result<()> {
        let (mut audio_due, mut picture_due) = (Instant::now(), Instant::now());
        let started = Instant::now();
        loop {
            let now = Instant::now();
            match inbox.try_recv() {
                Ok(Order::HangUp) => {
                    let bye = self.request("BYE", "", "");
                    self.send(&bye)?;
                    return Ok(());
                }
                Ok(order) => self.obey(order)?,
                Err(_) => {}
            }
            if now >= audio_due {
                audio_due += AUDIO_EVERY;
                self.speak()?;
            }
            if now >= picture_due {
                picture_due += PICTURE_EVERY;
                self.film(now.saturating_duration_since(started))?;
            }
            self.signalling()?;
            self.look()?;
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Pli => self.ask()?,
            Order::Info => {
                let body = "<media_control><vc_primitive><to_encoder><picture_fast_update/>\
                            </to_encoder></vc_primitive></media_control>";
                let info = self.request("INFO", "application/media_control+xml", body);
                self.send(&info)?;
            }
            Order::Offer(terms) => {
                let (audio, video) = terms.split_once('\n').context("terms")?;
                let video = (video != "-").then_some(video);
                let offer = self.offer(Terms { audio, video });
                self.invite(&offer)?;
            }
            Order::Broken(on) => {
                self.broken = on;
                self.encoder.request_keyframe();
            }
            Order::HangUp => {}
        }
        Ok(())
    }

    fn packet(&mut self, stream: usize, payload_type: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
        self.sequences[stream] = self.sequences[stream].wrapping_add(1);
        let mut packet = vec![0x80, payload_type | u8::from(marker) << 7];
        packet.extend(self.sequences[stream].to_be_bytes());
        packet.extend(self.timestamps[stream].to_be_bytes());
        packet.extend([0, 0, 0, u8::try_from(stream).unwrap_or_default() + 1]);
        packet.extend_from_slice(payload);
        packet
    }

    fn speak(&mut self) -> Result<()> {
        self.timestamps[0] = self.timestamps[0].wrapping_add(160);
        if let Some(to) = self.audio_to {
            let packet = self.packet(0, 0, false, &[0xff; 160]);
            self.audio.send_to(&packet, to)?;
        }
        Ok(())
    }

    fn film(&mut self, at: Duration) -> Result<()> {
        self.count = self.count.wrapping_add(1);
        let Some(to) = self.video_to.filter(|_| self.sends_video) else {
            return Ok(());
        };
        let mark = Mark {
            person: self.person,
            count: self.count,
        };
        let at = u64::try_from(at.as_millis())?;
        let frame = self
            .encoder
            .encode(&mark.paint()?, MediaTime::from_millis(at))?;
        let Some(frame) = frame else { return Ok(()) };
        self.timestamps[1] = u32::try_from(at * 90)?;
        let payloads = h264::packetize(&frame.data, 1_000);
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            let mut payload = payload.to_vec();
            if self.broken {
                for octet in &mut payload {
                    if fastrand::u8(..) < 32 {
                        *octet = fastrand::u8(..);
                    }
                }
            }
            let packet = self.packet(1, H264, index == last, &payload);
            self.video.send_to(&packet, to)?;
        }
        Ok(())
    }

    /// Sends a PLI.
    fn ask(&self) -> Result<()> {
        let pli = [0x81, 206, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0];
        if let Some(to) = self.video_to {
            let to = SocketAddr::new(to.ip(), to.port() + 1);
            self.video_rtcp.send_to(&pli, to)?;
        }
        Ok(())
    }

    /// Reads media.
    fn look(&mut self) -> Result<()> {
        let mut buffer = [0; 2_048];
        while self.audio.recv_from(&mut buffer).is_ok() {}
        while let Ok((length, _)) = self.video_rtcp.recv_from(&mut buffer) {
            self.control(&buffer[..length]);
        }
        while let Ok((length, _)) = self.video.recv_from(&mut buffer) {
            self.see(&buffer[..length])?;
        }
        Ok(())
    }

    fn control(&mut self, mut rest: &[u8]) {
        while let Some(&[first, kind, high, low]) = rest.first_chunk() {
            if (kind, first & 0x1f) == (206, 1) {
                self.change(|seen| seen.plis += 1);
                self.encoder.request_keyframe();
            }
            if kind == 200 {
                self.change(|seen| seen.reports += 1);
            }
            let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    fn see(&mut self, datagram: &[u8]) -> Result<()> {
        let (head, payload) = datagram
            .split_first_chunk::<12>()
            .context("a short packet")?;
        anyhow::ensure!(
            head[0] == 0x80 && head[1] & 0x7f == H264,
            "not the video that was agreed: {head:?}"
        );
        self.change(|seen| seen.packets += 1);
        let packet = MediaPacket {
            payload_type: H264,
            marker: head[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            audio_level: None,
            payload: bytes::Bytes::copy_from_slice(payload),
        };
        let Some(frame) = self.depacketizer.push(&packet)? else {
            return Ok(());
        };
        let profile = h264::nal_units(&frame.data).find_map(|unit| match *unit {
            [header, a, b, c, ..] if header & 0x1f == 7 => Some([a, b, c]),
            _ => None,
        });
        let decoded = self.decoder.decode(&frame.data)?;
        let (picture, damaged) = (decoded.picture, decoded.needs_keyframe);
        let picture = picture.map(|picture| picture.to_picture());
        if damaged || (frame.follows_loss && !frame.keyframe) {
            self.ask()?;
        }
        self.change(|seen| {
            seen.profile = profile.or(seen.profile);
            seen.keyframes += u32::from(frame.keyframe);
            if damaged {
                seen.damaged += 1;
            } else if let Some(picture) = picture {
                seen.pictures += 1;
                seen.picture = Some(picture);
            }
        });
        Ok(())
    }
}
