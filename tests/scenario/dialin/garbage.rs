//! Bytes from anywhere: no panic, no unbounded growth, and a call in progress goes on.

use bytes::Bytes;
use plenum_dialin::{CallCommand, CallEvent, EndReason, SipInput, StreamId, StreamKind};

use super::phone::{ANSWER, Line, Request, TRUSTED, ack, statuses, tag_of};

/// One of several ways to spoil a message.
fn spoil(random: &mut fastrand::Rng, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.usize(1..8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..6) {
            0 => bytes[at] = random.u8(..),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, *b"\r\n:;,<>\"= \0%".get(random.usize(..12)).unwrap()),
            3 => {
                bytes.remove(at);
            }
            4 => {
                let end = (at + random.usize(1..60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let end = (at + random.usize(1..30)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

#[test]
fn spoilt_messages_neither_panic_nor_harm_the_call_in_progress() {
    let mut random = fastrand::Rng::with_seed(0x5150);
    let mut line = Line::new();
    let (call, tag) = line.established(&Request {
        call_id: "safe",
        from_tag: "safe",
        ..Request::default()
    });
    let seeds: Vec<String> = [
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "INFO", "REGISTER",
    ]
    .iter()
    .flat_map(|method| {
        let request = Request {
            method,
            ..Request::default()
        };
        [
            request.text(),
            Request {
                to_tag: "x",
                body: None,
                ..request
            }
            .text(),
        ]
    })
    .chain([
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK-1\r\nCSeq: 1 BYE\r\n\r\n".to_owned(),
    ])
    .collect();
    for round in 0..30_000_u64 {
        let seed = &seeds[random.usize(..seeds.len())];
        let bytes = Bytes::from(spoil(&mut random, seed));
        if round % 3 == 0 {
            let stream = StreamId(round);
            line.input(SipInput::StreamOpened {
                stream,
                from: "127.0.0.1:4000".parse().unwrap(),
                kind: StreamKind::Tcp,
            });
            line.input(SipInput::StreamBytes { stream, bytes });
            line.input(SipInput::StreamClosed { stream });
        } else {
            line.input(SipInput::Datagram {
                from: TRUSTED.parse().unwrap(),
                bytes,
            });
        }
        let events = std::mem::take(&mut line.events);
        for event in events {
            match event {
                CallEvent::Incoming { call, .. } if round % 2 == 0 => {
                    line.input(SipInput::Command(CallCommand::Answer {
                        call,
                        sdp: ANSWER.into(),
                    }));
                }
                CallEvent::Ended { call: ended, .. } => {
                    assert_ne!(ended, call, "the call in progress was ended")
                }
                _ => {}
            }
        }
        line.sent.clear();
        line.pass(std::time::Duration::from_millis(5));
        line.events.retain(|event| event.call() == call);
    }
    assert!(
        line.endpoint.counters().malformed > 1_000,
        "the spoiling spoils"
    );
    assert!(line.endpoint.counters().transactions <= 20_000);
    line.events.clear();
    let bye = Request {
        method: "BYE",
        cseq: 2,
        branch: "z9hG4bK-end",
        call_id: "safe",
        from_tag: "safe",
        to_tag: &tag,
        body: None,
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&bye)), [200]);
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::CallerHungUp
        }]
    );
    line.pass(std::time::Duration::from_secs(600));
    assert_eq!(line.endpoint.counters().transactions, 0);
}

#[test]
fn fuzz_entries_take_spoilt_seeds() {
    let mut random = fastrand::Rng::with_seed(0xF022);
    let message = Request::default().text();
    let acknowledged = ack(&Request::default(), &tag_of("To: x;tag=1")).text();
    for _ in 0..3_000 {
        plenum_dialin::fuzz::sip_message(&spoil(&mut random, &message));
        plenum_dialin::fuzz::sip_message(&spoil(&mut random, &acknowledged));
        plenum_dialin::fuzz::sdp(&spoil(&mut random, super::phone::OFFER));
        plenum_dialin::fuzz::info_body(&spoil(&mut random, "Signal=5\r\nDuration=160\r\n"));
    }
}
