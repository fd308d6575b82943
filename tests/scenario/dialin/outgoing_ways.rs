//! The ways that our calls take: trunks and addresses one after the other, names, connections, limits.

use std::time::Duration;

use plenum_dialin::endpoint::Record;
use plenum_dialin::identity::Rule;
use plenum_dialin::trunk::Transport;
use plenum_dialin::{CallCommand, CallEvent, CallId, EndReason, EndpointConfig, SipInput, Wire};

use super::outgoing::{CONTACT, FAR, RING, clean, leading, outward, placed, reply, route, taken};
use super::phone::{ANSWER, Line, config, header};

const OTHER: &str = "127.0.0.1:5080";
const TTL: Duration = Duration::from_secs(300);

fn two() -> EndpointConfig {
    EndpointConfig {
        trunks: vec![leading("first", FAR), leading("second", OTHER)],
        ..config()
    }
}

fn is_to(line: &Line, to: &str) -> bool {
    matches!(line.sent.last(), Some((Wire::Udp(address), _)) if address.to_string() == to)
}

#[test]
fn a_trunk_that_fails_hands_over_to_the_next() {
    for code in [500, 502, 503, 504] {
        let mut line = Line::with(two());
        let (call, invite) = placed(&mut line, &["first", "second"]);
        let refusal = reply(&invite, code, "far", "", "");
        line.sent.clear();
        line.input(SipInput::Datagram {
            from: FAR.parse().unwrap(),
            bytes: refusal.into(),
        });
        assert!(is_to(&line, OTHER), "{:?}", line.sent);
        let invite = line.sent.last().unwrap().1.clone();
        assert!(
            invite.contains("a=by:second"),
            "each trunk has its own offer"
        );
        line.ask_from(OTHER, &taken(&invite, "far"));
        assert!(
            matches!(&line.events[..], [CallEvent::Answered { call: of, route: 1, .. }] if *of == call),
            "{:?}",
            line.events
        );
        assert_eq!(line.endpoint.trunk_counters()[0].calls, 0);
        assert_eq!(line.endpoint.trunk_counters()[1].calls, 1);
    }
}

#[test]
fn a_trunk_that_is_silent_hands_over_and_one_that_says_busy_does_not() {
    let mut line = Line::with(two());
    placed(&mut line, &["first", "second"]);
    let sent = line.pass(Duration::from_secs(32));
    let invite = sent.last().unwrap().1.clone();
    assert!(invite.contains("a=by:second"));
    let sent = line.ask_from(OTHER, &reply(&invite, 486, "far", "", ""));
    assert_eq!(sent.len(), 1, "an ACK, and no further INVITE: {sent:?}");
    assert!(matches!(
        &line.events[..],
        [CallEvent::Ended {
            reason: EndReason::Rejected(486),
            ..
        }]
    ));
    clean(&mut line);
}

#[test]
fn a_call_without_a_way_out_ends_at_once() {
    let mut line = Line::with(config());
    let (call, invite) = placed(&mut line, &["pbx", "nowhere"]);
    assert_eq!(invite, "", "the trunk takes no calls of ours");
    let reason = EndReason::Rejected(503);
    assert_eq!(line.events, [CallEvent::Ended { call, reason }]);
    clean(&mut line);
}

#[test]
fn a_trunk_that_is_full_is_passed_over() {
    let mut settings = two();
    settings.trunks[0].max_calls = Some(1);
    let mut line = Line::with(settings);
    let (_, first) = placed(&mut line, &["first", "second"]);
    assert!(first.contains("a=by:first"));
    let sent = line.command(CallCommand::Dial {
        call: CallId::placed(8),
        routes: vec![route("first"), route("second")],
        ring: RING,
        replaces: None,
    });
    assert!(sent[0].contains("a=by:second"));
    assert_eq!(line.endpoint.trunk_counters()[0].over_calls, 1);
}

#[test]
fn an_id_serves_once_at_a_time_and_ids_of_incoming_calls_never() {
    let mut line = Line::with(outward());
    let (call, _) = placed(&mut line, &["pbx"]);
    for call in [call, CallId(3)] {
        let routes = vec![route("pbx")];
        let sent = line.command(CallCommand::Dial {
            call,
            routes,
            ring: RING,
            replaces: None,
        });
        assert!(sent.is_empty() && line.events.is_empty());
    }
}

#[test]
fn numbers_are_written_as_the_trunk_wants_them() {
    let mut settings = outward();
    let outbound = settings.trunks[0].outbound.as_mut().unwrap();
    outbound.rules = vec![Rule {
        prefix: "+49".into(),
        replacement: "0".into(),
    }];
    outbound.domain = "carrier.example".into();
    outbound.caller_id = String::new();
    let mut line = Line::with(settings);
    let (_, invite) = placed(&mut line, &["pbx"]);
    assert!(invite.starts_with("INVITE sip:030123@carrier.example SIP/2.0\r\n"));
    assert!(header(&invite, "From").contains("anonymous@anonymous.invalid"));
}

#[test]
fn names_are_looked_up_and_their_addresses_tried_by_priority() {
    let mut settings = outward();
    settings.trunks = vec![leading("pbx", "sip.carrier.example")];
    let mut line = Line::with(settings);
    let (call, invite) = placed(&mut line, &["pbx"]);
    assert_eq!(invite, "", "nothing goes out before it is known where to");
    let (query, host) = line.lookups.pop().unwrap();
    assert_eq!(host, "sip.carrier.example");
    let record = |address: &str, priority| Record {
        addresses: vec![address.parse().unwrap()],
        transport: Transport::Udp,
        priority,
        weight: 10,
    };
    let records = vec![record(OTHER, 20), record(FAR, 10)];
    line.sent.clear();
    let ttl = TTL;
    line.input(SipInput::Resolved {
        query,
        records,
        ttl,
    });
    assert!(is_to(&line, FAR));
    let first = line.sent.last().unwrap().1.clone();
    let second = line.pass(Duration::from_secs(32)).pop().unwrap().1;
    assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"));
    assert_ne!(header(&first, "Via"), header(&second, "Via"));
    line.ask_from(OTHER, &taken(&second, "far"));
    assert!(matches!(&line.events[..], [CallEvent::Answered { call: of, .. }] if *of == call));
}

#[test]
fn a_name_that_stands_for_nothing_or_is_not_found_in_time_is_no_way() {
    let mut settings = outward();
    settings.trunks = vec![leading("pbx", "nowhere.example")];
    for answered in [true, false] {
        let mut line = Line::with(settings.clone());
        let (call, _) = placed(&mut line, &["pbx"]);
        let (query, _) = line.lookups.pop().unwrap();
        let records = Vec::new();
        if !answered {
            line.pass(Duration::from_secs(11));
        }
        line.input(SipInput::Resolved {
            query,
            records,
            ttl: TTL,
        });
        let reason = EndReason::Rejected(503);
        assert_eq!(line.events, [CallEvent::Ended { call, reason }]);
        clean(&mut line);
    }
}

#[test]
fn weights_share_the_calls_and_each_address_comes_once() {
    let mut settings = outward();
    settings.trunks = vec![leading("pbx", "sip.carrier.example")];
    settings.limits.calls = 10_000;
    let mut line = Line::with(settings);
    let mut heavy = 0;
    for count in 0..400 {
        line.command(CallCommand::Dial {
            call: CallId::placed(count),
            routes: vec![route("pbx")],
            ring: RING,
            replaces: None,
        });
        let (query, _) = line.lookups.pop().unwrap();
        let record = |address: &str, weight| Record {
            addresses: vec![address.parse().unwrap()],
            transport: Transport::Udp,
            priority: 1,
            weight,
        };
        line.sent.clear();
        let records = vec![record(FAR, 30), record(OTHER, 10)];
        line.input(SipInput::Resolved {
            query,
            records,
            ttl: TTL,
        });
        heavy += usize::from(is_to(&line, FAR));
    }
    assert!(
        (260..340).contains(&heavy),
        "{heavy} of 400 at weight 30 to 10"
    );
}

#[test]
fn calls_over_tcp_share_a_connection_and_a_lost_one_fails_over() {
    let mut settings = two();
    settings.trunks[0] = leading("first", "127.0.0.1:5070;transport=tls");
    settings.announced_tls = Some("127.0.0.1:5061".parse().unwrap());
    let mut line = Line::with(settings);
    let (call, invite) = placed(&mut line, &["first", "second"]);
    assert!(header(&invite, "Via").starts_with("SIP/2.0/TLS 127.0.0.1:5061;"));
    let other = CallId::placed(8);
    let sent = line.command(CallCommand::Dial {
        call: other,
        routes: vec![route("first")],
        ring: RING,
        replaces: None,
    });
    assert_eq!(sent.len(), 1);
    assert_eq!(line.connects.len(), 1, "one connection for both");
    assert_eq!(line.trusted, [Some("127.0.0.1".to_owned())]);
    let (stream, _) = line.connects[0];
    // The first has heard something: it may still be answered another way.
    line.input(SipInput::StreamBytes {
        stream,
        bytes: reply(&invite, 180, "far", CONTACT, ANSWER).into(),
    });
    assert_eq!(line.events, [CallEvent::Ringing { call }]);
    line.events.clear();
    line.input(SipInput::StreamClosed { stream });
    let reason = EndReason::Rejected(503);
    assert_eq!(
        line.events,
        [CallEvent::Ended {
            call: other,
            reason
        }]
    );
    line.events.clear();
    line.pass(RING);
    let reason = EndReason::RangOut;
    assert_eq!(line.events, [CallEvent::Ended { call, reason }]);
    clean(&mut line);
}
