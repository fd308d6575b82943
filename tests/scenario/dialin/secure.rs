//! SIP over TLS: how we name ourselves, and connections of our own to peers whose connection is gone.

use plenum_dialin::{
    CallCommand, CallEvent, EndpointConfig, HangupReason, SipInput, StreamId, StreamKind, Wire,
};

use super::phone::{ANSWER, Line, Request, ack, config, statuses, tag_of};

const TLS: &str = "SIP/2.0/TLS 127.0.0.1:40000";

fn line() -> Line {
    Line::with(EndpointConfig {
        announced_tls: Some("192.0.2.1:5061".parse().unwrap()),
        announced: "192.0.2.1:5060".parse().unwrap(),
        ..config()
    })
}

fn open(line: &mut Line) -> StreamId {
    let stream = StreamId(0);
    line.input(SipInput::StreamOpened {
        stream,
        from: "127.0.0.1:40000".parse().unwrap(),
        kind: StreamKind::Tls,
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

fn invite(uri: &str) -> Request<'_> {
    Request {
        via: TLS,
        uri,
        ..Request::default()
    }
}

#[test]
fn a_call_over_tls_is_answered_with_a_contact_over_tls() {
    let mut line = line();
    let stream = open(&mut line);
    for (branch, uri, contact) in [
        (
            "z9hG4bK-sip",
            "sip:1001@192.0.2.1;transport=tls",
            "<sip:192.0.2.1:5061;transport=tls>",
        ),
        (
            "z9hG4bK-sips",
            "sips:1001@192.0.2.1",
            "<sips:192.0.2.1:5061>",
        ),
    ] {
        let invite = Request {
            branch,
            call_id: branch,
            ..invite(uri)
        };
        feed(&mut line, stream, &invite.text());
        let incoming = line.events.pop().unwrap();
        assert!(matches!(
            incoming,
            CallEvent::Incoming { over_tls: true, .. }
        ));
        let call = incoming.call();
        let answer = line.command(CallCommand::Answer {
            call,
            sdp: ANSWER.into(),
        });
        assert_eq!(statuses(&answer), [200]);
        let expected = format!("Contact: {contact}\r\n");
        assert!(answer[0].contains(&expected), "{}", answer[0]);
    }
}

#[test]
fn sips_is_refused_where_there_is_no_tls() {
    let mut line = line();
    let invite = Request {
        uri: "sips:1001@192.0.2.1",
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&invite)), [416]);
}

#[test]
fn requests_of_ours_use_the_connection_while_it_stands_and_open_another_one_after() {
    let mut line = line();
    let stream = open(&mut line);
    let invite = invite("sip:1001@192.0.2.1;transport=tls");
    feed(&mut line, stream, &invite.text());
    let call = line.events.pop().unwrap().call();
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    feed(&mut line, stream, &ack(&invite, &tag_of(&answer[0])).text());
    assert_eq!(line.events.pop(), Some(CallEvent::Confirmed { call }));
    line.sent.clear();
    line.input(SipInput::Command(CallCommand::AskPicture { call }));
    let (wire, info) = line.sent.pop().unwrap();
    assert_eq!(wire, Wire::Tcp(stream));
    assert!(info.contains("Via: SIP/2.0/TLS 192.0.2.1:5061;"), "{info}");
    assert!(line.connects.is_empty());

    line.input(SipInput::StreamClosed { stream });
    line.input(SipInput::Command(CallCommand::Hangup {
        call,
        reason: HangupReason::Normal,
    }));
    let (own, _) = line.connects.pop().expect("a connect");
    assert_eq!(
        line.trusted,
        [Some("127.0.0.1".to_owned())],
        "whose certificate must be shown"
    );
    let (wire, bye) = line.sent.pop().unwrap();
    assert_eq!(wire, Wire::Tcp(own));
    assert!(bye.starts_with("BYE ") && bye.contains("Via: SIP/2.0/TLS "));
}
