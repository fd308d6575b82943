//! Entry points for fuzzers: every parser of outside bytes in this crate, over plain bytes. None may panic.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use plenum_codecs::MediaTime;
use plenum_codecs::audio::AudioCodec;

use crate::call::{CallCommand, CallEvent, CallId, Route};
use crate::endpoint::{EndpointConfig, SipEndpoint, SipInput, SipOutput, StreamId};
use crate::identity::{CalledFrom, CallerFrom, Identity};
use crate::sdp::{self, SessionPolicy};
use crate::trunk::{Credentials, Login, Outbound, Trunk};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5_062);

/// One SIP message, as a datagram and as a stream in two pieces, through whole endpoints: one that asks for digest
/// and one that answers what it can, and lets all timers run out.
pub fn sip_message(bytes: &[u8]) {
    let credentials = Credentials {
        realm: "fuzz".into(),
        username: "u".into(),
        password: "p".into(),
    };
    for credentials in [None, Some(credentials)] {
        let sources = "127.0.0.0/8".parse().into_iter().collect();
        let trunk = Trunk {
            credentials,
            identity: Identity {
                caller: CallerFrom::Diversion,
                called: CalledFrom::Diversion,
                ..Identity::default()
            },
            ..Trunk::new("fuzz", sources)
        };
        let mut endpoint = SipEndpoint::new(EndpointConfig::new(PEER, vec![trunk]));
        let now = MediaTime::from_millis(1);
        let (one, two) = bytes.split_at(bytes.len() / 2);
        let stream = StreamId(1);
        for input in [
            SipInput::Datagram {
                from: PEER,
                bytes: Bytes::copy_from_slice(bytes),
            },
            SipInput::StreamOpened {
                stream,
                from: PEER,
                kind: crate::StreamKind::Tcp,
            },
            SipInput::StreamBytes {
                stream,
                bytes: Bytes::copy_from_slice(one),
            },
            SipInput::StreamBytes {
                stream,
                bytes: Bytes::copy_from_slice(two),
            },
        ] {
            endpoint.handle(now, input);
            drain(&mut endpoint, now);
        }
        for _ in 0..64 {
            let Some(due) = endpoint.deadline() else {
                break;
            };
            endpoint.handle(due, SipInput::Tick);
            drain(&mut endpoint, due);
        }
    }
}

/// What a far end answers to a call of ours: `bytes` with its Via, From, To, Call-ID and CSeq put before them, as each kind of status; then all timers run out.
pub fn sip_answer(bytes: &[u8]) {
    let sources = "127.0.0.0/8".parse().into_iter().collect();
    let Ok(proxy) = "127.0.0.1:5062".parse() else {
        return;
    };
    let trunk = Trunk {
        outbound: Some(Outbound {
            login: Some(Login {
                user: "u".into(),
                password: "p".into(),
            }),
            ..Outbound::new(proxy)
        }),
        ..Trunk::new("fuzz", sources)
    };
    for status in [
        "183 S", "200 OK", "302 M", "401 U", "407 P", "422 S", "503 S",
    ] {
        let mut endpoint = SipEndpoint::new(EndpointConfig::new(PEER, vec![trunk.clone()]));
        let mut now = MediaTime::from_millis(1);
        let dial = CallCommand::Dial {
            call: CallId::placed(1),
            routes: vec![Route {
                trunk: "fuzz".into(),
                number: "123".into(),
                sdp: "v=0".into(),
            }],
            ring: std::time::Duration::from_secs(45),
            replaces: None,
        };
        endpoint.handle(now, SipInput::Command(dial));
        for _ in 0..8 {
            let mut answers = Vec::new();
            while let Some(output) = endpoint.poll_output() {
                if let SipOutput::Send { bytes: sent, .. } = output {
                    answers.push(answer_to(&sent, status, bytes));
                }
            }
            for answer in answers {
                let from = PEER;
                let bytes = Bytes::from(answer);
                endpoint.handle(now, SipInput::Datagram { from, bytes });
            }
            let Some(due) = endpoint.deadline() else {
                break;
            };
            now = now.max(due);
            endpoint.handle(now, SipInput::Tick);
        }
    }
}

/// What a far end says of transfers within a call that stands: `bytes` with the headers of the dialog put before them, as NOTIFYs about a REFER of
/// ours, and as a REFER of its own; then all timers run out.
///
/// # Panics
/// When our REFER has more than one outcome.
pub fn sip_transfer(bytes: &[u8]) {
    let (Ok(source), Ok(proxy)) = ("127.0.0.0/8".parse(), "127.0.0.1:5062".parse()) else {
        return;
    };
    let trunk = Trunk {
        outbound: Some(Outbound::new(proxy)),
        ..Trunk::new("fuzz", vec![source])
    };
    let mut endpoint = SipEndpoint::new(EndpointConfig::new(PEER, vec![trunk]));
    let mut now = MediaTime::from_millis(1);
    let offer = b"Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
    let (_, came) = say(&mut endpoint, now, ("INVITE", 1, ""), offer);
    let Some(CallEvent::Incoming { call, .. }) = came.first() else {
        return;
    };
    let (call, sdp) = (*call, "v=0".to_owned());
    endpoint.handle(now, SipInput::Command(CallCommand::Answer { call, sdp }));
    let (tag, _) = heard(&mut endpoint);
    say(
        &mut endpoint,
        now,
        ("ACK", 1, &tag),
        b"Content-Length: 0\r\n\r\n",
    );
    let (number, at) = ("123".to_owned(), None);
    let refer = CallCommand::Refer { call, number, at };
    endpoint.handle(now, SipInput::Command(refer));
    let (_, mut events) = heard(&mut endpoint);
    for (method, cseq) in [("NOTIFY", 2), ("REFER", 3), ("NOTIFY", 4)] {
        events.extend(say(&mut endpoint, now, (method, cseq, &tag), bytes).1);
    }
    for _ in 0..64 {
        let Some(due) = endpoint.deadline() else {
            break;
        };
        now = now.max(due);
        endpoint.handle(now, SipInput::Tick);
        events.extend(heard(&mut endpoint).1);
    }
    let outcomes = events
        .iter()
        .filter(|it| matches!(it, CallEvent::Sent { status: 200.., .. }));
    assert!(outcomes.count() <= 1, "a transfer has come out twice");
}

/// One request of the dialog, `rest` after its headers; gives our tag and what was told.
fn say(
    endpoint: &mut SipEndpoint,
    now: MediaTime,
    (method, cseq, tag): (&str, u32, &str),
    rest: &[u8],
) -> (String, Vec<CallEvent>) {
    let to_tag = if tag.is_empty() { "" } else { ";tag=" };
    let mut text = format!(
        "{method} sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{method}{cseq}\r\nFrom: <sip:2@127.0.0.1>;tag=far\r\n\
         To: <sip:1@127.0.0.1>{to_tag}{tag}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\nContact: <sip:2@{PEER}>\r\nMax-Forwards: 70\r\n"
    )
    .into_bytes();
    text.extend_from_slice(rest);
    let (from, bytes) = (PEER, Bytes::from(text));
    endpoint.handle(now, SipInput::Datagram { from, bytes });
    heard(endpoint)
}

/// Our tag, where something that went out has one, and what was told.
fn heard(endpoint: &mut SipEndpoint) -> (String, Vec<CallEvent>) {
    let (mut tag, mut events) = (String::new(), Vec::new());
    while let Some(output) = endpoint.poll_output() {
        match output {
            SipOutput::Send { bytes, .. } => {
                let text = String::from_utf8_lossy(&bytes);
                let to = text.lines().find_map(|row| row.strip_prefix("To: "));
                if let Some((_, found)) = to.and_then(|to| to.split_once(";tag=")) {
                    found.clone_into(&mut tag);
                }
            }
            SipOutput::Event(event) => events.push(event),
            _ => {}
        }
    }
    (tag, events)
}

fn answer_to(request: &[u8], status: &str, rest: &[u8]) -> Vec<u8> {
    let request = String::from_utf8_lossy(request);
    let mut answer = format!("SIP/2.0 {status}\r\n").into_bytes();
    for row in request.split("\r\n") {
        let name = row.split(':').next().unwrap_or_default();
        if matches!(name, "Via" | "From" | "To" | "Call-ID" | "CSeq") {
            answer.extend_from_slice(row.as_bytes());
            if name == "To" && !row.contains(";tag=") {
                answer.extend_from_slice(b";tag=far");
            }
            answer.extend_from_slice(b"\r\n");
        }
    }
    answer.extend_from_slice(rest);
    answer
}

fn drain(endpoint: &mut SipEndpoint, now: MediaTime) {
    while let Some(output) = endpoint.poll_output() {
        if let SipOutput::Event(CallEvent::Incoming { call, offer, .. }) = output {
            let sdp = offer
                .and_then(|offer| sdp::answer(&offer, &policy(sdp::SrtpPolicy::Off), None).ok())
                .map(|done| done.answer);
            let command = match sdp {
                Some(sdp) => CallCommand::Answer { call, sdp },
                None => CallCommand::Refuse { call, status: 488 },
            };
            endpoint.handle(now, SipInput::Command(command));
        }
    }
}

fn policy(srtp: sdp::SrtpPolicy) -> SessionPolicy {
    SessionPolicy {
        codecs: AudioCodec::ALL.to_vec(),
        telephone_event: true,
        local_rtp: PEER,
        local_rtcp_port: Some(20_001),
        local_video: Some(PEER),
        session_id: 1,
        srtp,
    }
}

/// A description as an offer, again as a changed offer, and as an answer to an offer of ours; plain, with keys in it, and with a handshake.
pub fn sdp(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let certificate = || sdp::Fingerprint::sha256([7; 32]);
    let material = sdp::KeyMaterial::new(&[7; sdp::KeyMaterial::LENGTH]);
    for srtp in [
        sdp::SrtpPolicy::Off,
        sdp::SrtpPolicy::Optional(material.with_certificate(certificate())),
        sdp::SrtpPolicy::Dtls(certificate()),
    ] {
        negotiate(text, &policy(srtp));
    }
    let _offered = sdp::offers_video(text);
}

fn negotiate(text: &str, policy: &SessionPolicy) {
    if let Ok(first) = sdp::answer(text, policy, None)
        && let Ok(second) = sdp::answer(text, policy, Some(&first.session))
    {
        assert_eq!(
            first.answer, second.answer,
            "the same offer has the same answer"
        );
    }
    let (_, session) = sdp::offer(policy, None);
    let _audio = sdp::accept_answer(text, policy, &session);
    let _video = sdp::accept_video_answer(text, policy, &session);
}

/// An INFO body of each known type.
pub fn info_body(bytes: &[u8]) {
    let _update = crate::info::wants_picture(crate::info::MEDIA_CONTROL, bytes);
    for content_type in ["application/dtmf-relay", "application/dtmf"] {
        let _digit = crate::info::digit(content_type, bytes);
    }
}
