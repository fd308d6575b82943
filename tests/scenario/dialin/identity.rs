//! Whom a trunk's calls are from and for, and how many of them there may be.

use std::time::Duration;

use plenum_dialin::identity::{CalledFrom, CallerFrom, Identity, Rule};
use plenum_dialin::{CallCommand, CallEvent, Caller, EndpointConfig, HangupReason, Trunk};

use super::phone::{ANSWER, Line, Request, ack, config, header, statuses, tag_of, trunk};

const SECOND: Duration = Duration::from_secs(1);

fn line(trunk: Trunk) -> Line {
    Line::with(EndpointConfig {
        trunks: vec![trunk],
        ..config()
    })
}

/// Who calls whom, by a call with these headers beside From (Ann, 49301234) and Request-URI (1001).
fn named(identity: Identity, extra: &str) -> (Caller, String) {
    let mut line = line(Trunk {
        identity,
        ..trunk()
    });
    let request = Request {
        extra,
        ..Request::default()
    };
    assert_eq!(statuses(&line.ask(&request)), [100]);
    match line.events.pop() {
        Some(CallEvent::Incoming { caller, called, .. }) => (caller, called),
        other => panic!("no call but {other:?}"),
    }
}

fn rules(list: &[(&str, &str)]) -> Vec<Rule> {
    let rule = |(prefix, replacement): &(&str, &str)| Rule {
        prefix: (*prefix).into(),
        replacement: (*replacement).into(),
    };
    list.iter().map(rule).collect()
}

const ASSERTED: &str =
    "P-Asserted-Identity: \"Network\" <sip:0301234@carrier.example>, <tel:+49301234>\r\n";
const DIVERTED: &str = "Diversion: <sip:0305555@carrier.example>;reason=no-answer\r\n\
                        Diversion: \"Desk\" <tel:+49-30-6666>;reason=unconditional\r\n";

#[test]
fn the_header_of_the_trunks_choice_names_the_caller() {
    let by = |caller, extra: &str| {
        let identity = Identity {
            caller,
            caller_rules: rules(&[("0", "+49")]),
            ..Identity::default()
        };
        let caller = named(identity, extra).0;
        assert!(!caller.anonymous);
        (caller.display, caller.number)
    };
    let of = |display: &str, number: &str| (display.to_owned(), number.to_owned());
    let both = format!("{ASSERTED}{DIVERTED}");
    assert_eq!(by(CallerFrom::From, &both), of("Ann", "49301234"));
    assert_eq!(by(CallerFrom::Asserted, &both), of("Network", "+49301234"));
    assert_eq!(by(CallerFrom::Asserted, ""), of("Ann", "49301234"));
    assert_eq!(by(CallerFrom::Diversion, &both), of("", "+49305555"));
    assert_eq!(
        by(CallerFrom::Diversion, ASSERTED),
        of("Network", "+49301234")
    );
    // What cannot be read names nobody.
    assert_eq!(
        by(CallerFrom::Asserted, "P-Asserted-Identity: <<<\r\n"),
        of("Ann", "49301234")
    );
}

#[test]
fn the_header_of_the_trunks_choice_names_the_called() {
    let by = |called, extra: &str| {
        let identity = Identity {
            called,
            called_rules: rules(&[("+4930", "")]),
            ..Identity::default()
        };
        named(identity, extra).1
    };
    assert_eq!(by(CalledFrom::RequestUri, DIVERTED), "1001");
    assert_eq!(by(CalledFrom::To, DIVERTED), "1001");
    assert_eq!(by(CalledFrom::Diversion, DIVERTED), "6666");
    assert_eq!(by(CalledFrom::Diversion, ""), "1001");
}

#[test]
fn who_wants_to_be_anonymous_has_no_name_and_is_counted_by_the_networks_number() {
    for privacy in ["id", "user;id", "header", "critical;user"] {
        let extra = format!("{ASSERTED}Privacy: {privacy}\r\n");
        let (caller, _) = named(Identity::default(), &extra);
        assert!(caller.anonymous, "{privacy}");
        assert_eq!(
            (caller.display.as_str(), caller.number.as_str()),
            ("", "0301234")
        );
        assert!(!format!("{caller:?}").contains("1234"));
    }
    let (caller, _) = named(Identity::default(), "Privacy: none\r\n");
    assert!(!caller.anonymous);
}

#[test]
fn a_trunk_has_as_many_calls_as_it_may_and_gets_room_when_one_ends() {
    let mut line = line(Trunk {
        max_calls: Some(2),
        ..trunk()
    });
    let invite = |id| Request {
        branch: id,
        call_id: id,
        ..Request::default()
    };
    let (first, _) = line.established(&invite("z9hG4bK-a"));
    line.established(&invite("z9hG4bK-b"));
    let refused = line.ask(&invite("z9hG4bK-c"));
    assert_eq!(statuses(&refused), [503]);
    assert_eq!(header(&refused[0], "Retry-After"), "5");
    let counters = line.endpoint.trunk_counters()[0];
    assert_eq!((counters.calls, counters.over_calls), (2, 1));
    line.command(CallCommand::Hangup {
        call: first,
        reason: HangupReason::Normal,
    });
    assert_eq!(statuses(&line.ask(&invite("z9hG4bK-d"))), [100]);
    assert_eq!(line.endpoint.trunk_counters()[0].calls, 2);
}

#[test]
fn a_burst_beyond_the_rate_is_refused_and_the_rate_is_served() {
    let mut line = line(Trunk {
        calls_per_second: Some(10),
        ..trunk()
    });
    let ask = |line: &mut Line, number: u32| {
        let id = format!("z9hG4bK-{number}");
        let request = Request {
            branch: &id,
            call_id: &id,
            ..Request::default()
        };
        let answer = line.ask(&request);
        if statuses(&answer) == [503] {
            assert_eq!(header(&answer[0], "Retry-After"), "1");
        }
        statuses(&answer) == [100]
    };
    let burst = (0..50).filter(|number| ask(&mut line, *number)).count();
    assert_eq!(burst, 10);
    let mut served = 0;
    for number in 50..250 {
        line.pass(SECOND / 20);
        served += usize::from(ask(&mut line, number));
    }
    assert!((99..=101).contains(&served), "{served} in ten seconds");
    assert_eq!(
        line.endpoint.trunk_counters()[0].over_rate,
        250 - 10 - u64::try_from(served).unwrap()
    );
}

#[test]
fn calls_that_fail_in_every_way_leave_no_count_behind() {
    let mut line = line(Trunk {
        max_calls: Some(1),
        ..trunk()
    });
    for round in 0..3 {
        let id = format!("z9hG4bK-{round}");
        let request = Request {
            branch: &id,
            call_id: &id,
            ..Request::default()
        };
        let call = line.invite(&request);
        match round {
            0 => drop(line.command(CallCommand::Refuse { call, status: 486 })),
            1 => {
                let answer = line.command(CallCommand::Answer {
                    call,
                    sdp: ANSWER.into(),
                });
                line.ask(&ack(&request, &tag_of(&answer[0])));
                line.command(CallCommand::Hangup {
                    call,
                    reason: HangupReason::Normal,
                });
            }
            // Nobody acknowledges.
            _ => {
                line.command(CallCommand::Answer {
                    call,
                    sdp: ANSWER.into(),
                });
                line.pass(SECOND * 40);
            }
        }
        assert_eq!(line.endpoint.trunk_counters()[0].calls, 0, "round {round}");
    }
}
