//! SIP over TCP: framing, bounds, and dialogs that outlive their connection.

use std::time::Duration;

use plenum_dialin::{
    CallCommand, CallEvent, EndReason, EndpointConfig, HangupReason, Limits, SipInput, StreamId,
    StreamKind, Wire,
};

use super::phone::{ANSWER, Line, Request, ack, config, statuses, tag_of};

const SECOND: Duration = Duration::from_secs(1);
const TCP: &str = "SIP/2.0/TCP 127.0.0.1:5062";

fn open(line: &mut Line, id: u64, from: &str) -> StreamId {
    let stream = StreamId(id);
    line.input(SipInput::StreamOpened {
        stream,
        from: from.parse().unwrap(),
        kind: StreamKind::Tcp,
    });
    stream
}

fn feed(line: &mut Line, stream: StreamId, text: &str) -> Vec<String> {
    line.sent.clear();
    line.input(SipInput::StreamBytes {
        stream,
        bytes: text.to_owned().into(),
    });
    line.take_sent()
}

fn invite() -> Request<'static> {
    Request {
        via: TCP,
        ..Request::default()
    }
}

#[test]
fn messages_are_cut_out_of_a_stream_wherever_it_breaks() {
    let mut line = Line::new();
    let stream = open(&mut line, 0, "127.0.0.1:40000");
    let text = invite().text();
    let mut answers = Vec::new();
    for byte in text.chars() {
        answers.extend(feed(&mut line, stream, &byte.to_string()));
    }
    assert_eq!(statuses(&answers), [100]);
    let call = line.events.pop().unwrap().call();
    line.sent.clear();
    line.input(SipInput::Command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    }));
    let (wire, answer) = line.sent.pop().unwrap();
    assert_eq!(
        wire,
        Wire::Tcp(stream),
        "the answer goes back on the connection of the request"
    );
    let tag = tag_of(&answer);
    let bye = Request {
        method: "BYE",
        cseq: 2,
        branch: "z9hG4bK-b",
        to_tag: &tag,
        body: None,
        ..invite()
    };
    let both = format!("{}\r\n\r\n{}", ack(&invite(), &tag).text(), bye.text());
    let sent = feed(&mut line, stream, &both);
    assert_eq!(sent[0], "\r\n", "a double CRLF is a ping (RFC 5626)");
    assert_eq!(statuses(&sent[1..]), [200]);
    assert_eq!(
        line.events,
        [
            CallEvent::Confirmed { call },
            CallEvent::Ended {
                call,
                reason: EndReason::CallerHungUp
            }
        ]
    );
}

#[test]
fn a_bye_finds_another_connection_when_the_first_is_gone() {
    let mut line = Line::new();
    let stream = open(&mut line, 0, "127.0.0.1:40000");
    let plain = Request {
        via: "SIP/2.0/TCP 127.0.0.1:40000",
        ..Request::default()
    };
    feed(&mut line, stream, &plain.text());
    let call = line.events.pop().unwrap().call();
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    feed(&mut line, stream, &ack(&plain, &tag_of(&answer[0])).text());
    line.input(SipInput::StreamClosed { stream });
    line.sent.clear();
    line.input(SipInput::Command(CallCommand::Hangup {
        call,
        reason: HangupReason::Normal,
    }));
    let (own, to) = line.connects.pop().expect("a connect");
    assert_eq!(
        to,
        "127.0.0.1:5062".parse::<std::net::SocketAddr>().unwrap(),
        "to the Contact of the caller"
    );
    let (wire, bye) = line.sent.pop().unwrap();
    assert_eq!(wire, Wire::Tcp(own));
    assert!(bye.starts_with("BYE ") && bye.contains("SIP/2.0/TCP"));
}

#[test]
fn streams_that_idle_stall_or_break_framing_are_closed() {
    let limits = Limits::default();
    let mut line = Line::new();
    let idle = open(&mut line, 0, "127.0.0.1:40000");
    let stalled = open(&mut line, 1, "127.0.0.1:40001");
    let broken = open(&mut line, 2, "127.0.0.1:40002");
    feed(
        &mut line,
        stalled,
        "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: ",
    );
    feed(
        &mut line,
        broken,
        "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    );
    assert_eq!(line.closed, [broken]);
    line.pass(limits.stream_partial + SECOND);
    assert_eq!(line.closed, [broken, stalled]);
    line.pass(limits.stream_idle);
    assert_eq!(line.closed, [broken, stalled, idle]);
    assert_eq!(line.endpoint.counters().streams, 0);
}

#[test]
fn a_connection_with_a_call_on_it_may_idle() {
    let mut line = Line::new();
    let stream = open(&mut line, 0, "127.0.0.1:40000");
    feed(&mut line, stream, &invite().text());
    let call = line.events.pop().unwrap().call();
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    feed(
        &mut line,
        stream,
        &ack(&invite(), &tag_of(&answer[0])).text(),
    );
    line.pass(200 * SECOND);
    assert!(line.closed.is_empty());
}

#[test]
fn an_endless_header_ends_its_stream_within_a_bound() {
    let mut line = Line::new();
    let stream = open(&mut line, 0, "127.0.0.1:40000");
    feed(&mut line, stream, "INVITE sip:1001@127.0.0.1 SIP/2.0\r\n");
    let mut fed = 0;
    while line.closed.is_empty() && fed < 1_000_000 {
        feed(
            &mut line,
            stream,
            &"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(20),
        );
        fed += 1_160;
    }
    assert!(fed <= 2 * 64 * 1024 + 2_000, "closed after {fed} bytes");
}

#[test]
fn strangers_and_crowds_are_turned_away() {
    let limits = Limits {
        streams: 40,
        ..Limits::default()
    };
    let mut line = Line::with(EndpointConfig { limits, ..config() });
    for id in 0..33 {
        open(&mut line, id, "203.0.113.5:1000");
    }
    assert_eq!(line.closed, [StreamId(32)], "32 strangers at once");
    let sent = feed(&mut line, StreamId(0), &invite().text());
    assert_eq!(statuses(&sent), [403]);
    for id in 33..42 {
        open(&mut line, id, "127.0.0.1:1000");
    }
    assert_eq!(
        line.closed,
        [StreamId(32), StreamId(41)],
        "40 streams in all"
    );
    // A stranger's bytes do not keep it alive.
    line.pass(11 * SECOND);
    assert_eq!(line.endpoint.counters().streams, 8);
}
