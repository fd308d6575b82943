//! Trunks by name: which of their servers is tried when, whose calls are theirs, and how long what a name server said holds.

use std::time::Duration;

use plenum_dialin::endpoint::{Record, Registered};
use plenum_dialin::trunk::Transport;
use plenum_dialin::{CallCommand, CallEvent, CallId, EndpointConfig, SipInput, Wire};

use super::outgoing::{RING, leading, outward, placed, reply, route, taken};
use super::phone::{Line, Request, config, header, status, statuses};

const SECOND: Duration = Duration::from_secs(1);
const NAME: &str = "sip.carrier.example";
const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5070";
const C: &str = "192.0.2.3:5060";

/// A trunk that has a name, and no address besides.
fn named() -> EndpointConfig {
    let mut trunk = leading("pbx", NAME);
    trunk.sources.clear();
    EndpointConfig {
        trunks: vec![trunk],
        ..config()
    }
}

fn server(addresses: &[&str], priority: u16, weight: u16) -> Record {
    let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
    Record {
        priority,
        weight,
        ..Record::new(addresses, Transport::Udp)
    }
}

/// Answers every look-up that waits; gives how many there were.
fn answer(line: &mut Line, records: &[Record], ttl: u64) -> usize {
    let asked = std::mem::take(&mut line.lookups);
    for (query, host) in &asked {
        assert_eq!(host, NAME);
        line.input(SipInput::Resolved {
            query: *query,
            records: records.to_vec(),
            ttl: SECOND * u32::try_from(ttl).unwrap(),
        });
    }
    asked.len()
}

/// Where the last message went, and its text.
fn last(line: &Line) -> (String, String) {
    match line.sent.last() {
        Some((Wire::Udp(to), text)) => (to.to_string(), text.clone()),
        other => panic!("expected a datagram, got {other:?}"),
    }
}

/// A line whose trunk is known by name, with a call that goes to the first of these servers.
fn calling(records: &[Record]) -> (Line, CallId) {
    let mut line = Line::with(named());
    let (call, _) = placed(&mut line, &["pbx"]);
    line.sent.clear();
    assert_eq!(answer(&mut line, records, 300), 2, "the name, and the call");
    (line, call)
}

#[test]
fn a_server_that_refuses_is_silent_or_cannot_be_reached_hands_over_to_the_next() {
    let records = [server(&[A], 1, 0), server(&[B], 2, 0), server(&[C], 3, 0)];
    let (mut line, call) = calling(&records);
    let (to, invite) = last(&line);
    assert_eq!(to, A);
    line.input(SipInput::Datagram {
        from: A.parse().unwrap(),
        bytes: reply(&invite, 503, "a", "", "").into(),
    });
    let (to, second) = last(&line);
    assert_eq!(to, B);
    assert_ne!(header(&second, "Via"), header(&invite, "Via"));
    line.sent.clear();
    line.input(SipInput::Unreachable {
        to: B.parse().unwrap(),
    });
    let (to, third) = last(&line);
    assert_eq!(to, C);
    line.ask_from(C, &taken(&third, "c"));
    assert!(matches!(&line.events[..], [CallEvent::Answered { call: of, .. }] if *of == call));
    // An answer that comes late from elsewhere is nobody's.
    assert!(line.ask_from(A, &reply(&invite, 486, "a", "", "")).len() <= 1);
    assert_eq!(line.endpoint.counters().calls, 1);
}

#[test]
fn what_cannot_be_reached_any_more_ends_the_call_and_its_timer_is_not_awaited() {
    let (mut line, call) = calling(&[server(&[A], 1, 0)]);
    let to = A.parse().unwrap();
    line.input(SipInput::Unreachable { to });
    assert!(matches!(&line.events[..], [CallEvent::Ended { call: of, .. }] if *of == call));
    assert_eq!(line.endpoint.counters().calls, 0);
}

#[test]
fn all_addresses_of_a_server_are_tried_before_the_next_server() {
    // The weight is the server's: two addresses do not count twice.
    let records = [server(&[A, B], 1, 10), server(&[C], 1, 10)];
    let mut firsts = [0; 3];
    for _ in 0..20 {
        let mut settings = named();
        settings.limits.calls = 1_000;
        settings.secret = std::array::from_fn(|at| u8::try_from(firsts[at % 3] + at).unwrap());
        let mut line = Line::with(settings);
        for count in 0..20 {
            line.command(CallCommand::Dial {
                call: CallId::placed(count),
                routes: vec![route("pbx")],
                ring: RING,
                replaces: None,
            });
            line.sent.clear();
            answer(&mut line, &records, 300);
            let (to, _) = last(&line);
            firsts[[A, B, C].iter().position(|it| **it == to).unwrap()] += 1;
            if to == A {
                line.sent.clear();
                line.input(SipInput::Unreachable {
                    to: A.parse().unwrap(),
                });
                assert_eq!(last(&line).0, B);
            }
        }
    }
    assert!((150..250).contains(&firsts[0]), "{firsts:?} of 400");
    assert_eq!(firsts[1], 0, "the second address is never first");
}

#[test]
fn calls_from_where_the_name_leads_are_the_trunks_until_it_leads_elsewhere() {
    let mut line = Line::with(named());
    let call = |from: &str, number: u32| {
        let (branch, id) = (format!("z9hG4bK-{number}"), format!("call-{number}"));
        let request = Request {
            branch: &branch,
            call_id: &id,
            ..Request::default()
        };
        (from.to_owned(), request.text())
    };
    let taken = |line: &mut Line, (from, text): (String, String)| {
        let answers = line.ask_from(&from, &text);
        line.events.clear();
        status(&answers[0])
    };
    assert_eq!(taken(&mut line, call(A, 1)), 403, "nothing is known yet");
    assert_eq!(answer(&mut line, &[server(&[A], 0, 0)], 120), 1);
    assert_eq!(taken(&mut line, call(A, 2)), 100);
    // From whatever port: a far end need not call from where it is called.
    assert_eq!(taken(&mut line, call("192.0.2.1:40000", 3)), 100);
    assert_eq!(taken(&mut line, call(B, 4)), 403);
    line.pass(119 * SECOND);
    assert!(line.lookups.is_empty(), "it holds for two minutes");
    line.pass(2 * SECOND);
    assert_eq!(answer(&mut line, &[server(&[B], 0, 0)], 5), 1);
    assert_eq!(taken(&mut line, call(A, 5)), 403, "it has moved");
    assert_eq!(taken(&mut line, call(B, 6)), 100);
    line.pass(20 * SECOND);
    assert!(line.lookups.is_empty(), "not every five seconds");
    line.pass(11 * SECOND);
    // The name server is away: the trunk is not, for an hour.
    assert_eq!(answer(&mut line, &[], 0), 1);
    assert_eq!(taken(&mut line, call(B, 7)), 100);
    for _ in 0..59 {
        line.pass(60 * SECOND);
        answer(&mut line, &[], 0);
    }
    assert_eq!(taken(&mut line, call(B, 8)), 100);
    line.pass(120 * SECOND);
    assert_eq!(taken(&mut line, call(B, 9)), 403);
}

#[test]
fn a_call_that_stands_may_say_goodbye_from_where_its_trunk_has_moved_away() {
    let (mut line, call) = calling(&[server(&[A], 1, 0)]);
    let (_, invite) = last(&line);
    line.ask_from(A, &taken(&invite, "a"));
    line.events.clear();
    line.pass(301 * SECOND);
    assert_eq!(answer(&mut line, &[server(&[B], 1, 0)], 300), 1);
    let bye = |from: &str, branch: &str| {
        let (to, sender) = (header(&invite, "From"), header(&invite, "To"));
        let id = header(&invite, "Call-ID");
        format!(
            "BYE sip:plenum@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-{branch}\r\nFrom: {sender};tag=a\r\nTo: {to}\r\n\
             Call-ID: {id}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    assert_eq!(statuses(&line.ask_from(C, &bye(C, "stranger"))), [403]);
    assert!(line.events.is_empty(), "{:?}", line.events);
    assert_eq!(statuses(&line.ask_from(A, &bye(A, "goodbye"))), [200]);
    assert!(matches!(&line.events[..], [CallEvent::Ended { call: of, .. }] if *of == call));
}

#[test]
fn what_is_taken_back_at_the_end_is_so_at_the_server_that_can_be_reached() {
    let mut settings = named();
    settings.trunks[0].outbound.as_mut().unwrap().register = Some(SECOND * 600);
    let mut line = Line::with(settings);
    line.input(SipInput::Tick);
    let records = [server(&[A], 1, 0), server(&[B], 2, 0)];
    answer(&mut line, &records, 3_600);
    let (to, text) = last(&line);
    assert_eq!(to, A);
    let contact = format!("Contact: {};expires=600\r\n", header(&text, "Contact"));
    line.ask_from(A, &reply(&text, 200, "a", &contact, ""));
    line.sent.clear();
    line.input(SipInput::Leaving);
    answer(&mut line, &records, 3_600);
    assert_eq!(last(&line).0, A);
    line.input(SipInput::Unreachable {
        to: A.parse().unwrap(),
    });
    let (to, text) = last(&line);
    assert_eq!(to, B);
    assert!(
        text.starts_with("REGISTER ") && text.contains("Expires: 0"),
        "{text}"
    );
}

#[test]
fn an_address_in_the_configuration_is_its_trunks_whatever_names_say() {
    let mut settings = named();
    settings.trunks[0].name = "named".into();
    let mut listed = leading("listed", "127.0.0.1:5070");
    listed.sources = vec!["192.0.2.0/24".parse().unwrap()];
    settings.trunks.push(listed);
    let mut line = Line::with(settings);
    line.input(SipInput::Tick);
    answer(&mut line, &[server(&[A], 0, 0)], 300);
    assert_eq!(
        statuses(&line.ask_from(A, &Request::default().text())),
        [100]
    );
    assert!(
        matches!(line.events.last(), Some(CallEvent::Incoming { trunk, .. }) if trunk == "listed")
    );
}

#[test]
fn registrations_and_questions_try_one_server_after_the_other() {
    let mut settings = named();
    let outbound = settings.trunks[0].outbound.as_mut().unwrap();
    outbound.register = Some(SECOND * 600);
    outbound.probe = Some(SECOND * 60);
    let mut line = Line::with(settings);
    line.input(SipInput::Tick);
    let records = [server(&[A], 1, 0), server(&[B], 2, 0)];
    assert_eq!(answer(&mut line, &records, 3_600), 3);
    let sent = std::mem::take(&mut line.sent);
    assert_eq!(sent.len(), 2, "{sent:?}");
    // Both are lost at once with the way there, and asked elsewhere.
    line.input(SipInput::Unreachable {
        to: A.parse().unwrap(),
    });
    let sent = std::mem::take(&mut line.sent);
    assert_eq!(sent.len(), 2, "{sent:?}");
    for (wire, text) in sent {
        assert_eq!(wire, Wire::Udp(B.parse().unwrap()));
        let contact = format!("Contact: {};expires=600\r\n", header(&text, "Contact"));
        line.ask_from(B, &reply(&text, 200, "b", &contact, ""));
    }
    let far = line.endpoint.trunk_counters()[0].far_end;
    assert!(far.up && far.registered == Registered::Yes, "{far:?}");
}

#[test]
fn a_name_without_answers_leaves_no_call_and_is_asked_again() {
    let mut line = Line::with(named());
    let (call, invite) = placed(&mut line, &["pbx"]);
    assert_eq!(invite, "");
    // Nobody answers at all.
    line.lookups.clear();
    line.pass(11 * SECOND);
    assert!(matches!(&line.events[..], [CallEvent::Ended { call: of, .. }] if *of == call));
    line.events.clear();
    let (call, _) = placed(&mut line, &["pbx"]);
    assert_eq!(answer(&mut line, &[], 0), 1);
    assert!(matches!(&line.events[..], [CallEvent::Ended { call: of, .. }] if *of == call));
    line.pass(31 * SECOND);
    assert_eq!(line.lookups.len(), 1, "where it is matters for its calls");
    line.input(SipInput::Leaving);
    answer(&mut line, &[], 0);
    line.pass(7_200 * SECOND);
    assert!(line.lookups.is_empty(), "nobody asks when the server stops");
    assert_eq!(line.endpoint.deadline(), None);
}

#[test]
fn a_trunk_by_address_is_never_looked_up() {
    let mut line = Line::with(outward());
    line.pass(7_200 * SECOND);
    assert!(line.lookups.is_empty());
}
