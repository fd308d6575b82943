//! A G.711 phone that speaks SIP by text: it says what others cannot be made to say, and sends a tone.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::ports;
use crate::tone::{sine, to_mulaw};

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(8);
const FRAME: usize = 160;
const LEVEL: f64 = -20.0;

/// A phone in a call.
#[derive(Debug)]
pub struct TextPhone {
    server: SocketAddr,
    sip: UdpSocket,
    /// Call-ID, our tag, the server's tag.
    pub dialog: [String; 3],
    sending: Arc<AtomicBool>,
    voice: Option<JoinHandle<()>>,
}

impl TextPhone {
    /// Calls `number`, with these header lines beside the usual ones, and sends a tone of so many Hz once it is answered.
    ///
    /// # Errors
    /// When it is refused, or not answered in time.
    pub fn call(server: SocketAddr, number: &str, headers: &str, tone: f64) -> Result<Self> {
        let port = ports::block(4)?;
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 2))?;
        sip.set_read_timeout(Some(PATIENCE))?;
        let id = format!("{:x}", fastrand::u64(..));
        let mut phone = Self {
            server,
            sip,
            dialog: [id.clone(), format!("t{id}"), String::new()],
            sending: Arc::new(AtomicBool::new(true)),
            voice: None,
        };
        let offer = format!(
            "v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\na=sendrecv\r\n",
            port + 2
        );
        let sdp = format!("{headers}Content-Type: application/sdp\r\n");
        phone.send(number, "INVITE", 1, &sdp, &offer)?;
        let answer = phone.hear("SIP/2.0 ", |text| !text.starts_with("SIP/2.0 1"))?;
        ensure!(answer.starts_with("SIP/2.0 200"), "{answer}");
        let to = answer.lines().find_map(|row| row.strip_prefix("To: "));
        let tag = to.and_then(|to| to.split(";tag=").nth(1));
        phone.dialog[2] = tag.context("no tag")?.to_owned();
        phone.send(number, "ACK", 1, "", "")?;
        let media = answer
            .lines()
            .find_map(|row| row.strip_prefix("m=audio ")?.split(' ').next());
        let media: u16 = media.context("no audio")?.parse()?;
        let to = SocketAddr::new(server.ip(), media);
        let sending = Arc::clone(&phone.sending);
        phone.voice = Some(std::thread::spawn(move || speak(&rtp, to, tone, &sending)));
        Ok(phone)
    }

    /// Waits until the server sends this phone elsewhere, and answers so, such as `603 Decline`; gives the REFER.
    ///
    /// # Errors
    /// When it does not.
    pub fn sent_away(&mut self, status: &str) -> Result<String> {
        let refer = self.hear("REFER ", |_| true)?;
        self.answer(&refer, status)?;
        Ok(refer)
    }

    /// Tells how far it is with whom it was sent to, such as `486 Busy Here`.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn tell(&self, cseq: u32, status: &str, over: bool) -> Result<()> {
        let state = if over { "terminated" } else { "active" };
        let headers = format!(
            "Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n"
        );
        let body = format!("SIP/2.0 {status}\r\n");
        self.send("plenum", "NOTIFY", cseq, &headers, &body)?;
        self.hear("SIP/2.0 200", |text| text.contains("NOTIFY"))?;
        Ok(())
    }

    /// Waits until the server hangs up, and agrees.
    ///
    /// # Errors
    /// When it does not.
    pub fn hung_up_on(&mut self) -> Result<()> {
        let bye = self.hear("BYE ", |_| true)?;
        self.answer(&bye, "200 OK")
    }

    fn answer(&self, request: &str, status: &str) -> Result<()> {
        let echoed = request.lines().filter(|row| {
            let named = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];
            named.iter().any(|name| row.starts_with(name))
        });
        let echoed: String = echoed.map(|row| format!("{row}\r\n")).collect();
        let answer = format!("SIP/2.0 {status}\r\n{echoed}Content-Length: 0\r\n\r\n");
        self.sip.send_to(answer.as_bytes(), self.server)?;
        Ok(())
    }

    /// Hangs up.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn hang_up(self) -> Result<()> {
        self.send("plenum", "BYE", 2, "", "")?;
        self.hear("SIP/2.0 200", |text| text.contains("BYE"))?;
        Ok(())
    }

    /// A message that begins so and pleases.
    fn hear(&self, begins: &str, pleases: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        let mut buffer = [0; 4_000];
        while Instant::now() < until {
            let (length, _) = self
                .sip
                .recv_from(&mut buffer)
                .with_context(|| format!("waiting for {begins}"))?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(begins) && pleases(&text) {
                return Ok(text);
            }
        }
        anyhow::bail!("nothing that begins with {begins}")
    }

    fn send(&self, number: &str, method: &str, cseq: u32, headers: &str, body: &str) -> Result<()> {
        let (server, local) = (self.server, self.sip.local_addr()?);
        let [id, ours, theirs] = &self.dialog;
        let to_tag = if theirs.is_empty() {
            String::new()
        } else {
            format!(";tag={theirs}")
        };
        let text = format!(
            "{method} sip:{number}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{:x}\r\n\
             From: \"Text\" <sip:text@127.0.0.1>;tag={ours}\r\nTo: <sip:{number}@{server}>{to_tag}\r\nCall-ID: {id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:text@{local}>\r\nMax-Forwards: 70\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            fastrand::u64(..),
            body.len()
        );
        self.sip.send_to(text.as_bytes(), server)?;
        Ok(())
    }
}

impl Drop for TextPhone {
    fn drop(&mut self) {
        self.sending.store(false, Ordering::Relaxed);
        if let Some(voice) = self.voice.take() {
            // A voice that has panicked is silent, which is heard.
            let _ = voice.join();
        }
    }
}

/// 20 ms after 20 ms, until told otherwise.
fn speak(rtp: &UdpSocket, to: SocketAddr, tone: f64, sending: &AtomicBool) {
    let second = sine(tone, LEVEL, 1.0, 8_000).samples;
    let source = fastrand::u32(..);
    let begin = Instant::now();
    let mut count = 0_u32;
    while sending.load(Ordering::Relaxed) {
        let at = usize::try_from(count).unwrap_or(0) * FRAME % second.len();
        let mut packet = vec![0x80, 0];
        packet.extend(u16::try_from(count & 0xffff).unwrap_or(0).to_be_bytes());
        packet.extend((count.wrapping_mul(160)).to_be_bytes());
        packet.extend(source.to_be_bytes());
        packet.extend(second[at..at + FRAME].iter().map(|it| to_mulaw(*it)));
        // What cannot be sent is lost.
        let _ = rtp.send_to(&packet, to);
        count += 1;
        let due = begin + Duration::from_millis(20) * count;
        sleep(due.saturating_duration_since(Instant::now()));
    }
}
