//! Dialogs and transactions of the SIP endpoint, as a caller sees them.

use std::time::Duration;

use plenum_dialin::{
    CallCommand, CallEvent, EndReason, EndpointConfig, HangupReason, SipInput, Trunk, Wire,
};

use super::phone::{
    ANSWER, Line, OFFER, Request, TRUSTED, ack, config, header, status, statuses, tag_of, trunk,
};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn within<'a>(
    method: &'a str,
    cseq: u32,
    to_tag: &'a str,
    branch: &'a str,
) -> Request<'a> {
    Request {
        method,
        cseq,
        to_tag,
        branch,
        body: None,
        ..Request::default()
    }
}

#[test]
fn a_call_is_tried_answered_acknowledged_and_hung_up() {
    let mut line = Line::new();
    assert_eq!(statuses(&line.ask(&Request::default())), [100]);
    let Some(CallEvent::Incoming {
        call,
        trunk,
        caller,
        called,
        offer,
        direct,
        over_tls: false,
    }) = line.events.pop()
    else {
        panic!("no call");
    };
    assert_eq!(
        (trunk.as_str(), called.as_str(), direct),
        ("pbx", "1001", false)
    );
    assert_eq!(
        (caller.display.as_str(), caller.number.as_str()),
        ("Ann", "49301234")
    );
    assert_eq!(offer.as_deref(), Some(OFFER));

    assert_eq!(statuses(&line.command(CallCommand::Ring { call })), [180]);
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    assert_eq!(statuses(&answer), [200]);
    assert!(
        answer[0].ends_with(ANSWER),
        "the answer carries the owner's SDP"
    );
    let tag = tag_of(&answer[0]);
    assert!(line.ask(&ack(&Request::default(), &tag)).is_empty());
    assert_eq!(line.events.pop(), Some(CallEvent::Confirmed { call }));

    assert_eq!(
        statuses(&line.ask(&within("BYE", 2, &tag, "z9hG4bK-2"))),
        [200]
    );
    assert_eq!(
        line.events.pop(),
        Some(CallEvent::Ended {
            call,
            reason: EndReason::CallerHungUp
        })
    );
    line.pass(60 * SECOND);
    assert_eq!(
        line.endpoint.counters().transactions,
        0,
        "transactions are forgotten in time"
    );
    assert_eq!(line.endpoint.counters().calls, 0);
}

#[test]
fn a_retransmitted_invite_gets_the_same_answer_and_makes_no_second_call() {
    let mut line = Line::new();
    let invite = Request::default();
    let first = line.ask(&invite);
    assert_eq!(line.ask(&invite), first);
    assert_eq!(line.events.len(), 1);
    let call = line.events[0].call();
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    assert_eq!(line.ask(&invite), answer);
    assert_eq!(line.events.len(), 1);
    assert_eq!(line.endpoint.counters().retransmissions, 2);
}

#[test]
fn a_missing_ack_is_repeated_for_and_then_reaped_with_a_bye() {
    let mut line = Line::new();
    let call = line.invite(&Request::default());
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    let sent = line.pass(33 * SECOND);
    let repeats: Vec<u64> = sent
        .iter()
        .filter(|(_, text)| *text == answer[0])
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(
        repeats,
        [
            500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    let (at, bye) = sent
        .iter()
        .find(|(_, text)| text.starts_with("BYE "))
        .expect("a BYE");
    assert_eq!(*at, 32_000);
    assert!(bye.starts_with("BYE sip:ann@127.0.0.1:5062 SIP/2.0\r\n"));
    assert_eq!(
        line.events.pop(),
        Some(CallEvent::Ended {
            call,
            reason: EndReason::NoAck
        })
    );
    assert_eq!(line.endpoint.counters().calls, 0);
}

#[test]
fn cancel_before_the_answer_terminates_the_invite() {
    let mut line = Line::new();
    let call = line.invite(&Request::default());
    let sent = line.ask(&within("CANCEL", 1, "", "z9hG4bK-1"));
    assert_eq!(statuses(&sent), [200, 487]);
    assert_eq!(
        tag_of(&sent[0]),
        tag_of(&sent[1]),
        "CANCEL and INVITE are answered with one tag"
    );
    assert_eq!(
        line.events.pop(),
        Some(CallEvent::Ended {
            call,
            reason: EndReason::Cancelled
        })
    );
    // The owner's answer crosses it and must not bring the call back.
    assert!(
        line.command(CallCommand::Answer {
            call,
            sdp: ANSWER.into()
        })
        .is_empty()
    );
    let repeats = line.pass(2 * SECOND);
    assert_eq!(
        repeats
            .iter()
            .map(|(at, text)| (*at, status(text)))
            .collect::<Vec<_>>(),
        [(500, 487), (1_500, 487)]
    );
    let tag = tag_of(&sent[1]);
    assert!(
        line.ask(&Request {
            branch: "z9hG4bK-1",
            ..ack(&Request::default(), &tag)
        })
        .is_empty()
    );
    assert!(
        line.pass(30 * SECOND).is_empty(),
        "the ACK silences the 487"
    );
}

#[test]
fn cancel_after_the_answer_changes_nothing_and_cancel_of_nothing_is_481() {
    let mut line = Line::new();
    let call = line.invite(&Request::default());
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    assert_eq!(
        statuses(&line.ask(&within("CANCEL", 1, "", "z9hG4bK-1"))),
        [200]
    );
    assert!(line.events.is_empty());
    line.ask(&ack(&Request::default(), &tag_of(&answer[0])));
    assert_eq!(line.events.pop(), Some(CallEvent::Confirmed { call }));
    assert_eq!(
        statuses(&line.ask(&within("CANCEL", 1, "", "z9hG4bK-never"))),
        [481]
    );
}

#[test]
fn a_request_that_came_two_ways_is_merged() {
    let mut line = Line::new();
    line.invite(&Request::default());
    let other_way = Request {
        branch: "z9hG4bK-other-proxy",
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&other_way)), [482]);
    assert!(line.events.is_empty());
}

#[test]
fn both_tags_must_match_within_a_dialog() {
    let mut line = Line::new();
    let (call, tag) = line.established(&Request::default());
    let wrong_from = Request {
        from_tag: "another",
        ..within("BYE", 2, &tag, "z9hG4bK-a")
    };
    assert_eq!(statuses(&line.ask(&wrong_from)), [481]);
    assert_eq!(
        statuses(&line.ask(&within("BYE", 2, "another", "z9hG4bK-b"))),
        [481]
    );
    assert_eq!(
        statuses(&line.ask(&within("BYE", 2, "", "z9hG4bK-c"))),
        [481]
    );
    assert!(line.events.is_empty());
    assert_eq!(
        statuses(&line.ask(&within("BYE", 2, &tag, "z9hG4bK-d"))),
        [200]
    );
    assert_eq!(
        line.events.pop(),
        Some(CallEvent::Ended {
            call,
            reason: EndReason::CallerHungUp
        })
    );
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut line = Line::new();
    let call = line.invite(&Request::default());
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    assert!(
        line.command(CallCommand::Hangup {
            call,
            reason: HangupReason::Normal
        })
        .is_empty()
    );
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::HungUp
        }]
    );
    let sent = line.ask(&ack(&Request::default(), &tag_of(&answer[0])));
    assert!(sent[0].starts_with("BYE "));
    assert_eq!(line.events.len(), 1, "the end is told once");
    assert_eq!(line.endpoint.counters().calls, 0);
}

#[test]
fn our_bye_is_repeated_until_it_is_answered_and_follows_the_route_set() {
    let mut line = Line::new();
    let routes = "Record-Route: <sip:127.0.0.7:5080;lr>, <sip:127.0.0.8;lr>\r\n";
    let invite = Request {
        extra: routes,
        ..Request::default()
    };
    let call = line.invite(&invite);
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    assert_eq!(
        header(&answer[0], "Record-Route"),
        "<sip:127.0.0.7:5080;lr>, <sip:127.0.0.8;lr>"
    );
    let tag = tag_of(&answer[0]);
    line.ask(&ack(&invite, &tag));
    line.sent.clear();
    line.input(SipInput::Command(CallCommand::Hangup {
        call,
        reason: HangupReason::Normal,
    }));
    let (wire, bye) = line.sent.pop().unwrap();
    assert_eq!(wire, Wire::Udp("127.0.0.7:5080".parse().unwrap()));
    assert!(bye.starts_with("BYE sip:ann@127.0.0.1:5062 SIP/2.0\r\n"));
    assert!(bye.contains("Route: <sip:127.0.0.7:5080;lr>\r\nRoute: <sip:127.0.0.8;lr>\r\n"));
    assert_eq!(
        header(&bye, "From"),
        format!("<sip:1001@127.0.0.1>;tag={tag}")
    );
    assert_eq!(tag_of(&bye), "caller");
    let repeats = line.pass(4 * SECOND);
    assert_eq!(
        repeats
            .iter()
            .map(|(at, text)| (*at, *text == bye))
            .collect::<Vec<_>>(),
        [(500, true), (1_500, true), (3_500, true)]
    );
    let ok = format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: call-1\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        header(&bye, "Via"),
        header(&bye, "From"),
        header(&bye, "To"),
    );
    line.ask_from(TRUSTED, &ok);
    assert!(line.pass(60 * SECOND).is_empty());
    assert_eq!(line.endpoint.unfinished(), 0);
}

#[test]
fn answers_find_their_way_through_a_nat() {
    let mut line = Line::new();
    let natted = Request {
        via: "SIP/2.0/UDP 10.0.0.5:5060;rport",
        ..Request::default()
    };
    line.input(SipInput::Datagram {
        from: "127.0.0.1:33000".parse().unwrap(),
        bytes: natted.text().into(),
    });
    let (wire, trying) = line.sent.pop().unwrap();
    assert_eq!(wire, Wire::Udp("127.0.0.1:33000".parse().unwrap()));
    assert_eq!(
        header(&trying, "Via"),
        "SIP/2.0/UDP 10.0.0.5:5060;rport=33000;branch=z9hG4bK-1;received=127.0.0.1"
    );
    let mut line = Line::new();
    let without = Request {
        via: "SIP/2.0/UDP 10.0.0.5:5090",
        ..Request::default()
    };
    line.input(SipInput::Datagram {
        from: "127.0.0.1:33000".parse().unwrap(),
        bytes: without.text().into(),
    });
    let (wire, _) = line.sent.pop().unwrap();
    assert_eq!(
        wire,
        Wire::Udp("127.0.0.1:5090".parse().unwrap()),
        "without rport the Via's port counts"
    );
}

#[test]
fn a_session_that_nobody_refreshes_is_reaped() {
    let mut line = Line::new();
    let invite = Request {
        extra: "Supported: timer\r\nSession-Expires: 120\r\n",
        ..Request::default()
    };
    let call = line.invite(&invite);
    let answer = line.command(CallCommand::Answer {
        call,
        sdp: ANSWER.into(),
    });
    assert_eq!(header(&answer[0], "Session-Expires"), "120;refresher=uac");
    assert_eq!(header(&answer[0], "Require"), "timer");
    let tag = tag_of(&answer[0]);
    line.ask(&ack(&invite, &tag));
    line.events.clear();
    assert!(line.pass(80 * SECOND).is_empty());
    let refresh = Request {
        method: "UPDATE",
        cseq: 2,
        to_tag: &tag,
        branch: "z9hG4bK-refresh",
        body: None,
        extra: "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n",
        ..Request::default()
    };
    let sent = line.ask(&refresh);
    assert_eq!(statuses(&sent), [200]);
    assert_eq!(header(&sent[0], "Session-Expires"), "120;refresher=uac");
    assert!(
        line.pass(80 * SECOND).is_empty(),
        "the refresh has bought another interval"
    );
    let sent = line.pass(9 * SECOND);
    assert!(sent[0].1.starts_with("BYE "));
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::SessionExpired
        }]
    );
}

#[test]
fn we_refresh_a_session_when_the_caller_wants_us_to() {
    let mut line = Line::new();
    let extra =
        "Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 100;refresher=uas\r\n";
    let (call, _) = line.established(&Request {
        extra,
        ..Request::default()
    });
    let sent = line.pass(50 * SECOND);
    let (at, update) = &sent[0];
    assert!(update.starts_with("UPDATE "));
    assert_eq!(*at, 50_000);
    assert_eq!(header(update, "Session-Expires"), "100;refresher=uac");
    // Nobody answers: the peer is gone.
    line.pass(40 * SECOND);
    assert!(matches!(
        line.events.as_slice(),
        [CallEvent::Ended { call: ended, reason: EndReason::DialogGone | EndReason::SessionExpired }] if *ended == call
    ));
}

#[test]
fn a_peer_that_has_forgotten_the_call_is_found_by_options() {
    let mut line = Line::new();
    let (call, _) = line.established(&Request::default());
    let sent = line.pass(300 * SECOND);
    let options = &sent[0].1;
    assert!(options.starts_with("OPTIONS "));
    let gone = format!(
        "SIP/2.0 481 Gone\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: call-1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        header(options, "Via"),
        header(options, "From"),
        header(options, "To"),
    );
    line.ask_from(TRUSTED, &gone);
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::DialogGone
        }]
    );
}

#[test]
fn an_info_brings_a_digit() {
    let mut line = Line::new();
    let (call, tag) = line.established(&Request::default());
    let info = Request {
        body: Some(("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")),
        ..within("INFO", 2, &tag, "z9hG4bK-info")
    };
    assert_eq!(statuses(&line.ask(&info)), [200]);
    let Some(CallEvent::Info {
        call: of,
        content_type,
        body,
    }) = line.events.pop()
    else {
        panic!("no INFO")
    };
    assert_eq!(of, call);
    assert_eq!(
        plenum_dialin::info::digit(&content_type, &body).map(|digit| digit.as_char()),
        Some('5')
    );
    line.ask(&info);
    assert!(
        line.events.is_empty(),
        "a copy of the INFO is no second digit"
    );
    let other = Request {
        body: Some(("text/plain", "x")),
        ..within("INFO", 3, &tag, "z9hG4bK-info2")
    };
    assert_eq!(statuses(&line.ask(&other)), [415]);
}

#[test]
fn an_invite_that_nobody_answers_is_given_up() {
    let mut line = Line::new();
    let call = line.invite(&Request::default());
    let sent = line.pass(61 * SECOND);
    assert_eq!(status(&sent[0].1), 480);
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call,
            reason: EndReason::Unanswered
        }]
    );
}

#[test]
fn a_direct_trunk_says_so() {
    let direct = Trunk {
        direct: true,
        ..trunk()
    };
    let mut line = Line::with(EndpointConfig {
        trunks: vec![direct],
        ..config()
    });
    line.ask(&Request::default());
    assert!(matches!(
        line.events[0],
        CallEvent::Incoming { direct: true, .. }
    ));
}
