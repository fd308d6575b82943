//! Those who throw garbage: one thread per kind of port, each with its own seed, some 500 pieces a second.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use fastrand::Rng;
use plenum_tests::fuzz::Mutator;
use plenum_tests::server::{Conference, Server};
use plenum_tests::workspace::root;

type Sender = JoinHandle<(&'static str, u64)>;

/// Pause between two pieces.
const PACE: Duration = Duration::from_millis(2);

/// Starts all senders. Each ends when `stop` is set and says what it is and how many pieces it sent.
pub(crate) fn start(
    server: &Server,
    conference: &Conference,
    stop: &Arc<AtomicBool>,
) -> Vec<Sender> {
    let (sip, http, media, rtp) = (server.sip, server.http, server.media, server.rtp);
    let join = format!(
        "{{\"type\":\"join\",\"version\":1,\"conference\":\"{}\",\"name\":\"Mallory\"}}",
        conference.id
    );
    let sip_corpus = corpus("sip");
    let sip_stream = sip_corpus.clone();
    let looped = |name, mut send: Box<dyn FnMut() -> bool + Send>| {
        let stop = Arc::clone(stop);
        spawn(move || {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                sent += u64::from(send());
            }
            (name, sent)
        })
    };
    vec![
        looped("SIP over UDP", Box::new(udp(1, sip_corpus, move |_| sip))),
        looped("SIP over TCP", Box::new(sip_over_tcp(sip, sip_stream))),
        looped(
            "RTP and RTCP",
            Box::new(udp(2, media_corpus(), move |random: &mut Rng| {
                SocketAddr::from((Ipv4Addr::LOCALHOST, random.u16(rtp.0..=rtp.1)))
            })),
        ),
        looped(
            "STUN, DTLS, SRTP",
            Box::new(udp(3, media_corpus(), move |random: &mut Rng| {
                SocketAddr::new(media.ip(), media.port() + random.u16(..2))
            })),
        ),
        looped("HTTP", Box::new(http_garbage(http))),
        looped("WebSocket", Box::new(web_socket(http, join))),
    ]
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    std::fs::read_dir(root().join("fuzz/corpus").join(name))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

/// One of each protocol that shares a media port: STUN, DTLS, RTP (G.711, telephone-event, Opus), RTCP.
fn media_corpus() -> Vec<Vec<u8>> {
    let rtp = |payload_type: u8, length: usize| {
        let mut packet = vec![0x80, payload_type, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
        packet.resize(12 + length, 0x55);
        packet
    };
    let mut stun = vec![0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    stun.extend(*b"\x00\x06\x00\x04ab:c");
    let mut dtls = vec![
        22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 28,
    ];
    dtls.resize(53, 1);
    vec![
        stun,
        dtls,
        rtp(0, 160),
        rtp(8, 160),
        rtp(0xe0, 4),
        rtp(111, 80),
        vec![
            0x80, 200, 0, 6, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        vec![
            0x81, 201, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0,
        ],
        vec![
            0x8f, 205, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
    ]
}

/// Half of it mutated messages, half of it noise, each piece from one of eight sockets.
fn udp(
    seed: u64,
    corpus: Vec<Vec<u8>>,
    mut to: impl FnMut(&mut Rng) -> SocketAddr + Send + 'static,
) -> impl FnMut() -> bool + Send + 'static {
    let sockets: Vec<UdpSocket> = (0..8)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    let mut random = Rng::with_seed(seed);
    move || {
        let piece = if random.bool() {
            Mutator::new(random.u64(..), &corpus).make()
        } else {
            noise(&mut random)
        };
        let to = to(&mut random);
        // A closed port answers by ICMP, which shows as an error of a later send.
        let sent = random
            .choice(&sockets)
            .is_some_and(|socket| socket.send_to(&piece, to).is_ok());
        sleep(PACE);
        sent
    }
}

fn noise(random: &mut Rng) -> Vec<u8> {
    let length = random.usize(..1400);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

/// Connects and throws the pieces, reading what comes back in between. Says whether at least two arrived, or the only one: what the
/// server does with a broken connection is its affair.
fn throw(to: SocketAddr, pieces: &[&[u8]]) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(2)) else {
        sleep(PACE);
        return false;
    };
    let limit = Some(Duration::from_millis(20));
    stream.set_read_timeout(limit).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut thrown = 0;
    for piece in pieces {
        let mut answer = [0; 1024];
        if stream.write_all(piece).is_err() || matches!(stream.read(&mut answer), Ok(0)) {
            break;
        }
        thrown += 1;
    }
    thrown >= pieces.len().min(2)
}

fn sip_over_tcp(to: SocketAddr, corpus: Vec<Vec<u8>>) -> impl FnMut() -> bool + Send + 'static {
    let mut random = Rng::with_seed(4);
    move || {
        let mutated = Mutator::new(random.u64(..), &corpus).make();
        let noise = noise(&mut random);
        throw(to, &[&mutated, &noise])
    }
}

fn http_garbage(to: SocketAddr) -> impl FnMut() -> bool + Send + 'static {
    let requests: Vec<Vec<u8>> = [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /join/1001?name=%ff%00 HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /api/v1/conferences HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: 9\r\n\r\n{\"name\":1",
        "POST /api/v1/conferences HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
        "DELETE /api/v1/conferences/%2e%2e%2f HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: x\r\nrange: bytes=0-0,5-1\r\n\r\n",
        "GET /api/v1/presence/x HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ]
    .iter()
    .map(|request| request.as_bytes().to_vec())
    .collect();
    let mut random = Rng::with_seed(5);
    move || {
        let mutated = Mutator::new(random.u64(..), &requests).make();
        throw(to, &[&mutated])
    }
}

/// A right upgrade, then frames of mutated messages; every fourth piece is a frame that is none.
fn web_socket(to: SocketAddr, join: String) -> impl FnMut() -> bool + Send + 'static {
    let upgrade = format!(
        "GET /api/v1/signal HTTP/1.1\r\nhost: {to}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let messages: Vec<Vec<u8>> = [
        join.as_str(),
        "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\no=- 1 1 IN IP4 0.0.0.0\\r\\ns=-\\r\\nt=0 0\\r\\nm=audio 9 UDP/TLS/RTP/SAVPF 111\\r\\n\"}",
        "{\"type\":\"mute\",\"on\":true}",
        "{\"type\":\"remove\",\"participant\":\"p_1\"}",
        "{\"type\":\"ping\"}",
        "[[[[[[[[[[[[[[[[[[[[[[[[",
    ]
    .iter()
    .map(|message| message.as_bytes().to_vec())
    .collect();
    let mut random = Rng::with_seed(6);
    move || {
        let mut frames: Vec<Vec<u8>> = vec![upgrade.clone().into_bytes()];
        for _ in 0..3 {
            let message = Mutator::new(random.u64(..), &messages).make();
            frames.push(if random.u8(..4) == 0 {
                noise(&mut random)
            } else {
                frame(&message)
            });
        }
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        throw(to, &frames)
    }
}

/// One masked text frame (RFC 6455 §5.2) with the mask 0.
fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if let Ok(length @ ..126) = u8::try_from(message.len()) {
        frame.push(0x80 | length);
    } else {
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(message);
    frame
}
